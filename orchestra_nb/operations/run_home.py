"""Where the records of notebook runs go: a store that this process opened for them, or the driver that is there.

The shell command has a home of its own, shared by all runs of a sweep: one connection, one thread that writes, one
watcher. A flow, a script or a kernel that runs a notebook has a driver already, and the notebook's records go its way,
also from a worker.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from orchestra_nb.errors import Conflict, RunNotFound, StoreUnavailable
from orchestra_nb.model.events import DriverEnded, DriverStarted, Event, RunCreated, RunReopened
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import Run
from orchestra_nb.model.stop_requests import StopKind
from orchestra_nb.operations.run_tracing import RunTracer, find_tracer
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver
    from orchestra_nb.engine.services import Answerer
    from orchestra_nb.services.driver_guard import DriverGuard
    from orchestra_nb.store.run_store import CancelRequest

#: How long a driver lives before a watcher is started beside it.
_WATCH_AFTER_SECONDS = 1.0

_log = logging.getLogger(__name__)

#: Told (task run id or None for the whole run, who asked).
OnCancel = Callable[[str | None, str], None]


class RunHome(Protocol):
    """Takes the records of runs and answers their code. All methods may be called from any thread."""

    #: whether the end of a run must be committed before it is told
    must_commit: bool

    @property
    def driver_id(self) -> str | None:
        """Of the driver that answers for the runs; None where it is another process."""

    def create(self, created: RunCreated) -> None:
        """Take a new run.

        Raises
        ------
        StoreUnavailable
            It cannot be recorded, where it must be.
        """

    def reopen(self, reopened: RunReopened) -> None:
        """Take a run that is run again.

        Raises
        ------
        Conflict
            Somebody else was first.
        """

    def emit(self, event: Event) -> None:
        """Take what happened."""

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted before is durable; False when the time was not enough."""

    def watch(self, run_id: str, on_cancel: OnCancel) -> None:
        """Call ``on_cancel``, in any thread, when somebody asks to cancel this run or a task of it."""

    def forget(self, run_id: str) -> None:
        """Undo :meth:`watch`."""

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Answer what code of a run asks."""

    def attempt_ended(self, task_run_id: str) -> None:
        """Free what an attempt of a task still holds."""


class StoreHome:
    """Opens the store and is a driver in it, with its first run.

    The watcher process beside the driver is started a second later: most of a short run's time would go into its
    start, and until then the process itself is what everybody judges it by (:mod:`orchestra_nb.services.recovery`).

    Parameters
    ----------
    kind
        As :class:`~orchestra_nb.services.driver_guard.DriverGuard` takes it.
    server
        As :class:`~orchestra_nb.operations.run_services.RunServices` takes it.

    Raises
    ------
    StoreUnavailable
        The store cannot be opened.
    """

    must_commit = True

    def __init__(self, settings: Settings, kind: str, server: Answerer | None = None) -> None:
        from orchestra_nb.operations.opening import open_store
        from orchestra_nb.operations.run_services import RunServices
        from orchestra_nb.operations.service_presence import SERVICE_KIND
        from orchestra_nb.services.driver_guard import describe_this_process
        from orchestra_nb.store.store_sink import StoreSink

        self._settings = settings
        self._kind = kind
        store = self.store = open_store(settings)
        self._driver = describe_this_process(kind, settings.lease_seconds)
        self._services = RunServices(lambda: store, driver_id=self._driver.driver_id, settings=settings, server=server)
        self._sink = StoreSink(store, waits_for_access=kind == SERVICE_KIND)
        self._lock = threading.Lock()
        self._watched: dict[str, OnCancel] = {}
        #: requests that came before somebody wanted to hear of them
        self._early: dict[str, list[CancelRequest]] = {}
        self._is_announced = False
        self._has_ended = False
        self._closing = threading.Event()
        self._guard: DriverGuard | None = None
        self._guarding: threading.Thread | None = None
        tracer = find_tracer()
        self._tracer = None if tracer is None else RunTracer(tracer, self._find_run)

    def _find_run(self, run_id: str) -> Run | None:
        try:
            return self.store.get_run(run_id)
        except RunNotFound:
            return None

    @property
    def driver_id(self) -> str | None:
        """The id of this process."""
        return self._driver.driver_id

    def announce(self) -> None:
        """Commit the driver, before it claims its first run; for a process that lives on, so it is watched at once."""
        from orchestra_nb.services.driver_guard import DriverGuard

        with self._lock:
            self._guard = DriverGuard(
                self.store, self._kind, self._cancel_asked, driver_id=self.driver_id, settings=self._settings
            )
            self._is_announced = True

    def create(self, created: RunCreated) -> None:
        """Commit a run; with the first one the driver."""
        self._commit(created)

    def reopen(self, reopened: RunReopened) -> None:
        """Become the driver of a run that is run again."""
        if not self._commit(reopened):
            raise Conflict("The run is being run again by somebody else.")

    def _commit(self, *events: Event) -> bool:
        with self._lock:
            known: tuple[Event, ...] = () if self._is_announced else (DriverStarted(driver=self._driver),)
            applied = self.store.apply([*known, *events])
            if self._tracer is not None and applied[-1]:
                self._tracer.take(events[-1])
            if not self._is_announced:
                self._is_announced = True
                self._guarding = threading.Thread(target=self._guard_later, name="orchestra-guard-start", daemon=True)
                self._guarding.start()
        return applied[-1]

    def emit(self, event: Event) -> None:
        """Have it written soon."""
        if self._tracer is not None:
            self._tracer.take(event)
        self._sink.emit(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until it is."""
        return self._sink.flush(timeout_seconds)

    def watch(self, run_id: str, on_cancel: OnCancel) -> None:
        """Pass on requests to cancel this run."""
        with self._lock:
            self._watched[run_id] = on_cancel
            early = self._early.pop(run_id, ())
        for request in early:
            on_cancel(request.task_run_id, request.actor)

    def forget(self, run_id: str) -> None:
        """Undo :meth:`watch`."""
        with self._lock:
            self._watched.pop(run_id, None)

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Answer from the store."""
        return self._services.answer_encoded(question, asker)

    def attempt_ended(self, task_run_id: str) -> None:
        """Give back its slots."""
        self._services.attempt_ended(task_run_id)

    def close(self) -> None:
        """Say that the driver ends in good order. A run that has not ended by then is recorded as CRASHED.

        May be called twice, also where an interrupt has cut the first time short.
        """
        self._closing.set()
        if self._guarding is not None:
            self._guarding.join()
        if self._guard is None and self._is_announced and not self._has_ended:
            self._has_ended = True
            self._sink.emit(DriverEnded(driver_id=self._driver.driver_id, at=datetime.now(UTC)))
        self._sink.close()
        if self._guard is not None:
            self._guard.close()

    def _cancel_asked(self, request: CancelRequest) -> None:
        if request.kind is not StopKind.CANCEL:  # only the process of a flow can leave it
            return
        with self._lock:
            on_cancel = self._watched.get(request.run_id)
            if on_cancel is None:
                if not self.store.get_run(request.run_id).state.is_terminal:  # it was claimed a moment ago
                    self._early.setdefault(request.run_id, []).append(request)
                return
        on_cancel(request.task_run_id, request.actor)

    def _guard_later(self) -> None:
        from orchestra_nb.services.driver_guard import DriverGuard

        while not self._closing.wait(_WATCH_AFTER_SECONDS):
            try:
                self._guard = DriverGuard(
                    self.store, self._kind, self._cancel_asked, driver_id=self.driver_id, settings=self._settings
                )
            except StoreUnavailable as error:  # locked: the next turn may find it open
                _log.warning("This run is not watched yet: %s", error)
            else:
                return


class DriverHome:
    """Sends records the way of a driver that is there: of a script, a kernel, or an attempt on a worker."""

    must_commit = False

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def driver_id(self) -> str | None:
        """Of the driver."""
        return self._driver.driver_id

    def create(self, created: RunCreated) -> None:
        """Pass it on: a flow runs with the store away, and so does what it calls."""
        self._driver.sink.emit(created)

    def reopen(self, reopened: RunReopened) -> None:
        """Pass it on: whoever drives has reopened it."""
        self._driver.sink.emit(reopened)

    def emit(self, event: Event) -> None:
        """Pass it on."""
        self._driver.sink.emit(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait for the driver's sink."""
        return self._driver.sink.flush(timeout_seconds)

    def watch(self, run_id: str, on_cancel: OnCancel) -> None:
        """Have the driver pass on requests to cancel the run."""
        self._driver.watch_run(
            run_id,
            cancel=lambda actor: on_cancel(None, actor),
            cancel_task=on_cancel,
        )

    def forget(self, run_id: str) -> None:
        """Undo :meth:`watch`."""
        self._driver.forget_run(run_id)

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Have the driver answer."""
        return self._driver.services.answer_encoded(question, asker)

    def attempt_ended(self, task_run_id: str) -> None:
        """Tell the driver."""
        self._driver.services.attempt_ended(task_run_id)
