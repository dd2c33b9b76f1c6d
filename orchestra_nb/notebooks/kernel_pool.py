"""Kernels that are there before they are asked for, in whichever process runs notebooks.

A pool starts a zygote (:mod:`orchestra_nb.notebooks.kernel_zygote`) for each interpreter with what matters to it while
it imports, and asks it for kernels. A kernel comes from there in some ten milliseconds, ready or freshly forked, runs
for one user and is never given out again. All of them end with this process. Linux only: where a kernel cannot be
forked, :class:`CannotFork` says why and the caller starts it plainly.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestra_nb.notebooks.forked_kernel import ForkedKernel

#: So many zygotes are kept; the one that was not used for longest gives way to another.
_MAX_ZYGOTES = 4
#: The system's limit for the path of a Unix socket is 107; a process id and the number of a channel come behind ours.
_LONGEST_SOCKET_FOLDER = 85
#: Longest environment that is sent without asking whether somebody reads it.
_LONGEST_LEASE_BYTES = 150_000
_PACKAGE_FOLDER = str(Path(__file__).parents[2])
_START_ZYGOTE = (
    "import sys; sys.path[:] = filter(None, sys.path); sys.path.append(sys.argv[1]); "
    "from orchestra_nb.notebooks.kernel_zygote import main; sys.path.pop(); main(sys.argv[2:])"
)
#: Options of the interpreter that have their value in the next argument.
_OPTIONS_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")
#: Variables that are read when an interpreter starts or while packages of kernels are imported: a zygote for each set
#: of values. All others a kernel takes over when it is handed out.
_READ_EARLY = (
    "BLIS_ CONDA_ CUDA_ DEBUGPY_ DYLD_ GLIBC_ GOTO_ HOME IPYTHON JUPYTER KMP_ LANG LC_ LD_ MALLOC_ MKL_ NUMEXPR_ "
    "NVIDIA_ OMP_ OPENBLAS_ OPENSSL_ PATH PYDEVD PYTHON SSL_ TZ USER VECLIB_ VIRTUAL_ENV XDG_"
).split()
#: How those begin that tell a kernel of its run, which no module reads while it is imported.
_OF_A_RUN = "ORCHESTRA_"


class CannotFork(Exception):
    """A kernel cannot be forked here; the text says why, to follow "cannot be forked:"."""


@dataclass(frozen=True, slots=True)
class KernelCommand:
    """The command of an IPython kernel.

    Parameters
    ----------
    interpreter, options
        The Python that runs it, by its path, and its own options.
    args
        What ``ipykernel_launcher`` gets beside the connection file.
    """

    interpreter: str
    options: tuple[str, ...]
    args: tuple[str, ...]

    @classmethod
    def parse(cls, command: Sequence[str], environ: Mapping[str, str]) -> KernelCommand:
        """Read the command of a kernelspec, or what jupyter_client made of it.

        Raises
        ------
        CannotFork
            It is not an IPython kernel in a Python that we can start.
        """
        rest = list(command[1:])
        options = []
        while rest and rest[0] != "-m" and rest[0].startswith("-"):
            options.append(rest.pop(0))
            if options[-1] in _OPTIONS_WITH_VALUE and rest:
                options.append(rest.pop(0))
        if rest[:2] not in (["-m", "ipykernel_launcher"], ["-m", "ipykernel"]) or "-c" in options:
            raise CannotFork(f"{' '.join(command[:4])} … is not the command of IPython's kernel")
        args = rest[2:]
        if "-f" not in args[:-1]:
            raise CannotFork("its command names no connection file with -f")
        place = args.index("-f")
        del args[place : place + 2]
        interpreter = shutil.which(command[0], path=environ.get("PATH"))
        if interpreter is None:
            raise CannotFork(f"there is no {command[0]}")
        return cls(interpreter, tuple(options), tuple(args))


class _Zygote:
    """A zygote's process and the way to it."""

    def __init__(self, command: KernelCommand, environ: Mapping[str, str], options: Sequence[str]) -> None:
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        #: whether it is another process's, which this one was forked from
        self.is_lent = False
        start = [command.interpreter, *command.options, "-c", _START_ZYGOTE, _PACKAGE_FOLDER]
        with theirs:
            self.process = subprocess.Popen(
                [*start, str(theirs.fileno()), *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
                env=dict(environ),
            )

    def send(self, request: Mapping[str, object], descriptors: Sequence[int] = ()) -> bool:
        """Send a request; False when the zygote has ended."""
        try:
            socket.send_fds(self.connection, [json.dumps(request).encode()], descriptors)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """End it, with the kernels that nobody has asked for. Kernels in use stay."""
        self.connection.close()
        if not self.is_lent:
            self.process.kill()  # it may import for a second more, and has nothing to clean up
            self.process.wait()


class KernelPool:
    """The zygotes of this process. Thread-safe.

    Parameters
    ----------
    socket_folder
        Where kernels' Unix sockets may stand: for this user alone, with a short path.
    spares
        How many kernels of a kind are kept ready; 0 for none: then kernels are forked when they are asked for.
    idle_seconds
        A zygote that nobody has asked for so long ends, with its spares.
    preload
        Modules that are imported in the zygotes, beside IPython. Then a zygote serves one environment only.
    """

    def __init__(
        self, socket_folder: Path, *, spares: int = 1, idle_seconds: float = 600.0, preload: Sequence[str] = ()
    ) -> None:
        self._socket_folder = socket_folder
        self._options = [str(spares), str(idle_seconds), *preload]
        self._preload = bool(preload)
        self._lock = threading.Lock()
        self._zygotes: OrderedDict[object, _Zygote] = OrderedDict()

    def launch(
        self,
        command: KernelCommand,
        *,
        environ: Mapping[str, str],
        cwd: str,
        stdout: int,
        stderr: int,
        connection_file: str = "",
        transport: str = "",
    ) -> ForkedKernel:
        """Ask for a kernel, and return without waiting for it.

        Parameters
        ----------
        environ
            The kernel's whole environment.
        connection_file
            What the kernel says where its connection file is.
        transport
            ``"ipc"`` (where paths allow it) or ``"tcp"``: the kernel chooses where it listens, and tells. Empty: it
            listens where the connection file says.

        Raises
        ------
        CannotFork
            There is no fork here, or no zygote.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.request(
                    command,
                    (ours, theirs),
                    environ=environ,
                    cwd=cwd,
                    stdout=stdout,
                    stderr=stderr,
                    connection_file=connection_file,
                    transport=transport,
                )
            except BaseException:
                ours.close()
                raise
        return ForkedKernel(ours)

    def request(
        self,
        command: KernelCommand,
        channel: tuple[socket.socket, socket.socket],
        *,
        environ: Mapping[str, str],
        cwd: str,
        stdout: int,
        stderr: int,
        connection_file: str = "",
        transport: str = "",
    ) -> None:
        """Ask for a kernel as :meth:`launch` does, with a channel that is there.

        Parameters
        ----------
        channel
            Both its ends. The first one is, or will be, a :class:`~orchestra_nb.notebooks.forked_kernel.ForkedKernel`
            in some process; the caller may close both.
        """
        refuse_to_fork(environ)
        lease = {
            "cwd": cwd,
            "env": dict(environ),
            "connection_file": connection_file,
            "argv": ["-f", connection_file, *command.args],
        }
        text = json.dumps(lease).encode() + b"\n"
        if len(text) > _LONGEST_LEASE_BYTES:
            raise CannotFork("its environment is too large")
        args = list(command.args) if transport else lease["argv"]
        request = {"args": args, "address": self._address(transport)}
        ours, theirs = channel
        ours.sendall(text)
        self._send(command, environ, request, (theirs.fileno(), stdout, stderr))

    def keep(self, command: KernelCommand, environ: Mapping[str, str], count: int, *, transport: str = "ipc") -> None:
        """Have so many kernels ready from now on, before the first one is asked for; with 0, what they are forked from.

        Raises
        ------
        CannotFork
            There is no fork here, or no zygote.
        """
        refuse_to_fork(environ)
        request = {"keep": count, "args": list(command.args), "address": self._address(transport)}
        self._send(command, environ, request)

    def close(self) -> None:
        """End the zygotes and their spares, and wait for it. Kernels in use stay. May be called twice."""
        with self._lock:
            zygotes, self._zygotes = list(self._zygotes.values()), OrderedDict()
        for zygote in zygotes:
            zygote.close()

    def forget(self) -> None:
        """Let go of everything in a child process, where it belongs to the parent."""
        for zygote in self._zygotes.values():
            zygote.connection.close()
            zygote.process.returncode = 0  # not ours to wait for

    def borrow(self) -> None:
        """Go on using the zygotes of the parent in a child process, without ending them."""
        self._lock = threading.Lock()
        for zygote in self._zygotes.values():
            zygote.is_lent = True
            zygote.process.returncode = 0  # not ours to wait for

    def _address(self, transport: str) -> dict[str, str]:
        if not transport:
            return {}
        if transport == "ipc" and len(str(self._socket_folder)) <= _LONGEST_SOCKET_FOLDER:
            return {"transport": "ipc", "ip": f"{self._socket_folder}/k"}
        return {"transport": "tcp", "ip": "127.0.0.1"}

    def _send(
        self,
        command: KernelCommand,
        environ: Mapping[str, str],
        request: Mapping[str, object],
        descriptors: Sequence[int] = (),
    ) -> None:
        relevant = {
            name: value
            for name, value in environ.items()
            if (self._preload and not name.startswith(_OF_A_RUN)) or name.startswith(tuple(_READ_EARLY))
        }
        key = (command.interpreter, command.options, frozenset(relevant.items()))
        with self._lock:
            zygote = self._zygotes.pop(key, None)
            if zygote is None or not zygote.send(request, descriptors):
                if zygote is not None:
                    zygote.close()
                try:
                    zygote = _Zygote(command, environ, self._options)
                except OSError as error:
                    raise CannotFork(f"{command.interpreter} cannot be started: {error}") from None
                if not zygote.send(request, descriptors):
                    zygote.close()
                    raise CannotFork("the process that forks kernels ended at once")
            self._zygotes[key] = zygote
            surplus = self._zygotes.popitem(last=False)[1] if len(self._zygotes) > _MAX_ZYGOTES else None
        if surplus is not None:
            surplus.close()


def refuse_to_fork(environ: Mapping[str, str]) -> None:
    """Raise where kernels with this environment are started plainly."""
    if sys.platform != "linux":
        raise CannotFork(f"that is done on Linux only, not on {sys.platform}")
    folders = environ.get("PYTHONPATH", "").split(os.pathsep)
    if any(folder and not os.path.isabs(folder) for folder in folders):
        raise CannotFork("PYTHONPATH has a folder that is not absolute")


_shared: KernelPool | None = None
_shared_lock = threading.Lock()
#: Whether a fork may go on using the zygotes of this process: requests are single packets, whoever sends them.
_is_lent_to_forks = False


def shared_pool() -> KernelPool:
    """Return the pool of this process, made when it is first asked for, and closed at exit.

    Raises
    ------
    CannotFork
        It is switched off.
    InvalidSetting
        There is no folder for sockets.
    """
    from orchestra_nb.runtime_folder import runtime_folder
    from orchestra_nb.settings import load_settings

    global _shared
    with _shared_lock:
        if _shared is None:
            settings = load_settings()
            if not settings.kernel_fork:
                raise CannotFork("the setting kernel_fork is off")
            _shared = KernelPool(
                runtime_folder(),
                spares=settings.kernel_spares,
                idle_seconds=settings.kernel_idle_seconds,
                preload=settings.kernel_preload.replace(",", " ").split(),
            )
        return _shared


def close_shared_pool() -> None:
    """Close the pool of this process, if there is one; the next kernel opens another."""
    global _shared
    with _shared_lock:
        pool, _shared = _shared, None
    if pool is not None:
        pool.close()


def lend_shared_pool(is_lent: bool) -> None:
    """Say whether the processes that are forked from now on may use this one's zygotes."""
    global _is_lent_to_forks
    _is_lent_to_forks = is_lent


def _forget_shared_pool() -> None:
    """Leave the pool to the process that this one was forked from."""
    global _shared, _shared_lock
    _shared_lock = threading.Lock()
    if _shared is not None and _is_lent_to_forks:
        _shared.borrow()
    elif _shared is not None:
        _shared.forget()
        _shared = None


atexit.register(close_shared_pool)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_shared_pool)
