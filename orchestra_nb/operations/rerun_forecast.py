"""Tells before a run is run again what else runs once more, and whether its code is that of today.

What is kept of a task is known from its options when it was called; whether a kept result still holds is seen only when
the task is called again.
"""

from __future__ import annotations

import contextlib
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from orchestra_nb.errors import CodeNotFound, NotFound, OrchestraError
from orchestra_nb.model.deployments import NotebookTarget
from orchestra_nb.model.runs import Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.model.task_names import task_of
from orchestra_nb.operations.resumption_points import NothingKept, find_resumption, why_nothing_kept
from orchestra_nb.operations.run_again import check_retry, notebook_command

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Which code a run executes when it is run again: that of today (``current``); that of a notebook which was changed
#: since the run began (``notebook``), was deployed anew (``deployed``) or was changed and not deployed
#: (``undeployed``); or that of a flow as it was when the run began, of which nobody knows the changes (``flow``).
CodeOfRerun: TypeAlias = Literal["current", "notebook", "deployed", "undeployed", "flow"]


class RepeatedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task of which ``runs`` runs completed that run again, since its results are not kept."""

    name: str
    runs: int


class RerunForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known before a run is run again.

    Parameters
    ----------
    tasks
        What runs again beside what failed, or was asked for, in the order of its first run.
    cells
        How many cells that completed run again, since nothing was kept of them.
    cells_because
        Why nothing was.
    code
        Which code it executes.
    command
        What runs the code of today, in a run of its own; empty where nothing does or is known.
    notebook_path
        The notebook that was changed; empty where that is not known.
    """

    tasks: tuple[RepeatedTask, ...] = ()
    cells: int = 0
    cells_because: NothingKept | None = None
    code: CodeOfRerun = "current"
    command: str = ""
    notebook_path: str = ""


NOTHING_TO_TELL: Final = RerunForecast()


def foresee_rerun(store: RunStore, id_or_name: str, from_step: str | None = None) -> RerunForecast:
    """Return what is to be known before a run is retried, or resumed from a cell or a task.

    Raises
    ------
    RunNotFound, InvalidTransition, InvalidInput, Conflict, CodeNotFound
        It cannot be run again, as :func:`~orchestra_nb.operations.run_again.retry_run` says.
    """
    if from_step is None:
        run, wanted = check_retry(store, id_or_name), None
    else:
        run, start = find_resumption(store, id_or_name, from_step)
        wanted = start.fresh_from_task
    forecast = _code_of(store, run)
    if run.kind is RunKind.FLOW:
        tasks = _repeated(_newest(store.task_runs(run.run_id)), wanted)
        return msgspec.structs.replace(forecast, tasks=tasks)
    return with_repeated_cells(store, run, forecast) if from_step is None else forecast


def with_repeated_cells(store: RunStore, run: Run, forecast: RerunForecast) -> RerunForecast:
    """Return a forecast that counts the cells of a notebook which run again where it is run as a whole."""
    if run.kind is not RunKind.NOTEBOOK:
        return forecast
    with contextlib.suppress(CodeNotFound):  # the retry says so
        if (reason := why_nothing_kept(store, run)) is not None and (cells := _completed_cells(store, run)):
            return msgspec.structs.replace(forecast, cells=cells, cells_because=reason)
    return forecast


def _repeated(tasks: Sequence[TaskRun], wanted: str | None) -> tuple[RepeatedTask, ...]:
    """Return the tasks that run again although they completed, and do not depend on the one that is asked for."""
    fresh: set[str] = set()
    counts = Counter[str]()
    for task in tasks:
        if wanted is not None and (wanted in (task.name, task_of(task)) or not fresh.isdisjoint(task.upstream)):
            fresh.add(task.task_run_id)
        elif task.state is State.COMPLETED and task.keeps_result is False and not task.is_cached:
            counts[task_of(task)] += 1
    return tuple(RepeatedTask(name=name, runs=runs) for name, runs in counts.items())


def _newest(tasks: Sequence[TaskRun]) -> list[TaskRun]:
    """Return the task runs of the newest epoch, and of those before it such as it did not come to."""
    found: list[TaskRun] = []
    names: set[str] = set()
    for epoch in sorted({task.epoch for task in tasks}, reverse=True):
        of_epoch = [task for task in tasks if task.epoch == epoch and task.name not in names]
        found = of_epoch + found
        names.update(task.name for task in of_epoch)
    return found


def _completed_cells(store: RunStore, run: Run) -> int:
    cells = store.cell_runs(run.run_id)
    return sum(cell.state is State.COMPLETED and cell.number != 0 for cell in cells)


def _code_of(store: RunStore, run: Run) -> RerunForecast:
    if run.deployment is not None and run.deployment_version is not None:
        return _code_of_deployment(store, run, run.deployment, run.deployment_version)
    if run.kind is RunKind.NOTEBOOK and run.notebook_path is not None:
        from orchestra_nb.operations.run_snapshot import read_snapshot

        with contextlib.suppress(CodeNotFound):  # the retry says so
            if _differs(run.notebook_path, read_snapshot(run)):
                keeping = "" if why_nothing_kept(store, run) else " --cache"
                command = f"{notebook_command(run)}{keeping}"
                return RerunForecast(code="notebook", command=command, notebook_path=run.notebook_path)
    if run.kind in (RunKind.FLOW, RunKind.TASK):
        from orchestra_nb.store.run_code_store import RunCodeStore

        code = RunCodeStore(store.database).find(run.run_id)
        if code is not None and not code.missing and code.entrypoint is None:
            return RerunForecast(code="flow", command=_command_of_caller(store, run))
    return NOTHING_TO_TELL


def _code_of_deployment(store: RunStore, run: Run, name: str, number: int) -> RerunForecast:
    from orchestra_nb.store.deployment_store import DeploymentStore

    deployments = DeploymentStore(store.database)
    try:
        now, then = deployments.get(name), deployments.version(name, number)
    except NotFound:  # it was deleted: there is no other code
        return NOTHING_TO_TELL
    if then.notebook is None or not isinstance(now.spec.target, NotebookTarget):
        return NOTHING_TO_TELL
    of_now = then if now.version == number else deployments.version(name, now.version)
    known = RerunForecast(notebook_path=now.spec.target.path)
    if of_now.notebook is not None and _differs(of_now.notebook.encode(), then.notebook.encode()):
        command = f"orchestra deployments run {shlex.quote(name)}"
        return msgspec.structs.replace(known, code="deployed", command=command)
    if _differs(now.spec.target.path, then.notebook.encode()):
        return msgspec.structs.replace(known, code="undeployed")
    return NOTHING_TO_TELL


def _command_of_caller(store: RunStore, run: Run) -> str:
    """Return what runs the notebook whose cell called a flow; empty where it was no run of a notebook."""
    caller = run
    with contextlib.suppress(NotFound):
        while caller.parent_run_id is not None:
            caller = store.get_run(caller.parent_run_id)
    return notebook_command(caller) if caller.kind is RunKind.NOTEBOOK else ""


def _differs(source: str | bytes, snapshot: bytes) -> bool:
    """Tell whether the code of two notebooks differs; what cannot be read cannot be run in place of the other."""
    try:
        return _code_in(source) != _code_in(snapshot)
    except OrchestraError:
        return False


def _code_in(source: str | bytes) -> list[str]:
    from orchestra_nb.notebooks.document import read_notebook

    notebook = read_notebook(source if isinstance(source, bytes) else Path(source))
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
