"""How a run looks in the shell while it goes on: one block that is drawn anew on a terminal, plain lines elsewhere.

Both write to stderr: stdout is for data.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click
import msgspec

from orchestra_nb.cli.run_tables import one_line, printable
from orchestra_nb.model.conclusion import NOTHING_GIVEN
from orchestra_nb.model.counted import counted
from orchestra_nb.model.durations import format_duration, format_elapsed
from orchestra_nb.model.events import (
    CellRunChanged,
    Event,
    LogsWritten,
    RunCreated,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
    apply_to_run,
    apply_to_task,
)
from orchestra_nb.model.runs import CellRun, ErrorInfo, Run, TaskRun
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.run_display import APPEARANCE

if TYPE_CHECKING:
    from rich.text import Text

_BAR_WIDTH = 20
_NOTE = "·"
#: So many of the newest notes stand in the block.
_NOTES_SHOWN = 3
_REDRAWS_A_SECOND = 8

#: So many failed tasks are told with their error at the end of a run.
_MAX_FAILURES = 5
_COLOURS = {
    State.COMPLETED: "green",
    State.RUNNING: "blue",
    State.RETRYING: "yellow",
    State.CANCELLING: "magenta",
    State.CANCELLED: "magenta",
    State.SKIPPED: "cyan",
} | dict.fromkeys(FAILURE_STATES, "red")


class RunView:
    """What is known of a run, from its events."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.cells: dict[int, CellRun] = {}
        self.tasks: dict[str, TaskRun] = {}
        #: id of a run that it has started, or its own where a server follows those, to what people are asked for
        self.questions: dict[str, str] = {}
        self._has_run = False

    def take(self, event: Event) -> CellRun | TaskRun | None:
        """Note an event; return the cell or the task that it changed."""
        match event:
            case RunCreated(run=run) if self.run is None:  # those that follow are of flows that it calls
                self.run = run
            case RunStateChanged(run_id=run_id) if self.run is not None and run_id == self.run.run_id:
                if event.state is self.run.state is State.RUNNING and event.message:  # as a server tells it of a child
                    self.questions[run_id] = event.message
                else:
                    self.questions.pop(run_id, None)
                self.run = apply_to_run(self.run, event)
            case RunStateChanged(run_id=run_id, state=State.PAUSED):
                self.questions[run_id] = event.message
            case RunStateChanged(run_id=run_id):
                self.questions.pop(run_id, None)
            case CellRunChanged(cell=cell) if self.run is not None and cell.run_id == self.run.run_id:
                self.cells[cell.index] = cell
                if cell.state is State.RUNNING:
                    self._has_run = True
                if cell.state is State.RUNNING or cell.is_cached:
                    self._forget_after(cell.index)
                return cell
            case TaskRunCreated(task_run=task) if self.run is not None and task.run_id == self.run.run_id:
                self.tasks[task.task_run_id] = task
                return task
            case TaskRunStateChanged(task_run_id=task_run_id) if task_run_id in self.tasks:
                task = self.tasks[task_run_id] = apply_to_task(self.tasks[task_run_id], event)
                return task
        return None

    def notes_in(self, event: Event) -> list[str]:
        """Return what Orchestra itself says of this run: why something runs again, what could not be done.

        Of a run that is begun again that is all that it says before its first cell runs.
        """
        if not isinstance(event, LogsWritten) or self.run is None:
            return []
        least = logging.INFO if self.run.epoch > 1 and not self._has_run else logging.WARNING
        return [
            one_line(line.message)
            for line in event.lines
            if line.run_id == self.run.run_id and line.logger == "orchestra" and line.level >= least
        ]

    def waiting_lines(self) -> list[str]:
        """Return what is asked of people now: where the run stands, what for, and how to answer."""
        cell = next((cell for cell in self.cells.values() if cell.state is State.RUNNING), None)
        who = cell.name if cell is not None else "the run"
        return [one_line(f"{who} {words}") for words in self.questions.values()]

    def _forget_after(self, index: int) -> None:
        """Let the cells below one that begins wait again: they had run, and all starts over."""
        for cell in self.cells.values():
            if cell.index > index and cell.state.is_terminal and cell.started_at is not None:
                waiting = msgspec.structs.replace(
                    cell, state=State.PENDING, started_at=None, ended_at=None, error=None, is_cached=False
                )
                self.cells[cell.index] = waiting

    @property
    def title(self) -> str:
        """The run and where its tasks run: ``"report · run calm-fox · local cluster"``."""
        if self.run is None:
            return ""
        parts = [self.run.flow_name, f"run {self.run.name}"]
        if self.tasks and self.run.cluster:
            parts.append("local cluster" if self.run.cluster == "local" else self.run.cluster)
        return printable(" · ".join(parts))


