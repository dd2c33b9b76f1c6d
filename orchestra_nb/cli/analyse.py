"""``orchestra analyse``: what the cells of notebooks need of each other, found without running them."""

from __future__ import annotations

import json

import click

from orchestra_nb.cli.run_tables import print_table, printable
from orchestra_nb.errors import OrchestraError
from orchestra_nb.notebooks.notebook_analysis import CellAnalysis, NotebookAnalysis
from orchestra_nb.operations.analysis import analyse as analyse_file
from orchestra_nb.operations.problems import problem_of


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="NB…")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each notebook.")
def analyse(paths: tuple[str, ...], as_json: bool) -> int:
    """Show which names each code cell defines, reads and changes, and which cells it depends on.

    Nothing of the notebooks is run or imported. Code cells are counted from 1, with --json from 0. A barrier depends on
    all cells before it, and all after it depend on it.
    """
    exit_code = 0
    for number, path in enumerate(paths):
        try:
            found = analyse_file(path)
        except OrchestraError as error:
            problem = problem_of(error)
            exit_code = exit_code or problem.exit_code
            if as_json:
                click.echo(json.dumps({"path": path, "error": {"code": problem.code, "message": problem.detail}}))
            else:
                click.echo(problem.detail, err=True)
            continue
        if as_json:
            click.echo(json.dumps(_document(found), ensure_ascii=False))
            continue
        if number:
            click.echo()
        click.echo(printable(path))
        _print(found)
    return exit_code


def _document(notebook: NotebookAnalysis) -> dict[str, object]:
    """Return the form that the manual promises."""
    return {
        "path": notebook.path,
        "cells": [
            {
                "index": cell.index,
                "id": cell.id,
                "defines": list(cell.defines),
                "reads": list(cell.reads),
                "mutates": list(cell.mutates),
                "depends_on": list(cell.depends_on),
                "barrier": cell.barrier,
                "why": cell.why,
            }
            for cell in notebook.cells
        ],
    }


def _print(notebook: NotebookAnalysis) -> None:
    print_table(
        ("CELL", "DEFINES", "READS", "CHANGES", "DEPENDS ON", "WHY"),
        [
            [
                str(cell.index + 1),
                printable(" ".join(cell.defines) or "-"),
                printable(" ".join(cell.reads) or "-"),
                printable(" ".join(cell.mutates) or "-"),
                _numbers(cell),
                printable(cell.why_for_people or "-"),
            ]
            for cell in notebook.cells
        ],
    )


def _numbers(cell: CellAnalysis) -> str:
    if cell.barrier:
        return "all (barrier)"
    return " ".join(str(index + 1) for index in cell.depends_on) or "-"
