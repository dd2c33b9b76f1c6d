"""Runs that wait to be started, and who takes them: each is claimed by one driver.

How many go on is counted from the runs themselves, under the store's write lock (:mod:`.run_rooms`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from orchestra_nb.model.events import Event, RunClaimed, RunCreated, RunGivenBack, RunReopened, RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.model.stop_requests import StopKind
from orchestra_nb.model.work_pools import DEFAULT_POOL
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_writer import EventWriter
from orchestra_nb.store.many_rows import insert_many
from orchestra_nb.store.pipelines import SENT
from orchestra_nb.store.run_rooms import (
    GOING_ON,
    Room,
    Rooms,
    deployment_of_run,
    deployment_rooms,
    hold_slots,
    limits_text,
    pool_rooms,
    rooms_of,
)
from orchestra_nb.store.run_tables import cancel_requests, drivers, runs
from orchestra_nb.store.service_tables import queued_runs
from orchestra_nb.store.stored_records import run_of_row

_COLUMNS = ("run_id", "deployment", "pool", "priority", "due_at", "limits")
#: So many rows are looked at first, and so many times more each time that this was not enough.
_FIRST_LOOK = 64
_MORE = 4
_ROWS_A_READ = 500

# what each claim asks is made once: to make a statement takes longer than to execute it
_RUN_IDS: BindParameter[Any] = bindparam("run_ids", expanding=True)
_FIRST_DUE = (
    select(queued_runs.c.run_id)
    .where(
        queued_runs.c.pool.in_(bindparam("pools", expanding=True)),
        queued_runs.c.due_at <= bindparam("now", type_=queued_runs.c.due_at.type),
    )
    .limit(1)
)
_DEQUEUE = delete(queued_runs).where(queued_runs.c.run_id.in_(_RUN_IDS)).execution_options(**SENT)
_FORGET_REQUESTS = delete(cancel_requests).where(cancel_requests.c.run_id.in_(_RUN_IDS)).execution_options(**SENT)
_SELECT_RUNS = select(runs).where(runs.c.run_id.in_(_RUN_IDS))
_ENDED_DRIVER = select(drivers.c.driver_id).where(
    drivers.c.driver_id == bindparam("driver_id"), drivers.c.ended_at.is_not(None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """A run in the queue.

    Parameters
    ----------
    limits
        What it counts for where there is such a limit, as :func:`~orchestra_nb.store.run_rooms.limits_text` has it.
    """

    run_id: str
    deployment: str | None
    pool: str
    priority: int
    due_at: datetime
    limits: str = ""

    @classmethod
    def of(cls, run: Run, pool: str = DEFAULT_POOL, priority: int = 0, limits: Sequence[str] = ()) -> QueuedRun:
        """Return the place of a run in the queue.

        Parameters
        ----------
        limits
            Beside those of its tags.
        """
        return cls(
            run_id=run.run_id,
            deployment=run.deployment,
            pool=pool,
            priority=priority,
            due_at=run.due_at or run.created_at,
            limits=limits_text(limits, run.tags),
        )


class WorkQueue:
    """The queue of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Whether the last claim took all that it had room for: then there is more, most likely.
        self._has_more = False

    def add(self, run: Run, pool: str = DEFAULT_POOL, priority: int = 0, limits: Sequence[str] = ()) -> bool:
        """Create a run that waits; False where it, or a run of its occurrence, is there already."""
        with self._database.write() as connection:
            if run.occurrence is not None:
                same = exists().where(runs.c.deployment == run.deployment, runs.c.occurrence == run.occurrence)
                if connection.execute(select(same)).scalar_one():
                    return False
            if not EventWriter(connection, [RunCreated(run=run)]).apply()[0]:
                return False
            enqueue(connection, [QueuedRun.of(run, pool, priority, limits)])
        return True

    def add_again(
        self,
        reopened: RunReopened,
        due_at: datetime,
        pool: str = DEFAULT_POOL,
        priority: int = 0,
        limits: Sequence[str] = (),
    ) -> bool:
        """Have a run that ended wait again; False where somebody else was first."""
        with self._database.write() as connection:
            if not EventWriter(connection, [reopened]).apply()[0]:
                return False
            row = connection.execute(select(runs).where(runs.c.run_id == reopened.run_id)).mappings().one()
            again = msgspec.structs.replace(run_of_row(row), due_at=due_at)  # the run's own stays: how late it was
            connection.execute(delete(queued_runs).where(queued_runs.c.run_id == again.run_id))
            _set_pool(connection, [again.run_id], pool)
            enqueue(connection, [QueuedRun.of(again, pool, priority, limits)])
        return True

    def give_back(
        self, run: Run, pool: str, message: str, now: datetime, *, priority: int = 0, limits: Sequence[str] = ()
    ) -> bool:
        """Have a run that was claimed wait again; False where it has begun, or is somebody else's by now.

        One that its driver was asked to cancel meanwhile ends CANCELLED: whoever claims it next would not hear of it.
        """
        if run.driver_id is None:
            return False
        back = RunGivenBack(run_id=run.run_id, at=now, driver_id=run.driver_id, epoch=run.epoch, message=message)
        with self._database.write() as connection:
            if (cancelled := _cancelled_instead(connection, run, now)) is not None:
                return EventWriter(connection, [cancelled]).apply()[0]
            if not EventWriter(connection, [back]).apply()[0]:
                return False
            _dequeue(connection, [run.run_id])
            enqueue(connection, [QueuedRun.of(run, pool, priority, limits)])
        return True

    def add_all(
        self, runs_: Sequence[Run], pool: str = DEFAULT_POOL, priority: int = 0, limits: Sequence[str] = ()
    ) -> list[bool]:
        """Create runs of occurrences that wait; False for each whose occurrence has its run already."""
        added: list[bool] = []
        for start in range(0, len(runs_), _ROWS_A_READ):
            some = runs_[start : start + _ROWS_A_READ]
            with self._database.write() as connection:
                known = known_occurrences(connection, some)
                new = [run for run in some if (run.deployment, run.occurrence) not in known]
                if new:
                    EventWriter(connection, [RunCreated(run=run) for run in new]).apply()
                enqueue(connection, [QueuedRun.of(run, pool, priority, limits) for run in new])
            new_ids = {run.run_id for run in new}
            added += [run.run_id in new_ids for run in some]
        return added

    def add_all_again(
        self, reopened: Sequence[RunReopened], pool: str = DEFAULT_POOL, priority: int = 0, limits: Sequence[str] = ()
    ) -> int:
        """Have runs that ended wait again for when they were due; return how many nobody else had opened before."""
        opened = 0
        for start in range(0, len(reopened), _ROWS_A_READ):
            some = reopened[start : start + _ROWS_A_READ]
            with self._database.write() as connection:
                applied = EventWriter(connection, some).apply()
                run_ids = [event.run_id for event, is_ours in zip(some, applied, strict=True) if is_ours]
                _dequeue(connection, run_ids)
                _set_pool(connection, run_ids, pool)
                enqueue(
                    connection, [QueuedRun.of(run, pool, priority, limits) for run in _runs_of(connection, run_ids)]
                )
            opened += len(run_ids)
        return opened

    def next_look(self, pools: Sequence[str], now: datetime) -> datetime | None:
        """Return when the first run is due that is not due yet; None where none waits for its time."""
        query = select(func.min(queued_runs.c.due_at)).where(queued_runs.c.pool.in_(pools), queued_runs.c.due_at > now)
        with self._database.connect() as connection:
            first: datetime | None = connection.execute(query).scalar_one()
        return first

    def claim(self, driver_id: str, pools: Sequence[str], room: int, now: datetime) -> list[Run]:
        """Take up to so many runs of pools that exist, those of the highest priority first, and answer for them.

        A deployment, a pool or a limit that has no room holds up no other. What becomes of the runs of a deployment
        is as it says, also where there is no room here: they wait, or are SKIPPED now, or the oldest ones that go on
        are asked to stop.
        """
        if not self._has_more and not self._may_change_something(pools, room, now):
            return []
        due = (queued_runs.c.pool.in_(pools), queued_runs.c.due_at <= now)
        with self._database.write() as connection:
            self._has_more = False
            if connection.execute(_ENDED_DRIVER, {"driver_id": driver_id}).first() is not None:
                return []  # whoever took it for dead would end its runs
            rooms = rooms_of(connection, due, pools, now)
            chosen = _choose(connection, rooms, room, now)
            self._has_more = len(chosen) == room > 0
            found = _runs_of(connection, [row["run_id"] for row in chosen])
            events: list[Event] = [
                RunClaimed(run_id=run.run_id, at=now, driver_id=driver_id, epoch=run.epoch) for run in found
            ]
            applied = EventWriter(connection, events).apply()
            claimed = [
                msgspec.structs.replace(run, state=State.PENDING, driver_id=driver_id, message="")
                for run, is_ours in zip(found, applied, strict=True)
                if is_ours
            ]
            _dequeue(connection, [row["run_id"] for row in chosen])
            _forget_requests(connection, [run.run_id for run in claimed])
            limits = {row["run_id"]: row["limits"] for row in chosen}
            hold_slots(connection, {run.run_id: limits[run.run_id] for run in claimed}, rooms, now)
            _treat_conflicts(connection, due, rooms.deployments, now)
            return claimed

    def _may_change_something(self, pools: Sequence[str], room: int, now: datetime) -> bool:
        """Tell whether a claim has something to do, without the write lock: each change of the store makes one."""
        due = (queued_runs.c.pool.in_(pools), queued_runs.c.due_at <= now)
        with self._database.connect() as connection:
            if connection.execute(_FIRST_DUE, {"pools": list(pools), "now": now}).first() is None:
                return False
            if room > 0 and not all(one.is_full for one in pool_rooms(connection, pools).values()):
                return True
            return any(one.is_full and one.decides for one in deployment_rooms(connection, due).values())

    def places(self, run_ids: Sequence[str]) -> dict[str, QueuedRun]:
        """Return the places of those of these runs that wait."""
        found: dict[str, QueuedRun] = {}
        with self._database.connect() as connection:
            for start in range(0, len(run_ids), _ROWS_A_READ):
                some = run_ids[start : start + _ROWS_A_READ]
                query = select(*(queued_runs.c[name] for name in _COLUMNS)).where(queued_runs.c.run_id.in_(some))
                found |= {row["run_id"]: QueuedRun(**row) for row in connection.execute(query).mappings()}
        return found

    def rooms(self, deployments: Sequence[str], pools: Sequence[str], now: datetime) -> Rooms:
        """Return the room of all that may limit the runs of these deployments and pools that wait."""
        of_these = (queued_runs.c.deployment.in_(deployments),)
        with self._database.connect() as connection:
            return rooms_of(connection, of_these, pools, now)

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

    def move(self, deployment: str, pool: str) -> int:
        """Have the runs of a deployment that wait in other pools wait in this one; return how many these are."""
        elsewhere = select(queued_runs.c.run_id).where(
            queued_runs.c.deployment == deployment, queued_runs.c.pool != pool
        )
        with self._database.write() as connection:
            run_ids = list(connection.execute(elsewhere).scalars())
            for start in range(0, len(run_ids), _ROWS_A_READ):
                some = run_ids[start : start + _ROWS_A_READ]
                connection.execute(update(queued_runs).where(queued_runs.c.run_id.in_(some)).values(pool=pool))
                _set_pool(connection, some, pool)  # where it is to go on, and for which pool it counts
        return len(run_ids)

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
        rows = [{"turn": -run.priority, **{name: getattr(run, name) for name in _COLUMNS}} for run in queued]
        insert_many(connection, queued_runs, ("turn", *_COLUMNS), rows)


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
        connection.execute(_DEQUEUE, {"run_ids": some})


