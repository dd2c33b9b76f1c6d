"""One connection to a Dask cluster that can run attempts: connect, submit, stop, select, close.

Only the thread of a :class:`~orchestra_nb.engine.dask_executor.DaskExecutor` imports this module: it imports
distributed, which takes long. Everything here belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask.config  # noqa: TID253
from dask.utils import parse_timedelta  # noqa: TID253
from distributed import Client, Future  # noqa: TID253

from orchestra_nb.engine.attempts import (
    AttemptTicket,
    NotRun,
    PackedBody,
    PackedResult,
    label_of_worker,
    run_attempt,
    select_groups,
)
from orchestra_nb.engine.call_body import SharedPart
from orchestra_nb.engine.call_chunk import ChunkTicket, result_key, run_chunk
from orchestra_nb.engine.cluster_class import make_chosen_cluster
from orchestra_nb.engine.clusters import THREAD_NAME, ClusterSpec
from orchestra_nb.engine.dask_generator import keep_dask_generator_apart
from orchestra_nb.engine.driver_environment import DriverEnvironment
from orchestra_nb.engine.event_batch import SEND_INTERVAL_SECONDS
from orchestra_nb.engine.executors import AttemptRequest, AttemptResult
from orchestra_nb.engine.local_certificates import security_of
from orchestra_nb.engine.local_cluster import ensure_local_cluster, local_cluster_status
from orchestra_nb.engine.packed_results import pack_result
from orchestra_nb.engine.scheduler_plugin import TOPIC, OrchestraSchedulerPlugin, Stop, StopCalls
from orchestra_nb.engine.worker_plugin import OrchestraWorkerPlugin
from orchestra_nb.errors import ClusterUnavailable
from orchestra_nb.version import __version__

#: The longest wait for a scheduler's first word; Dask's own ``distributed.comm.timeouts.connect`` may be shorter.
_CONNECT_SECONDS = 8.0
#: The longest wait for an answer of scheduler or worker.
_CALL_SECONDS = 30.0
#: A worker that does not take a connection for so long is out of reach: its values come through the scheduler.
_REACH_SECONDS = 2.0
#: Bodies above this go to a worker as data; the scheduler then does not see them.
_SCATTER_BYTES = 1_000_000
#: The shared part of calls above this goes to the cluster once, for all chunks; so many of them are kept there.
_SHARED_BYTES = 100_000
_MOST_SHARED = 64
#: How often the workers are looked up, and up to how many of them we say which one gets an attempt.
#: How long a worker of the local cluster may take from its start to its word to the scheduler, for one who asks for it.
_COMING_SECONDS = 10.0
_COMING_POLL_SECONDS = 0.05
_LOOK_SECONDS = 1.0
_MOST_PLACED = 64
#: What Dask calls a result that no worker has any more.
_GONE = ("lost", "cancelled", "error")
#: How often it is looked whether a worker that something is bound to still lives.
_RECHECK_SECONDS = 1.0

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KnownWorker:
    """A worker of the cluster, as the scheduler describes it."""

    label: str
    address: str
    identity: Mapping[str, Any]

    @property
    def threads(self) -> int:
        """How many tasks it runs at a time."""
        return int(self.identity["nthreads"])

    def is_named_in(self, workers: Sequence[str]) -> bool:
        """Tell whether it is one of these names or addresses; none of them means all."""
        return not workers or not {self.label, self.address, str(self.identity["name"])}.isdisjoint(workers)

    def offers(self, resources: Mapping[str, float]) -> bool:
        """Tell whether it has so much of each resource when it is idle."""
        return all(self.identity["resources"].get(name, 0) >= amount for name, amount in resources.items())


class DaskConnection:
    """A client of one cluster, and the cluster object where we made it."""

    def __init__(self, client: Any, cluster: Any | None, description: str, *, is_local: bool = False) -> None:
        self._client = client
        self._cluster = cluster
        self.description = description
        self._is_local = is_local
        self._workers: dict[str, KnownWorker] = {}
        self._looking: asyncio.Task[None] | None = None
        self._shared: dict[str, Future[Any]] = {}
        #: the environments that the cluster was told, as long as something may name them
        self._told: dict[str, weakref.ref[DriverEnvironment]] = {}
        self._slots: dict[str, int] = {}
        self._addresses: dict[str, str] = {}
        self._looked_at = float("-inf")

    @classmethod
    async def open(
        cls, spec: ClusterSpec, workers: int, idle_seconds: float, on_message: Callable[[Message], None]
    ) -> DaskConnection:
        """Connect, starting what has to be started.

        Raises
        ------
        ClusterUnavailable
            The message names the cluster and what to do.
        """
        _silence_our_thread()
        keep_dask_generator_apart()
        loop = asyncio.get_running_loop()
        if spec.kind == "local":
            return await cls._open_local(workers, idle_seconds, on_message)
        if spec.kind == "address":
            client = await _connect(spec.target, None)
            connection = cls(client, None, "")
        else:
            cluster = await loop.run_in_executor(None, make_chosen_cluster, spec)
            try:
                client = await _connect(cluster.scheduler_address, getattr(cluster, "security", None))
            except BaseException:
                await loop.run_in_executor(None, cluster.close)
                raise
            connection = cls(client, cluster, "")
        try:
            await _install_plugins(client, spec)
            connection.description = await _describe(client)
        except BaseException:
            await connection.close()
            raise
        connection._listen(on_message)
        return connection

    @classmethod
    async def _open_local(
        cls, workers: int, idle_seconds: float, on_message: Callable[[Message], None]
    ) -> DaskConnection:
        loop = asyncio.get_running_loop()
        for is_last in (False, True):
            record = await loop.run_in_executor(None, ensure_local_cluster, workers, idle_seconds)
            try:
                client = await _connect(record.address, security_of(record.certificate, record.key))
            except ClusterUnavailable:
                if is_last:  # the first time it may just have been ending
                    raise
            else:
                break
        connection = cls(client, None, _count(len(record.workers)), is_local=True)
        connection._listen(on_message)
        return connection

    @property
    def is_alive(self) -> bool:
        """Whether the scheduler has not been lost; once false, all futures are lost too."""
        return bool(self._client.status == "running")

    async def submit(
        self,
        ticket: AttemptTicket,
        request: AttemptRequest,
        body: PackedBody,
        upstream: Sequence[Future[Any] | PackedResult],
        worker: str | None = None,
    ) -> Future[Any]:
        """Have an attempt run once, on this worker if it can be, in any case on one of those that it asks for."""
        sent: PackedBody | Future[Any] = body
        if body.size_bytes > _SCATTER_BYTES:
            sent = await self._scatter(body)
        future: Future[Any] = self._client.submit(
            run_attempt,
            ticket,
            sent,
            *upstream,
            key=dask_key(request.name, ticket.key),
            pure=False,
            retries=0,
            **self._place_for(request, worker),
        )
        return future

    async def submit_chunk(
        self,
        ticket: ChunkTicket,
        request: AttemptRequest,
        shared: SharedPart,
        calls: bytes,
        inputs: Sequence[Future[Any]],
    ) -> Future[Any]:
        """Have a chunk of calls run once, where and when the first of them asks for."""
        future: Future[Any] = self._client.submit(
            run_chunk,
            ticket,
            shared if len(shared.data) <= _SHARED_BYTES else await self._share(shared),
            calls if len(calls) <= _SCATTER_BYTES else await self._scatter(calls),
            *inputs,
            key=dask_key(request.name, ticket.chunk),
            pure=False,
            retries=0,
            **self._place_for(request, None),
        )
        return future

    def tell_environment(self, environment: DriverEnvironment | None) -> str | None:
        """Return the digest under which workers find an environment, from now until nothing has it here any more.

        The cluster is told each one once, before what is submitted next. None on a cluster that others started: there
        its workers' own counts, and nothing is told.
        """
        if environment is None or not self._is_local:
            return None
        digest = environment.digest
        known = self._told.get(digest)
        if known is None or known() is not environment:
            self._told[digest] = weakref.ref(environment)
        if known is None:
            for old in [old for old, reference in self._told.items() if reference() is None]:
                del self._told[old]
                self._send_environment(old, None)
            self._send_environment(digest, environment.data)
        return digest

    def _send_environment(self, digest: str, data: bytes | None) -> None:
        self._client._send_to_scheduler({"op": "orchestra-environment", "digest": digest, "data": data})

    async def stop_calls(self, stops: Sequence[StopCalls]) -> list[str]:
        """Order the stop of calls in chunks; return the chunks that did not begin: these calls never will."""
        answer = await self._call("orchestra_stop_calls", client=self._client.id, stops=list(stops))
        return list(answer["never_began"])

    async def chunk(self, chunk: str) -> Message:
        """Ask the ledger about a chunk of whose calls not all ended; if it has not begun, it never will."""
        known: Message = await self._call("orchestra_chunk", client=self._client.id, chunk=chunk)
        return known

    def result_of(self, key: str) -> Future[Any]:
        """Return the future of a call's result that its worker keeps; the ledger has made this client want it."""
        make_future: Any = Future
        future: Future[Any] = make_future(result_key(key), client=self._client, state="memory")
        return future

    async def outcome(self, key: str) -> bytes | None:
        """Bring the outcome of a call whose result its worker keeps, packed, without values; None if it is gone."""
        result = await self.groups(self.result_of(key), ())
        return pack_result(result) if isinstance(result, AttemptResult) else None

    async def _share(self, shared: SharedPart) -> Future[Any]:
        """Return a future of what is shared, sent to the cluster once as long as the cluster has it."""
        future = self._shared.get(shared.digest)
        if future is None or future.status in ("cancelled", "lost", "error"):
            while len(self._shared) >= _MOST_SHARED:
                del self._shared[next(iter(self._shared))]
            future = self._shared[shared.digest] = await self._scatter(shared)
        return future

    async def _scatter(self, data: object) -> Future[Any]:
        """Bring something to a worker past the scheduler."""
        await self._client.wait_for_workers(1)
        future: Future[Any] = await self._client.scatter(data, hash=False, direct=self._is_direct)
        return future

    def answer(self, worker: str, key: str, number: int, answer: bytes) -> None:
        """Send the answer to a question that an attempt asked from this worker."""
        message = {"op": "orchestra-answer", "worker": worker, "key": key, "number": number, "answer": answer}
        self._client._send_to_scheduler(message)

    def say(self, key: str, word: bytes, worker: str | None = None) -> None:
        """Say something to an attempt that hears it; of a call also where it runs is to be told."""
        message = {"op": "orchestra-say", "key": key, "word": word, "worker_name": worker}
        self._client._send_to_scheduler(message)

    async def why_impossible(self, request: AttemptRequest) -> str | None:
        """Return why no worker can ever run this, and what to do; None if one can, or may come to a foreign cluster."""
        if not self._is_local or not (request.resources or request.workers):
            return None
        await self._client.wait_for_workers(1)
        for is_last in (False, True):
            if is_last:
                await self._wait_for_started_workers()
            await self._look(is_forced=is_last)
            known = [worker for worker in self._workers.values() if worker.is_named_in(request.workers)]
            if any(worker.offers(request.resources) for worker in known):
                return None
        if not known:
            return (
                f"The local cluster has no worker named {' or '.join(map(repr, request.workers))}; it has "
                f"{', '.join(sorted(self._workers))}. Take `workers` off the task {request.name!r}, or name another."
            )
        wanted = ", ".join(f"{name!r} ({amount:g})" for name, amount in request.resources.items())
        return (
            f"No worker of the local cluster offers the resource {wanted} that the task {request.name!r} asks for. "
            "Take `resources` off the task, or choose a cluster whose workers were started with it "
            "(`dask worker ADDRESS --resources ...`): `%orchestra cluster ADDRESS`, or the setting ORCHESTRA_CLUSTER."
        )

    async def _wait_for_started_workers(self) -> None:
        """Wait for those that the local cluster has started and that the scheduler has not heard of."""
        deadline = time.monotonic() + _COMING_SECONDS
        while time.monotonic() < deadline:
            record = await asyncio.to_thread(local_cluster_status)
            if record is None or record.address != self._client.scheduler.address:
                return
            await self._look(is_forced=True)
            if all(worker.name in self._workers for worker in record.workers):
                return
            await asyncio.sleep(_COMING_POLL_SECONDS)

    def _place_for(self, request: AttemptRequest, worker: str | None) -> dict[str, object]:
        """Return what Dask is told of where and when to run something."""
        place: dict[str, object] = {"priority": request.priority}
        if request.resources:
            place["resources"] = dict(request.resources)
        if request.workers:
            place["workers"] = [self._address_of(name) for name in request.workers]
        elif worker in self._addresses:
            place |= {"workers": [self._addresses[worker]], "allow_other_workers": True}
        return place

    def _address_of(self, worker: str) -> str:
        """Return the address of a worker; what is no name of one is an address or a host name for Dask."""
        known = self._workers.get(worker)
        return known.address if known is not None else worker

    async def slots(self) -> Mapping[str, int]:
        """Return worker to number of threads, about a second old; nothing for a cluster of many."""
        await self._look()
        return self._slots

    @property
    def threads(self) -> int:
        """How many tasks the cluster runs at a time, as far as is known; at least 1."""
        return max(1, sum(worker.threads for worker in self._workers.values()))

    @property
    def worker_count(self) -> int:
        """How many workers there are, about a second old."""
        return len(self._workers)

    async def look(self) -> None:
        """Learn which workers there are, unless that was done a moment ago."""
        await self._look()

    async def _look(self, *, is_forced: bool = False) -> None:
        """Learn which workers there are, unless that was done a moment ago; what is known may be used meanwhile."""
        now = time.monotonic()
        if now - self._looked_at <= _LOOK_SECONDS and not is_forced:
            return
        is_first = not self._workers
        self._looked_at = now
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look_now())
        if is_first or is_forced:
            await asyncio.shield(self._looking)

    async def _look_now(self) -> None:
        workers = (await self._call("identity"))["workers"].items()
        known = [KnownWorker(label_of_worker(worker["name"]), address, worker) for address, worker in workers]
        self._workers = {worker.label: worker for worker in known}
        placed = known if len(known) <= _MOST_PLACED else []
        self._addresses = {worker.label: worker.address for worker in placed}
        self._slots = {worker.label: worker.threads for worker in placed}

    def select(self, future: Future[Any], numbers: Sequence[int]) -> Future[Any]:
        """Return a future of some groups of a result, so that only they travel to another worker."""
        key = f"select-{future.key}-{'-'.join(map(str, numbers))}"
        selected: Future[Any] = self._client.submit(
            select_groups, future, tuple(numbers), key=key, pure=False, priority=10
        )
        return selected

    async def wait(self, future: Future[Any]) -> str:
        """Wait until Dask has done with a task; return ``finished``, ``error`` or ``cancelled``."""
        state: Any = future._state  # the public ways to wait cost a task and a gather for each future
        await state.wait()
        return str(future.status)

    async def wait_while_possible(self, future: Future[Any], request: AttemptRequest) -> str:
        """Wait as :meth:`wait` does; return ``impossible`` when the workers that it asks for are gone for ever."""
        if not (self._is_local and request.workers):
            return await self.wait(future)
        while True:
            try:
                return await asyncio.wait_for(self.wait(future), _RECHECK_SECONDS)
            except TimeoutError:
                if await self.why_impossible(request) is not None:
                    return "impossible"

    def error_of(self, future: Future[Any]) -> BaseException | None:
        """Return the exception of a task that Dask gave up."""
        state: Any = future._state
        error: BaseException | None = state.exception
        return error

    async def stop(self, stops: Sequence[Stop]) -> list[str]:
        """Order the stop of attempts, all before any; return those that did not begin and never will."""
        answer = await self._call("orchestra_stop", client=self._client.id, stops=list(stops))
        return list(answer["never_began"])

    async def attempt(self, key: str) -> Message:
        """Ask the ledger about an attempt that gave no outcome."""
        known: Message = await self._call("orchestra_attempt", key=key)
        return known

    async def groups(self, future: Future[Any], numbers: Sequence[int]) -> AttemptResult | NotRun | None:
        """Return a result with some of its groups, straight from a worker; None if no worker has it.

        No task is run for it, so a busy worker answers too.
        """
        try:
            if await asyncio.wait_for(self.wait(future), _CALL_SECONDS) != "finished":
                return None
        except TimeoutError:  # lost, and no worker is left on which Dask could find that out
            return None
        holders = await self._call("who_has", keys=[future.key])
        for address in holders.get(future.key, ()):
            pool = self._client.rpc
            try:
                # a connection made here has a short limit; the call below uses it
                pool.reuse(address, await pool.connect(address, timeout=_REACH_SECONDS))
                answer = await pool(address).orchestra_select(key=future.key, numbers=list(numbers))
            except (OSError, TimeoutError):
                continue  # gone, or out of reach from here
            if answer["result"] is not None:
                result: AttemptResult | NotRun = answer["result"]
                return result
        return await self._gather(future)

    async def _gather(self, future: Future[Any]) -> AttemptResult | NotRun | None:
        """Bring a result by way of the scheduler; None as soon as it is known that no worker has it.

        The scheduler may have begun to look for a worker just after it heard of its death, which takes it 30 s.
        """
        gathering = asyncio.ensure_future(self._client.gather(future, direct=False))
        deadline = time.monotonic() + _CALL_SECONDS
        while not gathering.done() and time.monotonic() < deadline and future.status not in _GONE:
            await asyncio.wait({gathering}, timeout=_COMING_POLL_SECONDS)
        if not gathering.done():
            gathering.cancel()
        try:
            result: AttemptResult | NotRun = await gathering
        except (Exception, asyncio.CancelledError):
            return None
        return result

    async def close(self) -> None:
        """Let go of the cluster; end it where we made it."""
        if self._looking is not None:
            self._looking.cancel()
        try:
            await asyncio.wait_for(_close_client(self._client, 2), 5)
        except Exception:
            pass  # the scheduler may be gone; there is nobody to tell
        stream = self._client.scheduler_comm
        if stream is not None and stream.comm is not None:
            stream.comm.abort()  # a close that ran out of time would leave the scheduler a client for ever
        if self._cluster is not None:
            try:
                await asyncio.get_running_loop().run_in_executor(None, _close_cluster, self._cluster)
            except RuntimeError:  # the interpreter ends and starts no thread any more; the cluster has its own
                _close_cluster(self._cluster)

    @property
    def client_id(self) -> str:
        """What the ledger calls this driver."""
        return str(self._client.id)

    @property
    def _is_direct(self) -> bool | None:
        return True if self._cluster is None and "127.0.0.1" in self._client.scheduler.address else None

    def _listen(self, on_message: Callable[[Message], None]) -> None:
        self._client.subscribe_topic(TOPIC, lambda event: on_message(event[1]))

    async def _call(self, name: str, **arguments: object) -> Any:
        return await asyncio.wait_for(getattr(self._client.scheduler, name)(**arguments), _CALL_SECONDS)


