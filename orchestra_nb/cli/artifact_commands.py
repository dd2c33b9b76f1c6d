"""``orchestra artifacts``: list and show what runs left for people to see."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import ago, name_and_id, one_line, print_table, printable, say_if_cut
from orchestra_nb.cli.stored_numbers import STORED_NUMBER
from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.operations import kept_artifacts
from orchestra_nb.operations.runs import names_of_runs, names_of_tasks
from orchestra_nb.time_zones import time_text


@click.group()
def artifacts() -> None:
    """List and show what runs left for people to see."""


@artifacts.command()
@click.option("--run", metavar="RUN", help="Only those of this run: its id or name.")
@click.option(
    "--limit",
    type=click.IntRange(1, kept_artifacts.MAX_ARTIFACTS),
    default=20,
    show_default=True,
    help="At most so many.",
)
@as_json_option
def ls(run: str | None, limit: int, as_json: bool) -> None:
    """List artifacts, the newest first."""
    with opened_backend() as backend:
        found = backend.call(kept_artifacts.list_artifacts, run=run, limit=min(limit + 1, kept_artifacts.MAX_ARTIFACTS))
        names = backend.call(names_of_runs, [artifact.run_id for artifact in found])
    is_cut, found = len(found) > limit, found[:limit]
    if as_json:
        print_json({"artifacts": [_document(artifact) for artifact in found]})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("ARTIFACT", "KEY", "VERSION", "TYPE", "RUN", "CREATED", "DESCRIPTION"),
            [
                [
                    artifact.artifact_id,
                    artifact.key or "-",
                    str(artifact.version),
                    artifact.type,
                    names.get(artifact.run_id, artifact.run_id or "-"),
                    ago(artifact.created_at, now),
                    artifact.description or "",
                ]
                for artifact in found
            ],
        )
        say_if_cut(is_cut, limit, kept_artifacts.MAX_ARTIFACTS)
    else:
        click.echo("No artifacts yet. create_markdown_artifact(…) in a task or a flow makes one.")


@artifacts.command()
@click.argument("artifact")
@click.option("--version", type=STORED_NUMBER, metavar="N", help="Of a key; the newest by default.")
@as_json_option
def show(artifact: str, version: int | None, as_json: bool) -> None:
    """Show an artifact: ARTIFACT is its id, or its key."""
    with opened_backend() as backend:
        found = backend.call(kept_artifacts.show_artifact, artifact, version)
        run, task = backend.call(names_of_runs, [found.run_id]), backend.call(names_of_tasks, [found.task_run_id])
    if as_json:
        print_json(_document(found))
        return
    click.echo(f"{found.key or found.artifact_id}  version {found.version}  {printable(found.type)}")
    if found.description:
        click.echo(printable(found.description))
    facts = (
        ("id", found.artifact_id),
        ("run", name_and_id(found.run_id, run)),
        ("task run", name_and_id(found.task_run_id, task)),
    )
    for name, value in facts:
        if value:
            click.echo(f"  {name:<12}{one_line(value)}")
    click.echo(f"  {'created':<12}{time_text(found.created_at)}\n")
    _print_data(found)


def _print_data(artifact: StoredArtifact) -> None:
    data = artifact.data
    if artifact.type == "progress" and isinstance(data, int | float):
        click.echo(f"{data:g} %")
    elif artifact.type == "table":
        _print_as_table(data)
    elif artifact.type == "display" and isinstance(data, dict):
        click.echo(printable(str(data.get("text/plain", ""))))
        others = ", ".join(sorted(name for name in data if name != "text/plain"))
        if others:
            click.echo(f"\nIt is kept as {printable(others)}, too: --json prints all.")
    else:
        click.echo(printable(data) if isinstance(data, str) else _cell(data))


def _print_as_table(data: object) -> None:
    if isinstance(data, dict):
        columns = [[_cell(value) for value in values] for values in data.values()]
        longest = max(map(len, columns), default=0)
        rows = [[column[row] if row < len(column) else "" for column in columns] for row in range(longest)]
        print_table(list(data), rows)
        return
    rows_of_data = data if isinstance(data, list) else [data]
    records = [row for row in rows_of_data if isinstance(row, dict)]
    if records and len(records) == len(rows_of_data):
        names = list(dict.fromkeys(name for row in records for name in row))
        print_table(names, [[_cell(row[name]) if name in row else "" for name in names] for row in records])
        return
    cells = [[_cell(value) for value in (row if isinstance(row, list) else [row])] for row in rows_of_data]
    width = max(map(len, cells), default=0)
    print_table([str(number + 1) for number in range(width)], [row + [""] * (width - len(row)) for row in cells])


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(to_readable(value))


def _document(artifact: StoredArtifact) -> dict[str, object]:
    return msgspec.structs.asdict(artifact) | {"data": to_readable(artifact.data)}
