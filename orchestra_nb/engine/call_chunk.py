"""A chunk of calls on a worker: one Dask task that runs calls of one shared function, each an attempt of its own.

:func:`run_chunk` asks the ledger once for all; each call then has its own record at the sentinel, switch, deadline,
context and outcome. What the chunk's thread and the worker's event loop do to the list of calls that have not started
is one after the other: a call is started, or dropped, or handed back, never two of these.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from orchestra_nb.engine.attempts import NotRun, PackedResult, pack_for_driver, run_user_code
from orchestra_nb.engine.call_body import SharedPart, load_shared
from orchestra_nb.engine.call_queue import TARGET_SECONDS
from orchestra_nb.engine.executors import AttemptContext, AttemptResult
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.model.states import State

#: When a call has run for so long, those behind it are handed back to the driver.
HAND_BACK_SECONDS = 2 * TARGET_SECONDS


@dataclass(frozen=True, slots=True)
class ChunkTicket:
    """What a worker must know of a chunk beside its calls.

    Parameters
    ----------
    environments
        The digests of all that its calls name.
    """

    chunk: str
    client: str
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """Stands for the result of an earlier call of the same chunk, by its number."""

    number: int


@dataclass(frozen=True, slots=True)
class ChunkCall:
    """One call in a chunk.

    Parameters
    ----------
    upstream
        Task run id of each upstream to its result, to the place of its result among the inputs of the Dask task, or to
        the call before that gives it.
    attempt
        Its number, from 1.
    environment
        The digest of its driver's environment; None for that of the worker.
    """

    key: str
    arguments: bytes
    upstream: Mapping[str, PackedResult | int | Earlier]
    timeout_seconds: float | None
    attempt: int = 1
    environment: str | None = None


class ChunkHost(Protocol):
    """What the worker's process gives to a chunk; :class:`~orchestra_nb.engine.worker_host.WorkerHost`."""

    worker_name: str

    def enter_chunk(self, run: ChunkRun) -> None:
        """Pass on orders to this chunk, and look after it, from now on."""

    def leave_chunk(self, run: ChunkRun) -> None:
        """Undo :meth:`enter_chunk`."""

    def may_begin_chunk(self, ticket: ChunkTicket, length: int) -> tuple[str | None, Sequence[int]]:
        """Ask the ledger, and for environments that lack; return None and what shall not begin, or why none may run."""

    def begin_chunk(self, ticket: ChunkTicket) -> None:
        """Tell the sentinel."""

    def end_chunk(self, ticket: ChunkTicket) -> None:
        """Tell the sentinel that all calls have ended, and leave the environments that they were in."""

    def begin_call(self, run: ChunkRun, number: int, at: float, outcome: tuple[int, bytes] | None) -> None:
        """Be in the environment of a call that is about to begin; tell the sentinel, with the last outcome."""

    def end_call(self, run: ChunkRun, number: int) -> None:
        """Tell the sentinel that the user code of a call ended."""

    def call_context(self, ticket: ChunkTicket, call: ChunkCall) -> AttemptContext:
        """Return what the call may use."""

    def tell_call_end(
        self, ticket: ChunkTicket, number: int, packed: bytes | None, stored: tuple[str, AttemptResult] | None
    ) -> None:
        """Send the end of a call with the next batch; a result too large for that is kept here under this key."""

    def tell_chunk(self, ticket: ChunkTicket, kind: str, **content: object) -> None:
        """Send news of the chunk at once, after all that was told before."""


class ChunkRun:
    """The calls of a chunk while it runs. For the chunk's thread and the event loop."""

    def __init__(self, ticket: ChunkTicket, calls: Sequence[ChunkCall | None]) -> None:
        self.ticket = ticket
        self._calls = {number: call for number, call in enumerate(calls) if call is not None}
        self._lock = threading.Lock()
        self._waiting = dict.fromkeys(self._calls)
        self._running: tuple[int, StopSwitch, float] | None = None

    def take(self) -> tuple[int, ChunkCall, StopSwitch] | None:
        """Start the next call; None if none is left."""
        with self._lock:
            self._running = None
            if not self._waiting:
                return None
            number = next(iter(self._waiting))
            del self._waiting[number]
            switch = StopSwitch()
            self._running = (number, switch, time.monotonic())
        return number, self._calls[number], switch

    def wanted(self) -> set[int]:
        """Return the numbers of the calls whose results later ones take."""
        sources = (source for call in self._calls.values() for source in call.upstream.values())
        return {source.number for source in sources if isinstance(source, Earlier)}

    def call(self, number: int) -> ChunkCall:
        """Return a call by its number."""
        return self._calls[number]

    def drop(self, numbers: Sequence[int]) -> list[int]:
        """Let calls never begin; return those that had not."""
        with self._lock:
            dropped = [number for number in numbers if number in self._waiting]
            for number in dropped:
                del self._waiting[number]
        return dropped

    def stop(self, numbers: Sequence[int], state: str) -> list[int]:
        """Drop calls, and stop the one that runs if it is among them; return the dropped ones."""
        dropped = self.drop(numbers)
        running = self._running
        if running is not None and running[0] in numbers:
            running[1].stop(state)
        return dropped

    def hand_back(self, now: float) -> tuple[list[int], float]:
        """Give up the calls that did not begin, if the running one takes long; return them and how long it runs."""
        with self._lock:
            if self._running is None or not self._waiting or now - self._running[2] < HAND_BACK_SECONDS:
                return [], 0.0
            numbers = list(self._waiting)
            self._waiting.clear()
            return numbers, now - self._running[2]

    def enforce_timeout(self, now: float) -> tuple[int, float] | None:
        """Stop the running call if it is past its time; return its number and by how many seconds it is."""
        running = self._running
        if running is None:
            return None
        number, switch, started_at = running
        timeout_seconds = self._calls[number].timeout_seconds
        if timeout_seconds is None or now - started_at < timeout_seconds:
            return None
        switch.stop(State.TIMED_OUT.value)
        return number, now - started_at - timeout_seconds

    @property
    def running(self) -> int | None:
        """The number of the call that runs."""
        return self._running[0] if self._running is not None else None