def dask_key(name: str, key: str) -> str:
    """Return the key of an attempt's Dask task. Its first word is the task's name, by which Dask learns durations."""
    return f"{re.sub(r'[^A-Za-z0-9_]+', '_', name) or 'task'}-{key}"


async def _connect(address: str, security: Any | None) -> Any:
    make_client: Any = Client
    client = None
    timeout = min(_CONNECT_SECONDS, parse_timedelta(dask.config.get("distributed.comm.timeouts.connect")))
    try:
        client = make_client(address, asynchronous=True, set_as_default=False, security=security, timeout=timeout)
        await client
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        if client is not None:
            await _close_client(client, 1)
        remedy = (
            "Its certificates are read from Dask's configuration (distributed.comm.tls)."
            if address.startswith("tls://") and security is None
            else "Check that it runs and can be reached from this machine."
        )
        raise ClusterUnavailable(
            f"No Dask scheduler answered at {address} ({_first_line(error)}). {remedy} "
            "Or choose another cluster: DaskTaskRunner() on the flow, `%orchestra cluster local` in a notebook, or the "
            "setting ORCHESTRA_CLUSTER."
        ) from error
    except BaseException:  # the driver ends while this connects: nobody else knows the client
        if client is not None:
            await _close_client(client, 1)
        raise
    client.scheduler_comm.interval = SEND_INTERVAL_SECONDS
    client.scheduler_comm.recent_message_log = deque(maxlen=0)  # for debugging Dask: it keeps the last 1,000 messages
    return client


