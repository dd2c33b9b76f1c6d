"""Stops code that runs in its caller's own thread: at a deadline, or because somebody cancels its run.

In the main thread a signal with a handler that raises ends also a blocking call, such as a sleep; in other threads the
exception comes between two instructions.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.errors import StopTask
from orchestra_nb.model.states import State

#: The signal that interrupts the main thread; nobody else in Python's own library uses it by itself.
_SIGNAL = getattr(signal, "SIGALRM", None)


@contextmanager
def stoppable(timeout_seconds: float | None) -> Iterator[StopSwitch]:
    """Give a switch for code of this thread, which is stopped as TIMED_OUT after so many seconds (None: never)."""
    is_main = threading.current_thread() is threading.main_thread()
    if _SIGNAL is None or not is_main:
        with _deadline(switch := StopSwitch(), timeout_seconds):
            yield switch
        return

    def interrupt(thread: int) -> None:
        signal.pthread_kill(thread, _SIGNAL)

    switch = StopSwitch(interrupt)
    before = signal.getsignal(_SIGNAL)

    def on_signal(number: int, frame: FrameType | None) -> None:
        if switch.take():
            raise StopTask
        if callable(before):
            before(number, frame)

    signal.signal(_SIGNAL, on_signal)
    try:
        with _deadline(switch, timeout_seconds):
            yield switch
    finally:
        signal.signal(_SIGNAL, before if before is not None else signal.SIG_DFL)


def coroutine_switch() -> StopSwitch:
    """Return a switch that ends the coroutine that runs now, whatever thread asks, until the switch is closed."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def cancel() -> None:
        if switch.take():  # not when what was to be stopped has ended meanwhile
            task.cancel()

    def interrupt(thread: int) -> None:
        loop.call_soon_threadsafe(cancel)

    switch = StopSwitch(interrupt, is_running=True)
    return switch


@contextmanager
def _deadline(switch: StopSwitch, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, switch.stop, (State.TIMED_OUT.value,))
    timer.daemon = True
    timer.name = "orchestra-deadline"
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
