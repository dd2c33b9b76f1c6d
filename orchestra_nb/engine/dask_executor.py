"""Runs attempts on a Dask cluster.

The executor has one thread with an event loop; it alone imports distributed, after :meth:`DaskExecutor.open`. For each
attempt one coroutine follows its Dask future. Mostly the worker tells the end before (as an event of the topic
"orchestra", in one ordered stream with the future's news) and all is said; where nothing was told when the future is
done, the ledger on the scheduler is asked.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import pickle
import threading
from collections import deque
from collections.abc import Callable, Container, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.attempts import AttemptTicket, PackedBody, PackedResult
from orchestra_nb.engine.call_body import CallBody
from orchestra_nb.engine.chunked_calls import STOP_BATCH_SECONDS, ChunkedCalls
from orchestra_nb.engine.clusters import THREAD_NAME, parse_cluster
from orchestra_nb.engine.event_batch import Entry
from orchestra_nb.engine.executors import (
    AttemptAsked,
    AttemptBegan,
    AttemptEmitted,
    AttemptEnded,
    AttemptLost,
    AttemptRequest,
    AttemptResult,
    AttemptSent,
    AttemptShowed,
    ClusterChanged,
    ExecutorEvent,
)
from orchestra_nb.engine.kept_results import KeptResult, select_names
from orchestra_nb.engine.local_cluster import ensure_local_cluster
from orchestra_nb.engine.placement import Placement
from orchestra_nb.errors import ClusterUnavailable, Conflict, OrchestraError, TaskCrashed
from orchestra_nb.model.events import decode_event
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.states import State
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from distributed import Future

    from orchestra_nb.engine.dask_connection import DaskConnection

LOST_SCHEDULER = "lost the Dask scheduler"
_WATCH_SECONDS = 0.25
_CLOSE_GRACE_SECONDS = 2.0
_CLOSE_TIMEOUT_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Attempt:
    """An attempt that has not ended."""

    request: AttemptRequest
    body: PackedBody
    has_begun: bool = False
    future: Future[Any] | None = None
    not_run: Mapping[str, Any] | None = None
    #: the stop that was asked for while it was not known whether it had begun
    stopped_for: str | None = None
    follower: asyncio.Task[None] | None = None


class _Sort(Enum):
    """What an entry of a batch becomes: entries of one sort and attempt that follow each other become one event."""

    SHOWN = 0
    EMITTED = 1
    CALL = 2
    SENT = 3


def _sort_and_key(entry: Entry) -> tuple[_Sort, str]:
    kind = entry[0]
    if kind == "call-began" or kind == "call-ended":
        return _Sort.CALL, ""
    return {"emitted": _Sort.EMITTED, "sent": _Sort.SENT}.get(kind, _Sort.SHOWN), entry[1]


class DaskExecutor:
    """Implements :class:`~orchestra_nb.engine.executors.Executor`.

    Parameters
    ----------
    cluster
        What :func:`~orchestra_nb.engine.clusters.parse_cluster` reads.
    workers, idle_seconds
        Of a local cluster that this executor has to start; None means as the settings say.

    Raises
    ------
    InvalidSetting
        ``cluster`` names no cluster.
    """

    def __init__(
        self,
        cluster: str | Mapping[str, object] = "local",
        *,
        workers: int | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        settings = load_settings()
        self._spec = parse_cluster(cluster)
        self.name = self._spec.name
        self._workers = settings.cluster_workers if workers is None else workers
        self._idle_seconds = settings.cluster_idle_seconds if idle_seconds is None else idle_seconds
        self._report: Callable[[ExecutorEvent], None]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # of attempts that have not ended; the ledger refuses those that have
        self._keys: set[str] = set()
        self._inbox: deque[_Attempt] = deque()
        self._is_inbox_told = False
        #: what other threads want done in the loop
        self._to_do: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()
        self._is_to_do_told = False
        # what follows belongs to the loop
        self._attempts: dict[str, _Attempt] = {}
        self._calls = ChunkedCalls(self)
        # key to what it left: the packed result where that is small and of a call, which may be many
        self._kept: dict[str, KeptResult | bytes] = {}
        # key to the numbers of its questions that wait for an answer, and to the worker that waits
        self._asked: dict[str, dict[int, str]] = {}
        self._placement = Placement()
        self._connection: DaskConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._is_closing = False
        self._all_ended = asyncio.Event()
        self._stops: list[tuple[str, str, float]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- the contract, from any thread

    def open(self, report: Callable[[ExecutorEvent], None]) -> None:
        """Begin to connect in the background and report to this function from now on."""
        self._report = report
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, args=(self._loop,), name=THREAD_NAME, daemon=True)
        self._thread.start()
        self._loop.call_soon_threadsafe(self._connect)

    def start(self, request: AttemptRequest) -> None:
        """Pickle the body now, and start the attempt as soon as the cluster is there.

        Raises
        ------
        Conflict
            An attempt with this key was started before.
        ClusterUnavailable
            The executor is not open.
        """
        if self._loop is None:
            raise ClusterUnavailable(f"The connection to {self.name} is closed.")
        if request.key in self._keys or request.key in self._kept:
            raise Conflict(f"The attempt {request.key} was started before; a new attempt needs a new key.")
        body = PackedBody(b"") if isinstance(request.body, CallBody) else PackedBody.pack(request.body)
        self._keys.add(request.key)
        self._inbox.append(_Attempt(request, body))
        if not self._is_inbox_told:  # one wake-up of the loop for many starts
            self._is_inbox_told = True
            self._call(self._take_inbox)

    def stop(self, key: str, state: str, grace_seconds: float) -> None:
        """Stop an attempt softly, then by force after the grace; nothing if it has ended."""
        self._call(self._stop, key, state, grace_seconds)

    def answer(self, key: str, number: int, answer: bytes) -> None:
        """Answer a question of an attempt; nothing if it has ended."""
        self._call(self._answer, key, number, answer)

    def say(self, key: str, word: bytes) -> None:
        """Say something to an attempt that hears it, in order; nothing if it has ended."""
        self._call(self._say, key, word)

    def slots(self) -> int:
        """Return how many tasks the cluster runs at a time, about a second old; at least 1.

        Raises
        ------
        ClusterUnavailable
            There is no connection to it.
        """
        if self._loop is None:
            raise ClusterUnavailable(f"The connection to {self.name} is closed.")
        return asyncio.run_coroutine_threadsafe(self._look(), self._loop).result().threads

    def worker_count(self) -> int:
        """Return how many workers the cluster has, about a second old; raises as :meth:`slots`."""
        if self._loop is None:
            raise ClusterUnavailable(f"The connection to {self.name} is closed.")
        return asyncio.run_coroutine_threadsafe(self._look(), self._loop).result().worker_count

    def fetch(self, key: str, names: Sequence[str], timeout_seconds: float | None = None) -> AttemptResult:
        """Return the result of an ended attempt with the groups that hold these names.

        Small results are here already. Raises :class:`TaskCrashed` when the values are gone, TimeoutError after
        ``timeout_seconds``.
        """
        kept = self._kept.get(key)
        if kept is None:
            raise TaskCrashed(f"The values of attempt {key} have been let go.")
        if isinstance(kept, bytes):
            return select_names(PackedResult(kept).unpack(), names)
        result = kept.at_hand(names)
        if result is not None:
            return result
        if self._loop is None:
            raise TaskCrashed(f"The values of {kept.name!r} are gone: the connection to {self.name} is closed.")
        return asyncio.run_coroutine_threadsafe(kept.fetch(names), self._loop).result(timeout_seconds)

    def release(self, key: str) -> None:
        """Let the values of an ended attempt go."""
        self._call(self._release, key)

    def close(self) -> None:
        """Stop all attempts that have not ended, wait for their ends, and let go of the cluster."""
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    # --- the thread

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        # what Dask leaves half done when a connection breaks is not the user's to read
        loop.set_exception_handler(lambda loop, context: _log.debug("In Dask's loop: %s", context.get("message")))
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=1))

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is None:
            return
        self._to_do.append((function, arguments))
        if not self._is_to_do_told:  # one wake-up of the loop for many calls: each is a word to the system
            self._is_to_do_told = True
            loop.call_soon_threadsafe(self._do_what_is_to_do)

    def _do_what_is_to_do(self) -> None:
        self._is_to_do_told = False
        for _ in range(len(self._to_do)):
            function, arguments = self._to_do.popleft()
            try:
                function(*arguments)
            except Exception:  # one that fails must not take the others along
                _log.exception("The connection to %s could not do %s", self.name, function.__name__)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside, until it ends or this closes."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- the connection

    def _connect(self) -> None:
        if self._connection is None and self._connecting is None:
            self._connecting = self.spawn(self._open_connection())

    async def _open_connection(self) -> None:
        self._report(ClusterChanged(status="starting", detail=f"connecting to {self.name}"))
        try:
            starting = self._start_local_cluster()
            from orchestra_nb.engine.dask_connection import DaskConnection  # takes half a second

            if starting is not None:
                await asyncio.wait({starting})
            connection = await DaskConnection.open(self._spec, self._workers, self._idle_seconds, self._take_message)
            try:
                await connection.look()
            except BaseException:
                await connection.close()
                raise
        except Exception as error:  # whatever it is, attempts are waiting for an answer
            reason = str(error) if isinstance(error, OrchestraError) else f"{type(error).__name__}: {error}"
            for key, attempt in list(self._attempts.items()):
                self._lose(key, begun=attempt.has_begun, state=State.CRASHED.value, reason=reason)
            self._calls.disconnect(reason)
            self._report(ClusterChanged(status="lost", detail=reason))
        else:
            self._connection = connection
            self._report(ClusterChanged(status="ready", detail=connection.description))
            self.spawn(self._watch(connection))
            self._calls.connect(connection)
            for attempt in self._attempts.values():
                attempt.follower = self.spawn(self._follow(attempt, connection))
        finally:
            self._connecting = None

    def _start_local_cluster(self) -> asyncio.Future[object] | None:
        """Start the local cluster in a thread, if it is asked for: its processes import Dask while this one does."""
        if self._spec.kind != "local":
            return None
        loop = asyncio.get_running_loop()
        starting: asyncio.Future[object] = loop.run_in_executor(
            None, ensure_local_cluster, self._workers, self._idle_seconds
        )
        # what goes wrong is said when the connection asks for the cluster again
        starting.add_done_callback(lambda done: done.cancelled() or done.exception())
        return starting

    async def _watch(self, connection: DaskConnection) -> None:
        while connection.is_alive and connection is self._connection:
            await asyncio.sleep(_WATCH_SECONDS)
            self._calls.refresh()
        self.lose_connection(connection)

    def lose_connection(self, connection: DaskConnection) -> None:
        """Take that the scheduler is gone; nothing when that is known."""
        if connection is not self._connection:
            return
        self._connection = None
        for key, attempt in list(self._attempts.items()):
            self._lose_with_cluster(key, attempt)
        self._calls.disconnect(LOST_SCHEDULER, has_lost_cluster=True)
        self._report(ClusterChanged(status="lost", detail=LOST_SCHEDULER))
        self.spawn(connection.close())

    # --- attempts

    def _take_inbox(self) -> None:
        self._is_inbox_told = False
        while self._inbox:
            self._start(self._inbox.popleft())

    def _start(self, attempt: _Attempt) -> None:
        request = attempt.request
        body = request.body if isinstance(request.body, CallBody) else None
        self._attempts[request.key] = attempt
        if self._is_closing:
            self._lose(request.key, begun=False, state=State.CANCELLED.value, reason="the driver closed")
        elif body is not None:
            del self._attempts[request.key]
            self._calls.start(request, body)
            if self._connection is None:
                self._connect()
        elif self._connection is not None:
            attempt.follower = self.spawn(self._follow(attempt, self._connection))
        else:
            self._connect()

    async def _follow(self, attempt: _Attempt, connection: DaskConnection) -> None:
        """Submit an attempt and see it to its one end."""
        request = attempt.request
        try:
            upstream = self.inputs_of(request, connection)
            if isinstance(upstream, AttemptLost):
                self._end(upstream)
                return
            ticket = AttemptTicket(
                request.key,
                connection.client_id,
                request.timeout_seconds,
                tuple((task_run_id, key) for task_run_id, (key, _) in request.upstream.items()),
                request.attempt,
                connection.tell_environment(request.environment),
            )
            problem = await connection.why_impossible(request)
            if problem is not None:
                self._lose(request.key, begun=False, state=State.CRASHED.value, reason=problem)
                return
            slots = {} if request.workers else await connection.slots()
            worker = self._placement.place(request.key, slots, self._holders_of(request))
            attempt.future = await connection.submit(ticket, request, attempt.body, upstream, worker)
            attempt.body = PackedBody(b"")  # sent; its memory is wanted
            status = await connection.wait_while_possible(attempt.future, request)
            if not connection.is_alive:
                self.lose_connection(connection)
            else:
                await self._settle(attempt, connection, status)
        except Exception as error:
            if not connection.is_alive:
                self._lose_with_cluster(request.key, attempt)
                return
            reason = f"{type(error).__name__}: {error}"
            self._lose(request.key, begun=attempt.has_begun, state=State.CRASHED.value, reason=reason)

    def _holders_of(self, request: AttemptRequest) -> set[str]:
        """Return the workers that hold an input which did not come here."""
        kept = (self._kept.get(key) for key, _ in request.upstream.values())
        return {result.outcome.worker for result in kept if isinstance(result, KeptResult) and result.packed is None}

    def inputs_of(
        self, request: AttemptRequest, connection: DaskConnection, apart: Container[str] = ()
    ) -> list[Future[Any] | PackedResult] | AttemptLost:
        """Return what stands for each upstream's result: the small ones themselves, else a future.

        Those whose keys are set apart are left out.
        """
        results: list[Future[Any] | PackedResult] = []
        missing = []
        for key, names in request.upstream.values():
            if key in apart:
                continue
            kept = self._kept.get(key)
            result: Future[Any] | PackedResult | None = None
            if isinstance(kept, bytes):
                result = PackedResult(kept)
            elif kept is not None:
                result = kept.for_downstream(connection, names)
            if result is None:
                missing.append(key)
            else:
                results.append(result)
        if missing:
            return AttemptLost(
                key=request.key,
                begun=False,
                state=State.CRASHED.value,
                reason="values that it needs are gone with their cluster",
                missing=tuple(missing),
            )
        return results

    async def _settle(self, attempt: _Attempt, connection: DaskConnection, status: str) -> None:
        """Find out how an attempt ended whose Dask task is over."""
        key = attempt.request.key
        if status == "finished" and attempt.not_run is None:
            assert attempt.future is not None
            result = await connection.groups(attempt.future, ())
            if isinstance(result, AttemptResult):
                self._keep(attempt, connection, result.outcome, None)
                return
        if attempt.not_run is not None and attempt.not_run["missing"]:
            missing = tuple(attempt.not_run["missing"])
            self._lose(key, begun=False, state=State.CRASHED.value, reason=attempt.not_run["reason"], missing=missing)
            return
        known = await connection.attempt(key)
        if known["loss"] is not None:
            self._take_loss(known["loss"])
            return
        begun = attempt.has_begun or bool(known["begun"])
        reason = "its result was lost" if begun else self._reason_not_begun(attempt, connection, status)
        self._lose(key, begun=begun, state=attempt.stopped_for or State.CRASHED.value, reason=reason)

    def _reason_not_begun(self, attempt: _Attempt, connection: DaskConnection, status: str) -> str:
        if attempt.not_run is not None:
            return str(attempt.not_run["reason"])
        if status == "impossible":
            return "the worker that it asks for died before it began"
        error = connection.error_of(attempt.future) if attempt.future is not None else None
        if type(error).__name__ == "KilledWorker":
            return "its worker died before it began"
        return f"Dask gave it up: {error}" if error is not None else f"its Dask task is {status}"

    def _complete(self, attempt: _Attempt, connection: DaskConnection, packed: bytes, is_whole: bool) -> None:
        result = PackedResult(packed).unpack()
        self._keep(attempt, connection, result.outcome, PackedResult(packed) if is_whole else None)

    def _keep(
        self, attempt: _Attempt, connection: DaskConnection, outcome: Outcome, packed: PackedResult | None
    ) -> None:
        key = attempt.request.key
        if key in self._attempts:
            assert attempt.future is not None
            self._kept[key] = KeptResult(attempt.request.name, outcome, connection, attempt.future, packed)
            self._end(AttemptEnded(key=key, outcome=outcome))

    def _lose(
        self,
        key: str,
        *,
        begun: bool,
        state: str,
        reason: str,
        worker: str = "",
        exit_code: int | None = None,
        missing: tuple[str, ...] = (),
        has_lost_cluster: bool = False,
    ) -> None:
        self._end(
            AttemptLost(
                key=key,
                begun=begun,
                state=state,
                reason=reason,
                worker=worker,
                exit_code=exit_code,
                missing=missing,
                has_lost_cluster=has_lost_cluster,
            )
        )

    def _lose_with_cluster(self, key: str, attempt: _Attempt) -> None:
        state, begun = State.CRASHED.value, attempt.has_begun
        self._lose(key, begun=begun, state=state, reason=LOST_SCHEDULER, has_lost_cluster=True)

    def _take_loss(self, loss: Mapping[str, Any]) -> None:
        fields = ("begun", "state", "reason", "worker", "exit_code")
        self._lose(loss["key"], **{name: loss[name] for name in fields})

    def _end(self, event: AttemptEnded | AttemptLost) -> None:
        """Report the one end of an attempt; a second one is nothing new."""
        self._asked.pop(event.key, None)
        attempt = self._attempts.pop(event.key, None)
        if attempt is None:
            return
        self._placement.end(event.key)
        # what it held, such as its driver's environment, is let go of at once and not by the garbage collector
        follower, attempt.follower = attempt.follower, None
        if follower is not None and follower is not asyncio.current_task():
            follower.cancel()
        self._report_end(event)

    def _report_end(self, event: AttemptEnded | AttemptLost) -> None:
        self._keys.discard(event.key)
        self._report(event)
        if not self._attempts and not self._calls:
            self._all_ended.set()

    # --- what becomes of calls

    def call_began(self, key: str, worker: str, at: float) -> None:
        """Report it."""
        self._report(AttemptBegan(key=key, worker=worker, at=datetime.fromtimestamp(at, UTC)))

    def call_ended(self, request: AttemptRequest, connection: DaskConnection, packed: bytes, is_whole: bool) -> bool:
        """Report it, and keep what it left or know where that is."""
        outcome = PackedResult(packed).unpack().outcome
        if is_whole:
            self._kept[request.key] = packed
        else:
            future = connection.result_of(request.key)
            self._kept[request.key] = KeptResult(request.name, outcome, connection, future, None)
        self._asked.pop(request.key, None)
        self._report_end(AttemptEnded(key=request.key, outcome=outcome))
        return outcome.state is State.COMPLETED

    def call_lost(self, loss: AttemptLost) -> None:
        """Report it."""
        self._asked.pop(loss.key, None)
        self._report_end(loss)

    def is_on_cluster(self, request: AttemptRequest) -> bool:
        """Tell whether the result of an upstream is on the cluster only."""
        kept = (self._kept.get(key) for key, _ in request.upstream.values())
        return any(isinstance(result, KeptResult) and result.packed is None for result in kept)

    # --- what workers and scheduler tell

    def _take_message(self, message: Mapping[str, Any]) -> None:
        if message["kind"] == "news":
            self._take_news(pickle.loads(message["data"]))
        elif "chunk" in message:
            self._calls.take_message(message)
        elif message["kind"] == "asked":
            self._take_question(message)
        elif (attempt := self._attempts.get(message["key"])) is not None:
            self._take_message_of(attempt, message)

    def _take_question(self, message: Mapping[str, Any]) -> None:
        key, number = message["key"], message["number"]
        if key in self._attempts or key in self._calls:
            self._asked.setdefault(key, {})[number] = message["worker"]
            self._report(AttemptAsked(key=key, number=number, question=message["question"]))

    def _take_message_of(self, attempt: _Attempt, message: Mapping[str, Any]) -> None:
        match message["kind"]:
            case "began":
                attempt.has_begun = True
                at = datetime.fromtimestamp(message["at"], UTC)
                self._report(AttemptBegan(key=message["key"], worker=message["worker"], at=at))
            case "ended" if message["data"] is not None and self._connection is not None:
                self._complete(attempt, self._connection, message["data"], message["is_whole"])
            case "not-run":
                attempt.not_run = message
            case "lost":
                self._take_loss(message)

    def _take_news(self, entries: Sequence[Entry]) -> None:
        """Take a batch: what follows each other of one attempt becomes one event."""
        for (sort, key), group in itertools.groupby(entries, _sort_and_key):
            if sort is _Sort.CALL:
                for entry in group:
                    self._calls.take_entry(entry)
            elif key not in self._attempts and key not in self._calls:
                continue
            elif sort is _Sort.SENT:
                self._report(AttemptSent(key=key, words=tuple(word for _, _, word in group)))
            elif sort is _Sort.EMITTED:
                self._report(AttemptEmitted(key=key, events=tuple(decode_event(data) for _, _, data in group)))
            else:
                contents: dict[str, list[Any]] = {"shown": [], "line": []}
                for kind, _, content in group:
                    contents[kind].append(content)
                self._report(AttemptShowed(key=key, outputs=tuple(contents["shown"]), lines=tuple(contents["line"])))

    # --- answer, stop, fetch, release, close

    def _answer(self, key: str, number: int, answer: bytes) -> None:
        worker = self._asked.get(key, {}).pop(number, None)
        if worker is not None and self._connection is not None:
            self._connection.answer(worker, key, number, answer)

    def _say(self, key: str, word: bytes) -> None:
        if self._connection is None:
            return
        if key in self._attempts:
            self._connection.say(key, word)
        elif worker := self._calls.worker_of(key):
            self._connection.say(key, word, worker)

    async def _look(self) -> DaskConnection:
        connection = self._connection
        if connection is None:
            raise ClusterUnavailable(f"There is no connection to {self.name}.")
        try:
            await connection.look()
        except (OSError, TimeoutError) as error:
            raise ClusterUnavailable(f"{self.name} does not answer: {error}") from error
        return connection

    def _stop(self, key: str, state: str, grace_seconds: float) -> None:
        if key in self._calls:
            self._calls.stop(key, state, grace_seconds)
            return
        attempt = self._attempts.get(key)
        if attempt is None:
            return
        attempt.stopped_for = attempt.stopped_for or state
        if attempt.follower is None or self._connection is None:
            self._lose(key, begun=False, state=state, reason="stopped before it began")
            return
        if not self._stops:
            self.spawn(self._stop_on_cluster(self._connection))
        self._stops.append((key, state, grace_seconds))

    async def _stop_on_cluster(self, connection: DaskConnection) -> None:
        await asyncio.sleep(STOP_BATCH_SECONDS)
        stops, self._stops = self._stops, []
        try:
            never_began = await connection.stop(stops)
        except (OSError, TimeoutError):
            self.lose_connection(connection)
            return
        states = {key: state for key, state, _ in stops}
        for key in never_began:
            self._lose(key, begun=False, state=states[key], reason="stopped before it began")

    def _release(self, key: str) -> None:
        self._kept.pop(key, None)

    async def _close(self) -> None:
        self._is_closing = True
        for key in [*self._attempts, *self._calls.keys()]:
            self._stop(key, State.CANCELLED.value, _CLOSE_GRACE_SECONDS)
        if self._attempts or self._calls:
            self._all_ended.clear()
            try:
                await asyncio.wait_for(self._all_ended.wait(), _CLOSE_TIMEOUT_SECONDS)
            except TimeoutError:
                pass
        for key, attempt in list(self._attempts.items()):
            self._lose(key, begun=attempt.has_begun, state=State.CANCELLED.value, reason="the driver closed")
        self._calls.disconnect("the driver closed", State.CANCELLED.value)
        connection, self._connection = self._connection, None
        self._kept.clear()
        if self._connecting is not None:
            self._connecting.cancel()
        if connection is not None:
            await connection.close()
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
