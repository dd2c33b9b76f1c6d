"""``orchestra stats``: how flows, deployments and tasks have done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import ago, print_table
from orchestra_nb.cli.times import as_time, next_text
from orchestra_nb.model.durations import format_duration
from orchestra_nb.time_zones import time_text, zone_here

if TYPE_CHECKING:
    from orchestra_nb.operations.run_statistics import RunMoment, Statistics

_HEADINGS = ("RUNS", "SUCCESS", "TOOK P50", "P95", "LATE P50", "P95", "LAST RUN", "LAST FAILURE")


@click.command()
@click.argument("name", required=False, metavar="[FLOW|DEPLOYMENT]")
@click.option(
    "--since",
    default="30d",
    show_default=True,
    callback=as_time,
    metavar="TIME",
    help="Only runs made since: 12h, 7d …",
)
@click.option("--tasks", "has_tasks", is_flag=True, help="Also the tasks, which are shown where one flow is named.")
@as_json_option
def stats(name: str | None, since: datetime, has_tasks: bool, as_json: bool) -> None:
    """Show how often runs ended well, how long they took, and how late they began.

    SUCCESS is the share of those that ended well among all that were not cancelled, skipped or missed. TOOK is what
    half, and nineteen of twenty, of those that ended well took at most; LATE how long after they were due runs began.
    """
    from orchestra_nb.operations.run_statistics import run_statistics

    with opened_backend() as backend:
        report = backend.call(
            run_statistics, name, now=datetime.now(UTC), since=since, has_tasks=has_tasks or name is not None
        )
    if as_json:
        print_json(report)
        return
    if not report.flows and not report.deployments:
        click.echo(f"No runs since {time_text(since)}. Look further back with --since.")
        return
    has_flow = len({one.flow_name for one in report.tasks}) > 1
    _print("FLOW", report.flows)
    _print("DEPLOYMENT", report.deployments)
    _print("TASK", report.tasks, has_flow)


def _print(kind: str, found: Sequence[Statistics], has_flow: bool = False) -> None:
    if not found:
        return
    if kind != "FLOW":
        click.echo()
    now = datetime.now(UTC)
    has_next = any(one.next_at is not None for one in found)
    rows = [
        [
            *([one.flow_name] if has_flow else []),
            one.name,
            *_cells(one, now),
            *([next_text(one.next_at)] if has_next else []),
        ]
        for one in found
    ]
    next_heading = [f"NEXT ({zone_here()})"] if has_next else []
    print_table((*(["FLOW"] if has_flow else []), kind, *_HEADINGS, *next_heading), rows)


def _cells(one: Statistics, now: datetime) -> list[str]:
    return [
        str(one.runs),
        "-" if one.success_rate is None else f"{one.success_rate:.1%}",
        *(("-", "-") if one.duration is None else map(format_duration, (one.duration.p50, one.duration.p95))),
        *(("-", "-") if one.lateness is None else map(format_duration, (one.lateness.p50, one.lateness.p95))),
        _moment(one.last_run, now),
        _moment(one.last_failure, now),
    ]


def _moment(moment: RunMoment | None, now: datetime) -> str:
    return "-" if moment is None else f"{ago(moment.at, now)} ({moment.name})"
