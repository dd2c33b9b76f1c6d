"""How long the cells of a notebook took in its earlier runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.model.runs import CellRun, Run, RunKind
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: So many runs of notebooks of this name are looked through, from the newest.
_NEWEST_RUNS = 20


def runs_of_notebook(store: RunStore, path: Path) -> Iterator[tuple[Run, list[CellRun]]]:
    """Yield the runs of the notebook at a path, from the newest, with their cells.

    Links are followed: a notebook has one history, whatever its path.
    """
    place = path.resolve()
    for run in store.list_runs(limit=_NEWEST_RUNS, kind=RunKind.NOTEBOOK, flow_name=path.stem):
        if run.notebook_path is not None and Path(run.notebook_path).resolve() == place:
            yield run, store.cell_runs(run.run_id)


def was_recorded(cell: CellRun) -> bool:
    """Tell whether a cell is of a run with ``--cache``: it was replayed, or its message says why it was not."""
    return cell.is_cached or bool(cell.message)


def seconds_of(cell: CellRun) -> float | None:
    """Return how long a cell ran that ran well; None for any other, and for one that was replayed."""
    is_timed = cell.state is State.COMPLETED and not cell.is_cached
    if not is_timed or cell.started_at is None or cell.ended_at is None:
        return None
    return (cell.ended_at - cell.started_at).total_seconds()
