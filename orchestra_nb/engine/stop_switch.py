"""A section of code that another thread can end by raising :class:`StopTask` in it.

``PyThreadState_SetAsyncExc`` ends Python code at its next instruction; a call into C is not ended by it, and a thread
that holds the interpreter's lock keeps everybody from calling it: then the sentinel's SIGKILL has to do. It is never
KeyboardInterrupt, which Dask takes for its own.

Sections may stand in one another, as a flow's body that calls its tasks. A thread has one place for a pending exception
and does not say for whom it is: so whoever leaves a section hands on what was meant for one around it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from orchestra_nb.errors import StopTask

_Result = TypeVar("_Result")

#: Held for a moment wherever a section begins, ends or is stopped: so none is stopped while another one is left.
_changing = threading.Lock()


class _Here(threading.local):
    """The sections of this thread, the outermost first."""

    sections: tuple[StopSwitch, ...] = ()


_here = _Here()


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
        self._thread: int | None = threading.get_ident() if is_running else None
        #: the state that the function was stopped for; None if it was not
        self.stopped_for: str | None = None
        self._is_raised = False

    def stop(self, state: str) -> None:
        """Raise :class:`StopTask` in the function, now or as soon as it starts; nothing if it has ended.

        Only the first call counts.
        """
        with _changing:
            if self.stopped_for is None:
                self.stopped_for = state
                if self._thread is not None:
                    self._interrupt(self._thread)

    def take(self) -> bool:
        """Tell whether an interrupt shall raise :class:`StopTask` now; True once."""
        is_due = self.stopped_for is not None and self._thread is not None and not self._is_raised
        self._is_raised = self._is_raised or is_due
        return is_due

    def close(self) -> None:
        """Let a later :meth:`stop` do nothing: the coroutine has ended."""
        with _changing:
            self._thread = None

    def run(self, function: Callable[[], _Result]) -> _Result:
        """Return what ``function`` returns.

        Raises
        ------
        StopTask
            :meth:`stop` was called, of this switch or of one around it, and the function let it through. None for this
            switch is raised later.
        """
        around = _here.sections
        stopped_before = {section for section in around if section.stopped_for is not None}
        try:
            with _changing:
                if self.stopped_for is not None:
                    raise StopTask
                self._thread = threading.get_ident()
            _here.sections = (*around, self)
            return function()
        finally:
            self._leave(around, stopped_before)

    def _leave(self, around: tuple[StopSwitch, ...], stopped_before: set[StopSwitch]) -> None:
        """Close the section. The exception may arrive in these very lines: then do them again."""
        has_caught = False
        while True:
            try:
                with _changing:
                    self._thread = None
                    _here.sections = around
                    stopped = [section for section in around if section.stopped_for is not None]
                    if self.stopped_for is None:
                        is_lost = has_caught
                    else:
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
                        is_lost = any(section not in stopped_before for section in stopped)
                    if is_lost:
                        for section in stopped:
                            section._is_raised = True
                break
            except StopTask:
                has_caught = True
        if is_lost:
            raise StopTask


def _raise_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(StopTask))
