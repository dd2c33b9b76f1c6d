"""``wait_for_flow_run``: wait in code until a run has ended, whoever drives it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from orchestra_nb.engine.drivers import driver_of_process, worker_driver
from orchestra_nb.engine.run_context import MissingContext
from orchestra_nb.engine.user_runs import FlowRun, seen_flow_run
from orchestra_nb.errors import InvalidInput, OrchestraError
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: How long the events of this process may take to be durable.
_FLUSH_SECONDS = 30.0

_log = logging.getLogger(__name__)


class FlowRunWaitTimeout(OrchestraError, TimeoutError):
    """A run has not ended in the time that somebody would wait for it."""


async def wait_for_flow_run(
    flow_run_id: object, timeout: float | None = 10_800, poll_interval: float | None = None, log_states: bool = False
) -> FlowRun:
    """Wait until a run has ended, and return it with its state.

    Parameters
    ----------
    flow_run_id
        Id or name of the run, of a flow or of a notebook.
    timeout
        Seconds; None for no limit.
    poll_interval
        Seconds between two looks at the store; None for one.
    log_states
        Whether to log each new state.

    Raises
    ------
    RunNotFound
        There is no such run.
    FlowRunWaitTimeout
        It has not ended in time. It goes on.
    MissingContext
        This is called in a submitted task, where no store is at hand.
    """
    pause = 1.0 if poll_interval is None else poll_interval
    if isinstance(pause, bool) or not isinstance(pause, int | float) or pause <= 0:
        raise InvalidInput(f"poll_interval is {poll_interval!r}. Write a positive number of seconds.")
    store = await asyncio.to_thread(store_at_hand, "wait_for_flow_run")
    began = time.monotonic()
    told = None
    while True:
        run = await asyncio.to_thread(find_run, store, str(flow_run_id))
        if log_states and run.state is not told:
            _log.info("Flow run %r is %s", run.name, run.state)
            told = run.state
        if run.state.is_terminal:
            return seen_flow_run(run)
        left = float("inf") if timeout is None else timeout - (time.monotonic() - began)
        if left <= 0:
            raise FlowRunWaitTimeout(
                f"Run {run.name} has not ended after {timeout:g} s: it is {run.state}. It goes on."
            )
        flow_run_id = run.run_id  # a name may be that of another run by and by
        await asyncio.sleep(min(pause, left))


def store_at_hand(what: str) -> RunStore:
    """Return the configured store, with all in it that this process has recorded.

    Raises
    ------
    MissingContext
        This is a submitted task: only drivers talk to the store.
    """
    if worker_driver().get() is not None:
        raise MissingContext(f"{what} reads the store, which a submitted task cannot. Call it in the flow's body.")
    from orchestra_nb.operations.opening import open_store

    if (driver := driver_of_process()) is not None:
        driver.sink.flush(_FLUSH_SECONDS)
    return open_store()
