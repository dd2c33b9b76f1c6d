"""Runs the loops of the services, each in a thread: wakes them when the store changes, and starts them again on errors.

A loop is a step that does what is due and says when it wants to be called next. It is called earlier when anything in
the store has changed, whoever changed it, and at the latest after a while, as a net.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_log import ChangeWatcher

#: Called with the time; returns when it wants to be called next, None for whenever something changes.
Step = Callable[[datetime], datetime | None]

#: A loop is called at least this often.
_NET_SECONDS: Final = 5.0
#: However often the store changes, loops are woken no more often than this.
_LEAST_SECONDS: Final = 0.02
#: What a loop that failed waits: more from time to time.
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


class ServiceLoop:
    """One loop. :meth:`wake` and :meth:`close` may be called from any thread.

    Parameters
    ----------
    name
        What people call it.
    tell
        Called with the name and what is wrong when that changes; empty when nothing is. It may raise StoreUnavailable.
    """

    def __init__(self, name: str, step: Step, tell: Callable[[str, str], None] = lambda name, problem: None) -> None:
        self.name = name
        self._step = step
        self._tell = tell
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._failures = 0
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name=f"orchestra-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Have it look now."""
        self._woken.set()

    def close(self) -> None:
        """End it, and wait until its step has ended."""
        self._closing.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._woken.clear()
            self._wait(self._step_safely())

    def _step_safely(self) -> float:
        """Take a step; return for how many seconds to wait then."""
        now = datetime.now(UTC)
        try:
            wanted = self._step(now)
        except Exception as error:
            self._failures += 1
            problem = f"{type(error).__name__}: {error}"
            if problem != self.problem:  # the same again is no news
                self.problem = problem
                _log.warning("The %s waits: %s", self.name, error, exc_info=not isinstance(error, StoreUnavailable))
                self._tell_safely()
            pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1))
            self._closing.wait(pause)  # being woken does not mend it
            return 0.0
        if self._failures:
            _log.warning("The %s goes on.", self.name)
            self._failures, self.problem = 0, ""
            self._tell_safely()
        if wanted is None:
            return _NET_SECONDS
        return min(_NET_SECONDS, (wanted - datetime.now(UTC)).total_seconds())

    def _tell_safely(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # then the store itself is what is wrong
            self._tell(self.name, self.problem)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._woken.wait(seconds)


class Supervisor:
    """Loops, and the watch on the store that wakes them.

    Used as a context manager: the loops run within the block.
    """

    def __init__(self, database: Database, loops: Sequence[ServiceLoop]) -> None:
        self._loops = tuple(loops)
        self._watcher = ChangeWatcher(database)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="orchestra-store-watch", daemon=True)

    def __enter__(self) -> Supervisor:
        for loop in self._loops:
            loop.start()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self._watcher.close()
        self._thread.join()
        for loop in self._loops:
            loop.close()

    @property
    def problems(self) -> dict[str, str]:
        """The loops that wait because something is wrong, with what it is."""
        return {loop.name: loop.problem for loop in self._loops if loop.problem}

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                has_changed = self._watcher.wait(_NET_SECONDS)
            except StoreUnavailable:
                time.sleep(_FIRST_PAUSE_SECONDS)  # each loop says so by itself
                continue
            if has_changed:
                for loop in self._loops:
                    loop.wake()
                self._closing.wait(_LEAST_SECONDS)
