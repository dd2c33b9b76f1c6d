"""What has not ended of the runs that somebody tells of, and the events that end it when nobody drives it any more.

What ran is ended as whatever became of who drove it; what had not begun is CANCELLED.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from orchestra_nb.model.events import (
    CellRunChanged,
    Event,
    RunCreated,
    RunStateChanged,
    RunSuspended,
    TaskRunCreated,
    TaskRunStateChanged,
    apply_to_run,
    apply_to_task,
)
from orchestra_nb.model.runs import CellRun, ErrorInfo, Run, TaskRun
from orchestra_nb.model.states import State


class OpenRuns:
    """Runs, tasks and cells that were told of and have not ended. Belongs to one thread; keeps nothing that has ended.

    Tasks and cells may be those of a run that is not told of.
    """

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._tasks: dict[str, TaskRun] = {}
        self._cells: dict[tuple[str, int], CellRun] = {}

    def __bool__(self) -> bool:
        return bool(self._runs or self._tasks or self._cells)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._runs

    def note(self, event: Event) -> None:
        """Take what happened."""
        match event:
            case RunCreated(run=run):
                self._keep_run(run)
            case RunStateChanged(run_id=run_id) if run_id in self._runs:
                self._keep_run(apply_to_run(self._runs[run_id], event))
            case RunSuspended(run_id=run_id):  # nobody is to drive it
                self._runs.pop(run_id, None)
            case TaskRunCreated(task_run=task):
                self._keep_task(task)
            case TaskRunStateChanged(task_run_id=task_run_id) if task_run_id in self._tasks:
                self._keep_task(apply_to_task(self._tasks[task_run_id], event))
            case CellRunChanged(cell=cell):
                self._cells[cell.run_id, cell.index] = cell
                if cell.state.is_terminal:
                    del self._cells[cell.run_id, cell.index]

    def end(self, state: State, message: str, at: datetime) -> Sequence[Event]:
        """Return the events that end all of it, tasks and cells before their runs; nothing is open then.

        Parameters
        ----------
        state
            What runs end in that had not ended: CRASHED, TIMED_OUT or CANCELLED.
        """
        events: list[Event] = [
            *(task_ended(task, state, message, at) for task in self._tasks.values()),
            *(cell_ended(cell, state, message, at) for cell in self._cells.values()),
            *(
                RunStateChanged(run_id=run.run_id, state=state, at=at, epoch=run.epoch, message=message)
                for run in reversed(self._runs.values())  # a run after those that it started
            ),
        ]
        for kept in (self._tasks, self._cells, self._runs):
            kept.clear()
        return events

    def _keep_run(self, run: Run) -> None:
        self._runs[run.run_id] = run
        if run.state.is_terminal:  # what it did not reach stays as it was
            del self._runs[run.run_id]
            for key in [key for key, cell in self._cells.items() if key[0] == run.run_id]:
                if self._cells[key].state is State.PENDING:
                    del self._cells[key]

    def _keep_task(self, task: TaskRun) -> None:
        self._tasks[task.task_run_id] = task
        if task.state.is_terminal:
            del self._tasks[task.task_run_id]


def task_ended(
    task: TaskRun, state: State, message: str, at: datetime, *, actor: str = "driver"
) -> TaskRunStateChanged:
    """Return how a task ends that nobody drives any more; ``state`` is how its run ends.

    What had begun is CRASHED, unless somebody asked for its end.
    """
    is_lost = has_begun(task.state) and state is not State.CANCELLED
    return TaskRunStateChanged(
        run_id=task.run_id,
        task_run_id=task.task_run_id,
        state=State.CRASHED if is_lost else State.CANCELLED,
        at=at,
        epoch=task.epoch,
        attempt=task.attempt,
        message=message,
        actor=actor,
    )


def cell_ended(cell: CellRun, state: State, message: str, at: datetime) -> CellRunChanged:
    """Return how a cell ends that nobody runs any more; ``state`` is for one that ran."""
    if not has_begun(cell.state):
        return CellRunChanged(cell=msgspec.structs.replace(cell, state=State.CANCELLED, ended_at=at))
    error = ErrorInfo(type="KernelDied", message=message, cell=cell.name)
    return CellRunChanged(cell=msgspec.structs.replace(cell, state=state, ended_at=at, error=error))


def has_begun(state: State) -> bool:
    """Tell whether code is being run in this state."""
    return state in (State.RUNNING, State.CANCELLING)
