"""What changed in the store since a sequence number, as the full newest records: the base of every live view."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.stream_views import EVERYTHING, StreamView
from orchestra_nb.operations.run_views import (
    CellView,
    RunSummary,
    TaskOfFlow,
    TaskView,
    cell_views,
    run_summaries,
    task_views,
)

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Changes that one reader may lag behind before it is told to read everything anew.
MAX_BEHIND = 5_000

#: Changes that go into one answer.
MAX_CHANGES = 1_000


class RunChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is new up to ``sequence``.

    Parameters
    ----------
    sequence
        Pass it as ``since`` for what follows.
    reset
        The changes are not kept, or too many: read the runs anew, then go on from ``sequence``.
    runs
        Runs that changed, or whose task runs did, and those above a flow's: their message tells what it asks.
    logs
        The ids of runs that logged something.
    artifacts, inputs
        The ids of runs whose artifacts, or whose questions to people, are new or have changed; an empty one for
        artifacts of no run.
    lists
        Which lists have changed that have no sequence numbers, and are to be read anew: ``"deployments"``,
        ``"alerts"``, ``"pools"``. Found by :func:`list_marks`, not by :func:`changes_since`.
    """

    sequence: int
    reset: bool = False
    runs: tuple[RunSummary, ...] = ()
    tasks: tuple[TaskView, ...] = ()
    cells: tuple[CellView, ...] = ()
    logs: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


def last_sequence(store: RunStore) -> int:
    """Return the sequence number of the newest change, 0 in an empty store."""
    from orchestra_nb.store.event_log import EventLog

    return EventLog(store.database).last_sequence()


def list_marks(store: RunStore) -> dict[str, str]:
    """Return list to a text that is another one after each of its changes, of lists that have no sequence numbers."""
    from orchestra_nb.store.list_marks import ListMarks

    return ListMarks(store.database).read()


def changes_since(
    store: RunStore,
    sequence: int,
    expected: MutableMapping[TaskOfFlow, float | None] | None = None,
    *,
    view: StreamView = EVERYTHING,
    limit: int = MAX_CHANGES,
) -> RunChanges:
    """Return what changed after ``sequence``, at most ``limit`` changes at once.

    The records are those of now, so they may be newer than the ``sequence`` of the answer, never older.

    Parameters
    ----------
    expected
        As ``known`` of :func:`~orchestra_nb.operations.run_views.task_views`.
    view
        Only what this has. Of what else there is only the sequence number tells.
    """
    from orchestra_nb.store.event_log import EventLog

    log = EventLog(store.database)
    newest = log.last_sequence()
    if sequence > newest:
        return RunChanges(sequence=newest, reset=True)
    if sequence < newest - MAX_BEHIND and (
        not view.runs or log.count_behind(sequence, MAX_BEHIND + 1, view) > MAX_BEHIND
    ):
        return RunChanges(sequence=newest, reset=True)
    changes = log.changes_since(sequence, limit, until=newest, view=view)
    if sequence < log.deleted_until():  # asked last: some may have been deleted just now
        return RunChanges(sequence=newest, reset=True)
    tasks = store.get_task_runs(changes.tasks)
    runs = store.get_runs(dict.fromkeys((*changes.runs, *(task.run_id for task in tasks))))
    return RunChanges(
        sequence=changes.sequence,
        runs=run_summaries(store, (*runs, *_above(store, runs, view))) if "runs" in view.parts else (),
        tasks=task_views(store, tasks, runs, expected) if "tasks" in view.parts else (),
        cells=_cells(store, changes.cells),
        logs=changes.logs,
        artifacts=changes.artifacts,
        inputs=changes.inputs,
    )


def _above(store: RunStore, runs: Collection[Run], view: StreamView) -> list[Run]:
    """Return the runs above these flows that a view has; with a condition it has only those that change themselves."""
    if any((view.flow, view.deployment, view.kind, view.owner)):
        return []
    known, above = {run.run_id for run in runs}, []
    level: Collection[Run] = runs
    while level:
        wanted = {run.parent_run_id for run in level if run.kind is RunKind.FLOW and run.parent_run_id} - known
        level = store.get_runs(wanted) if wanted else []
        known |= wanted
        above += [run for run in level if not view.runs or run.run_id in view.runs]
    return above


def _cells(store: RunStore, keys: Collection[tuple[str, int]]) -> tuple[CellView, ...]:
    wanted = set(keys)
    found = (cell for run_id in sorted({run_id for run_id, _ in wanted}) for cell in store.cell_runs(run_id))
    return cell_views(cell for cell in found if (cell.run_id, cell.index) in wanted)
