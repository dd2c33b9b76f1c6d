"""``orchestra convert``: a notebook as a Python script with one flow."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import one_line
from orchestra_nb.operations.notebook_conversion import convert_notebook, write_new_file


@click.command()
@click.argument("notebook", type=click.Path(path_type=str))
@click.argument("output", required=False, type=click.Path(path_type=str))
@click.option("--to", type=click.Choice(["python"]), default="python", show_default=True, help="What it becomes.")
@click.option("--submit", "is_submitting", is_flag=True, help="Let independent tasks run side by side, by .submit().")
@click.option("--force", is_flag=True, help="Replace OUTPUT when it is there already.")
@as_json_option
def convert(notebook: str, output: str | None, to: str, is_submitting: bool, force: bool, as_json: bool) -> None:
    """Write NOTEBOOK as a script with one flow, whose tasks are its cells.

    Without OUTPUT the script has the notebook's name, and stands beside it; - prints it. `python SCRIPT --help` lists
    the notebook's parameters. Nothing runs, and NOTEBOOK is not changed.
    """
    script = convert_notebook(notebook, is_submitting=is_submitting)
    target = Path(output) if output is not None else Path(notebook).with_suffix(".py")
    is_printed = output == "-"
    if not is_printed:
        write_new_file(target, script.text, source=Path(notebook), is_forced=force)
    if as_json:
        path = None if is_printed else str(target)
        print_json({"path": path, **msgspec.structs.asdict(script)})
        return
    if is_printed:
        click.echo(script.text, nl=False)
    else:
        tasks, cells = _counted(len(script.tasks), "task"), _counted(len(script.inline), "cell")
        click.echo(f"{target}: {tasks}, {cells} in the flow's body.")
    for note in script.notes:
        click.echo(f"Note, {one_line(note)}", err=True)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
