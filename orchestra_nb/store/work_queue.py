"""Runs that wait to be started, and who takes them: each is claimed by one driver.

How many runs of a deployment go on is counted from the runs themselves, under the store's write lock: there is no
counter that could be wrong after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, insert, or_, select, tuple_

from orchestra_nb.model.counted import counted
from orchestra_nb.model.deployments import DEFAULT_POOL
from orchestra_nb.model.events import Event, RunClaimed, RunCreated, RunReopened, RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_writer import EventWriter
from orchestra_nb.store.many_rows import insert_many
from orchestra_nb.store.stored_records import run_of_row
from orchestra_nb.store.tables import cancel_requests, deployments, drivers, queued_runs, runs

#: What a run may be in that somebody drives; without SCHEDULED, so that what waits need not be looked at.
_GOING_ON = [state.value for state in State if state not in TERMINAL_STATES | {State.SCHEDULED}]
_COLUMNS = ("run_id", "deployment", "pool", "priority", "due_at")
_ROWS_A_READ = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """A run in the queue."""

    run_id: str
    deployment: str | None
    pool: str
    priority: int
    due_at: datetime

    @classmethod
    def of(cls, run: Run, pool: str = DEFAULT_POOL, priority: int = 0) -> QueuedRun:
        """Return the place of a run in the queue."""
        return cls(
            run_id=run.run_id,
            deployment=run.deployment,
            pool=pool,
            priority=priority,
            due_at=run.due_at or run.created_at,
        )


@dataclass(slots=True)
class _Room:
    """How many runs of a deployment go on, and how many may."""

    limit: int
    on_conflict: str
    active: int = 0

    @property
    def is_full(self) -> bool:
        return self.active >= self.limit

    @property
    def decides(self) -> bool:
        """Whether a run that is due does more than wait."""
        return self.on_conflict != "queue"

    def words(self, name: str) -> str:
        return f"{counted(self.active, 'run')} of deployment {name} went on, and {self.limit} may"


class WorkQueue:
    """The queue of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: Run, pool: str = DEFAULT_POOL, priority: int = 0) -> bool:
        """Create a run that waits; False where it, or a run of its occurrence, is there already."""
        with self._database.write() as connection:
            if run.occurrence is not None:
                same = exists().where(runs.c.deployment == run.deployment, runs.c.occurrence == run.occurrence)
                if connection.execute(select(same)).scalar_one():
                    return False
            if not EventWriter(connection, [RunCreated(run=run)]).apply()[0]:
                return False
            enqueue(connection, [QueuedRun.of(run, pool, priority)])
        return True

    def add_again(self, reopened: RunReopened, due_at: datetime, pool: str = DEFAULT_POOL, priority: int = 0) -> bool:
        """Have a run that ended wait again; False where somebody else was first."""
        with self._database.write() as connection:
            if not EventWriter(connection, [reopened]).apply()[0]:
                return False
            row = connection.execute(select(runs).where(runs.c.run_id == reopened.run_id)).mappings().one()
            again = msgspec.structs.replace(run_of_row(row), due_at=due_at)  # the run's own stays: how late it was
            connection.execute(delete(queued_runs).where(queued_runs.c.run_id == again.run_id))
            enqueue(connection, [QueuedRun.of(again, pool, priority)])
        return True

    def add_all(self, runs_: Sequence[Run], pool: str = DEFAULT_POOL, priority: int = 0) -> list[bool]:
        """Create runs of occurrences that wait; False for each whose occurrence has its run already."""
        added: list[bool] = []
        for start in range(0, len(runs_), _ROWS_A_READ):
            some = runs_[start : start + _ROWS_A_READ]
            with self._database.write() as connection:
                known = known_occurrences(connection, some)
                new = [run for run in some if (run.deployment, run.occurrence) not in known]
                if new:
                    EventWriter(connection, [RunCreated(run=run) for run in new]).apply()
                enqueue(connection, [QueuedRun.of(run, pool, priority) for run in new])
            new_ids = {run.run_id for run in new}
            added += [run.run_id in new_ids for run in some]
        return added

    def add_all_again(self, reopened: Sequence[RunReopened], pool: str = DEFAULT_POOL, priority: int = 0) -> int:
        """Have runs that ended wait again for when they were due; return how many nobody else had opened before."""
        opened = 0
        for start in range(0, len(reopened), _ROWS_A_READ):
            some = reopened[start : start + _ROWS_A_READ]
            with self._database.write() as connection:
                applied = EventWriter(connection, some).apply()
                run_ids = [event.run_id for event, is_ours in zip(some, applied, strict=True) if is_ours]
                _dequeue(connection, run_ids)
                enqueue(connection, [QueuedRun.of(run, pool, priority) for run in _runs_of(connection, run_ids)])
            opened += len(run_ids)
        return opened

    def next_look(self, pools: Sequence[str], now: datetime) -> datetime | None:
        """Return when the first run is due that is not due yet; None where none waits for its time."""
        query = select(func.min(queued_runs.c.due_at)).where(queued_runs.c.pool.in_(pools), queued_runs.c.due_at > now)
        with self._database.connect() as connection:
            first: datetime | None = connection.execute(query).scalar_one()
        return first

    def claim(self, driver_id: str, pools: Sequence[str], room: int, now: datetime) -> list[Run]:
        """Take up to so many runs that are due, those of the highest priority first, and answer for them.

        A deployment that has no room holds up no other. What becomes of its own runs is as it says, also where there
        is no room here: they wait, or are SKIPPED now, or the oldest ones that go on are asked to stop.
        """
        due = (queued_runs.c.pool.in_(pools), queued_runs.c.due_at <= now)
        with self._database.connect() as connection:
            if connection.execute(select(queued_runs.c.run_id).where(*due).limit(1)).first() is None:
                return []
            if room <= 0 and not any(one.is_full and one.decides for one in _rooms(connection, due).values()):
                return []  # without the write lock: this is asked at each change of the store
        with self._database.write() as connection:
            if connection.execute(_is_over(driver_id)).first() is not None:
                return []  # whoever took it for dead would end its runs
            rooms = _rooms(connection, due)
            chosen = _choose(connection, due, rooms, room)
            events: list[Event] = [
                RunClaimed(run_id=row["run_id"], at=now, driver_id=driver_id, epoch=row["epoch"] or 0) for row in chosen
            ]
            claimed = {
                event.run_id
                for event, is_ours in zip(events, EventWriter(connection, events).apply(), strict=True)
                if is_ours and isinstance(event, RunClaimed)
            }
            _dequeue(connection, [row["run_id"] for row in chosen])
            _forget_requests(connection, claimed)
            _treat_conflicts(connection, due, rooms, now)
            return _runs_of(connection, claimed)

    def places(self, run_ids: Sequence[str]) -> dict[str, QueuedRun]:
        """Return the places of those of these runs that wait."""
        found: dict[str, QueuedRun] = {}
        with self._database.connect() as connection:
            for start in range(0, len(run_ids), _ROWS_A_READ):
                some = run_ids[start : start + _ROWS_A_READ]
                query = select(*(queued_runs.c[name] for name in _COLUMNS)).where(queued_runs.c.run_id.in_(some))
                found |= {row["run_id"]: QueuedRun(**row) for row in connection.execute(query).mappings()}
        return found

    def rooms(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return how many runs of each of these deployments go on, and how many may, where that is limited."""
        of_these = (queued_runs.c.deployment.in_(names),)
        with self._database.connect() as connection:
            return {name: (room.active, room.limit) for name, room in _rooms(connection, of_these).items()}

    def waiting(self, limit: int = 1_000) -> list[QueuedRun]:
        """Return the runs that wait, in the order in which they are to start."""
        query = (
            select(*(queued_runs.c[name] for name in _COLUMNS))
            .join(runs, runs.c.run_id == queued_runs.c.run_id)
            .where(runs.c.state == State.SCHEDULED.value)
            .order_by(queued_runs.c.due_at, queued_runs.c.priority.desc(), queued_runs.c.run_id)
            .limit(limit)
        )
        with self._database.connect() as connection:
            return [QueuedRun(**row) for row in connection.execute(query).mappings()]

    def oldest_due(self, now: datetime) -> Run | None:
        """Return the run that is due for longest and was not started; None where none waits."""
        oldest = (
            select(runs)
            .join(queued_runs, queued_runs.c.run_id == runs.c.run_id)
            .where(queued_runs.c.due_at <= now)
            .order_by(queued_runs.c.due_at, queued_runs.c.run_id)
            .limit(1)
        )
        with self._database.connect() as connection:
            row = connection.execute(oldest).mappings().first()
        return None if row is None else run_of_row(row)

    def cancel(self, run_id: str, actor: str, now: datetime) -> bool:
        """End a run that waits as CANCELLED; False where it does not wait (any more)."""
        return self.cancel_all([run_id], actor, now) == 1

    def cancel_all(self, run_ids: Sequence[str], actor: str, now: datetime) -> int:
        """End those of these runs that wait as CANCELLED; return how many that were."""
        message = f"Cancelled by {actor} before it started"
        ended = 0
        for start in range(0, len(run_ids), _ROWS_A_READ):
            waiting = select(runs.c.run_id, runs.c.epoch).where(
                runs.c.run_id.in_(run_ids[start : start + _ROWS_A_READ]),
                runs.c.state == State.SCHEDULED.value,
                runs.c.driver_id.is_(None),
            )
            with self._database.write() as connection:
                changes = [
                    RunStateChanged(
                        run_id=run_id, state=State.CANCELLED, at=now, epoch=epoch, message=message, actor=actor
                    )
                    for run_id, epoch in connection.execute(waiting)
                ]
                _dequeue(connection, [change.run_id for change in changes])
                if changes:
                    ended += sum(EventWriter(connection, changes).apply())
        return ended


def enqueue(connection: Connection, queued: Sequence[QueuedRun]) -> None:
    """Add rows to the queue."""
    if queued:
        rows = [{name: getattr(run, name) for name in _COLUMNS} for run in queued]
        insert_many(connection, queued_runs, _COLUMNS, rows)


def known_occurrences(connection: Connection, new: Sequence[Run]) -> set[tuple[str | None, str | None]]:
    """Return the (deployment, occurrence) of those of these runs whose occurrence has a run."""
    known: set[tuple[str | None, str | None]] = set()
    for start in range(0, len(new), _ROWS_A_READ):
        keys = [(run.deployment, run.occurrence) for run in new[start : start + _ROWS_A_READ]]
        query = select(runs.c.deployment, runs.c.occurrence).where(
            tuple_(runs.c.deployment, runs.c.occurrence).in_(keys)
        )
        known.update((deployment, occurrence) for deployment, occurrence in connection.execute(query))
    return known


def _dequeue(connection: Connection, run_ids: Sequence[str]) -> None:
    for start in range(0, len(run_ids), _ROWS_A_READ):
        some = run_ids[start : start + _ROWS_A_READ]
        connection.execute(delete(queued_runs).where(queued_runs.c.run_id.in_(some)))


def _is_over(driver_id: str) -> Select[Any]:
    return select(drivers.c.driver_id).where(drivers.c.driver_id == driver_id, drivers.c.ended_at.is_not(None))


def _forget_requests(connection: Connection, run_ids: Iterable[str]) -> None:
    """Delete the requests to stop earlier epochs: the driver may be the same one, which has heard them."""
    wanted = list(run_ids)
    for start in range(0, len(wanted), _ROWS_A_READ):
        some = wanted[start : start + _ROWS_A_READ]
        connection.execute(delete(cancel_requests).where(cancel_requests.c.run_id.in_(some)))


def _rooms(connection: Connection, due: tuple[Any, ...]) -> dict[str, _Room]:
    """Return the limits of the deployments that have runs due, with how many of each go on."""
    limited = select(deployments.c.name, deployments.c.concurrency, deployments.c.on_conflict).where(
        deployments.c.concurrency.is_not(None),
        exists().where(queued_runs.c.deployment == deployments.c.name, *due),
    )
    rooms = {name: _Room(limit, on_conflict) for name, limit, on_conflict in connection.execute(limited)}
    names = list(rooms)
    for start in range(0, len(names), _ROWS_A_READ):
        active = (
            select(runs.c.deployment, func.count())
            .where(
                _deployment_of_run().in_(names[start : start + _ROWS_A_READ]),
                runs.c.driver_id.is_not(None),
                runs.c.state.in_(_GOING_ON),
            )
            .group_by(runs.c.deployment)
        )
        for name, number in connection.execute(active):
            rooms[name].active = number
    return rooms


def _deployment_of_run() -> ColumnElement[str]:
    """Return the deployment of a run as no index has it: those who go on are few, the runs of a deployment are not."""
    return func.coalesce(runs.c.deployment, "")


def _choose(
    connection: Connection, due: tuple[Any, ...], rooms: Mapping[str, _Room], room: int
) -> list[Mapping[str, Any]]:
    """Return rows of the queue that may start now, with the epochs of their runs."""
    chosen: list[Mapping[str, Any]] = []
    passed: set[str] = set()
    while len(chosen) < room:
        full = [name for name, of_deployment in rooms.items() if of_deployment.is_full]
        first = (
            select(queued_runs)
            .where(*due, or_(queued_runs.c.deployment.is_(None), queued_runs.c.deployment.not_in(full)))
            .where(queued_runs.c.run_id.not_in(passed))
            .order_by(queued_runs.c.priority.desc(), queued_runs.c.due_at, queued_runs.c.run_id)
            .limit(room - len(chosen))
            .subquery()
        )
        query = (
            select(first.c.run_id, first.c.deployment, runs.c.epoch)
            .outerjoin(runs, runs.c.run_id == first.c.run_id)
            .order_by(first.c.priority.desc(), first.c.due_at, first.c.run_id)
        )
        rows = connection.execute(query).mappings().all()
        if not rows:
            break
        for row in rows:
            of_deployment = rooms.get(row["deployment"])
            if of_deployment is not None:
                if of_deployment.is_full:
                    continue
                of_deployment.active += 1
            passed.add(row["run_id"])
            chosen.append(dict(row))
    return chosen


def _treat_conflicts(connection: Connection, due: tuple[Any, ...], rooms: Mapping[str, _Room], now: datetime) -> None:
    for name, room in rooms.items():
        if not room.is_full or not room.decides:
            continue
        waiting = (
            select(queued_runs.c.run_id, runs.c.epoch)
            .join(runs, runs.c.run_id == queued_runs.c.run_id)
            .where(*due, queued_runs.c.deployment == name)
        )
        rows = connection.execute(waiting).all()
        if not rows:
            continue
        if room.on_conflict == "skip":
            message = f"Skipped: {room.words(name)}"
            events = [
                RunStateChanged(
                    run_id=run_id, state=State.SKIPPED, at=now, epoch=epoch, message=message, actor="dispatcher"
                )
                for run_id, epoch in rows
            ]
            EventWriter(connection, events).apply()
            _dequeue(connection, [run_id for run_id, _ in rows])
        else:
            _ask_oldest_to_stop(connection, name, len(rows), now)


def _ask_oldest_to_stop(connection: Connection, name: str, number: int, now: datetime) -> None:
    """Ask as many runs of a deployment to stop as wait for their place, those that were asked before included."""
    is_asked = exists().where(cancel_requests.c.run_id == runs.c.run_id, cancel_requests.c.task_run_id.is_(None))
    going_on = (
        select(runs.c.run_id, runs.c.driver_id, is_asked)
        .where(_deployment_of_run() == name, runs.c.driver_id.is_not(None), runs.c.state.in_(_GOING_ON))
        .order_by(runs.c.run_id)
        .limit(number)
    )
    for run_id, driver_id, is_asked in connection.execute(going_on).all():
        if not is_asked:
            connection.execute(
                insert(cancel_requests).values(
                    run_id=run_id, driver_id=driver_id, actor="a newer run of its deployment", at=now
                )
            )


def _runs_of(connection: Connection, run_ids: Iterable[str]) -> list[Run]:
    wanted = list(run_ids)
    found: list[Run] = []
    for start in range(0, len(wanted), _ROWS_A_READ):
        query = select(runs).where(runs.c.run_id.in_(wanted[start : start + _ROWS_A_READ]))
        found += [run_of_row(row) for row in connection.execute(query).mappings()]
    return sorted(found, key=lambda run: (run.due_at or run.created_at, run.run_id))
