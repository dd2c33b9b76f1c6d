"""Runs that are in the store: list, show, read their logs, ask them to stop.

One function for each verb; the command line and the server only translate. Every function takes the open store, so
importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import Conflict, InvalidInput, RunNotFound, TaskNotFound
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.machine_messages import cancelled_by
from orchestra_nb.model.run_order import RunOrder
from orchestra_nb.model.runs import LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.model.stop_requests import StopKind
from orchestra_nb.model.suspension import check_suspension
from orchestra_nb.operations.notebook_places import paths_of_notebook
from orchestra_nb.operations.run_views import (
    CellView,
    RunSummary,
    TaskView,
    cell_views,
    run_summaries,
    run_summary,
    task_views,
)
from orchestra_nb.operations.run_waits import tell_waits

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The most runs, and the most log lines, that one call returns.
MAX_RUNS = 500
MAX_LINES = 10_000
#: The most task runs.
MAX_TASKS = 10_000

_LONGEST_NAME = 200
_FOLLOW_SECONDS = 1.0


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some runs, the newest first; ``next`` is what to pass as ``before`` for those that follow, None at the end."""

    runs: tuple[RunSummary, ...]
    next: str | None


class RunDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A run with its task runs in the order of their creation and its cells in the notebook's order."""

    run: RunSummary
    tasks: tuple[TaskView, ...]
    cells: tuple[CellView, ...]


class NumberedLine(LogLine, frozen=True, kw_only=True):
    """A log line with its place in the store's order."""

    sequence: int


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """Log lines in order; ``next`` is what to pass as ``after`` for those that follow."""

    lines: tuple[NumberedLine, ...]
    next: int


def list_runs(
    store: RunStore,
    *,
    limit: int = 50,
    before: str | None = None,
    states: Sequence[str] = (),
    kind: str | None = None,
    flow_name: str | None = None,
    tag: str | None = None,
    since: datetime | None = None,
    deployment: str | None = None,
    owner: str | None = None,
    notebook: str | None = None,
    has_runs_of_sweeps: bool = True,
    sort: Sequence[str] = (),
) -> RunPage:
    """Return runs, the newest first, or in another order.

    Parameters
    ----------
    before
        Only runs behind this place, the ``next`` of the page before.
    states
        Words of :class:`State`, in either case; empty means all.
    kind
        A word of :class:`RunKind`; None means all.
    flow_name
        Only runs of this flow; where it has ``*``, of those that are called so, with anything in its place.
    tag, since, deployment, owner
        Only runs with this tag, made then or later, of this deployment, and of this user; None means all.
    notebook
        Only runs of the notebook at this path, whichever link leads to it; None means all.
    has_runs_of_sweeps
        Whether the child runs of sweeps are among them.
    sort
        Fields of :data:`~orchestra_nb.model.run_order.SORTABLE`, with ``-`` before one that descends.

    Raises
    ------
    InvalidInput
        A limit, an id or a word is none; the message lists what is.
    DeploymentNotFound
        There is no such deployment, and never was; the message names similar ones.
    """
    if not 1 <= limit <= MAX_RUNS:
        raise InvalidInput(f"The limit {limit} is not between 1 and {MAX_RUNS}.")
    order = RunOrder.of(sort)
    if before is not None and order.is_usual and not _is_id(before):
        raise InvalidInput(f"{_shown(before)} is no run id. Pass the `next` of the page before, 32 hexadecimal digits.")
    if flow_name is not None and ("\0" in flow_name or not _is_unicode(flow_name)):
        raise InvalidInput(f"{_shown(flow_name)} is no name of a flow.")
    is_pattern = flow_name is not None and "*" in flow_name
    if tag is not None and ("\0" in tag or not _is_unicode(tag)):
        raise InvalidInput(f"{_shown(tag)} is no tag.")
    if deployment is not None and ("\0" in deployment or not _is_unicode(deployment)):
        raise InvalidInput(f"{_shown(deployment)} is no name of a deployment.")
    if owner is not None and ("\0" in owner or not _is_unicode(owner)):
        raise InvalidInput(f"{_shown(owner)} is no name of a user.")
    found = store.list_runs(
        limit=limit + 1,
        before=before,
        states=[_state(word) for word in states] or None,
        kind=_kind(kind),
        flow_name=None if is_pattern else flow_name,
        flow_pattern=flow_name if is_pattern else None,
        tag=tag,
        since=since,
        deployment=deployment,
        owner=owner,
        notebook_paths=None if notebook is None else paths_of_notebook(store, notebook),
        has_runs_of_sweeps=has_runs_of_sweeps,
        order=order,
    )
    if deployment is not None and not found:
        from orchestra_nb.operations.deployments import list_versions

        list_versions(store, deployment)
    runs = found[:limit]
    following = order.cursor_behind(runs[-1]) if len(found) > limit else None
    return RunPage(runs=run_summaries(store, runs), next=following)


