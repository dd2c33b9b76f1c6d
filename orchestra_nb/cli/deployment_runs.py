"""``orchestra deployments run`` and ``backfill``: runs of a deployment beside those of its schedules."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.given_parameters import parameter_options
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.parameter_hints import ParametersCommand
from orchestra_nb.cli.run_tables import printable, state_text
from orchestra_nb.cli.service_hint import say_if_unserved
from orchestra_nb.cli.waited_runs import stay_with
from orchestra_nb.model.counted import counted
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import TypedText
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.model.work_pools import DEFAULT_POOL
from orchestra_nb.notebooks.parameter_flags import GivenParameters
from orchestra_nb.operations.backfill import PRIORITY
from orchestra_nb.operations.backfill import backfill as backfill_
from orchestra_nb.operations.deployment_run import run_deployment
from orchestra_nb.operations.deployment_views import show_deployment
from orchestra_nb.operations.schedule_request import read_time
from orchestra_nb.operations.service_presence import is_served
from orchestra_nb.settings import load_settings
from orchestra_nb.time_zones import machine_zone, time_text, zone_of

_INTERRUPTED = 130


@click.command(cls=ParametersCommand)
@click.argument("name")
@parameter_options
@click.option("--at", metavar="TIME", help="When it is to start: 2026-03-29T09:00. Default: now.")
@click.option("--wait", "is_waiting", is_flag=True, help="Stay until the run has ended, or is suspended.")
@as_json_option
def run(name: str, given: GivenParameters, at: str | None, is_waiting: bool, as_json: bool) -> int:
    """Run a deployment, with parameters in place of its own.

    Exit code: 0 accepted (with --wait: completed), 1 ended otherwise, or suspended, 2 refused, 3 not found.
    """
    due_at = None if at is None else read_time(at, zone_of(machine_zone()[0]), "start")
    parameters = {**given.values, **{name: TypedText(text) for name, text in given.texts.items()}}
    with opened_backend(is_lasting=is_waiting) as backend:
        made = backend.call(
            run_deployment, name, load_settings(), now=datetime.now(UTC), parameters=parameters, at=due_at
        )
        if not as_json:
            when = "" if at is None or made.due_at is None else f" to start at {time_text(made.due_at)}"
            click.echo(f"Run {made.name} of {printable(name)} waits{when}: orchestra runs show {typed_run(made)}")
            pool = made.pool or DEFAULT_POOL
            say_if_unserved(backend.call(is_served, pool), pool)
        if is_waiting:
            try:
                made = stay_with(backend, made)
            except KeyboardInterrupt:
                click.echo(f"It goes on: orchestra runs cancel {typed_run(made)} stops it.", err=True)
                return _INTERRUPTED
    if as_json:
        print_json(_document(made))
    elif is_waiting:
        click.echo(f"{made.name}  {state_text(made.state)}{f'  {printable(made.message)}' if made.message else ''}")
    return 0 if not is_waiting or made.state is State.COMPLETED else 1


@click.command()
@click.argument("name")
@click.option("--from", "begin", required=True, metavar="TIME", help="The first time: 2026-03-01, 2026-03-01T09:00.")
@click.option("--to", "end", required=True, metavar="TIME", help="The last time; a day counts to its end.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many runs; call it again for the rest.")
@click.option("--schedule", type=int, metavar="N", help="Only this schedule, from 1. Default: all that are active.")
@as_json_option
def backfill(name: str, begin: str, end: str, limit: int | None, schedule: int | None, as_json: bool) -> None:
    """Make a run for each time that a deployment was due and has none, or MISSED it.

    They start after everything else that waits. Calling it again makes none twice.
    """
    with opened_backend() as backend:
        now = datetime.now(UTC)
        spec = backend.call(show_deployment, name, now).spec
        pool, concurrency = spec.get("pool", DEFAULT_POOL), spec.get("concurrency")
        zones = [one["timezone"] for one in spec.get("schedules", ())]
        zone = zone_of(zones[(schedule or 1) - 1] if 0 < (schedule or 1) <= len(zones) else "UTC")
        done = backend.call(
            backfill_,
            name,
            load_settings(),
            begin=read_time(begin, zone, "first time"),
            end=read_time(end, zone, "last time", is_end=True),
            actor=caller(),
            now=now,
            limit=limit,
            schedule=schedule,
        )
        has_service = backend.call(is_served, pool)
    if as_json:
        print_json(done)
        return
    parts = [f"{counted(done.made, 'run')} made"]
    parts += [f"{done.reopened:,} that had been missed opened again"] if done.reopened else []
    click.echo(f"{', '.join(parts)}; {done.present:,} there already. They have the priority {PRIORITY}.")
    say_if_unserved(has_service, pool)
    if done.has_more:
        click.echo("There are more. Call it again for those that follow.")
    conflict = spec.get("on_conflict", "queue")
    if concurrency is not None and conflict != "queue" and done.made + done.reopened:
        what = "skips those" if conflict == "skip" else "stops the oldest"
        click.echo(
            f"{printable(name)} lets {counted(concurrency, 'run')} go on at a time and {what} beyond "
            "it: deploy it with --on-conflict queue if all are to run.",
            err=True,
        )


def _document(run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "name": run.name,
        "deployment": run.deployment,
        "deployment_version": run.deployment_version,
        "state": run.state,
        "message": run.message,
        "due_at": run.due_at,
        "parameters": to_readable(run.parameters),
    }
