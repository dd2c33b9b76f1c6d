"""The runner's end of ``--cache``: asks the kernel before each cell whether it is replayed, and what it showed.

The work is done in the kernel (:mod:`orchestra_nb.engine.cell_steps`), where the values are: one question a cell, which
also keeps what the cell before it gave.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestra_nb.notebooks.kernel_questions import KernelCannot, ask_kernel

if TYPE_CHECKING:
    from orchestra_nb.notebooks.kernel_client import KernelClient

_MODULE = "orchestra_nb.engine.cell_steps"


@dataclass(frozen=True, slots=True)
class KeptCell:
    """What the kernel says of a cell: whether it was replayed, why or why not, what it cost when it ran."""

    is_cached: bool
    why: str
    seconds: float
    note: str
    count: int | None
    is_again: bool


class CellKeeper:
    """Speaks with the kernel of one run. Belongs to one event loop.

    Parameters
    ----------
    sources
        The sources of the code cells, in order.
    is_refreshed
        Run every cell, and keep it anew.
    fresh_from_index
        Run this cell and all below it, and keep them anew; None for none.
    injected_at
        The cell that was put in for parameters; None where there is none.
    max_bytes
        The bound of the store.
    run_id
        The run, whose cells may have run in an earlier epoch.
    """

    def __init__(
        self,
        sources: list[str],
        *,
        is_refreshed: bool,
        max_bytes: int,
        fresh_from_index: int | None = None,
        injected_at: int | None = None,
        run_id: str = "",
        folder: str | None = None,
    ) -> None:
        self._spec = json.dumps(
            {
                "sources": sources,
                "run_id": run_id,
                "is_refreshed": is_refreshed,
                "fresh_from_index": fresh_from_index,
                "injected_at": injected_at,
                "max_bytes": max_bytes,
                "folder": folder,
            }
        )
        self.is_on = False

    async def begin(self, client: KernelClient) -> str | None:
        """Make the kernel ready; return why it cannot be."""
        try:
            await ask_kernel(client, _MODULE, f"begin({self._spec!r})")
        except KernelCannot as problem:
            return str(problem)
        self.is_on = True
        return None

    async def step(self, client: KernelClient, number: int, on_sent: Callable[[str], None]) -> KeptCell:
        """Return what becomes of a cell (code cells count from 0); what a replayed one shows belongs to the message
        whose id ``on_sent`` was told.
        """
        answer = await ask_kernel(client, _MODULE, f"step({number})", on_sent)
        return KeptCell(
            answer["is_cached"],
            answer.get("why", ""),
            answer.get("seconds", 0.0),
            answer.get("note", ""),
            answer.get("count"),
            answer.get("is_again", False),
        )

    async def failed(self, client: KernelClient) -> bool:
        """Say that a cell failed; return whether all cells have to run again, from the first."""
        answer = await ask_kernel(client, _MODULE, "failed()")
        return bool(answer["is_again"])

    async def note_names(self, client: KernelClient) -> None:
        """Say that code of ours has set names, or is about to: no cell gave them."""
        await ask_kernel(client, _MODULE, "note_names()")

    async def finish(self, client: KernelClient) -> str | None:
        """Have the last cell kept; return why it was not."""
        self.is_on = False
        try:
            await ask_kernel(client, _MODULE, "finish()")
        except KernelCannot as problem:
            return str(problem)
        return None
