"""What is read of runs, and the one way in which they are written.

All methods may be called from any thread, and by several processes at once. Times, ids and actors are passed in.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Unpack

import msgspec
from sqlalchemy import Connection, RowMapping, and_, func, insert, select

from orchestra_nb.errors import RunNotFound, TaskNotFound
from orchestra_nb.model.events import (
    DeadLetterAdded,
    DriverStarted,
    Event,
    RunClaimed,
    RunCreated,
    RunGivenBack,
    RunReopened,
    RunStateChanged,
    RunStateSet,
    RunSuspended,
    TaskRunStateChanged,
)
from orchestra_nb.model.run_order import NEWEST_FIRST, RunOrder
from orchestra_nb.model.runs import CellRun, LogLine, Run, TaskRun, numbered
from orchestra_nb.model.states import State
from orchestra_nb.model.stop_requests import StopKind
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_spool import is_spool, spool_events
from orchestra_nb.store.event_writer import EventWriter
from orchestra_nb.store.keyset_pages import number_of
from orchestra_nb.store.run_pages import RunFilter, has_many, runs_page, sorted_runs
from orchestra_nb.store.run_tables import cancel_requests, cell_runs, changes, log_lines, runs, task_runs
from orchestra_nb.store.stored_records import (
    cell_run_of_row,
    log_line_of_row,
    run_of_row,
    task_run_of_row,
)

#: How many successes an expected duration is made of, and among how many of the name's last successes they are sought.
_SUCCESSES = 10
_SUCCESSES_SOUGHT = 1_000


class StateChange(msgspec.Struct, frozen=True, kw_only=True):
    """One step in the history of a run or of one of its task runs.

    Parameters
    ----------
    sequence
        Its place in the order of all changes of the store.
    task_run_id
        None for the run itself.
    from_state
        None at the creation.
    actor
        Who did it: of a run the id of its driver, ``"driver"`` where that is not known or it is a task run's,
        ``"recovery"``, or a user; :func:`~orchestra_nb.model.states.is_by_hand` tells whether they set the state.
    """

    sequence: int
    run_id: str
    task_run_id: str | None
    from_state: State | None
    to_state: State
    epoch: int
    attempt: int
    at: datetime
    actor: str
    message: str


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks a driver to stop a run, or one of its task runs, or to suspend a run.

    Parameters
    ----------
    sequence
        Its place in the order of all requests.
    task_run_id
        None for the whole run.
    actor
        Who asks.
    """

    sequence: int
    run_id: str
    task_run_id: str | None
    actor: str
    kind: StopKind = StopKind.CANCEL


