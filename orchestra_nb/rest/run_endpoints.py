"""Runs: list, read, stop, run again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from orchestra_nb.errors import Conflict, InvalidInput
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.run_order import SORTABLE
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import SETTABLE_STATES, State
from orchestra_nb.operations import (
    deployment_run,
    new_runs,
    pool_retries,
    run_attempts,
    run_changes,
    run_results,
    run_resumption,
    run_state_setting,
    runs,
    server_reruns,
    task_attempts,
)
from orchestra_nb.operations.error_places import told_below
from orchestra_nb.operations.new_runs import WayToNewRun
from orchestra_nb.operations.rerun_forecast import RerunForecast
from orchestra_nb.operations.run_attempts import RunAttempt
from orchestra_nb.operations.run_views import CellView, RunSummary, TaskView
from orchestra_nb.operations.runs import LogPage
from orchestra_nb.operations.task_attempts import TaskAttempt
from orchestra_nb.rest.endpoint import Area, Call, Instant, Role
from orchestra_nb.rest.pages import After, page_of
from orchestra_nb.rest.run_notebooks import RunNotebook, place_of_notebook

area = Area("runs")


_TASKS_A_PAGE: Final = 500
_LONGEST_TASK_NAME: Final = 1_000
_SORT: Final = (
    f"Fields with commas, with - before one that descends: {', '.join(SORTABLE)}. Runs that lack one come last. "
    "Default: -created_at. `next` is of the same sort."
)


_FLOW: Final = "Only runs of this flow, or of the notebook of this name; * stands for anything."


class RunsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs."""

    limit: Annotated[int, Meta(ge=1, le=runs.MAX_RUNS, description="At most so many.")] = 50
    before: Annotated[str | None, Meta(description="The `next` of the page before.")] = None
    sort: Annotated[tuple[str, ...], Meta(description=_SORT)] = ()
    state: Annotated[tuple[State, ...], Meta(description="Only these states.")] = ()
    kind: Annotated[RunKind | None, Meta(description="Only runs of this kind.")] = None
    flow: Annotated[str | None, Meta(description=_FLOW)] = None
    deployment: Annotated[str | None, Meta(description="Only runs of this deployment.")] = None
    tag: Annotated[str | None, Meta(description="Only runs with this tag.")] = None
    owner: Annotated[str | None, Meta(description="Only runs of this user; `me` for who calls.")] = None
    since: Annotated[Instant | None, Meta(description="Only runs made since.")] = None
    notebook: RunNotebook = None
    sweeps: Annotated[bool, Meta(description="Also each run of a sweep, which is listed as one else.")] = True


class RunsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some runs, in the order that was asked for.

    ``next`` is the ``before`` of the page that follows, null at the end. A stream from ``sequence`` on misses nothing.
    """

    runs: tuple[RunSummary, ...]
    next: str | None
    sequence: int


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A run with its tasks in the order of their creation and its cells in the notebook's order.

    ``may_go_on`` says of a run that has ended whether a service may run it again in a moment.
    """

    run: RunSummary
    tasks: tuple[TaskView, ...]
    cells: tuple[CellView, ...]
    sequence: int
    may_go_on: bool


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a run."""

    all_epochs: Annotated[bool, Meta(description="Also the tasks from before it was retried or resumed.")] = False


class TasksAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The task runs of a run."""

    tasks: tuple[TaskView, ...]
    next: str | None


class TasksQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of the task runs."""

    after: After = None
    limit: Annotated[int, Meta(ge=1, le=runs.MAX_TASKS, description="At most so many.")] = 1000


class AttemptsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Each time that a run was begun, the oldest first."""

    attempts: tuple[RunAttempt, ...]


class TaskAttemptsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Each time that a task was begun, by task run and number."""

    attempts: tuple[TaskAttempt, ...]
    next: str | None


class TaskAttemptsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of the attempts."""

    after: After = None
    limit: Annotated[int, Meta(ge=1, le=_TASKS_A_PAGE, description="At most those of so many tasks.")] = _TASKS_A_PAGE


class LogsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which log lines."""

    task: Annotated[str | None, Meta(description="Only those of this task run, by id or name.")] = None
    after: Annotated[int, Meta(ge=0, le=2**63 - 1, description="The `next` of the page before.")] = 0
    limit: Annotated[int, Meta(ge=1, le=runs.MAX_LINES, description="At most so many.")] = 1000


class ValueView(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a run recorded or returned; ``value`` is as scripts read it, or the summary of what is no JSON.

    ``url`` is where a large one is kept, and ``unreadable`` says why the value itself cannot be read.
    """

    name: str
    type: str
    value: Any
    summary: str
    size_bytes: int
    recorded_at: datetime
    cell_index: int | None
    serializer: str = "json"
    url: str | None = None
    unreadable: str = ""


class ValuesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a run recorded and returned."""

    values: tuple[ValueView, ...]


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """The run that was asked to stop."""

    cancelled: str


class RetryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A retry of a run."""

    note: Annotated[str, Meta(max_length=2_000, description="Why, for the run's history.")] = ""
    from_cell: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(
            description="The id or the number, counted from 1, of a cell of a notebook that ran with `cache`: the "
            "cells above are replayed from what was kept, and it and all below it run. A run that completed can be "
            "resumed so, too.",
        ),
    ] = None
    from_task: Annotated[
        Annotated[str, Meta(max_length=_LONGEST_TASK_NAME)] | None,
        Meta(
            description="The name of a task of a flow, for all its runs, or of one run of it: that runs, and all that "
            "depends on it, and of the others kept results are taken. A run that completed can be resumed so, too.",
        ),
    ] = None


class ResumptionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A resumption of a notebook or a flow from one of the two; without them a retry of what failed."""

    cell: Annotated[
        Annotated[str, Meta(max_length=200)] | None, Meta(description="The cell, as `from_cell` of a retry.")
    ] = None
    task: Annotated[
        Annotated[str, Meta(max_length=_LONGEST_TASK_NAME)] | None,
        Meta(description="The task, as `from_task` of a retry."),
    ] = None


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a run can be retried, or resumed from a cell or a task, and what is to be known before.

    `problem` is why it cannot be, or not by this server; empty where it can. `instead_cell` is the id of the cell from
    which it can be resumed in place of the named one, null for none, and `command` what runs it again, from that cell
    if any, on the machine where its code is: empty for nothing, and where the server does. `new_run` tells how a flow
    of no deployment is run anew, however the run ended.
    """

    problem: str
    command: str
    instead_cell: str | None
    forecast: RerunForecast
    new_run: WayToNewRun = new_runs.NO_WAY


class StateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state that somebody gives a run by hand."""

    state: Annotated[str, Meta(description=f"One of {', '.join(SETTABLE_STATES)}.")]
    note: Annotated[str, Meta(max_length=2_000, description="Why, for the run's history.")] = ""


class ResumeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a paused run is told."""

    input: Annotated[Any, Meta(description="The answer; null where it only asks to go on.")] = None
    key: Annotated[str | None, Meta(description="Which question, when the run waits for several.")] = None