def find_run(store: RunStore, id_or_name: str) -> Run:
    """Return the run with this id, or the newest with this name.

    Raises
    ------
    RunNotFound
        There is none.
    """
    if not _is_text(id_or_name):  # also keeps what a database refuses (NUL) away from it
        raise RunNotFound(f"No run {_shown(id_or_name)}. `orchestra runs ls` lists the runs.")
    return store.get_run(id_or_name)


def names_of_runs(store: RunStore, run_ids: Iterable[str | None]) -> dict[str | None, str]:
    """Return id to name of these runs, without those that do not exist."""
    return {run.run_id: run.name for run in store.get_runs({run_id for run_id in run_ids if run_id is not None})}


def names_of_tasks(store: RunStore, task_run_ids: Iterable[str | None]) -> dict[str | None, str]:
    """Return id to name of these task runs, without those that do not exist."""
    ids = {task_run_id for task_run_id in task_run_ids if task_run_id is not None}
    return {task.task_run_id: task.name for task in store.get_task_runs(ids)}


def names_in_run(store: RunStore, run_id: str) -> dict[str, str]:
    """Return id to name of the task runs of a run."""
    return {task.task_run_id: task.name for task in store.task_runs(run_id)}


def show_run(store: RunStore, id_or_name: str, *, has_all_epochs: bool = False) -> RunDetails:
    """Return one run with its tasks and cells.

    Parameters
    ----------
    has_all_epochs
        Whether tasks of earlier epochs are among its tasks: what was run before it was retried or resumed.

    Raises
    ------
    RunNotFound
        There is no run with this id or name.
    """
    (run,) = tell_waits(store, [find_run(store, id_or_name)])
    tasks = store.task_runs(run.run_id)
    newest = [task for task in tasks if task.epoch == run.epoch]
    return RunDetails(
        run=run_summary(run, Counter(task.state for task in newest)),
        tasks=task_views(store, tasks if has_all_epochs else newest, [run]),
        cells=cell_views(store.cell_runs(run.run_id)),
    )


def list_tasks(
    store: RunStore, id_or_name: str, *, after: str | None = None, limit: int = MAX_TASKS
) -> tuple[TaskView, ...]:
    """Return task runs of a run, in the order of their creation.

    Parameters
    ----------
    after
        Only those behind the one with this id, the last of the page before.

    Raises
    ------
    RunNotFound
        There is no run with this id or name.
    """
    run = find_run(store, id_or_name)
    found = store.task_runs_page(run.run_id, after=after, limit=limit)
    return task_views(store, found, [run])


