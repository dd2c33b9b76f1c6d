"""Figures of the whole store for who watches it: what is there now, and what has happened behind a change."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import RowMapping, func, select

from orchestra_nb.model.dead_letters import LetterState
from orchestra_nb.model.outbox import DeliveryState
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.model.webhooks import ReceiptState
from orchestra_nb.store.automation_store import OTHER_MARKS
from orchestra_nb.store.code_tables import dead_letters
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import changes, runs
from orchestra_nb.store.service_tables import (
    notifications,
    queued_runs,
    service_marks,
    webhook_receipts,
)

_OPEN: Final = [state.value for state in State if state not in TERMINAL_STATES]
_TOLD: Final = [state.value for state in (*TERMINAL_STATES, State.RUNNING)]


class RunChange(msgspec.Struct, frozen=True, kw_only=True):
    """A run began or ended.

    Parameters
    ----------
    at
        When; ``started_at`` is that of the epoch that the run is in by now.
    """

    flow_name: str
    deployment: str | None
    from_state: State | None
    to_state: State
    epoch: int
    now_epoch: int
    at: datetime
    due_at: datetime | None
    started_at: datetime | None


class PoolQueue(msgspec.Struct, frozen=True, kw_only=True):
    """The queue of a pool.

    Parameters
    ----------
    due
        How many of those who wait are due.
    oldest_due_at
        When the first of them was; None where none is.
    """

    waiting: int
    due: int
    oldest_due_at: datetime | None

    def with_(self, other: PoolQueue) -> PoolQueue:
        """Return both as one."""
        times = [at for at in (self.oldest_due_at, other.oldest_due_at) if at is not None]
        return PoolQueue(
            waiting=self.waiting + other.waiting, due=self.due + other.due, oldest_due_at=min(times, default=None)
        )


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a store now.

    Parameters
    ----------
    open_runs
        (state, flow, deployment) to how many runs that have not ended.
    queues
        Pool to its queue.
    changes_behind
        Service to how many changes of the store it has still to look at.
    waiting_notifications, oldest_notification_at
        How many are to be sent, and when the first was made.
    dead_letters
        Kind ("run", "notification", "webhook") to how many nobody has decided about.
    """

    open_runs: dict[tuple[State, str, str | None], int]
    queues: dict[str, PoolQueue]
    changes_behind: dict[str, int]
    waiting_notifications: int
    oldest_notification_at: datetime | None
    dead_letters: dict[str, int]


class StoreFigures:
    """Reads the figures of a store. All methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest_change(self) -> int:
        """Return the number of the newest change."""
        with self._database.connect() as connection:
            return int(connection.execute(select(func.max(changes.c.sequence))).scalar() or 0)

    def changes_since(self, sequence: int, limit: int) -> tuple[list[RunChange], int]:
        """Return beginnings and ends of runs behind a change, and up to which change they were looked for.

        Reads no more than ``limit`` changes, of whatever kind, so its cost has a bound.
        """
        last = select(changes.c.sequence).where(changes.c.sequence > sequence).order_by(changes.c.sequence)
        with self._database.connect() as connection:
            seen = connection.execute(select(func.max(last.limit(limit).subquery().c.sequence))).scalar()
            if seen is None:
                return [], sequence
            query = (
                select(
                    runs.c.flow_name,
                    runs.c.deployment,
                    changes.c.from_state,
                    changes.c.to_state,
                    changes.c.epoch,
                    runs.c.epoch.label("now_epoch"),
                    changes.c.at,
                    runs.c.due_at,
                    runs.c.started_at,
                )
                .join(runs, runs.c.run_id == changes.c.run_id)
                .where(
                    changes.c.sequence > sequence,
                    changes.c.sequence <= seen,
                    changes.c.subject == "run",
                    changes.c.to_state.in_(_TOLD),
                )
                .order_by(changes.c.sequence)
            )
            rows = connection.execute(query).mappings().all()
        return [_change_of(row) for row in rows], int(seen)

    def state(self, now: datetime) -> StoreState:
        """Return what is in the store: counts over indexes, of what is open."""
        active = (
            select(runs.c.state, runs.c.flow_name, runs.c.deployment, func.count())
            .where(runs.c.state.in_(_OPEN))
            .group_by(runs.c.state, runs.c.flow_name, runs.c.deployment)
        )
        queued = select(queued_runs.c.pool, func.count()).group_by(queued_runs.c.pool)
        due = (
            select(queued_runs.c.pool, func.count(), func.min(queued_runs.c.due_at))
            .where(queued_runs.c.due_at <= now)
            .group_by(queued_runs.c.pool)
        )
        waits = notifications.c.state == DeliveryState.PENDING.value
        outbox = select(func.count(), func.min(notifications.c.created_at)).where(waits)
        dead = {
            "run": select(func.count()).where(dead_letters.c.state == LetterState.OPEN.value),
            "notification": select(func.count()).where(notifications.c.state == DeliveryState.DEAD.value),
            "webhook": select(func.count()).where(webhook_receipts.c.state == ReceiptState.DEAD.value),
        }
        with self._database.connect() as connection:
            open_runs = {
                (State(word), flow, deployment): count
                for word, flow, deployment, count in connection.execute(active).all()
            }
            due_by_pool = {pool: (count, oldest) for pool, count, oldest in connection.execute(due).all()}
            queues = {
                pool: _queue_of(count, *due_by_pool.get(pool, (0, None)))
                for pool, count in connection.execute(queued).all()
            }
            newest = connection.execute(select(func.max(changes.c.sequence))).scalar() or 0
            marks = connection.execute(select(service_marks.c.name, service_marks.c.sequence)).all()
            waiting, oldest = connection.execute(outbox).one()
            letters = {kind: int(connection.execute(query).scalar_one()) for kind, query in dead.items()}
        return StoreState(
            open_runs=open_runs,
            queues=queues,
            changes_behind={name: max(0, newest - sequence) for name, sequence in marks if name not in OTHER_MARKS},
            waiting_notifications=waiting,
            oldest_notification_at=oldest,
            dead_letters=letters,
        )


def _queue_of(waiting: int, due: int, oldest_due_at: datetime | None) -> PoolQueue:
    return PoolQueue(waiting=waiting, due=due, oldest_due_at=oldest_due_at)


def _change_of(row: RowMapping) -> RunChange:
    came_from = row["from_state"]
    return RunChange(
        flow_name=row["flow_name"],
        deployment=row["deployment"],
        from_state=None if came_from is None else State(came_from),
        to_state=State(row["to_state"]),
        epoch=row["epoch"],
        now_epoch=row["now_epoch"],
        at=row["at"],
        due_at=row["due_at"],
        started_at=row["started_at"],
    )
