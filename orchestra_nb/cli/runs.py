"""``orchestra runs``: list runs, show one, read its logs, cancel it, answer what it asks, run it again."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from orchestra_nb.acting_user import process_user
from orchestra_nb.cli.backend import opened_backend
from orchestra_nb.cli.command_audit import has_changed
from orchestra_nb.cli.json_output import print_json
from orchestra_nb.cli.new_run_command import again
from orchestra_nb.cli.opened_store import as_json_option, caller
from orchestra_nb.cli.run_children import children_document, children_of, print_children
from orchestra_nb.cli.run_input import input_, print_questions, question_document
from orchestra_nb.cli.run_results import readable_values, results, returned_text
from orchestra_nb.cli.run_resumption import resume
from orchestra_nb.cli.run_retries import retry
from orchestra_nb.cli.run_state_command import set_state
from orchestra_nb.cli.run_tables import (
    CACHED,
    Mark,
    ago,
    one_line,
    print_table,
    printable,
    say_if_cut,
    shortened,
    state_text,
    took,
)
from orchestra_nb.cli.times import as_time
from orchestra_nb.model.audit import part_of
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.runs import ErrorInfo, Run, error_of
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations import runs as operations
from orchestra_nb.operations.json_encoding import encode_json
from orchestra_nb.operations.run_attempts import list_attempts
from orchestra_nb.operations.run_questions import list_inputs
from orchestra_nb.operations.run_results import returned_by_run
from orchestra_nb.time_zones import here, time_text

if TYPE_CHECKING:
    from orchestra_nb.cli.backend import Backend
    from orchestra_nb.model.recorded_values import RecordedValue
    from orchestra_nb.model.run_inputs import RunInput
    from orchestra_nb.operations.run_attempts import RunAttempt
    from orchestra_nb.operations.run_views import CellView, RunSummary, TaskView
    from orchestra_nb.operations.runs import LogPage, RunDetails
    from orchestra_nb.operations.sweep_result import SweepResult

_run_argument = click.argument("run")
_LONGEST_PARAMETERS = 40
#: Of a cell that was waiting when its run ended.
_NOT_RUN = Mark("· Not run", "bright_black")


@click.group()
def runs() -> None:
    """List runs, show one, read its logs, cancel it, answer what it asks, run it again.

    RUN is a run's id, or its name, which means the newest run of that name.
    """


runs.add_command(input_)
runs.add_command(results)
runs.add_command(resume)
runs.add_command(retry)
runs.add_command(again)
runs.add_command(set_state)


@runs.command()
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only these states: RUNNING,FAILED …")
@click.option(
    "--flow", metavar="FLOW", help="Only runs of this flow, or of the notebook of this name; * stands for anything."
)
@click.option(
    "--notebook", metavar="PATH", help="Only runs of the notebook at this path: others may have its name, too."
)
@click.option("--deployment", metavar="NAME", help="Only runs of this deployment.")
@click.option("--tag", metavar="TAG", help="Only runs with this tag.")
@click.option("--owner", metavar="USER", help="Only runs of this user; me for your own.")
@click.option("--since", callback=as_time, metavar="TIME", help="Only runs made since: 2026-01-31, 12h, 7d …")
@click.option(
    "--limit", type=click.IntRange(1, operations.MAX_RUNS), default=20, show_default=True, help="At most so many."
)
@click.option("--all", "is_all", is_flag=True, help="Also each run of a sweep, which is listed as one else.")
@as_json_option
def ls(
    states: tuple[str, ...],
    flow: str | None,
    notebook: str | None,
    deployment: str | None,
    tag: str | None,
    owner: str | None,
    since: datetime | None,
    limit: int,
    is_all: bool,
    as_json: bool,
) -> None:
    """List runs, the newest first."""
    words = [word for text in states for word in text.split(",") if word.strip()]
    with opened_backend() as backend:
        page = backend.call(
            operations.list_runs,
            limit=limit,
            states=words,
            flow_name=flow,
            tag=tag,
            since=since,
            deployment=deployment,
            owner=process_user() if owner == "me" and not backend.is_remote else owner,
            notebook=notebook,
            has_runs_of_sweeps=is_all,
        )
    if as_json:
        print_json({"runs": [_summary_document(run) for run in page.runs]})
    elif page.runs:
        _print_runs(page.runs)
        say_if_cut(page.next is not None, limit, operations.MAX_RUNS)
    elif any(given is not None for given in (flow, notebook, deployment, tag, owner, since)):
        click.echo("No run is like that. `orchestra runs ls` lists all runs.")
    elif words:
        click.echo(f"No run is in one of the states {', '.join(words)}. `orchestra runs ls` lists all runs.")
    else:
        click.echo("No runs yet. Put %%task on a cell, or run `orchestra run NOTEBOOK`.")


@runs.command()
@_run_argument
@click.option("--all", "is_all", is_flag=True, help="Also the tasks from before it was retried or resumed.")
@click.option("--task", metavar="TASK", help="Only this task, with the whole traceback of its error.")
@as_json_option
def show(run: str, is_all: bool, task: str | None, as_json: bool) -> None:
    """Show a run, what it asked people, its tasks and its cells."""
    with opened_backend() as backend:
        details = backend.call(operations.show_run, run, has_all_epochs=is_all)
        children = backend.call(children_of, details.run)
        records = backend.call(returned_by_run, details.run)
        attempts = backend.call(list_attempts, details.run.run_id)
        asked = backend.call(list_inputs, details.run.run_id)
        if task is not None:
            wanted = backend.call(operations.find_task, backend.call(operations.find_run, run), task).task_run_id
            only = tuple(one for one in details.tasks if one.task_run_id == wanted)
            details = msgspec.structs.replace(details, tasks=only, cells=())
    if as_json:
        questions = [question_document(question) for question in asked]
        more = {"attempts": attempts, "values": readable_values(records), "inputs": questions}
        print_json(_details_document(details) | more | children_document(children))
    else:
        if task is not None:
            attempts, asked = (), []
        _print_details(details, is_all, children, records, attempts, asked)


@runs.command()
@_run_argument
@click.option("--task", metavar="TASK", help="Only what this task logged.")
@click.option("--follow", "-f", is_flag=True, help="Wait for more until the run has ended.")
@as_json_option
def logs(run: str, task: str | None, follow: bool, as_json: bool) -> None:
    """Print what a run logged and printed.

    With --json one JSON object a line.
    """
    with opened_backend(is_lasting=follow) as backend:
        found = backend.call(operations.find_run, run)
        names = _TaskNames(backend, found.run_id)
        count = 0
        for page in _log_pages(backend, found.run_id, task, follow):
            count += len(page.lines)
            for line in page.lines:
                name = names.name_of(line.task_run_id)
                if as_json:
                    click.echo(encode_json(msgspec.structs.asdict(line) | {"task": name}).decode())
                else:
                    click.echo(_log_text(line, name))
    if not count and not as_json:
        click.echo(f"Run {found.name} has logged nothing{' in this task' if task else ''}.", err=True)


@runs.command()
@_run_argument
@click.option("--task", metavar="TASK", help="Only this task of the run.")
@as_json_option
def cancel(run: str, task: str | None, as_json: bool) -> None:
    """Ask a run to stop."""
    with opened_backend() as backend:
        found = backend.call(operations.cancel_run, run, task=task, actor=caller(), now=datetime.now(UTC))
        if task is not None:
            has_changed([("cancel_task", part_of("task", task, run))])
    if as_json:
        print_json({"cancelled": found.run_id})
    else:
        what = f"Task {task} of run {found.name}" if task else f"Run {found.name}"
        click.echo(f"{what} was asked to stop. `orchestra runs show {typed_run(found)}` tells its state.")


@runs.command()
@_run_argument
@as_json_option
def suspend(run: str, as_json: bool) -> None:
    """Ask the run of a flow to leave its process before its next task.

    `orchestra runs resume` runs it again from its beginning; tasks whose results were persisted are not run again.
    """
    with opened_backend() as backend:
        found = backend.call(operations.suspend_run, run, actor=caller(), now=datetime.now(UTC))
    if as_json:
        print_json({"suspended": found.run_id})
    else:
        click.echo(
            f"Run {found.name} was asked to suspend itself: it does before its next task. `orchestra runs show "
            f"{typed_run(found)}` tells its state, and `orchestra runs resume {typed_run(found)}` has it go on."
        )


def _log_pages(backend: Backend, run_id: str, task: str | None, follow: bool) -> Iterator[LogPage]:
    if follow:
        yield from backend.call(operations.follow_logs, run_id, task=task)
        return
    after = 0
    while (page := backend.call(operations.read_logs, run_id, task=task, after=after)).lines:
        yield page
        after = page.next


class _TaskNames:
    """Task run id to the task's name, read again only for an id that is new."""

    def __init__(self, backend: Backend, run_id: str) -> None:
        self._backend = backend
        self._run_id = run_id
        self._names: dict[str, str] = {}

    def name_of(self, task_run_id: str | None) -> str | None:
        """Return the name; None for a line that no task logged."""
        if task_run_id is not None and task_run_id not in self._names:
            self._names = self._backend.call(operations.names_in_run, self._run_id)
        return self._names.get(task_run_id or "")


