"""Has runs run again for somebody at a server: in the pool of their deployment, and notebooks of none on this machine.

What a notebook of no deployment ran is beside the store of whoever started it: a server on the same machine has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import CodeNotFound, Conflict
from orchestra_nb.model.events import RunReopened
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.sweeps import COMBINATION_TAG
from orchestra_nb.operations.pool_retries import check_pool, is_of_pool, retry_in_pool
from orchestra_nb.operations.resumption_points import Resumption, find_resumption, resumed_by
from orchestra_nb.operations.run_again import check_retry, close_letters, retried_by

if TYPE_CHECKING:
    from orchestra_nb.operations.notebook_request import NotebookRequest
    from orchestra_nb.store.run_store import RunStore


def retry_from_server(
    store: RunStore, id_or_name: str, *, actor: str, now: datetime, note: str = "", from_step: str | None = None
) -> Run:
    """Have a run run again, and return it as it waits or has begun.

    Parameters
    ----------
    actor, note, from_step
        As :func:`~orchestra_nb.operations.run_again.retry_run`.

    Raises
    ------
    RunNotFound, InvalidTransition, InvalidInput
        As :func:`~orchestra_nb.operations.run_again.retry_run`.
    Conflict
        What it ran is not here, it cannot be resumed from there, or somebody else retried it at the same time.
    """
    start: Resumption | None = None
    if from_step is None:
        run = check_retry(store, id_or_name)
    else:
        run, start = find_resumption(store, id_or_name, from_step)
    request = _request_here(run, start)
    if request is None:  # it says why, where it is of no deployment
        return retry_in_pool(store, run.run_id, actor=actor, now=now, note=note, from_step=from_step)
    return _retry_here(store, run, request, start, actor, note, now)


def why_not_resumed(store: RunStore, id_or_name: str, from_step: str) -> str:
    """Return why a server cannot resume a run from a cell or a task; empty where it can.

    Raises
    ------
    RunNotFound, InvalidInput
        As :func:`retry_from_server`.
    """
    try:
        run, start = find_resumption(store, id_or_name, from_step)
        if _request_here(run, start) is None:
            check_pool(run, from_step)
    except (Conflict, CodeNotFound) as reason:
        return str(reason)
    return ""


def _request_here(run: Run, start: Resumption | None) -> NotebookRequest | None:
    """Return what runs the notebook of a run again in a process of its own; None where that is not for this machine."""
    from orchestra_nb.operations.run_snapshot import request_again

    # those who run a sweep give its runs their cluster
    if is_of_pool(run) or run.kind is not RunKind.NOTEBOOK or COMBINATION_TAG in run.tags:
        return None
    try:
        return request_again(run, None if start is None else start.fresh_from_index)
    except CodeNotFound:
        return None


def _retry_here(
    store: RunStore, run: Run, request: NotebookRequest, start: Resumption | None, actor: str, note: str, now: datetime
) -> Run:
    from orchestra_nb.operations.detached_run import start_detached

    reopened = RunReopened(
        run_id=run.run_id,
        at=now,
        epoch=run.epoch + 1,
        driver_id="",
        actor=actor,
        message=retried_by(actor, note) if start is None else resumed_by(start, actor, note),
        fresh_from_index=request.fresh_from_index,
    )
    start_detached(request, reopened)
    close_letters(store, run, actor, now)
    return store.get_run(run.run_id)
