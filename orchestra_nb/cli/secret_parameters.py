"""``--secret NAME SECRET`` of the commands that run notebooks: names on the command line, never values."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from orchestra_nb.cli.run_tables import printable
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.secret_values import SECRET_KEY, Secret

#: Stands for a secret that is typed or piped in.
_ASKED = "-"


def read_secret_parameters(pairs: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Return parameter name to a reference to a stored secret, or to a secret that was typed or piped in.

    Raises
    ------
    InvalidInput
        Several are to come from one pipe, or nothing came from it.
    """
    asked = [name for name, secret in pairs if secret == _ASKED]
    if len(asked) > 1 and not sys.stdin.isatty():
        raise InvalidInput(f"The pipe has one secret, and {', '.join(asked)} want one each. Store them and name them.")
    return {name: _read(name) if secret == _ASKED else {SECRET_KEY: secret} for name, secret in pairs}


def _read(name: str) -> Secret:
    if sys.stdin.isatty():
        typed: str = click.prompt(f"Value of {printable(name)}", hide_input=True, err=True)
        return Secret(typed)
    text = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not text:
        raise InvalidInput(f"Nothing came from the pipe for the secret parameter {name!r}.")
    return Secret(text)
