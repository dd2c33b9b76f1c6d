"""What attempts tell their drivers, on its way out of a worker."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Mapping
from contextvars import Context
from typing import Any

import pytest

from orchestra_nb.engine.event_batch import EventBatch
from orchestra_nb.errors import StopTask


class InterruptedLoop(asyncio.SelectorEventLoop):
    """A loop in which another thread stops the first attempt that wants something done."""

    is_interrupted = False

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        if not self.is_interrupted:
            self.is_interrupted = True
            raise StopTask
        return super().call_soon_threadsafe(callback, *args, context=context)


def test_an_attempt_that_is_stopped_while_it_tells_something_keeps_nobody_from_being_heard() -> None:
    loop = InterruptedLoop()
    told: list[object] = []

    def take(client: str, message: Mapping[str, Any]) -> None:
        told.extend(pickle.loads(message["data"]))
        loop.stop()

    batch = EventBatch(loop, take)
    try:
        with pytest.raises(StopTask):
            batch.add("driver", ("line", "stopped", "lost"))
        batch.add("driver", ("line", "other", "heard"))
        loop.call_later(5, loop.stop)
        loop.run_forever()
    finally:
        loop.close()

    assert ("line", "other", "heard") in told
