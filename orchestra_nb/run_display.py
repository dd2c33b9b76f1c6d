"""What a task cell shows, as MIME bundles: data for our renderer, static HTML and plain text beside it.

The HTML stands by itself: it is what GitHub, nbconvert and front ends without our extension show, also years later.
It has inline styles only, in colours that keep a contrast of 4.5:1 on white and on the dark themes in use, and every
word that comes from a user is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from orchestra_nb.model.durations import format_duration
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.model.waiting_words import is_for_worker

RUN_MIME: Final = "application/vnd.orchestra.run.v1+json"
OUTPUTS_MIME: Final = "application/vnd.orchestra.outputs.v1+json"

#: State to (character, word, colour). The characters stand in for the icons that our renderer draws.
APPEARANCE: Final[dict[State, tuple[str, str, str]]] = {
    State.SCHEDULED: ("◷", "Scheduled", "#757575"),
    State.PENDING: ("○", "Pending", "#757575"),
    State.RUNNING: ("▶", "Running", "#1976d2"),
    State.RETRYING: ("↻", "Retrying", "#b45309"),
    State.PAUSED: ("⏸", "Paused", "#b45309"),
    State.CANCELLING: ("⊘", "Cancelling", "#8e4bbf"),
    State.COMPLETED: ("✓", "Completed", "#2e7d32"),
    State.FAILED: ("✕", "Failed", "#d32f2f"),
    State.TIMED_OUT: ("⏱", "Timed out", "#d32f2f"),
    State.CRASHED: ("⚡", "Crashed", "#d32f2f"),
    State.CANCELLED: ("⊘", "Cancelled", "#8e4bbf"),
    State.SKIPPED: ("⤼", "Skipped", "#00838f"),
    State.UPSTREAM_FAILED: ("↥", "Upstream failed", "#757575"),
    State.MISSED: ("◌", "Missed", "#757575"),
}

#: JupyterLab and nbconvert give a ``pre`` within HTML the font of the text around it.
CODE_FONT: Final = "font-family:var(--jp-code-font-family,monospace);"

#: Between the parts of a line: text, since GitHub takes styles away, and what is copied has none.
SEPARATOR_HTML: Final = '<span style="opacity:.6">·</span>'

#: What a completed task shows whose result was kept: the code did not run.
CACHED_APPEARANCE: Final = ("⟲", "Cached", "#00838f")


def task_view(task: TaskRun, expected_seconds: float | None = None) -> dict[str, object]:
    """Return a task run as the views take it: its record as JSON data, with the expected duration."""
    view: dict[str, object] = msgspec.to_builtins(task)
    if appearance_of(task) is CACHED_APPEARANCE:
        view["state"] = "CACHED"
    if task.error is not None:
        fields = ("type", "message", "cell", "line", "source_line", "traceback")
        view["error"] = {name: getattr(task.error, name) for name in fields}
    return {**view, "expected_seconds": expected_seconds}


def task_bundle(task: TaskRun, cluster: str = "") -> dict[str, object]:
    """Return the bundle of one task's line. ``cluster`` says what the cluster is doing while it is not ready."""
    is_live = not task.state.is_terminal
    output = {
        "version": 1,
        "view": "task",
        "task": task_view(task),
        "cluster": cluster if is_live else "",
        "live": is_live,
    }
    return {RUN_MIME: output, "text/html": task_html(task, cluster), "text/plain": task_text(task, cluster)}


def task_text(task: TaskRun, cluster: str = "") -> str:
    """Return a task's line as plain text.

    >>> from datetime import datetime, UTC
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> task_text(TaskRun(task_run_id="1", run_id="2", name="clean", state=State.PENDING, created_at=now))
    '○ clean  Pending'
    """
    icon, word, _ = appearance_of(task)
    return "  ".join([f"{icon} {task.name}", word, *task_details(task, cluster)])


def task_html(task: TaskRun, cluster: str = "") -> str:
    """Return a task's line as HTML that needs nothing else."""
    icon, word, colour = appearance_of(task)
    line = line_html(icon, word, colour, task.name, task_details(task, cluster))
    if task.error is None or not task.error.traceback:
        return line
    trace = html.escape(task.error.traceback)
    return (
        f"{line}<details><summary>Traceback</summary>"
        f'<pre style="{CODE_FONT}overflow-x:auto;font-size:.9em">{trace}</pre></details>'
    )


