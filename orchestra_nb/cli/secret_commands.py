"""``orchestra secrets``: set, list and unset secrets. A value is typed or piped in, never an argument that all see."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import ago, print_table, printable
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations import shared_variables

_name_argument = click.argument("name")


@click.group()
def secrets() -> None:
    """Set, list and unset secrets: texts that are kept encrypted and hide themselves.

    Code reads one with get_secret("NAME").get().
    """


@secrets.command("set")
@_name_argument
@as_json_option
def set_(name: str, as_json: bool) -> None:
    """Set a secret, new or not: its text is asked for, or read from a pipe without the line's end."""
    from orchestra_nb.settings import load_settings

    secret = _read_secret(name)
    with opened_backend() as backend:
        key_place = load_settings().secret_key_place
        is_new = backend.call(shared_variables.set_secret, name, secret, key_place, datetime.now(UTC))
    if as_json:
        print_json({"set": name, "is_new": is_new})
    else:
        click.echo(f"{printable(name)} is {'set' if is_new else 'replaced'}.")


@secrets.command()
@as_json_option
def ls(as_json: bool) -> None:
    """List secrets by name, without their values."""
    with opened_backend() as backend:
        found = backend.call(shared_variables.list_secrets)
    if as_json:
        print_json({"secrets": found})
    elif found:
        now = datetime.now(UTC)
        has_own = any(secret.owner is not None for secret in found)
        head = ("NAME", *(("FOR THE RUNS OF",) if has_own else ()), "CHANGED")
        rows = [
            [secret.name, *([secret.owner or "all"] if has_own else ()), ago(secret.updated_at, now)]
            for secret in found
        ]
        print_table(head, rows)
    else:
        click.echo("No secrets yet. `orchestra secrets set NAME` asks for one.")


@secrets.command()
@_name_argument
@as_json_option
def unset(name: str, as_json: bool) -> None:
    """Delete a secret."""
    with opened_backend() as backend:
        backend.call(shared_variables.unset_secret, name)
    if as_json:
        print_json({"unset": name})
    else:
        click.echo(f"{printable(name)} is no more.")


def _read_secret(name: str) -> Secret:
    if sys.stdin.isatty():
        typed: str = click.prompt(f"Value of {printable(name)}", hide_input=True, confirmation_prompt=True, err=True)
        return Secret(typed)
    text = sys.stdin.read()
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise InvalidInput(f"Nothing came from the pipe. Type the value of {name!r} in a terminal, or pipe it in.")
    return Secret(text)
