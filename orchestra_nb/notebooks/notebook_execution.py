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
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.model.events import CellRunChanged, Event, LogsWritten, ValueRecorded
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.runs import CellRun, ErrorInfo, LogLine
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.ahead_cells import AheadCells
from orchestra_nb.notebooks.cell_errors import asks_to_end, is_good_exit, read_error, storable_text
from orchestra_nb.notebooks.cell_keeper import CellKeeper, KeeperFailed, KeptCell
from orchestra_nb.notebooks.cell_options import CellOptions, cell_options
from orchestra_nb.notebooks.cell_outputs import Output
from orchestra_nb.notebooks.cell_time_limit import TimeLimit
from orchestra_nb.notebooks.document import cell_title
from orchestra_nb.notebooks.kernel_client import KernelDied
from orchestra_nb.notebooks.output_collector import OutputCollector
from orchestra_nb.notebooks.output_notebook import OutputNotebook, tags_of
from orchestra_nb.notebooks.parameter_injection import INJECTED_TAG
from orchestra_nb.notebooks.recorded_outputs import RecordedOutputs
from orchestra_nb.notebooks.runner_messages import Shown
from orchestra_nb.notebooks.stream_log import StreamLog
from orchestra_nb.notebooks.widget_states import WidgetStates

if TYPE_CHECKING:
    from orchestra_nb.notebooks.ahead_plan import AheadPlan
    from orchestra_nb.notebooks.kernel_client import KernelClient
    from orchestra_nb.notebooks.long_messages import Message
    from orchestra_nb.notebooks.runner_messages import RunnerSpec


#: Says that a cell that failed is to run again.
_AGAIN = "again"
#: States that papermill has no word of its own for.
_SHOWN_AS = {State.RETRYING: State.RUNNING, State.TIMED_OUT: State.FAILED}
#: More than this is not kept in memory for the next time at which the output notebook is written.
_MUCH_CHARACTERS = 16_000_000


#: When a cell began and ended that ran ahead of its turn.
_Times = tuple[datetime, datetime]


