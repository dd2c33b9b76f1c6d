"""Says from which cell the notebook of a run is resumed, or why it cannot be.

The cells above are replayed from what was kept, as in any retry of a run with ``--cache``; that one and all below it
run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_nb.errors import Conflict, InvalidInput, InvalidTransition
from orchestra_nb.model.deployments import NotebookTarget
from orchestra_nb.model.runs import CellRun, Run, RunKind
from orchestra_nb.model.secret_values import HIDDEN, SECRET_KEY
from orchestra_nb.model.states import REOPENABLE_STATES, State
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The states from which the notebook of a run can be resumed at a cell.
RESUMABLE_STATES = REOPENABLE_STATES | {State.COMPLETED}

#: So many cells are named to whoever asked for one that is not there.
_MOST_NAMED = 30


def find_resumption(store: RunStore, id_or_name: str, from_cell: str) -> tuple[Run, CellRun]:
    """Return a run, and the cell that its notebook is to be resumed from.

    Parameters
    ----------
    from_cell
        The cell's id, or its number: code cells of the user's own file counted from 1.

    Raises
    ------
    RunNotFound
        There is no such run.
    InvalidTransition
        It has not ended, or never ran.
    InvalidInput
        It has no such cell; the message names those there are.
    Conflict
        It is no run of a notebook, it never came to its cells, or nothing was kept of the cells above.
    CodeNotFound
        What it executed is gone.
    """
    run = find_run(store, id_or_name)
    if run.kind is not RunKind.NOTEBOOK:
        raise Conflict(f"Run {run.name} cannot be resumed from a cell. {_WHY_NOT[run.kind].format(name=run.name)}")
    if run.state not in RESUMABLE_STATES:
        remedy = "" if run.state.is_terminal else f" `orchestra runs cancel {run.name}` ends it."
        raise InvalidTransition(
            f"Run {run.name} is {run.state}: it can be resumed from a cell when it has run and ended.{remedy}"
        )
    cells = store.cell_runs(run.run_id)
    if not cells:
        raise Conflict(
            f"Run {run.name} cannot be resumed from a cell: it never came to its cells. `orchestra runs retry "
            f"{run.name}` runs them all."
        )
    cell = _named(run, cells, from_cell.strip())
    has_cells_above = any(other.index < cell.index and other.number != 0 for other in cells)
    if has_cells_above and (reason := _why_nothing_kept(store, run)):
        raise Conflict(
            f"Run {run.name} cannot be resumed from {cell.name}: {reason}, so nothing was kept of the cells above it. "
            "It can be resumed from cell 1."
        )
    return run, cell


def resumed_by(cell: CellRun, actor: str, note: str) -> str:
    """Return what the history of a run says of this."""
    return f"resumed from {cell.name} by {actor}{f': {note}' if note else ''}"


_WHY_NOT = {
    RunKind.FLOW: "It is of a flow in Python: where it did not end well, `orchestra runs retry {name}` runs it again "
    "without the tasks whose results were persisted.",
    RunKind.TASK: "It is of a task alone: `orchestra runs retry {name}` runs that again.",
    RunKind.INTERACTIVE: "Its tasks are cells of an open notebook: run that cell and those below it there.",
    RunKind.SWEEP: "It is a sweep: name one of its runs, each of which is of a notebook.",
}


def _named(run: Run, cells: list[CellRun], words: str) -> CellRun:
    """Return the cell of this id or number; an id may look like a number, and comes first."""
    for cell in cells:
        if cell.cell_id == words:
            return cell
    numbers = {cell.index + 1 if cell.number is None else cell.number: cell for cell in cells}
    if words.isdecimal() and words.isascii() and (found := numbers.get(int(words[:9]))) is not None and int(words):
        return found
    named = [f"{number} ({cell.cell_id})" for number, cell in numbers.items() if number]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    raise InvalidInput(
        f"Run {run.name} has no cell {words[:100]!r}. Its cells, by number and id: "
        f"{', '.join(named[:_MOST_NAMED])}{more}.",
        {"/from_cell": "No cell of this run."},
    )


def _why_nothing_kept(store: RunStore, run: Run) -> str:
    """Return why nothing was kept of the cells of a run; empty where something may have been."""
    if not _was_cached(store, run):
        return "it ran without --cache"
    if any(map(_is_secret, run.parameters.values())):
        return "it has secret parameters"
    return ""


def _was_cached(store: RunStore, run: Run) -> bool:
    from orchestra_nb.operations.run_snapshot import request_again
    from orchestra_nb.store.deployment_store import DeploymentStore

    if run.deployment is None or run.deployment_version is None:
        return request_again(run).is_cached
    target = DeploymentStore(store.database).version(run.deployment, run.deployment_version).spec.target
    return isinstance(target, NotebookTarget) and target.is_cached


def _is_secret(value: object) -> bool:
    return value == HIDDEN or (isinstance(value, dict) and set(value) == {SECRET_KEY})
