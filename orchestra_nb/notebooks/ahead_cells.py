"""The runner's end of ``--parallel``: has the kernel send cells ahead, and asks before each whether it was one of them.

The work is done in the kernel (:mod:`orchestra_nb.engine.ahead_steps`), where the values are.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.model.counted import counted
from orchestra_nb.notebooks.kernel_questions import KernelCannot, ask_kernel

if TYPE_CHECKING:
    from orchestra_nb.model.ahead_plans import AheadPlan
    from orchestra_nb.notebooks.kernel_client import KernelClient

_MODULE = "orchestra_nb.engine.ahead_steps"


@dataclass(frozen=True, slots=True)
class AheadNews:
    """What happened before a cell: cells sent and dropped, and when the cell itself ran, if it was run ahead."""

    sent: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    ran: tuple[datetime, datetime] | None = None
    worker: str = ""
    notes: tuple[str, ...] = ()


class AheadCells:
    """Speaks with the kernel of one run. Belongs to one event loop."""

    def __init__(self, plan: AheadPlan) -> None:
        self._plan = plan
        #: whether the kernel was told the plan, and cells may go ahead
        self.is_on = bool(plan.ahead)
        self._has_begun = False
        self.taken: list[int] = []
        self._problem = ""

    async def step(self, client: KernelClient, index: int) -> AheadNews:
        """Return what happened before a cell (code cells count from 0).

        Returns when the result of the cell itself is there, if it was sent before. Where the kernel cannot do what it
        is asked, all cells run in order from now on, and a note says why.
        """
        if not self.is_on:
            return AheadNews()
        try:
            if not self._has_begun:
                self._has_begun = True
                plan = msgspec.json.encode(self._plan).decode()
                await ask_kernel(client, _MODULE, f"begin({plan!r})")
            answer = await ask_kernel(client, _MODULE, f"step({index})")
        except KernelCannot as problem:
            self.is_on = False
            self._problem = f"the kernel cannot run cells ahead ({problem})"
            return AheadNews(notes=(f"{self._problem[0].upper()}{self._problem[1:]}: the cells run in order.",))
        notes = tuple(answer.get("notes", ()))
        self._problem = self._problem or next(iter(notes), "").rstrip(".")
        ran, worker = None, ""
        if (taken := answer.get("taken")) is not None:
            self.taken.append(index)
            ran = datetime.fromisoformat(taken["started_at"]), datetime.fromisoformat(taken["ended_at"])
            worker = taken["worker"]
        return AheadNews(tuple(answer.get("sent", ())), tuple(answer.get("dropped", ())), ran, worker, notes)

    async def finish(self, client: KernelClient) -> None:
        """Stop what runs on workers; the kernel itself does so when it ends in another way."""
        if self._has_begun and self.is_on:
            self.is_on = False
            with contextlib.suppress(KernelCannot):
                await ask_kernel(client, _MODULE, "finish()")

    def describe(self) -> str:
        """Return in one line what came of it."""
        if self._plan.why:
            return f"--parallel: ran in order: {self._plan.why}"
        if not self.taken:
            return f"--parallel: ran in order: {self._problem or 'nothing that ran ahead could be used'}"
        return f"--parallel: {len(self.taken)} of {counted(len(self._plan.cells), 'cell')} ran ahead on workers"