class CellFailed(Exception):
    """User code of a cell raised, and the run ends with it."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error)
        self.error = error


class _StartOver(Exception):
    """All cells run again, from the first."""


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
        self._values = RecordedOutputs(spec.run_id, lambda value: report(ValueRecorded(value=value)))
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
        self._stopping = asyncio.Event()
        self._keeper: CellKeeper | None = None
        self._has_gone_on = False

        self._ahead: AheadCells | None = None
        #: positions of the cells that run ahead of their turn
        self._beside: set[int] = set()

    @property
    def is_stopping(self) -> bool:
        """Whether the run is to end after the cell that runs."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End the run after the cell that runs, which somebody else interrupts."""
        self._stopping.set()

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
        papermill = json.loads(spec.papermill_json) if spec.papermill_json else {}
        if spec.recorded_output_path:
            papermill["output_path"] = spec.recorded_output_path
        self.output.begin(
            _now(),
            parameters=to_readable(json.loads(spec.parameters_json)),
            input_path=spec.input_path,
            run=({} if spec.papermill_json else {"run_id": spec.run_id, "run_name": spec.run_name})
            | {"state": State.RUNNING.value, "message": ""},
            papermill=papermill,
        )
        for position, cell in enumerate(self.output.cells):
            if cell["cell_type"] == "code":
                self._cells[position] = CellRun(
                    run_id=spec.run_id,
                    index=len(self._cells),
                    cell_id=str(cell.get("id", "")),
                    state=State.PENDING,
                    title=cell_title(cell["source"]),
                    epoch=spec.epoch,
                    max_attempts=1 + cell_options(cell["source"]).retry.retries,
                )
                self._report(CellRunChanged(cell=self._cells[position]))

    def take_message(self, message: Message) -> None:
        """Take what the kernel showed."""
        if message["msg_type"].startswith("comm_"):
            self._widgets.take(message)
        else:
            self._outputs.take(message)
            current = self._cells.get(self._current) if self._current is not None else None
            is_replayed = current is not None and current.state is not State.RUNNING
            self._values.take(message, None if current is None else current.index, is_replayed=is_replayed)

    async def run_cells(self, client: KernelClient) -> EarlyEnd | None:
        """Let all cells take effect in order; None when the last one was reached.

        Raises
        ------
        CellFailed
            A cell failed.
        KernelDied
            The kernel died in a cell, or between two.
        RunStopped
            It was asked for the end.
        """
        await self._begin_keeping(client)
        try:
            early_end = await self._run_all(client)
        finally:
            for position in sorted(self._beside):
                self._fall_back(position)
            if self._ahead is not None and not client.process.death.done():
                with contextlib.suppress(KernelDied):
                    await self._ahead.finish(client)
        if self._keeper is not None and (early_end is None or not early_end.is_kernel_ending):
            with contextlib.suppress(KernelDied):  # all cells have ended
                self._note(await self._keeper.finish(client))
        return early_end

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
                try:
                    early_end = await self._run_cell(client, position, cell)
                except _StartOver:
                    return await self._run_all(client)
                except CellFailed as failure:
                    if not await self._must_start_over(client, failure):
                        raise
                    return await self._run_all(client)
                if early_end is not None:
                    self._skip_after(position)
                    return early_end
                if self._spec.hidden_source and INJECTED_TAG in tags_of(cell):
                    await self._note_names(client)  # what this cell gave is kept without the secrets
                    await self._set_secrets(client, position)
                    await self._note_names(client)
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
        kept = await self._ask_keeper(client, position)
        if kept is None or not kept.is_cached:
            options = cell_options(cell["source"])
            ran = await self._look_ahead(client, position)
            self._begin_attempt(position, "" if kept is None else kept.why, ran)
            while (early_end := await self._run_attempt(client, position, cell, options, ran)) == _AGAIN:
                ran = None
                self._begin_attempt(position, "")
            self._save_much()
            self._current = None
            return early_end if isinstance(early_end, EarlyEnd) else None
        self._save_much()
        self._current = None
        return None

    def _save_much(self) -> None:
        """Write what was shown now where it is much: it need not be kept then."""
        if self._outputs.size > _MUCH_CHARACTERS:
            with contextlib.suppress(OSError):
                self.output.save()

    def _begin_attempt(self, position: int, message: str, ran: _Times | None = None) -> None:
        """Let the cell be RUNNING; of one that has run before, in its next attempt."""
        cell = self._cells[position]
        if cell.state is not State.PENDING:
            cell = msgspec.structs.replace(
                cell,
                attempt=cell.attempt + 1,
                max_attempts=max(cell.max_attempts, cell.attempt + 1),  # starting over is no attempt of its own
                error=None,
                ended_at=None,
                is_cached=False,
            )
        self._cells[position] = msgspec.structs.replace(cell, message=message)
        self._change(position, State.RUNNING, started_at=_now() if ran is None else ran[0])

    async def _run_attempt(
        self, client: KernelClient, position: int, cell: dict[str, Any], options: CellOptions, ran: _Times | None
    ) -> EarlyEnd | str | None:
        """Run the cell once; ``_AGAIN`` if it failed and is to run again now."""
        may_fail = self._spec.may_cells_fail or "raises-exception" in tags_of(cell)
        seconds = options.timeout_seconds or self._spec.cell_timeout_seconds
        limit = TimeLimit(client.process, seconds)
        try:
            async with limit:
                reply = await client.execute(
                    cell["source"],
                    on_sent=lambda message_id: self._outputs.open_cell(position, message_id),
                )
        except KernelDied:
            if limit.is_over and not self.is_stopping:
                raise self._end_late_cell(position, seconds, "its kernel was killed, since it did not end") from None
            raise
        finally:
            self._log.end(self._name(position), _now())
            if self._cells[position].state is State.RUNNING and client.process.death.done():
                self._end_dead_cell(position, str(client.process.death.result()))
        is_late = limit.is_over and reply["status"] != "ok" and not self.is_stopping
        if reply["status"] != "ok" and not may_fail and not is_good_exit(reply) and not self.is_stopping:
            what = "it took too long" if is_late else f"{reply.get('ename')}: {reply.get('evalue')}"
            if await self._waits_for_retry(position, options, storable_text(what)):
                return _AGAIN
        if is_late:
            raise self._end_late_cell(position, seconds, "it was interrupted")
        return self._conclude_cell(position, cell, reply, may_fail, _now() if ran is None else ran[1])

    async def _waits_for_retry(self, position: int, options: CellOptions, what: str) -> bool:
        """Wait before the next attempt of a cell that failed; False where there is none."""
        cell = self._cells[position]
        failures = cell.attempt
        if failures >= cell.max_attempts:
            return False
        delay = options.retry.delay_seconds(failures)
        words = f"attempt {failures + 1} of {cell.max_attempts} " + (f"in {delay:g} s" if delay else "follows")
        self.write_log(f"{self._name(position)}: {what}; {words}", "orchestra", logging.WARNING)
        self._cells[position] = msgspec.structs.replace(cell, message=f"{what}; {words}"[:2_000])
        self._change(position, State.RETRYING)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)
        if self.is_stopping:
            self._change(position, State.CANCELLED, ended_at=_now())
            raise RunStopped
        return True

    def _end_late_cell(self, position: int, seconds: float | None, how: str) -> CellFailed:
        """Return the error of a cell that ran too long."""
        message = f"it ran longer than {seconds or 0:g} s: {how}"
        error = ErrorInfo(type="TimeoutError", message=message, cell=self._name(position))
        if not self._outputs.has_error(position):
            self._outputs.add_error(position, error.type, error.message, [])
        self._change(position, State.TIMED_OUT, ended_at=_now(), error=error)
        return CellFailed(error)

    # --- what runs ahead

    async def _look_ahead(self, client: KernelClient, position: int) -> _Times | None:
        """Have later cells sent ahead; return when this one ran, if it was and takes effect with its next execution."""
        if self._ahead is None or not self._ahead.is_on:
            return None
        news = await self._ahead.step(client, self._cells[position].index)
        positions = {cell.index: position for position, cell in self._cells.items()}
        for index in news.dropped:
            self._fall_back(positions[index])
        for index in news.sent:
            self._beside.add(positions[index])
            self._say_pending(positions[index], "runs ahead of its turn on a worker")
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
        """Let a cell that ran ahead in vain wait for its turn."""
        self._beside.discard(position)
        self._say_pending(position, "")

    def _say_pending(self, position: int, message: str) -> None:
        """Say of a cell what it does before its turn, when it takes effect: until then it has no other state."""
        self._cells[position] = msgspec.structs.replace(self._cells[position], message=message)
        self._change(position, State.PENDING)

    # --- what is kept

    async def _begin_keeping(self, client: KernelClient) -> None:
        spec = self._spec
        if not spec.is_cached:
            if spec.epoch > 1:
                text = (
                    "Starts over from the first cell: it ran without --cache, so nothing was kept of the cells before"
                )
                self.write_log(text, "orchestra")
            return
        if spec.secrets:
            self.write_log("Nothing is kept or replayed in this run: it could hold what its secrets say", "orchestra")
            return
        sources = [self.output.cells[position]["source"] for position in self._cells]
        keeper = CellKeeper(sources, is_refreshed=spec.is_refreshed, max_bytes=spec.cache_bytes, run_id=spec.run_id)
        if (problem := await keeper.begin(client)) is not None:
            self.write_log(f"Nothing is kept or replayed in this run: {problem}", "orchestra", logging.WARNING)
            return
        self._keeper = keeper

    async def _ask_keeper(self, client: KernelClient, position: int) -> KeptCell | None:
        """Return what becomes of a cell; one that was replayed is COMPLETED by then."""
        if self._keeper is None:
            return None
        cell, began_at = self._cells[position], _now()
        try:
            kept = await self._keeper.step(
                client, cell.index, lambda message_id: self._outputs.open_cell(position, message_id)
            )
        except KeeperFailed as problem:
            self._give_keeper_up(problem)
            return None
        self._note(kept.note)
        if kept.is_again:
            raise _StartOver
        if kept.is_cached:
            self._log.end(self._name(position), _now())
            attempt = cell.attempt if cell.state is State.PENDING else cell.attempt + 1
            self._cells[position] = msgspec.structs.replace(
                cell, is_cached=True, attempt=attempt, error=None, message=kept.why
            )
            self.output.cells[position]["metadata"].setdefault("orchestra", {})["cached"] = True
            self._change(position, State.COMPLETED, started_at=began_at, ended_at=_now(), execution_count=kept.count)
        elif self._spec.epoch > 1 and not self._has_gone_on:
            self._has_gone_on = True
            self.write_log(f"Goes on at {self._name(position)}: {kept.why}", "orchestra")
        return kept

    async def _must_start_over(self, client: KernelClient, failure: CellFailed) -> bool:
        """Return whether all cells run again because a cell read a name that nobody had seen it read."""
        if self._keeper is None or self._current is None:
            return False
        try:
            is_again = await self._keeper.failed(client, missing_name(failure.error))
        except (KeeperFailed, KernelDied):
            return False
        if is_again:
            where = self._name(self._current)
            self.write_log(
                f"{where} reads a name that nobody could see it read: all cells run again in order, none is replayed",
                "orchestra",
                logging.WARNING,
            )
        return is_again

    async def _note_names(self, client: KernelClient) -> None:
        if self._keeper is None:
            return
        try:
            await self._keeper.note_names(client)
        except KeeperFailed as problem:
            self._give_keeper_up(problem)

    def _give_keeper_up(self, problem: KeeperFailed) -> None:
        self.write_log(f"From here on nothing is kept or replayed: {problem}", "orchestra", logging.ERROR)
        self._keeper = None

    def _note(self, note: str | None) -> None:
        if note:
            self.write_log(note, "orchestra")

    # --- the end of a cell

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
            position,
            _SHOWN_AS.get(state, state),
            started_at=started_at,
            ended_at=ended_at,
            execution_count=execution_count,
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
            self._show(Shown(self._cells[position].index, stream, self._mask.text(storable_text(text))))


def missing_name(error: ErrorInfo) -> str | None:
    """Return the name that a ``NameError`` said is not there."""
    if error.type != "NameError":
        return None
    found = re.search(r"name '(\w+)' is not defined", error.message)
    return None if found is None else found[1]


def _now() -> datetime:
    return datetime.now(UTC)
