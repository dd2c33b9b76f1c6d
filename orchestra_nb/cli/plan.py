"""``orchestra plan``: what a run with --cache would do with each cell, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.parameter_hints import ParametersCommand, check_pairs
from orchestra_nb.cli.run_tables import Mark, print_table
from orchestra_nb.cli.secret_parameters import read_secret_parameters
from orchestra_nb.cli.server_choice import chosen_server
from orchestra_nb.model.counted import counted
from orchestra_nb.model.durations import format_duration
from orchestra_nb.notebooks.parameter_flags import collect_parameters
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.run_notebook import new_run_id
from orchestra_nb.settings import load_settings

_MARKS = {
    "run": Mark("▶ run", "blue"),
    "replay": Mark("✓ cached", "cyan"),
    "skip": Mark("↷ skip", "cyan"),
}
_pair = (str, str)


@click.command(cls=ParametersCommand)
@click.argument("notebook", type=click.Path(path_type=str))
@click.option(
    "-p", "--parameters", "typed", nargs=2, type=_pair, multiple=True, metavar="NAME VALUE", help="As for run."
)
@click.option(
    "-r", "--parameters_raw", "raw", nargs=2, type=_pair, multiple=True, metavar="NAME TEXT", help="As for run."
)
@click.option("-f", "--parameters_file", "files", multiple=True, metavar="FILE", help="As for run.")
@click.option("-y", "--parameters_yaml", "yaml_texts", multiple=True, metavar="YAML", help="As for run.")
@click.option("--secret", "secrets", nargs=2, type=_pair, multiple=True, metavar="NAME SECRET", help="As for run.")
@click.option("--cwd", metavar="FOLDER", help="The kernel's working folder. Default: the notebook's own.")
@click.option("-k", "--kernel", "kernel_name", metavar="NAME", help="The kernel. Default: the one the notebook names.")
@click.option("--refresh", "is_refreshed", is_flag=True, help="As for run: all cells run.")
@click.option("--no-strict", is_flag=True, help="Accept parameters that the notebook does not declare.")
@as_json_option
def plan(
    notebook: str,
    typed: tuple[tuple[str, str], ...],
    raw: tuple[tuple[str, str], ...],
    files: tuple[str, ...],
    yaml_texts: tuple[str, ...],
    secrets: tuple[tuple[str, str], ...],
    cwd: str | None,
    kernel_name: str | None,
    is_refreshed: bool,
    no_strict: bool,
    as_json: bool,
) -> None:
    """Tell which cells of NOTEBOOK would run with `orchestra run NOTEBOOK --cache`, and why. Nothing is run.

    Over a server it is a notebook of the server's folder, as for `orchestra run`.
    """
    from orchestra_nb.operations.notebook_plan import plan_notebook

    settings = load_settings()
    if chosen_server(settings) is not None:
        from orchestra_nb.cli.remote.notebook_run import check_options

        check_options()
    check_pairs("-p", typed)
    check_pairs("-r", raw)
    given = collect_parameters(files=files, yaml_texts=yaml_texts, typed=typed, raw=raw)
    secret_values = read_secret_parameters(secrets)
    request = NotebookRequest(
        path=notebook,
        run_id=new_run_id(),
        parameters=given.values | secret_values,
        parameter_texts={name: text for name, text in given.texts.items() if name not in secret_values},
        visible_parameters=tuple(given.visible - secret_values.keys()),
        cwd=cwd,
        kernel_name=kernel_name,
        is_strict=not no_strict,
        is_cached=True,
    )
    with opened_backend() as backend:
        found = backend.call(plan_notebook, request, settings, datetime.now(UTC), is_refreshed=is_refreshed)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    rows = [
        [
            str(cell.number or "-"),
            _MARKS[cell.action] if cell.is_certain else Mark("▶ run?", "yellow"),
            "-" if cell.seconds is None else format_duration(cell.seconds),
            cell.title,
            cell.why,
        ]
        for cell in found.cells
    ]
    print_table(("CELL", "ACTION", "TIME", "TITLE", "WHY"), rows)
    runs = sum(cell.action == "run" for cell in found.cells)
    click.echo(
        f"\n{runs} of {counted(len(found.cells), 'cell runs', 'cells run')}, about "
        f"{format_duration(found.run_seconds)}; what is cached saves {format_duration(found.saved_seconds)}"
    )
