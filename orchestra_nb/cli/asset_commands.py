"""``orchestra assets``: list what tasks make, show what each is made from and what is made from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import ago, one_line, print_table, printable
from orchestra_nb.model.assets import Materialization
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.operations import kept_artifacts
from orchestra_nb.operations.runs import names_of_runs, names_of_tasks


@click.group()
def assets() -> None:
    """List what tasks make, show what each is made from and what is made from it."""


@assets.command()
@as_json_option
def ls(as_json: bool) -> None:
    """List assets by key."""
    with opened_backend() as backend:
        found = backend.call(kept_artifacts.list_assets)
    if as_json:
        documents = [
            {"key": asset.key, "properties": asset.properties, "last": asset.last and _document(asset.last)}
            for asset in found
        ]
        print_json({"assets": documents})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("ASSET", "MADE", "FROM"),
            [
                [
                    asset.key,
                    ago(asset.last.at, now) if asset.last else "-",
                    ", ".join(asset.last.upstream) if asset.last else "",
                ]
                for asset in found
            ],
        )
    else:
        click.echo("No assets yet. A task that materializes one makes it known.")


@assets.command()
@click.argument("key")
@click.option("--depth", type=click.IntRange(1), metavar="N", help="Steps of lineage; all by default.")
@as_json_option
def show(key: str, depth: int | None, as_json: bool) -> None:
    """Show an asset, its lineage and when it was made."""
    with opened_backend() as backend:
        details = backend.call(kept_artifacts.show_asset, key, depth)
        runs = backend.call(names_of_runs, [made.run_id for made in details.materializations])
        tasks = backend.call(names_of_tasks, [made.task_run_id for made in details.materializations])
    if as_json:
        print_json(
            {
                "key": details.asset.key,
                "properties": details.asset.properties,
                "upstream": details.lineage.upstream,
                "downstream": details.lineage.downstream,
                "edges": details.lineage.edges,
                "materializations": [_document(made) for made in details.materializations],
            }
        )
        return
    click.echo(printable(details.asset.key))
    if details.asset.properties is not None:
        for name, value in msgspec.structs.asdict(details.asset.properties).items():
            if value:
                text = ", ".join(value) if isinstance(value, tuple) else value
                click.echo(f"  {name:<14}{one_line(text)}")
    for name, keys in (("made from", details.lineage.upstream), ("used for", details.lineage.downstream)):
        for number, other in enumerate(keys):
            click.echo(f"  {name if not number else '':<14}{printable(other)}")
    if details.materializations:
        now = datetime.now(UTC)
        click.echo()
        print_table(
            ("MADE", "RUN", "TASK RUN", "BY", "METADATA"),
            [
                [
                    ago(made.at, now),
                    runs.get(made.run_id, made.run_id or "-"),
                    tasks.get(made.task_run_id, made.task_run_id or "-"),
                    made.by or "-",
                    json.dumps(to_readable(made.metadata)) if made.metadata else "",
                ]
                for made in details.materializations
            ],
        )


def _document(made: Materialization) -> dict[str, object]:
    return msgspec.structs.asdict(made) | {"metadata": to_readable(made.metadata)}