def read_logs(
    store: RunStore, id_or_name: str, *, task: str | None = None, after: int = 0, limit: int = 1000
) -> LogPage:
    """Return log lines of a run, in order.

    Parameters
    ----------
    task
        Only lines of this task run: its id, or a task's name, which means its newest run.
    after
        Only lines behind this sequence number.

    Raises
    ------
    RunNotFound, TaskNotFound
        There is no run, or no task run, with this id or name.
    InvalidInput
        ``after`` or ``limit`` is out of range.
    """
    if after < 0 or after >= 1 << 63:
        raise InvalidInput(f"{after} is no sequence number.")
    if not 1 <= limit <= MAX_LINES:
        raise InvalidInput(f"The limit {limit} is not between 1 and {MAX_LINES}.")
    run = find_run(store, id_or_name)
    task_run_id = find_task(store, run, task).task_run_id if task is not None else None
    found = store.log_lines(run.run_id, task_run_id=task_run_id, after=after, limit=limit)
    lines = tuple(NumberedLine(sequence=sequence, **msgspec.structs.asdict(line)) for sequence, line in found)
    return LogPage(lines=lines, next=lines[-1].sequence if lines else after)


def follow_logs(store: RunStore, id_or_name: str, *, task: str | None = None) -> Iterator[LogPage]:
    """Yield the log lines of a run, those that are there and those that come, until it has ended.

    Waits in this thread; wakes at each write to the store.

    Raises
    ------
    RunNotFound, TaskNotFound
        There is no run, or no task run, with this id or name.
    """
    from orchestra_nb.store.event_log import ChangeWatcher

    run = find_run(store, id_or_name)
    task_run_id = find_task(store, run, task).task_run_id if task is not None else None
    after = 0
    with closing(ChangeWatcher(store.database)) as watcher:
        while True:
            has_ended = store.get_run(run.run_id).state.is_terminal  # before the lines: those after its end are few
            page = read_logs(store, run.run_id, task=task_run_id, after=after)
            after = page.next
            if page.lines:
                yield page
            elif has_ended:
                return
            else:
                watcher.wait(_FOLLOW_SECONDS)


def cancel_run(store: RunStore, id_or_name: str, *, actor: str, now: datetime, task: str | None = None) -> Run:
    """Ask the driver of a run to stop it, or one of its tasks, and return the run as it was.

    The request is stored when this returns; the driver acts on it within about a second.

    Parameters
    ----------
    actor
        Who asks, for the run's history.
    task
        The id or the name of a task run: only this one is stopped.

    Raises
    ------
    RunNotFound, TaskNotFound
        There is no run, or no task run, with this id or name.
    Conflict
        It has ended already.
    """
    run = find_run(store, id_or_name)
    wanted: Run | TaskRun = run if task is None else find_task(store, run, task)
    task_run_id = wanted.task_run_id if isinstance(wanted, TaskRun) else None
    if task_run_id is None and is_suspended(run) and _cancel_suspended(store, run, actor, now):
        return run
    if task_run_id is None and waits_in_queue(run) and _cancel_waiting(store, run, actor, now):
        return run
    if wanted.state.is_terminal or not store.request_cancel(run.run_id, task_run_id, actor, now):
        what = f"Run {run.name}" if task_run_id is None else f"Task {wanted.name} of run {run.name}"
        raise Conflict(f"{what} has ended already ({_newest_state(store, run, task_run_id)}): nothing to cancel.")
    return run


def suspend_run(store: RunStore, id_or_name: str, *, actor: str, now: datetime) -> Run:
    """Ask the driver of a flow's run to have it suspend itself, and return the run as it was.

    The request is stored when this returns. The flow is left where it calls or submits its next task, and is resumed
    by ``orchestra runs resume``; one that calls none any more ends as ever.

    Parameters
    ----------
    actor
        Who asks, for the run's history.

    Raises
    ------
    RunNotFound
        There is no such run.
    Conflict, CodeNotFound
        It cannot be suspended; the message says why, and what to do.
    """
    from orchestra_nb.services.recovery import REMOTE_WORKER_KIND
    from orchestra_nb.store.leases import Leases
    from orchestra_nb.store.run_code_store import RunCodeStore

    run = find_run(store, id_or_name)
    driver = None if run.driver_id is None else Leases(store.database).find_driver(run.driver_id)
    code = RunCodeStore(store.database).find(run.run_id)
    check_suspension(
        run,
        parent=None if run.parent_run_id is None else store.get_run(run.parent_run_id),
        is_remote=driver is not None and driver.kind == REMOTE_WORKER_KIND,
        missing_code=None if code is None else code.missing,
    )
    if not store.request_cancel(run.run_id, None, actor, now, StopKind.SUSPEND):
        raise Conflict(f"Run {run.name} has just become {_newest_state(store, run, None)}: nothing to suspend.")
    return run


