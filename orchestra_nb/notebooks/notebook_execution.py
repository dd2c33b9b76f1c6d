"""Runs the cells of one notebook in a kernel and keeps the record: states, outputs, log lines, the output notebook.

Which cells run and which errors end the run is as nbclient and papermill document it:

- the tag ``skip-execution`` leaves a cell out, ``raises-exception`` allows it to fail, an empty cell does not run;
- ``sys.exit(0)``, ``exit`` and ``quit`` end the notebook well, and the cells after it are skipped;
- any other error ends the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.model.events import CellRunChanged, Event, LogsWritten
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.runs import CellRun, ErrorInfo, LogLine
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.ahead_cells import AheadCells
from orchestra_nb.notebooks.cell_errors import asks_to_end, is_good_exit, read_error, storable_text
from orchestra_nb.notebooks.cell_outputs import Output
from orchestra_nb.notebooks.cell_time_limit import TimeLimit
from orchestra_nb.notebooks.document import cell_title
from orchestra_nb.notebooks.kernel_client import KernelDied
from orchestra_nb.notebooks.output_collector import OutputCollector
from orchestra_nb.notebooks.output_notebook import OutputNotebook, tags_of
from orchestra_nb.notebooks.parameter_injection import INJECTED_TAG
from orchestra_nb.notebooks.runner_messages import Shown
from orchestra_nb.notebooks.stream_log import StreamLog
from orchestra_nb.notebooks.widget_states import WidgetStates

if TYPE_CHECKING:
    from orchestra_nb.notebooks.ahead_plan import AheadPlan
    from orchestra_nb.notebooks.kernel_client import KernelClient
    from orchestra_nb.notebooks.long_messages import Message
    from orchestra_nb.notebooks.runner_messages import RunnerSpec


#: More than this is not kept in memory for the next time at which the output notebook is written.
_MUCH_CHARACTERS = 16_000_000


class CellFailed(Exception):
    """User code of a cell raised, and the run ends with it."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error)
        self.error = error


class RunStopped(Exception):
    """Somebody asked for the end of the run, and the cell that ran then has ended."""


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """The notebook ended itself, and well.

    ``by`` is what did it (``"sys.exit(0) in cell 3"``); ``is_kernel_ending`` when its kernel takes no more code.
    """

    by: str
    is_kernel_ending: bool