def _set_pool(connection: Connection, run_ids: Sequence[str], pool: str) -> None:
    """Have runs that are run again be of a pool: a version of their deployment from before may have named none."""
    of_another = or_(runs.c.pool.is_(None), runs.c.pool != pool)
    connection.execute(update(runs).where(runs.c.run_id.in_(run_ids), of_another).values(pool=pool))


def _forget_requests(connection: Connection, run_ids: Iterable[str]) -> None:
    """Delete the requests to stop earlier epochs: the driver may be the same one, which has heard them."""
    wanted = list(run_ids)
    for start in range(0, len(wanted), _ROWS_A_READ):
        some = wanted[start : start + _ROWS_A_READ]
        connection.execute(_FORGET_REQUESTS, {"run_ids": some})


def _cancelled_instead(connection: Connection, run: Run, now: datetime) -> RunStateChanged | None:
    """Return how a run ends that its driver was asked to cancel and has not begun; None where nobody asked."""
    asked = (
        select(cancel_requests.c.actor)
        .join(runs, (runs.c.run_id == cancel_requests.c.run_id) & (runs.c.driver_id == cancel_requests.c.driver_id))
        .where(
            cancel_requests.c.run_id == run.run_id,
            cancel_requests.c.driver_id == run.driver_id,
            cancel_requests.c.task_run_id.is_(None),
            cancel_requests.c.kind == StopKind.CANCEL.value,
            runs.c.state == State.PENDING.value,
        )
        .limit(1)
    )
    actor = connection.execute(asked).scalar()
    if actor is None:
        return None
    message = f"Cancelled by {actor} before it began"
    return RunStateChanged(
        run_id=run.run_id, state=State.CANCELLED, at=now, epoch=run.epoch, message=message, actor=actor
    )


