"""``orchestra concurrency``: limits for ``concurrency()`` and ``rate_limit()``, and who holds their slots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click
import msgspec

from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.opened_store import as_json_option
from orchestra_nb.cli.run_tables import print_table, printable
from orchestra_nb.model.limits import ConcurrencyLimit, LimitState
from orchestra_nb.operations import concurrency_limits
from orchestra_nb.operations.runs import names_of_runs, names_of_tasks

_name_argument = click.argument("name")
_rate_option = click.option(
    "--slot-decay-per-second", "rate", type=float, metavar="RATE", help="How many slots come back a second."
)


@click.group()
def concurrency() -> None:
    """List, create, change and delete limits: at most so many slots for all that runs on this store."""


@concurrency.command()
@as_json_option
def ls(as_json: bool) -> None:
    """List limits by name, with how many of their slots are taken."""
    with opened_backend() as backend:
        states = backend.call(concurrency_limits.list_limits, datetime.now(UTC))
        held = [slots for state in states for slots in state.held]
        runs = backend.call(names_of_runs, [slots.run_id for slots in held])
        tasks = backend.call(names_of_tasks, [slots.task_run_id for slots in held])
    if as_json:
        print_json({"limits": [_document(state, runs, tasks) for state in states]})
    elif states:
        print_table(
            ("NAME", "TAKEN", "RATE", "ACTIVE", "HELD BY"),
            [
                [
                    state.limit.name,
                    f"{state.occupied}/{state.limit.limit}",
                    f"{state.limit.slot_decay_per_second:g}/s" if state.limit.slot_decay_per_second else "-",
                    "yes" if state.limit.is_active else "no",
                    _holders(state, runs, tasks),
                ]
                for state in states
            ],
        )
    else:
        click.echo("No limits yet. `orchestra concurrency create NAME --limit 3` makes one.")


@concurrency.command()
@_name_argument
@click.option("--limit", type=int, required=True, metavar="N", help="How many slots; 0 lets nobody in.")
@_rate_option
@click.option("--disable", is_flag=True, help="Make it without enforcing it.")
@as_json_option
def create(name: str, limit: int, rate: float | None, disable: bool, as_json: bool) -> None:
    """Create a limit."""
    made = ConcurrencyLimit(name=name, limit=limit, slot_decay_per_second=rate or 0.0, is_active=not disable)
    with opened_backend() as backend:
        backend.call(concurrency_limits.create_limit, made, datetime.now(UTC))
    _tell(made, as_json)


@concurrency.command()
@_name_argument
@click.option("--limit", type=int, metavar="N", help="How many slots; who holds more keeps them.")
@_rate_option
@click.option("--enable/--disable", "is_active", default=None, help="Whether it is enforced.")
@as_json_option
def update(name: str, limit: int | None, rate: float | None, is_active: bool | None, as_json: bool) -> None:
    """Change a limit; who waits for its slots goes by the new one."""
    with opened_backend() as backend:
        changed = backend.call(
            concurrency_limits.update_limit,
            name,
            datetime.now(UTC),
            limit=limit,
            slot_decay_per_second=rate,
            is_active=is_active,
        )
    _tell(changed, as_json)


@concurrency.command()
@_name_argument
@click.option("--force", is_flag=True, help="Also where deployments name it: then nothing holds their runs back.")
@as_json_option
def delete(name: str, force: bool, as_json: bool) -> None:
    """Delete a limit; who waits for its slots goes on."""
    with opened_backend() as backend:
        backend.call(concurrency_limits.delete_limit, name, is_forced=force)
    if as_json:
        print_json({"deleted": name})
    else:
        click.echo(f"{printable(name)} limits nothing any more.")


def _tell(limit: ConcurrencyLimit, as_json: bool) -> None:
    if as_json:
        print_json(limit)
        return
    rate = f", {limit.slot_decay_per_second:g} come back a second" if limit.slot_decay_per_second else ""
    state = "" if limit.is_active else " (not enforced)"
    click.echo(f"{printable(limit.name)} has {limit.limit} slot{'' if limit.limit == 1 else 's'}{rate}{state}.")


def _document(state: LimitState, runs: Mapping[str | None, str], tasks: Mapping[str | None, str]) -> dict[str, object]:
    held = [
        msgspec.structs.asdict(slots) | {"run": runs.get(slots.run_id), "task": tasks.get(slots.task_run_id)}
        for slots in state.held
    ]
    return {**msgspec.structs.asdict(state.limit), "occupied": state.occupied, "held": held}


def _holders(state: LimitState, runs: Mapping[str | None, str], tasks: Mapping[str | None, str]) -> str:
    """Return who holds slots: runs and tasks by their names, what the store does not know by its id."""
    names = []
    for slots in state.held:
        run = runs.get(slots.run_id, slots.run_id)
        if slots.task_run_id is None:
            names.append(run or slots.driver_id or slots.holder)
        else:
            task = tasks.get(slots.task_run_id, slots.task_run_id)
            names.append(f"{task} of {run}" if run else task)
    return ", ".join(names) or "-"
