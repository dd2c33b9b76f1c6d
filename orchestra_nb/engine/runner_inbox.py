"""What waits for a loop: news of what runs comes before what is to be begun, so that a state is seen while it holds.

Whoever submits a thousand short tasks is ahead of the loop, and news of the first would wait behind the last of them.
"""

from __future__ import annotations

import queue
from collections import deque
from typing import Generic, TypeVar

_Item = TypeVar("_Item")

#: After so much news in a row something else has its turn: a task that logs without end holds up no submission.
_MOST_NEWS = 64


class RunnerInbox(Generic[_Item]):
    """Takes items from any thread and gives them to one. Each of the two kinds stays in its order."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[bool, _Item]] = queue.SimpleQueue()
        self._news: deque[_Item] = deque()
        self._others: deque[_Item] = deque()
        self._in_a_row = 0

    def put(self, item: _Item) -> None:
        """Give what is to be done."""
        self._queue.put((False, item))

    def put_news(self, item: _Item) -> None:
        """Give what has happened."""
        self._queue.put((True, item))

    def get(self, timeout_seconds: float | None) -> _Item | None:
        """Return the next item; None when none came in time (None: however long it takes)."""
        if not self._news and not self._others:
            try:
                self._sort(*self._queue.get(timeout=timeout_seconds))
            except queue.Empty:
                return None
        for _ in range(self._queue.qsize()):  # only this thread takes any out
            self._sort(*self._queue.get())
        if self._news and (self._in_a_row < _MOST_NEWS or not self._others):
            self._in_a_row += 1
            return self._news.popleft()
        self._in_a_row = 0
        return self._others.popleft()

    def _sort(self, is_news: bool, item: _Item) -> None:
        (self._news if is_news else self._others).append(item)
