"""What is seen of flows: how their last runs went, what became of each task in them, and what runs them next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.errors import RunNotFound
from orchestra_nb.model.deployments import NotebookTarget
from orchestra_nb.model.run_statistics import Percentiles, Tally
from orchestra_nb.model.runs import INJECTED_CELL_ID, CellRun
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.operations.deployment_views import next_due
from orchestra_nb.operations.deployments import deployment_store
from orchestra_nb.operations.notebook_places import notebooks_of_flow, paths_of_notebook

if TYPE_CHECKING:
    from orchestra_nb.store.flow_history import PastRun, TaskTally
    from orchestra_nb.store.run_store import RunStore

#: So many runs, the newest, make up the rates and durations of a flow.
COUNTED_RUNS: Final = 100

#: So many outcomes stand in the list of flows.
LISTED_OUTCOMES: Final = 12

#: At most so many tasks are in a matrix.
MAX_MATRIX_TASKS: Final = 100

#: Which state several task runs are shown in: the first that one of them has.
_TELLING: Final = (
    *(State.FAILED, State.TIMED_OUT, State.CRASHED, State.UPSTREAM_FAILED),
    *(State.RUNNING, State.RETRYING, State.PAUSED, State.CANCELLING, State.PENDING, State.SCHEDULED),
    *(State.CANCELLED, State.SKIPPED, State.MISSED, State.COMPLETED),
)


class FlowOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a flow, as its history shows it."""

    run_id: str
    name: str
    notebook_path: str | None
    state: State
    message: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class FlowDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment of a flow; ``next_at`` is when it is due next, None for never."""

    name: str
    version: int
    is_paused: bool
    next_at: datetime | None


class FlowSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A flow as lists show it.

    Parameters
    ----------
    counted
        How many of its newest runs ended well or failed.
    success_rate
        Those of them that ended well: from 0 to 1, None where there are none.
    duration
        Of those that ended well without a retry or a resumption; None where there are none.
    outcomes
        Its newest runs that do not wait to be started, the newest first.
    next_at
        When the first of its deployments is due next; None for never.
    notebooks
        The notebooks that ran under this name of late, by their paths, the one that ran last first.
    """

    name: str
    counted: int
    success_rate: float | None
    duration: Percentiles | None
    outcomes: tuple[FlowOutcome, ...]
    deployments: tuple[FlowDeployment, ...]
    next_at: datetime | None
    notebooks: tuple[str, ...]