class Progress(Protocol):
    """Shows a run from its events."""

    def take(self, event: Event) -> None:
        """Show an event."""

    def close(self) -> None:
        """Leave the last picture standing."""


def open_progress() -> Progress:
    """Return what fits stderr: a block on a terminal, lines elsewhere."""
    return BlockProgress() if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else LineProgress()


class LineProgress:
    """One line for each cell and task that ended."""

    def __init__(self) -> None:
        self._view = RunView()
        self._failures = 0

    def take(self, event: Event) -> None:
        """Print a line for what has ended."""
        is_first = self._view.run is None
        changed = self._view.take(event)
        for note in self._view.notes_in(event):
            click.echo(f"  {_NOTE} {note}", err=True)
        if isinstance(event, RunStateChanged) and event.run_id in self._view.questions:
            click.echo(f"  {APPEARANCE[State.PAUSED][0]} {self._view.waiting_lines()[-1]}", err=True)
        if is_first and isinstance(event, RunCreated):
            click.echo(self._view.title, err=True)
        elif isinstance(event, RunStateChanged) and event.state is State.CANCELLING and self._is_of_run(event):
            click.echo(
                f"{printable(event.message)}: waiting for the kernel. Press Ctrl-C again to end it now.", err=True
            )
        elif changed is not None and changed.state.is_terminal and _says_something(changed):
            click.echo(_line(changed, has_error=not self._is_told_at_end(changed)), err=True)

    def close(self) -> None:
        """Nothing is left open."""

    def _is_told_at_end(self, changed: CellRun | TaskRun) -> bool:
        """Whether :func:`ending_lines` tells its error."""
        if isinstance(changed, TaskRun):
            self._failures += changed.state is State.FAILED
            return changed.state is State.FAILED and self._failures <= _MAX_FAILURES
        return changed.state in FAILURE_STATES  # the run ends with it

    def _is_of_run(self, event: RunStateChanged) -> bool:
        return self._view.run is not None and event.run_id == self._view.run.run_id


class BlockProgress:
    """One block: the run, the cell that runs with a bar, and the tasks. Redrawn by a thread of rich's."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._view = RunView()
        self._notes: deque[str] = deque(maxlen=_NOTES_SHOWN)
        self._live = Live(
            get_renderable=self._draw,
            console=Console(stderr=True, highlight=False),
            refresh_per_second=_REDRAWS_A_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def take(self, event: Event) -> None:
        """Note an event; the next picture shows it."""
        self._view.take(event)
        self._notes.extend(self._view.notes_in(event))

    def close(self) -> None:
        """Draw the last picture and let the terminal go."""
        self._live.stop()

    def _draw(self) -> Text:
        from rich.text import Text

        view, now = self._view, datetime.now(UTC)
        if view.run is None:
            return Text("  starting")
        width = self._live.console.width
        lines = [Text(f"  {view.title}", style="bold"), _cells_line(view, now, width)]
        lines += [
            Text(f"  {_NOTE} {note}", style="yellow", no_wrap=True, overflow="ellipsis") for note in list(self._notes)
        ]
        # whole, however narrow the terminal is: each ends with the command that answers
        icon = APPEARANCE[State.PAUSED][0]
        lines += [Text(f"  {icon} {words}", style="bold yellow") for words in view.waiting_lines()]
        lines += _task_lines([_chip(task, task.name, now) for task in view.tasks.values()], width)
        if view.run.state is State.CANCELLING:
            lines.append(Text(f"  {one_line(view.run.message)}. Press Ctrl-C again to end it now.", style="magenta"))
        return Text("\n").join(lines)


def ending_lines(run: Run, cells: tuple[CellRun, ...], tasks: tuple[TaskRun, ...] = ()) -> Iterator[str]:
    """Return what stands under a run that has ended: its failures first, then the state and where the notebook is."""
    by_end = sorted(tasks, key=lambda task: task.ended_at or task.created_at)
    errors = [(task.name, task.error) for task in by_end if task.state is State.FAILED and task.error is not None]
    for name, task_error in errors[:_MAX_FAILURES]:
        yield from _failure_lines(f"task {name}", task_error)
    if len(errors) > _MAX_FAILURES:
        yield f"  ✕ and {counted(len(errors) - _MAX_FAILURES, 'more task')}"
    failed = next((cell for cell in cells if cell.state in FAILURE_STATES), None)
    if failed is not None and failed.error is not None and failed.state in (State.FAILED, State.TIMED_OUT):
        error = failed.error
        if errors and error.type in NOTHING_GIVEN:  # what follows is the task's error, which stands above
            error = msgspec.structs.replace(error, message=error.message.partition(": ")[0])
        yield from _failure_lines(failed.name, error)
    elif run.message and not (errors and run.state is State.FAILED):  # then the message repeats the tasks' errors
        yield f"  {one_line(run.message)}"
    ended_at = run.ended_at or run.created_at
    took = format_duration((ended_at - (run.started_at or ended_at)).total_seconds())
    output = "" if run.output_path is None else f"   →  {printable(_near(run.output_path))}"
    yield f"  {run.state} in {took}{output}   (orchestra runs show {typed_run(run)})"


def _failure_lines(place: str, error: ErrorInfo) -> Iterator[str]:
    """Return where an error happened and what it says, and the user's line below."""
    where = one_line(place) + (f", line {error.line}" if error.line is not None else "")
    yield f"  ✕ {where}   {_error_text(error)}"
    if error.source_line:
        yield f"      {printable(error.source_line)}"


