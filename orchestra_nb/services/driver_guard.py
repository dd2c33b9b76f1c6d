"""What a driver keeps while it drives: its row with a lease in the store, a watcher beside it, an ear for requests."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.import_path import importing_environment
from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.events import DriverStarted
from orchestra_nb.model.runs import Driver
from orchestra_nb.services.process_watch import boot_id, process_started_at
from orchestra_nb.services.recovery import describe_driver, end_driver
from orchestra_nb.settings import Settings, load_settings
from orchestra_nb.store.leases import Leases

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import CancelRequest, RunStore

#: How often requests to cancel are looked for.
POLL_SECONDS = 1.0

_log = logging.getLogger(__name__)


class DriverGuard:
    """Makes this process a driver, until closed.

    The driver's row is committed when the constructor returns. Heartbeats come from the watcher, a process that runs
    no user code, so they come also while this interpreter is held. When this process dies the watcher ends its runs.
    In a forked child the guard does nothing.

    Parameters
    ----------
    kind
        ``"kernel"``, ``"shell"`` or ``"script"``.
    on_cancel
        Called in the guard's thread, once for each request to stop a run of this driver or one of its tasks.
    driver_id
        None for a new one.
    on_fenced
        Called once, in the guard's thread, when others have taken this driver for dead: its runs have ended and may be
        run again elsewhere, so it is to stop what it runs. If the process goes on for as long as a lease, its watcher
        kills it, with its process group where it leads one. None for a driver that nobody runs again by itself.

    Raises
    ------
    StoreUnavailable
        The row cannot be written.
    """

    def __init__(
        self,
        store: RunStore,
        kind: str,
        on_cancel: Callable[[CancelRequest], None],
        *,
        driver_id: str | None = None,
        settings: Settings | None = None,
        on_fenced: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._leases = Leases(store.database)
        self._on_fenced = on_fenced
        self._on_cancel = on_cancel
        self._settings = settings or load_settings()
        self._pid = os.getpid()
        self._closing = threading.Event()
        self.driver = describe_this_process(kind, self._settings.lease_seconds, driver_id)
        store.apply([DriverStarted(driver=self.driver)])
        self._watcher, self._watched_since = self._start_watcher(), time.monotonic()
        self._thread = threading.Thread(target=self._listen, name="orchestra-driver-guard", daemon=True)
        self._thread.start()

    @property
    def driver_id(self) -> str:
        """The id that the runs of this driver carry."""
        return self.driver.driver_id

    @property
    def watcher_pid(self) -> int:
        """The process that watches this one."""
        return self._watcher.pid

    def close(self) -> None:
        """Say that the driver ends in good order, and end the watcher. May be called twice.

        Call it when the last event is in the store: a run that has not ended by then is recorded as CRASHED.
        """
        if os.getpid() != self._pid or self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        try:
            cause = f"{describe_driver(self.driver)} ended before this did."
            end_driver(self._store, self.driver, cause, datetime.now(UTC))
        except StoreUnavailable as error:
            _log.warning("The end of this driver is not recorded: %s", error)  # the next sweep finds it
        finally:
            self._watcher.kill()
            self._watcher.wait()

    def _start_watcher(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "orchestra_nb.services.driver_watch"),
                *("--driver", self.driver_id),
                *("--pid", str(self.driver.pid)),
                *("--started", repr(self.driver.process_started_at)),
                *("--heartbeat", repr(self._settings.heartbeat_seconds)),
                *("--lease", repr(self._settings.lease_seconds)),
                *(("--end-fenced",) if self._on_fenced is not None else ()),
            ],
            env=_watcher_environment(self._store.database.url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it survives what ends this process's group
        )

    def _replace_dead_watcher(self) -> None:
        """Start another watcher when this one was killed; not again and again where none can live."""
        is_due = time.monotonic() - self._watched_since > self._settings.lease_seconds
        if self._watcher.poll() is not None and is_due:
            self._watcher, self._watched_since = self._start_watcher(), time.monotonic()

    def _listen(self) -> None:
        heard = 0
        while not self._closing.wait(POLL_SECONDS):
            self._replace_dead_watcher()
            try:
                if self._on_fenced is not None and self._is_fenced():
                    self._on_fenced()
                    return
                requests = self._store.cancel_requests(self.driver_id, heard)
            except StoreUnavailable:
                continue
            for request in requests:
                heard = request.sequence
                try:
                    self._on_cancel(request)
                except Exception:
                    _log.exception("A request to cancel could not be followed")

    def _is_fenced(self) -> bool:
        driver = self._leases.find_driver(self.driver_id)
        return driver is not None and driver.ended_at is not None


def describe_this_process(kind: str, lease_seconds: float, driver_id: str | None = None) -> Driver:
    """Return the record of this process as a driver, with a new lease."""
    now = datetime.now(UTC)
    started_at = process_started_at(os.getpid())
    assert started_at is not None
    return Driver(
        driver_id=driver_id or fresh_id(now),
        kind=kind,
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=os.getpid(),
        process_started_at=started_at,
        heartbeat_at=now,
        lease_until=now + timedelta(seconds=lease_seconds),
    )


def _watcher_environment(store_url: str) -> dict[str, str]:
    """Return the watcher's environment: the URL is here and not on its command line, which everybody can read."""
    return {**importing_environment(), "ORCHESTRA_STORE_URL": store_url}
