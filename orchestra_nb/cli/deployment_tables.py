"""How deployments look in a shell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.run_tables import ago, print_table, printable, shortened, took
from orchestra_nb.cli.times import next_text
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.states import State
from orchestra_nb.operations.deployment_form import FieldChange
from orchestra_nb.operations.deployment_views import DeploymentDetails, DeploymentSummary
from orchestra_nb.operations.schedule_preview import FireTime
from orchestra_nb.time_zones import here, time_text, zone_here

if TYPE_CHECKING:
    from orchestra_nb.operations.deployment_versions import VersionView

_LONGEST_VALUE = 60


def print_deployments(found: Sequence[DeploymentSummary], now: datetime) -> None:
    """Print one deployment a line."""
    rows: list[list[str | State]] = [
        [
            one.name,
            one.flow_name,
            _next_of(one),
            str(one.waiting),
            str(one.running),
            one.last_run.state if one.last_run is not None else "-",
            ago(one.last_run.started_at or one.last_run.created_at, now) if one.last_run is not None else "-",
            "; ".join(one.schedules) or "none",
        ]
        for one in found
    ]
    print_table(("NAME", "FLOW", f"NEXT ({zone_here()})", "WAITING", "RUNNING", "LAST RUN", "BEGAN", "SCHEDULE"), rows)


def _next_of(one: DeploymentSummary) -> str:
    """Return when it is due next; runs by hand go on where its schedules rest."""
    if not one.is_paused:
        return next_text(one.next_at)
    return "paused" if one.next_at is None else f"{next_text(one.next_at)}, paused"


def print_details(details: DeploymentDetails, now: datetime) -> None:
    """Print all that is known of a deployment."""
    state = "paused" if details.is_paused else f"{details.waiting} waiting, {details.running} running"
    click.echo(f"{printable(details.name)}  version {details.version}  {state}")
    if description := details.spec.get("description"):
        click.echo(printable(str(description)))
    for name, value in details.spec.items():
        if name not in ("name", "description", "schedules"):
            click.echo(f"  {name:<22}{_value_text(value)}")
    if details.owner is not None:
        click.echo(f"  {'owner':<22}{printable(details.owner)}")
    click.echo(f"  {'changed':<22}{time_text(details.updated_at)}, {ago(details.updated_at, now)}")
    for schedule in details.schedules:
        click.echo(f"\nSchedule {schedule.number}: {printable(schedule.words)}")
        if schedule.parameters:
            click.echo(f"  {'parameters':<22}{_value_text(schedule.parameters)}")
        if schedule.done_until is not None:
            click.echo(f"  {'worked off until':<22}{time_text(schedule.done_until)}")
        if schedule.problem:
            click.echo(f"  {'problem':<22}{printable(schedule.problem)}")
    for trigger in details.triggers:
        rests = "" if trigger.is_active else " (paused)"
        click.echo(f"\nTrigger {printable(trigger.name)}: {printable(trigger.words)}{rests}")
        if "parameters" in trigger.form:
            click.echo(f"  {'parameters':<22}{_value_text(trigger.form['parameters'])}")
    print_fire_times(details.fire_times, is_paused=details.is_paused, has_schedules=bool(details.schedules))
    if details.runs:
        click.echo()
        print_table(
            ("RUN", "STATE", f"DUE ({zone_here()})", "TOOK", "MESSAGE"),
            [
                [
                    run.name,
                    run.state,
                    f"{here(run.due_at):%Y-%m-%d %H:%M:%S}" if run.due_at is not None else "-",
                    took(run.started_at, run.ended_at, now),
                    run.message,
                ]
                for run in details.runs
            ],
        )


def print_fire_times(times: Iterable[FireTime], *, is_paused: bool, has_schedules: bool) -> None:
    """Print when something is due next, or why nothing is."""
    shown = list(times)
    width = max((len(time.words) for time in shown), default=0)
    lines = [f"  {time.words:{width}}  {time.at.isoformat()}  {time.note}".rstrip() for time in shown]
    if is_paused and has_schedules:
        click.echo("\nIt is paused: nothing is due until `orchestra deployments resume`.")
    elif lines:
        click.echo("\nNext:\n" + "\n".join(lines))
    elif has_schedules:
        click.echo("\nNothing is due any more: its schedules have ended, or are not active.")


def print_versions(versions: Sequence[VersionView], present: int | None, now: datetime) -> None:
    """Print one version a line."""
    print_table(
        ("VERSION", "MADE", "BY", "CHANGED", "NOTE"),
        [
            [
                f"{one.version}{' (present)' if one.version == present else ''}",
                ago(one.created_at, now),
                one.created_by,
                ", ".join(change.field for change in one.changes) or "-",
                one.note,
            ]
            for one in versions
        ],
    )


def change_lines(changes: Iterable[FieldChange]) -> list[str]:
    """Return one line for each change: what it was, and what it is."""
    lines = []
    for change in changes:
        if change.field == "cells":
            lines.append(f"  cells: {change.after}")
        elif change.before is None:
            lines.append(f"  {printable(change.field)}: {_value_text(change.after)} (new)")
        elif change.after is None:
            lines.append(f"  {printable(change.field)}: {_value_text(change.before)} is gone")
        else:
            lines.append(f"  {printable(change.field)}: {_value_text(change.before)} -> {_value_text(change.after)}")
    return lines


def _value_text(value: object) -> str:
    readable = to_readable(value)
    text = readable if isinstance(readable, str) else json.dumps(readable, ensure_ascii=False, default=str)
    return shortened(text, _LONGEST_VALUE)
