"""What stands on the Dask scheduler: the ledger, asked by workers and told by drivers, and the news it sends on.

Workers ask ``orchestra_begin`` before user code. Drivers call ``orchestra_stop`` and ``orchestra_attempt``, and answer
what attempts ask. What a worker tells, and what the ledger finds out about dead workers, goes to the one driver
concerned, as an event of the topic "orchestra" in that driver's ordered stream; nothing is kept in Dask's own logs.
"""

from __future__ import annotations

import asyncio
import base64
import os
import pickle
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed import SchedulerPlugin  # noqa: TID253

from orchestra_nb.engine.attempt_ledger import AttemptLedger, Loss
from orchestra_nb.engine.attempts import label_of_worker
from orchestra_nb.engine.call_queue import MOST_CALLS
from orchestra_nb.engine.chunk_ledger import ChunkLedger, ChunkLoss, ChunkReport
from orchestra_nb.engine.event_batch import SEND_INTERVAL_SECONDS, keep_few_messages
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from distributed import Scheduler

PLUGIN_NAME = "orchestra"
TOPIC = "orchestra"

#: (attempt key, state to stop it for, grace in seconds)
Stop = tuple[str, str, float]

#: (chunk, numbers of calls in it, state to stop them for, grace in seconds)
StopCalls = tuple[str, Sequence[int], str, float]

#: How long an answer of a worker is waited for, and what is known of an attempt that may just have been lost.
_REPORT_SECONDS = 2.0
#: How long after one of the two, a worker's exit report and its removal, the other one is waited for.
_HALF_LOST_SECONDS = 10.0
#: What an attempt gets to end softly when its driver has gone.
_ORPHAN_GRACE_SECONDS = 5.0
#: An attempt that has not given way so long after its soft stop will be ended by force, so values are saved.
_SAVE_AFTER_SECONDS = 0.25
_REMEMBERED_EXITS = 1000
_UNKNOWN_CAUSE = "how, this cluster does not tell"