def _near(path: str) -> str:
    """Return a path as short as it can be typed here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(Path(path))


def _cells_line(view: RunView, now: datetime, width: int) -> Text:
    from rich.text import Text

    cells = list(view.cells.values())
    done = sum(cell.state.is_terminal for cell in cells)
    current = next((cell for cell in cells if cell.state in (State.RUNNING, State.RETRYING)), None)
    failed = next((cell for cell in cells if cell.state in FAILURE_STATES), None)
    shown = current or failed
    full = _BAR_WIDTH * done // max(len(cells), 1)
    bar = Text("━" * full, style="blue").append("─" * (_BAR_WIDTH - full), style="dim")
    cached = sum(cell.is_cached for cell in cells)
    bar.append(f" {done} of {counted(len(cells), 'cell')}" + (f", {cached} cached" if cached else ""), style="default")
    line = Text("  ")
    if shown is not None:
        name, room = _name(shown), max(width - bar.cell_len - len("  ▶  59 min 59 s    "), len("cell 1000"))
        line.append(_chip(shown, name if len(name) <= room else f"{name[: room - 1]}…", now)).append("   ")
    elif view.run is not None and view.run.state is State.PENDING:
        line.append("starting the kernel   ", style="dim")
    return line.append(bar)


def _task_lines(chips: list[Text], width: int) -> list[Text]:
    """Lay chips out in lines, none of them torn apart."""
    from rich.text import Text

    lines: list[Text] = []
    for chip in chips:
        if lines and lines[-1].cell_len + 3 + chip.cell_len <= width:
            lines[-1].append("   ").append(chip)
        else:
            lines.append(Text("  ").append(chip))
    return lines


def _chip(item: CellRun | TaskRun, name: str, now: datetime) -> Text:
    """Return icon, name and time of a cell or task, in the state's colour."""
    from rich.text import Text

    icon = APPEARANCE[item.state][0]
    chip = Text(f"{icon} {one_line(name)}", style=_COLOURS.get(item.state, "dim"))
    if item.started_at is not None:
        seconds = ((item.ended_at or now) - item.started_at).total_seconds()
        words = format_elapsed(seconds) if item.ended_at is None else format_duration(seconds)
        chip.append(f" {words}", style="default")
    return chip


def _line(item: CellRun | TaskRun, *, has_error: bool) -> str:
    """Return a cell or task that has ended as one plain line, with the error that it ended with or without it."""
    is_cell = isinstance(item, CellRun)
    name = _name(item) if isinstance(item, CellRun) else f"task {item.name}"
    parts = [f"  {'' if is_cell else '  '}{APPEARANCE[item.state][0]} {one_line(name)}"]
    if item.started_at is not None and item.ended_at is not None:
        parts.append(format_duration((item.ended_at - item.started_at).total_seconds()))
    if item.is_cached:
        parts.append("cached")
    if item.attempt > 1:
        parts.append(f"attempt {item.attempt} of {item.max_attempts}")
    if item.error is not None:
        parts += [_error_text(item.error)] if has_error else []
    elif isinstance(item, TaskRun) and item.message:
        parts.append(one_line(item.message))
    return "   ".join(parts)


def _error_text(error: ErrorInfo) -> str:
    return one_line(f"{error.type}: {error.message}" if error.message else error.type)


def _name(cell: CellRun) -> str:
    return cell.name + (f"  {cell.title}" if cell.title else "")


def _says_something(item: CellRun | TaskRun) -> bool:
    """Whether it did anything: an empty cell did not, a task that was never started has its reason to tell."""
    return item.started_at is not None or isinstance(item, TaskRun)
