"""What ``orchestra serve`` is: a Jupyter server with this extension alone, and the services kept beside it.

It has Jupyter's way to who may call (tokens, passwords, identity providers, a JupyterHub's users), its configuration
and its ``/metrics``, and none of its notebooks: no file is read and no kernel started for a caller, so that it may run
as root in a container as services do.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import urllib.parse
from types import FrameType
from typing import Any, Final

from jupyter_core.application import JupyterApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.manager import AsyncContentsManager
from jupyter_server.utils import url_path_join
from tornado.netutil import bind_sockets
from traitlets import List, Unicode, default

from orchestra_nb.acting_user import process_user
from orchestra_nb.errors import InvalidSetting, OrchestraError, StoreReadOnly
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.operations.problems import problem_of
from orchestra_nb.operations.running_servers import SERVER_INFO_KEY, STORE_INFO_KEY, running_servers
from orchestra_nb.operations.service_presence import pools_of
from orchestra_nb.server.callers import RULES_SETTING
from orchestra_nb.server.extension import OrchestraExtension
from orchestra_nb.services.kept_process import KeptProcess
from orchestra_nb.services.service_log import show_service_log
from orchestra_nb.settings import load_settings
from orchestra_nb.version import __version__

_EXTENSION: Final = "orchestra_nb"
#: Makes a Jupyter server know a JupyterHub's users, as a user's own server does.
_HUB_EXTENSION: Final = "jupyterhub"
#: Set for a service of a JupyterHub, and not for what a user starts in a terminal there.
_HUB_SERVICE: Final = "JUPYTERHUB_SERVICE_NAME"
_READY_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.05


class NoContents(AsyncContentsManager):
    """Has no files for anybody."""

    def get_extra_handlers(self) -> list[Any]:
        """Return no route: not that for downloads either."""
        return []


class OrchestraServer(ServerApp):
    """The server. It is made once in a process, by :func:`main`."""

    description = "Runs deployments when they are due, and serves Orchestra's API."
    default_services = ("auth", "security")  # type: ignore[assignment]  # its type has all thirteen
    port_default_value = 8586

    command_service = List(
        Unicode(), help="The command of the process that keeps `orchestra run` warm; empty for none."
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kept_commands: KeptProcess | None = None
        self._signals = 0
        self._store_location = ""
        self.jpserver_extensions = {_EXTENSION: True}

    @default("log_level")
    def _log_level_default(self) -> int:
        return 30  # requests and loaded extensions are for who asks: --ServerApp.log_level=INFO

    @default("reraise_server_extension_failures")
    def _reraise_server_extension_failures_default(self) -> bool:
        return True  # without our extension this serves nothing

    @default("contents_manager_class")
    def _contents_manager_class_default(self) -> type[AsyncContentsManager]:
        return NoContents

    @default("default_url")
    def _default_url_default(self) -> str:
        return url_path_join(self.base_url, "/orchestra/")

    @property
    def extension(self) -> OrchestraExtension:
        """Our extension in this server."""
        app = self.extension_manager.extension_points[_EXTENSION].app
        assert isinstance(app, OrchestraExtension)
        return app

    def init_server_extensions(self) -> None:
        """Load our extension, and who knows the users where this is a service of a JupyterHub."""
        if os.environ.get(_HUB_SERVICE):
            self.config.ServerApp.setdefault("default_url", "/orchestra/")
            self.jpserver_extensions[_HUB_EXTENSION] = True
        super().init_server_extensions()
        hub = self.extension_manager.extensions.get(_HUB_EXTENSION)
        if hub is None and os.environ.get(_HUB_SERVICE):
            _refuse("This is a service of a JupyterHub, whose users are known by its package: pip install jupyterhub")

    def load_server_extensions(self) -> None:
        """Load our extension; a service of a JupyterHub has users, so it is refused where nobody has a role."""
        super().load_server_extensions()
        if os.environ.get(_HUB_SERVICE) and not self.web_app.settings[RULES_SETTING].roles:
            _refuse(
                "This is a service of a JupyterHub, and nobody has a role in it: each user of the hub could run code "
                f"as {process_user()!r}. Say in jupyter_server_config.py who may do what: "
                'c.OrchestraExtension.roles = {"ana": "admin", "group:analysts": "author", "*": "viewer"}'
            )

    def init_resources(self) -> None:
        """Start what must be as its callers are before this process is given more open files than they have."""
        if self.port and not self.port_retries and not self.sock:
            self._check_port()
        if self.command_service:
            self._kept_commands = KeptProcess("service for commands", self.command_service)
        super().init_resources()

    def init_signal(self) -> None:
        """Have Ctrl-C and SIGTERM end this: there is nothing to ask, since no work of anybody is open here."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signal_stop)

    def _signal_stop(self, sig: int, frame: FrameType | None) -> None:
        """End in good order; at the second signal without waiting for runs, at the third one at once."""
        self._signals += 1
        if self._signals == 1:
            self.stop(from_signal=True)
        elif self._signals == 2:
            self.io_loop.add_callback_from_signal(self._hurry)
        else:
            os._exit(1)  # services end with their keeper, and recovery says what became of their runs

    async def _hurry(self) -> None:
        await asyncio.to_thread(self.extension.keeper.hurry)

    def _find_http_port(self) -> None:
        wanted = self.port
        super()._find_http_port()
        if wanted not in (0, self.port):
            _say(f"Port {wanted} is taken, perhaps by another `orchestra serve`: this one listens on port {self.port}.")

    def _check_port(self) -> None:
        """Refuse a port that is taken, and say by which server where that is one of ours."""
        try:
            sockets = bind_sockets(self.port, self.ip)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return  # said by whoever binds it
        else:
            for one in sockets:
                one.close()
            return
        holder = next((one for one in running_servers() if one.port == self.port), None)
        who = "" if holder is None else f" by the `orchestra serve` with the pid {holder.pid}, {holder.url}"
        _refuse(
            f"Port {self.port} is taken{who}. Give another one, 0 for any that is free, or no --port for the first one "
            f"from {self.port_default_value} on."
        )

    def server_info(self) -> dict[str, Any]:
        """Return what others find in Jupyter's runtime folder: also that this server is ours, and of which store."""
        return {**super().server_info(), SERVER_INFO_KEY: __version__, STORE_INFO_KEY: self._store_location}

    def start_app(self) -> None:
        """Begin to serve, and say where as soon as deployments run, too."""
        JupyterApp.start(self)
        self.write_server_info_file()
        if not self.no_browser_open_file:
            self.write_browser_open_files()
        if self.open_browser and not self.sock:
            self.launch_browser()
        self.io_loop.add_callback(self._tell_when_ready)

    async def _tell_when_ready(self) -> None:
        keeper = self.extension.keeper
        while keeper.state in ("starting", "no store yet"):
            await asyncio.sleep(_LOOK_SECONDS)
            if self._signals:
                return
        location = await self.extension.access.call(lambda store: store.database.location)
        if keeper.state == "up":
            pools = self.extension.service_pools or ", ".join(pools_of(load_settings()))
            kept = self._kept_commands
            is_quick = kept is not None and await asyncio.to_thread(kept.wait_until_ready, _READY_SECONDS)
            more = ", and `orchestra run` starts at once" if is_quick else ""
            what = f"Ready: deployments in pool {pools} of {location} run when they are due{more}."
        else:
            what = f"Ready, but no deployments run here. What {location} holds can be seen."
        _say(f"{what} Ctrl-C ends this.\n  {self._shown_address()}")

    def _shown_address(self) -> str:
        """Return where its page is; with the token only on a terminal, since logs are kept and read by others."""
        if self.sock:
            return f"{self.sock} (a Unix socket)"
        address = url_path_join(self.connection_url, "orchestra/")
        identity = self.identity_provider
        if not identity.token or not identity.token_generated:
            return address
        if sys.stderr is not None and sys.stderr.isatty():
            return f"{address}?{urllib.parse.urlencode({'token': identity.token})}"
        return f"{address} (its token: jupyter server list)"

    async def _cleanup(self) -> None:
        kept = self._kept_commands
        ending = asyncio.to_thread(kept.close) if kept is not None else asyncio.sleep(0)
        await asyncio.gather(super()._cleanup(), ending)


def main(argv: list[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises
    ------
    SystemExit
        A setting is wrong, the store cannot be opened or was written by a newer version, or there is no free port.
    """
    show_service_log()
    try:
        server = OrchestraServer.instance()
        server.extra_args = []
        server.initialize(argv, find_extensions=False)
        server._store_location = _check_store()
    except OrchestraError as error:
        _refuse(problem_of(error).detail, problem_of(error).exit_code)
    server.start()


def _check_store() -> str:
    """Make the store where there is none, refuse at once what would be refused in each service, and say where it is."""
    settings = load_settings()
    if settings.resolved_store_url.startswith("sqlite") and ":memory:" in settings.resolved_store_url:
        raise InvalidSetting("A store in memory is seen by one process alone. Set store_url to a file or a database.")
    try:
        store = open_store(settings)
    except StoreReadOnly as error:  # what is in it can be shown
        _say(str(error))
        return ""
    close_store(store)
    return store.database.location


def _refuse(message: str, exit_code: int = 1) -> None:
    _say(message)
    sys.exit(exit_code)


def _say(text: str) -> None:
    """Tell whoever reads stderr, if anybody does."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:  # who read it has gone; what is left of it would make the exit code another one
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


if __name__ == "__main__":
    main()