class OrchestraSchedulerPlugin(SchedulerPlugin):
    """Makes a Dask scheduler able to run attempts at most once.

    Parameters
    ----------
    order_kill
        Called with (worker name, attempt key, state, grace seconds) to have a sentinel end a worker's process; None on
        a cluster that others started, where a worker's nanny is asked instead.
    """

    name = PLUGIN_NAME
    idempotent = True

    def __init__(self, order_kill: Callable[[str, str, str, float], None] | None = None) -> None:
        self._order_kill = order_kill
        self._ledger = AttemptLedger()
        self._chunks = ChunkLedger()
        self._exits: dict[str, tuple[str, int | None, ChunkReport | None]] = {}
        self._half_lost_workers: dict[str, asyncio.Event] = {}
        self._worker_names: dict[str, str] = {}
        #: client to the environments that its attempts name, by digest: never in a log, never on disk
        self._environments: dict[str, dict[str, bytes]] = {}
        self._saved: set[str] = set()
        self._holds = 0
        self._had_manager = False
        self._background: set[asyncio.Task[None]] = set()

    async def start(self, scheduler: Scheduler) -> None:
        """Attach to a scheduler."""
        self._scheduler = scheduler
        scheduler.handlers["orchestra_begin"] = self._on_begin
        scheduler.handlers["orchestra_stop"] = self._on_stop
        scheduler.handlers["orchestra_attempt"] = self._on_attempt
        scheduler.handlers["orchestra_begin_chunk"] = self._on_begin_chunk
        scheduler.handlers["orchestra_stop_calls"] = self._on_stop_calls
        scheduler.handlers["orchestra_chunk"] = self._on_chunk
        scheduler.stream_handlers["orchestra-stored"] = self._on_stored
        scheduler.stream_handlers["orchestra-save"] = self._on_save
        scheduler.stream_handlers["orchestra-tell"] = self._on_tell
        scheduler.stream_handlers["orchestra-answer"] = self._on_answer
        scheduler.stream_handlers["orchestra-environment"] = self._on_environment
        scheduler.stream_handlers["orchestra-say"] = self._on_say
        for worker in scheduler.workers:
            self.add_worker(scheduler, worker)
        for client in scheduler.client_comms:
            self._tend(client)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Remember the name: after a removal only the address is known."""
        self._worker_names[worker] = label_of_worker(scheduler.workers[worker].name)
        keep_few_messages(scheduler.stream_comms[worker])
        if self._order_kill is not None:
            scheduler.stream_comms[worker].interval = SEND_INTERVAL_SECONDS

    def add_client(self, scheduler: Scheduler, client: str) -> None:
        """Have its news sent at once on our own cluster, when Dask has made its connection, and few of them kept."""
        asyncio.get_running_loop().call_soon(self._tend, client)

    def _tend(self, client: str) -> None:
        if comm := self._scheduler.client_comms.get(client):
            keep_few_messages(comm)
            if self._order_kill is not None:
                comm.interval = SEND_INTERVAL_SECONDS

    def transition(self, key: Any, start: str, finish: str, *args: object, **kwargs: object) -> None:
        """Let a task that found no worker take any that comes.

        Dask gives it to none but the worker that it was meant for, which may be gone, also where others are allowed.
        """
        if finish == "no-worker":
            task = self._scheduler.tasks.get(key)
            if task is not None and task.loose_restrictions:
                task.worker_restrictions = None

    def remove_worker(self, scheduler: Scheduler, worker: str, **kwargs: object) -> None:
        """Lose what the worker ran, with the reason as soon as it is known."""
        name = self._worker_names.pop(worker, worker)
        if self._order_kill is None:
            self._lose(name, _UNKNOWN_CAUSE, None, None)
        else:
            self._half_lost(name)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Stop what a vanished driver left running; what waits for its answer waits no more."""
        for worker in self._scheduler.workers:
            self._scheduler.worker_send(worker, {"op": "orchestra-client-gone", "client": client})
        running = self._ledger.running_of(client)
        self._stop(client, [(key, State.CANCELLED.value, _ORPHAN_GRACE_SECONDS) for key in running])
        for chunk in self._chunks.running_of(client):
            numbers = range(MOST_CALLS)
            self._stop_calls(client, [(chunk, numbers, State.CANCELLED.value, _ORPHAN_GRACE_SECONDS)])
        self._forget_client(client)
        self._environments.pop(client, None)

    def worker_exited(
        self, name: str, reason: str, exit_code: int | None, chunk: Mapping[str, Any] | None = None
    ) -> None:
        """Take a sentinel's report that a worker's process ended, with what it ran last of a chunk."""
        self._exits[name] = (reason, exit_code, _read_report(chunk))
        while len(self._exits) > _REMEMBERED_EXITS:
            del self._exits[next(iter(self._exits))]
        self._half_lost(name)

    def call_runs(self, name: str, runs: Mapping[str, Any]) -> None:
        """Take a sentinel's word that a call runs, and tell its driver; the worker may not be able to."""
        chunk = runs["chunk"]
        if (client := self._chunks.client_of(chunk)) is not None:
            self._tell_began(client, chunk, runs["call"], name, runs["at"])

    def _tell_began(self, client: str, chunk: str, number: int, worker_name: str, at: float) -> None:
        entry = ("call-began", chunk, number, worker_name, at)
        self._tell(client, {"kind": "news", "data": pickle.dumps([entry], protocol=5)})

    def _half_lost(self, name: str) -> None:
        """Lose what a worker ran when it is both reported dead and removed: then all that it told has been read."""
        if waiting := self._half_lost_workers.get(name):
            waiting.set()
        elif self._ledger.running_on(name) or self._chunks.running_on(name):
            waiting = self._half_lost_workers[name] = asyncio.Event()
            self._spawn(self._lose_soon(name, waiting))

    async def _lose_soon(self, name: str, waiting: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(waiting.wait(), _HALF_LOST_SECONDS)
        except TimeoutError:
            pass
        del self._half_lost_workers[name]
        self._lose(name, *self._exits.get(name, ("lost the connection to its worker", None, None)))

    def _lose(self, name: str, reason: str, exit_code: int | None, report: ChunkReport | None) -> None:
        is_guarded = name in self._exits
        clients = set()
        for loss in self._ledger.lose_worker(name, reason, exit_code, time.time()):
            self._tell(loss.client, {"kind": "lost", **_loss_fields(loss)})
            clients.add(loss.client)
        for chunk_loss in self._chunks.lose_worker(name, reason, exit_code, report, is_guarded=is_guarded):
            self._tell(chunk_loss.client, {"kind": "chunk-lost", "chunk": chunk_loss.chunk, "loss": _pack(chunk_loss)})
            clients.add(chunk_loss.client)
        for client in clients - set(self._scheduler.clients):
            self._forget_client(client)

    def _forget_client(self, client: str) -> None:
        self._ledger.forget_client(client)
        self._chunks.forget_client(client)

    def _on_environment(self, client: str, digest: str, data: bytes | None) -> None:
        """Keep an environment of a driver for workers that ask for it; None: no attempt names it any more."""
        told = self._environments.setdefault(client, {})
        if data is not None:
            told[digest] = data
        else:
            told.pop(digest, None)

    def _why_not(self, client: str, worker: str, environments: Sequence[str]) -> str | None:
        if client not in self._scheduler.clients:
            return "its driver has gone"
        if worker not in self._worker_names:
            return "its worker is no member of the cluster any more"
        if not self._environments.get(client, {}).keys() >= set(environments):
            return "the environment of its driver is not known on the cluster"
        return None

    def _environments_of(self, client: str, digests: Sequence[str]) -> dict[str, bytes]:
        return {digest: self._environments[client][digest] for digest in digests}

    def _on_begin(
        self,
        key: str,
        client: str,
        worker: str,
        worker_name: str,
        timeout_seconds: float | None,
        at: float,
        environments: Sequence[str],
    ) -> dict[str, object]:
        refusal = self._why_not(client, worker, environments)
        if refusal is not None:
            return {"refusal": refusal, "environments": {}}
        refusal = self._ledger.begin(key, client, worker_name, timeout_seconds, time.time())
        if refusal is None:
            self._tell(client, {"kind": "began", "key": key, "worker": worker_name, "at": at})
            if timeout_seconds is not None:
                self._spawn(self._save_attempt(worker, key, timeout_seconds + _SAVE_AFTER_SECONDS))
        return {"refusal": refusal, "environments": self._environments_of(client, environments)}

    def _on_begin_chunk(
        self,
        chunk: str,
        client: str,
        worker: str,
        worker_name: str,
        length: int,
        at: float,
        environments: Sequence[str],
    ) -> dict[str, object]:
        refusal = self._why_not(client, worker, environments)
        if refusal is not None:
            return {"refusal": refusal, "stopped": [], "environments": {}}
        refusal, stopped = self._chunks.begin(chunk, client, worker_name)
        first = next((number for number in range(length) if number not in stopped), None)
        if refusal is None and first is not None:  # told here, in case that it never gives the interpreter back
            self._tell_began(client, chunk, first, worker_name, at)
        return {"refusal": refusal, "stopped": stopped, "environments": self._environments_of(client, environments)}

    def _on_stop_calls(self, client: str, stops: Sequence[StopCalls]) -> dict[str, object]:
        """Stop calls in chunks; the chunks named in the answer did not begin, and these calls in them never will."""
        return {"never_began": self._stop_calls(client, stops)}

    def _stop_calls(self, client: str, stops: Sequence[StopCalls]) -> list[str]:
        # all are noted before the first is told: a slot that one gives back is not for another of them
        workers = [self._chunks.stop(chunk, client, numbers) for chunk, numbers, _, _ in stops]
        for name, (chunk, numbers, state, grace_seconds) in zip(workers, stops, strict=True):
            if name:
                self._order_stop_calls(name, chunk, list(numbers), state, grace_seconds)
        return [chunk for name, (chunk, *_) in zip(workers, stops, strict=True) if name is None]

    def _order_stop_calls(self, name: str, chunk: str, numbers: list[int], state: str, grace_seconds: float) -> None:
        address = self._address_of(name)
        if address is not None:
            message = {"op": "orchestra-stop-calls", "chunk": chunk, "numbers": numbers, "state": state}
            self._scheduler.worker_send(address, message)
            delay_seconds = min(_SAVE_AFTER_SECONDS, grace_seconds / 3)
            self._spawn(self._save_values(address, lambda: self._chunks.is_running(chunk), delay_seconds))
        if self._order_kill is not None:
            for number in numbers:
                self._order_kill(name, f"{chunk}#{number}", state, grace_seconds)
        elif address is not None:
            self._spawn(self._restart_if_running(address, chunk, numbers, grace_seconds))

    async def _restart_if_running(self, address: str, chunk: str, numbers: Sequence[int], grace_seconds: float) -> None:
        """End a foreign worker on which one of these calls did not give way; one that does not answer has not."""
        await asyncio.sleep(grace_seconds)
        if not self._chunks.is_running(chunk):
            return
        try:
            asking = self._scheduler.rpc(address).orchestra_running(chunk=chunk)
            answer = await asyncio.wait_for(asking, _REPORT_SECONDS)
        except (OSError, TimeoutError):
            answer = {"number": numbers[0]}
        if answer["number"] in numbers:
            await self._restart(address)

    async def _on_chunk(self, client: str, chunk: str) -> dict[str, object]:
        """Tell what is known of a chunk whose Dask task gave nothing; if it did not begin, it never will."""
        deadline = time.monotonic() + _REPORT_SECONDS
        while self._chunks.is_running(chunk) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)  # its worker may just have died: wait for the sentinel's report
        loss = self._chunks.loss_of(chunk)
        return {"begun": self._chunks.close(chunk, client), "loss": _pack(loss) if loss is not None else None}

    def _on_stored(self, client: str, key: str, nbytes: int, worker: str) -> None:
        """Make what a worker keeps of a call's result the cluster's data, for as long as its driver wants it."""
        if client in self._scheduler.clients and worker in self._scheduler.workers:
            self._scheduler.update_data(who_has={key: [worker]}, nbytes={key: nbytes}, client=client)

    def _on_save(self, chunk: str, worker: str) -> None:
        if chunk not in self._saved:
            self._saved.add(chunk)
            self._spawn(self._save_for(worker, chunk))

    async def _save_for(self, worker: str, chunk: str) -> None:
        await self._save_values(worker, lambda: self._chunks.is_running(chunk), 0.0)
        self._saved.discard(chunk)

    def _on_stop(self, client: str, stops: Sequence[Stop]) -> dict[str, object]:
        """Stop attempts; those named in the answer did not begin and never will."""
        self._stop(client, stops)
        return {"never_began": [key for key, _, _ in stops if not self._ledger.has_begun(key)]}

    async def _on_attempt(self, key: str) -> dict[str, object]:
        """Tell what is known of an attempt whose Dask task gave no outcome."""
        deadline = time.monotonic() + _REPORT_SECONDS
        while self._ledger.is_running(key) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)  # its worker may just have died: wait for the sentinel's report
        loss = self._ledger.loss_of(key)
        return {"begun": self._ledger.has_begun(key), "loss": _loss_fields(loss) if loss is not None else None}

    def _on_tell(self, client: str, message: Mapping[str, object], worker: str) -> None:
        key = str(message.get("key"))
        if message["kind"] == "ended":
            self._ledger.end(key)
            if client not in self._scheduler.clients:
                self._forget_client(client)
        elif message["kind"] == "chunk-ended":
            self._chunks.end(str(message["chunk"]))
            if client not in self._scheduler.clients:
                self._forget_client(client)
        elif message["kind"] == "asked" and client not in self._scheduler.clients:
            self._on_answer(client, worker, key, message["number"], None)
        self._tell(client, message)

    def _on_answer(self, client: str, worker: str, key: str, number: object, answer: bytes | None) -> None:
        """Pass a driver's answer on to the worker that asked."""
        if worker in self._scheduler.workers:
            message = {"op": "orchestra-answer", "key": key, "number": number, "answer": answer}
            self._scheduler.worker_send(worker, message)

    def _on_say(self, client: str, key: str, word: bytes, worker_name: str | None = None) -> None:
        """Pass on what a driver says to one of its attempts; nothing if that does not run.

        Where a call runs, which is a part of a chunk, its driver says.
        """
        name = worker_name or self._ledger.worker_of(key)
        address = None if name is None else self._address_of(name)
        if address is not None:
            self._scheduler.worker_send(address, {"op": "orchestra-say", "key": key, "word": word})

    def _tell(self, client: str, message: Mapping[str, object]) -> None:
        event = {"op": "event", "topic": TOPIC, "event": (time.time(), message)}
        self._scheduler.send_all({client: [event]}, {})

    def _stop(self, client: str, stops: Sequence[Stop]) -> None:
        # all are noted before the first is told: a slot that one gives back is not for another of them
        names = [self._ledger.stop(key, client, state) for key, state, _ in stops]
        for name, (key, state, grace_seconds) in zip(names, stops, strict=True):
            if name is not None:
                self._order_stop(name, key, state, grace_seconds)

    def _order_stop(self, name: str, key: str, state: str, grace_seconds: float) -> None:
        address = self._address_of(name)
        if address is not None:
            self._scheduler.worker_send(address, {"op": "orchestra-stop", "key": key, "state": state})
            self._spawn(self._save_attempt(address, key, min(_SAVE_AFTER_SECONDS, grace_seconds / 3)))
        if self._order_kill is not None:
            self._order_kill(name, key, state, grace_seconds)
        elif address is not None:
            self._spawn(self._restart_later(address, key, grace_seconds))

    def _address_of(self, name: str) -> str | None:
        return next((address for address, known in self._worker_names.items() if known == name), None)

    def _save_attempt(self, address: str, key: str, delay_seconds: float) -> Coroutine[Any, Any, None]:
        return self._save_values(address, lambda: self._ledger.is_running(key), delay_seconds)

    async def _save_values(self, address: str, is_running: Callable[[], bool], delay_seconds: float) -> None:
        """Copy what only this worker holds to others, if what runs does not give way and its process will be ended.

        As far as it goes: a worker whose interpreter is held cannot give anything away.
        """
        await asyncio.sleep(delay_seconds)
        self._hold_copies(1)
        try:
            while is_running() and (state := self._scheduler.workers.get(address)) is not None:
                keys = [task.key for task in state.has_what if len(task.who_has or ()) == 1]
                others = [other for other in self._scheduler.workers if other != address]
                if keys and others:
                    await self._scheduler.replicate(
                        keys=keys, workers=others, n=1, delete=False, stimulus_id=f"orchestra-save-{time.time()}"
                    )
                await asyncio.sleep(_SAVE_AFTER_SECONDS)
        finally:
            self._hold_copies(-1)

    def _hold_copies(self, change: int) -> None:
        """Keep Dask's memory manager, every 2 s, from dropping one of two copies: it may choose the saved one."""
        manager = self._scheduler.extensions.get("amm")
        if manager is None:
            return
        if self._holds == 0:
            self._had_manager = bool(manager.running)
        self._holds += change
        if self._had_manager and self._holds == 0:
            manager.start()
        elif self._holds:
            manager.stop()

    async def _restart_later(self, address: str, key: str, grace_seconds: float) -> None:
        """End a foreign worker that did not give way: by its nanny, or else by leaving it out of the cluster."""
        await asyncio.sleep(grace_seconds)
        if self._ledger.is_running(key):
            await self._restart(address)

    async def _restart(self, address: str) -> None:
        state = self._scheduler.workers.get(address)
        if state is None:
            return
        if state.nanny:
            # Dask's own restart waits 4 s for a worker that cannot answer; when it dies, a nanny starts another at once
            kill = {"function": pickle.dumps(kill_worker), "kwargs": pickle.dumps({"address": address})}
            asking = self._scheduler.rpc(state.nanny).run(**kill)
            try:
                await asyncio.wait_for(asking, _REPORT_SECONDS)
            except (OSError, TimeoutError):
                pass  # then it is left out of the cluster, below
            else:
                return
        await self._scheduler.remove_worker(address, stimulus_id=f"orchestra-stop-{time.time()}")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def kill_worker(address: str, dask_worker: Any) -> None:
    """End the process of a nanny's worker by force, unless it is another one by now; the nanny runs this."""
    if dask_worker.pid is not None and dask_worker.worker_address == address:
        os.kill(dask_worker.pid, signal.SIGKILL)


def _loss_fields(loss: Loss) -> dict[str, object]:
    return {
        "key": loss.key,
        "begun": loss.begun,
        "state": loss.state,
        "reason": loss.reason,
        "worker": loss.worker,
        "exit_code": loss.exit_code,
    }


def _read_report(chunk: Mapping[str, Any] | None) -> ChunkReport | None:
    if chunk is None:
        return None
    outcomes = {number: base64.b64decode(text) for number, text in chunk["outcomes"]}
    fields = ("begun_until", "running", "running_since", "ended_for")
    return ChunkReport(chunk["id"], **{name: chunk[name] for name in fields}, outcomes=outcomes)


def _pack(loss: ChunkLoss) -> bytes:
    return pickle.dumps(loss, protocol=5)
