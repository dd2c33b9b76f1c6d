"""Waits until what a run did so far is told: whoever sees its question then sees a run that has begun."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Final

from orchestra_nb.errors import StoreUnavailable

if TYPE_CHECKING:
    from orchestra_nb.engine.run_context import FlowRunContext

#: How long a store is waited for.
_FLUSH_SECONDS: Final = 60.0

#: The longest wait at once: an exception from another thread, such as a cancel, comes only between two.
_SLICE_SECONDS: Final = 0.2


def tell_before_asking(context: FlowRunContext) -> None:
    """Wait until all that this flow run emitted is stored.

    Raises
    ------
    StoreUnavailable
        The store did not take it in time, or never will.
    """
    if context.driver.sink.flush(_SLICE_SECONDS):  # as nearly always
        return
    flush = _begin_flush(context)
    while not wait([flush], _SLICE_SECONDS).done:
        pass
    _check(context, flush.result())


async def tell_before_asking_async(context: FlowRunContext) -> None:
    """:func:`tell_before_asking` for coroutines."""
    _check(context, await asyncio.wrap_future(_begin_flush(context)))


def _begin_flush(context: FlowRunContext) -> Future[bool]:
    """Flush in a thread that ends nothing and that nobody waits for: who is cancelled meanwhile leaves it behind.

    Flushing in slices would not do: each waits for what others have emitted up to then, and would be late where the
    store only follows slowly. Nor would a thread of the event loop's pool, which is waited for at its end.
    """
    flushed = Future[bool]()
    flushed.set_running_or_notify_cancel()  # so that a cancel of whoever waits does not reach it

    def flush() -> None:
        try:
            flushed.set_result(context.driver.sink.flush(_FLUSH_SECONDS))
        except BaseException as error:
            flushed.set_exception(error)

    threading.Thread(target=flush, name="orchestra-flush", daemon=True).start()
    return flushed


def _check(context: FlowRunContext, is_told: bool) -> None:
    if not is_told:
        raise StoreUnavailable(
            f"Flow run {context.run.name} cannot ask anybody: the store has not taken what it did so far. Run "
            "`orchestra doctor` to see why."
        )
