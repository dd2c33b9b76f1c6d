"""Says from where a run is resumed: from a cell of its notebook or a task of its flow; or why it cannot be.

The cells above are replayed from what was kept, as in any retry of a run with ``--cache``; that one and all below it
run. Of a flow in Python the task runs, and what depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from orchestra_nb.errors import Conflict, InvalidInput, InvalidTransition
from orchestra_nb.model.deployments import NotebookTarget
from orchestra_nb.model.runs import CellRun, Run, RunKind
from orchestra_nb.model.secret_values import HIDDEN, SECRET_KEY
from orchestra_nb.model.states import REOPENABLE_STATES, State
from orchestra_nb.model.task_names import told_names
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Why nothing was kept of the cells of a run.
NothingKept: TypeAlias = Literal["no_cache", "secrets"]

_NOTHING_KEPT: Final[Mapping[NothingKept, str]] = {
    "no_cache": "it ran without --cache",
    "secrets": "it has secret parameters",
}

#: The states from which a run can be resumed at a cell or a task.
RESUMABLE_STATES = REOPENABLE_STATES | {State.COMPLETED}

#: So many cells or tasks are named to whoever asked for one that is not there.
_MOST_NAMED = 30


@dataclass(frozen=True, slots=True)
class Resumption:
    """From where a run is resumed.

    Parameters
    ----------
    name
        The cell or the task in people's words.
    fresh_from_index, fresh_from_task
        As in :class:`~orchestra_nb.model.runs.Run`; one of them is given.
    """

    name: str
    fresh_from_index: int | None = None
    fresh_from_task: str | None = None


def find_resumption(store: RunStore, id_or_name: str, from_step: str) -> tuple[Run, Resumption]:
    """Return a run, and from where it is to be resumed.

    Parameters
    ----------
    from_step
        Of a notebook: a cell's id, or its number: code cells of the user's own file counted from 1. Of a flow in
        Python: the name of a task, for all its runs, or of one run of it. A run that has a name of its own is known
        by that alone.

    Raises
    ------
    RunNotFound
        There is no such run.
    InvalidTransition
        It has not ended, or never ran.
    InvalidInput
        It has no such cell or task; the message names those there are.
    Conflict
        It is a run of neither, it never came to its cells or tasks, or nothing was kept of the cells above.
    CodeNotFound
        What it executed is gone.
    """
    run = find_run(store, id_or_name)
    if run.kind not in _WHEN:
        reason = _WHY_NOT[run.kind].format(typed=typed_run(run))
        raise Conflict(f"Run {run.name} cannot be resumed from a step. {reason}")
    if run.state not in RESUMABLE_STATES:
        remedy = "" if run.state.is_terminal else f" `orchestra runs cancel {typed_run(run)}` ends it."
        raise InvalidTransition(f"Run {run.name} is {run.state}: {_WHEN[run.kind]}{remedy}")
    find = _find_cell if run.kind is RunKind.NOTEBOOK else _find_task
    return run, find(store, run, from_step.strip())


def resumed_by(start: Resumption, actor: str, note: str) -> str:
    """Return what the history of a run says of this."""
    return f"resumed from {start.name} by {actor}{f': {note}' if note else ''}"


#: From what runs of a kind can be resumed, and when.
_WHEN = {
    RunKind.NOTEBOOK: "it can be resumed from a cell when it has run and ended.",
    RunKind.FLOW: "it can be resumed from a task when it has run and ended.",
}

_WHY_NOT = {
    RunKind.TASK: "It is of a task alone: `orchestra runs retry {typed}` runs that again.",
    RunKind.INTERACTIVE: "Its tasks are cells of an open notebook: run that cell and those below it there.",
    RunKind.SWEEP: "It is a sweep: name one of its runs, each of which is of a notebook.",
}


def _find_cell(store: RunStore, run: Run, words: str) -> Resumption:
    cells = store.cell_runs(run.run_id)
    if not cells:
        raise Conflict(
            f"Run {run.name} cannot be resumed from a cell: it never came to its cells. `orchestra runs retry "
            f"{typed_run(run)}` runs them all."
        )
    cell = _named(run, cells, words)
    has_cells_above = any(other.index < cell.index and other.number != 0 for other in cells)
    if has_cells_above and (reason := why_nothing_kept(store, run)):
        raise Conflict(
            f"Run {run.name} cannot be resumed from {cell.name}: {_NOTHING_KEPT[reason]}, so nothing was kept of the "
            f"cells above it. It can be resumed from cell 1: `orchestra runs retry {typed_run(run)} --from 1`."
        )
    return Resumption(cell.name, fresh_from_index=cell.index)


def _find_task(store: RunStore, run: Run, words: str) -> Resumption:
    """Find it among the tasks of all epochs: the newest one may have ended before it came to the named one."""
    tasks = store.task_runs(run.run_id)
    names = list(dict.fromkeys(task.name for task in tasks))
    if not names:
        raise Conflict(
            f"Run {run.name} cannot be resumed from a task: it never came to its tasks. `orchestra runs retry "
            f"{typed_run(run)}` runs them all."
        )
    known = told_names(tasks)
    if words not in names and words not in known:
        own = next((name for name in names if name not in known), None)
        one = "" if own is None else f" One run of a task is named by its own name, such as {own}."
        raise InvalidInput(
            f"Run {run.name} has no task {words[:100]!r}. Its tasks: {_listed(known)}.{one}",
            {"/from_task": "No task of this run."},
        )
    return Resumption(f"task {words}", fresh_from_task=words)


def _named(run: Run, cells: list[CellRun], words: str) -> CellRun:
    """Return the cell of this id or number; an id may look like a number, and comes first."""
    for cell in cells:
        if cell.cell_id == words:
            return cell
    numbers = {cell.index + 1 if cell.number is None else cell.number: cell for cell in cells}
    if words.isdecimal() and words.isascii() and (found := numbers.get(int(words[:9]))) is not None and int(words):
        return found
    named = [f"{number} ({cell.cell_id})" for number, cell in numbers.items() if number]
    raise InvalidInput(
        f"Run {run.name} has no cell {words[:100]!r}. Its cells, by number and id: {_listed(named)}.",
        {"/from_cell": "No cell of this run."},
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


def why_nothing_kept(store: RunStore, run: Run) -> NothingKept | None:
    """Return why nothing was kept of the cells of a run; None where something may have been.

    Raises
    ------
    CodeNotFound
        How it was asked for is not known any more.
    """
    if not _was_cached(store, run):
        return "no_cache"
    return "secrets" if any(map(_is_secret, run.parameters.values())) else None


def earliest_cell(store: RunStore, run: Run) -> CellRun | None:
    """Return the cell from which a run can be resumed where nothing was kept of it: its first; None without cells."""
    if run.kind is not RunKind.NOTEBOOK or run.state not in RESUMABLE_STATES:
        return None
    return next((cell for cell in store.cell_runs(run.run_id) if cell.number != 0), None)


def _was_cached(store: RunStore, run: Run) -> bool:
    from orchestra_nb.operations.run_snapshot import request_again
    from orchestra_nb.store.deployment_store import DeploymentStore

    if run.deployment is None or run.deployment_version is None:
        return request_again(run).is_cached
    target = DeploymentStore(store.database).version(run.deployment, run.deployment_version).spec.target
    return isinstance(target, NotebookTarget) and target.is_cached


def _is_secret(value: object) -> bool:
    return value == HIDDEN or (isinstance(value, dict) and set(value) == {SECRET_KEY})
