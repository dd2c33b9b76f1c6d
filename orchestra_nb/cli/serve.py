"""``orchestra serve``: a Jupyter server with Orchestra's API and services, or the services alone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import click

from orchestra_nb.cli.stop_signals import stopped_by_signals
from orchestra_nb.errors import InvalidInput, StoreReadOnly, StoreTooNew
from orchestra_nb.settings import Settings, load_settings

_READY_SECONDS = 30.0
#: An option of Jupyter Server as its configuration names it: ``--ServerApp.base_url=/team/``.
_JUPYTER_OPTION: Final = re.compile(r"--[A-Z]\w*\.\w[\w.]*=.*", re.DOTALL)
#: By its name, since a shell's command and a server do not know each other's code: one becomes the other.
_SERVER_MODULE: Final = "orchestra_nb.server.standalone"


class _ServeCommand(click.Command):
    """Takes options of Jupyter Server beside its own; a mistyped one of its own is still an error."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put aside what is Jupyter's."""
        ctx.meta[_SERVER_MODULE] = [word for word in args if _JUPYTER_OPTION.fullmatch(word)]
        return super().parse_args(ctx, [word for word in args if not _JUPYTER_OPTION.fullmatch(word)])


@click.command(cls=_ServeCommand)
@click.option("--port", type=click.IntRange(0, 65535), help="Where the server listens. Default: 8586 or the next free.")
@click.option("--ip", metavar="ADDRESS", help="The address that it listens on: localhost, if nothing else is said.")
@click.option("--browser/--no-browser", "is_shown", default=False, help="Whether its page is opened in a browser.")
@click.option("--server/--no-server", "has_server", default=True, help="Whether there is a server at all.")
@click.option("--pool", "pools", multiple=True, help="A pool whose runs are started here; may be given several times.")
@click.option("--runs", type=click.IntRange(min=1), help="How many runs go on here at a time.")
@click.option(
    "--commands/--no-commands", "has_commands", default=True, help="Whether `orchestra run` is kept warm (on Linux)."
)
@click.option("--with-keeper", "is_kept", is_flag=True, hidden=True)
@click.option("--only-commands", "is_for_commands", is_flag=True, hidden=True)
@click.pass_context
def serve(
    ctx: click.Context,
    port: int | None,
    ip: str | None,
    is_shown: bool,
    has_server: bool,
    pools: tuple[str, ...],
    runs: int | None,
    has_commands: bool,
    is_kept: bool,
    is_for_commands: bool,
) -> None:
    """Run deployments when they are due, and serve Orchestra's API, until Ctrl-C or SIGTERM.

    It starts the runs of schedules and those that wait, retries what failed as its deployment says, and finds what
    died. Any number of services may share a store. The server is a Jupyter server with this extension alone: it takes
    webhooks and tells its health, needs a token, and starts no kernels for its callers. It reads
    jupyter_server_config.py, and options as Jupyter has them: --ServerApp.base_url=/team/.

    While it runs on Linux, `orchestra run` in the same Python environment starts in a tenth of the time, too.
    """
    if is_for_commands:  # the process that it keeps beside it
        from orchestra_nb.cli.command_service import serve_commands

        sys.exit(serve_commands())
    overrides: dict[str, object] = {}
    if pools:
        overrides["service_pools"] = ",".join(pools)
    if runs is not None:
        overrides["service_runs"] = runs
    settings = load_settings(overrides)
    if pools and not is_kept:
        _check_pools(settings, pools)
    keeps_commands = has_commands and sys.platform == "linux" and not is_kept and not _is_command_service_up()
    jupyter_options: list[str] = ctx.meta[_SERVER_MODULE]
    if has_server and not is_kept:
        command = _command_service() if keeps_commands else []
        words = _server_words(port, ip, is_shown, command, settings, overrides)
        _become_server([*words, *jupyter_options])
    if (port, ip) != (None, None) or is_shown or jupyter_options:
        raise InvalidInput("Without a server there is no port, no address, no browser and no option of Jupyter.")
    from orchestra_nb.services.service_log import show_service_log

    show_service_log()
    with contextlib.ExitStack() as stack:
        stop, hurry = threading.Event(), threading.Event()
        stack.enter_context(stopped_by_signals(stop, hurry))
        if is_kept:
            _serve_keeper(settings, stop, hurry)
            return
        is_quick = keeps_commands and _keep_commands_ready(stack)
        _serve(settings, stop, hurry, is_quick)


