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
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from orchestra_nb.engine.runner_process import leave_to_end, replace_runner, take_runner
from orchestra_nb.engine.sentinel import RECORDS_VARIABLE, describe_exit
from orchestra_nb.notebooks.kernel_pool import close_shared_pool
from orchestra_nb.notebooks.runner_messages import (
    Finished,
    FromRunner,
    Prepare,
    RunnerSpec,
    ToRunner,
    decode_from_runner,
    encode_message,
)

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

    Messages to the runner are sent by a thread: an exception that comes into the driver's own thread, such as Ctrl-C,
    would leave a large one cut off, and the runner could read nothing any more.

    The process starts with the object and waits, with its imports done, for :meth:`prepare`: a driver makes one before
    it reads the notebook, and closes it when there is nothing to run.

    Runner and kernel are forked where that is possible, from processes that a first host starts and that stay until
    this process ends.

    Parameters
    ----------
    environ
        The runner's environment, and its kernel's, beside what the notebook's spec says; None for that of this process.
    is_single
        Whether this process is expected to run nothing else: then nothing is kept for a second notebook, until there
        is one.

    Attributes
    ----------
    inbox
        What the runner says, then one :class:`RunnerEnded`; and whatever others put into it.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, *, is_single: bool = False) -> None:
        self.inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._environ = dict(os.environ if environ is None else environ)
        self._environ.pop(RECORDS_VARIABLE, None)
        self._is_single = is_single
        self._runner = take_runner(is_single=is_single)
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="orchestra-runner", daemon=True)
        self._writer = threading.Thread(target=self._write, name="orchestra-to-runner", daemon=True)
        self._reader.start()
        self._writer.start()

    def prepare(self, spec: RunnerSpec) -> None:
        """Have the kernel started; the cells wait for :class:`~orchestra_nb.notebooks.runner_messages.Begin`."""
        connection_file = ""
        if self._runner.handover is not None:
            environ = {**self._environ, **spec.environ}
            connection_file = self._runner.handover.launch(spec.kernel_name, spec.run_id, environ=environ, cwd=spec.cwd)
            if self._is_single and not connection_file:
                close_shared_pool()  # what was started for another kernel would be in the way of this one's start
        self.send(Prepare(spec, json.dumps(self._environ), connection_file))

    def send(self, message: ToRunner) -> None:
        """Send a message; when the runner is gone, its :class:`RunnerEnded` is in the inbox or about to be."""
        self._outbox.put(encode_message(message))

    def let_go(self) -> None:
        """Have the sentinel end runner, kernel and all that they started; return at once."""
        self._runner.let_go()

    def close(self) -> None:
        """End all of it and wait until it is gone. May be called twice."""
        self.let_go()
        self._reader.join()

    def leave(self) -> None:
        """Leave the runner, which has done its work and whose kernel is gone, to end by itself."""
        leave_to_end(self._reader)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (line := self._outbox.get()) is not None:
                self._runner.socket.sendall(line)

    def _read(self) -> None:
        is_finished = False
        with self._runner.socket.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # it was killed while it wrote
                message: FromRunner = decode_from_runner(line)
                is_finished = is_finished or isinstance(message, Finished)
                self.inbox.put(message)
        # the end of the sentinel's reports: no descendant is left
        end = self._read_reports(is_finished)
        self._outbox.put(None)
        self._writer.join()
        self._runner.close()
        self.inbox.put(end)
        if not self._is_single:
            replace_runner(self._runner)

    def _read_reports(self, is_finished: bool) -> RunnerEnded:
        reason = "its sentinel was killed"
        for line in self._runner.reports:
            report = json.loads(line)
            if "exited" in report:
                reason = describe_exit(report["exited"]["exit_code"], report["exited"]["signal"])
            elif "error" in report:
                reason = report["error"]
        return RunnerEnded(reason, "" if is_finished else self._tail())

    def _tail(self) -> str:
        size = self._runner.stderr.seek(0, os.SEEK_END)
        self._runner.stderr.seek(max(0, size - _TAIL_BYTES))
        return self._runner.stderr.read().decode(errors="replace").strip()
