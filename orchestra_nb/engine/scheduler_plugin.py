"""What stands on the Dask scheduler: the ledger, asked by workers and told by drivers, and the news it sends on.

Workers ask ``orchestra_begin`` before user code. Drivers call ``orchestra_stop`` and ``orchestra_attempt``, and answer
what attempts ask. What a
worker tells, and what the ledger finds out about dead workers, goes to the one driver concerned, as an event of the
topic "orchestra" in that driver's ordered stream; nothing is kept in Dask's own logs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed import SchedulerPlugin  # noqa: TID253

from orchestra_nb.engine.attempt_ledger import AttemptLedger, Loss
from orchestra_nb.engine.attempts import label_of_worker
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from distributed import Scheduler

PLUGIN_NAME = "orchestra"
TOPIC = "orchestra"

#: (attempt key, state to stop it for, grace in seconds)
Stop = tuple[str, str, float]

#: How long a removed worker's exit report is waited for.
_REPORT_SECONDS = 2.0
#: What an attempt gets to end softly when its driver has gone.
_ORPHAN_GRACE_SECONDS = 5.0
#: How long, beyond the grace, a foreign worker may take to end before its nanny is asked to restart it.
_RESTART_TIMEOUT_SECONDS = 30.0
#: An attempt that has not given way so long after its soft stop will be ended by force, so values are saved.
_SAVE_AFTER_SECONDS = 0.25
_REMEMBERED_EXITS = 1000
_UNKNOWN_CAUSE = "its worker process died; this cluster does not tell how"


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
        self._exits: dict[str, tuple[str, int | None]] = {}
        self._waiting_for_report: dict[str, asyncio.Event] = {}
        self._worker_names: dict[str, str] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def start(self, scheduler: Scheduler) -> None:
        """Attach to a scheduler."""
        self._scheduler = scheduler
        scheduler.handlers["orchestra_begin"] = self._on_begin
        scheduler.handlers["orchestra_stop"] = self._on_stop
        scheduler.handlers["orchestra_attempt"] = self._on_attempt
        scheduler.stream_handlers["orchestra-tell"] = self._on_tell
        scheduler.stream_handlers["orchestra-answer"] = self._on_answer
        for worker in scheduler.workers:
            self.add_worker(scheduler, worker)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Remember the name: after a removal only the address is known."""
        self._worker_names[worker] = label_of_worker(scheduler.workers[worker].name)

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
        if not self._ledger.running_on(name):
            return
        if self._order_kill is None:
            self._lose(name, _UNKNOWN_CAUSE, None)
        else:
            self._spawn(self._lose_when_reported(name))

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Stop what a vanished driver left running; what waits for its answer waits no more."""
        for worker in self._scheduler.workers:
            self._scheduler.worker_send(worker, {"op": "orchestra-client-gone", "client": client})
        running = self._ledger.running_of(client)
        self._stop(client, [(key, State.CANCELLED.value, _ORPHAN_GRACE_SECONDS) for key in running])
        self._ledger.forget_client(client)

    def worker_exited(self, name: str, reason: str, exit_code: int | None) -> None:
        """Take a sentinel's report that a worker's process ended."""
        self._exits[name] = (reason, exit_code)
        while len(self._exits) > _REMEMBERED_EXITS:
            del self._exits[next(iter(self._exits))]
        if waiting := self._waiting_for_report.get(name):
            waiting.set()
        self._lose(name, reason, exit_code)

    async def _lose_when_reported(self, name: str) -> None:
        if name not in self._exits:
            reported = self._waiting_for_report.setdefault(name, asyncio.Event())
            try:
                await asyncio.wait_for(reported.wait(), _REPORT_SECONDS)
            except TimeoutError:
                pass
            finally:
                self._waiting_for_report.pop(name, None)
        self._lose(name, *self._exits.get(name, ("lost the connection to its worker", None)))

    def _lose(self, name: str, reason: str, exit_code: int | None) -> None:
        for loss in self._ledger.lose_worker(name, reason, exit_code, time.time()):
            self._tell(loss.client, {"kind": "lost", **_loss_fields(loss)})
            if loss.client not in self._scheduler.clients:
                self._ledger.forget_client(loss.client)

    def _on_begin(
        self, key: str, client: str, worker: str, worker_name: str, timeout_seconds: float | None, at: float
    ) -> dict[str, object]:
        if client not in self._scheduler.clients:
            return {"refusal": "its driver has gone"}
        if worker not in self._worker_names:
            return {"refusal": "its worker is no member of the cluster any more"}
        refusal = self._ledger.begin(key, client, worker_name, timeout_seconds, time.time())
        if refusal is None:
            self._tell(client, {"kind": "began", "key": key, "worker": worker_name, "at": at})
            if timeout_seconds is not None:
                self._spawn(self._save_values(worker, key, timeout_seconds + _SAVE_AFTER_SECONDS))
        return {"refusal": refusal}

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
                self._ledger.forget_client(client)
        elif message["kind"] == "asked" and client not in self._scheduler.clients:
            self._on_answer(client, worker, key, message["number"], None)
        self._tell(client, message)

    def _on_answer(self, client: str, worker: str, key: str, number: object, answer: bytes | None) -> None:
        """Pass a driver's answer on to the worker that asked."""
        if worker in self._scheduler.workers:
            message = {"op": "orchestra-answer", "key": key, "number": number, "answer": answer}
            self._scheduler.worker_send(worker, message)

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
        address = next((address for address, known in self._worker_names.items() if known == name), None)
        if address is not None:
            self._scheduler.worker_send(address, {"op": "orchestra-stop", "key": key, "state": state})
            self._spawn(self._save_values(address, key, min(_SAVE_AFTER_SECONDS, grace_seconds / 3)))
        if self._order_kill is not None:
            self._order_kill(name, key, state, grace_seconds)
        elif address is not None:
            self._spawn(self._restart_later(address, key, grace_seconds))

    async def _save_values(self, address: str, key: str, delay_seconds: float) -> None:
        """Copy what only this worker holds to others, if the attempt does not give way and its process will be ended.

        As far as it goes: a worker whose interpreter is held cannot give anything away.
        """
        await asyncio.sleep(delay_seconds)
        while self._ledger.is_running(key) and (state := self._scheduler.workers.get(address)) is not None:
            keys = [task.key for task in state.has_what if len(task.who_has or ()) == 1]
            others = [other for other in self._scheduler.workers if other != address]
            if keys and others:
                await self._scheduler.replicate(
                    keys=keys, workers=others, n=1, delete=False, stimulus_id=f"orchestra-save-{time.time()}"
                )
            await asyncio.sleep(_SAVE_AFTER_SECONDS)

    async def _restart_later(self, address: str, key: str, grace_seconds: float) -> None:
        """End a foreign worker that did not give way: by its nanny, or else by leaving it out of the cluster."""
        await asyncio.sleep(grace_seconds)
        state = self._scheduler.workers.get(address)
        if state is None or not self._ledger.is_running(key):
            return
        stimulus = f"orchestra-stop-{time.time()}"
        if state.nanny:
            await self._scheduler.restart_workers(
                [address], timeout=_RESTART_TIMEOUT_SECONDS, on_error="return", stimulus_id=stimulus
            )
        else:
            await self._scheduler.remove_worker(address, stimulus_id=stimulus)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _loss_fields(loss: Loss) -> dict[str, object]:
    return {
        "key": loss.key,
        "begun": loss.begun,
        "state": loss.state,
        "reason": loss.reason,
        "worker": loss.worker,
        "exit_code": loss.exit_code,
    }
