"""The cells of a run that may be replayed: what the kernel decides of each, written down and said in the run's log."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from orchestra_nb.notebooks.cell_keeper import CellKeeper, KeptCell
from orchestra_nb.notebooks.execution_record import ExecutionRecord, now
from orchestra_nb.notebooks.kernel_client import KernelDied
from orchestra_nb.notebooks.kernel_questions import KernelCannot

if TYPE_CHECKING:
    from orchestra_nb.notebooks.kernel_client import KernelClient
    from orchestra_nb.notebooks.runner_messages import RunnerSpec


class StartOver(Exception):
    """All cells run again, from the first."""


class CellReplays:
    """Of one attempt. All methods belong to one event loop."""

    def __init__(self, spec: RunnerSpec, record: ExecutionRecord) -> None:
        self._spec = spec
        self._record = record
        self._keeper: CellKeeper | None = None
        self._has_gone_on = False

    async def begin(self, client: KernelClient) -> None:
        """Make the kernel ready, where that was asked for; say why not, where it cannot be."""
        spec = self._spec
        if not spec.is_cached:
            if spec.epoch > 1:
                text = (
                    "Starts over from the first cell: it ran without --cache, so nothing was kept of the cells before"
                )
                self._record.write_log(text, "orchestra")
            return
        if spec.secrets:
            self._record.write_log(
                "Nothing is kept or replayed in this run: it could hold what its secrets say", "orchestra"
            )
            return
        sources = [self._record.output.cells[position]["source"] for position in self._record.cells]
        keeper = CellKeeper(
            sources,
            is_refreshed=spec.is_refreshed,
            fresh_from_index=spec.fresh_from_index,
            injected_at=next((cell.index for cell in self._record.cells.values() if cell.number == 0), None),
            max_bytes=spec.cache_bytes,
            run_id=spec.run_id,
        )
        if (problem := await keeper.begin(client)) is not None:
            self._record.write_log(f"Nothing is kept or replayed in this run: {problem}", "orchestra", logging.WARNING)
            return
        self._keeper = keeper

    async def ask(self, client: KernelClient, position: int) -> KeptCell | None:
        """Return what becomes of a cell, None where nothing is kept; one that was replayed is COMPLETED by then.

        Raises
        ------
        StartOver
            All cells are to run again, from the first.
        """
        if self._keeper is None:
            return None
        cell, began_at = self._record.cells[position], now()
        try:
            kept = await self._keeper.step(
                client, cell.index, lambda message_id: self._record.outputs.open_cell(position, message_id)
            )
        except KernelCannot as problem:
            self._give_up(problem)
            return None
        if kept.is_again:
            text = f"{kept.note}: all cells run again in order, none is replayed"
            self._record.write_log(text, "orchestra", logging.WARNING)
            raise StartOver
        self._note(kept.note)
        if kept.is_cached:
            self._record.take_replay(position, began_at, kept)
        elif self._spec.epoch > 1 and not self._has_gone_on:
            self._has_gone_on = True
            self._record.write_log(f"Goes on at {self._record.name(position)}: {kept.why}", "orchestra")
        return kept

    async def finish(self, client: KernelClient) -> None:
        """Have the last cell kept."""
        if self._keeper is not None:
            with contextlib.suppress(KernelDied):  # all cells have ended
                self._note(await self._keeper.finish(client))

    async def must_start_over(self, client: KernelClient) -> bool:
        """Return whether all cells run again because a cell read a name that nobody had seen it read."""
        if self._keeper is None or self._record.current is None:
            return False
        try:
            is_again = await self._keeper.failed(client)
        except (KernelCannot, KernelDied):
            return False
        if is_again:
            where = self._record.name(self._record.current)
            self._record.write_log(
                f"{where} reads a name that nobody could see it read: all cells run again in order, none is replayed",
                "orchestra",
                logging.WARNING,
            )
        return is_again

    async def note_names(self, client: KernelClient) -> None:
        """Say that code of ours has set names, or is about to: no cell gave them."""
        if self._keeper is None:
            return
        try:
            await self._keeper.note_names(client)
        except KernelCannot as problem:
            self._give_up(problem)

    def _give_up(self, problem: KernelCannot) -> None:
        self._record.write_log(f"From here on nothing is kept or replayed: {problem}", "orchestra", logging.ERROR)
        self._keeper = None

    def _note(self, note: str | None) -> None:
        if note:
            self._record.write_log(note, "orchestra")
