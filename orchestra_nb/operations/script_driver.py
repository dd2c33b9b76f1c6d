"""Drives the flows and tasks of a script, a shell, or a kernel without task cells: store, guard, and what they run on.

Nothing here waits for the store: it is opened beside the first flow, and the end of a flow waits until all that
happened is committed. A watcher process is started when the process has lived for a second.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from orchestra_nb.acting_user import process_user
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.services import set_answerer
from orchestra_nb.model.events import (
    DriverEnded,
    DriverStarted,
    Event,
    EventSink,
    RunClaimed,
    RunCreated,
    RunReopened,
    RunStateChanged,
)
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.flow_loops import FlowLoops
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.engine.services import Answerer
    from orchestra_nb.services.driver_guard import DriverGuard
    from orchestra_nb.store.run_store import RunStore

#: How long a driver lives before a watcher is started beside it.
_WATCH_AFTER_SECONDS = 1.0

#: How the process of a deployed flow is called among the drivers of a store.
DEPLOYMENT_KIND: Final = "deployment"

_log = logging.getLogger(__name__)


class ScriptDriver(FlowLoops):
    """Implements :class:`~orchestra_nb.engine.drivers.Driver` for a process.

    Parameters
    ----------
    kind
        What people call the process: ``"script"``, ``"shell"`` or ``"deployment"``.
    server
        As :class:`~orchestra_nb.operations.run_services.RunServices` takes it.
    """

    def __init__(self, kind: str = "script", server: Answerer | None = None) -> None:
        from orchestra_nb.operations.run_services import RunServices
        from orchestra_nb.store.store_sink import StoreSink

        self.settings = load_settings()
        self._kind = kind
        driver_id = self.known_driver_id = fresh_id(datetime.now(UTC))
        user = None if kind == DEPLOYMENT_KIND else process_user()  # whose runs are of many, in one account
        services = RunServices(self._open_store, driver_id=driver_id, user=user, server=server)
        self._first_run = _FirstRunSink(StoreSink(self._open_store), self._announce)
        super().__init__(driver_id, self._first_run, services)
        set_answerer(lambda: services)
        self._closers: list[Callable[[], None]] = []
        self._guard: DriverGuard | None = None
        self._guard_start: threading.Thread | None = None
        self._store: RunStore | None = None
        self._closing = threading.Event()
        self._has_runs = False
        # registered after the sink's own: so it is called before
        atexit.register(self.close)

    def close(self) -> None:
        """Cancel what has not ended and let go of everything. May be called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        atexit.unregister(self.close)
        self.stop("its script ended")
        set_answerer(None)
        if self._guard_start is not None:
            self._guard_start.join()  # what it makes just now is closed below
        if self._guard is None and self._has_runs and self.driver_id is not None:
            with contextlib.suppress(RuntimeError):
                self.sink.emit(DriverEnded(driver_id=self.driver_id, at=datetime.now(UTC)))
        self.sink.close()
        for close in reversed(self._closers):
            with contextlib.suppress(OSError):
                close()

    def reopen(self, store: RunStore, run: Run, reopened: RunReopened) -> bool:
        """Become a driver of the store, and that of a run which is run again; False when somebody else was first."""
        from orchestra_nb.services.driver_guard import describe_this_process

        driver = describe_this_process(self._kind, self.settings.lease_seconds, self.driver_id)
        self._has_runs = True
        self._first_run.is_announced = True
        is_ours = store.apply([DriverStarted(driver=driver), reopened])[1]
        if is_ours:
            self._run_sink.continue_run(run, reopened.epoch)
            self.sink.emit(RunStateChanged(run_id=run.run_id, state=State.PENDING, at=datetime.now(UTC)))
            self._start_guard()
        return is_ours

    def take_over(self, store: RunStore, run: Run, claimant: str) -> bool:
        """Become a driver of the store, and that of a run which another one has claimed; False when it is not its."""
        from orchestra_nb.services.driver_guard import describe_this_process

        driver = describe_this_process(self._kind, self.settings.lease_seconds, self.driver_id)
        self._has_runs = True
        self._first_run.is_announced = True
        claimed = RunClaimed(
            run_id=run.run_id,
            at=datetime.now(UTC),
            driver_id=self.known_driver_id,
            epoch=run.epoch,
            from_driver_id=claimant,
        )
        is_ours = store.apply([DriverStarted(driver=driver), claimed])[1]
        if is_ours:
            self._run_sink.continue_run(run, run.epoch)
            self._start_guard()
        return is_ours

    def _announce(self) -> None:
        """Become a driver of the store, before the first run."""
        from orchestra_nb.services.driver_guard import describe_this_process

        self._has_runs = True
        driver = describe_this_process(self._kind, self.settings.lease_seconds, self.driver_id)
        self.sink.emit(DriverStarted(driver=driver))
        self._start_guard()

    def _stop_fenced(self) -> None:
        """Cancel all runs, which others have ended: their deployment may have them run again elsewhere already."""
        _log.warning("This process was taken for dead, and what it ran may be run again: it ends.")
        for cancel in list(self._cancels.values()):
            cancel("recovery")

    def _open_store(self) -> RunStore:
        from orchestra_nb.operations.opening import open_store

        self._store = open_store(self.settings)
        return self._store

    def _start_guard(self) -> None:
        self._guard_start = threading.Thread(target=self._guard_later, name="orchestra-guard-start", daemon=True)
        self._guard_start.start()

    def _guard_later(self) -> None:
        from orchestra_nb.errors import StoreUnavailable
        from orchestra_nb.operations.opening import Sweeper
        from orchestra_nb.services.driver_guard import DriverGuard

        while not self._closing.wait(_WATCH_AFTER_SECONDS):
            if self._store is None:
                continue
            try:
                guard = DriverGuard(
                    self._store,
                    self._kind,
                    self.cancel_asked,
                    driver_id=self.driver_id,
                    on_fenced=self._stop_fenced if self._kind == DEPLOYMENT_KIND else None,
                )
            except StoreUnavailable as error:  # locked: the next turn may find it open
                _log.warning("This process is not watched yet: %s", error)
            else:
                self._guard = guard
                self._closers += [guard.close, Sweeper(self._store, self.settings.sweep_seconds).close]
                return


class _FirstRunSink:
    """Gives events to a sink; before the first run it has the driver announced."""

    def __init__(self, sink: EventSink, announce: Callable[[], None]) -> None:
        self._sink = sink
        self._announce = announce
        self.is_announced = False
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Take one event."""
        if not self.is_announced and isinstance(event, RunCreated):
            with self._lock:  # a first run of another thread waits until the driver is announced
                if not self.is_announced:
                    self._announce()
                    self.is_announced = True
        self._sink.emit(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted is durable."""
        return self._sink.flush(timeout_seconds)

    def close(self) -> None:
        """Flush and let go."""
        self._sink.close()
