"""Sends the events of a kernel inside a notebook run to the runner of that run, over its Unix socket.

The other end is :mod:`orchestra_nb.notebooks.child_events`; the runner passes the events on to whoever drives the run
and writes the store.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import socket
import threading
from collections.abc import Callable

import msgspec

from orchestra_nb.model.events import Event, LogsWritten, encode_event

#: Set for the kernel of a notebook run: the run that it belongs to, and where its runner listens.
RUN_ID_VARIABLE = "ORCHESTRA_RUN_ID"
RUN_SOCKET_VARIABLE = "ORCHESTRA_RUN_SOCKET"
#: What people call that run, where it is recorded and can be looked up and retried.
RUN_NAME_VARIABLE = "ORCHESTRA_RUN_NAME"

#: Log events that may wait to be sent; later ones are dropped until there is room, and the drop is said.
MAX_WAITING_LOGS = 10_000
_CLOSE_SECONDS = 10.0

_log = logging.getLogger(__name__)


class _Flush:
    """A request to know when all before it is durable."""

    def __init__(self, number: int, timeout_seconds: float) -> None:
        self.number = number
        self.timeout_seconds = timeout_seconds
        self.is_answered = threading.Event()
        self.is_done = False

    def answer(self, is_done: bool) -> None:
        """Let whoever waits go on."""
        self.is_done = is_done
        self.is_answered.set()


class SocketSink:
    """An event sink at the end of a Unix socket. ``emit`` only queues: one thread sends, another one reads answers.

    Parameters
    ----------
    path
        Where the runner listens.
    on_cancel
        Called in the reading thread with (task run id, actor) when somebody wants one of this kernel's tasks to end.

    Raises
    ------
    OSError
        Nobody listens there.
    """

    def __init__(self, path: str, on_cancel: Callable[[str, str], None] | None = None) -> None:
        self._on_cancel = on_cancel
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._queue: queue.SimpleQueue[Event | _Flush | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._flushes: dict[int, _Flush] = {}
        self._last_flush = 0
        self._waiting_logs = 0
        self._is_closed = False
        self._is_broken = False
        self._sender = threading.Thread(target=self._send_all, name="orchestra-event-relay", daemon=True)
        self._receiver = threading.Thread(target=self._receive_all, name="orchestra-event-answers", daemon=True)
        self._sender.start()
        self._receiver.start()

    def emit(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if self._is_closed:
                raise RuntimeError("The sink is closed: no event can be sent any more.")
            if isinstance(event, LogsWritten):
                if self._waiting_logs >= MAX_WAITING_LOGS:
                    return
                self._waiting_logs += 1
                if self._waiting_logs == MAX_WAITING_LOGS:
                    event = _say_dropped(event)
            self._queue.put(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted before is in the driver's store; False when the time was not enough."""
        with self._lock:
            if self._is_closed or self._is_broken:
                return False
            self._last_flush += 1
            request = self._flushes[self._last_flush] = _Flush(self._last_flush, timeout_seconds)
            self._queue.put(request)
        request.is_answered.wait(timeout_seconds)
        with self._lock:
            self._flushes.pop(request.number, None)
        return request.is_done

    def close(self) -> None:
        """Send what is left and let go of the socket. May be called twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue.put(None)
        self._sender.join(_CLOSE_SECONDS)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._receiver:
            self._receiver.join(_CLOSE_SECONDS)
        self._socket.close()

    def _send_all(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Flush):
                request = {"flush": item.number, "seconds": item.timeout_seconds}
                self._send(json.dumps(request, separators=(",", ":")).encode())
                continue
            if isinstance(item, LogsWritten):
                with self._lock:
                    self._waiting_logs -= 1
            try:
                self._send(encode_event(item))
            except (UnicodeEncodeError, OverflowError) as error:
                _log.error("%s could not be sent: %s", type(item).__name__, error)

    def _send(self, line: bytes) -> None:
        if self._is_broken:
            return  # the runner is gone, and this process is about to be ended
        try:
            self._socket.sendall(line + b"\n")
        except OSError:
            self._break()

    def _receive_all(self) -> None:
        with self._socket.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                answer = json.loads(line)
                if "flushed" in answer:
                    with self._lock:
                        request = self._flushes.get(answer["flushed"])
                    if request is not None:
                        request.answer(bool(answer["done"]))
                elif "cancel" in answer and self._on_cancel is not None:
                    self._on_cancel(answer["cancel"], answer["actor"])
        self._break()

    def _break(self) -> None:
        """Note that the runner is gone; nobody waits for its answers any more."""
        with self._lock:
            self._is_broken = True
            waiting = list(self._flushes.values())
        for request in waiting:
            request.answer(False)


def _say_dropped(event: LogsWritten) -> LogsWritten:
    """Return the event with one line in place of its own, to say that lines are missing from here on."""
    last = event.lines[-1]
    line = msgspec.structs.replace(last, message="Log lines were dropped here: too many at once.", level=30)
    return LogsWritten(lines=(line,))
