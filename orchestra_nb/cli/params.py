"""``orchestra params``: what a notebook takes, as a table, or as JSON with a JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import click

from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import one_line, print_table, printable


@click.command()
@click.argument("notebook", type=click.Path(path_type=str))
@as_json_option
def params(notebook: str, as_json: bool) -> None:
    """Print the parameters that NOTEBOOK declares in its cell tagged parameters: type, default and help.

    Nothing of the notebook runs. With --json there is a JSON Schema (draft 2020-12) of the values, too.
    """
    found = _document(notebook)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if found["parameters"]:
        print_table(("NAME", "TYPE", "DEFAULT", "HELP"), [_row(each) for each in found["parameters"]])
    if found["problem"]:
        click.echo(printable(found["problem"]), err=True)
    elif not found["parameters"]:
        click.echo("The parameters cell declares none.", err=True)


def _document(notebook: str) -> dict[str, Any]:
    """Return what a notebook declares: of this machine, or over a server of its folder, as `orchestra run` has it."""
    from orchestra_nb.cli.server_choice import chosen_server
    from orchestra_nb.settings import load_settings

    if (server := chosen_server(load_settings())) is None:
        from orchestra_nb.operations.notebook_parameters import notebook_parameters

        return notebook_parameters(notebook).as_document()
    import msgspec

    from orchestra_nb.cli.backend import connected

    with connected(server) as client:
        document: dict[str, Any] = msgspec.to_builtins(client.show_parameters(path=notebook))
    return document


def _row(parameter: dict[str, Any]) -> list[str]:
    default = "(needed)" if parameter["required"] else one_line(parameter["default_source"])
    return [parameter["name"], one_line(parameter["type"]), default, parameter["help"]]
