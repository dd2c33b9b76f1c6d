"""Attempts that ask as on a worker: in bytes, over a pipe, to a driver that answers in another process's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from orchestra_nb.model.events import Event
from orchestra_nb.model.runs import LogLine


class PipeContext:
    """An :class:`AttemptContext` whose driver is at the other end of a pipe. One question at a time."""

    worker = "worker-0"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def show(self, message: Mapping[str, object]) -> None:
        raise AssertionError(f"nothing is shown here: {message}")

    def log(self, line: LogLine) -> None:
        raise AssertionError(f"nothing is logged here: {line}")

    def emit(self, event: Event) -> None:
        raise AssertionError(f"nothing happens here: {event}")

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        with self._lock:
            try:
                self._connection.send_bytes(question)
                if not self._connection.poll(timeout_seconds):
                    raise TimeoutError
                return self._connection.recv_bytes()
            except EOFError as error:
                raise ConnectionResetError("the pipe was closed") from error

    def hear(self, take: Callable[[bytes], None] | None) -> None:
        """Do nothing: nothing is said here."""


@contextmanager
def driver_answers(answer: Callable[[bytes], bytes]) -> Iterator[PipeContext]:
    """Give a context whose questions this function answers, in a thread, until the block ends."""
    here, there = Pipe()

    def serve() -> None:
        while True:
            try:
                there.send_bytes(answer(there.recv_bytes()))
            except (EOFError, ConnectionError):  # the attempt has ended, perhaps without waiting for its answer
                there.close()
                return

    driver = threading.Thread(target=serve)
    driver.start()
    try:
        yield PipeContext(here)
    finally:
        here.close()
        driver.join()
