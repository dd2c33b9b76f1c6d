"""What a run shows under its cell, as MIME bundles: data for our renderer, static HTML and plain text beside it.

All three are of the kept picture of the run (:mod:`orchestra_nb.model.run_picture`), so that a run of ten thousand
tasks leaves a small notebook. The HTML stands by itself, as that of a task's line (:mod:`orchestra_nb.run_display`).
"""

from __future__ import annotations

import html
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from orchestra_nb.engine.flow_graph import FlowGraph
from orchestra_nb.model.durations import format_duration
from orchestra_nb.model.run_picture import CACHED, KeptPicture, PictureGroup, RunPicture
from orchestra_nb.model.runs import Run, TaskRun
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.model.told_failures import errors_of, is_told, without_told
from orchestra_nb.run_display import (
    APPEARANCE,
    CACHED_APPEARANCE,
    CODE_FONT,
    RUN_MIME,
    appearance_of,
    details_html,
    line_html,
    task_details,
    task_text,
    task_view,
)

#: The state, in the data for our renderer, of what was never started.
NOT_RUN: Final = "NOT_RUN"

NO_TASKS: Final = "No tasks yet. Put %%task NAME on the first line of a cell and run it."

_RUN_FIELDS = (
    "run_id",
    "name",
    "flow_name",
    "kind",
    "state",
    "epoch",
    "message",
    "created_at",
    "started_at",
    "ended_at",
)

#: So many failed task runs are told one by one in HTML and in text, and so many lines follow for the groups.
_FAILURES_IN_HTML, _GROUPS_IN_HTML = 10, 50
_FAILURES_IN_TEXT, _GROUPS_IN_TEXT = 5, 20
#: The end of a trace is what tells; the log has all of it. Other failures have theirs in the log only.
_TRACE_CHARACTERS, _TRACES = 4_000, 10
_MESSAGE_CHARACTERS = 400

_CELL = 'style="text-align:left;vertical-align:top;padding:2px 16px 2px 0;white-space:normal"'


def flow_bundle(
    run: Run | None, tasks: Sequence[TaskRun], edges: Sequence[tuple[str, str]] | None = None
) -> dict[str, object]:
    """Return the bundle of a run with these tasks; ``edges`` as :meth:`RunPicture.of` takes them."""
    return picture_bundle(RunPicture.of(run, tasks, edges).kept())


def picture_bundle(picture: KeptPicture) -> dict[str, object]:
    """Return the bundle of what is kept of a run."""
    return {RUN_MIME: picture_data(picture), "text/html": flow_html(picture), "text/plain": flow_text(picture)}


def picture_data(picture: KeptPicture) -> dict[str, object]:
    """Return what is kept of a run as our renderer takes it.

    A task run that is the first of its group has the group's upstream; ``omitted`` is by a group's first task run how
    many others are in each state, and by ``""`` those of no group that is kept.
    """
    run = picture.run
    omitted = {group.group_id: group.omitted for group in picture.groups if group.omitted}
    if picture.rest:
        omitted[""] = dict(picture.rest)
    traces = 0
    views = []
    for group in picture.groups:
        for task in group.tasks:
            traces += task.error is not None
            views.append(_kept_view(task, group, has_trace=traces <= _TRACES))
    return {
        "version": 1,
        "view": "flow",
        "run": None if run is None else {name: msgspec.to_builtins(getattr(run, name)) for name in _RUN_FIELDS},
        "tasks": views,
        "edges": [[start, group.group_id] for group in picture.groups for start in group.upstream],
        "omitted": omitted,
        "live": picture.is_live,
    }


def _kept_view(task: TaskRun, group: PictureGroup, *, has_trace: bool) -> dict[str, object]:
    view = task_view(task)
    view["group"] = group.group_id
    view["message"] = task.message[:_MESSAGE_CHARACTERS]
    view["upstream"] = group.upstream if task.task_run_id == group.group_id else ()
    if task.error is not None:
        trace = (task.error.traceback or "")[-_TRACE_CHARACTERS:] if has_trace else ""
        error = {**msgspec.to_builtins(task.error), "message": task.error.message[:_MESSAGE_CHARACTERS]}
        view["error"] = {**error, "traceback": trace or None}
    return {name: value for name, value in view.items() if value}  # the readers know what is usual


# --- text


