"""The process of a forked kernel as whoever asked for it sees it: the other end of its channel."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import threading
from typing import Any

_PACKET_BYTES = 65536


class ForkedKernel:
    """The process of a kernel whose parent is its keeper, with the face of a :class:`subprocess.Popen`.

    May be used from several threads; what waits, waits for events.

    Attributes
    ----------
    pid, connection
        Known once :meth:`take_ready` has said so. ``connection`` is what a connection file holds, None where the kernel
        was started with such a file.
    returncode
        As :mod:`subprocess` has it; None while the kernel lives.
    failure
        Why there is no kernel, where the zygote could say so.
    """

    stdin = stdout = stderr = None

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._lines = b""
        self.pid: int | None = None
        self.connection: dict[str, Any] | None = None
        self.returncode: int | None = None
        self.failure = ""
        self.is_ready = False
        #: nothing of it, and nothing that it started, is left
        self.is_gone = False

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is news for :meth:`poll`."""
        return self._channel.fileno()

    def poll(self) -> int | None:
        """Take the news that are there and return :attr:`returncode`."""
        with self._lock:
            while not self.is_gone and select.select([self._channel], [], [], 0)[0]:
                self._take()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until nothing of the kernel is left, and return how it ended.

        Raises
        ------
        subprocess.TimeoutExpired
            It is still there.
        """
        self.poll()
        while not self.is_gone:
            if not select.select([self._channel], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
            self.poll()
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel's process group."""
        if self.poll() is None:
            try:
                self._channel.sendall(json.dumps({"signal": int(number)}).encode() + b"\n")
            except OSError:
                pass  # it ends at this moment

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Let go of the kernel, which ends when nobody else holds its channel."""
        self._channel.close()
        self.is_gone = True
        if self.returncode is None:
            self.returncode = -signal.SIGKILL

    def _take(self) -> None:
        try:
            chunk = self._channel.recv(_PACKET_BYTES)
        except OSError:
            chunk = b""
        if not chunk:
            self.close()  # without a word when its keeper was killed, and it with it
            return
        *lines, self._lines = (self._lines + chunk).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "ready" in message:
                self.pid, self.connection = message["ready"]["pid"], message["ready"]["connection"]
                self.is_ready = True
            elif "failed" in message:
                self.failure = message["failed"]
            elif "exited" in message:
                exited = message["exited"]
                number = exited["signal"]
                self.returncode = exited["exit_code"] if number is None else -number
