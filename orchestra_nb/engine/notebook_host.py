"""Starts a notebook's runner under a sentinel and speaks with it, for whoever drives the run.

Everything that the runner and its sentinel say comes out of one queue, into which the driver's own signals and threads
may put things too, so that a driver is one loop in one thread. When the driver dies, the sentinel's lifeline breaks and
runner, kernel and all that they started end with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from orchestra_nb.engine.sentinel import describe_exit, guard_command
from orchestra_nb.notebooks.runner_messages import (
    Finished,
    FromRunner,
    Prepare,
    RunnerSpec,
    ToRunner,
    decode_from_runner,
    encode_message,
)

_RUNNER_MODULE = "orchestra_nb.notebooks.notebook_runner"
#: What the runner may take to write the output notebook when its driver is gone or gave up, before it is killed.
_GRACE_SECONDS = 15.0
_TAIL_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class RunnerEnded:
    """The runner's process ended, and all that it had started is gone.

    ``reason`` is in people's words ("killed by SIGKILL"); ``tail`` the last of what it wrote to its stderr, where it
    ended without :class:`~orchestra_nb.notebooks.runner_messages.Finished`.
    """

    reason: str
    tail: str = ""


class NotebookHost:
    """One runner's process. Only :attr:`inbox` may be used from other threads and from signal handlers.

    The process starts with the object and waits, with its imports done, for :meth:`prepare`: a driver makes one before
    it reads the notebook, and closes it when there is nothing to run.

    Attributes
    ----------
    inbox
        What the runner says, then one :class:`RunnerEnded`; and whatever others put into it.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        ours, theirs = socket.socketpair()
        self._socket = ours
        command = [sys.executable, "-m", _RUNNER_MODULE, str(theirs.fileno())]
        with theirs:
            self._sentinel = subprocess.Popen(
                guard_command(command, grace_seconds=_GRACE_SECONDS, pass_fds=[theirs.fileno()]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=dict(os.environ if environ is None else environ),
            )
        self._reader = threading.Thread(target=self._read, name="orchestra-runner", daemon=True)
        self._reader.start()

    def prepare(self, spec: RunnerSpec) -> None:
        """Have the kernel started; the cells wait for :class:`~orchestra_nb.notebooks.runner_messages.Begin`."""
        self.send(Prepare(spec))

    def send(self, message: ToRunner) -> None:
        """Send a message; when the runner is gone, its :class:`RunnerEnded` is in the inbox or about to be."""
        with contextlib.suppress(OSError):
            self._socket.sendall(encode_message(message))

    def let_go(self) -> None:
        """Have the sentinel end runner, kernel and all that they started; return at once."""
        assert self._sentinel.stdin is not None
        with contextlib.suppress(OSError):
            self._sentinel.stdin.close()

    def close(self) -> None:
        """End all of it and wait until it is gone. May be called twice."""
        self.let_go()
        self._reader.join()
        self._sentinel.wait()
        assert self._sentinel.stdout is not None
        self._sentinel.stdout.close()
        self._socket.close()
        self._stderr.close()

    def _read(self) -> None:
        is_finished = False
        with self._socket.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            for line in lines:
                message: FromRunner = decode_from_runner(line)
                is_finished = isinstance(message, Finished)
                self.inbox.put(message)
        # the end of the sentinel's reports: no descendant is left
        self.inbox.put(self._read_reports(is_finished))

    def _read_reports(self, is_finished: bool) -> RunnerEnded:
        reason = "its sentinel was killed"
        assert self._sentinel.stdout is not None
        for line in self._sentinel.stdout:
            report = json.loads(line)
            if "exited" in report:
                reason = describe_exit(report["exited"]["exit_code"], report["exited"]["signal"])
            elif "error" in report:
                reason = report["error"]
        return RunnerEnded(reason, "" if is_finished else self._tail())

    def _tail(self) -> str:
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _TAIL_BYTES))
        return self._stderr.read().decode(errors="replace").strip()