def flow_text(picture: KeptPicture) -> str:
    """Return a run as plain text: its head, the first failures, and a line for each of its tasks."""
    if picture.run is None and not picture.groups:
        return NO_TASKS
    lines = [_task_line(task, group, picture) for task, group in _failures(picture, _FAILURES_IN_TEXT)]
    lines += [_group_line(group, picture) for group in _other_groups(picture)[:_GROUPS_IN_TEXT]]
    left_out = _left_out(picture, _GROUPS_IN_TEXT)
    if left_out:
        lines.append(f"… {left_out}")
    if picture.run is None:
        return "\n".join(lines)
    head = [_head_text(picture.run, picture)]
    if message := _message(picture, _FAILURES_IN_TEXT):
        head.append(f"  {message}")
    return "\n".join([*head, *(f"  {line}" for line in lines)])


def _head_text(run: Run, picture: KeptPicture) -> str:
    icon, word, _ = APPEARANCE[run.state]
    return "  ".join([f"{icon} {word}", f"{run.flow_name} · run {run.name}", *_head_details(run, picture)])


def _task_line(task: TaskRun, group: PictureGroup, picture: KeptPicture) -> str:
    return task_text(task) + _after(group, picture, "  ← ")


def _group_line(group: PictureGroup, picture: KeptPicture) -> str:
    if group.size == 1:
        return _task_line(group.tasks[0], group, picture)
    icon = _look(group.state)[0]
    return f"{icon} {group.name} ×{group.size:,}  {_counted(group.counts)}{_after(group, picture, '  ← ')}"


# --- HTML


def flow_html(picture: KeptPicture) -> str:
    """Return a run as HTML that needs nothing else: its head, and a table with the first failures above."""
    if picture.run is None and not picture.groups:
        return f"<div>{html.escape(NO_TASKS)}</div>"
    rows = [_failed_row(task, group, picture) for task, group in _failures(picture, _FAILURES_IN_HTML)]
    rows += [_group_row(group, picture) for group in _other_groups(picture)[:_GROUPS_IN_HTML]]
    left_out = _left_out(picture, _GROUPS_IN_HTML)
    if left_out:
        rows.append(f"<tr><td {_CELL} colspan=4>… {html.escape(left_out)}</td></tr>")
    titles = "".join(f"<th {_CELL}>{word}</th>" for word in ("State", "Task", "After", "Details"))
    table = f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>" if rows else ""
    return f"{_head_html(picture)}{table}"


def _head_html(picture: KeptPicture) -> str:
    run = picture.run
    if run is None:
        return ""
    line = line_html(*APPEARANCE[run.state], run.flow_name, (f"run {run.name}", *_head_details(run, picture)))
    told = _message(picture, _FAILURES_IN_HTML)
    message = f"<div>{html.escape(told)}</div>" if told else ""
    return f"{line}{message}"


def _failed_row(task: TaskRun, group: PictureGroup, picture: KeptPicture) -> str:
    details = details_html(task_details(task))
    if task.error is not None and task.error.traceback:
        trace = html.escape(task.error.traceback[-_TRACE_CHARACTERS:])
        details = (
            f"<details><summary>{details}</summary>"
            f'<pre style="{CODE_FONT}overflow-x:auto;font-size:.9em">{trace}</pre></details>'
        )
    return _row(appearance_of(task), task.name, _after(group, picture), details)


def _group_row(group: PictureGroup, picture: KeptPicture) -> str:
    after = _after(group, picture)
    if group.size == 1:
        (task,) = group.tasks
        return _row(appearance_of(task), task.name, after, details_html(task_details(task)))
    bar = "".join(
        f'<span style="flex:{count} 0 2px;background:{_look(word)[2]}"></span>'
        for word, count in reversed(list(group.counts.items()))
    )
    details = (
        f'<span style="display:flex;gap:1px;width:160px;height:8px;margin:6px 0 2px">{bar}</span>'
        f"{html.escape(_counted(group.counts))}"
    )
    return _row(_look(group.state), f"{group.name} ×{group.size:,}", after, details)


def _row(look: tuple[str, str, str], name: str, after: str, details: str) -> str:
    icon, word, colour = look
    return (
        f'<tr><td {_CELL}><span style="color:{colour};font-weight:600;white-space:nowrap">{icon}&nbsp;{word}</span>'
        f"</td><td {_CELL}><b>{html.escape(name)}</b></td><td {_CELL}>{html.escape(after)}</td>"
        f"<td {_CELL}>{details}</td></tr>"
    )


# --- what both say


def _failures(picture: KeptPicture, most: int) -> list[tuple[TaskRun, PictureGroup]]:
    """Return the failed task runs that are told one by one, with their groups; those that only followed come last."""
    failed = [(task, group) for group in picture.groups for task in group.tasks if task.state in FAILURE_STATES]
    failed.sort(key=lambda item: item[0].state is State.UPSTREAM_FAILED)
    told = errors_of(task for task, _ in failed[:most])
    return [(_without_told(task, told), group) for task, group in failed[:most]]


