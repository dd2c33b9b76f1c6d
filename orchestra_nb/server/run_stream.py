"""Live deltas of the store for any number of clients, with replay, and with nothing queued for a slow one.

Each client has a position, a sequence number of the store's event log, and a loop of its own: read what is new behind
the position, send it, go on from there. Replay after a reconnect and live updates are therefore the same thing. A slow
client costs one message in flight: when it is ready again it gets the newest records, or, when it lags too far, the
order to read anew. Clients at the same position share one read.

One thread watches the store for writes, of this process or any other, only while somebody is subscribed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.operations.json_encoding import encode_json
from orchestra_nb.operations.run_changes import changes_since

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: (flow, task) to the median duration of its last successes.
_Expected = dict[tuple[str, str], float | None]

Log = logging.Logger | logging.LoggerAdapter[Any]

#: The least time between two messages to a client.
_PACE_SECONDS = 0.1

#: How soon the watcher notices that nobody is subscribed any more.
_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Delta:
    """What a client at one position has to be told: the text of the message, and the position after it."""

    sequence: int
    text: bytes
    is_empty: bool


class StoreCall(Protocol):
    """Runs a function with the store in a thread; see ``StoreAccess.call``."""

    def __call__(
        self, function: Callable[[RunStore, int, _Expected], Delta], sequence: int, expected: _Expected, /
    ) -> Awaitable[Delta]:
        """Return what the function returns."""


class RunStream:
    """Gives clients the deltas of one store. All methods are called on the event loop."""

    def __init__(self, store: RunStore, call: StoreCall, log: Log) -> None:
        self._store = store
        self._call = call
        self._log = log
        self._changed = asyncio.Event()
        self._reads: dict[int, asyncio.Future[Delta]] = {}
        self._expected: _Expected = {}
        self._clients: set[asyncio.Task[object]] = set()
        self._watches: list[_Watch] = []

    @contextmanager
    def subscribed(self) -> Iterator[None]:
        """Count the current task as a client; the watcher runs while there is one. :meth:`close` cancels the task."""
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        if len(self._clients) == 1:
            self._start_watching()
        try:
            yield
        finally:
            self._clients.discard(task)
            if not self._clients:
                self._stop_watching()

    async def deltas(self, position: int) -> AsyncIterator[bytes]:
        """Yield messages about everything behind ``position``, at most ten a second, for as long as they are wanted.

        Runs inside :meth:`subscribed`. The next one is read only when it is asked for, so a consumer that waits for
        its socket holds nothing up and misses nothing.

        Raises
        ------
        StoreUnavailable
            The store cannot be read now.
        """
        while True:
            changed = self._changed  # taken before the read: a write during the read is not missed
            delta = await self._read(position)
            position = delta.sequence
            if delta.is_empty:
                await changed.wait()
            else:
                yield delta.text
                await asyncio.sleep(_PACE_SECONDS)

    async def close(self) -> None:
        """Cancel all clients and wait for the watcher's end."""
        clients = list(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        for watch in self._watches:
            await asyncio.to_thread(watch.close)

    async def _read(self, position: int) -> Delta:
        read = self._reads.get(position)
        if read is None:
            read = self._reads[position] = asyncio.ensure_future(self._call(_read_delta, position, self._expected))
            read.add_done_callback(lambda done: self._forget_failure(position, done))
        return await asyncio.shield(read)  # a client that leaves does not cancel what others wait for

    def _forget_failure(self, position: int, read: asyncio.Future[Delta]) -> None:
        """Drop a read that failed, so that the next client tries again."""
        if (read.cancelled() or read.exception() is not None) and self._reads.get(position) is read:
            del self._reads[position]

    def _notice_change(self) -> None:
        self._reads.clear()
        self._changed.set()
        self._changed = asyncio.Event()

    def _start_watching(self) -> None:
        self._reads.clear()  # they may be older than the new watcher
        self._expected.clear()
        loop = asyncio.get_running_loop()
        watch = _Watch(self._store, lambda: loop.call_soon_threadsafe(self._notice_change), self._log)
        self._watches = [old for old in self._watches if old.is_alive] + [watch]

    def _stop_watching(self) -> None:
        for watch in self._watches:
            watch.stop()


class _Watch:
    """A thread that watches the store from now until it is stopped."""

    def __init__(self, store: RunStore, notice: Callable[[], object], log: Log) -> None:
        from orchestra_nb.store.event_log import ChangeWatcher

        self._notice = notice
        self._log = log
        self._stopping = threading.Event()
        self._watcher = ChangeWatcher(store.database)
        self._thread = threading.Thread(target=self._run, name="orchestra-watch", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let the thread end soon; never blocks."""
        self._stopping.set()

    def close(self) -> None:
        """End the thread now and wait for it."""
        self._stopping.set()
        self._watcher.close()
        self._thread.join()

    def _run(self) -> None:
        with closing(self._watcher):
            while not self._stopping.is_set():
                try:
                    has_changed = self._watcher.wait(_WATCH_SECONDS)
                except StoreUnavailable as error:
                    self._log.warning("The store cannot be watched: %s", error)
                    has_changed = True  # the clients read, fail, and come again later
                    self._stopping.wait(_WATCH_SECONDS)
                if has_changed and not self._stopping.is_set():
                    self._notice()


def _read_delta(store: RunStore, position: int, expected: _Expected) -> Delta:
    changes = changes_since(store, position, expected)
    is_empty = changes == type(changes)(sequence=changes.sequence)
    return Delta(changes.sequence, b"" if is_empty else encode_json(changes), is_empty)
