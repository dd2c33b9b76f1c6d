"""Work that must be done to its end in a thread which :class:`StopTask` may reach at any instruction.

It is handed to a thread that nobody stops. That thread is there before it is needed: until a new thread has begun,
CPython (3.11) takes what is raised in its parent for it (``PyThreadState_SetAsyncExc`` finds the parent's number in
both), so one that is started for the purpose might be the one that is ended.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from orchestra_nb.errors import StopTask

#: How long to wait before looking whether the thread is still there.
_LOOK_SECONDS = 1.0


class _Work:
    """One call to make; ``done`` is released afterwards."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self.error: Exception | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def do(self) -> None:
        try:
            self._function()
        except Exception as error:
            self.error = error
        finally:
            self.done.release()


class _ShieldedThread:
    """A thread of this process that does what it is given, in order."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._queue: SimpleQueue[_Work] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="orchestra-shield", daemon=True)
        self._thread.start()
        self.give = self._queue.put

    def is_alive(self) -> bool:
        return self._pid == os.getpid() and self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            self._queue.get().do()


_thread: _ShieldedThread | None = None


def run_shielded(function: Callable[[], None]) -> None:
    """Run an idempotent function to its end where no :class:`StopTask` can reach it.

    Raises
    ------
    Exception
        The function raised it.
    StopTask
        It arrived meanwhile in this thread.
    """
    stopped: StopTask | None = None
    while True:
        try:
            error = _run_and_wait(function)
            break
        except StopTask as stop:
            stopped = stop  # again: the function may not have been handed over
    if stopped is not None:
        raise stopped
    if error is not None:
        raise error


def _run_and_wait(function: Callable[[], None]) -> Exception | None:
    global _thread
    work = _Work(function)
    while True:
        thread = _thread
        if thread is None or not thread.is_alive():
            thread = _thread = _ShieldedThread()
        thread.give(work)
        while thread.is_alive():
            if work.done.acquire(timeout=_LOOK_SECONDS):
                return work.error
