"""The way from an attempt on a Dask worker to the ledger, the sentinel and the driver.

Everything sent leaves the worker's event loop in one ordered stream: what was shown (in batches of 50 ms), then the
end, then Dask's own word that the task finished. So a driver that hears the last has heard the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from distributed.protocol.serialize import Serialize  # noqa: TID253

from orchestra_nb.engine.attempts import AttemptTicket, NotRun, label_of_worker, select_groups
from orchestra_nb.engine.event_batch import EventBatch
from orchestra_nb.engine.executors import AttemptContext
from orchestra_nb.engine.sentinel_records import SentinelRecords
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.engine.worker_context import OpenQuestions, WorkerContext
from orchestra_nb.model.states import State

#: How long after the soft stop at its deadline an attempt's process is killed by the sentinel.
HARD_STOP_SECONDS = 1.0


class WorkerHost:
    """Implements :class:`~orchestra_nb.engine.attempts.AttemptHost` on a Dask worker.

    The methods are called from the worker's task threads, but for ``on_stop`` and ``on_select``.
    """

    def __init__(self, worker: Any, records: SentinelRecords) -> None:
        self._worker = worker
        self._loop: asyncio.AbstractEventLoop = worker.loop.asyncio_loop
        self._switches: dict[str, StopSwitch] = {}
        self._clocks: dict[str, asyncio.TimerHandle] = {}
        self._batch = EventBatch(self._loop, self._send)
        self.records = records
        self.questions = OpenQuestions(self._batch, lambda: str(worker.address), self._is_connected)
        self.worker_name = label_of_worker(worker.name)

    def may_begin(self, ticket: AttemptTicket, at: datetime) -> str | None:
        """Ask the ledger on the scheduler: one round trip."""
        asking = self._worker.scheduler.orchestra_begin(
            key=ticket.key,
            client=ticket.client,
            worker=self._worker.address,
            worker_name=self.worker_name,
            timeout_seconds=ticket.timeout_seconds,
            at=at.timestamp(),
        )
        try:
            answer = asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        except OSError as error:
            return f"the scheduler could not be asked ({error})"
        refusal: str | None = answer["refusal"]
        return refusal

    def enter(self, ticket: AttemptTicket, switch: StopSwitch) -> None:
        """Pass on stop orders to this switch from now on."""
        self._switches[ticket.key] = switch

    def begin(self, ticket: AttemptTicket, switch: StopSwitch) -> None:
        """Tell the sentinel, and start the clock of the soft stop."""
        seconds = ticket.timeout_seconds
        self.records.begin(ticket.key, None if seconds is None else seconds + HARD_STOP_SECONDS)
        if seconds is not None:
            self._loop.call_soon_threadsafe(self._start_clock, ticket.key, seconds, switch)

    def end(self, ticket: AttemptTicket) -> None:
        """Tell the sentinel that user code ended, and stop the clock."""
        self.records.end(ticket.key)
        if ticket.timeout_seconds is not None:
            self._loop.call_soon_threadsafe(self._stop_clock, ticket.key)

    def leave(self, ticket: AttemptTicket) -> None:
        """Undo :meth:`enter`."""
        self._switches.pop(ticket.key, None)

    def context(self, ticket: AttemptTicket) -> AttemptContext:
        """Return what the body may use."""
        return WorkerContext(self.worker_name, ticket.client, ticket.key, self._batch, self.questions)

    def tell_end(self, ticket: AttemptTicket, packed: bytes | None, is_whole: bool) -> None:
        """Send the end to the ledger and to the driver, after all that was shown."""
        message = {"kind": "ended", "key": ticket.key, "data": packed, "is_whole": is_whole}
        self._batch.send_after(ticket.client, message)

    def tell_not_run(self, ticket: AttemptTicket, not_run: NotRun) -> None:
        """Send to the driver that it was not run."""
        message = {"kind": "not-run", "key": ticket.key, "reason": not_run.reason, "missing": list(not_run.missing)}
        self._batch.send_after(ticket.client, message)

    def on_stop(self, key: str, state: str) -> None:
        """Take an order of the scheduler, in the event loop."""
        if switch := self._switches.get(key):
            switch.stop(state)

    def on_select(self, key: str, numbers: Sequence[int]) -> dict[str, object]:
        """Answer with some groups of a result that this worker holds, in the event loop: no task thread is needed."""
        if key not in self._worker.data:
            return {"result": None}
        make_serializable: Any = Serialize
        return {"result": make_serializable(select_groups(self._worker.data[key], numbers))}

    def _is_connected(self) -> bool:
        return self._worker.batched_stream.comm is not None and not self._worker.batched_stream.closed()

    def _send(self, client: str, message: Mapping[str, object]) -> None:
        self._worker.batched_send({"op": "orchestra-tell", "client": client, "message": message})

    def _start_clock(self, key: str, seconds: float, switch: StopSwitch) -> None:
        self._clocks[key] = self._loop.call_later(seconds, switch.stop, State.TIMED_OUT.value)

    def _stop_clock(self, key: str) -> None:
        if clock := self._clocks.pop(key, None):
            clock.cancel()