class RunAgain(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is run again, in its pool if it has one; `message` is what it waits for, empty where it goes on."""

    run_id: str
    name: str
    state: State
    epoch: int
    pool: str | None
    message: str


class Suspended(msgspec.Struct, frozen=True, kw_only=True):
    """The run that was asked to suspend itself."""

    suspended: str


@area.get("/runs")
def list_runs(call: Call, query: RunsQuery) -> RunsPage:
    """List runs, the newest first, or in another order."""
    sequence = run_changes.last_sequence(call.store)
    page = runs.list_runs(
        call.store,
        limit=query.limit,
        before=query.before,
        states=query.state,
        kind=query.kind,
        flow_name=query.flow,
        deployment=query.deployment,
        tag=query.tag,
        owner=call.user if query.owner == "me" else query.owner,
        since=query.since,
        notebook=place_of_notebook(call, query.notebook),
        has_runs_of_sweeps=query.sweeps,
        sort=query.sort,
    )
    return RunsPage(runs=page.runs, next=page.next, sequence=sequence)


@area.get("/runs/{run}")
def show_run(call: Call, run: str, query: RunQuery) -> RunAnswer:
    """Show a run, by its id or its name.

    A name means the newest run of that name.
    """
    sequence = run_changes.last_sequence(call.store)
    details = runs.show_run(call.store, run, has_all_epochs=query.all_epochs)
    may_go_on = deployment_run.may_follow(call.store, details.run)
    return RunAnswer(run=details.run, tasks=details.tasks, cells=details.cells, sequence=sequence, may_go_on=may_go_on)


@area.get("/runs/{run}/tasks")
def list_tasks(call: Call, run: str, query: TasksQuery) -> TasksAnswer:
    """List the task runs of a run, in the order of their creation."""
    found = runs.list_tasks(call.store, run, after=query.after, limit=query.limit + 1)
    page, following = page_of(found, query.limit, lambda one: one.task_run_id)
    return TasksAnswer(tasks=page, next=following)


@area.get("/runs/{run}/attempts", is_slow=True)
def list_attempts(call: Call, run: str) -> AttemptsAnswer:
    """List how often a run was begun, who drove it where each time, what became of it, and its executed notebook."""
    return AttemptsAnswer(attempts=run_attempts.list_attempts(call.store, run))


@area.get("/runs/{run}/task-attempts")
def list_task_attempts(call: Call, run: str, query: TaskAttemptsQuery) -> TaskAttemptsAnswer:
    """List each attempt of those tasks of a run that were begun more than once.

    Of any other task the one attempt is what the task run itself says.
    """
    found, following = task_attempts.list_task_attempts(call.store, run, after=query.after or "", limit=query.limit)
    return TaskAttemptsAnswer(attempts=found, next=following)


@area.get("/runs/{run}/logs")
def read_logs(call: Call, run: str, query: LogsQuery) -> LogPage:
    """Read the log lines of a run, in order."""
    return runs.read_logs(call.store, run, task=query.task, after=query.after, limit=query.limit)


@area.get("/runs/{run}/values")
def read_values(call: Call, run: str) -> ValuesAnswer:
    """Read what a run recorded and returned; a large value stands as the place where it is kept."""
    records = run_results.returned_by_run(call.store, runs.find_run(call.store, run))
    return ValuesAnswer(values=tuple(value_view(one) for one in records))


@area.post("/runs/{run}/cancel", Role.RUNNER, status=202)
def cancel_run(call: Call, run: str) -> Cancelled:
    """Ask a run to stop."""
    return Cancelled(cancelled=runs.cancel_run(call.store, run, actor=call.actor, now=call.now).run_id)


@area.post("/runs/{run}/suspend", Role.RUNNER, status=202)
def suspend_run(call: Call, run: str) -> Suspended:
    """Ask the run of a flow to suspend itself before its next task.

    When it is resumed it is run again from its beginning, without the tasks whose results were persisted: a run of a
    deployment by those who serve its pool, any other by `orchestra runs resume` where its code is.
    """
    return Suspended(suspended=runs.suspend_run(call.store, run, actor=call.actor, now=call.now).run_id)


@area.post("/runs/{run}/retry", Role.RUNNER, status=202, is_one_transaction=False)
def retry_run(call: Call, run: str, body: RetryRequest) -> RunAgain:
    """Have a run that failed, crashed, timed out or was cancelled run again.

    It is run again in the same run, without the tasks whose results were persisted and the cells that were cached; with
    `from_cell` or `from_task` also one that completed. One of a deployment waits in its pool; the notebook of one of
    none runs in a process of its own, where this machine has what it ran. Any other is run again by `orchestra runs
    retry`, where its code is.
    """
    again = server_reruns.retry_from_server(
        call.store,
        run,
        actor=call.actor,
        now=call.now,
        note=body.note,
        from_step=_step(call, run, body.from_cell, body.from_task),
    )
    return run_again(call, again)


@area.get("/runs/{run}/resumption")
def read_resumption(call: Call, run: str, query: ResumptionQuery) -> Resumption:
    """Read whether a run can be retried, or resumed by a retry with `from_cell` or `from_task`, and what that does.

    The forecast counts what runs again beside: of a flow the runs of tasks whose results are not kept, of a notebook
    the cells of which nothing was kept. It says whether the code is that of today (`current`), that of a notebook which
    has changed since (`notebook`), was deployed anew (`deployed`) or changed and not deployed (`undeployed`), or that
    of a flow as it was when the run began (`flow`); `command` runs that of today.
    """
    outlook = server_reruns.look_ahead(call.store, run, _step(call, run, query.cell, query.task))
    return Resumption(
        problem=outlook.problem,
        command=outlook.command,
        instead_cell=outlook.instead_cell,
        forecast=outlook.forecast,
        new_run=new_runs.way_to_new_run(call.store, runs.find_run(call.store, run)),
    )


def _step(call: Call, run: str, cell: str | None, task: str | None) -> str | None:
    """Return the cell or the task that was named, which the run must be of."""
    if cell is not None and task is not None:
        raise InvalidInput("A run is resumed from a cell of a notebook or from a task of a flow: name one of them.")
    kind = runs.find_run(call.store, run).kind
    if cell is not None and kind is RunKind.FLOW:
        raise Conflict(f"Run {run} is of a flow in Python, which has no cells: name a task of it (from_task).")
    if task is not None and kind is RunKind.NOTEBOOK:
        raise Conflict(f"Run {run} is of a notebook: name a cell of it (from_cell).")
    return task if cell is None else cell


@area.post("/runs/{run}/state", Role.AUTHOR)
def set_run_state(call: Call, run: str, body: StateRequest) -> Run:
    """Set the state of a run by hand, where it has ended, is suspended, or its process has gone.

    It needs the role *author*: what the run says of itself is overruled, and automations and notifications follow as
    from any other end, but no retry of its deployment. Set to COMPLETED, its open dead letters are closed; set to
    FAILED or CRASHED after that, they are open again.
    """
    return run_state_setting.set_run_state(call.store, run, body.state, actor=call.actor, now=call.now, note=body.note)


@area.post("/runs/{run}/resume", Role.RUNNER, status=202)
def resume_run(call: Call, run: str, body: ResumeRequest) -> RunAgain:
    """Let a paused run go on, with an answer where it asks for one.

    A suspended run of a deployment waits in its pool then; one of no deployment is resumed by `orchestra runs resume`,
    where its code is.
    """
    with told_below("/input"):
        resumed = run_resumption.resume_run(call.store, run, body.input, actor=call.actor, now=call.now, key=body.key)
    return run_again(call, resumed)


@area.post("/runs/{run}/tasks/{task}/cancel", Role.RUNNER, status=202)
def cancel_task(call: Call, run: str, task: str) -> Cancelled:
    """Ask one task of a run to stop."""
    return Cancelled(cancelled=runs.cancel_run(call.store, run, task=task, actor=call.actor, now=call.now).run_id)


def run_again(call: Call, run: Run) -> RunAgain:
    """Return a run as it is answered that waits in its pool again, or goes on."""
    return RunAgain(
        run_id=run.run_id,
        name=run.name,
        state=run.state,
        epoch=run.epoch,
        pool=run.pool,
        message=pool_retries.wait_of(call.store, run, call.now),
    )


def value_view(record: RecordedValue) -> ValueView:
    """Return a value as it is answered."""
    return ValueView(
        name=record.name,
        type=record.type,
        value=record.readable,
        summary=record.summary,
        size_bytes=record.size_bytes,
        recorded_at=record.recorded_at,
        cell_index=record.cell_index,
        serializer=record.serializer,
        url=None if record.reference is None else record.reference.url,
        unreadable=record.unreadable,
    )
