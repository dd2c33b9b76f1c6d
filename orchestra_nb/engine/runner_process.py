"""The process of a notebook's runner, under its sentinel: forked or started, and one ready for the next notebook.

What is kept for a next notebook belongs to this process and ends with it: the zygotes of runners and kernels, and a
runner that waits.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Protocol

from orchestra_nb.engine.import_path import importing_environment
from orchestra_nb.engine.runner_zygote import close_runner_zygote, fork_runner, lend_runner_zygote
from orchestra_nb.engine.sentinel import guard_command
from orchestra_nb.notebooks.kernel_handover import KernelHandover
from orchestra_nb.notebooks.kernel_pool import close_shared_pool, lend_shared_pool
from orchestra_nb.settings import load_settings

_RUNNER_MODULE = "orchestra_nb.notebooks.notebook_runner"
#: What the runner may take to write the output notebook when its driver is gone or gave up, before it is killed.
_GRACE_SECONDS = 15.0

_log = logging.getLogger(__name__)


class _Guard(Protocol):
    """A sentinel: where its orders go, where its reports come from, and its end."""

    @property
    def stdin(self) -> IO[bytes] | None: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    def wait(self) -> object: ...


class RunnerProcess:
    """One runner, which waits with its imports done for its first message.

    Parameters
    ----------
    is_forked
        Whether to fork it.
    takes_kernel
        Whether its kernel comes from the pool of this process; that of a forked one does.

    Raises
    ------
    OSError
        It cannot be forked.

    Attributes
    ----------
    socket
        To the runner.
    reports
        What its sentinel says; its end means that nothing of it is left.
    stderr
        A file with what the runner itself has written.
    is_forked
        Whether it was.
    handover
        The way of a kernel to it; None where it starts its kernel itself.
    """

    def __init__(self, *, is_forked: bool, takes_kernel: bool = False) -> None:
        self.socket, theirs = socket.socketpair()
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.is_forked = is_forked
        self.handover = KernelHandover() if is_forked or takes_kernel else None
        self._guard: _Guard
        try:
            with theirs:
                self._guard = self._fork(theirs) if is_forked else self._start(theirs)
        except BaseException:
            self._close_files()
            raise
        assert self._guard.stdout is not None
        self.reports: IO[bytes] = self._guard.stdout

    @property
    def is_waiting(self) -> bool:
        """Whether it lives: one that waits says nothing."""
        return not select.select([self.socket], [], [], 0)[0]

    def let_go(self) -> None:
        """Have the sentinel end the runner and all that it started; return at once."""
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):
            self._guard.stdin.close()

    def close(self) -> None:
        """End all of it and wait until it is gone. May be called twice."""
        self.let_go()
        if not self.reports.closed:
            self._guard.wait()
        self.reports.close()
        self._close_files()

    def forget(self) -> None:
        """Let go of it in a child process, where it belongs to the parent."""
        self.let_go()
        self.reports.close()
        self._close_files()

    def _fork(self, theirs: socket.socket) -> _Guard:
        assert self.handover is not None
        descriptors = [theirs.fileno(), *self.handover.descriptors]
        return fork_runner(descriptors, self.stderr.fileno(), grace_seconds=_GRACE_SECONDS)

    def _start(self, theirs: socket.socket) -> _Guard:
        descriptors = [theirs.fileno(), *(() if self.handover is None else self.handover.descriptors)]
        command = [sys.executable, "-P", "-m", _RUNNER_MODULE, *map(str, descriptors)]
        return subprocess.Popen(
            guard_command(command, grace_seconds=_GRACE_SECONDS, pass_fds=descriptors),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            env=importing_environment(),
            pass_fds=descriptors,
            start_new_session=True,
        )

    def _close_files(self) -> None:
        self.socket.close()
        self.stderr.close()
        if self.handover is not None:
            self.handover.close()


_lock = threading.Lock()
_waiting: RunnerProcess | None = None
#: of hosts whose runner ends by itself
_ending: list[threading.Thread] = []
#: Whether this process has run a notebook, or begun to.
_has_run = False
#: Whether a process that is forked now gets the runner that waits.
_is_lent_to_forks = False


def take_runner(*, is_single: bool) -> RunnerProcess:
    """Return a runner for one notebook: the one that waits, a forked one, or one that is started.

    Parameters
    ----------
    is_single
        Whether this process is expected to run nothing else: then nothing is kept for a second notebook, until there
        is one.
    """
    global _waiting, _has_run
    with _lock:
        runner, _waiting = _waiting, None
        is_warm = _has_run or not is_single
        _has_run = True
    if runner is not None:
        if runner.is_waiting:
            return runner
        runner.close()
    if is_warm and load_settings().kernel_fork:
        try:
            return RunnerProcess(is_forked=True)
        except OSError as error:
            _log.debug("A notebook's runner could not be forked: %s", error)
    return RunnerProcess(is_forked=False)


def start_runner() -> None:
    """Have a runner start by itself for the first notebook of this process, which is about to be read."""
    global _waiting
    with _lock:
        if _waiting is None:
            _waiting = RunnerProcess(is_forked=False, takes_kernel=True)


def replace_runner(runner: RunnerProcess) -> None:
    """Have a runner ready in place of one that was forked and has done its work."""
    global _waiting
    if not runner.is_forked or _waiting is not None:
        return
    try:
        replacement = RunnerProcess(is_forked=True)
    except OSError:
        return
    with _lock:
        if _waiting is None:
            _waiting, replacement = replacement, None  # type: ignore[assignment]
    if replacement is not None:
        replacement.close()


def keep_runner() -> None:
    """Have a forked runner ready for the next notebook, where that is possible and wanted."""
    global _waiting
    if not load_settings().kernel_fork:
        return
    with _lock:
        if _waiting is not None and not _waiting.is_waiting:
            _waiting.close()
            _waiting = None
        if _waiting is None:
            with contextlib.suppress(OSError):
                _waiting = RunnerProcess(is_forked=True)


@contextlib.contextmanager
def lent_to_fork() -> Iterator[None]:
    """Give what is kept to a process that is forked inside: the runner that waits for good, the zygotes to use."""
    global _waiting, _is_lent_to_forks
    parent = os.getpid()
    _is_lent_to_forks = True
    lend_runner_zygote(True)
    lend_shared_pool(True)
    try:
        yield
    finally:
        _is_lent_to_forks = False
        lend_runner_zygote(False)
        lend_shared_pool(False)
        if os.getpid() == parent and _waiting is not None:
            _waiting.forget()
            _waiting = None


def leave_to_end(ending: threading.Thread) -> None:
    """Have this process wait at its end for a thread that waits for the end of a runner."""
    with _lock:
        _ending[:] = [thread for thread in _ending if thread.is_alive()]
        _ending.append(ending)


def end_warm_processes() -> None:
    """End all that this process keeps for a next notebook: runner, zygotes, kernels. The next one makes them anew."""
    global _waiting
    for thread in list(_ending):
        thread.join()
    with _lock:
        runner, _waiting = _waiting, None
    if runner is not None:
        runner.close()
    close_runner_zygote()
    close_shared_pool()


def _forget_in_child() -> None:
    global _waiting, _lock, _has_run
    _lock = threading.Lock()
    _has_run = False
    _ending.clear()
    if _waiting is not None and not _is_lent_to_forks:
        _waiting.forget()
        _waiting = None


atexit.register(end_warm_processes)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
