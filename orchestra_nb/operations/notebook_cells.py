"""What is known of each cell of a notebook: how it ran last, how long it usually runs, and whether that still holds.

A cell runs as a task in an open kernel, as a task of a notebook run, or as a plain cell of one. What it did last
counts, whichever way that was; in a run the task counts, and not the cell that only sent it off.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.runs import CellRun, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.cell_history import runs_of_notebook, was_recorded
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.run_views import ErrorView, error_view
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Each task cell that somebody runs by hand may be a run of its own: so many of the newest are looked through.
_INTERACTIVE_RUNS = 200

#: So many successes of a cell, the newest, tell how long it runs.
_SUCCESSES = 10


class NotebookCell(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell did last.

    Parameters
    ----------
    task_run_id
        None for a cell that ran as itself.
    name
        Of the task, or the title of the cell.
    created_at
        When the task was submitted, or the cell began; of a cell that waits for its turn when its run was created.
    expected_seconds
        Median of the cell's last ten successes, whichever way it ran; None before the first.
    stale
        Why what was kept of it no longer holds; empty where it does, or nothing was kept.
    """

    cell_id: str
    run_id: str
    run_name: str
    task_run_id: str | None
    name: str
    state: State
    epoch: int
    attempt: int
    max_attempts: int
    message: str
    error: ErrorView | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    is_cached: bool
    expected_seconds: float | None = None
    stale: str = ""


class NotebookCells(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of a notebook of which something is known, in no order.

    Parameters
    ----------
    paths
        Those by which runs name this notebook, its own first.
    """

    paths: tuple[str, ...]
    cells: tuple[NotebookCell, ...]


def notebook_cells(store: RunStore, path: Path, settings: Settings, now: datetime) -> NotebookCells:
    """Return what is known of the cells of the notebook at a path, which needs not be there any more.

    Whether something still holds is told of the notebook as it is saved, and only where runs have kept something of it
    (``--cache``): to look at files and packages takes its time.
    """
    own = absolute_path(path)
    cell_runs = list(runs_of_notebook(store, own))
    interactive = _interactive_runs(store, own)
    runs = [run for run, _ in cell_runs] + interactive
    tasks_of = store.cell_task_runs(run.run_id for run in runs)
    found: list[NotebookCell] = []
    for run, cells in cell_runs:
        tasks = tasks_of.get(run.run_id, [])
        with_task = {task.cell_id for task in tasks}
        found += [_of_cell(run, cell) for cell in cells if cell.cell_id and cell.cell_id not in with_task]
        found += [_of_task(run, task) for task in tasks]
    for run in interactive:
        found += [_of_task(run, task) for task in tasks_of.get(run.run_id, [])]
    by_cell: dict[str, list[NotebookCell]] = {}
    for one in sorted(found, key=lambda cell: cell.created_at):
        by_cell.setdefault(one.cell_id, []).append(one)
    stale = _stale(store, own, cell_runs, settings, now)
    return NotebookCells(
        paths=tuple(dict.fromkeys([str(own), *(run.notebook_path for run in runs if run.notebook_path)])),
        cells=tuple(
            msgspec.structs.replace(
                history[-1], expected_seconds=_expected_seconds(history), stale=stale.get(cell_id, "")
            )
            for cell_id, history in by_cell.items()
        ),
    )


def _interactive_runs(store: RunStore, path: Path) -> list[Run]:
    """Return the runs of task cells in open kernels of this notebook, the newest first."""
    place = path.resolve()
    places: dict[str, Path] = {}
    found = []
    for run in store.list_runs(limit=_INTERACTIVE_RUNS, kind=RunKind.INTERACTIVE, flow_name=path.stem):
        if run.notebook_path is not None:
            if run.notebook_path not in places:
                places[run.notebook_path] = Path(run.notebook_path).resolve()
            if places[run.notebook_path] == place:
                found.append(run)
    return found


def _of_task(run: Run, task: TaskRun) -> NotebookCell:
    fields = {name: getattr(task, name) for name in _SHARED}
    return NotebookCell(
        **fields,
        cell_id=str(task.cell_id),
        run_name=run.name,
        task_run_id=task.task_run_id,
        name=task.name,
        error=error_view(task.error),
        created_at=task.created_at,
    )


def _of_cell(run: Run, cell: CellRun) -> NotebookCell:
    fields = {name: getattr(cell, name) for name in _SHARED}
    return NotebookCell(
        **fields,
        cell_id=cell.cell_id,
        run_name=run.name,
        task_run_id=None,
        name=cell.title,
        error=error_view(cell.error),
        created_at=cell.started_at or run.created_at,
    )


#: What the records of tasks and of cells have both.
_SHARED = "run_id state epoch attempt max_attempts message started_at ended_at is_cached".split()


def _expected_seconds(cells: Iterable[NotebookCell]) -> float | None:
    """Return the median duration of the last successes among what a cell did, the oldest first."""
    took = list(_durations(cells))[-_SUCCESSES:]
    return statistics.median(took) if took else None


def _durations(cells: Iterable[NotebookCell]) -> Iterator[float]:
    for cell in cells:
        if cell.state is State.COMPLETED and not cell.is_cached and cell.started_at and cell.ended_at:
            yield (cell.ended_at - cell.started_at).total_seconds()


def _stale(
    store: RunStore, path: Path, cell_runs: list[tuple[Run, list[CellRun]]], settings: Settings, now: datetime
) -> dict[str, str]:
    """Return cell id to why what was kept of it no longer holds, with the parameters of the last run that kept some."""
    keeping = next((run for run, cells in cell_runs if any(map(was_recorded, cells))), None)
    if keeping is None:
        return {}
    from orchestra_nb.operations.notebook_plan import stale_cells

    request = NotebookRequest(path=str(path), run_id=keeping.run_id, parameters=keeping.parameters)
    try:
        return stale_cells(store, request, settings, now)
    except OrchestraError:
        # what cannot be run now, because it is gone or is being edited, says so where it is run
        return {}