def _has_namesakes(found: tuple[RunSummary, ...]) -> bool:
    """Tell whether runs of one flow are of different notebooks."""
    known: dict[str, str | None] = {}
    return any(known.setdefault(run.flow_name, run.notebook_path) != run.notebook_path for run in found)


def _print_runs(found: tuple[RunSummary, ...]) -> None:
    now = datetime.now(UTC)
    columns: dict[str, list[str | State]] = {
        "RUN": [run.name for run in found],
        "FLOW": [run.flow_name for run in found],
        "STATE": [run.state for run in found],
        "TASKS": [f"{run.tasks.done}/{run.tasks.total}" if run.tasks.total else "-" for run in found],
        "CREATED": [ago(run.created_at, now) for run in found],
        "TOOK": [took(run.started_at, run.ended_at, now) for run in found],
    }
    if _has_namesakes(found):
        columns["NOTEBOOK"] = [run.notebook_path or "-" for run in found]
    if any(run.deployment for run in found):
        columns["DEPLOYMENT"] = [run.deployment or "-" for run in found]
    if any(run.parameters for run in found):
        columns["PARAMETERS"] = [_short_parameters(run) for run in found]
    columns["MESSAGE"] = [run.message for run in found]
    print_table(tuple(columns), list(zip(*columns.values(), strict=True)), spared=("PARAMETERS", "DEPLOYMENT"))


