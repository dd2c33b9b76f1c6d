"""The records of one run, kept by whoever drives it: in its home, in memory, and told to whoever watches."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

import msgspec

from orchestra_nb.errors import StopTask, StoreUnavailable
from orchestra_nb.model.events import (
    CellRunChanged,
    Event,
    LogsWritten,
    RunCreated,
    RunOutputWritten,
    RunReopened,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
    ValueRecorded,
    apply_to_run,
    apply_to_task,
)
from orchestra_nb.model.open_runs import OpenRuns
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import CellRun, LogLine, Run, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_home import OnCancel, RunHome

#: How long the end of a run may take to be committed while others keep the store locked.
_COMMIT_SECONDS = 60.0


class RunRecord:
    """One run as its driver knows it. Belongs to one thread, but for :meth:`flush`.

    Left as a context manager, it ends what has not ended, whatever happened: in a home that has other runs nobody else
    would.

    Parameters
    ----------
    on_event
        Called with each event, in the order of the store.
    on_cancel
        Called in a thread with each request to cancel this run or one of its tasks.
    reopened
        How a run that has ended is opened again; None for a new run.
    is_claimed
        Whether the home has taken the run from those that wait, so that it knows it.

    Attributes
    ----------
    is_announced
        Whether the home knows the run.
    """

    def __init__(
        self,
        run: Run,
        home: RunHome,
        on_event: Callable[[Event], None],
        on_cancel: OnCancel,
        reopened: RunReopened | None = None,
        *,
        is_claimed: bool = False,
    ) -> None:
        self._on_event = on_event
        self._on_cancel = on_cancel
        self._reopened = reopened
        self._is_claimed = is_claimed
        self._open = OpenRuns()
        self.is_announced = is_claimed
        #: answers what the run's code asks, too; in any thread
        self.home = home
        self.run = msgspec.structs.replace(run, driver_id=home.driver_id)
        self.cells: dict[int, CellRun] = {}
        self.tasks: dict[str, TaskRun] = {}
        self.values: dict[str, RecordedValue] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Hear of no requests any more, and end what was left open."""
        self.home.forget(self.run.run_id)
        is_interrupted = isinstance(error, KeyboardInterrupt | StopTask)
        # an interrupt may have come when the home knew the run, and before we knew that
        if self.run.state.is_terminal or not (self.is_announced or is_interrupted):
            return
        self._on_event = lambda event: None
        if is_interrupted:
            state, message = State.CANCELLED, "Interrupted"
        else:
            state, message = State.CRASHED, f"What drove the run failed: {type(error).__name__}: {error}"
        now = datetime.now(UTC)
        self.end_open(state, message, now)
        self.emit(RunStateChanged(run_id=self.run.run_id, state=state, at=now, message=message))

    def announce(self) -> None:
        """Give the run to its home.

        Raises
        ------
        StoreUnavailable
            The run cannot be recorded.
        Conflict
            Somebody else has reopened it.
        """
        created = RunCreated(run=self.run)
        if self._reopened is not None:
            self._reopen(self._reopened)
        elif not self._is_claimed:
            self.home.create(created)
        self.is_announced = True
        self.home.watch(self.run.run_id, self._on_cancel)
        self._on_event(created)

    def _reopen(self, reopened: RunReopened) -> None:
        self.home.reopen(msgspec.structs.replace(reopened, driver_id=self.home.driver_id or ""))
        pending = RunStateChanged(
            run_id=self.run.run_id, state=State.PENDING, at=reopened.at, epoch=reopened.epoch, message=reopened.message
        )
        self.home.emit(pending)

    def emit(self, event: Event) -> None:
        """Give an event to the home, note what it says, and tell it."""
        event = self._in_epoch(event)
        if isinstance(event, RunCreated):  # a flow that the notebook called: this driver answers for it
            event = RunCreated(run=msgspec.structs.replace(event.run, driver_id=self.home.driver_id))
        self.home.emit(event)
        self._note(event)
        self._on_event(event)

    def log(self, text: str, level: int = logging.INFO) -> None:
        """Write a line of ours to the log of the run."""
        line = LogLine(run_id=self.run.run_id, at=datetime.now(UTC), message=text, level=level, logger="orchestra")
        self.emit(LogsWritten(lines=(line,)))

    def conclude(self, event: RunStateChanged) -> None:
        """Take the run's last event, and tell it once it is committed.

        Raises
        ------
        StoreUnavailable
            It could not be committed.
        """
        event = msgspec.structs.replace(event, epoch=self.run.epoch)
        self.home.emit(event)
        self._note(event)
        if not self.home.flush(_COMMIT_SECONDS) and self.home.must_commit:
            raise StoreUnavailable(
                f"The run {self.run.name} ended as {event.state}, but the store could not be written. "
                "Run `orchestra doctor` to see why."
            )
        self._on_event(event)

    def end_open(self, state: State, message: str, at: datetime) -> None:
        """End the tasks, the runs that it started and the cell that ran, which have not ended; not the run itself."""
        for event in self._open.end(state, message, at):
            self.emit(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted is committed; False when the time was not enough. From any thread."""
        return self.home.flush(timeout_seconds)

    def _in_epoch(self, event: Event) -> Event:
        """Return an event of this run as one of its present epoch: who tells it may not know of others."""
        run = self.run
        if run.epoch == 1:
            return event
        match event:
            case (
                RunStateChanged(run_id=run.run_id)
                | RunOutputWritten(run_id=run.run_id)
                | TaskRunStateChanged(run_id=run.run_id)
            ):
                return msgspec.structs.replace(event, epoch=run.epoch)
            case ValueRecorded(value=value) if value.run_id == run.run_id:
                return msgspec.structs.replace(event, epoch=run.epoch)
            case TaskRunCreated(task_run=task) if task.run_id == run.run_id:
                return TaskRunCreated(task_run=msgspec.structs.replace(task, epoch=run.epoch))
        return event

    def _note(self, event: Event) -> None:
        self._note_open(event)
        match event:
            case RunStateChanged(run_id=self.run.run_id):
                self.run = apply_to_run(self.run, event)
            case RunOutputWritten(run_id=self.run.run_id, output_path=path):
                self.run = msgspec.structs.replace(self.run, output_path=path)
            case CellRunChanged(cell=cell) if cell.run_id == self.run.run_id:
                self.cells[cell.index] = cell
            case ValueRecorded(value=value) if value.run_id == self.run.run_id:
                self.values.pop(value.name, None)
                self.values[value.name] = value
            case TaskRunCreated(task_run=task) if task.run_id == self.run.run_id:
                self.tasks[task.task_run_id] = task
            case TaskRunStateChanged(task_run_id=task_run_id) if task_run_id in self.tasks:
                self.tasks[task_run_id] = apply_to_task(self.tasks[task_run_id], event)

    def _note_open(self, event: Event) -> None:
        match event:
            case CellRunChanged(cell=cell) if cell.run_id == self.run.run_id and cell.state is State.PENDING:
                pass  # what was not reached stays as it was
            case _:
                self._open.note(event)