def result_key(key: str) -> str:
    """Return the key under which the cluster holds the large result of a call."""
    return f"result-{key}"


def run_chunk(ticket: ChunkTicket, shared: SharedPart, calls: bytes, *inputs: AttemptResult | NotRun) -> None:
    """Run a chunk in this thread of a Dask worker. This is the function of its Dask task."""
    from orchestra_nb.engine.worker_plugin import current_host

    perform_chunk(current_host(), ticket, shared, pickle.loads(calls), inputs)


def perform_chunk(
    host: ChunkHost,
    ticket: ChunkTicket,
    shared: SharedPart,
    calls: Sequence[ChunkCall | None],
    inputs: Sequence[AttemptResult | NotRun],
) -> None:
    """Run a chunk on this host. None is in the place of a call that ended before the chunk was sent."""
    missing = [result.key for result in inputs if isinstance(result, NotRun)]
    if missing:
        reason = "values that it needs are gone with their worker"
        host.tell_chunk(ticket, "chunk-not-run", reason=reason, missing=missing)
        return
    run = ChunkRun(ticket, calls)
    host.enter_chunk(run)
    try:
        refusal, stopped = host.may_begin_chunk(ticket, len(calls))
        if refusal is not None:
            host.tell_chunk(ticket, "chunk-not-run", reason=refusal, missing=[])
            return
        dropped = run.drop(stopped)
        if dropped:
            host.tell_chunk(ticket, "dropped", numbers=dropped)
        host.begin_chunk(ticket)
        try:
            _run_calls(host, run, shared, inputs)
        finally:
            host.end_chunk(ticket)
        host.tell_chunk(ticket, "chunk-ended")
    finally:
        host.leave_chunk(run)


def _run_calls(host: ChunkHost, run: ChunkRun, shared: SharedPart, inputs: Sequence[AttemptResult | NotRun]) -> None:
    outcome: tuple[int, bytes] | None = None
    wanted = run.wanted()
    earlier: dict[int, PackedResult] = {}
    while (taken := run.take()) is not None:
        number, call, switch = taken
        if any(isinstance(source, Earlier) and source.number not in earlier for source in call.upstream.values()):
            # what it follows did not complete, or is too large to be here: the driver knows what to do
            host.tell_chunk(run.ticket, "returned", numbers=[number], seconds=None)
            continue
        started_at = datetime.now(UTC)
        host.begin_call(run, number, started_at.timestamp(), outcome)

        def work(call: ChunkCall = call) -> AttemptResult:
            upstream = {name: _result(source, inputs, earlier) for name, source in call.upstream.items()}
            context = host.call_context(run.ticket, call)
            return load_shared(shared).run_call(call.arguments, upstream, context)

        result = run_user_code(work, switch, started_at, host.worker_name, call.key)
        if call.timeout_seconds is not None or switch.stopped_for is not None:
            host.end_call(run, number)
        result, packed, is_whole = pack_for_driver(result)
        stored = None if is_whole and packed is not None else (result_key(call.key), result)
        host.tell_call_end(run.ticket, number, packed, stored)
        outcome = (number, packed) if packed is not None and stored is None else None
        if outcome is not None and number in wanted and result.outcome.state is State.COMPLETED:
            earlier[number] = PackedResult(outcome[1])


def _result(
    source: PackedResult | int | Earlier,
    inputs: Sequence[AttemptResult | NotRun],
    earlier: Mapping[int, PackedResult],
) -> AttemptResult:
    if isinstance(source, Earlier):
        source = earlier[source.number]
    if isinstance(source, PackedResult):
        return source.unpack()
    result = inputs[source]
    assert isinstance(result, AttemptResult)
    return result
