"""How much room there is for runs: of deployments, pools and limits.

All is counted from the runs that go on, and from the slots that are held, in the transaction that decides: there is no
counter that could be wrong after a crash.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, select

from orchestra_nb.model.counted import counted
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.model.work_pools import DEFAULT_POOL
from orchestra_nb.store.code_tables import held_slots
from orchestra_nb.store.many_rows import insert_many
from orchestra_nb.store.run_tables import runs
from orchestra_nb.store.service_tables import deployments, queued_runs, work_pools
from orchestra_nb.store.slot_store import drop_free, free_slots

#: What a run may be in that somebody drives; without SCHEDULED, so that what waits need not be looked at.
GOING_ON: Final = [state.value for state in State if state not in TERMINAL_STATES | {State.SCHEDULED}]
#: The slots of a run have no lease of their own: they are free when it has ended, or waits again.
_NO_END: Final = timedelta(days=36_500)
_ROWS_A_READ: Final = 500

# made once: to make a statement takes longer than to execute it
_SELECT_POOLS: Final = select(work_pools.c.name, work_pools.c.concurrency, work_pools.c.is_paused).where(
    work_pools.c.name.in_(bindparam("names", expanding=True))
)


@dataclass(slots=True)
class Room:
    """How many runs go on, and how many may.

    Parameters
    ----------
    is_paused
        Whether none may start.
    """

    limit: int | None
    active: int = 0
    on_conflict: str = "queue"
    is_paused: bool = False

    @property
    def is_full(self) -> bool:
        """Whether no run may start now."""
        return self.is_paused or (self.limit is not None and self.active >= self.limit)

    @property
    def decides(self) -> bool:
        """Whether a run that is due does more than wait."""
        return self.on_conflict != "queue"

    def words(self, name: str) -> str:
        """Return how many runs of a deployment went on."""
        return f"{counted(self.active, 'run')} of deployment {name} went on, and {self.limit} may"


@dataclass(slots=True)
class Rooms:
    """The room of what limits runs, as it is while a transaction gives it away.

    Parameters
    ----------
    deployments
        Those that limit their runs.
    pools
        Those that exist, of the ones that were asked for.
    slots
        Limit to how many of its slots are free, for limits that exist; a disabled one has all there are.
    """

    deployments: dict[str, Room]
    pools: dict[str, Room]
    slots: dict[str, float] = field(default_factory=dict)

    def is_open(self, deployment: str | None, limits: str) -> bool:
        """Tell whether a run of this deployment, with these limits, may start in a pool that has room."""
        room = self.deployments.get(deployment or "")
        return (room is None or not room.is_full) and self.full_limit(limits) is None

    def full_limit(self, limits: str) -> str | None:
        """Return the first of these limits that has no slot; None where all have one."""
        return next((name for name in names_of(limits) if self.slots.get(name, math.inf) < 1), None)

    def take(self, deployment: str | None, pool: str, limits: str) -> None:
        """Give a run its place."""
        self.pools[pool].active += 1
        if (room := self.deployments.get(deployment or "")) is not None:
            room.active += 1
        for name in names_of(limits):
            if name in self.slots:
                self.slots[name] -= 1


def limits_text(limits: Iterable[str], tags: Mapping[str, str]) -> str:
    """Return all limits that a run counts for where they exist, as the queue has them: its own and those of its tags.

    Examples
    --------
    >>> limits_text(["database"], {"team": "ml", "gpu": ""})
    '["database", "tag:gpu", "tag:team", "tag:team=ml"]'
    """
    names = {*limits, *(f"tag:{key}" for key in tags), *(f"tag:{key}={value}" for key, value in tags.items() if value)}
    return json.dumps(sorted(names)) if names else ""


def names_of(limits: str) -> list[str]:
    """Return the names in :func:`limits_text`."""
    return list(json.loads(limits)) if limits else []


def deployment_rooms(connection: Connection, due: tuple[Any, ...]) -> dict[str, Room]:
    """Return the limits of the deployments that have runs due, with how many of each go on."""
    limited = select(deployments.c.name, deployments.c.concurrency, deployments.c.on_conflict).where(
        deployments.c.concurrency.is_not(None),
        exists().where(queued_runs.c.deployment == deployments.c.name, *due),
    )
    rooms = {name: Room(limit, on_conflict=on_conflict) for name, limit, on_conflict in connection.execute(limited)}
    names = list(rooms)
    for start in range(0, len(names), _ROWS_A_READ):
        for name, number in _active(connection, runs.c.deployment, names[start : start + _ROWS_A_READ]):
            rooms[name].active = number
    return rooms


def pool_rooms(connection: Connection, names: Sequence[str]) -> dict[str, Room]:
    """Return those of these pools that exist, with how many of their runs go on."""
    found = connection.execute(_SELECT_POOLS, {"names": list(names)})
    rooms = {DEFAULT_POOL: Room(None)} if DEFAULT_POOL in names else {}
    rooms |= {name: Room(limit, is_paused=is_paused) for name, limit, is_paused in found}
    limited = [name for name, room in rooms.items() if room.limit is not None]
    if limited:
        for name, number in _active(connection, runs.c.pool, limited):
            rooms[name].active = number
    return rooms


def rooms_of(connection: Connection, due: tuple[Any, ...], pools: Sequence[str], now: datetime) -> Rooms:
    """Return the room of all that may limit the runs that are due."""
    return Rooms(
        deployments=deployment_rooms(connection, due),
        pools=pool_rooms(connection, pools),
        slots=free_slots(connection, now),
    )


def hold_slots(connection: Connection, claimed: Mapping[str, str], rooms: Rooms, at: datetime) -> None:
    """Have each of these runs hold a slot of each of its limits that exists, and none from an epoch before."""
    rows = [
        {
            "limit_name": name,
            "holder": _holder(run_id),
            "occupied": 1,
            "acquired_at": at,
            "until": at + _NO_END,
            "driver_id": None,
            "run_id": run_id,
            "task_run_id": None,
        }
        for run_id, limits in claimed.items()
        for name in names_of(limits)
        if name in rooms.slots
    ]
    if rooms.slots:  # what a run held before would count again, now that it goes on
        release_slots(connection, list(claimed))
    if rows:
        drop_free(connection, sorted({str(row["limit_name"]) for row in rows}), at)
        insert_many(connection, held_slots, tuple(rows[0]), rows)


def release_slots(connection: Connection, run_ids: Sequence[str]) -> None:
    """Take from runs what they held before."""
    for start in range(0, len(run_ids), _ROWS_A_READ):
        holders = [_holder(run_id) for run_id in run_ids[start : start + _ROWS_A_READ]]
        connection.execute(delete(held_slots).where(held_slots.c.holder.in_(holders)))


def deployment_of_run() -> ColumnElement[str]:
    """Return the deployment of a run as no index has it: those who go on are few, the runs of a deployment are not."""
    return func.coalesce(runs.c.deployment, "")


def _active(connection: Connection, column: ColumnElement[Any], names: Sequence[str]) -> list[tuple[str, int]]:
    query = (
        select(column, func.count())
        .where(func.coalesce(column, "").in_(names), runs.c.driver_id.is_not(None), runs.c.state.in_(GOING_ON))
        .group_by(column)
    )
    return [(name, number) for name, number in connection.execute(query)]


def _holder(run_id: str) -> str:
    return f"run:{run_id}"
