"""The records of one run, kept by its driver: in the store, in memory, and told to whoever watches.

The run is committed together with its driver when the object is made. The watcher process beside the driver is started
a second later: most of a short run's time would go into its start, and until then the driver's process itself is what
everybody judges it by (:mod:`orchestra_nb.services.recovery`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import Conflict, StoreUnavailable
from orchestra_nb.model.events import (
    CellRunChanged,
    DriverEnded,
    DriverStarted,
    Event,
    RunCreated,
    RunOutputWritten,
    RunReopened,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
    apply_to_run,
    apply_to_task,
)
from orchestra_nb.model.runs import CellRun, Driver, Run, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.services.driver_guard import DriverGuard
    from orchestra_nb.store.run_store import CancelRequest

#: How long a driver lives before a watcher is started beside it.
_WATCH_AFTER_SECONDS = 1.0
#: How long the end of a run may take to be committed while others keep the store locked.
_COMMIT_SECONDS = 60.0

_log = logging.getLogger(__name__)


class RunRecord:
    """One run as its driver knows it. Belongs to one thread, but for :meth:`flush`.

    Parameters
    ----------
    run
        Is committed, with this process as its driver, before the constructor returns.
    driver_kind
        As :class:`~orchestra_nb.services.driver_guard.DriverGuard` takes it.
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
        settings: Settings,
        driver_kind: str,
        on_event: Callable[[Event], None],
        on_cancel: Callable[[CancelRequest], None],
        reopened: RunReopened | None = None,
    ) -> None:
        from orchestra_nb.operations.opening import open_store
        from orchestra_nb.operations.run_services import RunServices
        from orchestra_nb.services.driver_guard import describe_this_process
        from orchestra_nb.store.store_sink import StoreSink

        self._settings = settings
        self._kind = driver_kind
        self._on_event = on_event
        self._on_cancel = on_cancel
        self._store = open_store(settings)
        driver = describe_this_process(driver_kind, settings.lease_seconds)
        self._driver_id = driver.driver_id
        self.run = msgspec.structs.replace(run, driver_id=driver.driver_id)
        store = self._store
        #: answers what the run's code asks; in any thread
        self.services = RunServices(lambda: store, driver_id=driver.driver_id, settings=settings)
        self.cells: dict[int, CellRun] = {}
        self.tasks: dict[str, TaskRun] = {}
        created = RunCreated(run=self.run)
        if reopened is None:
            self._store.apply([DriverStarted(driver=driver), created])
        else:
            self._reopen(driver, reopened)
        self._sink = StoreSink(self._store)
        self._closing = threading.Event()
        self._guard: DriverGuard | None = None
        self._guarding = threading.Thread(target=self._guard_later, name="orchestra-guard-start", daemon=True)
        self._guarding.start()
        on_event(created)

    def _reopen(self, driver: Driver, reopened: RunReopened) -> None:
        event = msgspec.structs.replace(reopened, driver_id=driver.driver_id)
        if not self._store.apply([DriverStarted(driver=driver), event])[1]:
            self._store.apply([DriverEnded(driver_id=driver.driver_id, at=datetime.now(UTC))])
            raise Conflict(f"Run {self.run.name} is being run again by somebody else.")
        pending = RunStateChanged(
            run_id=self.run.run_id, state=State.PENDING, at=event.at, epoch=event.epoch, message=event.message
        )
        self._store.apply([pending])

    def emit(self, event: Event) -> None:
        """Give an event to the store, note what it says, and tell it."""
        event = self._in_epoch(event)
        if isinstance(event, RunCreated):  # a flow that the notebook called: this driver answers for it
            event = RunCreated(run=msgspec.structs.replace(event.run, driver_id=self._driver_id))
        self._sink.emit(event)
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
        self._sink.emit(event)
        self._note(event)
        if not self._sink.flush(_COMMIT_SECONDS):
            raise StoreUnavailable(
                f"The run {self.run.name} ended as {event.state}, but the store could not be written. "
                "Run `orchestra doctor` to see why."
            )
        self._on_event(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted is committed; False when the time was not enough. From any thread."""
        return self._sink.flush(timeout_seconds)

    def close(self) -> None:
        """Say that the driver ends in good order. A run that has not ended by then is recorded as CRASHED."""
        self._closing.set()
        self._guarding.join()
        if self._guard is None:
            self._sink.emit(DriverEnded(driver_id=self._driver_id, at=datetime.now(UTC)))
        self._sink.close()
        if self._guard is not None:
            self._guard.close()

    def _in_epoch(self, event: Event) -> Event:
        """Return an event of this run as one of its present epoch: who tells it may not know of others."""
        run = self.run
        if run.epoch == 1:
            return event
        match event:
            case RunStateChanged(run_id=run.run_id) | TaskRunStateChanged(run_id=run.run_id):
                return msgspec.structs.replace(event, epoch=run.epoch)
            case TaskRunCreated(task_run=task) if task.run_id == run.run_id:
                return TaskRunCreated(task_run=msgspec.structs.replace(task, epoch=run.epoch))
        return event

    def _note(self, event: Event) -> None:
        match event:
            case RunStateChanged(run_id=self.run.run_id):
                self.run = apply_to_run(self.run, event)
            case RunOutputWritten(output_path=path):
                self.run = msgspec.structs.replace(self.run, output_path=path)
            case CellRunChanged(cell=cell):
                self.cells[cell.index] = cell
            case TaskRunCreated(task_run=task) if task.run_id == self.run.run_id:
                self.tasks[task.task_run_id] = task
            case TaskRunStateChanged(task_run_id=task_run_id) if task_run_id in self.tasks:
                self.tasks[task_run_id] = apply_to_task(self.tasks[task_run_id], event)

    def _guard_later(self) -> None:
        from orchestra_nb.services.driver_guard import DriverGuard

        while not self._closing.wait(_WATCH_AFTER_SECONDS):
            try:
                self._guard = DriverGuard(
                    self._store, self._kind, self._on_cancel, driver_id=self._driver_id, settings=self._settings
                )
            except StoreUnavailable as error:  # locked: the next turn may find it open
                _log.warning("This run is not watched yet: %s", error)
            else:
                return
