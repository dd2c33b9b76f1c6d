"""The records of one run, kept by whoever drives it: in its home, in memory, and told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.events import (
    CellRunChanged,
    Event,
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
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import CellRun, Run, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_home import OnCancel, RunHome

#: How long the end of a run may take to be committed while others keep the store locked.
_COMMIT_SECONDS = 60.0


class RunRecord:
    """One run as its driver knows it. Belongs to one thread, but for :meth:`flush`.

    Parameters
    ----------
    run
        Is given to its home before the constructor returns.
    on_event
        Called with each event, in the order of the store.
    on_cancel
        Called in a thread with each request to cancel this run or one of its tasks.
    reopened
        How a run that has ended is opened again; None for a new run.

    Raises
    ------
    StoreUnavailable
        The run cannot be recorded.
    Conflict
        Somebody else has reopened it.
    """

    def __init__(
        self,
        run: Run,
        home: RunHome,
        on_event: Callable[[Event], None],
        on_cancel: OnCancel,
        reopened: RunReopened | None = None,
    ) -> None:
        self._on_event = on_event
        #: answers what the run's code asks, too; in any thread
        self.home = home
        self.run = msgspec.structs.replace(run, driver_id=home.driver_id)
        self.cells: dict[int, CellRun] = {}
        self.tasks: dict[str, TaskRun] = {}
        self.values: dict[str, RecordedValue] = {}
        created = RunCreated(run=self.run)
        if reopened is None:
            home.create(created)
        else:
            self._reopen(reopened)
        home.watch(run.run_id, on_cancel)
        on_event(created)

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

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted is committed; False when the time was not enough. From any thread."""
        return self.home.flush(timeout_seconds)

    def close(self) -> None:
        """Hear of no requests any more."""
        self.home.forget(self.run.run_id)

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