def _short_parameters(run: Run) -> str:
    """Return what a run was given, in a column; `runs show` and --json have all of it."""
    return shortened(_parameters_text(run), _LONGEST_PARAMETERS) or "-"


def _parameters_text(run: Run) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in _readable(run.parameters).items())


def _print_details(
    details: RunDetails,
    is_all: bool,
    children: tuple[Run, ...] | SweepResult,
    records: list[RecordedValue],
    attempts: tuple[RunAttempt, ...],
    asked: Sequence[RunInput],
) -> None:
    run, now = details.run, datetime.now(UTC)
    duration = took(run.started_at, run.ended_at, now)
    click.echo(f"{run.name}  {printable(run.flow_name)}  {state_text(run.state)}  {duration}")
    if run.message:
        click.echo(printable(run.message))
    facts = (
        ("id", run.run_id),
        ("created", f"{time_text(run.created_at)}, {ago(run.created_at, now)}"),
        ("owner", run.owner),
        ("notebook", run.notebook_path),
        ("output", run.output_path),
        ("parameters", _parameters_text(run)),
        ("returned", returned_text(records)),
        ("deployment", f"{run.deployment}, version {run.deployment_version}" if run.deployment else ""),
        ("due", time_text(run.due_at) if run.due_at is not None else ""),
        ("cluster", run.cluster if _has_used_cluster(details) else ""),
        ("begun", _begun_text(run, is_all)),
    )
    for name, value in facts:
        if value:
            click.echo(f"  {name:<12}{one_line(value)}")
    _print_attempts(attempts, now)
    print_questions(asked, now)
    _print_tasks(details, now, is_all and run.epoch > 1)
    print_children(children, now)
    _print_cells(details, now)
    _print_traceback(details)
    if details.tasks or details.cells or details.run.state in FAILURE_STATES:
        click.echo(f"\nIts logs: orchestra runs logs {typed_run(run)}")


