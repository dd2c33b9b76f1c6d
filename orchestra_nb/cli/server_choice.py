"""Which server a command works over, if any: ``--server``, the environment, or the profile; and with which token.

Imports little: every command asks.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from orchestra_nb.errors import InvalidInput, InvalidSetting
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.settings import Settings

URL_VARIABLE: Final = "ORCHESTRA_API_URL"
TOKEN_VARIABLE: Final = "ORCHESTRA_API_TOKEN"

#: Stands for a token that is typed or piped in.
_ASKED: Final = "-"

#: Commands that are about this machine, to what they do.
_ABOUT_THIS_MACHINE: Final[Mapping[str, str]] = {
    "db": "looks after a store itself",
    "cluster": "is about the Dask cluster of this machine",
    "serve": "starts what is due on the store itself",
    "worker": "has a `--server` of its own, behind its name",
    "service": "has this machine's systemd or launchd keep something running",
    "doctor": "checks this installation",
    "profile": "keeps settings of this machine",
    "analyse": "reads files of this machine",
    "adopt": "reads files of this machine",
    "convert": "reads files of this machine",
    "schedule": "computes times, which takes no store",
}
#: Those of them that read or change the store: a server that the environment or a profile names is meant, too.
_ON_THE_STORE: Final = frozenset({"db"})


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and the token for it with words for where that comes from."""

    url: str
    token: Secret
    token_source: str


@dataclass(slots=True)
class ServerOptions:
    """What stands before the name of the command; the token is read once, when it is needed."""

    url: str | None = None
    token: str | None = None
    token_file: Path | None = None
    is_local: bool = False
    _read: tuple[Secret, str] | None = None

    def check(self, command: str | None) -> None:
        """Refuse what does not go together, and a server for a command that works over none.

        Raises
        ------
        InvalidInput
            The command is about this machine.
        """
        if self.token is not None and self.token_file is not None:
            raise click.UsageError("--token and --token-file exclude each other.")
        if self.is_local and self.url is not None:
            raise click.UsageError("--local and --server exclude each other.")
        if command is None or command not in _ABOUT_THIS_MACHINE:
            return
        if self.url is not None:
            remedy = (
                "`orchestra worker --pool POOL --server URL` takes the runs of a server"
                if command == "worker"
                else "Leave out --server, or run it on the machine where that store is"
            )
            raise InvalidInput(f"`orchestra {command}` {_ABOUT_THIS_MACHINE[command]}. {remedy}.")
        if command in _ON_THE_STORE:
            from orchestra_nb.settings import load_settings

            refuse_server(load_settings(), f"orchestra {command}", _ABOUT_THIS_MACHINE[command])

    def token_for(self, url: str, settings: Settings) -> tuple[Secret, str]:
        """Return the token for a server, and words for where it comes from; an empty one where there is none.

        Raises
        ------
        InvalidSetting
            The file cannot be read, or nothing came from the pipe.
        """
        if self._read is None:
            self._read = self._token_for(url, settings)
        return self._read

    def _token_for(self, url: str, settings: Settings) -> tuple[Secret, str]:
        if self.token == _ASKED:
            return _asked_token(url), "that was typed or piped in"
        if self.token is not None:
            return Secret(self.token.strip()), "of --token"
        if self.token_file is not None:
            return token_of_file(self.token_file), f"of {self.token_file}"
        if TOKEN_VARIABLE in os.environ:
            if self._is_for_variable(url):
                return Secret(os.environ[TOKEN_VARIABLE].strip()), f"in {TOKEN_VARIABLE}"
        elif settings.api_token and _is_beside_address(url, settings):
            return Secret(settings.api_token.strip()), "of the setting api_token"
        return Secret(""), ""

    def _is_for_variable(self, url: str) -> bool:
        """Tell whether the token of the environment is for a server: not for one that the files of a project name."""
        named = os.environ.get(URL_VARIABLE)
        if named:
            return _is_same(url, named)
        if self.url is not None:
            return True
        from orchestra_nb.settings import load_settings_with_origins, user_settings_file

        return load_settings_with_origins()[1]["api_url"].startswith(str(user_settings_file()))


def _is_beside_address(url: str, settings: Settings) -> bool:
    """Tell whether the token of the settings is for a server: it is sent to the one that it is kept beside, alone."""
    from orchestra_nb.settings import load_settings_with_origins

    origins = load_settings_with_origins()[1]
    return _is_same(url, settings.api_url) and origins["api_url"] == origins["api_token"]


def _is_same(url: str, other: str) -> bool:
    return url.rstrip("/") == other.rstrip("/")


def options_given() -> ServerOptions:
    """Return what stands before the name of the command that runs."""
    context = click.get_current_context(silent=True)
    given = None if context is None else context.find_root().obj
    return given if isinstance(given, ServerOptions) else ServerOptions()


def chosen_server(settings: Settings) -> Server | None:
    """Return the server that the command that runs works over; None for the store of the settings."""
    given = options_given()
    url = given.url or settings.api_url
    if given.is_local or not url:
        return None
    token, source = given.token_for(url, settings)
    return Server(url, token, source)


def refuse_server(settings: Settings, command: str, what: str) -> None:
    """Refuse a command that works on the store itself, where a server was chosen.

    Raises
    ------
    InvalidInput
        One was; the message says how the command is called otherwise.
    """
    given = options_given()
    if given.url is not None:
        raise InvalidInput(f"`{command}` {what}, and not over --server. Run it on the machine where that store is.")
    if settings.api_url and not given.is_local:
        from orchestra_nb.settings import load_settings_with_origins

        words = command.split(" ", 1)[-1]
        raise InvalidInput(
            f"`{command}` {what}, and not over the server {settings.api_url}, which "
            f"{load_settings_with_origins()[1]['api_url']} names. `orchestra --local {words}` works on the store of "
            "this machine."
        )


def token_of_file(path: Path) -> Secret:
    """Return the token that a file holds; say on stderr where others can read it, too.

    Raises
    ------
    InvalidSetting
        It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        mode = path.stat().st_mode
    except OSError as error:
        raise InvalidSetting(f"The file of the token, {path}, cannot be read: {error.strerror}.") from None
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        click.echo(f"Others can read {path}. `chmod 600 {path}` keeps the token to you.", err=True)
    return Secret(text.strip())


def _asked_token(url: str) -> Secret:
    if sys.stdin.isatty():
        return Secret(click.prompt(f"Token for {url}", hide_input=True, err=True).strip())
    text = sys.stdin.readline().strip()
    if not text:
        raise InvalidSetting("Nothing came from the pipe for --token -. Its first line is the token.")
    return Secret(text)
