"""A section of code that another thread can end by raising :class:`StopTask` in it.

``PyThreadState_SetAsyncExc`` ends Python code at its next instruction; a call into C is not ended by it, and a thread
that holds the interpreter's lock keeps everybody from calling it: then the sentinel's SIGKILL has to do. It is never
KeyboardInterrupt, which Dask takes for its own.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from orchestra_nb.errors import StopTask

_Result = TypeVar("_Result")


class StopSwitch:
    """Runs one function, at most once, that :meth:`stop` can end from another thread.

    Parameters
    ----------
    interrupt
        Called with the thread's number: makes :class:`StopTask` be raised in it. None for the way that works in every
        thread, but not within a blocking call.
    is_running
        Whether what it stops runs already, and is not started by :meth:`run`: a coroutine.
    """

    def __init__(self, interrupt: Callable[[int], None] | None = None, *, is_running: bool = False) -> None:
        self._interrupt = interrupt or _raise_in
        self._lock = threading.Lock()
        self._thread: int | None = threading.get_ident() if is_running else None
        #: the state that the function was stopped for; None if it was not
        self.stopped_for: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether the function runs now."""
        return self._thread is not None

    def stop(self, state: str) -> None:
        """Raise :class:`StopTask` in the function, now or as soon as it starts; nothing if it has ended.

        Only the first call counts.
        """
        with self._lock:
            if self.stopped_for is None:
                self.stopped_for = state
                if self._thread is not None:
                    self._interrupt(self._thread)

    def run(self, function: Callable[[], _Result]) -> _Result:
        """Return what ``function`` returns.

        Raises
        ------
        StopTask
            :meth:`stop` was called, and the function let it through. Nothing is raised later.
        """
        with self._lock:
            if self.stopped_for is not None:
                raise StopTask
            self._thread = threading.get_ident()
        try:
            return function()
        finally:
            self._leave()

    def _leave(self) -> None:
        """Close the section. The exception may arrive in these very lines: then do them again."""
        while True:
            try:
                with self._lock:
                    self._thread = None
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
                return
            except StopTask:
                continue


def _raise_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(StopTask))
