"""Answers that are kept for a moment, so that many who ask the same at once have it asked once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Kept(Generic[V]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: until when it is answered so; None before it was asked
    until: float | None = None
    answer: V | None = None


class RecentAnswers(Generic[K, V]):
    """Answers by what was asked. May be used from any thread; who asks what is being asked waits for that answer.

    Parameters
    ----------
    seconds
        For how long an answer is given again.
    most
        So many are kept; the one that was asked for longest ago goes first.
    clock
        Seconds that only grow.

    Examples
    --------
    >>> recent = RecentAnswers(5.0, 2)
    >>> [recent.answer("a", lambda: one) for one in (1, 2)]
    [1, 1]
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()

    def answer(self, key: K, ask: Callable[[], V]) -> V:
        """Return what was answered a moment ago, or ask; what ``ask`` raises is not kept."""
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        with kept.lock:
            if kept.until is None or self._clock() >= kept.until:
                kept.answer = ask()
                kept.until = self._clock() + self._seconds
            return kept.answer  # type: ignore[return-value]  # it was asked
