"""``orchestra variables``: list, read, set and unset variables."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_input import json_or_text
from orchestra_nb.cli.run_tables import ago, print_table, printable
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.variables import StoredVariable
from orchestra_nb.operations import shared_variables

_name_argument = click.argument("name")


@click.group()
def variables() -> None:
    """List, read, set and unset variables: named JSON values that all runs share."""


@variables.command()
@as_json_option
def ls(as_json: bool) -> None:
    """List variables by name."""
    with opened_backend() as backend:
        found = backend.call(shared_variables.list_variables)
    if as_json:
        print_json({"variables": [_document(variable) for variable in found]})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("NAME", "TAGS", "CHANGED", "VALUE"),
            [
                [variable.name, ", ".join(variable.tags) or "-", ago(variable.updated_at, now), _text(variable.value)]
                for variable in found
            ],
        )
    else:
        click.echo("No variables yet. `orchestra variables set NAME VALUE` makes one.")


@variables.command()
@_name_argument
@as_json_option
def get(name: str, as_json: bool) -> None:
    """Print a variable's value: text as it is, anything else as JSON."""
    with opened_backend() as backend:
        variable = backend.call(shared_variables.get_variable, name)
    if as_json:
        print_json(_document(variable))
    else:
        click.echo(printable(variable.value) if isinstance(variable.value, str) else _text(variable.value))


@variables.command("set")
@_name_argument
@click.argument("value")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag; may be repeated.")
@click.option("--overwrite", is_flag=True, help="Replace the value of one that exists.")
@as_json_option
def set_(name: str, value: str, tags: tuple[str, ...], overwrite: bool, as_json: bool) -> None:
    """Set a variable.

    VALUE is JSON; what is no JSON is text. Text that looks like JSON is quoted twice: '"42"'.
    """
    from orchestra_nb.errors import NameTaken

    with opened_backend() as backend:
        try:
            variable = backend.call(
                shared_variables.set_variable,
                name,
                json_or_text(value),
                tags=tags,
                may_overwrite=overwrite,
                now=datetime.now(UTC),
            )
        except NameTaken:
            raise NameTaken(f"There is a variable {name!r} already. Pass --overwrite to replace its value.") from None
    if as_json:
        print_json(_document(variable))
    else:
        click.echo(f"{printable(name)} is {_text(variable.value)}")


@variables.command()
@_name_argument
@as_json_option
def unset(name: str, as_json: bool) -> None:
    """Delete a variable."""
    from orchestra_nb.errors import VariableNotFound

    with opened_backend() as backend:
        if not backend.call(shared_variables.unset_variable, name):
            raise VariableNotFound(f"No variable {name!r}. `orchestra variables ls` lists them.")
    if as_json:
        print_json({"unset": name})
    else:
        click.echo(f"{printable(name)} is no more.")


def _document(variable: StoredVariable) -> dict[str, object]:
    return msgspec.structs.asdict(variable) | {"value": to_readable(variable.value)}


def _text(value: object) -> str:
    return json.dumps(to_readable(value))
