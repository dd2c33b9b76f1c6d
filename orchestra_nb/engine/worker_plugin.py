"""What stands on each Dask worker: the way from an attempt to the ledger, the sentinel and the driver.

Everything sent leaves the worker's event loop in one ordered stream: what was shown (in batches of 50 ms), then the
end, then Dask's own word that the task finished. So a driver that hears the last has heard the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dask.sizeof  # noqa: TID253
from distributed import WorkerPlugin, get_worker  # noqa: TID253
from distributed.protocol.serialize import Serialize  # noqa: TID253

from orchestra_nb.engine.attempts import AttemptTicket, NotRun, label_of_worker, select_groups
from orchestra_nb.engine.executors import AttemptContext, AttemptResult
from orchestra_nb.engine.sentinel import beside_command, uptime
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.model.runs import LogLine
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from distributed import Worker

PLUGIN_NAME = "orchestra"

#: What is shown is sent so often.
BATCH_SECONDS = 0.05
#: User code that shows more than this in one batch waits until it has been sent.
_BATCH_BYTES = 8 * 1024 * 1024
#: How long after the soft stop at its deadline an attempt's process is killed by the sentinel.
HARD_STOP_SECONDS = 1.0


class OrchestraWorkerPlugin(WorkerPlugin):
    """Makes a Dask worker able to run attempts.

    Parameters
    ----------
    records_descriptor
        Where the sentinel that started this worker reads records; None on a cluster that others started.
    """

    name = PLUGIN_NAME
    idempotent = True

    def __init__(self, records_descriptor: int | None = None) -> None:
        self._records_descriptor = records_descriptor
        self.host: WorkerHost | None = None

    def setup(self, worker: Worker) -> None:
        """Attach to a worker; called in its event loop."""
        sizeof: Any = dask.sizeof.sizeof
        sizeof.register(AttemptResult, _size_of_result)
        self.host = WorkerHost(worker, SentinelRecords(self._records_descriptor))
        worker.stream_handlers["orchestra-stop"] = self.host.on_stop
        worker.handlers["orchestra_select"] = self.host.on_select

    def teardown(self, worker: Worker) -> None:
        """Let the sentinel go that this plugin started."""
        if self.host is not None:
            self.host.records.close()


def current_host() -> WorkerHost:
    """Return the host of the worker whose thread this is."""
    plugin: Any = get_worker().plugins[PLUGIN_NAME]
    host: WorkerHost = plugin.host
    return host


class SentinelRecords:
    """Writes records to the sentinel: the worker's parent, or one beside it that is started when first needed."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._beside: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def begin(self, key: str, seconds: float | None) -> None:
        """Say that user code is about to run, and after how many seconds to kill this process."""
        with self._lock:
            if self._descriptor is None and seconds is not None:
                self._start_beside()
        self._write({"begin": key, "seconds": seconds})

    def end(self, key: str) -> None:
        """Say that user code ended."""
        self._write({"end": key, "at": uptime()})

    def close(self) -> None:
        """Let a sentinel beside this process end."""
        with self._lock:
            if self._beside is not None and self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
                self._beside.wait()
                self._beside = None

    def _start_beside(self) -> None:
        reading, self._descriptor = os.pipe()
        self._beside = subprocess.Popen(beside_command(os.getpid()), stdin=reading, start_new_session=True)
        os.close(reading)

    def _write(self, record: Mapping[str, object]) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, json.dumps(record).encode() + b"\n")


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
        return WorkerContext(self.worker_name, ticket, self._batch)

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

    def _send(self, client: str, message: Mapping[str, object]) -> None:
        self._worker.batched_send({"op": "orchestra-tell", "client": client, "message": message})

    def _start_clock(self, key: str, seconds: float, switch: StopSwitch) -> None:
        self._clocks[key] = self._loop.call_later(seconds, switch.stop, State.TIMED_OUT.value)

    def _stop_clock(self, key: str) -> None:
        if clock := self._clocks.pop(key, None):
            clock.cancel()


class WorkerContext:
    """Implements :class:`~orchestra_nb.engine.executors.AttemptContext`."""

    def __init__(self, worker: str, ticket: AttemptTicket, batch: EventBatch) -> None:
        self.worker = worker
        self._ticket = ticket
        self._batch = batch

    def show(self, message: Mapping[str, object]) -> None:
        """Send something shown."""
        self._batch.add(self._ticket.client, self._ticket.key, dict(message), None)

    def log(self, line: LogLine) -> None:
        """Send a log line."""
        self._batch.add(self._ticket.client, self._ticket.key, None, line)


class EventBatch:
    """Collects what is shown in any thread, and sends it from the event loop every 50 ms. Nothing is dropped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Callable[[str, Mapping[str, object]], None]) -> None:
        self._loop = loop
        self._send = send
        self._changed = threading.Condition()
        self._items: list[tuple[str, str, dict[str, object] | None, LogLine | None]] = []
        self._bytes = 0

    def add(self, client: str, key: str, output: dict[str, object] | None, line: LogLine | None) -> None:
        """Add one item; waits while a whole batch of the greatest size has not been sent."""
        size = 200 + (len(line.message) if line is not None else _text_size(output))
        with self._changed:
            while self._bytes > _BATCH_BYTES:
                self._changed.wait(1.0)
            is_first = not self._items
            self._items.append((client, key, output, line))
            self._bytes += size
        if is_first:
            self._loop.call_soon_threadsafe(self._loop.call_later, BATCH_SECONDS, self._flush)

    def send_after(self, client: str, message: Mapping[str, object]) -> None:
        """Send a message at once, after all that has been added before."""
        self._loop.call_soon_threadsafe(self._send_after, client, message)

    def _send_after(self, client: str, message: Mapping[str, object]) -> None:
        self._flush()
        self._send(client, message)

    def _flush(self) -> None:
        with self._changed:
            items, self._items, self._bytes = self._items, [], 0
            self._changed.notify_all()
        shown: dict[tuple[str, str], tuple[list[dict[str, object]], list[LogLine]]] = {}
        for client, key, output, line in items:
            outputs, lines = shown.setdefault((client, key), ([], []))
            if output is not None:
                outputs.append(output)
            if line is not None:
                lines.append(line)
        for (client, key), content in shown.items():
            self._send(client, {"kind": "shown", "key": key, "data": pickle.dumps(content, protocol=5)})


def _text_size(value: object) -> int:
    """Return about how many bytes an nbformat output has, without making its JSON."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_text_size(item) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(_text_size(item) for item in value)
    return 8


def _size_of_result(result: Any) -> int:
    """Tell Dask how large a result is, so that it places work beside large data."""
    sizes: dict[int, int] = {info.group: info.size_bytes for info in result.outcome.values.values()}
    return 1000 + sum(size for number, size in sizes.items() if number < len(result.groups))
