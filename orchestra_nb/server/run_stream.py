"""Live deltas of the store for any number of clients, with replay, and with nothing queued for a slow one.

Each client has a position, a sequence number of the store's event log, and a loop of its own: read what is new behind
the position, send it, go on from there. Replay after a reconnect and live updates are therefore the same thing. A slow
client costs one message in flight, of a few megabytes at most: when it is ready again it gets the newest records, or,
when it lags too far, the order to read anew. Clients at the same position of the same view, with readers of the same
language, share one read, which also puts what is told into that language.

One thread watches the store for writes, of this process or any other, only while somebody is subscribed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.stream_views import EVERYTHING, StreamView
from orchestra_nb.operations.json_encoding import encode_json
from orchestra_nb.operations.run_changes import MAX_CHANGES, RunChanges, changes_since, list_marks
from orchestra_nb.operations.run_views import TaskOfFlow
from orchestra_nb.server.sentences import has_words

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: A task to the median duration of its last successes.
_Expected = dict[TaskOfFlow, float | None]

#: Whose runs a client sees; None for those of all.
Owners = frozenset[str] | None

#: What clients share: a position, a view, whose runs they see, and the language of its words.
_Read = tuple[int, StreamView, Owners, str | None]

Log = logging.Logger | logging.LoggerAdapter[Any]

#: The least time between two messages to a client, and between two reads for it.
_PACE_SECONDS = 0.1

#: What is larger is told in several messages, as far as single changes allow it.
_LARGEST_BYTES = 4_000_000

#: A client to whose view nothing happens is told how far the stream is, so often: from there it goes on one day.
_TOLD_EACH = 1_000

#: Of so many views it is remembered how long tasks take.
_REMEMBERED_VIEWS = 100

_NO_MARKS: Mapping[str, str] = {}

#: How soon the watcher notices that nobody is subscribed any more.
_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Delta:
    """What a client at one position has to be told: the text of the message, and the position after it.

    Parameters
    ----------
    marks
        List without sequence numbers to its mark, as :func:`~orchestra_nb.operations.run_changes.list_marks` gives it,
        for whoever looks at everything.
    """

    changes: RunChanges
    text: bytes
    is_empty: bool
    marks: Mapping[str, str]


class StoreCall(Protocol):
    """Runs a function with the store in a thread; see ``StoreAccess.call``."""

    def __call__(
        self,
        function: Callable[[RunStore, int, StreamView, Owners, _Expected, str | None], Delta],
        sequence: int,
        view: StreamView,
        owners: Owners,
        expected: _Expected,
        language: str | None,
        /,
    ) -> Awaitable[Delta]:
        """Return what the function returns."""


class RunStream:
    """Gives clients the deltas of one store. All methods are called on the event loop."""

    def __init__(self, store: RunStore, call: StoreCall, log: Log) -> None:
        self._store = store
        self._call = call
        self._log = log
        self._changed = asyncio.Event()
        self._reads: dict[_Read, asyncio.Future[Delta]] = {}
        self._expected: dict[tuple[StreamView, Owners], _Expected] = {}
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

    async def deltas(
        self,
        position: int,
        view: StreamView = EVERYTHING,
        marks: Mapping[str, str] = _NO_MARKS,
        *,
        owners: Owners = None,
        language: str | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield messages about what a view has behind ``position``, at most ten a second, while they are wanted.

        Of runs only those of these owners are in them. What they tell is in the language of their reader.

        Lists whose marks are not ``marks`` any more are named in them. Runs inside :meth:`subscribed`. The next one is
        read only when it is asked for, so a consumer that waits for its socket holds nothing up and misses nothing.

        Raises
        ------
        StoreUnavailable
            The store cannot be read now.
        """
        told = position
        language = language if has_words(language) else None
        while True:
            changed = self._changed  # taken before the read: a write during the read is not missed
            delta = await self._read(position, view, owners, language)
            has_moved, position = delta.changes.sequence != position, delta.changes.sequence
            lists = tuple(name for name, mark in delta.marks.items() if marks.get(name) != mark)
            marks = delta.marks
            if lists or not delta.is_empty or position - told >= _TOLD_EACH:
                told = position
                yield encode_json(msgspec.structs.replace(delta.changes, lists=lists)) if lists else delta.text
                await asyncio.sleep(_PACE_SECONDS)
            elif has_moved:  # others change all the time, perhaps
                await asyncio.sleep(_PACE_SECONDS)
            else:
                await changed.wait()

    def next_change(self) -> asyncio.Event:
        """Return what is set at the next change of the store; only inside of :meth:`subscribed`."""
        return self._changed

    async def close(self) -> None:
        """Cancel all clients and wait for the watcher's end."""
        clients = list(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        for watch in self._watches:
            await asyncio.to_thread(watch.close)

    async def _read(self, position: int, view: StreamView, owners: Owners, language: str | None) -> Delta:
        key = (position, view, owners, language)
        read = self._reads.get(key)
        if read is None:
            if (view, owners) not in self._expected and len(self._expected) >= _REMEMBERED_VIEWS:
                self._expected.clear()
            expected = self._expected.setdefault((view, owners), {})
            read = self._reads[key] = asyncio.ensure_future(
                self._call(_read_delta, position, view, owners, expected, language)
            )
            read.add_done_callback(lambda done: self._forget_failure(key, done))
        return await asyncio.shield(read)  # a client that leaves does not cancel what others wait for

    def _forget_failure(self, key: _Read, read: asyncio.Future[Delta]) -> None:
        """Drop a read that failed, so that the next client tries again."""
        if (read.cancelled() or read.exception() is not None) and self._reads.get(key) is read:
            del self._reads[key]

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


def _read_delta(
    store: RunStore, position: int, view: StreamView, owners: Owners, expected: _Expected, language: str | None
) -> Delta:
    limit = MAX_CHANGES
    with store.database.seen_by(owners):
        marks = list_marks(store) if view == EVERYTHING else _NO_MARKS
        while True:
            changes = changes_since(store, position, expected, view=view, limit=limit)
            if language is not None:
                from orchestra_nb.server.told_fields import told_in

                changes = told_in(changes, language)
            text = encode_json(changes)
            if len(text) <= _LARGEST_BYTES or limit == 1:
                return Delta(changes, text, changes == type(changes)(sequence=changes.sequence), marks)
            limit = max(1, min(limit, changes.sequence - position) * _LARGEST_BYTES // len(text))
