"""What attempts tell their drivers: collected in any thread, sent by the worker every 30 ms, in order."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

#: What is told is sent so often: seen within 100 ms also where the driver is busy, at no cost that can be measured.
BATCH_SECONDS = 0.03
#: Dask lets 2 to 10 ms pass between two sends on one connection; on ours, and on all of the local cluster, it is this.
SEND_INTERVAL_SECONDS = 0.001
#: So many of the last messages of a connection are kept for who debugs Dask; its own 1,000, of up to 1 MB each, would
#: fill a worker, and the scheduler, with what has been told.
_KEPT_MESSAGES = 10
#: User code that tells more than this in one batch waits until it has been sent.
_BATCH_BYTES = 8 * 1024 * 1024
#: What an entry costs beside its content.
_ENTRY_BYTES = 200

#: The kind of news, whom it is of (the key of an attempt, or of a chunk), and the content that the kind has.
Entry = tuple[Any, ...]


def keep_few_messages(connection: Any) -> None:
    """Have a ``BatchedSend`` of Dask keep few of the messages that it has sent."""
    connection.recent_message_log = deque(connection.recent_message_log, maxlen=_KEPT_MESSAGES)


class EventBatch:
    """One ordered stream of news to each driver. Nothing is dropped.

    The entries of a batch are sent as one message, ``{"kind": "news", "data": pickle of a list of entries}``.

    Parameters
    ----------
    send
        Sends a message to the driver with this client id; called in the event loop.
    on_flushed
        Called in the event loop when a batch has been handed over.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[str, Mapping[str, object]], None],
        on_flushed: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._send = send
        self._on_flushed = on_flushed
        self._changed = threading.Condition()
        self._items: list[tuple[str, Entry]] = []
        self._bytes = 0
        #: whether what is added now will be sent by a flush that has been asked for
        self._is_due = False

    def add(self, client: str, entry: Entry, size_bytes: int = 0) -> None:
        """Add one entry; waits while a whole batch of the greatest size has not been sent."""
        with self._changed:
            while self._bytes > _BATCH_BYTES:
                self._changed.wait(1.0)
            if not self._is_due:
                # before anything else: an exception that another thread raises here leaves nothing that is never sent
                self._loop.call_soon_threadsafe(self._loop.call_later, BATCH_SECONDS, self.flush)
                self._is_due = True
            self._items.append((client, entry))
            self._bytes += _ENTRY_BYTES + size_bytes

    def send_after(self, client: str, message: Mapping[str, object]) -> None:
        """Send a message at once, after all that has been added before. For any thread."""
        self._loop.call_soon_threadsafe(self._send_after, client, message)

    def flush(self) -> None:
        """Send what has been added; in the event loop."""
        with self._changed:
            items, self._items, self._bytes, self._is_due = self._items, [], 0, False
            self._changed.notify_all()
        entries_of: dict[str, list[Entry]] = {}
        for client, entry in items:
            entries_of.setdefault(client, []).append(entry)
        for client, entries in entries_of.items():
            self._send(client, {"kind": "news", "data": pickle.dumps(entries, protocol=5)})
        if self._on_flushed is not None:
            self._on_flushed()

    def _send_after(self, client: str, message: Mapping[str, object]) -> None:
        self.flush()
        self._send(client, message)
