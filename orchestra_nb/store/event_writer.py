"""Applies a batch of events to the store's rows, in one transaction.

The caller holds the store's write lock, so reading the states, deciding and writing is one compare-and-set: a state is
entered only from a state that may precede it, in the same epoch. All rows that a batch touches are read at once and
written at once, because a statement costs more than what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from orchestra_nb.acting_user import acting_user
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import (
    ITSELF,
    CellRunChanged,
    DeadLetterAdded,
    DriverEnded,
    DriverStarted,
    Event,
    LogsWritten,
    RunClaimed,
    RunCodeRecorded,
    RunCreated,
    RunGivenBack,
    RunOutputWritten,
    RunReopened,
    RunStateChanged,
    RunStateSet,
    RunSuspended,
    TaskRunCreated,
    TaskRunStateChanged,
    ValueRecorded,
    is_of_waiting,
)
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import REOPENABLE_STATES, State, by_hand, may_follow
from orchestra_nb.store.code_tables import dead_letters, run_codes
from orchestra_nb.store.dead_letter_store import letter_to_row
from orchestra_nb.store.many_rows import insert_many
from orchestra_nb.store.recorded_value_store import value_to_row
from orchestra_nb.store.run_code_store import code_to_row
from orchestra_nb.store.run_tables import cell_runs, changes, drivers, log_lines, recorded_values, runs, task_runs
from orchestra_nb.store.service_tables import deployments
from orchestra_nb.store.stored_records import (
    cell_run_to_row,
    error_to_value,
    run_to_row,
    short_message,
    task_run_to_row,
)
from orchestra_nb.store.touched_rows import TouchedRows

#: What events say of a change that the driver of the run made.
_DRIVER: Final = "driver"


class EventWriter:
    """Applies events to rows in memory, in their order, and then writes what became of the rows.

    For one transaction and one thread.
    """

    def __init__(self, connection: Connection, events: Sequence[Event]) -> None:
        self._connection = connection
        self._events = events
        self._runs = TouchedRows(connection, runs, ("run_id",), _RUN_CHANGES, also_read=("owner",))
        self._tasks = TouchedRows(connection, task_runs, ("task_run_id",), _TASK_CHANGES, also_read=("run_id", "epoch"))
        self._cells = TouchedRows(connection, cell_runs, ("run_id", "cell_index", "epoch"), _CELL_CHANGES)
        self._drivers = TouchedRows(connection, drivers, ("driver_id",), ("ended_at",))
        self._letters = TouchedRows(connection, dead_letters, ("letter_id",), ())
        self._codes = TouchedRows(connection, run_codes, ("run_id",), ("suspended_until",))
        self._values = TouchedRows(connection, recorded_values, ("run_id", "name"), _VALUE_CHANGES)
        self._lines: list[dict[str, object]] = []
        self._changes: list[dict[str, object]] = []
        self._runs_with_lines: set[str] = set()
        self._owners: dict[str, str | None] = {}
        self._tables = (
            *(self._drivers, self._runs, self._tasks, self._cells, self._letters, self._codes),
            self._values,
        )

    def apply(self) -> list[bool]:
        """Apply and write all events; True where an event changed something."""
        self._read()
        applied = [self._apply_one(event) for event in self._events]
        for rows in self._tables:
            rows.write()
        for table, new in ((log_lines, self._lines), (changes, self._changes)):
            if new:
                insert_many(self._connection, table, tuple(new[0]), new)
        return applied

    def _read(self) -> None:
        for event in self._events:
            match event:
                case DriverStarted(driver=driver):
                    self._drivers.want(driver.driver_id)
                case DriverEnded(driver_id=driver_id):
                    self._drivers.want(driver_id)
                case RunCreated(run=run):
                    self._runs.want(run.run_id)
                    if run.parent_run_id is not None:
                        self._runs.want(run.parent_run_id)
                case RunStateChanged(run_id=run_id) | RunOutputWritten(run_id=run_id):
                    self._runs.want(run_id)
                case RunClaimed(run_id=run_id) | RunGivenBack(run_id=run_id):
                    self._runs.want(run_id)
                case RunCodeRecorded(code=code):
                    self._codes.want(code.run_id)
                case RunSuspended(run_id=run_id) | RunReopened(run_id=run_id) | RunStateSet(run_id=run_id):
                    self._runs.want(run_id)
                    self._codes.want(run_id)
                case TaskRunCreated(task_run=task_run):
                    self._runs.want(task_run.run_id)
                    self._tasks.want(task_run.task_run_id)
                case TaskRunStateChanged(task_run_id=task_run_id):
                    self._tasks.want(task_run_id)
                case CellRunChanged(cell=cell):
                    self._cells.want(cell.run_id, cell.index, cell.epoch)
                case ValueRecorded(value=value):
                    self._runs.want(value.run_id)
                    self._values.want(value.run_id, value.name)
                case DeadLetterAdded(letter=letter):
                    self._runs.want(letter.run_id)
                    self._letters.want(letter.letter_id)
        for rows in self._tables:
            rows.read()

    def _apply_one(self, event: Event) -> bool:
        match event:
            case DriverStarted():
                return self._drivers.insert(msgspec.structs.asdict(event.driver))
            case DriverEnded():
                return self._end_driver(event)
            case RunCreated():
                return self._create_run(event)
            case RunStateChanged():
                return self._change_run(event)
            case RunCodeRecorded():
                return self._codes.insert(code_to_row(event.code))
            case RunSuspended():
                return self._suspend(event)
            case RunClaimed():
                return self._claim(event)
            case RunGivenBack():
                return self._give_back(event)
            case RunReopened():
                return self._reopen(event)
            case RunStateSet():
                return self._set_state(event)
            case RunOutputWritten():
                return self._set_output(event)
            case ValueRecorded():
                return self._record_value(event)
            case TaskRunCreated():
                return self._create_task(event)
            case TaskRunStateChanged():
                return self._change_task(event)
            case CellRunChanged():
                return self._change_cell(event)
            case LogsWritten():
                return self._add_lines(event)
            case DeadLetterAdded():
                return self._add_letter(event.letter)

    def _add_letter(self, letter: DeadLetter) -> bool:
        run = self._runs.get(letter.run_id)
        if letter.task_run_id is None and run is not None and run["epoch"] == letter.epoch:
            state = State(run["state"])
            if state.is_terminal and state is not letter.ended_as:
                return False  # somebody took its driver for dead, and it ended otherwise before
        if letter.task_run_id is None and run is not None and run["epoch"] > letter.epoch:
            return False  # it runs again already
        return self._letters.insert(letter_to_row(letter))

    def _end_driver(self, event: DriverEnded) -> bool:
        row = self._drivers.get(event.driver_id)
        if row is None or row["ended_at"] is not None:
            return False
        self._drivers.update(row, ended_at=event.at)
        return True

    def _create_run(self, event: RunCreated) -> bool:
        run = event.run
        if not self._runs.insert(run_to_row(run) | {"owner": self._owner_of(run)}):
            return False
        self._record_change(
            "run",
            run.run_id,
            to_state=run.state.value,
            epoch=run.epoch,
            at=run.created_at,
            actor=_actor(_DRIVER, run.driver_id),
            message=run.message,
        )
        return True

    def _owner_of(self, run: Run) -> str | None:
        """Return whose a new run is: its parent's owner's, who asked for it, or whose its deployment is."""
        parent = None if run.parent_run_id is None else self._runs.get(run.parent_run_id)
        if parent is not None and parent["owner"] is not None:
            return str(parent["owner"])
        owner = acting_user() or run.owner
        if owner is not None or run.deployment is None:
            return owner
        if run.deployment not in self._owners:
            query = select(deployments.c.owner).where(deployments.c.name == run.deployment)
            self._owners[run.deployment] = self._connection.execute(query).scalar()
        return self._owners[run.deployment]

    def _change_run(self, event: RunStateChanged) -> bool:
        row = self._runs.get(event.run_id)
        if row is None or row["epoch"] != event.epoch or not may_follow(State(row["state"]), event.state):
            return False
        from_state = row["state"]
        self._runs.update(
            row, state=event.state.value, message=short_message(event.message), **_times(row, event.state, event.at)
        )
        step = _step(event) | {"actor": _actor(event.actor, row["driver_id"])}
        self._record_change("run", event.run_id, from_state=from_state, **step)
        return True

    def _suspend(self, event: RunSuspended) -> bool:
        row = self._runs.get(event.run_id)
        if row is None or row["epoch"] != event.epoch or not may_follow(State(row["state"]), State.PAUSED):
            return False
        from_state, driver_id = row["state"], row["driver_id"]
        self._runs.update(row, state=State.PAUSED.value, message=short_message(event.message), driver_id=None)
        if (code := self._codes.get(event.run_id)) is not None:
            self._codes.update(code, suspended_until=event.until)
        self._record_change(
            "run",
            event.run_id,
            from_state=from_state,
            to_state=State.PAUSED.value,
            epoch=event.epoch,
            at=event.at,
            actor=_actor(event.actor or ITSELF, driver_id),
            message=event.message,
        )
        return True

    def _claim(self, event: RunClaimed) -> bool:
        row = self._runs.get(event.run_id)
        if row is None or row["epoch"] != event.epoch or row["driver_id"] != event.from_driver_id:
            return False
        from_state = row["state"]
        if from_state != (State.SCHEDULED if event.from_driver_id is None else State.PENDING).value:
            return False
        self._runs.update(row, state=State.PENDING.value, driver_id=event.driver_id, message="")
        if event.from_driver_id is None:
            self._record_change(
                "run",
                event.run_id,
                from_state=from_state,
                to_state=State.PENDING.value,
                epoch=event.epoch,
                at=event.at,
                actor=event.driver_id,
                message="",
            )
        return True

    def _give_back(self, event: RunGivenBack) -> bool:
        row = self._runs.get(event.run_id)
        if row is None or row["epoch"] != event.epoch or row["driver_id"] != event.driver_id:
            return False
        if row["state"] != State.PENDING.value:
            return False
        self._runs.update(row, state=State.SCHEDULED.value, driver_id=None, message=short_message(event.message))
        self._record_change(
            "run",
            event.run_id,
            from_state=State.PENDING.value,
            to_state=State.SCHEDULED.value,
            epoch=event.epoch,
            at=event.at,
            message=event.message,
        )
        return True

    def _reopen(self, event: RunReopened) -> bool:
        row = self._runs.get(event.run_id)
        if row is None or row["epoch"] != event.epoch - 1:
            return False
        state = State(row["state"])
        if event.before not in (None, state):
            return False
        is_suspended = state is State.PAUSED and row["driver_id"] is None
        is_wanted_late = state is State.MISSED and event.takes_missed
        is_named = event.fresh_from_index is not None or event.fresh_from_task is not None
        is_resumed = state is State.COMPLETED and is_named
        if state not in REOPENABLE_STATES and not is_suspended and not is_wanted_late and not is_resumed:
            return False
        self._runs.update(
            row,
            state=State.SCHEDULED.value,
            epoch=event.epoch,
            driver_id=event.driver_id,
            message=short_message(event.message),
            started_at=None,
            ended_at=None,
            fresh_from_index=event.fresh_from_index,
        )
        if event.fresh_from_task is not None:  # it holds until all of them have run, in however many epochs
            self._runs.update(row, fresh_from_task=event.fresh_from_task, fresh_since=event.at)
        if (code := self._codes.get(event.run_id)) is not None:
            self._codes.update(code, suspended_until=None)
        self._record_change(
            "run",
            event.run_id,
            from_state=state.value,
            to_state=State.SCHEDULED.value,
            epoch=event.epoch,
            at=event.at,
            actor=event.actor,
            message=event.message,
        )
        return True

    def _set_state(self, event: RunStateSet) -> bool:
        row = self._runs.get(event.run_id)
        if row is None or row["epoch"] != event.epoch or row["state"] != event.before.value:
            return False
        self._runs.update(
            row,
            state=event.state.value,
            message=short_message(event.message),
            ended_at=row["ended_at"] or event.at,
        )
        if (code := self._codes.get(event.run_id)) is not None:
            self._codes.update(code, suspended_until=None)
        self._record_change(
            "run",
            event.run_id,
            from_state=event.before.value,
            to_state=event.state.value,
            epoch=event.epoch,
            at=event.at,
            actor=by_hand(event.actor),
            message=event.message,
        )
        return True

    def _set_output(self, event: RunOutputWritten) -> bool:
        row = self._runs.get(event.run_id)
        if row is None or row["epoch"] != event.epoch or row["output_path"] == event.output_path:
            return False
        self._runs.update(row, output_path=event.output_path)
        self._record_change("run", event.run_id)
        return True

    def _record_value(self, event: ValueRecorded) -> bool:
        value = event.value
        run = self._runs.get(value.run_id)
        if run is not None and run["epoch"] != event.epoch:
            return False  # a driver that was taken for dead goes on: the run has been opened again since
        new = value_to_row(value)
        row = self._values.get(value.run_id, value.name)
        if row is None:
            self._values.insert(new)
        elif row["recorded_at"] > value.recorded_at:
            return False  # a task cell's display that came late
        else:
            self._values.update(row, **new)
        self._record_change("run", value.run_id)
        return True

    def _create_task(self, event: TaskRunCreated) -> bool:
        task_run = event.task_run
        run = self._runs.get(task_run.run_id)
        if run is not None and (State(run["state"]).is_terminal or run["epoch"] != task_run.epoch):
            return False  # a driver that was taken for dead goes on: its run has ended, nobody would end this
        if not self._tasks.insert(task_run_to_row(task_run)):
            return False
        self._record_change(
            "task",
            task_run.run_id,
            task_run_id=task_run.task_run_id,
            to_state=task_run.state.value,
            epoch=task_run.epoch,
            attempt=task_run.attempt,
            at=task_run.created_at,
            message=task_run.message,
        )
        return True

    def _change_task(self, event: TaskRunStateChanged) -> bool:
        row = self._tasks.get(event.task_run_id)
        if row is None or row["epoch"] != event.epoch:
            return False
        if is_of_waiting(State(row["state"]), event):
            return self._change_waiting(row, event)
        if not may_follow(State(row["state"]), event.state):
            return False
        from_state = row["state"]
        attempt = max(row["attempt"], event.attempt)
        error = error_to_value(event.error) if event.error is not None else row["error"]
        self._tasks.update(
            row,
            state=event.state.value,
            message=short_message(event.message),
            attempt=attempt,
            error=None if event.state is State.COMPLETED else error,  # of an earlier attempt
            worker=event.worker if event.worker is not None else row["worker"],
            is_cached=event.is_cached or row["is_cached"],
            **_times(row, event.state, event.at),
        )
        self._record_change(
            "task",
            row["run_id"],
            task_run_id=event.task_run_id,
            from_state=from_state,
            attempt=attempt,
            **_step(event),
        )
        return True

    def _change_waiting(self, row: dict[str, Any], event: TaskRunStateChanged) -> bool:
        message = short_message(event.message)
        if message == row["message"]:
            return False
        self._tasks.update(row, message=message)
        self._record_change("task", row["run_id"], task_run_id=event.task_run_id)
        return True

    def _change_cell(self, event: CellRunChanged) -> bool:
        new = cell_run_to_row(event.cell)
        row = self._cells.get(event.cell.run_id, event.cell.index, event.cell.epoch)
        if row is None:
            self._cells.insert(new)
        else:
            current = State(row["state"])
            is_same = current is event.cell.state and not current.is_terminal
            is_next_attempt = event.cell.attempt > row["attempt"]
            if new == row or not (is_same or is_next_attempt or may_follow(current, event.cell.state)):
                return False
            self._cells.update(row, **new)
        self._record_change("cell", event.cell.run_id, cell_index=event.cell.index)
        return True

    def _add_lines(self, event: LogsWritten) -> bool:
        self._lines.extend(msgspec.structs.asdict(line) for line in event.lines)
        for run_id in dict.fromkeys(line.run_id for line in event.lines):
            if run_id not in self._runs_with_lines:  # one row a batch is enough: it says "read on"
                self._runs_with_lines.add(run_id)
                self._record_change("logs", run_id)
        return bool(event.lines)

    def _record_change(self, subject: str, run_id: str, **fields: object) -> None:
        if fields.get("to_state") is not None:
            fields.setdefault("actor", _DRIVER)
            fields.setdefault("attempt", 0)
            fields["message"] = short_message(str(fields["message"]))
        self._changes.append(dict.fromkeys(_CHANGE_COLUMNS) | {"subject": subject, "run_id": run_id} | fields)


def _actor(actor: str, driver_id: str | None) -> str:
    """Return who changed the state of a run: its driver by its id, so that it is known later where each attempt was."""
    return driver_id or actor if actor == _DRIVER else actor


def _times(row: dict[str, Any], state: State, at: datetime) -> dict[str, datetime]:
    """Return the time columns that entering a state sets."""
    if state.is_terminal:
        return {"ended_at": at}
    if state is State.RUNNING and row["started_at"] is None:
        return {"started_at": at}
    return {}


def _step(event: RunStateChanged | TaskRunStateChanged) -> dict[str, object]:
    """Return what a change of state says in the history."""
    return {
        "to_state": event.state.value,
        "epoch": event.epoch,
        "at": event.at,
        "actor": event.actor,
        "message": event.message,
    }


_RUN_CHANGES = (
    *("state", "epoch", "driver_id", "message", "started_at", "ended_at", "output_path"),
    *("fresh_from_index", "fresh_from_task", "fresh_since"),
)
_TASK_CHANGES = ("state", "message", "attempt", "error", "worker", "started_at", "ended_at", "is_cached")
_CELL_CHANGES = (
    "cell_id",
    "state",
    "title",
    "started_at",
    "ended_at",
    "error",
    "attempt",
    "max_attempts",
    "is_cached",
    "message",
)
_VALUE_CHANGES = tuple(name for name in RecordedValue.__struct_fields__ if name not in ("run_id", "name"))
_CHANGE_COLUMNS = tuple(column.name for column in changes.columns if column.name != "sequence")
