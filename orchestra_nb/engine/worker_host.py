"""The way from an attempt on a Dask worker to the ledger, the sentinel and the driver.

Everything sent leaves the worker's event loop in one ordered stream: what was shown (in batches), then the
end, then Dask's own word that the task finished. So a driver that hears the last has heard the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from distributed.protocol.serialize import Serialize  # noqa: TID253

from orchestra_nb.engine.attempts import AttemptTicket, NotRun, label_of_worker, select_groups
from orchestra_nb.engine.call_chunk import ChunkCall, ChunkRun, ChunkTicket
from orchestra_nb.engine.event_batch import EventBatch
from orchestra_nb.engine.executors import AttemptContext, AttemptResult
from orchestra_nb.engine.sentinel_records import SentinelRecords
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.engine.worker_channels import WorkerChannels
from orchestra_nb.engine.worker_context import OpenQuestions, WorkerContext
from orchestra_nb.engine.worker_environment import WorkerEnvironment
from orchestra_nb.model.states import State

#: How long after the soft stop at its deadline an attempt's process is killed by the sentinel.
HARD_STOP_SECONDS = 1.0
#: How soon to look again whether all has been sent.
_FLUSH_SECONDS = 0.0005
#: A chunk is looked after so often: deadlines, and calls that wait behind a long one.
_LOOK_SECONDS = 0.025
#: A call that has not given way so long after its deadline will be ended by force, so values are saved.
_SAVE_AFTER_SECONDS = 0.25


class WorkerHost:
    """Implements :class:`~orchestra_nb.engine.attempts.AttemptHost` on a Dask worker.

    The methods are called from the worker's task threads, but for ``on_stop`` and ``on_select``.
    """

    def __init__(self, worker: Any, records: SentinelRecords) -> None:
        self._worker = worker
        self._loop: asyncio.AbstractEventLoop = worker.loop.asyncio_loop
        self._switches: dict[str, StopSwitch] = {}
        self._chunks: dict[str, ChunkRun] = {}
        #: chunk and number of the last call whose end is in a batch, and in one that was flushed
        self._ended_until = self._flushed_until = ("", -1)
        self._clocks: dict[str, asyncio.TimerHandle] = {}
        self._batch = EventBatch(self._loop, self._send, self._on_flushed)
        self._environment = WorkerEnvironment()
        self.records = records
        self.questions = OpenQuestions(self._batch, lambda: str(worker.address), self._is_connected)
        self.channels = WorkerChannels(self._batch, self._is_connected)
        self.worker_name = label_of_worker(worker.name)

    @property
    def folder(self) -> str:
        """Where Dask lets this worker put its files."""
        return str(self._worker.local_directory)

    @property
    def scheduler_address(self) -> str:
        """The cluster as it is reached from this machine."""
        return str(self._worker.scheduler.address)

    def may_begin(self, ticket: AttemptTicket, at: datetime) -> str | None:
        """Ask the ledger on the scheduler, and for the environment where it is new here: one round trip."""
        needed = (ticket.environment,) if ticket.environment is not None else ()
        asking = self._ask(
            "orchestra_begin",
            key=ticket.key,
            client=ticket.client,
            worker=self._worker.address,
            worker_name=self.worker_name,
            timeout_seconds=ticket.timeout_seconds,
            at=at.timestamp(),
            environments=self._environment.lacking(needed),
        )
        try:
            answer = asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        except OSError as error:
            return f"the scheduler could not be asked ({error})"
        self._environment.learn(answer["environments"], needed)
        refusal: str | None = answer["refusal"]
        return refusal

    async def _ask(self, name: str, **arguments: object) -> Any:
        """Ask the scheduler when all that was told has left this process: what begins next may end it at once."""
        stream = self._worker.batched_stream
        while stream.buffer and not stream.closed():
            await asyncio.sleep(_FLUSH_SECONDS)
        return await getattr(self._worker.scheduler, name)(**arguments)

    def enter(self, ticket: AttemptTicket, switch: StopSwitch) -> None:
        """Pass on stop orders to this switch from now on."""
        self._switches[ticket.key] = switch

    def begin(self, ticket: AttemptTicket, switch: StopSwitch) -> None:
        """Be in the driver's environment, tell the sentinel, and start the clock of the soft stop."""
        self._environment.enter(ticket.key, ticket.environment)
        seconds = ticket.timeout_seconds
        self.records.begin(ticket.key, None if seconds is None else seconds + HARD_STOP_SECONDS)
        if seconds is not None:
            self._loop.call_soon_threadsafe(self._start_clock, ticket.key, seconds, switch)

    def end(self, ticket: AttemptTicket) -> None:
        """Undo :meth:`begin`."""
        self.records.end(ticket.key)
        if ticket.timeout_seconds is not None:
            self._loop.call_soon_threadsafe(self._stop_clock, ticket.key)
        self._environment.leave(ticket.key)

    def leave(self, ticket: AttemptTicket) -> None:
        """Undo :meth:`enter`."""
        self._switches.pop(ticket.key, None)

    def context(self, ticket: AttemptTicket) -> AttemptContext:
        """Return what the body may use."""
        return self._context(ticket.client, ticket.key, ticket.attempt)

    def tell_end(self, ticket: AttemptTicket, packed: bytes | None, is_whole: bool) -> None:
        """Send the end to the ledger and to the driver, after all that was shown."""
        message = {"kind": "ended", "key": ticket.key, "data": packed, "is_whole": is_whole}
        self._batch.send_after(ticket.client, message)

    def tell_not_run(self, ticket: AttemptTicket, not_run: NotRun) -> None:
        """Send to the driver that it was not run."""
        message = {"kind": "not-run", "key": ticket.key, "reason": not_run.reason, "missing": list(not_run.missing)}
        self._batch.send_after(ticket.client, message)

    # --- chunks

    def enter_chunk(self, run: ChunkRun) -> None:
        """Pass on orders to this chunk, and look after it, from now on."""
        self._chunks[run.ticket.chunk] = run
        self._loop.call_soon_threadsafe(self._look_after, run)

    def leave_chunk(self, run: ChunkRun) -> None:
        """Undo :meth:`enter_chunk`."""
        self._chunks.pop(run.ticket.chunk, None)

    def may_begin_chunk(self, ticket: ChunkTicket, length: int) -> tuple[str | None, Sequence[int]]:
        """Ask the ledger on the scheduler, and for new environments: one round trip for the whole chunk."""
        asking = self._ask(
            "orchestra_begin_chunk",
            chunk=ticket.chunk,
            client=ticket.client,
            worker=self._worker.address,
            worker_name=self.worker_name,
            length=length,
            at=time.time(),
            environments=self._environment.lacking(ticket.environments),
        )
        try:
            answer = asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        except OSError as error:
            return f"the scheduler could not be asked ({error})", ()
        self._environment.learn(answer["environments"], ticket.environments)
        return answer["refusal"], answer["stopped"]

    def begin_chunk(self, ticket: ChunkTicket) -> None:
        """Tell the sentinel."""
        self._ended_until = (ticket.chunk, -1)
        self.records.begin_chunk(ticket.chunk)

    def end_chunk(self, ticket: ChunkTicket) -> None:
        """Tell the sentinel that all calls have ended, and leave the environments that they were in."""
        self.records.end_chunk(ticket.chunk)
        self._environment.leave(ticket.chunk)

    def begin_call(self, run: ChunkRun, number: int, at: float, outcome: tuple[int, bytes] | None) -> None:
        """Be in the environment of a call that is about to begin; tell the sentinel, and the driver."""
        call = run.call(number)
        self._environment.enter(run.ticket.chunk, call.environment)
        seconds = call.timeout_seconds
        until_kill = None if seconds is None else seconds + HARD_STOP_SECONDS
        if self.records.is_guarded:
            self.records.begin_call(number, at, until_kill, outcome)
        elif seconds is not None:
            self.records.begin(f"{run.ticket.chunk}#{number}", until_kill)
        self._batch.add(run.ticket.client, ("call-began", run.ticket.chunk, number, self.worker_name, at))

    def end_call(self, run: ChunkRun, number: int) -> None:
        """Tell the sentinel that the user code of a call ended."""
        if self.records.is_guarded:
            self.records.end_call()
        else:
            self.records.end(f"{run.ticket.chunk}#{number}")

    def call_context(self, ticket: ChunkTicket, call: ChunkCall) -> AttemptContext:
        """Return what the call may use."""
        return self._context(ticket.client, call.key, call.attempt)

    def tell_call_end(
        self, ticket: ChunkTicket, number: int, packed: bytes | None, stored: tuple[str, AttemptResult] | None
    ) -> None:
        """Send the end of a call with the next batch, after its result has been stored where it is large."""
        if stored is not None:
            self._loop.call_soon_threadsafe(self._store_and_tell, ticket, number, packed, *stored)
            return
        assert packed is not None
        self._batch.add(ticket.client, ("call-ended", ticket.chunk, number, packed, True, time.time()), len(packed))
        self._ended_until = (ticket.chunk, number)

    def tell_chunk(self, ticket: ChunkTicket, kind: str, **content: object) -> None:
        """Send news of the chunk at once, after all that was told before."""
        self._batch.send_after(ticket.client, {"kind": kind, "chunk": ticket.chunk, **content})

    def on_stop_calls(self, chunk: str, numbers: Sequence[int], state: str) -> None:
        """Take an order of the scheduler, in the event loop."""
        if (run := self._chunks.get(chunk)) and (dropped := run.stop(numbers, state)):
            self.tell_chunk(run.ticket, "dropped", numbers=dropped)

    def on_running(self, chunk: str) -> dict[str, object]:
        """Answer which call of a chunk runs, in the event loop."""
        run = self._chunks.get(chunk)
        return {"number": run.running if run is not None else None}

    def _look_after(self, run: ChunkRun) -> None:
        """Enforce deadlines, and give back what waits behind a long call, while the chunk runs."""
        if self._chunks.get(run.ticket.chunk) is not run:
            return
        now = time.monotonic()
        numbers, seconds = run.hand_back(now)
        if numbers:
            self.tell_chunk(run.ticket, "returned", numbers=numbers, seconds=seconds)
        overdue = run.enforce_timeout(now)
        if overdue is not None and overdue[1] > _SAVE_AFTER_SECONDS:
            self._worker.batched_send({"op": "orchestra-save", "chunk": run.ticket.chunk})
        self._loop.call_later(_LOOK_SECONDS, self._look_after, run)

    def _store_and_tell(
        self, ticket: ChunkTicket, number: int, packed: bytes | None, key: str, result: AttemptResult
    ) -> None:
        """Hold a large result as Dask's data; the scheduler hears of it first, or it would not let us keep it."""
        size = size_of_result(result)
        self._worker.batched_send({"op": "orchestra-stored", "client": ticket.client, "key": key, "nbytes": size})
        self._worker.update_data({key: result})
        entry = ("call-ended", ticket.chunk, number, packed, False, time.time())
        self._batch.add(ticket.client, entry, len(packed or b""))

    def _on_flushed(self) -> None:
        """Tell the sentinel what it need not keep: the batch before this one, which has left by now."""
        if self._flushed_until[1] >= 0 and self._flushed_until[0] in self._chunks:
            self.records.told(*self._flushed_until)
        self._flushed_until = self._ended_until

    # --- orders

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

    def _context(self, client: str, key: str, attempt: int) -> AttemptContext:
        return WorkerContext(self.worker_name, client, key, attempt, self._batch, self.questions, self.channels)

    def _is_connected(self) -> bool:
        return self._worker.batched_stream.comm is not None and not self._worker.batched_stream.closed()

    def _send(self, client: str, message: Mapping[str, object]) -> None:
        self._worker.batched_send({"op": "orchestra-tell", "client": client, "message": message})

    def _start_clock(self, key: str, seconds: float, switch: StopSwitch) -> None:
        self._clocks[key] = self._loop.call_later(seconds, switch.stop, State.TIMED_OUT.value)

    def _stop_clock(self, key: str) -> None:
        if clock := self._clocks.pop(key, None):
            clock.cancel()


def size_of_result(result: Any) -> int:
    """Tell Dask how large a result is, so that it places work beside large data."""
    sizes: dict[int, int] = {info.group: info.size_bytes for info in result.outcome.values.values()}
    return 1000 + sum(size for number, size in sizes.items() if number < len(result.groups))
