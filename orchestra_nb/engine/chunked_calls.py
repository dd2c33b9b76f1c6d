"""The driver's side of calls that share tasks of a Dask cluster: sends them in chunks, and sees each call to its end.

What workers tell of each call comes in one ordered stream before Dask's word that the chunk's task is done. A call that
did not begin, because the worker died or a long call was in front of it, is sent again in another chunk: that is
no new attempt, and nobody is told.

A call whose upstream is on its way waits here, and is sent in the same chunk where both are short calls of one
function: a chain of them then runs without a word from the driver. It is lost when the upstream does not complete.

Where a dead worker had no sentinel that says what it ran (a cluster that others started), each call of its chunk of
which no end was told may have begun, and so counts as begun: user code is rather not run than run twice.
"""

from __future__ import annotations

import asyncio
import pickle
import time
import uuid
from collections import deque
from collections.abc import Container, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from orchestra_nb.engine.attempts import PackedResult
from orchestra_nb.engine.call_body import CallBody
from orchestra_nb.engine.call_chunk import HAND_BACK_SECONDS, ChunkCall, ChunkTicket, Earlier
from orchestra_nb.engine.call_queue import MOST_BYTES, CallQueue
from orchestra_nb.engine.chunk_ledger import ChunkLoss
from orchestra_nb.engine.event_batch import Entry
from orchestra_nb.engine.executors import AttemptLost, AttemptRequest
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from distributed import Future

    from orchestra_nb.engine.dask_connection import DaskConnection

STOPPED = "stopped before it began"
_ENDED_BY_FORCE = "stopped; it did not give way, so its process was ended"
#: So often, and with so long between, it is asked how a worker died before nobody is taken to know.
_LOSS_LOOKS = 20
_LOSS_LOOK_SECONDS = 0.1
_LOST_RESULT = "its result was lost"
#: A call that did not begin is sent again so often.
_MOST_SENDS = 4
#: Stops that come within so long go out together: a slot that one gives back is not for the next of them.
STOP_BATCH_SECONDS = 0.005

#: The family of calls that share their task with no other.
_ALONE = "alone"

#: What stands for the result of an upstream: itself where it is small, else where the cluster has it.
Input = Any


@dataclass(slots=True)
class Call:
    """An attempt that is a call and has not ended."""

    request: AttemptRequest
    body: CallBody
    chunk: Chunk | None = None
    number: int = 0
    sends: int = 0
    began_at: float | None = None
    #: where it began
    worker: str = ""
    #: survives being sent again: its first worker may have died between the ledger's word and its first line
    is_begin_told: bool = False
    stopped_for: str | None = None
    #: keys of the upstreams that have not ended
    waits_for: set[str] = field(default_factory=set)
    #: keys of the upstreams that ended, and did not complete
    failed: tuple[str, ...] = ()


@dataclass(slots=True)
class Chunk:
    """Calls on their way in one Dask task."""

    name: str
    family: Hashable
    #: by number; None where the call is no longer this chunk's
    calls: list[Call | None]
    left: int
    connection: DaskConnection
    has_begun: bool = False
    not_run: Mapping[str, Any] | None = None
    seconds: list[float] = field(default_factory=list)
    is_over: bool = False


class CallOwner(Protocol):
    """Who is told what becomes of calls; :class:`~orchestra_nb.engine.dask_executor.DaskExecutor`."""

    def call_began(self, key: str, worker: str, at: float) -> None:
        """Take that user code began."""

    def call_ended(self, request: AttemptRequest, connection: DaskConnection, packed: bytes, is_whole: bool) -> bool:
        """Take how a call ended: its result, or without its values where the cluster keeps these.

        Returns whether it completed.
        """

    def call_lost(self, loss: AttemptLost) -> None:
        """Take that a call gives no outcome."""

    def is_on_cluster(self, request: AttemptRequest) -> bool:
        """Tell whether the result of an upstream is on the cluster only."""

    def inputs_of(
        self, request: AttemptRequest, connection: DaskConnection, apart: Container[str] = ()
    ) -> list[Input] | AttemptLost:
        """Return what stands for the result of each upstream, in order, but for those set apart."""

    def lose_connection(self, connection: DaskConnection) -> None:
        """Take that the scheduler is gone."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside, until it ends or the owner closes."""