def _choose(connection: Connection, rooms: Rooms, room: int, now: datetime) -> list[RowMapping]:
    """Return rows of the queue that may start now, and give them their places.

    Walks the index of each pool from its begin, past what has no room, so that it costs what it chooses and what it has
    to pass: O(chosen + passed).
    """
    chosen: list[RowMapping] = []
    full: set[str] = set()
    look = max(_FIRST_LOOK, room)
    while len(chosen) < room:
        passed = {row["run_id"] for row in chosen}
        heads = [
            connection.execute(_walk(pool, now, rooms, full, passed, look)).mappings().all()
            for pool, of_pool in rooms.pools.items()
            if not of_pool.is_full
        ]
        is_all = all(len(head) < look for head in heads)
        before = len(chosen)
        for row in sorted(chain.from_iterable(heads), key=_turn):
            if len(chosen) == room:
                break
            if rooms.pools[row["pool"]].is_full:
                continue
            if rooms.is_open(row["deployment"], row["limits"]):
                rooms.take(row["deployment"], row["pool"], row["limits"])
                chosen.append(row)
            elif rooms.full_limit(row["limits"]) is not None:
                full.add(row["limits"])
        if is_all:
            break
        if len(chosen) == before:
            look *= _MORE
    return chosen


def _walk(pool: str, now: datetime, rooms: Rooms, full: Iterable[str], passed: Iterable[str], look: int) -> Select[Any]:
    """Return a query of the first rows of a pool that may have room."""
    full_deployments = [name for name, room in rooms.deployments.items() if room.is_full]
    where: list[ColumnElement[bool]] = [queued_runs.c.pool == pool, queued_runs.c.due_at <= now]
    if full_deployments:
        of_none = queued_runs.c.deployment.is_(None)
        where.append(or_(of_none, queued_runs.c.deployment.not_in(full_deployments)))
    if full:
        where.append(queued_runs.c.limits.not_in(full))
    if passed:
        where.append(queued_runs.c.run_id.not_in(passed))
    order = (queued_runs.c.turn, queued_runs.c.due_at, queued_runs.c.run_id)
    return select(queued_runs).where(*where).order_by(*order).limit(look)


def _turn(row: RowMapping) -> tuple[int, datetime, str]:
    return row["turn"], row["due_at"], row["run_id"]


def _treat_conflicts(connection: Connection, due: tuple[Any, ...], rooms: Mapping[str, Room], now: datetime) -> None:
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
    is_asked = exists().where(
        cancel_requests.c.run_id == runs.c.run_id,
        cancel_requests.c.task_run_id.is_(None),
        cancel_requests.c.kind == StopKind.CANCEL.value,
    )
    going_on = (
        select(runs.c.run_id, runs.c.driver_id, is_asked)
        .where(deployment_of_run() == name, runs.c.driver_id.is_not(None), runs.c.state.in_(GOING_ON))
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
        some = wanted[start : start + _ROWS_A_READ]
        found += [run_of_row(row) for row in connection.execute(_SELECT_RUNS, {"run_ids": some}).mappings()]
    return sorted(found, key=lambda run: (run.due_at or run.created_at, run.run_id))
