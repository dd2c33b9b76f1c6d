"""The keeper of one forked kernel: its parent and child-subreaper, which runs no user code.

It is forked from a zygote (:mod:`orchestra_nb.notebooks.kernel_zygote` tells what it is told and tells), forks the
kernel, says how it ended, and ends all that it left behind.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Sequence
from types import FrameType
from typing import Any

from orchestra_nb.notebooks.forked_application import CHANNELS, Address, ForkedApplication
from orchestra_nb.notebooks.process_tree import GoOnAs, adopt_orphans, kill, kill_descendants, leave_parent, set_title

_PACKET_BYTES = 65536


class KernelKeeper:
    """Guards one kernel, from its fork until nothing of it is left.

    Parameters
    ----------
    zygote
        Where it is told, for a spare, to whom the kernel goes; None where ``descriptors`` say so.
    """

    def __init__(
        self, kind: tuple[Sequence[str], Address], zygote: socket.socket | None, descriptors: Sequence[int]
    ) -> None:
        self._args, self._address = kind
        self._zygote = zygote
        self._channel: socket.socket | None = None
        self._streams: list[int] = []
        self._kernel: socket.socket
        self._pid = 0
        self._ready: dict[str, Any] | None = None
        self._is_over = False
        if descriptors:
            self._be_told(list(descriptors))

    def run(self) -> None:
        """Fork the kernel and guard it; the process ends here."""
        os.setsid()
        adopt_orphans()
        wake_up, wake_up_write = os.pipe()
        for descriptor in (wake_up, wake_up_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake_up_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._end)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._fork_kernel((wake_up, wake_up_write))
        set_title(f"orchestra: keeps kernel {self._pid}")
        status = None
        while status is None:
            ends = [end for end in (self._zygote, self._channel, self._kernel) if end is not None]
            sources: list[int | socket.socket] = [wake_up, *(end for end in ends if end.fileno() >= 0)]
            readable, _, _ = select.select(sources, [], [])
            if wake_up in readable:
                os.read(wake_up, 4096)
            if self._zygote in readable:
                self._take_lease()
            if self._kernel in readable:
                self._take_news()
            if self._channel in readable:
                self._take_orders()
            if self._is_over:
                kill(self._pid, signal.SIGKILL)
            status = self._reap()
        # what it said before it died
        while self._kernel.fileno() >= 0 and select.select([self._kernel], [], [], 0)[0]:
            self._take_news()
        is_signal = os.WIFSIGNALED(status)
        self._tell(
            exited={
                "exit_code": None if is_signal else os.WEXITSTATUS(status),
                "signal": os.WTERMSIG(status) if is_signal else None,
            }
        )
        kill_descendants(self._pid)
        self._remove_sockets()
        os._exit(0)

    def _fork_kernel(self, foreign: tuple[int, int]) -> None:
        lease = None if self._channel is None else self._read_lease()
        self._kernel, theirs = socket.socketpair()
        keeper = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            leave_parent(keeper)
            for descriptor in foreign:
                os.close(descriptor)
            for end in (self._kernel, self._zygote, self._channel):
                if end is not None:
                    end.close()
            kernel = ForkedApplication(self._args, self._address, theirs)
            streams = self._streams
            raise GoOnAs(lambda: kernel.run(lease, streams))
        theirs.close()
        if lease is not None:
            self._close_streams()

    def _be_told(self, descriptors: list[int]) -> None:
        channel, *self._streams = descriptors
        self._channel = socket.socket(fileno=channel)
        self._lines = b""

    def _read_lease(self) -> bytes:
        """Return the first line of the channel; the process ends when there is none."""
        assert self._channel is not None
        while b"\n" not in self._lines:
            chunk = self._channel.recv(_PACKET_BYTES)
            if not chunk:
                if self._pid:
                    kill(self._pid, signal.SIGKILL)
                os._exit(0)
            self._lines += chunk
        line, _, self._lines = self._lines.partition(b"\n")
        return line + b"\n"

    def _take_lease(self) -> None:
        """Hand the spare out, or end it when the zygote has ended or wants it no more."""
        assert self._zygote is not None
        packet, descriptors, _, _ = socket.recv_fds(self._zygote, _PACKET_BYTES, 3)
        self._zygote.close()
        self._zygote = None
        if not packet:
            self._is_over = True
            return
        self._be_told(list(descriptors))
        try:
            socket.send_fds(self._kernel, [b"\n"], self._streams)
            self._kernel.sendall(self._read_lease())
        except OSError:
            pass  # it has died, which is told
        self._close_streams()
        if self._ready is not None:
            self._tell(ready=self._ready)

    def _take_news(self) -> None:
        """Hear from the kernel that it listens: one short line, then the end of the file."""
        try:
            line = self._kernel.recv(_PACKET_BYTES)
        except ConnectionError:
            line = b""
        if not line:
            self._kernel.close()
            return
        self._ready = {"pid": self._pid, "connection": json.loads(line)}
        if self._channel is not None:
            self._tell(ready=self._ready)

    def _take_orders(self) -> None:
        assert self._channel is not None
        try:
            chunk = self._channel.recv(_PACKET_BYTES)
        except ConnectionError:
            chunk = b""
        if not chunk:
            self._channel.close()
            self._channel, self._is_over = None, True
            return
        self._lines += chunk
        *lines, self._lines = self._lines.split(b"\n")
        for line in lines:
            try:  # not reaped, so the number is still the kernel's
                os.killpg(self._pid, json.loads(line)["signal"])
            except OSError:
                pass

    def _reap(self) -> int | None:
        """Take what has ended; return the kernel's status when it is among them."""
        found = None
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return found
            if pid == self._pid:
                return status

    def _tell(self, **message: object) -> None:
        if self._channel is not None:
            try:
                self._channel.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                pass  # nobody listens any more, which ends the kernel

    def _close_streams(self) -> None:
        for descriptor in self._streams:
            os.close(descriptor)
        self._streams = []

    def _remove_sockets(self) -> None:
        connection = (self._ready or {}).get("connection") or {}
        if connection.get("transport") == "ipc":
            for name in CHANNELS:
                try:
                    os.unlink(f"{connection['ip']}-{connection[f'{name}_port']}")
                except OSError:
                    pass

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._is_over = True