class MatrixCell(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a task in a run.

    Parameters
    ----------
    state
        Of several task runs the worst.
    is_cached
        Whether none of them was computed.
    count, failed
        How many task runs there are, and how many of them ended badly.
    seconds
        From the first start to the last end; None before that.
    """

    state: State
    is_cached: bool
    count: int
    failed: int
    seconds: float | None


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """A task, or a cell of a notebook without tasks, over the runs of a flow.

    Parameters
    ----------
    name
        Of the task, without the number that tells its runs apart; the title of the cell, which may be empty.
    cell_number
        As people count in their own file, from 1; None for a task.
    cells
        One for each run, in the order of the runs; None where the run has no such task.
    """

    name: str
    cell_number: int | None
    cells: tuple[MatrixCell | None, ...]


class FlowDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A flow with its last runs.

    Parameters
    ----------
    notebook
        The path of the notebook that all but the list of notebooks is of; None for all that run under the name.
    runs
        The newest that do not wait to be started, the newest first.
    tasks
        What became of each task in these runs, in the order of their creation.
    is_cut
        Whether there are more tasks than are listed.
    """

    flow: FlowSummary
    notebook: str | None
    runs: tuple[FlowOutcome, ...]
    tasks: tuple[MatrixRow, ...]
    is_cut: bool


def flow_names(store: RunStore) -> list[str]:
    """Return the names of all flows that have run or are deployed, sorted."""
    deployed = {one.spec.flow_name for one in deployment_store(store).list_deployments()}
    return sorted(store.flow_names() | deployed)


def flow_summaries(store: RunStore, names: Sequence[str], now: datetime) -> tuple[FlowSummary, ...]:
    """Return flows as lists show them, in the order of the names; O(flows), whatever their history."""
    from orchestra_nb.store.flow_history import FlowHistory

    history = FlowHistory(store.database).newest(names, COUNTED_RUNS)
    deployed = _deployments(store, now)
    return tuple(_summary(name, history[name], deployed.get(name, [])) for name in names)


def show_flow(
    store: RunStore, name: str, now: datetime, *, most_runs: int = 30, notebook: str | None = None
) -> FlowDetails:
    """Return one flow with its last runs and what became of its tasks in them.

    Parameters
    ----------
    most_runs
        At most so many runs, up to :data:`COUNTED_RUNS`.
    notebook
        Only what is of the notebook at this path, whichever link leads to it; None for all.

    Raises
    ------
    RunNotFound
        No run and no deployment has a flow of this name.
    InvalidInput
        No notebook can have such a path.
    """
    from orchestra_nb.store.flow_history import FlowHistory

    history = FlowHistory(store.database)
    paths = None if notebook is None else paths_of_notebook(store, notebook, name)
    past = history.newest([name], COUNTED_RUNS, notebook_paths=paths)[name]
    deployed = _deployments(store, now, paths).get(name, [])
    if not past and not deployed and name not in flow_names(store):
        raise RunNotFound(f"No run and no deployment has a flow {name!r}. `orchestra stats` lists all that have run.")
    shown = past[:most_runs]
    run_ids = [run.run_id for run in shown]
    rows = _task_rows(run_ids, history.tasks(run_ids)) or _cell_rows(run_ids, history.cells(run_ids))
    return FlowDetails(
        flow=msgspec.structs.replace(_summary(name, past, deployed), notebooks=notebooks_of_flow(store, name)),
        notebook=None if paths is None else next((one.notebook_path for one in past if one.notebook_path), paths[0]),
        runs=tuple(map(_outcome, shown)),
        tasks=tuple(rows[:MAX_MATRIX_TASKS]),
        is_cut=len(rows) > MAX_MATRIX_TASKS,
    )


def _deployments(
    store: RunStore, now: datetime, notebook_paths: Collection[str] | None = None
) -> dict[str, list[FlowDeployment]]:
    """Return flow to its deployments, by name; those of a notebook with one of these paths, where some are given."""
    due = next_due(store, now)
    found: dict[str, list[FlowDeployment]] = {}
    for one in deployment_store(store).list_deployments():
        path = one.spec.target.path if isinstance(one.spec.target, NotebookTarget) else None
        if notebook_paths is not None and path not in notebook_paths:
            continue
        view = FlowDeployment(name=one.name, version=one.version, is_paused=one.is_paused, next_at=due.get(one.name))
        found.setdefault(one.spec.flow_name, []).append(view)
    return found


def _summary(name: str, past: Sequence[PastRun], deployed: Sequence[FlowDeployment]) -> FlowSummary:
    tally = Tally()
    for run in past:
        # one that was retried or resumed has the time of its last part alone
        is_whole = run.epoch == 1
        tally.add(run.run_id, run.state, _seconds(run.started_at, run.ended_at) if is_whole else None)
    figures = tally.figures()
    return FlowSummary(
        name=name,
        counted=figures.completed + figures.failed,
        success_rate=figures.success_rate,
        duration=figures.duration,
        outcomes=tuple(map(_outcome, past[:LISTED_OUTCOMES])),
        deployments=tuple(deployed),
        next_at=min((one.next_at for one in deployed if one.next_at is not None), default=None),
        notebooks=tuple(dict.fromkeys(run.notebook_path for run in past if run.notebook_path is not None)),
    )


def _outcome(run: PastRun) -> FlowOutcome:
    return FlowOutcome(
        run_id=run.run_id,
        name=run.name,
        notebook_path=run.notebook_path,
        state=run.state,
        message=run.message,
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


def _task_rows(run_ids: Sequence[str], tallies: Iterable[TaskTally]) -> list[MatrixRow]:
    """Return a row for each name of a task, in the order in which the newest run that has it made them."""
    of_name: dict[str, dict[str, list[TaskTally]]] = {}
    for tally in tallies:
        of_name.setdefault(tally.name, {}).setdefault(tally.run_id, []).append(tally)
    newest = {run_id: place for place, run_id in enumerate(run_ids)}

    def place_of(name: str) -> tuple[int, int]:
        place, run_id = min((newest[run_id], run_id) for run_id in of_name[name])
        return place, min(tally.first_number for tally in of_name[name][run_id])

    return [
        MatrixRow(
            name=name,
            cell_number=None,
            cells=tuple(_cell_of_tallies(of_name[name].get(run_id, [])) for run_id in run_ids),
        )
        for name in sorted(of_name, key=place_of)
    ]


def _cell_of_tallies(tallies: Sequence[TaskTally]) -> MatrixCell | None:
    if not tallies:
        return None
    states = {tally.state for tally in tallies}
    starts = [tally.started_at for tally in tallies if tally.started_at is not None]
    ends = [tally.ended_at for tally in tallies if tally.ended_at is not None]
    has_ended = all(state.is_terminal for state in states)
    return MatrixCell(
        state=next(state for state in _TELLING if state in states),
        is_cached=all(tally.is_cached for tally in tallies),
        count=sum(tally.count for tally in tallies),
        failed=sum(tally.count for tally in tallies if tally.state in FAILURE_STATES),
        seconds=_seconds(min(starts), max(ends)) if starts and ends and has_ended else None,
    )


def _cell_rows(run_ids: Sequence[str], cells: dict[str, list[CellRun]]) -> list[MatrixRow]:
    """Return a row for each cell of a notebook, told by its id, in the order of the newest run that has it."""
    of_cell: dict[str, dict[str, CellRun]] = {}
    for run_id in run_ids:
        for cell in cells.get(run_id, []):
            if cell.cell_id != INJECTED_CELL_ID:
                of_cell.setdefault(cell.cell_id or f"#{cell.index}", {})[run_id] = cell
    rows = []
    for of_run in of_cell.values():
        newest = next(iter(of_run.values()))
        number = newest.index + 1 if newest.number is None else newest.number
        row = MatrixRow(
            name=newest.title,
            cell_number=number,
            cells=tuple(_cell_of_run(of_run.get(run_id)) for run_id in run_ids),
        )
        rows.append(row)
    return sorted(rows, key=lambda row: row.cell_number or 0)


def _cell_of_run(cell: CellRun | None) -> MatrixCell | None:
    if cell is None:
        return None
    return MatrixCell(
        state=cell.state,
        is_cached=cell.is_cached,
        count=1,
        failed=int(cell.state in FAILURE_STATES),
        seconds=_seconds(cell.started_at, cell.ended_at),
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return max(0.0, round((end - start).total_seconds(), 3))