def _without_told(task: TaskRun, told: Sequence[str]) -> TaskRun:
    if task.state is not State.UPSTREAM_FAILED:
        return task
    return msgspec.structs.replace(task, message=without_told(task.message, told))


def _message(picture: KeptPicture, most: int) -> str:
    """Return what is said of the run itself; nothing where a failure that is told below says it."""
    message = picture.run.message if picture.run is not None else ""
    told = errors_of(task for task, _ in _failures(picture, most))
    return "" if is_told(message, told) else _first_line(message)


def _other_groups(picture: KeptPicture) -> list[PictureGroup]:
    """Return the groups but for single task runs that failed: they are told one by one, or counted."""
    return [group for group in picture.groups if group.size > 1 or group.tasks[0].state not in FAILURE_STATES]


def _left_out(picture: KeptPicture, most_groups: int) -> str:
    """Say how many task runs have no line."""
    others = _other_groups(picture)
    singles = sum(group.size == 1 and group.tasks[0].state in FAILURE_STATES for group in picture.groups)
    most_failures = _FAILURES_IN_TEXT if most_groups == _GROUPS_IN_TEXT else _FAILURES_IN_HTML
    count = sum(picture.rest.values()) + sum(group.size for group in others[most_groups:])
    count += max(0, singles - most_failures)
    return f"and {count:,} more task{'s' if count != 1 else ''}" if count else ""


def _head_details(run: Run, picture: KeptPicture) -> Iterator[str]:
    """Yield what follows the name of a run: how long it took, and how many of its tasks have ended."""
    if (seconds := picture.seconds_at_work) is not None:
        yield format_duration(seconds)
    elif run.started_at is not None:
        yield f"since {run.started_at:%H:%M:%S} UTC"
    counts = picture.counts
    total = counts.total()
    if total:
        done = sum(count for word, count in counts.items() if _is_over(word))
        failed = sum(count for word, count in counts.items() if word != CACHED and State(word) in FAILURE_STATES)
        words = f"{done:,} of {total:,} task{'s' if total != 1 else ''}"
        yield f"{words}, {failed:,} failed" if failed else words


def _after(group: PictureGroup, picture: KeptPicture, mark: str = "") -> str:
    names = {other.group_id: other.name for other in picture.groups} if group.upstream else {}
    before = ", ".join(names[item] for item in group.upstream)
    return f"{mark}{before}" if before else ""


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {_look(word)[1].lower()}" for word, count in counts.items())


def _look(word: str) -> tuple[str, str, str]:
    return CACHED_APPEARANCE if word == CACHED else APPEARANCE[State(word)]


def _is_over(word: str) -> bool:
    return word == CACHED or State(word).is_terminal


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= _MESSAGE_CHARACTERS else f"{line[: _MESSAGE_CHARACTERS - 1]}…"


# --- the graph of a flow that was not run


def plan_bundle(graph: FlowGraph) -> dict[str, object]:
    """Return the bundle of the graph of a flow that was not run: the data of a flow whose states say that."""
    now = datetime.now(UTC)
    tasks = [
        TaskRun(
            task_run_id=node.node_id,
            run_id="",
            name=node.label,
            state=State.PENDING,
            created_at=now,
            upstream=node.upstream,
        )
        for node in graph.nodes
    ]
    output = {
        "version": 1,
        "view": "flow",
        "run": {"run_id": "", "name": "", "flow_name": graph.flow_name, "state": NOT_RUN, "message": ""},
        "tasks": [{**task_view(task), "state": NOT_RUN} for task in tasks],
        "edges": [list(edge) for edge in graph.edges],
        "live": False,
    }
    return {RUN_MIME: output, "text/html": plan_html(graph), "text/plain": graph.text()}


def plan_html(graph: FlowGraph) -> str:
    """Return the graph of a flow that was not run as HTML that needs nothing else."""
    drawing = html.escape(graph.text())
    return f'<pre style="{CODE_FONT}line-height:1.2;overflow-x:auto">{drawing}</pre>'


def show_plan(graph: FlowGraph) -> None:
    """Show the graph of a flow that was not run: as a display in a notebook, else as text."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    if shell is not None and hasattr(shell, "kernel"):
        from IPython.display import display

        display(plan_bundle(graph), raw=True)  # type: ignore[no-untyped-call]
    else:
        sys.stdout.write(f"{graph.text()}\n")
