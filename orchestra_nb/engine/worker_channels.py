"""The channels of attempts on a worker: what a body and its driver say to each other while it runs.

Words go both ways over Dask, through the scheduler: whole, in order, none dropped while both ends live. The body opens
the channel and speaks first; what the driver says before is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestra_nb.engine.event_batch import EventBatch


class Channel:
    """One end of a channel, on the worker. For any thread."""

    def __init__(self, key: str, client: str, channels: WorkerChannels) -> None:
        self._key = key
        self._client = client
        self._channels = channels

    @property
    def is_connected(self) -> bool:
        """Whether what is said can reach the driver."""
        return self._channels.is_connected()

    def say(self, word: bytes) -> None:
        """Send something to the driver; waits while very much has not been sent."""
        self._channels.batch.add(self._client, ("sent", self._key, word), len(word))


class WorkerChannels:
    """The open channels of a worker. For any thread."""

    def __init__(self, batch: EventBatch, is_connected: Callable[[], bool]) -> None:
        self.batch = batch
        self.is_connected = is_connected
        self._hear: dict[str, Callable[[bytes], None]] = {}

    def open(self, client: str, key: str, hear: Callable[[bytes], None]) -> Channel:
        """Open the channel of an attempt.

        Parameters
        ----------
        hear
            Called in the worker's event loop with each word of the driver; must be quick.
        """
        self._hear[key] = hear
        return Channel(key, client, self)

    def take(self, key: str, word: bytes) -> None:
        """Take a word of a driver, in the event loop."""
        if (hear := self._hear.get(key)) is not None:
            hear(bytes(word))

    def forget(self, key: str) -> None:
        """Close a channel."""
        self._hear.pop(key, None)
