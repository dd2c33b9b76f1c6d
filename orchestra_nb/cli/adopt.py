"""``orchestra adopt``: propose ``%%task`` cells for a notebook, show what would change, and write a copy."""

from __future__ import annotations

import contextlib
import difflib

import click

from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, opened_store
from orchestra_nb.cli.run_tables import one_line, printable
from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.counted import counted
from orchestra_nb.notebooks.adopted_notebook import AdoptedNotebook, CellChange
from orchestra_nb.operations.notebook_adoption import propose_adoption, write_adoption

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@click.argument("notebook", type=click.Path(path_type=str))
@click.argument("output", required=False, type=click.Path(path_type=str))
@click.option("--merge", "is_merging", is_flag=True, help="One task of neighbours that only feed each other.")
@click.option(
    "--parameters/--no-parameters",
    "has_parameters",
    default=True,
    help="Tag the cell that plainly holds the parameters, where none is tagged, or leave it.",
)
@click.option("--dry-run", is_flag=True, help="Show the proposal, and write nothing.")
@click.option("--force", is_flag=True, help="Replace OUTPUT when it is there already.")
@as_json_option
def adopt(
    notebook: str,
    output: str | None,
    is_merging: bool,
    has_parameters: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Propose %%task cells for NOTEBOOK, show the difference, and write a copy with them to OUTPUT.

    Without OUTPUT the copy is NOTEBOOK-tasks.ipynb, beside NOTEBOOK, which stays as it is. When NOTEBOOK has been
    run by `orchestra run`, cells that took less than 0.1 s are left alone.
    """
    with contextlib.ExitStack() as stack:
        try:
            store = stack.enter_context(opened_store())
        except StoreUnavailable:
            store = None  # times only sharpen the proposal
        adopted, run_name = propose_adoption(notebook, store, is_merging=is_merging, has_parameters=has_parameters)
    has_news = bool(adopted.tasks or adopted.parameters)
    written = None
    if has_news and not dry_run:
        written = str(write_adoption(adopted, notebook, output, is_forced=force))
    if as_json:
        print_json(_document(adopted, written, run_name))
        return
    for change in adopted.changes:
        _print_change(change)
    if run_name is not None:
        click.echo(f"Times are those of {run_name}.", err=True)
    if not has_news:
        click.echo("No cell is worth a task: nothing is written.", err=True)
    elif written is None:
        click.echo(f"{_counted(adopted)}. Nothing is written (--dry-run).", err=True)
    else:
        click.echo(f"{_counted(adopted)}. The copy is {written}; run it: orchestra run {written}", err=True)


def _print_change(change: CellChange) -> None:
    name = f"cell {change.number}" if change.number is not None else "A cell"
    click.echo(click.style(f"{name} ", bold=True) + one_line("; ".join(change.reasons)))
    if not change.is_changed:
        return
    before, after = (change.before or "").splitlines(), (change.after or "").splitlines()
    for line in list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]:
        click.secho(f"  {printable(line)}", fg=_COLOURS.get(line[:1]))
    if change.added_tag is not None:
        click.secho(f"  + tag {change.added_tag}", fg="green")
    click.echo()


def _counted(adopted: AdoptedNotebook) -> str:
    return f"{counted(len(adopted.tasks), 'task')} proposed" + (
        f", and parameters: {', '.join(adopted.parameters)}" if adopted.parameters else ""
    )


def _document(adopted: AdoptedNotebook, written: str | None, run_name: str | None) -> dict[str, object]:
    return {
        "path": written,
        "tasks": adopted.tasks,
        "parameters": adopted.parameters,
        "times_from_run": run_name,
        "cells": [
            {
                "cell": change.number,
                "id": change.cell_id,
                "before": change.before,
                "after": change.after,
                "added_tag": change.added_tag,
                "is_changed": change.is_changed,
                "reasons": change.reasons,
            }
            for change in adopted.changes
        ],
    }
