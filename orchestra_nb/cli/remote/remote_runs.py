"""Runs, as the commands see them over a server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, cast

from orchestra_nb.cli.remote.whole_lists import whole_list
from orchestra_nb.errors import ScopeMissing, TaskNotFound
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_results import find_value
from orchestra_nb.operations.runs import MAX_LINES, MAX_TASKS, LogPage, RunDetails, RunPage
from orchestra_nb.operations.sweep_result import SweepResult, SweepRow

if TYPE_CHECKING:
    from orchestra_nb.client.http_client import Client
    from orchestra_nb.model.run_inputs import RunInput
    from orchestra_nb.model.runs import TaskRun
    from orchestra_nb.operations.run_attempts import RunAttempt
    from orchestra_nb.operations.run_views import RunSummary
    from orchestra_nb.rest.run_endpoints import ValueView

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 2.0
#: So many names are asked for at once.
_IDS_A_CALL: Final = 100


def list_runs(
    client: Client,
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
    """Return a page of runs."""
    page = client.list_runs(
        limit=limit,
        before=before,
        state=[word.strip() for word in states],
        kind=kind,
        flow=flow_name,
        tag=tag,
        since=since,
        deployment=deployment,
        owner=owner,
        notebook=notebook,
        sweeps=has_runs_of_sweeps,
        sort=sort,
    )
    return RunPage(runs=page.runs, next=page.next)


def show_run(client: Client, id_or_name: str, *, has_all_epochs: bool = False) -> RunDetails:
    """Return a run with its tasks and cells."""
    answer = client.show_run(id_or_name, all_epochs=has_all_epochs)
    return RunDetails(run=answer.run, tasks=answer.tasks, cells=answer.cells)


def find_run(client: Client, id_or_name: str) -> Run:
    """Return a run."""
    return client.show_run(id_or_name).run


def find_task(client: Client, run: Run, id_or_name: str) -> TaskRun:
    """Return the task run of a run with this id, or the newest with this name."""
    tasks = whole_list(client.list_tasks, "tasks", run=run.run_id)
    for task in reversed(tasks):
        if id_or_name in (task.task_run_id, task.name):
            found: TaskRun = task
            return found
    names = ", ".join(dict.fromkeys(task.name for task in tasks)) or "none"
    raise TaskNotFound(f"Run {run.name} has no task {id_or_name[:200]!r}. Its tasks: {names}.")


def names_in_run(client: Client, run_id: str) -> dict[str, str]:
    """Return id to name of the task runs of a run."""
    names: dict[str, str] = {}
    after = None
    while True:
        page = client.list_tasks(run_id, after=after, limit=MAX_TASKS)
        names |= {task.task_run_id: task.name for task in page.tasks}
        if (after := page.next) is None:
            return names


def names_of_runs(client: Client, run_ids: Iterable[str | None]) -> dict[str | None, str]:
    """Return id to name of these runs."""
    names: dict[str | None, str] = {}
    for some in _parts(run_ids):
        names.update(client.read_names(run=some).runs)
    return names


def names_of_tasks(client: Client, task_run_ids: Iterable[str | None]) -> dict[str | None, str]:
    """Return id to name of these task runs."""
    names: dict[str | None, str] = {}
    for some in _parts(task_run_ids):
        names.update(client.read_names(task=some).tasks)
    return names


def read_logs(
    client: Client, id_or_name: str, *, task: str | None = None, after: int = 0, limit: int = 1000
) -> LogPage:
    """Return a page of what a run logged."""
    return client.read_logs(id_or_name, task=task, after=after, limit=limit)


def follow_logs(client: Client, id_or_name: str, *, task: str | None = None) -> Iterator[LogPage]:
    """Yield what a run logs until it has ended."""
    run = find_run(client, id_or_name)
    after, pause = 0, _FIRST_PAUSE_SECONDS
    while True:
        # before the lines: those after its end are few
        has_ended = _state_of(client, run).is_terminal
        page = client.read_logs(run.run_id, task=task, after=after, limit=MAX_LINES)
        after = page.next
        if page.lines:
            pause = _FIRST_PAUSE_SECONDS
            yield page
        elif has_ended:
            return
        else:
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 1.5 * pause)


def cancel_run(client: Client, id_or_name: str, *, actor: str, now: datetime, task: str | None = None) -> Run:
    """Ask a run, or one of its tasks, to stop."""
    done = client.cancel_run(id_or_name) if task is None else client.cancel_task(id_or_name, task)
    return run_asked(client, done.cancelled)


def suspend_run(client: Client, id_or_name: str, *, actor: str, now: datetime) -> Run:
    """Ask a run to suspend itself."""
    return run_asked(client, client.suspend_run(id_or_name).suspended)


def set_run_state(client: Client, id_or_name: str, state: str, *, actor: str, now: datetime, note: str = "") -> Run:
    """Set the state of a run by hand."""
    return client.set_run_state(id_or_name, state=state, note=note)


def run_asked(client: Client, run_id: str, **known: object) -> Run:
    """Return a run that was asked for something: as far as is known, to who may ask but not look."""
    try:
        return find_run(client, run_id)
    except ScopeMissing:
        return cast(Run, SimpleNamespace(run_id=run_id, **{"name": run_id, **known}))


def list_attempts(client: Client, id_or_name: str) -> tuple[RunAttempt, ...]:
    """Return how often a run was begun."""
    return client.list_attempts(id_or_name).attempts


def returned_by_run(client: Client, run: Run) -> list[RecordedValue]:
    """Return what a run returned."""
    return [_record_of(view, run.run_id) for view in client.read_values(run.run_id).values]


def value_of_run(client: Client, run: Run, name: str) -> RecordedValue:
    """Return the record of what a run returned under a name, with the value where it is JSON."""
    # which names there are, and which may be meant, is told as on the store
    find_value(returned_by_run(client, run), name, f"Run {run.name}")
    return _record_of(client.read_value(run.run_id, name), run.run_id)


def children_of(client: Client, run: RunSummary) -> tuple[Run, ...] | SweepResult:
    """Return the runs that a run started."""
    if run.kind is RunKind.SWEEP:
        return sweep_table(client, run)
    return tuple(whole_list(client.list_children, "runs", run=run.run_id))


def sweep_table(client: Client, run: Run) -> SweepResult:
    """Return a sweep as far as it has come."""
    sweep = client.show_sweep(run.run_id)
    found, following = list(sweep.rows), sweep.next
    while following is not None:
        page = client.show_sweep(run.run_id, after=following)
        found, following = [*found, *page.rows], page.next
    rows = (
        SweepRow(
            row.index,
            row.parameters,
            row.run,
            tuple(_record_of(view, "" if row.run is None else row.run.run_id) for view in row.values),
            row.message,
        )
        for row in found
    )
    return SweepResult(sweep.run, tuple(rows), sweep.swept)


def list_inputs(client: Client, run: str) -> list[RunInput]:
    """Return what a run asks people for."""
    return list(client.list_inputs(run).inputs)


def answer_question(
    client: Client, id_or_name: str, value: object, *, actor: str, now: datetime, key: str | None = None
) -> RunInput:
    """Answer what a run asks for."""
    return client.answer_input(id_or_name, value=value, key=key)


def _state_of(client: Client, run: Run) -> State:
    """Return the state of a run now, which its attempts say in less than the run with all its tasks."""
    attempts = client.list_attempts(run.run_id).attempts
    return attempts[-1].state if attempts else find_run(client, run.run_id).state


def _record_of(view: ValueView, run_id: str) -> RecordedValue:
    """Return a value as the store has its record, without what stays at the server."""
    is_whole = view.serializer.startswith("json") and view.url is None and not view.unreadable
    reference = None
    if view.url is not None:
        reference = ResultReference(
            url=view.url, digest="", serializer=view.serializer, size_bytes=view.size_bytes, created_at=view.recorded_at
        )
    return RecordedValue(
        run_id=run_id,
        name=view.name,
        type=view.type,
        recorded_at=view.recorded_at,
        serializer=view.serializer,
        data=json.dumps(view.value) if is_whole else None,
        reference=reference,
        size_bytes=view.size_bytes,
        summary=view.summary,
        readable_json=None if is_whole or view.value == view.summary else json.dumps(view.value),
        cell_index=view.cell_index,
        unreadable=view.unreadable,
    )


def _parts(ids: Iterable[str | None]) -> Iterator[list[str]]:
    known = sorted({id_ for id_ in ids if id_ is not None})
    for begin in range(0, len(known), _IDS_A_CALL):
        yield known[begin : begin + _IDS_A_CALL]
