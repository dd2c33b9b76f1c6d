"""What ``--parallel`` does with a notebook: the analysis, the times of earlier runs and the cluster, put together."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestra_nb.model.ahead_plans import AheadCell, AheadPlan
from orchestra_nb.notebooks.ahead_plan import CLUSTER_START_SECONDS, plan_cells_ahead
from orchestra_nb.notebooks.dataflow import analyse_notebook
from orchestra_nb.notebooks.document import INJECTED_TAG, read_notebook, tags_of
from orchestra_nb.notebooks.kernelspecs import kernel_language
from orchestra_nb.operations.cell_history import runs_of_notebook, seconds_of

if TYPE_CHECKING:
    from orchestra_nb.operations.notebook_request import PreparedRun
    from orchestra_nb.settings import Settings
    from orchestra_nb.store.run_store import RunStore


def plan_run(prepared: PreparedRun, settings: Settings) -> AheadPlan:
    """Return the plan of a run that is about to begin."""
    notebook = json.loads(prepared.spec.notebook_json)
    if (language := kernel_language(prepared.spec.kernel_name)) != "python":
        return AheadPlan(cells=_cells_of(notebook), why=f"the kernel runs {language}, and not Python")
    if prepared.spec.cell_timeout_seconds is not None:
        return AheadPlan(cells=_cells_of(notebook), why="each cell has a time limit, which the kernel keeps")
    cluster = prepared.run.cluster or settings.cluster
    return plan_parallel(notebook, prepared.spec.input_path, settings, cluster=cluster)


def plan_parallel(notebook: Mapping[str, Any], path: str, settings: Settings, *, cluster: str = "local") -> AheadPlan:
    """Return which cells of a notebook would run ahead, and what that gains.

    Parameters
    ----------
    notebook
        As :func:`~orchestra_nb.notebooks.document.read_notebook` gives it.
    path
        Where it is: runs of the notebook at this path tell how long its cells take.
    """
    cells = [cell for cell in notebook.get("cells", ()) if cell.get("cell_type") == "code"]
    sources = [str(cell["source"]) for cell in cells]
    try:
        "".join(sources).encode()
    except UnicodeEncodeError:
        return AheadPlan(cells=(), why="its text has characters that cannot be sent")
    workers, start_seconds = _workers(cluster, settings)
    return plan_cells_ahead(
        analyse_notebook(notebook, path),
        sources,
        cell_seconds(cells, path, settings),
        workers=workers,
        cluster_start_seconds=start_seconds,
        runs=[bool(cell["source"].strip()) and "skip-execution" not in tags_of(cell) for cell in cells],
        has_environment=cluster == "local",
        injected_at=next((index for index, cell in enumerate(cells) if INJECTED_TAG in tags_of(cell)), None),
    )


def _cells_of(notebook: Mapping[str, Any]) -> tuple[AheadCell, ...]:
    sources = [str(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return tuple(AheadCell(index=index, source=source) for index, source in enumerate(sources))


def cell_seconds(cells: list[Mapping[str, Any]], path: str, settings: Settings) -> dict[int, float]:
    """Return cell to the time that it took when it last ran well with the source that it has now.

    The source is taken from the notebook that the run executed. A cell that has never run has none.
    """
    from orchestra_nb.operations.opening import open_store

    try:
        store = open_store(settings)
    except Exception:  # without a store there are guesses
        return {}
    return _from_history(store, cells, path)


def _from_history(store: RunStore, cells: list[Mapping[str, Any]], path: str) -> dict[int, float]:
    found: dict[int, float] = {}
    for run, cell_runs in runs_of_notebook(store, Path(path)):
        if len(found) == len(cells):
            break
        sources = {} if run.output_path is None else _sources_of(run.output_path)
        for cell_run in cell_runs:
            if (seconds := seconds_of(cell_run)) is None:
                continue
            source = sources.get(cell_run.index)
            for index, cell in enumerate(cells):
                if cell["source"] == source:
                    found.setdefault(index, seconds)
    return found


def _sources_of(path: str) -> dict[int, str]:
    try:
        notebook = read_notebook(Path(path))
    except Exception:  # it was moved, or changed by somebody
        return {}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return {index: str(cell["source"]) for index, cell in enumerate(code)}


def _workers(cluster: str, settings: Settings) -> tuple[int, float]:
    """Return how many cells run beside the kernel, and in how many seconds they can begin."""
    if cluster != "local":
        return 8, 0.5  # nobody is asked before there is something to run
    from orchestra_nb.engine.local_cluster import local_cluster_status

    workers = settings.cluster_workers or os.cpu_count() or 1
    return workers, 0.0 if local_cluster_status() is not None else CLUSTER_START_SECONDS
