"""The records of runs: what is stored, sent between processes and shown.

All times are aware UTC datetimes. All records are immutable; a newer record replaces an older one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Final

import msgspec

from orchestra_nb.model.numbers_in_file import cell_name, number_in_file
from orchestra_nb.model.states import State


class RunKind(str, Enum):
    """What a run executes."""

    #: a whole notebook, from top to bottom, in a kernel of its own
    NOTEBOOK = "notebook"
    #: one notebook with many combinations of parameters: its child runs are the notebook's
    SWEEP = "sweep"
    #: the task cells that somebody ran in an open notebook, from the first until all have ended
    INTERACTIVE = "interactive"
    #: a function under ``@flow``
    FLOW = "flow"
    #: a task that was called outside of any flow, with the tasks that it called
    TASK = "task"


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error of user code, as data.

    Parameters
    ----------
    type
        The class name (``"ValueError"``).
    message
        At most 2,000 characters.
    cell
        Where it happened, in people's words: a task's name, or ``"cell 4"`` (code cells counted from 1).
    line
        Line in that cell, from 1; None when unknown.
    source_line
        The user's own line of code at fault.
    traceback
        The whole trace as plain text, without colours.
    """

    type: str
    message: str
    cell: str | None = None
    line: int | None = None
    source_line: str | None = None
    traceback: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a flow.

    Parameters
    ----------
    run_id
        32 hexadecimal digits that sort by time of creation.
    name
        Short and memorable ("calm-fox"); not unique for ever, so commands take an id or the newest of a name.
    flow_name
        The notebook's stem, or the flow's name.
    epoch
        Starts at 1; a manual retry opens the next one.
    message
        Why the run is in its state: at most 2,000 characters.
    parameters
        Parameter name to value; non-finite floats are the strings of :mod:`orchestra_nb.model.jsonable`.
    driver_id
        The process that writes this run's states and holds its lease; None before one has claimed it.
    parent_run_id, parent_task_run_id
        The run, and the task in it, that started this one as a subflow.
    deployment, deployment_version
        The deployment that it is of, and which version of it.
    occurrence
        Which occurrence of the deployment it is, by :func:`~orchestra_nb.model.deployments.occurrence_key`; None for
        one that was asked for by hand.
    due_at
        When it is to start the first time; None for one that nobody let wait.
    pool
        The work pool in which it waits and goes on; None for one that nobody let wait.
    owner
        The name of the user whose it is: who asked for it, or whose the deployment or the run is that started it. None
        where that is not known.
    fresh_from_index
        Which cell of its notebook it was resumed from in this epoch, by :attr:`CellRun.index`: that and all below it
        run whatever was kept of them. None where nobody named one.
    fresh_from_task, fresh_since
        Which task of its flow it was last resumed from, by the name of the task or of one run of it, and when: of that
        and all that depends on it no result counts that was kept before. None where nobody named one.
    """

    run_id: str
    name: str
    flow_name: str
    kind: RunKind
    state: State
    created_at: datetime
    epoch: int = 1
    message: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    notebook_path: str | None = None
    output_path: str | None = None
    parameters: dict[str, object] = {}
    cluster: str | None = None
    tags: dict[str, str] = {}
    driver_id: str | None = None
    parent_run_id: str | None = None
    parent_task_run_id: str | None = None
    deployment: str | None = None
    deployment_version: int | None = None
    occurrence: str | None = None
    due_at: datetime | None = None
    pool: str | None = None
    owner: str | None = None
    fresh_from_index: int | None = None
    fresh_from_task: str | None = None
    fresh_since: datetime | None = None

    @property
    def id(self) -> str:
        """The run's id, by the name that hooks know it by."""
        return self.run_id


class TaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a task within a run.

    Parameters
    ----------
    attempt
        The number of attempts begun, 0 before the first.
    max_attempts
        1 + retries.
    worker
        Name of the worker that has, or last had, it.
    upstream
        The ids of the task runs that it waits for, in the order of their submission.
    cell_id
        The notebook cell's id, where the front end told it.
    is_cached
        Whether its result was there already: its code did not run.
    task_name
        The name of the task, where that of its run does not begin with it (``task_run_name``); None where it does.
    keeps_result
        Whether results of the task are kept, so that a retry finds this one; None where that is not known, and for a
        part of another task, which runs whenever that one does.
    """

    task_run_id: str
    run_id: str
    name: str
    state: State
    created_at: datetime
    epoch: int = 1
    attempt: int = 0
    max_attempts: int = 1
    message: str = ""
    error: ErrorInfo | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    worker: str | None = None
    upstream: tuple[str, ...] = ()
    cell_id: str | None = None
    tags: dict[str, str] = {}
    is_cached: bool = False
    task_name: str | None = None
    keeps_result: bool | None = None

    @property
    def id(self) -> str:
        """The task run's id, by the name that hooks know it by."""
        return self.task_run_id

    @property
    def flow_run_id(self) -> str:
        """The run that it belongs to, by the name that hooks know it by."""
        return self.run_id

    @property
    def run_count(self) -> int:
        """The number of attempts begun, by the name that hooks know it by."""
        return self.attempt


def error_of(task: TaskRun) -> ErrorInfo | None:
    """Return the error that a task ended with, for whoever reads no states; None when it did not end badly.

    A process that died, a timeout or a failed upstream task leave no exception: their message stands for one.
    """
    kind = _ERROR_TYPES.get(task.state)
    if task.error is not None or kind is None:
        return task.error
    return ErrorInfo(type=kind, message=task.message)


#: the leaves of orchestra_nb.errors that these ends are raised as
_ERROR_TYPES = {
    State.CRASHED: "TaskCrashed",
    State.TIMED_OUT: "TaskTimedOut",
    State.UPSTREAM_FAILED: "UpstreamFailed",
}


#: The id of a cell that a run put into the notebook for its parameters: the user's own file has no such cell.
INJECTED_CELL_ID: Final = "injected-parameters"


class CellRun(msgspec.Struct, frozen=True, kw_only=True):
    """One code cell of a notebook run; ``index`` counts code cells of the executed notebook from 0.

    Parameters
    ----------
    epoch
        The run's epoch that it belongs to.
    attempt, max_attempts
        The attempt that it is in, from 1, and 1 + its retries.
    is_cached
        Whether it was replayed from what was kept: its code did not run.
    message
        Why it ran, or did not, where that is known: at most 2,000 characters.
    number
        Which code cell of the user's own file it is, from 1, and 0 for one that only the run has; None for the next one
        after ``index``, as in a run without such a cell (:func:`numbered`).
    """

    run_id: str
    index: int
    cell_id: str
    state: State
    title: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: ErrorInfo | None = None
    epoch: int = 1
    attempt: int = 1
    max_attempts: int = 1
    is_cached: bool = False
    message: str = ""
    number: int | None = None

    @property
    def name(self) -> str:
        """The cell in people's words: as they count in their own file."""
        return cell_name(self.index + 1 if self.number is None else self.number)


def numbered(cells: Sequence[CellRun]) -> list[CellRun]:
    """Return the cells of one notebook, in its order, with the numbers that they have in the user's own file."""
    injected_at = next((cell.index for cell in cells if cell.cell_id == INJECTED_CELL_ID), None)
    if injected_at is None:
        return list(cells)
    return [
        cell
        if cell.index < injected_at
        else msgspec.structs.replace(cell, number=number_in_file(cell.index, injected_at))
        for cell in cells
    ]


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line that user code or the engine logged or printed. ``level`` is Python's (20 is INFO)."""

    run_id: str
    at: datetime
    message: str
    level: int = 20
    logger: str = ""
    task_run_id: str | None = None


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """A process that drives runs: a kernel, a shell command, a script.

    Parameters
    ----------
    process_started_at
        As the operating system tells it (on Linux in seconds since boot, elsewhere since the epoch): with ``pid`` and
        ``boot_id`` it names one process for ever, also after the number was used again.
    lease_until
        Until when the driver is taken to be alive without a new heartbeat.
    """

    driver_id: str
    kind: str
    host: str
    boot_id: str
    pid: int
    process_started_at: float
    heartbeat_at: datetime
    lease_until: datetime
    ended_at: datetime | None = None