class RunStore:
    """Runs, their tasks, cells, logs and history.

    Parameters
    ----------
    database
        Open; :attr:`database` is public, so that whoever opened it can close it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        #: None until it is asked for
        self._is_spool: bool | None = None

    def apply(self, events: Sequence[Event], *, where: Callable[[Connection], bool] | None = None) -> list[bool]:
        """Write events in one transaction; return for each whether it changed anything.

        A change of state is a compare-and-set against the state graph within its epoch: an event that comes late or
        twice changes nothing. Creating what exists changes nothing. When this returns, all is committed.

        Parameters
        ----------
        where
            Asked in the transaction; nothing is written where it returns False.

        Raises
        ------
        StoreUnavailable
            Nothing was written: the database is locked, read-only or away.
        """
        if not events:
            return []
        if not any(isinstance(event, RunSuspended) for event in events):
            return self._write(events, where)
        # only now: most who open a store suspend nothing, and it brings the queue and the deployments with it
        from orchestra_nb.store.answered_suspensions import go_on_where_answered

        with self.database.together():  # an answer comes before all of it, or after
            applied = self._write(events, where)
            for event in itertools.compress(events, applied):
                if isinstance(event, RunSuspended):
                    go_on_where_answered(self.database, event, self.get_run(event.run_id))
        return applied

    def _write(self, events: Sequence[Event], where: Callable[[Connection], bool] | None) -> list[bool]:
        with self.database.write(durable=any(map(must_survive_power_loss, events))) as connection:
            if where is not None and not where(connection):
                return [False] * len(events)
            applied = EventWriter(connection, events).apply()
            if self._is_spool is None:
                self._is_spool = is_spool(connection)
            if self._is_spool:
                spool_events(connection, [event for event, is_new in zip(events, applied, strict=True) if is_new])
            return applied

    def get_run(self, id_or_name: str) -> Run:
        """Return the run with this id, or the newest with this name.

        Raises
        ------
        RunNotFound
            There is none.
        """
        by_id = select(runs).where(runs.c.run_id == id_or_name)
        by_name = select(runs).where(runs.c.name == id_or_name).order_by(runs.c.run_id.desc()).limit(1)
        with self.database.connect() as connection:
            row = connection.execute(by_id).mappings().first() or connection.execute(by_name).mappings().first()
        if row is None:
            raise RunNotFound(f"No run {id_or_name!r}. `orchestra runs ls` lists the runs.")
        return run_of_row(row)

    def get_runs(self, run_ids: Iterable[str]) -> list[Run]:
        """Return the runs with these ids, without those that do not exist, the newest first."""
        query = select(runs).where(runs.c.run_id.in_(list(run_ids))).order_by(runs.c.run_id.desc())
        with self.database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]

    def list_runs(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        order: RunOrder = NEWEST_FIRST,
        **wanted: Unpack[RunFilter],
    ) -> list[Run]:
        """Return runs, the newest first, or in another order.

        Parameters
        ----------
        before
            Only runs behind this cursor of the order, where the page before ended: the id of its last run for the
            usual order.
        wanted
            None for all; ``since`` is when the oldest was made, ``has_runs_of_sweeps`` tells whether the child runs of
            sweeps are among them.

        Raises
        ------
        InvalidInput
            The cursor is none of another order.
        """
        if order.is_usual:
            with self.database.connect() as connection:
                page = runs_page(limit=limit, before=before, is_sqlite=self.database.is_sqlite, **wanted)
                return [run_of_row(row) for row in connection.execute(page).mappings()]
        behind = None if before is None else order.place_at(before)
        found: list[Run] = []
        with self.database.connect() as connection:
            # PostgreSQL knows by itself how many there are
            is_many = self.database.is_sqlite and bool(connection.execute(has_many(**wanted)).scalar_one())
            for query in sorted_runs(order, limit=limit, behind=behind, reads_in_order=is_many, **wanted):
                if len(found) < limit:
                    rows = connection.execute(query.limit(limit - len(found))).mappings()
                    found += [run_of_row(row) for row in rows]
        return found

    def state_counts(self) -> dict[State, int]:
        """Return state to the number of runs in it; nothing for states without any."""
        query = select(runs.c.state, func.count()).group_by(runs.c.state)
        with self.database.connect() as connection:
            return {State(state): number for state, number in connection.execute(query)}

    def flow_names(self) -> set[str]:
        """Return the names of all flows that have run."""
        with self.database.connect() as connection:
            return set(connection.execute(select(runs.c.flow_name).distinct()).scalars())

    def children(self, run_id: str, *, after: str = "", limit: int | None = None) -> list[Run]:
        """Return the runs that this one started, the oldest first.

        Parameters
        ----------
        after
            Only those behind the one with this id.
        limit
            At most so many; None for all.
        """
        is_behind = and_(runs.c.parent_run_id == run_id, runs.c.run_id > after)
        query = select(runs).where(is_behind).order_by(runs.c.run_id).limit(limit)
        with self.database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]

    def first_run_of(self, driver_id: str) -> Run | None:
        """Return the first run that a driver began, which is that of no other; None where none is stored."""
        is_first = and_(runs.c.driver_id == driver_id, runs.c.parent_run_id.is_(None))
        with self.database.connect() as connection:
            row = connection.execute(select(runs).where(is_first).order_by(runs.c.run_id).limit(1)).mappings().first()
        return None if row is None else run_of_row(row)

    def child_tags(self, run_id: str) -> dict[str, dict[str, str]]:
        """Return id to tags of the runs that this one started, the oldest first."""
        query = select(runs.c.run_id, runs.c.tags).where(runs.c.parent_run_id == run_id).order_by(runs.c.run_id)
        with self.database.connect() as connection:
            return {id_: dict(tags or {}) for id_, tags in connection.execute(query)}

    def child_counts(self, run_ids: Iterable[str]) -> dict[str, dict[State, int]]:
        """Return run id to state to the number of runs that it started; nothing for runs without any."""
        query = (
            select(runs.c.parent_run_id, runs.c.state, func.count())
            .where(runs.c.parent_run_id.in_(list(run_ids)))
            .group_by(runs.c.parent_run_id, runs.c.state)
        )
        counts: dict[str, dict[State, int]] = {}
        with self.database.connect() as connection:
            for run_id, state, count in connection.execute(query):
                counts.setdefault(run_id, {})[State(state)] = count
        return counts

    def task_runs_page(self, run_id: str, *, after: str | None, limit: int) -> list[TaskRun]:
        """Return some task runs of a run, in the order of their creation: those behind the one with this id.

        Raises
        ------
        InvalidInput
            There is no such task run.
        """
        query = select(task_runs).where(task_runs.c.run_id == run_id).order_by(task_runs.c.number).limit(limit)
        with self.database.connect() as connection:
            if after is not None:
                last = number_of(connection, task_runs.c.number, task_runs.c.task_run_id, after)
                query = query.where(task_runs.c.number > last)
            return [task_run_of_row(row) for row in connection.execute(query).mappings()]

    def task_runs(self, run_id: str) -> list[TaskRun]:
        """Return the task runs of a run, in the order of their creation."""
        return self.task_runs_of([run_id]).get(run_id, [])

    def task_runs_of(self, run_ids: Iterable[str]) -> dict[str, list[TaskRun]]:
        """Return run id to its task runs, in the order of their creation; a run without any is left out."""
        query = select(task_runs).where(task_runs.c.run_id.in_(list(run_ids))).order_by(task_runs.c.number)
        found: dict[str, list[TaskRun]] = {}
        with self.database.connect() as connection:
            for row in connection.execute(query).mappings():
                found.setdefault(row["run_id"], []).append(task_run_of_row(row))
        return found

    def cell_task_runs(self, run_ids: Iterable[str]) -> dict[str, list[TaskRun]]:
        """Return run id to the task runs that cells of its notebook are, in the order of their creation."""
        query = (
            select(task_runs)
            .where(task_runs.c.run_id.in_(list(run_ids)), task_runs.c.cell_id.is_not(None))
            .order_by(task_runs.c.number)
        )
        found: dict[str, list[TaskRun]] = {}
        with self.database.connect() as connection:
            for row in connection.execute(query).mappings():
                found.setdefault(row["run_id"], []).append(task_run_of_row(row))
        return found

    def get_task_runs(self, task_run_ids: Iterable[str]) -> list[TaskRun]:
        """Return the task runs with these ids, without those that do not exist, in the order of their creation."""
        query = select(task_runs).where(task_runs.c.task_run_id.in_(list(task_run_ids))).order_by(task_runs.c.number)
        with self.database.connect() as connection:
            return [task_run_of_row(row) for row in connection.execute(query).mappings()]

    def task_counts(self, run_ids: Iterable[str]) -> dict[str, dict[State, int]]:
        """Return run id to the number of its newest epoch's task runs in each state; without runs that have none."""
        query = (
            select(task_runs.c.run_id, task_runs.c.state, func.count())
            .join(runs, runs.c.run_id == task_runs.c.run_id)
            .where(task_runs.c.run_id.in_(list(run_ids)), task_runs.c.epoch == runs.c.epoch)
            .group_by(task_runs.c.run_id, task_runs.c.state)
        )
        counts: dict[str, dict[State, int]] = {}
        with self.database.connect() as connection:
            for run_id, state, count in connection.execute(query):
                counts.setdefault(run_id, {})[State(state)] = count
        return counts

    def cell_runs(self, run_id: str, *, has_all_epochs: bool = False) -> list[CellRun]:
        """Return the cells of a run, in the notebook's order: of its newest epoch that has any, or of all."""
        query = select(cell_runs).where(cell_runs.c.run_id == run_id)
        if not has_all_epochs:
            newest = select(func.max(cell_runs.c.epoch)).where(cell_runs.c.run_id == run_id).scalar_subquery()
            query = query.where(cell_runs.c.epoch == newest)
        query = query.order_by(cell_runs.c.epoch, cell_runs.c.cell_index)
        with self.database.connect() as connection:
            found = [cell_run_of_row(row) for row in connection.execute(query).mappings()]
        return [
            cell for _, group in itertools.groupby(found, lambda cell: cell.epoch) for cell in numbered(list(group))
        ]

    def log_lines(
        self, run_id: str, *, task_run_id: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, LogLine]]:
        """Return (sequence, line) of a run, or of one of its tasks, in order, from behind ``after``."""
        query = select(log_lines).where(log_lines.c.run_id == run_id, log_lines.c.sequence > after)
        if task_run_id is not None:
            query = query.where(log_lines.c.task_run_id == task_run_id)
        with self.database.connect() as connection:
            rows = connection.execute(query.order_by(log_lines.c.sequence).limit(limit)).mappings()
            return [log_line_of_row(row) for row in rows]

    def state_changes(self, run_id: str, *, with_tasks: bool = True) -> list[StateChange]:
        """Return the history of a run, and of its task runs where these are wanted, in order."""
        query = (
            select(changes)
            .where(changes.c.run_id == run_id, changes.c.to_state.is_not(None))
            .order_by(changes.c.sequence)
        )
        if not with_tasks:
            query = query.where(changes.c.subject == "run")
        with self.database.connect() as connection:
            return [_state_change_of_row(row) for row in connection.execute(query).mappings()]

    def changes_of_retried_tasks(self, run_id: str, *, after: str, limit: int) -> dict[str, list[StateChange]]:
        """Return the id of some task runs of a run that were begun more than once to their history, by id.

        Parameters
        ----------
        after
            Only task runs behind the one with this id.
        limit
            At most so many task runs.
        """
        task, history = task_runs.c, changes.c
        is_wanted = and_(task.run_id == run_id, task.attempt > 1, task.task_run_id > after)
        retried = select(task.task_run_id).where(is_wanted).order_by(task.task_run_id).limit(limit)
        with self.database.connect() as connection:
            found: dict[str, list[StateChange]] = {id_: [] for id_ in connection.execute(retried).scalars()}
            is_of_them = and_(history.run_id == run_id, history.task_run_id.in_(list(found)))
            query = select(changes).where(is_of_them, history.to_state.is_not(None)).order_by(history.sequence)
            for row in connection.execute(query).mappings():
                found[row["task_run_id"]].append(_state_change_of_row(row))
        return found

    def request_cancel(
        self,
        run_id: str,
        task_run_id: str | None,
        actor: str,
        at: datetime,
        kind: StopKind = StopKind.CANCEL,
    ) -> bool:
        """Ask the driver of a run to stop it, or one of its task runs; False when that has ended already.

        Asking twice is asking once. A run that no driver has cannot be asked to suspend itself: False, too.

        Raises
        ------
        RunNotFound, TaskNotFound
            There is no run, or no task run of it, with this id.
        """
        with self.database.write() as connection:
            run = connection.execute(select(runs.c.state, runs.c.driver_id).where(runs.c.run_id == run_id)).first()
            if run is None:
                raise RunNotFound(f"No run {run_id!r}. `orchestra runs ls` lists the runs.")
            state = run.state
            if task_run_id is not None:
                of_run = (task_runs.c.task_run_id == task_run_id, task_runs.c.run_id == run_id)
                state = connection.execute(select(task_runs.c.state).where(*of_run)).scalar()
                if state is None:
                    raise TaskNotFound(f"Run {run_id} has no task run {task_run_id!r}.")
            if State(state).is_terminal or (kind is StopKind.SUSPEND and run.driver_id is None):
                return False
            same = select(cancel_requests.c.sequence).where(
                cancel_requests.c.run_id == run_id,
                cancel_requests.c.task_run_id.is_not_distinct_from(task_run_id),
                cancel_requests.c.kind == kind.value,
                # one of an earlier epoch was addressed to another driver, or is forgotten when the run is claimed again
                cancel_requests.c.driver_id.is_not_distinct_from(run.driver_id),
            )
            if connection.execute(same).first() is None:
                request = {"run_id": run_id, "task_run_id": task_run_id, "driver_id": run.driver_id}
                connection.execute(insert(cancel_requests).values(actor=actor, at=at, kind=kind.value, **request))
            return True

    def cancel_requests(self, driver_id: str, after: int = 0) -> list[CancelRequest]:
        """Return the requests to this driver behind the sequence number ``after``, in order."""
        query = (
            select(*(cancel_requests.c[name] for name in CancelRequest.__struct_fields__))
            .where(cancel_requests.c.driver_id == driver_id, cancel_requests.c.sequence > after)
            .order_by(cancel_requests.c.sequence)
        )
        with self.database.connect() as connection:
            rows = connection.execute(query).mappings()
            return [CancelRequest(**{**row, "kind": StopKind(row["kind"])}) for row in rows]

    def expected_seconds(self, flow_name: str, task_name: str, notebook_path: str | None = None) -> float | None:
        """Return the median duration of a task's last ten computed successes in a flow; None before the first.

        Parameters
        ----------
        notebook_path
            That of the flow's notebook: others may have the same name. None for a flow in Python.
        """
        newest = (
            select(task_runs.c.run_id, task_runs.c.number, task_runs.c.started_at, task_runs.c.ended_at)
            .where(
                task_runs.c.name == task_name,
                task_runs.c.state == State.COMPLETED.value,
                task_runs.c.is_cached.is_(False),
            )
            .order_by(task_runs.c.number.desc())
            .limit(_SUCCESSES_SOUGHT)
            .subquery()
        )
        query = (
            select(newest.c.started_at, newest.c.ended_at)
            .join(runs, runs.c.run_id == newest.c.run_id)
            .where(
                runs.c.flow_name == flow_name,
                runs.c.notebook_path.is_not_distinct_from(notebook_path),
                newest.c.started_at.is_not(None),
            )
            .order_by(newest.c.number.desc())
            .limit(_SUCCESSES)
        )
        with self.database.connect() as connection:
            seconds = [(ended - started).total_seconds() for started, ended in connection.execute(query)]
        return statistics.median(seconds) if seconds else None


def _state_change_of_row(row: RowMapping) -> StateChange:
    fields = {name: row[name] for name in StateChange.__struct_fields__}
    fields["from_state"] = State(row["from_state"]) if row["from_state"] else None
    fields["to_state"] = State(row["to_state"])
    return StateChange(**fields)


def must_survive_power_loss(event: Event) -> bool:
    """Tell whether an event is a promise: a run was accepted, or something has ended."""
    match event:
        case DriverStarted() | RunCreated() | RunSuspended() | DeadLetterAdded():
            return True
        case RunClaimed() | RunGivenBack() | RunReopened() | RunStateSet():
            return True
        case RunStateChanged(state=state) | TaskRunStateChanged(state=state):
            return state.is_terminal
    return False
