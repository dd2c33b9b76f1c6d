"""A process that is kept up: started again when it ends, each time a little later, and ended with its keeper."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 60.0
#: What was up for so long did not fail at its start.
_STEADY_SECONDS: Final = 30.0
#: Signals that follow each other at once may be taken for one.
_BETWEEN_SIGNALS_SECONDS: Final = 0.2

#: With this exit code a process says that it would end so again, however often it is started (EX_CONFIG of sysexits.h).
USELESS_EXIT_CODE: Final = 78

_log = logging.getLogger(__name__)


class KeptProcess:
    """Keeps a command up in a thread, until it is closed.

    The command's stdin is its lifeline: at its end, which comes also when the keeper is killed, it has to end. It says
    that it is ready by a line on stdout.

    Parameters
    ----------
    name
        What people call it.
    on_line
        Called, in any thread, with each line that it writes to stdout later.
    """

    def __init__(self, name: str, command: Sequence[str], on_line: Callable[[bytes], None] | None = None) -> None:
        self._name = name
        self._on_line = on_line
        self._command = list(command)
        self._is_given_up = False
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=f"orchestra-keep-{name}", daemon=True)
        self._thread.start()

    def wait_until_ready(self, timeout_seconds: float) -> bool:
        """Return whether it is ready, after the time at the latest."""
        return self._ready.wait(timeout_seconds)

    @property
    def is_up(self) -> bool:
        """Whether it runs, and has said that it is ready."""
        process = self._process
        return self._ready.is_set() and process is not None and process.poll() is None

    @property
    def is_given_up(self) -> bool:
        """Whether it said that it is useless to start it again."""
        return self._is_given_up

    def close(self) -> None:
        """End it, and wait until it has ended. May be called twice."""
        with self._lock:
            self._closing.set()
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
        self._thread.join()

    def hurry(self) -> None:
        """Tell it that there is no time left, while :meth:`close` waits: by signals more than the first one."""
        process = self._process
        for _ in range(2):
            if process is not None and process.poll() is None:
                process.terminate()
            time.sleep(_BETWEEN_SIGNALS_SECONDS)

    def _keep(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._closing.is_set():
            began, code = time.monotonic(), -1
            try:
                code = self._run()
                end = f"exit {code}"
            except OSError as error:  # the environment is being installed anew, or the system gives no process now
                end = str(error)
            if self._closing.is_set():
                return
            if code == USELESS_EXIT_CODE:
                self._is_given_up = True
                _log.warning("The %s ended, and is not started again.", self._name)
                return
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            _log.warning("The %s ended (%s) and is started again.", self._name, end)
            self._closing.wait(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)

    def _run(self) -> int:
        with self._lock:
            if self._closing.is_set():
                return 0
            process = self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, process.stdout:
            if process.stdout.readline():
                self._ready.set()
                self._listen(process.stdout.fileno())
            try:
                return process.wait()
            finally:
                self._ready.clear()

    def _listen(self, stdout: int) -> None:
        """Pass its lines on in a thread of their own, since a child that outlives it may hold its stdout open."""
        if self._on_line is not None:
            told = os.dup(stdout)
            threading.Thread(target=_read_lines, args=(told, self._on_line), name="orchestra-told", daemon=True).start()


def _read_lines(descriptor: int, on_line: Callable[[bytes], None]) -> None:
    with open(descriptor, "rb") as lines:
        for line in lines:
            on_line(line)
