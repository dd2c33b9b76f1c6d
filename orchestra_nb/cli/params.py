"""``orchestra params``: what a notebook takes, as a table, or as JSON with a JSON Schema."""

from __future__ import annotations

import json

import click

from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import one_line, print_table, printable
from orchestra_nb.notebooks.parameter_types import Parameter


@click.command()
@click.argument("notebook", type=click.Path(path_type=str))
@as_json_option
def params(notebook: str, as_json: bool) -> None:
    """Print the parameters that NOTEBOOK declares in its cell tagged parameters: type, default and help.

    Nothing of the notebook runs. With --json there is a JSON Schema (draft 2020-12) of the values, too.
    """
    from orchestra_nb.operations.notebook_parameters import notebook_parameters

    found = notebook_parameters(notebook)
    if as_json:
        click.echo(json.dumps(found.as_document(), indent=2, ensure_ascii=False))
        return
    if found.parameters:
        print_table(("NAME", "TYPE", "DEFAULT", "HELP"), [_row(each) for each in found.parameters])
    if found.problem:
        click.echo(printable(found.problem), err=True)
    elif not found.parameters:
        click.echo("The parameters cell declares none.", err=True)


def _row(parameter: Parameter) -> list[str]:
    default = "(needed)" if parameter.is_required else one_line(parameter.default_source)
    return [parameter.name, one_line(parameter.annotation or str(parameter.type)), default, parameter.help]
