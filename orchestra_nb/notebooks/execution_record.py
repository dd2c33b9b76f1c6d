"""The record of one attempt's cells: their states, outputs and log lines, and the output notebook.

Everything that happens to a cell is told through it: to whoever drives the run, to the file and to whoever looks on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.model.events import CellRunChanged, Event, LogsWritten, ValueRecorded
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.runs import CellRun, ErrorInfo, LogLine, numbered
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_errors import describe_error, storable_text
from orchestra_nb.notebooks.cell_options import cell_options
from orchestra_nb.notebooks.cell_outputs import Output
from orchestra_nb.notebooks.document import cell_title
from orchestra_nb.notebooks.output_collector import OutputCollector
from orchestra_nb.notebooks.output_notebook import OutputNotebook
from orchestra_nb.notebooks.recorded_outputs import RecordedOutputs
from orchestra_nb.notebooks.runner_messages import Shown
from orchestra_nb.notebooks.stream_log import StreamLog
from orchestra_nb.notebooks.told_displays import ToldDisplays
from orchestra_nb.notebooks.widget_states import WidgetStates

if TYPE_CHECKING:
    from orchestra_nb.notebooks.cell_keeper import KeptCell
    from orchestra_nb.notebooks.long_messages import Message
    from orchestra_nb.notebooks.runner_messages import RunnerSpec

#: States that papermill has no word of its own for.
_SHOWN_AS = {State.RETRYING: State.RUNNING, State.TIMED_OUT: State.FAILED}
#: More than this is not kept in memory for the next time at which the output notebook is written.
_MUCH_CHARACTERS = 16_000_000

#: The logger of what is said of a cell's end.
_CELLS = "orchestra.cells"

#: When a cell began and ended that ran ahead of its turn.
Times = tuple[datetime, datetime]


class ExecutionRecord:
    """Of one attempt. All methods belong to one event loop.

    Parameters
    ----------
    report
        Called with everything that happens.
    on_change
        Called when the output notebook or the log has something new.
    show
        Called with what cells show, where it is asked for.

    Attributes
    ----------
    cells
        Position in the notebook to the code cell there.
    current
        The position of the cell that runs; None between cells.
    """

    def __init__(
        self,
        spec: RunnerSpec,
        report: Callable[[Event], None],
        on_change: Callable[[], None],
        show: Callable[[Shown], None] = lambda shown: None,
    ) -> None:
        self._spec = spec
        self._show = show
        self._report = report
        self._on_change = on_change
        self._log = StreamLog(spec.run_id, lambda lines: report(LogsWritten(lines=lines)))
        self._widgets = WidgetStates()
        self._values = RecordedOutputs(spec.run_id, lambda value: report(ValueRecorded(value=value)))
        self.mask = Mask(spec.secrets)
        self._told = ToldDisplays()
        self.outputs = OutputCollector(
            self._cell_shows,
            self._on_text,
            on_rich=self._on_rich,
            on_update=self._on_update,
            fetch=lambda position: self.output.read_outputs(position),
        )
        self.output = OutputNotebook(
            json.loads(spec.notebook_json),
            Path(spec.output_path),
            self._shown_outputs,
            on_written=self.outputs.put_away,
        )
        self.cells: dict[int, CellRun] = {}
        self.current: int | None = None
        self._is_prepared = False

    @property
    def where(self) -> str:
        """The cell that runs, in people's words, or what stands for it between cells."""
        if self.current is not None:
            return f"in {self.name(self.current)}"
        ended = [cell for cell in self.cells.values() if cell.ended_at is not None]
        return f"after {ended[-1].name}" if ended else "before the first cell"

    def prepare(self) -> None:
        """Make all cells pending and say so."""
        self._is_prepared = True
        spec = self._spec
        papermill = json.loads(spec.papermill_json) if spec.papermill_json else {}
        if spec.recorded_output_path:
            papermill["output_path"] = spec.recorded_output_path
        self.output.begin(
            now(),
            parameters=to_readable(json.loads(spec.parameters_json)),
            input_path=spec.input_path,
            run=({} if spec.papermill_json else {"run_id": spec.run_id, "run_name": spec.run_name, "epoch": spec.epoch})
            | {"state": State.RUNNING.value, "message": ""},
            papermill=papermill,
        )
        for position, cell in enumerate(self.output.cells):
            if cell["cell_type"] == "code":
                self.cells[position] = CellRun(
                    run_id=spec.run_id,
                    index=len(self.cells),
                    cell_id=str(cell.get("id", "")),
                    state=State.PENDING,
                    title=cell_title(cell["source"]),
                    epoch=spec.epoch,
                    max_attempts=1 + cell_options(cell["source"]).retry.retries,
                )
        self.cells = dict(zip(self.cells, numbered(list(self.cells.values())), strict=True))
        for cell_run in self.cells.values():
            self._report(CellRunChanged(cell=cell_run))

    def take_message(self, message: Message) -> None:
        """Take what the kernel showed."""
        if message["msg_type"].startswith("comm_"):
            self._widgets.take(message)
        else:
            self.outputs.take(message)
            current = self.cells.get(self.current) if self.current is not None else None
            is_replayed = current is not None and current.state is not State.RUNNING
            number = 0 if current is None else current.index + 1 if current.number is None else current.number
            self._values.take(message, number - 1 if number else None, is_replayed=is_replayed)

    def write_log(self, message: str, logger: str, level: int = logging.INFO) -> None:
        """Add a line to the run's log."""
        text = storable_text(message)[:2_000]
        line = LogLine(run_id=self._spec.run_id, at=now(), message=text, level=level, logger=logger)
        self._report(LogsWritten(lines=(line,)))

    def log_failure(self, error: ErrorInfo) -> None:
        """Add a cell's error to the run's log, with the whole trace where there is one."""
        self._log.flush()
        text = f"{error.cell} failed:\n{error.traceback}" if error.traceback else describe_error(error)
        line = LogLine(
            run_id=self._spec.run_id, at=now(), message=storable_text(text), level=logging.ERROR, logger=_CELLS
        )
        self._report(LogsWritten(lines=(line,)))

    def write(self) -> None:
        """Bring the output notebook up to date on disk, and report the log lines that were collected."""
        self._log.flush()
        if not self.output.save():
            asyncio.get_running_loop().call_soon(self._on_change)  # later, then

    def finish(self, at: datetime, state: State, message: str, error: ErrorInfo | None) -> None:
        """Write the last and true version of the output notebook."""
        if not self._is_prepared:  # it ended while the kernel was being started
            self.prepare()
        self._log.flush()
        widgets = self._widgets.metadata()
        if widgets is not None:
            self.output.set_metadata("widgets", self.mask.value(widgets))
        self.output.finish(at, state, self.mask.text(message), error)
        self.output.save(is_last=True)

    def begin_attempt(self, position: int, message: str, ran: Times | None = None) -> None:
        """Let the cell be RUNNING; of one that has run before, in its next attempt."""
        cell = self.cells[position]
        if cell.state is not State.PENDING:
            cell = msgspec.structs.replace(
                cell,
                attempt=cell.attempt + 1,
                max_attempts=max(cell.max_attempts, cell.attempt + 1),  # starting over is no attempt of its own
                error=None,
                ended_at=None,
                is_cached=False,
            )
        self.cells[position] = msgspec.structs.replace(cell, message=message)
        self.change(position, State.RUNNING, started_at=now() if ran is None else ran[0])

    def say_pending(self, position: int, message: str) -> None:
        """Say of a cell what it does before its turn, when it takes effect: until then it has no other state."""
        self.cells[position] = msgspec.structs.replace(self.cells[position], message=message)
        self.change(position, State.PENDING)

    def end_text(self, position: int) -> None:
        """Log the last line that a cell printed, also where it has no end."""
        self._log.end(self.name(position), now())

    def add_error(self, position: int, error: ErrorInfo, traceback: Sequence[str] = ()) -> None:
        """Show the error that ended a cell, where the kernel has not."""
        if not self.outputs.has_error(position):
            self.outputs.add_error(position, error.type, error.message, list(traceback))

    def take_replay(self, position: int, began_at: datetime, kept: KeptCell) -> None:
        """Let a cell be COMPLETED whose outputs and values were kept."""
        self.end_text(position)
        cell = self.cells[position]
        attempt = cell.attempt if cell.state is State.PENDING else cell.attempt + 1
        self.cells[position] = msgspec.structs.replace(
            cell, is_cached=True, attempt=attempt, error=None, message=kept.why
        )
        self.output.cells[position]["metadata"].setdefault("orchestra", {})["cached"] = True
        self.change(position, State.COMPLETED, started_at=began_at, ended_at=now(), execution_count=kept.count)

    def save_much(self) -> None:
        """Write what was shown now where it is much: it need not be kept then."""
        if self.outputs.size > _MUCH_CHARACTERS:
            with contextlib.suppress(OSError):
                self.output.save()

    def skip_after(self, position: int) -> None:
        """Let all cells below one be skipped."""
        for later in range(position + 1, len(self.output.cells)):
            if later in self.cells:
                self.change(later, State.SKIPPED)
            else:
                self.output.change_cell(later, State.SKIPPED)

    def change(
        self,
        position: int,
        state: State,
        *,
        started_at: datetime | None = None,
        ended_at: datetime | None = None,
        execution_count: int | None = None,
        error: ErrorInfo | None = None,
    ) -> None:
        """Let a cell enter a state; None leaves what is known."""
        cell = self.cells[position]
        cell = self.cells[position] = msgspec.structs.replace(
            cell,
            state=state,
            started_at=started_at or cell.started_at,
            ended_at=ended_at or cell.ended_at,
            error=error or cell.error,
        )
        self.output.change_cell(
            position,
            _SHOWN_AS.get(state, state),
            started_at=started_at,
            ended_at=ended_at,
            execution_count=execution_count,
        )
        self._report(CellRunChanged(cell=cell))
        self._on_change()

    def name(self, position: int) -> str:
        """Return a cell in people's words."""
        return self.cells[position].name

    def _shown_outputs(self, position: int) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = self.mask.value(self.outputs.outputs(position))
        return outputs

    def _cell_shows(self, position: int) -> None:
        self.output.cell_shows(position)
        if self._spec.is_saved_within_cells or self.current != position:
            self._on_change()

    def _on_text(self, position: int, stream: str, text: str) -> None:
        self._log.add(self.name(position), stream, text, now())
        self._tell(position, stream, text)

    def _on_rich(self, position: int, output: Output, display_id: str | None) -> None:
        if text := self._told.shown(display_id, output.get("data", {})):
            self._tell(position, "data", text)

    def _on_update(self, position: int, display_id: str, data: Mapping[str, Any]) -> None:
        if text := self._told.changed(display_id, data):
            self._tell(position, "data", text)

    def _tell(self, position: int, stream: str, text: str) -> None:
        if self._spec.is_shown:
            self._show(Shown(self.cells[position].index, stream, self.mask.text(storable_text(text))))


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)
