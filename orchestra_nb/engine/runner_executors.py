"""The executors of one flow runner: the one that gets new tasks, and those that still hold values of completed ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from orchestra_nb.engine.executors import Executor, ExecutorEvent


@dataclass(frozen=True, slots=True)
class ExecutorNews:
    """An executor event of an executor that may have been replaced meanwhile."""

    executor: Executor
    event: ExecutorEvent


class RunnerExecutors:
    """Opens, retires and closes executors.

    Thread safety: :meth:`close_retired_but` may be called from any thread; all else belongs to the runner's loop, or to
    whoever ended it.

    Parameters
    ----------
    report
        Called, in any thread, with what an executor tells.

    Attributes
    ----------
    current
        Gets new tasks; None until :meth:`open`.
    is_connecting
        Whether it has not reached its cluster yet.
    """

    def __init__(self, make: Callable[[], Executor], report: Callable[[ExecutorNews], None]) -> None:
        self._make = make
        self._report = report
        self._lock = threading.Lock()
        #: hold values of completed tasks but get no new ones
        self._retired: list[Executor] = []
        self._closing: list[threading.Thread] = []
        self.current: Executor | None = None
        self.is_connecting = False

    @property
    def has_retired(self) -> bool:
        """Whether there are executors that get no new tasks."""
        return bool(self._retired)

    def open(self) -> Executor:
        """Return the executor for the next task, making one if there is none."""
        if self.current is None:
            executor = self.current = self._make()
            executor.open(lambda event: self._report(ExecutorNews(executor, event)))
        return self.current

    def retire(self) -> None:
        """Give the executor no new tasks: the next one opens another."""
        if self.current is not None:
            with self._lock:
                self._retired.append(self.current)
            self.current = None

    def close_retired_but(self, holding: Collection[int]) -> None:
        """Close the retired executors except those with these ids; in threads, since it takes time."""
        with self._lock:
            unneeded = [executor for executor in self._retired if id(executor) not in holding]
            self._retired = [executor for executor in self._retired if id(executor) in holding]
            for executor in unneeded:
                thread = threading.Thread(target=executor.close, name="orchestra-close-cluster", daemon=True)
                self._closing.append(thread)
                thread.start()

    def close(self, timeout_seconds: float) -> None:
        """Close all of them, and wait for those that are being closed."""
        for executor in (*self._retired, *([self.current] if self.current is not None else [])):
            executor.close()
        for thread in self._closing:
            thread.join(timeout_seconds)
