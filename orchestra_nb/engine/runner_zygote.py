"""Forks the runners of notebooks from a process that has imported what they need: ``python -m … DESCRIPTOR``.

A process that runs more than one notebook starts it by exec and keeps it until it ends. It runs no user code, and
nor do the runners.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

from setproctitle import setproctitle

from orchestra_nb.engine.guarded_forks import fork_request, serve_forks
from orchestra_nb.engine.import_path import importing_environment

#: What a runner imports until its notebook has ended, beside its own modules.
_IMPORTS = ("IPython.display", "jupyter_client.manager", "zmq.asyncio")


class ForkedRunner:
    """The sentinel of a forked runner, as far as a :class:`subprocess.Popen` is used of it."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.stdin = stdin
        self.stdout = stdout

    def wait(self) -> None:
        """Return when it has ended."""
        while self.stdout.read(4096):
            pass


class RunnerZygote:
    """The zygote as the process sees it that runs notebooks. Thread-safe."""

    def __init__(self) -> None:
        self._is_lent = False
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                env=importing_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def fork(self, descriptors: Sequence[int], stderr: int, *, grace_seconds: float) -> ForkedRunner:
        """Fork a sentinel with a runner that gets these descriptors.

        Raises
        ------
        OSError
            The zygote is gone.
        """
        (stdin, to_stdin), (from_stdout, stdout) = os.pipe(), os.pipe()
        request = fork_request("a notebook's runner", "/", grace_seconds)
        try:
            socket.send_fds(self._connection, [request], [stdin, stdout, stderr, *descriptors])
        except OSError:
            for descriptor in (to_stdin, from_stdout):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (stdin, stdout):
                os.close(descriptor)
        return ForkedRunner(os.fdopen(to_stdin, "wb", 0), os.fdopen(from_stdout, "rb", 0))

    def close(self) -> None:
        """End the zygote; the runners stay."""
        self._connection.close()
        if not self._is_lent:
            self.process.kill()  # it may import for a second more, and has nothing to clean up
            self.process.wait()

    def forget(self) -> None:
        """Let go of it in a child process, where it belongs to the parent."""
        self._connection.close()
        self.process.returncode = 0

    def borrow(self) -> None:
        """Go on using it in a child process, without ending it."""
        self._is_lent = True
        self.process.returncode = 0


_shared: RunnerZygote | None = None
_shared_lock = threading.Lock()
#: Whether a fork may go on using the zygote of this process: requests are single packets, whoever sends them.
_is_lent_to_forks = False


def fork_runner(descriptors: Sequence[int], stderr: int, *, grace_seconds: float) -> ForkedRunner:
    """Fork from this process's zygote, which is started with the first call, and ended at exit.

    Raises
    ------
    OSError
        Forking is impossible here.
    """
    global _shared
    if sys.platform != "linux":
        raise OSError("runners are forked on Linux only")
    with _shared_lock:
        if _shared is not None:
            try:
                return _shared.fork(descriptors, stderr, grace_seconds=grace_seconds)
            except OSError:  # it was killed: another one, once
                _shared.close()
        _shared = RunnerZygote()
        return _shared.fork(descriptors, stderr, grace_seconds=grace_seconds)


def close_runner_zygote() -> None:
    """End this process's zygote, if there is one."""
    global _shared
    with _shared_lock:
        zygote, _shared = _shared, None
    if zygote is not None:
        zygote.close()


def lend_runner_zygote(is_lent: bool) -> None:
    """Say whether the processes that are forked from now on may use this one's zygote."""
    global _is_lent_to_forks
    _is_lent_to_forks = is_lent


def _forget_runner_zygote() -> None:
    global _shared, _shared_lock
    _shared_lock = threading.Lock()
    if _shared is not None and _is_lent_to_forks:
        _shared.borrow()
    elif _shared is not None:
        _shared.forget()
        _shared = None


def _become_runner(descriptors: Sequence[int], records: int) -> None:
    from orchestra_nb.notebooks.notebook_runner import run_for_host

    exit_code = 0
    try:
        os.close(records)  # there are no attempts to tell of
        run_for_host(*descriptors)
    except BaseException as error:
        exit_code = 1
        sys.stderr.write(f"the runner ends: {error!r}\n")
        raise
    finally:
        sys.stderr.flush()
        os._exit(exit_code)


def _rehearse() -> None:
    from orchestra_nb.notebooks.runner_rehearsal import rehearse

    try:
        rehearse()
    except Exception as error:  # what it would have spared is done by each runner
        sys.stderr.write(f"the runners were not rehearsed: {error!r}\n")


def main() -> None:
    """Be the zygote."""
    os.environ["SPT_NOENV"] = "1"  # the title shall not be written over the environment in /proc
    setproctitle("orchestra: starts notebook runners")
    del os.environ["SPT_NOENV"]
    connection = socket.socket(fileno=int(sys.argv[1]))
    for name in ("orchestra_nb.notebooks.notebook_runner", *_IMPORTS):
        importlib.import_module(name)
    _rehearse()
    gc.collect()
    gc.freeze()  # a collection would write to the memory that is shared
    serve_forks(connection, 3, _become_runner)


if __name__ == "__main__":
    main()
else:
    atexit.register(close_runner_zygote)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget_runner_zygote)