def _check_pools(settings: Settings, pools: Sequence[str]) -> None:
    """Refuse pools that are not there, before anything is started for them."""
    from orchestra_nb.operations.opening import close_store, open_store
    from orchestra_nb.operations.work_pools import pool_store

    store = open_store(settings)
    try:
        for pool in pools:
            pool_store(store).get(pool)
    finally:
        close_store(store)


def _server_words(
    port: int | None,
    ip: str | None,
    is_shown: bool,
    command: Sequence[str],
    settings: Settings,
    overrides: dict[str, object],
) -> list[str]:
    """Return the options of the server, as Jupyter writes them."""
    words = [f"--ServerApp.open_browser={is_shown}"]
    if port is not None:
        words += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if ip is not None:
        words.append(f"--ServerApp.ip={ip}")
    if command:
        words.append(f"--OrchestraServer.command_service={json.dumps(command)}")
    for name in overrides:
        words.append(f"--OrchestraExtension.{name}={getattr(settings, name)}")
    return words


def _become_server(words: Sequence[str]) -> None:
    """Replace this process by the server, which is so known to its keeper by the same pid; started as this one was."""
    program = "-m" if "-m" in sys.orig_argv else sys.argv[0]
    flags = sys.orig_argv[1 : sys.orig_argv.index(program)] if program in sys.orig_argv else []
    safe = [] if "-P" in flags else ["-P"]  # a file in the working folder is no module of the server
    os.execv(sys.executable, [sys.executable, *flags, *safe, "-m", _SERVER_MODULE, *words])


def _serve_keeper(settings: Settings, stop: threading.Event, hurry: threading.Event) -> None:
    """Serve for whoever started this process, and no longer than that lives: its end of stdin is the lifeline."""
    from orchestra_nb.operations.service_process import serve_deployments
    from orchestra_nb.services.kept_process import USELESS_EXIT_CODE

    # taken from their places, so that nothing that is started here reads the one or fills the other
    lifeline, keeper = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)

    def watch() -> None:
        while os.read(lifeline, 1024):
            pass
        stop.set()

    os.set_blocking(keeper, False)

    def tell(line: bytes) -> None:
        with contextlib.suppress(OSError):  # it has died, or does not read
            os.write(keeper, line)

    def tell_steps(steps: Mapping[str, datetime | None]) -> None:
        tell(json.dumps({name: None if at is None else at.timestamp() for name, at in steps.items()}).encode() + b"\n")

    threading.Thread(target=watch, name="orchestra-lifeline", daemon=True).start()
    try:
        serve_deployments(settings, stop, hurry, lambda: tell(b"ready\n"), tell_steps)
    except (StoreReadOnly, StoreTooNew) as error:
        click.echo(f"Services do not run: {error}", err=True)
        sys.exit(USELESS_EXIT_CODE)


def _serve(settings: Settings, stop: threading.Event, hurry: threading.Event, is_quick: bool) -> None:
    from orchestra_nb.operations.opening import open_store
    from orchestra_nb.operations.service_presence import pools_of
    from orchestra_nb.operations.service_process import serve_deployments

    def ready() -> None:
        location = open_store(settings).database.location
        what = f"deployments in pool {', '.join(pools_of(settings))} of {location} run when they are due"
        more = ", and `orchestra run` starts at once" if is_quick else ""
        click.echo(f"Ready: {what}{more}. Ctrl-C ends this.", err=True)

    serve_deployments(settings, stop, hurry, ready)


def _is_command_service_up() -> bool:
    from orchestra_nb.services.command_socket import is_served

    return is_served()


def _command_service() -> list[str]:
    """Return the command of the process that commands find: started as this one was, since callers look for that."""
    own_words = len(sys.argv) - 1
    return [*sys.orig_argv[: len(sys.orig_argv) - own_words], "serve", "--only-commands"]


def _keep_commands_ready(stack: contextlib.ExitStack) -> bool:
    """Keep the process beside this one that commands find; False where it is not ready in time."""
    from orchestra_nb.services.kept_process import KeptProcess

    kept = KeptProcess("service for commands", _command_service())
    stack.callback(kept.close)
    return kept.wait_until_ready(_READY_SECONDS)