def line_html(icon: str, word: str, colour: str, name: str, details: Iterable[str]) -> str:
    """Return the line of a task or a run as HTML."""
    rest = "".join(f" {SEPARATOR_HTML} {html.escape(detail)}" for detail in details)
    return (
        f'<div style="line-height:28px;white-space:normal"><span style="color:{colour};font-weight:600">'
        f"{icon}&nbsp;{word}</span> {SEPARATOR_HTML} <b>{html.escape(name)}</b>{rest}</div>"
    )


def details_html(details: Iterable[str]) -> str:
    """Return what follows a name, in a place of its own, as HTML."""
    return f" {SEPARATOR_HTML} ".join(map(html.escape, details))


def appearance_of(task: TaskRun) -> tuple[str, str, str]:
    """Return character, word and colour of a task run's state."""
    return CACHED_APPEARANCE if task.is_cached and task.state is State.COMPLETED else APPEARANCE[task.state]


def task_details(task: TaskRun, cluster: str = "") -> list[str]:
    """Return what follows name and state, most important first."""
    details = []
    if task.error is not None and task.state.is_terminal:
        message = f": {task.error.message}" if task.error.message else ""
        details.append(_first_line(f"{task.error.type}{message}"))
        place = [task.error.cell or "", f"line {task.error.line}" if task.error.line else ""]
        details.append(", ".join(part for part in place if part))
    elif cluster and task.state is State.PENDING and (not task.message or is_for_worker(task.message)):
        details.append(cluster)
    elif task.message:
        details.append(_first_line(task.message))
    if task.started_at is not None and task.ended_at is not None:
        details.append(format_duration((task.ended_at - task.started_at).total_seconds()))
    if task.max_attempts > 1 or task.attempt > 1:
        details.append(f"attempt {max(task.attempt, 1)} of {max(task.max_attempts, task.attempt)}")
    if task.worker:
        details.append(task.worker)
    return [detail for detail in details if detail]


def _first_line(text: str, width: int = 160) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= width else line[: width - 1] + "…"


# --- what a task showed


def outputs_bundle(outputs: Sequence[Mapping[str, object]]) -> tuple[dict[str, object], dict[str, object]]:
    """Return (data, metadata) of one display that holds all that a task showed.

    One rich output is passed on as it is, so that every tool sees a figure as a figure. Text alone is text. Several
    outputs become our own type, drawn one below the other, with static HTML beside it.
    """
    if not outputs:
        return {}, {}
    if len(outputs) == 1 and outputs[0].get("output_type") in ("display_data", "execute_result"):
        data, metadata = outputs[0].get("data", {}), outputs[0].get("metadata", {})
        assert isinstance(data, dict)
        assert isinstance(metadata, dict)
        return data, metadata
    texts = [_output_text(output) for output in outputs]
    plain = "\n".join(text.rstrip("\n") for text in texts if text)
    if all(output.get("output_type") == "stream" and output.get("name") == "stdout" for output in outputs):
        return {"text/plain": plain}, {}
    return {
        OUTPUTS_MIME: {"version": 1, "outputs": list(outputs)},
        "text/html": "".join(map(_output_html, outputs)),
        "text/plain": plain,
    }, {}


def _output_text(output: Mapping[str, object]) -> str:
    if output.get("output_type") == "stream":
        return str(output.get("text", ""))
    data = output.get("data", {})
    return str(data.get("text/plain", "")) if isinstance(data, Mapping) else ""


def _output_html(output: Mapping[str, object]) -> str:
    if output.get("output_type") == "stream":
        shade = "background:rgba(221,60,60,.15);" if output.get("name") == "stderr" else ""
        return f'<pre style="{CODE_FONT}{shade}margin:0">{html.escape(str(output.get("text", "")))}</pre>'
    data = output.get("data", {})
    assert isinstance(data, Mapping)
    if "text/html" in data:
        return f"<div>{data['text/html']}</div>"
    if "image/svg+xml" in data:
        return f"<div>{data['image/svg+xml']}</div>"
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return f'<img src="data:{kind};base64,{str(data[kind]).strip()}">'
    return f'<pre style="{CODE_FONT}margin:0">{html.escape(str(data.get("text/plain", "")))}</pre>'
