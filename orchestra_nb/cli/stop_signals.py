"""Ctrl-C, SIGTERM and a closed terminal as a stop of what the command runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def signals_stop(stop: Callable[[str, str], None]) -> Iterator[Callable[[], bool]]:
    """Have the signals call ``stop(message, actor)``; yield whether Ctrl-C was pressed."""
    seen: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        name = signal.Signals(number).name
        stop("Interrupted" if number == signal.SIGINT else f"Stopped by {name}", name)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield lambda: signal.SIGINT in seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopped_by_signals(stop: threading.Event, hurry: threading.Event) -> Iterator[None]:
    """Have the first SIGTERM or Ctrl-C set ``stop``, and the second one ``hurry``."""

    def take(number: int, frame: object) -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    before = {number: signal.signal(number, take) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
