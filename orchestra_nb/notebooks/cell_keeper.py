"""The runner's end of ``--cache``: asks the kernel before each cell whether it is replayed, and what it showed.

The work is done in the kernel (:mod:`orchestra_nb.engine.cell_steps`), where the values are: one question a cell, which
also keeps what the cell before it gave.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestra_nb.notebooks.kernel_client import KernelClient

_MODULE = "__import__('orchestra_nb.engine.cell_steps', fromlist=['_'])"
_MIME_TYPE = "application/vnd.orchestra.step+json"


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
    max_bytes
        The bound of the store.
    run_id
        The run, whose cells may have run in an earlier epoch.
    """

    def __init__(
        self, sources: list[str], *, is_refreshed: bool, max_bytes: int, run_id: str = "", folder: str | None = None
    ) -> None:
        self._spec = json.dumps(
            {
                "sources": sources,
                "run_id": run_id,
                "is_refreshed": is_refreshed,
                "max_bytes": max_bytes,
                "folder": folder,
            }
        )
        self.is_on = False

    async def begin(self, client: KernelClient) -> str | None:
        """Make the kernel ready; return why it cannot be."""
        try:
            await self._ask(client, f"begin({self._spec!r})")
        except KeeperFailed as problem:
            return str(problem)
        self.is_on = True
        return None

    async def step(self, client: KernelClient, number: int, on_sent: Callable[[str], None]) -> KeptCell:
        """Return what becomes of a cell (code cells count from 0); what a replayed one shows belongs to the message
        whose id ``on_sent`` was told.
        """
        answer = await self._ask(client, f"step({number})", on_sent)
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
        answer = await self._ask(client, "failed()")
        return bool(answer["is_again"])

    async def note_names(self, client: KernelClient) -> None:
        """Say that code of ours has set names, or is about to: no cell gave them."""
        await self._ask(client, "note_names()")

    async def finish(self, client: KernelClient) -> str | None:
        """Have the last cell kept; return why it was not."""
        self.is_on = False
        try:
            await self._ask(client, "finish()")
        except KeeperFailed as problem:
            return str(problem)
        return None

    async def _ask(
        self, client: KernelClient, call: str, on_sent: Callable[[str], None] | None = None
    ) -> dict[str, Any]:
        reply = await client.execute("", silent=True, expressions={"orchestra": f"{_MODULE}.{call}"}, on_sent=on_sent)
        found = reply.get("user_expressions", {}).get("orchestra", {"status": "error", "ename": reply.get("status")})
        if found["status"] != "ok":
            raise KeeperFailed(f"{found.get('ename')}: {found.get('evalue', '')}")
        content: dict[str, Any] = found["data"][_MIME_TYPE]
        return content


class KeeperFailed(Exception):
    """The kernel could not do what it was asked: it has no Orchestra NB, or a defect shows itself."""
