"""Ends a cell that runs too long: interrupts its kernel, and kills it where that does not help."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestra_nb.notebooks.kernel_process import KernelProcess

#: What a cell gets to end after the interrupt.
GRACE_SECONDS = 5.0


class TimeLimit:
    """Around one attempt of a cell; None as the limit does nothing.

    Attributes
    ----------
    is_over
        Whether the time was up: the cell was interrupted, or its kernel killed.
    """

    def __init__(self, process: KernelProcess, seconds: float | None) -> None:
        self._process = process
        self._seconds = seconds
        self._watching: asyncio.Task[None] | None = None
        self.is_over = False

    async def __aenter__(self) -> TimeLimit:
        if self._seconds is not None:
            self._watching = asyncio.create_task(self._watch(self._seconds))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.is_over = True
        await self._process.interrupt()
        await asyncio.sleep(GRACE_SECONDS)
        await self._process.kill()
