"""Runs, tasks and cells as views read them: the stored records, with what has to be worked out from others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from orchestra_nb.model.runs import CellRun, ErrorInfo, Run, RunKind, TaskRun
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.operations.run_waits import tell_waits

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


#: Expected durations that one call looks up: ten thousand mapped tasks have as many names, at two milliseconds each.
_MOST_NAMES: Final = 50


class TaskCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many task runs a run has: all, those that have ended in any way, and those that ended badly."""

    total: int = 0
    done: int = 0
    failed: int = 0


class RunSummary(Run, frozen=True, kw_only=True):
    """A run, with the number of its task runs; non-finite floats in its parameters are tagged, as in the store."""

    tasks: TaskCounts


class ErrorView(ErrorInfo, frozen=True, kw_only=True, omit_defaults=False):
    """An error with all its fields, as views read it."""


class TaskView(TaskRun, frozen=True, kw_only=True):
    """A task run, with the median duration of its last successes; None before the first, or where not looked up."""

    error: ErrorView | None = None
    expected_seconds: float | None = None


class CellView(CellRun, frozen=True, kw_only=True):
    """A cell of a notebook run, as views read it."""

    error: ErrorView | None = None


class TaskOfFlow(NamedTuple):
    """What task runs that can be compared have in common; notebooks in different places may have one name."""

    flow_name: str
    name: str
    notebook_path: str | None

    @classmethod
    def of(cls, task: TaskRun, run: Run) -> TaskOfFlow:
        """Return that of a task run."""
        return cls(run.flow_name, task.name, run.notebook_path)


def run_summaries(store: RunStore, runs: Sequence[Run]) -> tuple[RunSummary, ...]:
    """Return runs with the numbers of their task runs; of a sweep with those of its child runs.

    The message of one that waits, to be started or for people, says what it waits for.
    """
    sweeps = [run.run_id for run in runs if run.kind is RunKind.SWEEP]
    counts_of = store.task_counts([run.run_id for run in runs]) | (store.child_counts(sweeps) if sweeps else {})
    return tuple(run_summary(run, counts_of.get(run.run_id, {})) for run in tell_waits(store, runs))


def task_views(
    store: RunStore,
    tasks: Iterable[TaskRun],
    runs: Iterable[Run],
    known: MutableMapping[TaskOfFlow, float | None] | None = None,
) -> tuple[TaskView, ...]:
    """Return task runs with their expected durations.

    Of those of many names, as mapped tasks have, only some are looked up: of what has not ended before the rest.

    Parameters
    ----------
    runs
        Those that the tasks are of.
    known
        Task to the expected duration, for whoever calls again and again and sees every completion: only what is
        missing, or changed by a completion among ``tasks``, is read (about 2 ms each).
    """
    known = {} if known is None else known
    of_run = {run.run_id: run for run in runs}
    keyed = [(TaskOfFlow.of(task, of_run[task.run_id]), task) for task in tasks]
    for key in {key for key, task in keyed if task.state is State.COMPLETED}:
        known.pop(key, None)
    by_end = sorted(keyed, key=lambda one: one[1].state.is_terminal)
    wanted = dict.fromkeys(key for key, _ in by_end if key not in known)
    for key in itertools.islice(wanted, _MOST_NAMES):
        known[key] = store.expected_seconds(*key)
    views = []
    for key, task in keyed:
        fields = msgspec.structs.asdict(task) | {"error": error_view(task.error)}
        views.append(TaskView(expected_seconds=known.get(key), **fields))
    return tuple(views)


def cell_views(cells: Iterable[CellRun]) -> tuple[CellView, ...]:
    """Return cells as views read them."""
    return tuple(CellView(**(msgspec.structs.asdict(cell) | {"error": error_view(cell.error)})) for cell in cells)


def error_view(error: ErrorInfo | None) -> ErrorView | None:
    """Return an error as views read it."""
    return None if error is None else ErrorView(**msgspec.structs.asdict(error))


def run_summary(run: Run, count_of: Mapping[State, int]) -> RunSummary:
    """Return a run with the numbers of its task runs; ``count_of`` holds how many are in each state."""
    counts = TaskCounts(
        total=sum(count_of.values()),
        done=sum(count for state, count in count_of.items() if state.is_terminal),
        failed=sum(count for state, count in count_of.items() if state in FAILURE_STATES),
    )
    return RunSummary(tasks=counts, **msgspec.structs.asdict(run))