async def _close_client(client: Any, timeout_seconds: float) -> None:
    """Close a client, as far as that goes in time."""
    try:
        await client.close(timeout=timeout_seconds)
    finally:
        client.status = "closed"  # else it closes itself again when it is forgotten, by a coroutine that nobody awaits


def _close_cluster(cluster: Any) -> None:
    try:
        cluster.close()
    except Exception as error:
        logging.getLogger(__name__).warning("%s could not be closed: %s", cluster, error)


async def _install_plugins(client: Any, spec: ClusterSpec) -> None:
    try:
        await client.register_plugin(OrchestraSchedulerPlugin())
        await client.register_plugin(OrchestraWorkerPlugin())
    except Exception as error:
        raise ClusterUnavailable(
            f"{spec.name} cannot run Orchestra's tasks: {type(error).__name__}: {_first_line(error)}. Scheduler and "
            f"workers need the same orchestra-nb ({__version__}): install it in their environment."
        ) from error


async def _describe(client: Any) -> str:
    """Return the number of workers, and what differs between here and there in what tasks are made of, as words."""
    found = await client.get_versions(check=False, packages=["orchestra_nb", "cloudpickle"])
    own = found["client"]["packages"]
    others = [found["scheduler"], *found["workers"].values()]
    differing = []
    for package in ("python", "dask", "distributed", "cloudpickle", "orchestra_nb"):
        theirs = sorted({str(other["packages"].get(package)) for other in others} - {str(own.get(package))})
        if theirs:
            differing.append(f"{package} {own.get(package)} here, {', '.join(theirs)} there")
    words = _count(len(found["workers"]))
    return f"{words}; versions differ: {'; '.join(differing)}" if differing else words


def _count(workers: int) -> str:
    return f"{workers} worker{'' if workers == 1 else 's'}"


class _NotOfOurThread(logging.Filter):
    """Keeps Dask's log lines of our thread from the user's cells; those of the user's own clients still appear."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != THREAD_NAME


_FILTER = _NotOfOurThread()


def _silence_our_thread() -> None:
    for handler in logging.getLogger("distributed").handlers:
        handler.addFilter(_FILTER)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
