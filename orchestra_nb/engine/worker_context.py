"""What a body on a Dask worker may use while it runs: show, log, emit and ask."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from itertools import count

from orchestra_nb.engine.event_batch import EventBatch
from orchestra_nb.engine.worker_channels import Channel, WorkerChannels
from orchestra_nb.model.events import Event, encode_event
from orchestra_nb.model.runs import LogLine

#: A waiting question looks so often whether it is to stop; an exception from another thread gets through only then.
_SLICE_SECONDS = 0.05
_DRIVER_GONE = "the driver is gone"


class OpenQuestions:
    """The questions of a worker's attempts that wait for an answer. For any thread.

    Parameters
    ----------
    address
        Where the driver sends the answers.
    is_connected
        Tells whether an answer can still come.
    """

    def __init__(self, batch: EventBatch, address: Callable[[], str], is_connected: Callable[[], bool]) -> None:
        self._batch = batch
        self._address = address
        self._is_connected = is_connected
        self._numbers = count(1)
        self._waiting: dict[tuple[str, int], tuple[str, queue.SimpleQueue[bytes | None]]] = {}

    def ask(self, client: str, key: str, question: bytes, timeout_seconds: float) -> bytes:
        """Ask the driver, after all that was told before, and wait; an exception of another thread gets through.

        Raises
        ------
        TimeoutError, ConnectionError
            As :meth:`AttemptContext.ask` says.
        """
        number, answers = next(self._numbers), queue.SimpleQueue[bytes | None]()
        self._waiting[key, number] = (client, answers)
        message = {"kind": "asked", "key": key, "number": number, "question": question, "worker": self._address()}
        deadline = time.monotonic() + timeout_seconds
        try:
            self._batch.send_after(client, message)
            while True:
                left = deadline - time.monotonic()
                try:
                    answer = answers.get(timeout=max(0.0, min(_SLICE_SECONDS, left)))
                except queue.Empty:
                    if not self._is_connected():
                        raise ConnectionError(_DRIVER_GONE) from None
                    if left <= 0:
                        raise TimeoutError(f"The driver gave no answer in {timeout_seconds:g} s.") from None
                else:
                    if answer is None:
                        raise ConnectionError(_DRIVER_GONE)
                    return answer
        finally:
            self._waiting.pop((key, number), None)

    def answer(self, key: str, number: int, answer: bytes | None) -> None:
        """Take an answer; None says that the driver is gone. Nothing if nobody waits for it."""
        if waiting := self._waiting.get((key, number)):
            waiting[1].put(answer)

    def lose_client(self, client: str) -> None:
        """Tell all that wait for this driver that it is gone."""
        for asked, answers in list(self._waiting.values()):
            if asked == client:
                answers.put(None)


class WorkerContext:
    """Implements :class:`~orchestra_nb.model.attempts.AttemptContext`.

    Attributes
    ----------
    client, key
        The driver's client, and the attempt.
    """

    def __init__(
        self,
        worker: str,
        client: str,
        key: str,
        attempt: int,
        batch: EventBatch,
        questions: OpenQuestions,
        channels: WorkerChannels,
    ) -> None:
        self.worker = worker
        self.attempt = attempt
        self.client = client
        self.key = key
        self._batch = batch
        self._questions = questions
        self._channels = channels

    def show(self, message: Mapping[str, object]) -> None:
        """Send something shown."""
        self._batch.add(self.client, ("shown", self.key, dict(message)), _text_size(message))

    def log(self, line: LogLine) -> None:
        """Send a log line."""
        self._batch.add(self.client, ("line", self.key, line), len(line.message))

    def emit(self, event: Event) -> None:
        """Pass on what happened to a child run or a child task."""
        data = encode_event(event)
        self._batch.add(self.client, ("emitted", self.key, data), len(data))

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        """Ask the driver something and return its answer."""
        return self._questions.ask(self.client, self.key, question, timeout_seconds)

    def hear(self, take: Callable[[bytes], None] | None) -> None:
        """Have what the driver says taken, in the worker's event loop."""
        if take is None:
            self._channels.forget(self.key)
        else:
            self.open_channel(take)

    def open_channel(self, hear: Callable[[bytes], None]) -> Channel:
        """Do what :meth:`hear` does, and return the way back."""
        return self._channels.open(self.client, self.key, hear)


def _text_size(value: object) -> int:
    """Return about how many bytes an nbformat output has, without making its JSON."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_text_size(item) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(_text_size(item) for item in value)
    return 8
