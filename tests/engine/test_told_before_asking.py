"""Who asks people waits until the store has what the run did: no longer than it may, and not once it is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestra_nb.engine.run_context import FlowRunContext
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.engine.told_before_asking import tell_before_asking, tell_before_asking_async
from orchestra_nb.errors import StopTask, StoreUnavailable
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.store_sink import StoreSink
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 11, 27, tzinfo=UTC)
RUN = Run(run_id="r1", name="calm-fox", flow_name="f", kind=RunKind.FLOW, state=State.RUNNING, created_at=NOW)


def _context(sink: object) -> FlowRunContext:
    return cast(FlowRunContext, SimpleNamespace(run=RUN, driver=SimpleNamespace(sink=sink)))


class _AwaySink:
    """Whose store is there when it is released."""

    def __init__(self, store: RunStore) -> None:
        self.is_waited_for = threading.Event()
        self.is_released = threading.Event()
        self._sink = StoreSink(lambda: self.is_released.wait() and store)  # type: ignore[arg-type,return-value]
        self._sink.emit(RunCreated(run=RUN))

    def flush(self, timeout_seconds: float) -> bool:
        self.is_waited_for.set()
        return self._sink.flush(timeout_seconds)

    def close(self) -> None:
        self.is_released.set()
        self._sink.close()


@pytest.fixture
def store(sqlite_url: str) -> Iterator[RunStore]:
    with closing(open_database(sqlite_url)) as database:
        yield RunStore(database)


@pytest.fixture
def away(store: RunStore) -> Iterator[_AwaySink]:
    sink = _AwaySink(store)
    yield sink
    sink.close()
    for thread in threading.enumerate():
        if thread.name == "orchestra-flush":
            thread.join(PATIENCE_SECONDS)


async def _ask_cancelled(context: FlowRunContext, sink: _AwaySink) -> None:
    asking = asyncio.ensure_future(tell_before_asking_async(context))
    while not sink.is_waited_for.is_set():
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()


def _ended_of(function: Callable[[], object]) -> tuple[threading.Thread, list[BaseException | None]]:
    """Begin a function in a thread; return it, and what it ended with once it has."""
    ends: list[BaseException | None] = []

    def run() -> None:
        try:
            function()
            ends.append(None)
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ends


def test_a_cancel_comes_while_the_store_is_waited_for(away: _AwaySink) -> None:
    switch = StopSwitch()
    thread, ends = _ended_of(lambda: switch.run(lambda: tell_before_asking(_context(away))))
    assert away.is_waited_for.wait(PATIENCE_SECONDS)

    switch.stop("CANCELLED")
    thread.join(20)  # a fraction of what is waited for the store

    assert [type(end) for end in ends] == [StopTask]


def test_a_loop_ends_whose_coroutine_was_cancelled_while_the_store_is_waited_for(away: _AwaySink) -> None:
    thread, ends = _ended_of(lambda: asyncio.run(_ask_cancelled(_context(away), away)))

    thread.join(20)

    assert ends == [None]


@pytest.mark.parametrize("is_async", [False, True], ids=["function", "coroutine"])
def test_what_was_emitted_is_stored_before_anybody_is_asked(away: _AwaySink, store: RunStore, is_async: bool) -> None:
    ask = _asker(is_async)
    thread, ends = _ended_of(lambda: ask(_context(away)))
    assert away.is_waited_for.wait(PATIENCE_SECONDS)

    away.is_released.set()
    thread.join(PATIENCE_SECONDS)

    assert ends == [None]
    assert store.get_run("r1").name == "calm-fox"


@pytest.mark.parametrize("is_async", [False, True], ids=["function", "coroutine"])
def test_a_store_that_takes_nothing_is_named(is_async: bool) -> None:
    ask = _asker(is_async)
    refusing = SimpleNamespace(flush=lambda timeout_seconds: False)

    with pytest.raises(StoreUnavailable, match="calm-fox cannot ask anybody.*orchestra doctor"):
        ask(_context(refusing))


def _asker(is_async: bool) -> Callable[[FlowRunContext], Any]:
    if is_async:
        return lambda context: asyncio.run(tell_before_asking_async(context))  # type: ignore[arg-type]
    return tell_before_asking
