"""How a sweep looks in the shell while it goes on: how many of how many, and what runs now."""

from __future__ import annotations

import os
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.run_tables import one_line, printable
from orchestra_nb.cli.sweep_tables import combination_text
from orchestra_nb.model.counted import counted
from orchestra_nb.model.durations import format_duration, format_elapsed
from orchestra_nb.model.events import CellRunChanged, Event, RunCreated, RunStateChanged, ValueRecorded, apply_to_run
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import CellRun, Run
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import COMBINATION_TAG, SweepRequest
from orchestra_nb.operations.sweep_result import SweepRow
from orchestra_nb.run_display import APPEARANCE

if TYPE_CHECKING:
    from rich.text import Text

_BAR_WIDTH = 30
_REDRAWS_A_SECOND = 8
_MOST_RUNNING_SHOWN = 8
_MOST_VALUES_SHOWN = 4
_VALUE_CHARACTERS = 30


class SweepView:
    """What is known of a sweep from its events, which come one at a time.

    Parameters
    ----------
    done
        How many of its runs had completed before: in a retry.
    """

    def __init__(self, request: SweepRequest, done: int = 0) -> None:
        self.request = request
        self.done_before = done
        self.total = len(request.combinations)
        self.run: Run | None = None
        self.children: dict[str, Run] = {}
        self.cells: dict[str, dict[int, CellRun]] = {}
        self.values: dict[str, dict[str, RecordedValue]] = {}

    def take(self, event: Event) -> Run | None:
        """Note an event; return a child run that has ended with it."""
        match event:
            case RunCreated(run=run) if self.run is None:
                self.run = run
            case RunCreated(run=run):
                assert self.run is not None
                if run.parent_run_id == self.run.run_id:  # a run of it may sweep, too
                    self.children[run.run_id] = run
            case RunStateChanged(run_id=run_id) if run_id in self.children:
                child = self.children[run_id] = apply_to_run(self.children[run_id], event)
                if child.state.is_terminal:
                    self.cells.pop(run_id, None)
                    return child
            case RunStateChanged(run_id=run_id) if self.run is not None and run_id == self.run.run_id:
                self.run = apply_to_run(self.run, event)
            case CellRunChanged(cell=cell) if cell.run_id in self.children:
                self.cells.setdefault(cell.run_id, {})[cell.index] = cell
            case ValueRecorded(value=value) if value.run_id in self.children:
                self.values.setdefault(value.run_id, {})[value.name] = value
        return None

    @property
    def title(self) -> str:
        """The sweep, and how much there is to do."""
        if self.run is None:
            return f"sweep of {counted(self.total, 'run')}"
        return printable(f"{self.run.flow_name} · sweep {self.run.name} · {counted(self.total, 'run')}")

    def counts(self) -> Counter[State]:
        """Return how many runs are in each state."""
        return Counter(child.state for child in self.children.values())

    def name_of(self, child: Run) -> str:
        """Return the parameters that tell a run from the others."""
        index = int(child.tags[COMBINATION_TAG])
        row = SweepRow(index, self.request.combinations[index])
        return combination_text(row, self.request.swept) or child.name


class SweepLines:
    """One line for each run that ended."""

    def __init__(self, view: SweepView) -> None:
        self._view = view
        self._ended = view.done_before

    def take(self, event: Event) -> None:
        """Print what has ended."""
        is_first = self._view.run is None
        ended = self._view.take(event)
        if is_first and self._view.run is not None:
            click.echo(self._view.title, err=True)
        elif ended is not None:
            self._ended += 1
            click.echo(self._line(ended), err=True)

    def close(self) -> None:
        """Nothing is left open."""

    def _line(self, child: Run) -> str:
        view = self._view
        parts = [f"  {APPEARANCE[child.state][0]} {self._ended}/{view.total}  {view.name_of(child)}"]
        if child.started_at is not None and child.ended_at is not None:
            parts.append(format_duration((child.ended_at - child.started_at).total_seconds()))
        if child.message and child.state is not State.COMPLETED:
            parts.append(one_line(child.message))
        values = view.values.pop(child.run_id, {})
        parts += [
            f"{name}={one_line(value.summary)[:_VALUE_CHARACTERS]}"
            for name, value in list(values.items())[:_MOST_VALUES_SHOWN]
        ]
        return "   ".join(parts)


class SweepBlock:
    """One block, drawn anew by a thread of rich's: a bar, and a line for each run that goes on."""

    def __init__(self, view: SweepView) -> None:
        from rich.console import Console
        from rich.live import Live

        self._view = view
        self._live = Live(
            get_renderable=self._draw,
            console=Console(stderr=True, highlight=False),
            refresh_per_second=_REDRAWS_A_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,  # the table follows
        )
        self._live.start()

    def take(self, event: Event) -> None:
        """Note an event; the next picture shows it."""
        self._view.take(event)

    def close(self) -> None:
        """Let the terminal go."""
        self._live.stop()

    def _draw(self) -> Text:
        from rich.text import Text

        view = self._view
        children = list(view.children.values())
        done = [child for child in children if child.state.is_terminal]
        bad = sum(child.state is not State.COMPLETED for child in done)
        count = len(done) + view.done_before
        full = _BAR_WIDTH * count // max(view.total, 1)
        bar = Text("  ").append("━" * full, style="blue").append("─" * (_BAR_WIDTH - full), style="dim")
        bar.append(f" {count} of {counted(view.total, 'run')}", style="default")
        if bad:
            bar.append(f"   ✕ {bad} not completed", style="red")
        lines = [Text(f"  {view.title}", style="bold"), bar]
        running = [child for child in children if not child.state.is_terminal]
        lines += [self._running_line(child) for child in running[:_MOST_RUNNING_SHOWN]]
        if view.run is not None and view.run.state is State.CANCELLING:
            lines.append(Text("  stopping. Press Ctrl-C again to end it now.", style="magenta"))
        return Text("\n").join(lines)

    def _running_line(self, child: Run) -> Text:
        from rich.text import Text

        cells = list(self._view.cells.get(child.run_id, {}).values())
        ended = sum(cell.state.is_terminal for cell in cells)
        line = Text(f"  ▶ {self._view.name_of(child)}", style="blue", no_wrap=True, overflow="ellipsis")
        if child.started_at is not None:
            line.append(f"  {format_elapsed((datetime.now(UTC) - child.started_at).total_seconds())}", style="default")
        return line.append(
            f"  {ended} of {counted(len(cells), 'cell')}" if cells else "  starting the kernel", style="dim"
        )


def open_sweep_progress(request: SweepRequest, done: int = 0) -> SweepLines | SweepBlock:
    """Return what fits stderr: a block on a terminal, lines elsewhere."""
    view = SweepView(request, done)
    return SweepBlock(view) if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else SweepLines(view)
