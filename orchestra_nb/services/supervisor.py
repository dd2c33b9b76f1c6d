"""Runs the loops of the services, each in a thread: wakes them when the store changes, and starts them again on errors.

A loop is a step that does what is due and says when it wants to be called next. It is called earlier when anything in
the store has changed, whoever changed it, and at the latest after a while, as a net. The watch on the store is a loop,
too, so what is wrong with it is told, and it starts again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from orchestra_nb.errors import StoreUnavailable

#: Called with the time; returns when it wants to be called next, None for whenever something changes.
Step = Callable[[datetime], datetime | None]

#: A loop is called at least this often.
_NET_SECONDS: Final = 5.0
#: However often the store changes, loops are woken no more often than this.
_LEAST_SECONDS: Final = 0.02
#: What a loop that failed waits: more from time to time.
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
#: A store that is back is used soon.
_LONGEST_STORE_PAUSE_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class StoreOutage:
    """That loops cannot use their store: they share one, so that people are told once and not by each of them.

    All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._told = ""

    def begin(self, name: str, error: StoreUnavailable) -> None:
        """Note that a loop waits for the store."""
        with self._lock:
            is_news = not self._waiting or str(error) != self._told
            self._waiting.add(name)
            self._told = str(error)
        if is_news:
            _log.warning("The services wait for the store: %s", error)

    def end(self, name: str) -> bool:
        """Note that a loop could use the store, or waits for something else; False where it did not wait for it."""
        with self._lock:
            is_over = self._waiting == {name}
            did_wait = name in self._waiting
            self._waiting.discard(name)
        if is_over:
            _log.warning("The services go on.")
        return did_wait


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
        #: when its last step ended well; None before the first
        self.stepped_at: datetime | None = None
        self.outage = StoreOutage()
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
                if isinstance(error, StoreUnavailable):
                    self.outage.begin(self.name, error)
                else:
                    self.outage.end(self.name)
                    _log.warning("The %s waits: %s", self.name, error, exc_info=True)
                self._tell_safely()
            longest = _LONGEST_STORE_PAUSE_SECONDS if isinstance(error, StoreUnavailable) else _LONGEST_PAUSE_SECONDS
            pause = min(longest, _FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1))
            self._closing.wait(pause)  # being woken does not mend it
            return 0.0
        self.stepped_at = datetime.now(UTC)
        if self._failures:
            if not self.outage.end(self.name):
                _log.warning("The %s goes on.", self.name)
            self._failures, self.problem = 0, ""
            self._tell_safely()
        if wanted is None:
            return _NET_SECONDS
        return min(_NET_SECONDS, (wanted - datetime.now(UTC)).total_seconds())

    def _tell_safely(self) -> None:
        try:
            self._tell(self.name, self.problem)
        except StoreUnavailable:
            pass  # then the store itself is what is wrong
        except Exception:  # a loop does not end because nobody can be told of it
            _log.exception("What is wrong with the %s is not recorded", self.name)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._woken.wait(seconds)


class Watcher(Protocol):
    """Tells when something has changed, as :class:`~orchestra_nb.store.event_log.ChangeWatcher` does."""

    def wait(self, timeout_seconds: float) -> bool:
        """Return True when something may have changed since the last call, False after the time or when closed.

        Where it raises, the next call begins anew.
        """

    def close(self) -> None:
        """Wake who waits."""


class Supervisor:
    """Loops, and the watch, on the store for example, that wakes them.

    Used as a context manager: the loops run within the block, and at its end the watcher is closed.

    Parameters
    ----------
    tell
        As :class:`ServiceLoop` takes it, for the watch.
    """

    def __init__(
        self,
        watcher: Watcher,
        loops: Sequence[ServiceLoop],
        tell: Callable[[str, str], None] = lambda name, problem: None,
    ) -> None:
        self._loops = tuple(loops)
        self._watcher = watcher
        self._closing = threading.Event()
        self._watch = ServiceLoop("watch on the store", self._wake_when_changed, tell)
        outage = StoreOutage()
        for loop in (*self._loops, self._watch):
            loop.outage = outage

    def __enter__(self) -> Supervisor:
        for loop in (*self._loops, self._watch):
            loop.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self._watcher.close()
        for loop in (self._watch, *self._loops):
            loop.close()

    @property
    def problems(self) -> dict[str, str]:
        """The loops that wait because something is wrong, with what it is."""
        return {loop.name: loop.problem for loop in (*self._loops, self._watch) if loop.problem}

    def _wake_when_changed(self, now: datetime) -> datetime:
        """Wait for the next change, and wake the loops when it comes."""
        if self._watcher.wait(_NET_SECONDS):
            for loop in self._loops:
                loop.wake()
            self._closing.wait(_LEAST_SECONDS)
        return now
