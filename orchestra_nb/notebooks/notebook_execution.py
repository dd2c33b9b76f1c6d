"""Runs the cells of one notebook in a kernel.

Which cells run and which errors end the run is as nbclient and papermill document it:

- the tag ``skip-execution`` leaves a cell out, ``raises-exception`` allows it to fail, an empty cell does not run;
- ``sys.exit(0)``, ``exit`` and ``quit`` end the notebook well, and the cells after it are skipped;
- any other error ends the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.ahead_cells import AheadCells
from orchestra_nb.notebooks.cell_errors import asks_to_end, is_good_exit, read_error, storable_text
from orchestra_nb.notebooks.cell_numbers import CELL_ID, CELL_NUMBER
from orchestra_nb.notebooks.cell_options import CellOptions, cell_options
from orchestra_nb.notebooks.cell_replays import CellReplays, StartOver
from orchestra_nb.notebooks.cell_time_limit import TimeLimit
from orchestra_nb.notebooks.document import INJECTED_TAG, tags_of
from orchestra_nb.notebooks.execution_record import ExecutionRecord, Times, now
from orchestra_nb.notebooks.kernel_client import KernelDied

if TYPE_CHECKING:
    from orchestra_nb.model.ahead_plans import AheadPlan
    from orchestra_nb.notebooks.kernel_client import KernelClient
    from orchestra_nb.notebooks.long_messages import Message
    from orchestra_nb.notebooks.runner_messages import RunnerSpec


#: Says that a cell that failed is to run again.
_AGAIN = "again"


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
    """One attempt's cells. All methods belong to one event loop."""

    def __init__(self, spec: RunnerSpec, record: ExecutionRecord) -> None:
        self._spec = spec
        self._record = record
        self._replays = CellReplays(spec, record)
        self._stopping = asyncio.Event()
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
        await self._replays.begin(client)
        try:
            early_end = await self._run_all(client)
        finally:
            for position in sorted(self._beside):
                self._fall_back(position)
            if self._ahead is not None and not client.process.death.done():
                with contextlib.suppress(KernelDied):
                    await self._ahead.finish(client)
        if early_end is None or not early_end.is_kernel_ending:
            await self._replays.finish(client)
        return early_end

    async def _run_all(self, client: KernelClient) -> EarlyEnd | None:
        for position, cell in enumerate(self._record.output.cells):
            if cell["cell_type"] != "code":
                self._record.output.change_cell(position, State.COMPLETED)
            elif "skip-execution" in tags_of(cell):
                self._record.change(position, State.SKIPPED)
            elif not cell["source"].strip():
                self._record.change(position, State.COMPLETED)
            else:
                if self.is_stopping:
                    raise RunStopped
                try:
                    early_end = await self._run_cell(client, position, cell)
                except StartOver:
                    return await self._run_all(client)
                except CellFailed:
                    if not await self._replays.must_start_over(client):
                        raise
                    return await self._run_all(client)
                if early_end is not None:
                    self._record.skip_after(position)
                    return early_end
                if self._spec.hidden_source and INJECTED_TAG in tags_of(cell):
                    await self._replays.note_names(client)  # what this cell gave is kept without the secrets
                    await self._set_secrets(client, position)
                    await self._replays.note_names(client)
        return None

    async def _run_cell(self, client: KernelClient, position: int, cell: dict[str, Any]) -> EarlyEnd | None:
        self._record.current = position
        kept = await self._replays.ask(client, position)
        if kept is None or not kept.is_cached:
            options = cell_options(cell["source"])
            ran = await self._look_ahead(client, position)
            self._record.begin_attempt(position, "" if kept is None else kept.why, ran)
            while (early_end := await self._run_attempt(client, position, cell, options, ran)) == _AGAIN:
                ran = None
                self._record.begin_attempt(position, "")
            self._record.save_much()
            self._record.current = None
            return early_end if isinstance(early_end, EarlyEnd) else None
        self._record.save_much()
        self._record.current = None
        return None

    async def _run_attempt(
        self, client: KernelClient, position: int, cell: dict[str, Any], options: CellOptions, ran: Times | None
    ) -> EarlyEnd | str | None:
        """Run the cell once; ``_AGAIN`` if it failed and is to run again now."""
        may_fail = self._spec.may_cells_fail or "raises-exception" in tags_of(cell)
        seconds = options.timeout_seconds or self._spec.cell_timeout_seconds
        limit = TimeLimit(client.process, seconds)
        try:
            async with limit:
                reply = await client.execute(
                    cell["source"],
                    on_sent=lambda message_id: self._record.outputs.open_cell(position, message_id),
                    metadata=self._names_of(position),
                )
        except KernelDied:
            if limit.is_over and not self.is_stopping:
                raise self._end_late_cell(position, seconds, "its kernel was killed, since it did not end") from None
            raise
        finally:
            self._record.end_text(position)
            if self._record.cells[position].state is State.RUNNING and client.process.death.done():
                self._end_dead_cell(position, str(client.process.death.result()))
        is_late = limit.is_over and reply["status"] != "ok" and not self.is_stopping
        if reply["status"] != "ok" and not may_fail and not is_good_exit(reply) and not self.is_stopping:
            what = "it took too long" if is_late else f"{reply.get('ename')}: {reply.get('evalue')}"
            if await self._waits_for_retry(position, options, storable_text(what)):
                return _AGAIN
        if is_late:
            raise self._end_late_cell(position, seconds, "it was interrupted")
        return self._conclude_cell(position, cell, reply, may_fail, now() if ran is None else ran[1])

    def _names_of(self, position: int) -> dict[str, object]:
        """Return what tells the kernel which cell it is given: its number, and its id as a front end says it."""
        cell = self._record.cells[position]
        number = cell.index + 1 if cell.number is None else cell.number
        return {CELL_NUMBER: number} | ({CELL_ID: cell.cell_id} if cell.cell_id else {})

    async def _waits_for_retry(self, position: int, options: CellOptions, what: str) -> bool:
        """Wait before the next attempt of a cell that failed; False where there is none."""
        cell = self._record.cells[position]
        failures = cell.attempt
        if failures >= cell.max_attempts:
            return False
        delay = options.retry.delay_seconds(failures)
        words = f"attempt {failures + 1} of {cell.max_attempts} " + (f"in {delay:g} s" if delay else "follows")
        self._record.write_log(f"{self._record.name(position)}: {what}; {words}", "orchestra", logging.WARNING)
        self._record.cells[position] = msgspec.structs.replace(cell, message=f"{what}; {words}"[:2_000])
        self._record.change(position, State.RETRYING)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)
        if self.is_stopping:
            self._record.change(position, State.CANCELLED, ended_at=now())
            raise RunStopped
        return True

    def _end_late_cell(self, position: int, seconds: float | None, how: str) -> CellFailed:
        """Return the error of a cell that ran too long."""
        message = f"it ran longer than {seconds or 0:g} s: {how}"
        error = ErrorInfo(type="TimeoutError", message=message, cell=self._record.name(position))
        self._record.add_error(position, error)
        self._record.change(position, State.TIMED_OUT, ended_at=now(), error=error)
        self._record.log_failure(error)
        return CellFailed(error)

    # --- what runs ahead

    async def _look_ahead(self, client: KernelClient, position: int) -> Times | None:
        """Have later cells sent ahead; return when this one ran, if it was and takes effect with its next execution."""
        if self._ahead is None or not self._ahead.is_on:
            return None
        news = await self._ahead.step(client, self._record.cells[position].index)
        positions = {cell.index: position for position, cell in self._record.cells.items()}
        for index in news.dropped:
            self._fall_back(positions[index])
        for index in news.sent:
            self._beside.add(positions[index])
            self._record.say_pending(positions[index], "runs ahead of its turn on a worker")
        self._beside.discard(position)
        for text in news.notes:
            self._record.write_log(text, "orchestra")
        if self.is_stopping:
            self._fall_back(position)
            raise RunStopped
        if news.ran is not None:
            self._record.write_log(f"{self._record.name(position)} ran ahead on {news.worker}", "orchestra")
        return news.ran

    def _fall_back(self, position: int) -> None:
        """Let a cell that ran ahead in vain wait for its turn."""
        self._beside.discard(position)
        self._record.say_pending(position, "")

    # --- the end of a cell

    async def _set_secrets(self, client: KernelClient, position: int) -> None:
        """Set the parameters that hold secrets: by code that no cell, no history and no message shows."""
        reply = await client.execute(self._spec.hidden_source, silent=True)
        if reply["status"] != "ok":
            reason = self._record.mask.text(storable_text(f"{reply.get('ename')}: {reply.get('evalue')}"))[:500]
            message = f"The parameters that hold secrets could not be set: {reason}"
            raise CellFailed(ErrorInfo(type="SecretsNotSet", message=message, cell=self._record.name(position)))

    def _conclude_cell(
        self, position: int, cell: dict[str, Any], reply: Message, may_fail: bool, ended_at: datetime
    ) -> EarlyEnd | None:
        count = reply.get("execution_count")
        name = self._record.name(position)
        error = None
        if reply["status"] != "ok":
            error = read_error(reply, cell=name, source=cell["source"], execution_count=count)
            self._record.add_error(position, error, reply.get("traceback") or ())
        if error is not None and self.is_stopping:
            state = State.CANCELLED
        elif error is None or may_fail or is_good_exit(reply):
            state = State.COMPLETED
        else:
            state = State.FAILED
        self._record.change(position, state, ended_at=ended_at, execution_count=count, error=error)
        if self.is_stopping:
            raise RunStopped
        if state is State.FAILED:
            assert error is not None
            self._record.log_failure(error)
            raise CellFailed(error)
        if asks_to_end(reply):
            return EarlyEnd(f"exit in {name}", is_kernel_ending=True)
        if is_good_exit(reply) and not may_fail:
            return EarlyEnd(f"sys.exit() in {name}", is_kernel_ending=False)
        return None

    def _end_dead_cell(self, position: int, death: str) -> None:
        state = State.CANCELLED if self.is_stopping else State.CRASHED
        error = ErrorInfo(type="KernelDied", message=f"The kernel {death}", cell=self._record.name(position))
        self._record.change(position, state, ended_at=now(), error=error)