def is_suspended(run: Run) -> bool:
    """Tell whether a run was suspended, by itself or from outside: no process drives it."""
    return run.state is State.PAUSED and run.driver_id is None


def waits_in_queue(run: Run) -> bool:
    """Tell whether a run waits for its time, or for room: no process drives it yet."""
    return run.state is State.SCHEDULED and run.driver_id is None


def _cancel_waiting(store: RunStore, run: Run, actor: str, now: datetime) -> bool:
    """End a run that has not been claimed; False when somebody has claimed it meanwhile."""
    from orchestra_nb.store.work_queue import WorkQueue

    return WorkQueue(store.database).cancel(run.run_id, actor, now)


def _cancel_suspended(store: RunStore, run: Run, actor: str, now: datetime) -> bool:
    """End a run that no process drives; False when somebody has resumed it meanwhile."""
    end = RunStateChanged(
        run_id=run.run_id, state=State.CANCELLED, at=now, epoch=run.epoch, message=cancelled_by(actor), actor=actor
    )
    return store.apply([end])[0]


def listed_run(store: RunStore, run: str | None, limit: int, most: int) -> str | None:
    """Return the id of the run of which something is listed; None for all runs.

    Raises
    ------
    InvalidInput
        So many cannot be listed at once.
    RunNotFound
        There is no such run.
    """
    if not 1 <= limit <= most + 1:  # one more tells whether there are more
        raise InvalidInput(f"The limit {limit} is not between 1 and {most}.")
    return None if run is None else find_run(store, run).run_id


def find_task(store: RunStore, run: Run, id_or_name: str) -> TaskRun:
    """Return the task run of a run with this id, or the newest with this name.

    Raises
    ------
    TaskNotFound
        There is none; the message names those that are.
    """
    tasks = store.task_runs(run.run_id)
    for task in reversed(tasks):
        if id_or_name in (task.task_run_id, task.name):
            return task
    names = ", ".join(dict.fromkeys(task.name for task in tasks)) or "none"
    raise TaskNotFound(f"Run {run.name} has no task {_shown(id_or_name)}. Its tasks: {names}.")


def _newest_state(store: RunStore, run: Run, task_run_id: str | None) -> State:
    if task_run_id is None:
        return store.get_run(run.run_id).state
    return find_task(store, run, task_run_id).state


def _state(word: str) -> State:
    try:
        return State(word.strip().upper())
    except ValueError:
        near = difflib.get_close_matches(word.strip().upper(), list(State), n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise InvalidInput(f"{_shown(word)} is no state. {hint}The states are: {', '.join(State)}.") from None


def _kind(word: str | None) -> RunKind | None:
    try:
        return RunKind(word.lower()) if word is not None else None
    except ValueError:
        kinds = ", ".join(kind.value for kind in RunKind)
        raise InvalidInput(f"{_shown(word or '')} is no kind of run. The kinds are: {kinds}.") from None


def _is_id(text: str) -> bool:
    return len(text) == 32 and not set(text) - set("0123456789abcdef")


def _is_text(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, from undecodable bytes on a command line
        return False
    return True


def _shown(text: str) -> str:
    """Return what somebody typed, quoted, without control characters and not too long for a message."""
    return repr(text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…")
