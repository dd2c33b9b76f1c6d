"""Starts the runs that wait, as many at a time as this process has room for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from orchestra_nb.model.durations import format_duration
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.services.work_source import ClaimedRun, RunStarter, WorkSource

_log = logging.getLogger(__name__)


class RunDispatcher:
    """Claims runs and has each driven in a thread of its own. For one thread, but for what is said otherwise.

    Parameters
    ----------
    room
        How many run at a time.
    wake
        Called, from any thread, when there is room again.
    tells_runs
        Whether the log tells of each run that it begins and is over.
    """

    def __init__(
        self,
        source: WorkSource,
        starter: RunStarter,
        *,
        pools: Sequence[str],
        room: int,
        wake: Callable[[], None] = lambda: None,
        tells_runs: bool = False,
    ) -> None:
        self._source = source
        self._starter = starter
        self._pools = tuple(pools)
        self._room = room
        self._wake = wake
        self._level = logging.INFO if tells_runs else logging.DEBUG
        self._lock = threading.Lock()
        #: the process of an epoch may take a moment to end, while the next one begins
        self._threads: dict[tuple[str, int], tuple[Run, threading.Thread]] = {}

    def step(self, now: datetime) -> datetime | None:
        """Start what is due, as far as there is room; return when more will be due.

        Raises
        ------
        StoreUnavailable
            The source cannot be reached; nothing was claimed.
        """
        with self._lock:
            room = self._room - len(self._threads)
        for claimed in self._source.claim(self._pools, room, now):
            self._start(claimed)
        return self._source.next_look(self._pools, now)

    @property
    def active(self) -> int:
        """How many runs go on. From any thread."""
        with self._lock:
            return len(self._threads)

    def close(self, grace_seconds: float, hurry: threading.Event) -> None:
        """Wait for the runs that go on, so long or until ``hurry`` is set; then have them end, and wait for that."""
        deadline = time.monotonic() + grace_seconds
        while (threads := self._going_on()) and not hurry.is_set() and time.monotonic() < deadline:
            threads[0].join(0.1)
        with self._lock:
            left = [run for run, _ in self._threads.values()]
        for run in left:
            self._starter.stop(run)
        for thread in self._going_on():
            thread.join()

    def _going_on(self) -> list[threading.Thread]:
        with self._lock:
            return [thread for _, thread in self._threads.values()]

    def _start(self, claimed: ClaimedRun) -> None:
        run = claimed.run
        thread = threading.Thread(target=self._drive, args=(claimed,), name=f"orchestra-run-{run.name}")
        with self._lock:
            try:
                thread.start()
            except RuntimeError as error:  # the system gives no thread now
                failure = error
            else:
                self._threads[run.run_id, run.epoch] = (run, thread)  # before it can end, which takes the lock
                return
        self._fail(run, failure)

    def _drive(self, claimed: ClaimedRun) -> None:
        run, began_at = claimed.run, time.monotonic()
        _log.log(self._level, "Run %s of %s begins.", run.name, run.deployment or run.flow_name)
        try:
            self._starter.drive(claimed)
            took = format_duration(time.monotonic() - began_at)
            _log.log(self._level, "Run %s of %s is over after %s.", run.name, run.deployment or run.flow_name, took)
        except Exception as error:
            self._fail(run, error)
        finally:
            with self._lock:
                del self._threads[run.run_id, run.epoch]
            self._wake()

    def _fail(self, run: Run, error: Exception) -> None:
        _log.warning("Run %s of %s could not be driven: %s", run.name, run.flow_name, error)
        try:
            self._source.end(run, State.CRASHED, f"{type(error).__name__}: {error}")
        except Exception:
            _log.exception("The end of run %s is not recorded", run.name)