class NotebookExecution:
    """One attempt's cells. All methods belong to one event loop.

    Parameters
    ----------
    report
        Called with everything that happens.
    on_change
        Called when the output notebook or the log has something new.
    show
        Called with what cells show, where it is asked for.
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
        self._mask = Mask(spec.secrets)
        self._outputs = OutputCollector(
            self._cell_shows,
            self._on_text,
            on_rich=self._on_rich,
            fetch=lambda position: self.output.read_outputs(position),
        )
        self.output = OutputNotebook(
            json.loads(spec.notebook_json),
            Path(spec.output_path),
            self._shown_outputs,
            on_written=self._outputs.put_away,
        )
        self._cells: dict[int, CellRun] = {}
        self._current: int | None = None
        self._is_prepared = False
        self.is_stopping = False
        self._ahead: AheadCells | None = None
        #: positions of the cells that run ahead of their turn
        self._beside: set[int] = set()

    def go_ahead(self, plan: AheadPlan | None) -> None:
        """Let cells run ahead of their turn, as a plan says; None: all run in order."""
        if plan is not None:
            self._ahead = AheadCells(plan)

    @property
    def note(self) -> str:
        """What is worth saying of a run that completed; empty for nothing."""
        return "" if self._ahead is None else self._ahead.describe()

    @property
    def where(self) -> str:
        """The cell that runs, in people's words, or what stands for it between cells."""
        if self._current is not None:
            return f"in {self._name(self._current)}"
        ended = [cell for cell in self._cells.values() if cell.ended_at is not None]
        return f"after cell {ended[-1].index + 1}" if ended else "before the first cell"

    def prepare(self) -> None:
        """Make all cells pending and say so."""
        self._is_prepared = True
        spec = self._spec
        self.output.begin(
            _now(),
            parameters=to_readable(json.loads(spec.parameters_json)),
            input_path=spec.input_path,
            run=({} if spec.papermill_json else {"run_id": spec.run_id, "run_name": spec.run_name})
            | {"state": State.RUNNING.value, "message": ""},
            papermill=json.loads(spec.papermill_json) if spec.papermill_json else None,
        )
        for position, cell in enumerate(self.output.cells):
            if cell["cell_type"] == "code":
                self._cells[position] = CellRun(
                    run_id=spec.run_id,
                    index=len(self._cells),
                    cell_id=str(cell.get("id", "")),
                    state=State.PENDING,
                    title=cell_title(cell["source"]),
                )
                self._report(CellRunChanged(cell=self._cells[position]))

    def take_message(self, message: Message) -> None:
        """Take what the kernel showed."""
        if message["msg_type"].startswith("comm_"):
            self._widgets.take(message)
        else:
            self._outputs.take(message)

    async def run_cells(self, client: KernelClient) -> EarlyEnd | None:
        """Let all cells take effect in order; None when the last one was reached.

        Raises
        ------
        CellFailed
            A cell failed.
        KernelDied
            The kernel died in a cell, or between two.
        RunStopped
            ``is_stopping`` was set.
        """
        try:
            return await self._run_all(client)
        finally:
            for position in sorted(self._beside):
                self._fall_back(position)
            if self._ahead is not None and not client.process.death.done():
                with contextlib.suppress(KernelDied):
                    await self._ahead.finish(client)

    async def _run_all(self, client: KernelClient) -> EarlyEnd | None:
        for position, cell in enumerate(self.output.cells):
            if cell["cell_type"] != "code":
                self.output.change_cell(position, State.COMPLETED)
            elif "skip-execution" in tags_of(cell):
                self._change(position, State.SKIPPED)
            elif not cell["source"].strip():
                self._change(position, State.COMPLETED)
            else:
                if self.is_stopping:
                    raise RunStopped
                early_end = await self._run_cell(client, position, cell)
                if early_end is not None:
                    self._skip_after(position)
                    return early_end
                if self._spec.hidden_source and INJECTED_TAG in tags_of(cell):
                    await self._set_secrets(client, position)
        return None

    def write_log(self, message: str, logger: str, level: int = logging.INFO) -> None:
        """Add a line to the run's log."""
        text = storable_text(message)[:2_000]
        line = LogLine(run_id=self._spec.run_id, at=_now(), message=text, level=level, logger=logger)
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
            self.output.set_metadata("widgets", self._mask.value(widgets))
        self.output.finish(at, state, self._mask.text(message), error)
        self.output.save(is_last=True)

    async def _run_cell(self, client: KernelClient, position: int, cell: dict[str, Any]) -> EarlyEnd | None:
        self._current = position
        ran = await self._look_ahead(client, position)
        self._change(position, State.RUNNING, started_at=_now() if ran is None else ran[0])
        may_fail = self._spec.may_cells_fail or "raises-exception" in tags_of(cell)
        limit = TimeLimit(client.process, self._spec.cell_timeout_seconds)
        try:
            async with limit:
                reply = await client.execute(
                    cell["source"],
                    on_sent=lambda message_id: self._outputs.open_cell(position, message_id),
                )
        except KernelDied:
            if limit.is_over and not self.is_stopping:
                raise self._end_late_cell(position, "its kernel was killed, since it did not end") from None
            raise
        finally:
            self._log.end(self._name(position), _now())
            if self._cells[position].state is State.RUNNING and client.process.death.done():
                self._end_dead_cell(position, str(client.process.death.result()))
        if limit.is_over and reply["status"] != "ok" and not self.is_stopping:
            raise self._end_late_cell(position, "it was interrupted")
        ended_at = _now() if ran is None else ran[1]
        early_end = self._conclude_cell(position, cell, reply, may_fail, ended_at)
        if self._outputs.size > _MUCH_CHARACTERS:  # written now, it need not be kept
            with contextlib.suppress(OSError):
                self.output.save()
        self._current = None
        return early_end

    async def _look_ahead(self, client: KernelClient, position: int) -> tuple[datetime, datetime] | None:
        """Have later cells sent ahead; return when this one ran, if it was and takes effect with its next execution."""
        if self._ahead is None or not self._ahead.is_on:
            return None
        news = await self._ahead.step(client, self._cells[position].index)
        positions = {cell.index: position for position, cell in self._cells.items()}
        for index in news.dropped:
            self._fall_back(positions[index])
        for index in news.sent:
            self._beside.add(positions[index])
            self._change(positions[index], State.RUNNING, started_at=_now())
        self._beside.discard(position)
        for text in news.notes:
            self.write_log(text, "orchestra")
        if self.is_stopping:
            self._fall_back(position)
            raise RunStopped
        if news.ran is not None:
            self.write_log(f"{self._name(position)} ran ahead on {news.worker}", "orchestra")
        return news.ran

    def _fall_back(self, position: int) -> None:
        """Make a cell pending again that ran ahead in vain."""
        self._beside.discard(position)
        cell = self._cells[position]
        self._cells[position] = msgspec.structs.replace(cell, started_at=None)
        self.output.cells[position]["metadata"]["papermill"].update(start_time=None, exception=None)
        self._change(position, State.PENDING)

    async def _set_secrets(self, client: KernelClient, position: int) -> None:
        """Set the parameters that hold secrets: by code that no cell, no history and no message shows."""
        reply = await client.execute(self._spec.hidden_source, silent=True)
        if reply["status"] != "ok":
            reason = self._mask.text(storable_text(f"{reply.get('ename')}: {reply.get('evalue')}"))[:500]
            message = f"The parameters that hold secrets could not be set: {reason}"
            raise CellFailed(ErrorInfo(type="SecretsNotSet", message=message, cell=self._name(position)))

    def _shown_outputs(self, position: int) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = self._mask.value(self._outputs.outputs(position))
        return outputs

    def _conclude_cell(
        self, position: int, cell: dict[str, Any], reply: Message, may_fail: bool, ended_at: datetime
    ) -> EarlyEnd | None:
        count = reply.get("execution_count")
        name = self._name(position)
        error = None
        if reply["status"] != "ok":
            error = read_error(reply, cell=name, source=cell["source"], execution_count=count)
            if not self._outputs.has_error(position):
                self._outputs.add_error(position, error.type, error.message, list(reply.get("traceback") or ()))
        if error is not None and self.is_stopping:
            state = State.CANCELLED
        elif error is None or may_fail or is_good_exit(reply):
            state = State.COMPLETED
        else:
            state = State.FAILED
        self._change(position, state, ended_at=ended_at, execution_count=count, error=error)
        if self.is_stopping:
            raise RunStopped
        if state is State.FAILED:
            assert error is not None
            raise CellFailed(error)
        if asks_to_end(reply):
            return EarlyEnd(f"exit in {name}", is_kernel_ending=True)
        if is_good_exit(reply) and not may_fail:
            return EarlyEnd(f"sys.exit() in {name}", is_kernel_ending=False)
        return None

    def _end_late_cell(self, position: int, how: str) -> CellFailed:
        """Return the error of a cell that ran too long."""
        message = f"it ran longer than {self._spec.cell_timeout_seconds:g} s: {how}"
        error = ErrorInfo(type="TimeoutError", message=message, cell=self._name(position))
        if not self._outputs.has_error(position):
            self._outputs.add_error(position, error.type, error.message, [])
        self._change(position, State.TIMED_OUT, ended_at=_now(), error=error)
        return CellFailed(error)

    def _end_dead_cell(self, position: int, death: str) -> None:
        state = State.CANCELLED if self.is_stopping else State.CRASHED
        error = ErrorInfo(type="KernelDied", message=f"The kernel {death}", cell=self._name(position))
        self._change(position, state, ended_at=_now(), error=error)

    def _skip_after(self, position: int) -> None:
        for later in range(position + 1, len(self.output.cells)):
            if later in self._cells:
                self._change(later, State.SKIPPED)
            else:
                self.output.change_cell(later, State.SKIPPED)

    def _change(
        self,
        position: int,
        state: State,
        *,
        started_at: datetime | None = None,
        ended_at: datetime | None = None,
        execution_count: int | None = None,
        error: ErrorInfo | None = None,
    ) -> None:
        cell = self._cells[position]
        cell = self._cells[position] = msgspec.structs.replace(
            cell,
            state=state,
            started_at=started_at or cell.started_at,
            ended_at=ended_at or cell.ended_at,
            error=error or cell.error,
        )
        self.output.change_cell(
            position, state, started_at=started_at, ended_at=ended_at, execution_count=execution_count
        )
        self._report(CellRunChanged(cell=cell))
        self._on_change()

    def _name(self, position: int) -> str:
        return f"cell {self._cells[position].index + 1}"

    def _cell_shows(self, position: int) -> None:
        self.output.cell_shows(position)
        if self._spec.is_saved_within_cells or self._current != position:
            self._on_change()

    def _on_text(self, position: int, stream: str, text: str) -> None:
        self._log.add(self._name(position), stream, text, _now())
        self._tell(position, stream, text)

    def _on_rich(self, position: int, output: Output) -> None:
        text = output.get("data", {}).get("text/plain")
        if isinstance(text, str):
            self._tell(position, "data", text)

    def _tell(self, position: int, stream: str, text: str) -> None:
        if self._spec.is_shown:
            self._show(Shown(self._cells[position].index, stream, storable_text(text)))


def _now() -> datetime:
    return datetime.now(UTC)
