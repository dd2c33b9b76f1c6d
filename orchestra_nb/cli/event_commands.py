"""``orchestra events``: list what code has emitted with ``emit_event``."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import ago, print_table, say_if_cut
from orchestra_nb.cli.times import as_time
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.operations.emitted_events import MAX_EVENTS, list_emitted_events
from orchestra_nb.operations.runs import names_of_runs, names_of_tasks


@click.group()
def events() -> None:
    """List what code has emitted with emit_event."""


@events.command()
@click.option("--event", metavar="NAME", help="Only events of this name; orders.* for all names that begin so.")
@click.option("--resource", metavar="ID", help="Only events about this.")
@click.option("--run", metavar="RUN", help="Only those of this run: its id or name.")
@click.option("--since", callback=as_time, metavar="TIME", help="Only events since: 2026-01-31, 12h, 7d …")
@click.option("--limit", type=click.IntRange(1, MAX_EVENTS), default=20, show_default=True, help="At most so many.")
@as_json_option
def ls(
    event: str | None, resource: str | None, run: str | None, since: datetime | None, limit: int, as_json: bool
) -> None:
    """List events, the newest first."""
    with opened_backend() as backend:
        found = backend.call(
            list_emitted_events, event=event, resource=resource, run=run, since=since, limit=min(limit + 1, MAX_EVENTS)
        )
        is_cut, found = len(found) > limit, found[:limit]
        runs = backend.call(names_of_runs, [one.run_id for one in found])
        tasks = backend.call(names_of_tasks, [one.task_run_id for one in found])
    if as_json:
        print_json({"events": [_document(one) for one in found]})
    elif found:
        now = datetime.now(UTC)
        print_table(
            ("EVENT", "RESOURCE", "WHEN", "RUN", "TASK RUN", "PAYLOAD"),
            [
                [
                    one.event,
                    one.resource["id"],
                    ago(one.occurred_at, now),
                    runs.get(one.run_id, one.run_id or "-"),
                    tasks.get(one.task_run_id, one.task_run_id or "-"),
                    json.dumps(to_readable(one.payload)) if one.payload else "",
                ]
                for one in found
            ],
        )
        say_if_cut(is_cut, limit, MAX_EVENTS)
    elif event is not None or resource is not None or run is not None or since is not None:
        click.echo("No event is like that. `orchestra events ls` lists all events.")
    else:
        click.echo("No events yet. emit_event(…) in a task or a flow makes one.")


def _document(event: CustomEvent) -> dict[str, object]:
    return msgspec.structs.asdict(event) | {"payload": to_readable(event.payload)}
