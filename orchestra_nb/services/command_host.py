"""Runs commands of the shell in processes that are there before they are asked for.

The host has imported what commands need and has no thread. It keeps one forked process that waits for a caller, with a
notebook's runner and a kernel ready beside it; whoever is taken becomes the caller's command, with its terminal,
folder, environment and exit code, and another takes its place. A process serves one command. Linux only.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import json
import logging
import multiprocessing.connection
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from setproctitle import setproctitle

from orchestra_nb.engine import runner_process
from orchestra_nb.errors import Conflict
from orchestra_nb.services.command_socket import GO, LENGTH, command_socket, fitting_socket, peer_user
from orchestra_nb.short_process import end_process, flush_streams

#: A process that waits for a caller and ends without one is not replaced sooner.
_PAUSE_SECONDS = 1.0
#: How long a caller may take to send its request.
_REQUEST_SECONDS = 5.0
_LONGEST_REQUEST_BYTES = 4 * 1024 * 1024
_ENDS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 130

_log = logging.getLogger(__name__)


class CommandHost:
    """Listens for commands until it is told to end. Belongs to the main thread of a process without others.

    Parameters
    ----------
    run
        Runs a command line (``sys.argv``) in a process of its own and returns the exit code.
    prepare
        Called before a process is forked, to start what it will need.
    refresh
        Called now and then while a process waits, so that what it will need does not end for want of use.
    refresh_seconds
        How often, but not more often than once a second.
    lifeline
        A descriptor: when it can be read, or has ended, the host ends; None for a host that nobody keeps.

    Raises
    ------
    Conflict
        There is a host for callers like this process.
    InvalidSetting
        There is no folder for sockets, or its path is too long.

    Attributes
    ----------
    path
        The socket on which it listens.
    """

    def __init__(
        self,
        run: Callable[[Sequence[str]], int],
        prepare: Callable[[], None],
        refresh: Callable[[], None],
        refresh_seconds: float,
        lifeline: int | None = None,
    ) -> None:
        self._keeper = () if lifeline is None else (lifeline,)
        self._run = run
        self._prepare = prepare
        self._refresh = refresh
        self._refresh_seconds = max(refresh_seconds, _PAUSE_SECONDS)
        _open_missing_streams()
        self.path = fitting_socket()
        self._lock = _lock_file(self.path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path.unlink(missing_ok=True)  # of a host that was killed
        self._listener.bind(str(self.path))
        self.path.chmod(0o600)
        self._listener.listen(64)
        #: ends with this process, however that ends: whoever waits for a caller ends then, too
        self._lifeline, self._life = os.pipe()
        #: descriptor of a process that was forked, readable when it has ended, to its id
        self._children: dict[int, int] = {}
        self._taken = -1

    def serve(self) -> bool:
        """Serve until SIGTERM or Ctrl-C. The commands that run then go on to their end.

        Returns
        -------
        bool
            True when nobody can come any more: packages have changed since the host began, or its limits have.
        """
        gc.collect()
        gc.freeze()  # a collection would write to the memory that is shared
        signal.signal(signal.SIGTERM, _end)
        try:
            while not self._is_outdated:
                began = time.monotonic()
                if not self._serve_one():
                    time.sleep(max(0.0, _PAUSE_SECONDS - (time.monotonic() - began)))
            return True
        except (KeyboardInterrupt, SystemExit):
            return False
        finally:
            self._close()

    @property
    def _is_outdated(self) -> bool:
        return command_socket() != self.path

    def _serve_one(self) -> bool:
        """Have a process wait for a caller; return when one has come, or when none can. False: to be tried later."""
        try:
            self._prepare()
            self._fork()
        except OSError as error:  # a limit is reached for now
            _log.warning("No process can be kept ready for a command: %s", error)
            return False
        return self._is_taken()

    def _fork(self) -> None:
        """Fork the next process that waits, and lend it the runner and the ways to the zygotes."""
        if self._taken >= 0:
            os.close(self._taken)
            self._taken = -1
        self._taken, tell = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # else the child might end as if it were the host
        try:
            with runner_process.lent_to_fork():
                pid = os.fork()
            if pid == 0:
                for descriptor in (self._taken, self._life, *self._children):
                    os.close(descriptor)
                self._lock.close()
                _Command(self._run, self._listener, tell, self._lifeline).wait()
            self._children[os.pidfd_open(pid)] = pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
            os.close(tell)

    def _is_taken(self) -> bool:
        """Wait until a caller has come, or none can; False when the process that waited has ended."""
        while True:
            readable = multiprocessing.connection.wait(
                [self._taken, *self._children, *self._keeper], self._refresh_seconds
            )
            if set(readable) & set(self._keeper):
                raise SystemExit(0)
            if not readable:
                if self._is_outdated:
                    return True
                self._refresh()
            for ended in self._children.keys() & set(readable):
                os.waitpid(self._children.pop(ended), 0)
                os.close(ended)
            if self._taken in readable:
                return bool(os.read(self._taken, 1))

    def _close(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener.close()
        os.close(self._life)
        os.close(self._lifeline)
        runner_process.end_warm_processes()
        self._lock.close()


class _Command:
    """What a forked process of the host does: it waits for a caller, and becomes its command."""

    def __init__(self, run: Callable[[Sequence[str]], int], listener: socket.socket, tell: int, lifeline: int) -> None:
        self._run = run
        self._listener = listener
        self._tell = tell
        self._lifeline = lifeline

    def wait(self) -> None:
        """Wait for a caller, run its command and end."""
        exit_code = 1
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
            setproctitle("orchestra: waits for a command")
            readable = multiprocessing.connection.wait([self._listener.fileno(), self._lifeline])
            if self._listener.fileno() not in readable:
                return
            caller, _ = self._listener.accept()
            self._listener.close()
            os.close(self._lifeline)
            os.write(self._tell, b"t")
            os.close(self._tell)
            exit_code = self._serve(caller)
        finally:
            end_process(exit_code)

    def _serve(self, caller: socket.socket) -> int:
        request = _received(caller)
        if request is None:
            return 1
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # until somebody is there to be interrupted
        caller.sendall(json.dumps({"pid": os.getpid()}).encode())
        if caller.recv(1) != GO:
            return 1
        caller.settimeout(None)
        has_ended = threading.Event()
        watch = threading.Thread(target=_end_with, args=(caller, has_ended), name="orchestra-caller", daemon=True)
        watch.start()
        exit_code = _INTERRUPTED
        try:
            _become(request)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
            exit_code = self._run(request["argv"])
        except KeyboardInterrupt:
            pass
        except BaseException as error:  # nobody is above this: told as the interpreter would tell it
            sys.excepthook(type(error), error, error.__traceback__)
            exit_code = 1
        with contextlib.suppress(KeyboardInterrupt):
            problem = flush_streams()
            exit_code = exit_code or problem
        has_ended.set()
        with contextlib.suppress(OSError):
            caller.sendall(json.dumps({"exit_code": exit_code}).encode())
            caller.shutdown(socket.SHUT_WR)
        return exit_code


def _received(caller: socket.socket) -> dict[str, Any] | None:
    """Return what a caller asks for, with its streams in place of ours; None when it is no caller of ours."""
    if peer_user(caller) != os.getuid():
        return None
    caller.settimeout(_REQUEST_SECONDS)
    head, streams, _, _ = socket.recv_fds(caller, LENGTH.size, 3)
    if len(head) < LENGTH.size or len(streams) != 3:
        return None
    (length,) = LENGTH.unpack(head)
    if length > _LONGEST_REQUEST_BYTES:
        return None
    with caller.makefile("rb", buffering=0) as file:
        text = b""
        while len(text) < length:
            chunk = file.read(length - len(text))
            if not chunk:
                return None
            text += chunk
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    request: dict[str, Any] = json.loads(text)
    return request


def _become(request: dict[str, Any]) -> None:
    """Have what the caller has: streams, folder, environment."""
    sys.stdin = sys.__stdin__ = _input(sys.stdin)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1, sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, sys.stderr)  # type: ignore[misc]
    os.chdir(request["cwd"])
    environ = request["environ"]
    for name in [name for name in os.environ if name not in environ]:
        del os.environ[name]
    os.environ.update(environ)
    tempfile.tempdir = None
    sys.argv[:] = request["argv"]
    title = " ".join(["orchestra", *request["argv"][1:]])
    setproctitle(title.encode(errors="replace").decode())  # a file's name may be no text


def _input(like: Any) -> io.TextIOWrapper:
    buffer = io.BufferedReader(io.FileIO(0, closefd=False))
    return io.TextIOWrapper(buffer, _encoding(like), getattr(like, "errors", None))


def _stream(number: int, like: Any) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
    is_terminal = os.isatty(number)
    return io.TextIOWrapper(
        buffer, _encoding(like), getattr(like, "errors", None), line_buffering=is_terminal or number == 2
    )


def _encoding(stream: Any) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _end_with(caller: socket.socket, has_ended: threading.Event) -> None:
    """End at once when the caller is gone, as a command does whose process is killed; its run is then looked after."""
    with contextlib.suppress(OSError):
        while caller.recv(4096):
            pass
    if not has_ended.is_set():
        os.kill(os.getpid(), signal.SIGKILL)


def _open_missing_streams() -> None:
    """Open what this process was started without, or else descriptors of ours would stand in for the streams."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, this one


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)


def _lock_file(path: Path) -> IO[bytes]:
    file = path.with_suffix(".lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Conflict("A service like this one is up already: `orchestra run` finds it.") from None
    return file
