"""Has runs run again for somebody at a server: in the pool of their deployment, and notebooks of none on this machine.

What a notebook of no deployment ran is beside the store of whoever started it: a server on the same machine has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import CodeNotFound, Conflict
from orchestra_nb.model.events import RunReopened
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.sweeps import COMBINATION_TAG
from orchestra_nb.operations.pool_retries import check_pool, is_of_pool, retry_in_pool, shell_command
from orchestra_nb.operations.rerun_forecast import (
    NOTHING_TO_TELL,
    RerunForecast,
    foresee_rerun,
    with_repeated_cells,
)
from orchestra_nb.operations.resumption_points import Resumption, earliest_cell, find_resumption, resumed_by
from orchestra_nb.operations.run_again import check_retry, close_letters, retried_by
from orchestra_nb.operations.runs import find_run

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


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether a server can run a run again, and what is to be known before.

    Parameters
    ----------
    problem
        Why it cannot; empty where it can.
    instead_cell
        The id of the cell from which it can be resumed in place of the named one; None for none.
    command
        What runs it again, from that cell if any, where its code is; empty for nothing, and where the server does.
    forecast
        What is to be known before, of the run that the server or the command does.
    """

    problem: str = ""
    instead_cell: str | None = None
    command: str = ""
    forecast: RerunForecast = NOTHING_TO_TELL


def look_ahead(store: RunStore, id_or_name: str, from_step: str | None = None) -> Outlook:
    """Return whether a server can retry a run, or resume it from a cell or a task, and what is to be known before.

    Raises
    ------
    RunNotFound, InvalidInput
        As :func:`retry_from_server`.
    """
    run = find_run(store, id_or_name)
    try:
        start = find_resumption(store, run.run_id, from_step)[1] if from_step is not None else None
        if start is None:
            check_retry(store, run.run_id)
        forecast = foresee_rerun(store, run.run_id, from_step)
    except (Conflict, CodeNotFound) as reason:
        return Outlook(str(reason)) if from_step is None else _outlook_from_start(store, run, str(reason))
    if _request_here(run, start) is not None:
        return Outlook(forecast=forecast)
    try:
        check_pool(store, run, from_step)
    except Conflict as reason:
        command = shell_command(store, run, from_step)
        return Outlook(problem=str(reason), command=command, forecast=forecast if command else NOTHING_TO_TELL)
    return Outlook(forecast=forecast)


def _outlook_from_start(store: RunStore, run: Run, problem: str) -> Outlook:
    """Return what can be done where a run cannot be resumed from the named step: it is resumed from its first cell."""
    if (cell := earliest_cell(store, run)) is None:
        return Outlook(problem=problem)
    start = Resumption(cell.name, fresh_from_index=cell.index)
    is_of_server = is_of_pool(run) or _request_here(run, start) is not None
    return Outlook(
        problem,
        command="" if is_of_server else shell_command(store, run, "1"),
        instead_cell=cell.cell_id,
        forecast=with_repeated_cells(store, run, foresee_rerun(store, run.run_id, cell.cell_id)),
    )


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