class ChunkedCalls:
    """The calls of one executor. All of it belongs to the executor's event loop."""

    def __init__(self, owner: CallOwner) -> None:
        self._owner = owner
        self._queue = CallQueue()
        self._calls: dict[str, Call] = {}
        #: key to the calls that take its result, until it has ended
        self._followers: dict[str, list[Call]] = {}
        self._chunks: dict[str, Chunk] = {}
        self._connection: DaskConnection | None = None
        self._prefix = uuid.uuid4().hex[:12]
        self._numbers = count(1)
        self._is_sending = False
        self._stops: list[tuple[Call, str, float]] = []

    def __contains__(self, key: str) -> bool:
        return key in self._calls

    def __len__(self) -> int:
        return len(self._calls)

    def worker_of(self, key: str) -> str:
        """Return where a call began; empty for one that has not, or has ended."""
        call = self._calls.get(key)
        return call.worker if call is not None else ""

    def keys(self) -> list[str]:
        """Return the keys of all calls that have not ended."""
        return list(self._calls)

    def start(self, request: AttemptRequest, body: CallBody) -> None:
        """Send a call as soon as the cluster is there and it is its turn."""
        call = self._calls[request.key] = Call(request, body)
        for upstream, _ in request.upstream.values():
            if upstream in self._calls:
                call.waits_for.add(upstream)
                self._followers.setdefault(upstream, []).append(call)
        self._put(call)

    def connect(self, connection: DaskConnection) -> None:
        """Send all that waits to this cluster."""
        self._connection = connection
        self._send_soon()

    def disconnect(self, reason: str, state: str = State.CRASHED.value, *, has_lost_cluster: bool = False) -> None:
        """Lose all calls. One whose chunk has begun may have begun itself, though nobody has heard of it."""
        self._connection = None
        for call in list(self._calls.values()):
            chunk = call.chunk
            begun = call.began_at is not None or (chunk is not None and chunk.has_begun)
            state_now = call.stopped_for or state
            self._lose(call, begun=begun, state=state_now, reason=reason, has_lost_cluster=has_lost_cluster)
        self._queue.clear()
        self._chunks.clear()
        self._followers.clear()

    def stop(self, key: str, state: str, grace_seconds: float) -> None:
        """Stop a call: at once where it was not sent."""
        call = self._calls[key]
        call.stopped_for = call.stopped_for or state
        if call.chunk is None:
            self._queue.discard(key)
            self._lose(call, begun=False, state=call.stopped_for, reason=STOPPED)
            return
        if not self._stops:
            self._owner.spawn(self._stop_on_cluster(call.chunk.connection))
        self._stops.append((call, state, grace_seconds))

    def refresh(self) -> None:
        """Look now and then whether the cluster has grown, and whether the first calls of a family take long."""
        if not len(self._queue) or self._connection is None:
            return
        now = time.time()
        for chunk in self._chunks.values():
            began_at = max((call.began_at or now for call in self._calls_of(chunk)), default=now)
            if now - began_at > HAND_BACK_SECONDS and not self._queue.is_measured(chunk.family):
                self._queue.learn(chunk.family, [now - began_at])
        self._owner.spawn(self._connection.look())
        self._send_soon()

    # --- what the cluster tells

    def take_entry(self, entry: Entry) -> None:
        """Take news of one call, out of a batch."""
        chunk = self._chunks.get(entry[1])
        call = chunk.calls[entry[2]] if chunk is not None else None
        if chunk is None or call is None:
            return
        if entry[0] == "call-began":
            _, _, _, worker, at = entry
            chunk.has_begun = True
            self._begin(call, worker, at)
            return
        _, _, _, packed, is_whole, at = entry
        if call.began_at is not None:
            chunk.seconds.append(at - call.began_at)
        self._resolve(call)
        if packed is None:
            self._owner.spawn(self._fetch_outcome(call, chunk.connection))
        else:
            self._finish(call, chunk.connection, packed, is_whole)

    def take_message(self, message: Mapping[str, Any]) -> None:
        """Take news of a chunk."""
        chunk = self._chunks.get(message["chunk"])
        if chunk is None:
            return
        match message["kind"]:
            case "chunk-ended":
                if not chunk.left:
                    self._end_chunk(chunk)
            case "chunk-not-run":
                chunk.not_run = message
            case "chunk-lost":
                self._take_loss(chunk, pickle.loads(message["loss"]))
            case "dropped":
                for call in self._calls_of(chunk, message["numbers"]):
                    state = call.stopped_for or State.CANCELLED.value
                    self._lose(call, begun=call.is_begin_told, state=state, reason=STOPPED)
            case "returned":
                if message["seconds"] is not None:
                    chunk.seconds.append(message["seconds"])
                    self._learn(chunk)
                for call in self._calls_of(chunk, message["numbers"]):
                    self._send_again(call, counts=False)

    # --- sending

    def _put(self, call: Call, *, is_returned: bool = False) -> None:
        if call.failed:
            reason = "what it follows did not complete"
            self._lose(call, begun=False, state=State.CRASHED.value, reason=reason, missing=call.failed)
            return
        if call.waits_for:
            return
        if self._connection is not None and self._owner.is_on_cluster(call.request):
            # Dask makes it wait for values that live on the cluster, and would make others in its chunk wait too
            self._send_chunk(_ALONE, [call], self._connection)
            return
        size = len(call.body.arguments) + 200
        self._queue.add(_family(call), call.request.key, size, is_returned=is_returned)
        self._send_soon()

    def _send_soon(self) -> None:
        if not self._is_sending and self._connection is not None:
            self._is_sending = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._is_sending = False
        connection = self._connection
        if connection is None:
            return
        for family, keys in self._queue.take(connection.threads):
            calls = [self._calls[key] for key in keys]
            self._send_chunk(family, [*calls, *self._chain_after(family, calls)], connection)

    def _chain_after(self, family: Hashable, calls: Sequence[Call]) -> list[Call]:
        """Return the calls that wait only for these, and for each other, as far as a chunk has room for them."""
        room = self._queue.room(family, is_shared_out=False) - len(calls)
        room_for_many = self._queue.room(family, is_shared_out=True) - len(calls)
        size = sum(len(call.body.arguments) for call in calls)
        keys = {call.request.key for call in calls}
        sources = deque(calls)
        found: list[Call] = []
        while sources and len(found) < room:
            followers = self._followers.get(sources.popleft().request.key, ())
            for call in followers:
                key = call.request.key
                size += len(call.body.arguments)
                if size > MOST_BYTES or len(found) >= (room if len(followers) == 1 else room_for_many):
                    return found
                is_ready = key not in keys and call.waits_for <= keys and self._calls.get(key) is call
                if is_ready and _family(call) == family and not self._owner.is_on_cluster(call.request):
                    keys.add(key)
                    found.append(call)
                    sources.append(call)
        return found

    def _send_chunk(self, family: Hashable, calls: Sequence[Call], connection: DaskConnection) -> None:
        chunk = Chunk(f"{self._prefix}-{next(self._numbers)}", family, list(calls), len(calls), connection)
        self._chunks[chunk.name] = chunk
        for number, call in enumerate(calls):
            call.chunk, call.number = chunk, number
            call.began_at = None
            call.sends += 1
        self._owner.spawn(self._follow(chunk))

    async def _follow(self, chunk: Chunk) -> None:
        """Send a chunk and see all its calls to their ends, or back into the queue."""
        connection = chunk.connection
        request = _first(chunk).request
        try:
            problem = await connection.why_impossible(request)
            if problem is not None:
                self._lose_all(chunk, begun=False, reason=problem)
                return
            calls, inputs, environments = self._pack(chunk)
            if not chunk.left:
                return
            ticket = ChunkTicket(chunk.name, connection.client_id, environments)
            future = await connection.submit_chunk(ticket, request, _first_body(request).shared, calls, inputs)
            status = await connection.wait_while_possible(future, request)
            if not connection.is_alive:
                self._owner.lose_connection(connection)
            elif chunk.left:
                await self._settle(chunk, future, status, inputs)
        except Exception as error:
            if not connection.is_alive:
                self._owner.lose_connection(connection)
            else:
                self._lose_all(chunk, begun=chunk.has_begun, reason=f"{type(error).__name__}: {error}")
        finally:
            self._end_chunk(chunk)

    def _pack(self, chunk: Chunk) -> tuple[bytes, list[Future[Any]], tuple[str, ...]]:
        """Return what the worker needs of the calls, the inputs that the cluster has, and the environments."""
        environments: dict[str, None] = {}
        inputs: list[Future[Any]] = []
        packed: list[ChunkCall | None] = [None] * len(chunk.calls)
        places: dict[str, int] = {}
        for call in self._calls_of(chunk):
            request = call.request
            results = self._owner.inputs_of(request, chunk.connection, places) if not call.failed else None
            if results is None or isinstance(results, AttemptLost):
                self._resolve(call)
                self._put(call) if results is None else self._report_loss(call, results)
                continue
            upstream: dict[str, PackedResult | int | Earlier] = {}
            given = iter(results)
            for task_run_id, (key, _) in request.upstream.items():
                result = Earlier(places[key]) if key in places else next(given)
                if isinstance(result, PackedResult | Earlier):
                    upstream[task_run_id] = result
                else:
                    upstream[task_run_id] = len(inputs)
                    inputs.append(result)
            places[request.key] = call.number
            environment = chunk.connection.tell_environment(request.environment)
            if environment is not None:
                environments[environment] = None
            packed[call.number] = ChunkCall(
                request.key, call.body.arguments, upstream, request.timeout_seconds, request.attempt, environment
            )
        return pickle.dumps(packed, protocol=5), inputs, tuple(environments)

    # --- ends

    async def _settle(self, chunk: Chunk, future: Future[Any], status: str, inputs: Sequence[Future[Any]]) -> None:
        """Find out what became of the calls of a chunk whose task is done, though not all of them have ended."""
        known = await chunk.connection.chunk(chunk.name)
        for _ in range(_LOSS_LOOKS):  # Dask may know of a worker's death before its sentinel has told how it died
            if known["loss"] is not None or not known["begun"] or status != "error":
                break
            await asyncio.sleep(_LOSS_LOOK_SECONDS)
            known = await chunk.connection.chunk(chunk.name)
        if known["loss"] is not None:
            self._take_loss(chunk, pickle.loads(known["loss"]))
            return
        if known["begun"]:
            self._lose_all(chunk, begun=True, reason=_LOST_RESULT)
            return
        missing = list(chunk.not_run["missing"]) if chunk.not_run is not None else []
        for call in self._calls_of(chunk):
            gone = tuple(missing)
            if not gone and any(source.status != "finished" for source in inputs):
                gone = tuple(key for key, _ in call.request.upstream.values())
            if gone:
                reason = "values that it needs are gone with their worker"
                self._lose(call, begun=False, state=State.CRASHED.value, reason=reason, missing=gone)
            elif call.sends >= _MOST_SENDS:
                reason = "its worker died before it began" if status == "error" else f"its Dask task is {status}"
                if chunk.not_run is not None:
                    reason = str(chunk.not_run["reason"])
                self._lose(call, begun=False, state=call.stopped_for or State.CRASHED.value, reason=reason)
            else:
                self._send_again(call)

    def _take_loss(self, chunk: Chunk, loss: ChunkLoss) -> None:
        """Blame the call that ran when the worker died; send again those that had not begun."""
        for call in self._calls_of(chunk):
            number = call.number
            if number in loss.outcomes:
                self._resolve(call)
                packed = loss.outcomes[number]
                self._begin(call, loss.worker, PackedResult(packed).unpack().outcome.started_at.timestamp())
                self._finish(call, chunk.connection, packed, True)
            elif loss.begun_until is not None and number > loss.begun_until:
                self._send_again(call, counts=False)
            elif number == loss.running:
                self._begin(call, loss.worker, loss.running_since)
                self._blame(call, loss)
            elif loss.begun_until is None:
                self._blame(call, loss)
            else:
                state = call.stopped_for or State.CRASHED.value
                reason = f"{loss.reason} before its result had left it"
                self._lose(call, begun=True, state=state, reason=reason, worker=loss.worker)
        self._end_chunk(chunk)

    def _begin(self, call: Call, worker: str, at: float) -> None:
        call.began_at, call.worker = at, worker
        if not call.is_begin_told:
            call.is_begin_told = True
            self._owner.call_began(call.request.key, worker, at)

    def _blame(self, call: Call, loss: ChunkLoss) -> None:
        state, reason = State.CRASHED.value, loss.reason
        timeout_seconds = call.request.timeout_seconds
        is_overdue = (
            timeout_seconds is not None
            and call.began_at is not None
            and (time.time() - call.began_at >= timeout_seconds)
        )
        ended_for = loss.ended_for or call.stopped_for or (State.TIMED_OUT.value if is_overdue else None)
        if ended_for is not None and ended_for == call.stopped_for:
            state, reason = ended_for, f"{_ENDED_BY_FORCE} ({reason})"
        elif ended_for is not None and timeout_seconds is not None:
            state, reason = ended_for, f"ran longer than {timeout_seconds:g} s; its process was ended ({reason})"
        self._lose(call, begun=True, state=state, reason=reason, worker=loss.worker, exit_code=loss.exit_code)

    def _finish(self, call: Call, connection: DaskConnection, packed: bytes, is_whole: bool) -> None:
        if self._calls.pop(call.request.key, None) is not None:
            has_completed = self._owner.call_ended(call.request, connection, packed, is_whole)
            self._end_wait_for(call, has_completed)

    async def _fetch_outcome(self, call: Call, connection: DaskConnection) -> None:
        """Bring an outcome that is itself too large to be told."""
        try:
            packed = await connection.outcome(call.request.key)
        except (OSError, TimeoutError):
            packed = None
        if packed is None:
            self._lose(call, begun=True, state=call.stopped_for or State.CRASHED.value, reason=_LOST_RESULT)
        else:
            self._finish(call, connection, packed, False)

    def _send_again(self, call: Call, *, counts: bool = True) -> None:
        self._resolve(call)
        if call.stopped_for is not None:
            self._lose(call, begun=False, state=call.stopped_for, reason=STOPPED)
            return
        if not counts:
            call.sends -= 1
        if call.request.key in self._calls:
            self._put(call, is_returned=True)

    def _lose_all(self, chunk: Chunk, *, begun: bool, reason: str) -> None:
        for call in self._calls_of(chunk):
            is_ended_by_force = call.stopped_for is not None and call.began_at is not None
            why = f"{_ENDED_BY_FORCE} ({reason})" if is_ended_by_force else reason
            self._lose(call, begun=begun, state=call.stopped_for or State.CRASHED.value, reason=why)

    def _lose(
        self,
        call: Call,
        *,
        begun: bool,
        state: str,
        reason: str,
        worker: str = "",
        exit_code: int | None = None,
        missing: tuple[str, ...] = (),
        has_lost_cluster: bool = False,
    ) -> None:
        self._resolve(call)
        loss = AttemptLost(
            key=call.request.key,
            begun=begun,
            state=state,
            reason=reason,
            worker=worker or call.worker,
            exit_code=exit_code,
            missing=missing,
            has_lost_cluster=has_lost_cluster,
        )
        self._report_loss(call, loss)

    def _report_loss(self, call: Call, loss: AttemptLost) -> None:
        if self._calls.pop(call.request.key, None) is not None:
            self._owner.call_lost(loss)
            self._end_wait_for(call, False)

    def _end_wait_for(self, ended: Call, has_completed: bool) -> None:
        """Send the calls that waited for this one only, or lose them; those in its chunk come back by themselves."""
        key = ended.request.key
        for call in self._followers.pop(key, ()):
            if self._calls.get(call.request.key) is not call:
                continue
            call.waits_for.discard(key)
            if not has_completed:
                call.failed = (*call.failed, key)
            if call.chunk is None and call.request.key not in self._queue:
                self._put(call)

    def _resolve(self, call: Call) -> None:
        """Take a call out of its chunk."""
        chunk = call.chunk
        if chunk is not None:
            chunk.calls[call.number] = None
            chunk.left -= 1
            call.chunk = None

    def _calls_of(self, chunk: Chunk, numbers: Sequence[int] | None = None) -> list[Call]:
        """Return the calls that are still this chunk's."""
        calls = chunk.calls if numbers is None else [chunk.calls[number] for number in numbers]
        return [call for call in calls if call is not None]

    def _end_chunk(self, chunk: Chunk) -> None:
        """Make room for the next one; nothing when that was done."""
        if chunk.is_over:
            return
        chunk.is_over = True
        self._chunks.pop(chunk.name, None)
        if chunk.connection is self._connection:
            self._learn(chunk)
            self._queue.end_chunk(chunk.family)
            self._send_soon()

    def _learn(self, chunk: Chunk) -> None:
        seconds, chunk.seconds = chunk.seconds, []
        self._queue.learn(chunk.family, seconds)

    async def _stop_on_cluster(self, connection: DaskConnection) -> None:
        await asyncio.sleep(STOP_BATCH_SECONDS)
        stops, self._stops = self._stops, []
        grouped: dict[tuple[str, str, float], list[int]] = {}
        for call, state, grace_seconds in stops:
            if call.chunk is not None:
                grouped.setdefault((call.chunk.name, state, grace_seconds), []).append(call.number)
        orders = [(name, numbers, state, grace) for (name, state, grace), numbers in grouped.items()]
        try:
            never_began = set(await connection.stop_calls(orders))
        except (OSError, TimeoutError):
            self._owner.lose_connection(connection)
            return
        for call, state, _ in stops:
            if call.chunk is not None and call.chunk.name in never_began:
                self._lose(call, begun=False, state=state, reason=STOPPED)


def _family(call: Call) -> Hashable:
    """Return what calls that may share a chunk have in common."""
    request = call.request
    resources = tuple(sorted(request.resources.items())) if request.resources else ()
    return (call.body.shared.digest, request.priority, resources, request.workers)


def _first(chunk: Chunk) -> Call:
    return next(call for call in chunk.calls if call is not None)


def _first_body(request: AttemptRequest) -> CallBody:
    assert isinstance(request.body, CallBody)
    return request.body