def _has_used_cluster(details: RunDetails) -> bool:
    """Return whether a run was given a cluster, or has tasks that ran on the local one, which every run might use."""
    return details.run.cluster != "local" or any(not task.is_cached for task in details.tasks)


def _begun_text(run: RunSummary, is_all: bool) -> str:
    """Say how often a run was begun, if that is more than once."""
    if run.epoch == 1:
        return ""
    return f"{run.epoch} times" + ("" if is_all else f"; the tasks of all: orchestra runs show {typed_run(run)} --all")


def _print_attempts(attempts: tuple[RunAttempt, ...], now: datetime) -> None:
    """Print what became of each time that a run was begun, if that is more than once."""
    if len(attempts) < 2:
        return
    click.echo()
    rows: list[list[str | State]] = [
        [
            str(one.number),
            one.state,
            ago(one.started_at, now),
            took(one.started_at, one.ended_at, now),
            f"{one.driver} on {one.host}, pid {one.pid}" if one.driver else "-",
            one.message or "-",
        ]
        for one in attempts
    ]
    print_table(("ATTEMPT", "STATE", "STARTED", "TOOK", "DRIVEN BY", "MESSAGE"), rows)
    for one in attempts[:-1]:
        if one.output_path is not None:
            click.echo(f"The executed notebook of attempt {one.number}: {printable(one.output_path)}")


def _print_traceback(details: RunDetails) -> None:
    """Print the traceback of the first failed task, and where those of the others are."""
    failed = [task for task in details.tasks if task.error is not None and task.error.traceback]
    if not failed:
        return
    first = failed[0]
    assert first.error is not None
    click.echo(f"\nTask {printable(first.name)} failed:\n{printable(str(first.error.traceback).rstrip())}")
    if len(failed) > 1:
        others = "another task" if len(failed) == 2 else f"{len(failed) - 1} other tasks"
        command = f"orchestra runs show {typed_run(details.run)} --task {shlex.quote(failed[1].name)}"
        click.echo(f"\nThe traceback of {others}: {printable(command)}")


def _print_tasks(details: RunDetails, now: datetime, has_epochs: bool) -> None:
    if not details.tasks:
        return
    click.echo()
    rows: list[list[str | State]] = [
        [
            *([str(task.epoch)] if has_epochs else []),
            task.name,
            CACHED if task.is_cached and task.state is State.COMPLETED else task.state,
            took(task.started_at, task.ended_at, now),
            _attempt_text(task),
            task.worker or "-",
            _error_text(task.error) if task.error else task.message,
        ]
        for task in details.tasks
    ]
    headings = ("TASK", "STATE", "TOOK", "ATTEMPT", "WORKER", "MESSAGE")
    print_table(("BEGUN", *headings) if has_epochs else headings, rows)


def _attempt_text(task: TaskView) -> str:
    """Return the attempt, and how many there may be; those after a lost worker are not among these."""
    over = task.attempt - task.max_attempts
    return f"{task.attempt} of {task.max_attempts}" if over <= 0 else f"{task.attempt}, {over} after a lost worker"


