"""Does something soon after it was asked for, but not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: An action takes at most this part of the time: after one that took a second, the next waits for twenty.
_SHARE = 20


class Throttle:
    """Calls ``action`` after each :meth:`poke`, at most once in ``every_seconds``. Belongs to the running loop."""

    def __init__(self, action: Callable[[], None], every_seconds: float) -> None:
        self._action = action
        self._every_seconds = every_seconds
        self._loop = asyncio.get_running_loop()
        self._next_at = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._is_closed = False

    def poke(self) -> None:
        """Ask for the action; cheap, any number of times."""
        if self._handle is None and not self._is_closed:
            self._handle = self._loop.call_later(max(0.0, self._next_at - self._loop.time()), self._act)

    def close(self) -> None:
        """Drop what was asked for and do nothing any more."""
        self._is_closed = True
        if self._handle is not None:
            self._handle.cancel()

    def _act(self) -> None:
        began = self._loop.time()
        try:
            self._action()
        finally:
            ended = self._loop.time()
            self._next_at = ended + max(self._every_seconds, _SHARE * (ended - began))
            self._handle = None