def _print_cells(details: RunDetails, now: datetime) -> None:
    if not details.cells:
        return
    click.echo()
    rows: list[list[str | State]] = [
        [
            str(_number_of(cell) or "-"),
            _state_of_cell(cell, details.run),
            took(cell.started_at, cell.ended_at, now),
            cell.title,
            _attempts_of(cell),
            _error_text(cell.error) if cell.error else "",
        ]
        for cell in details.cells
    ]
    headings = ["CELL", "STATE", "TOOK", "TITLE", "ATTEMPT", "ERROR"]
    if not any(row[4] for row in rows):
        for line in (headings, *rows):
            del line[4]
    print_table(headings, rows)


def _state_of_cell(cell: CellView, run: Run) -> str | State:
    if _was_not_run(cell, run):
        return _NOT_RUN
    return CACHED if cell.is_cached and cell.state is State.COMPLETED else cell.state


def _was_not_run(cell: CellView, run: Run) -> bool:
    return cell.state is State.PENDING and run.state.is_terminal


def _number_of(cell: CellView) -> int:
    """Return which cell of the user's own file it is; 0 for the one that the run made for its parameters."""
    return cell.index + 1 if cell.number is None else cell.number


def _attempts_of(cell: CellView) -> str:
    """Return the attempt of a cell that has retries, or has run more than once."""
    if cell.max_attempts == 1 and cell.attempt == 1:
        return ""
    return f"{cell.attempt} of {cell.max_attempts}" if cell.attempt <= cell.max_attempts else str(cell.attempt)


def _error_text(error: ErrorInfo) -> str:
    where = [error.cell] if error.cell else []
    if error.line is not None:
        where.append(f"line {error.line}")
    what = f"{error.type}: {one_line(error.message)}" if error.message else error.type
    return what + (f" ({', '.join(where)})" if where else "")


def _log_text(line: operations.NumberedLine, task: str | None) -> str:
    level = f"{logging.getLevelName(line.level)} " if line.level >= logging.WARNING else ""
    source = f"{printable(task)}: " if task else ""
    return f"{here(line.at):%H:%M:%S} {level}{source}{printable(line.message)}"


def _summary_document(run: RunSummary) -> dict[str, object]:
    document: dict[str, object] = msgspec.to_builtins(run)
    return document | {"parameters": _readable(run.parameters)}


def _details_document(details: RunDetails) -> dict[str, object]:
    """Return a run in the form of ``orchestra run --json``, with more fields."""
    run = details.run
    return {
        "run_id": run.run_id,
        "name": run.name,
        "flow_name": run.flow_name,
        "kind": run.kind,
        "state": run.state,
        "message": run.message,
        "notebook": run.notebook_path,
        "output": run.output_path,
        "parameters": _readable(run.parameters),
        "cluster": run.cluster,
        "deployment": run.deployment,
        "deployment_version": run.deployment_version,
        "occurrence": run.occurrence,
        "due_at": run.due_at,
        "epoch": run.epoch,
        "owner": run.owner,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "cells": [
            {
                "index": cell.index,
                "number": _number_of(cell),
                "id": cell.cell_id,
                "state": "NOT_RUN" if _was_not_run(cell, run) else cell.state,
                "is_cached": cell.is_cached,
                "attempts": cell.attempt,
                "epoch": cell.epoch,
                "message": cell.message,
                "title": cell.title,
                "started_at": cell.started_at,
                "ended_at": cell.ended_at,
                "error": cell.error,
            }
            for cell in details.cells
        ],
        "tasks": [
            {
                "id": task.task_run_id,
                "name": task.name,
                "state": task.state,
                "message": task.message,
                "attempts": task.attempt,
                "is_cached": task.is_cached,
                "epoch": task.epoch,
                "started_at": task.started_at,
                "ended_at": task.ended_at,
                "worker": task.worker,
                "error": error_of(task),
                "upstream": task.upstream,
            }
            for task in details.tasks
        ],
    }


def _readable(parameters: dict[str, object]) -> dict[str, object]:
    return {name: to_readable(value) for name, value in parameters.items()}
