"""The process from which kernels are forked: IPython is imported in it, and nothing runs.

:mod:`orchestra_nb.notebooks.kernel_pool` starts it by exec, in the interpreter of the kernelspec, which need not have
this package installed: standard library and ipykernel only, no zmq context, no loop, no thread. Between it and each
kernel stands a *keeper*, forked from it too: parent and child-subreaper, which runs no user code, tells how the kernel
ended, and ends all that it left behind.

Protocol
--------
*Requests* come over a socket of packets, which is also the zygote's lifeline:

- ``{"args": [...], "address": {...}}`` with three descriptors, the kernel's channel, its stdout and its stderr: a
  kernel with these arguments of ``ipykernel_launcher`` and this ``transport`` and ``ip``, or none where the arguments
  name a connection file. An ``ip`` of a Unix socket is a prefix, to which the process id is added.
- ``{"keep": n, "args": [...], "address": {...}}``: have ``n`` such kernels ready from now on; 0 asks for nothing.

*The channel* is a stream of JSON objects, one a line. Its other end may be handed from process to process; when nobody
holds it any more the kernel is killed. First comes ``{"cwd", "env", "connection_file", "argv"}``, then any number of
``{"signal": number}``, which the kernel's process group gets. The keeper answers with
``{"ready": {"pid", "connection"}}`` as soon as the kernel listens, ``{"exited": {"exit_code", "signal"}}`` at its end,
and the end of the file when no descendant is left; or with ``{"failed": reason}``.

A *spare* is a kernel that is ready before it is asked for. It has bound its sockets but run nothing of the user's: it
goes to its folder, takes its environment and its streams, and runs start-up files only when it is handed out.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from orchestra_nb.notebooks.forked_application import Address, import_all, prime_caches, read_command_line
from orchestra_nb.notebooks.kernel_keeper import KernelKeeper
from orchestra_nb.notebooks.process_tree import GoOnAs, set_title

_PACKET_BYTES = 65536
#: A spare is forked so long after a kernel was handed out: the kernel's first cells have the processor first.
_REFILL_SECONDS = 0.1
#: Spares are kept from the second kernel on: many processes want only one.
_LAUNCHES_BEFORE_SPARES = 2
#: Imported by every kernel until its first cell has run, besides ``ipykernel.kernelapp``.
_IMPORTS = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "faulthandler",
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "pdb",
    "sqlite3",
    "tornado.platform.asyncio",
)


class _Spare:
    """A kernel that waits, as the zygote knows it: the way to its keeper, and what it was made for."""

    def __init__(self, keeper: socket.socket, kind: tuple[Sequence[str], Address]) -> None:
        self.keeper = keeper
        self.kind = kind


class KernelZygote:
    """Forks keepers on request, and keeps spares.

    Parameters
    ----------
    limit
        How many spares are kept, of the kind that was asked for last.
    idle_seconds
        The zygote ends when nobody has asked for so long.
    """

    def __init__(self, connection: socket.socket, limit: int, idle_seconds: float) -> None:
        self._connection = connection
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._spares: list[_Spare] = []
        self._launches = 0
        self._kind: tuple[Sequence[str], Address] | None = None
        self._refill_at: float | None = None
        self._failure = ""
        self._state_of_packages = _state_of_packages()

    def prepare(self, preload: Sequence[str]) -> None:
        """Import what kernels need, and modules that the user named."""
        gc.disable()  # of what imports make next to nothing is garbage
        import_all(["ipykernel.kernelapp", *_IMPORTS, *preload])
        if "ipykernel.kernelapp" not in sys.modules:
            self._failure = f"ipykernel cannot be imported in {sys.executable}"
            return
        launcher = importlib.util.find_spec("ipykernel_launcher")
        package = os.path.dirname(str(sys.modules["ipykernel"].__file__))
        if launcher is None or os.path.dirname(str(launcher.origin)) != os.path.dirname(package):
            self._failure = "ipykernel_launcher is not the one of ipykernel"
            return
        try:
            prime_caches()
        except Exception:  # of another version: each kernel makes what it needs
            pass
        gc.freeze()  # a collection would write to the memory that is shared
        gc.enable()

    def serve(self) -> None:
        """Answer requests until the lifeline ends, or nobody has asked for long."""
        idle_at = time.monotonic() + self._idle_seconds
        while True:
            wake_at = idle_at if self._refill_at is None else min(idle_at, self._refill_at)
            sockets = [self._connection, *(spare.keeper for spare in self._spares)]
            readable, _, _ = select.select(sockets, [], [], max(0.0, wake_at - time.monotonic()))
            self._forget([spare for spare in self._spares if spare.keeper in readable])
            if self._connection in readable:
                packet, descriptors, _, _ = socket.recv_fds(self._connection, _PACKET_BYTES, 3)
                if not packet:
                    return
                idle_at = time.monotonic() + self._idle_seconds
                if not self._take(json.loads(packet), descriptors):
                    return
            elif self._refill_at is not None and self._refill_at <= time.monotonic():
                self._refill()
            elif time.monotonic() >= idle_at:
                return

    def _take(self, request: dict[str, Any], descriptors: list[int]) -> bool:
        """Do what is asked; False when this zygote is of no use any more."""
        kind = (request["args"], request["address"])
        refusal = self._failure
        if not refusal and _state_of_packages() != self._state_of_packages:
            refusal = "packages were installed or removed since it started"
        if refusal:
            self._connection.close()  # before it is known, so that what is asked for next goes to another zygote
            for descriptor in descriptors[:1]:
                os.write(descriptor, json.dumps({"failed": refusal}).encode() + b"\n")
        elif request.get("keep") == 0:
            pass  # it is there
        elif "keep" in request:
            self._limit = max(self._limit, request["keep"])
            self._kind, self._refill_at = kind, time.monotonic()
        else:
            self._launch(kind, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return not refusal

    def _launch(self, kind: tuple[Sequence[str], Address], descriptors: list[int]) -> None:
        self._launches += 1
        if kind[1] and self._launches >= _LAUNCHES_BEFORE_SPARES and self._refill_at is None:
            self._kind, self._refill_at = kind, time.monotonic() + _REFILL_SECONDS
        for spare in [spare for spare in self._spares if spare.kind == kind]:
            try:
                socket.send_fds(spare.keeper, [b"lease"], descriptors)
            except OSError:  # it ended a moment ago
                continue
            finally:
                self._forget([spare])
            return
        self._fork(kind, None, descriptors)
        if self._refill_at is not None:  # they are asked for faster than they come
            self._refill_at = time.monotonic()

    def _refill(self) -> None:
        """Fork one spare, and look again at once when there should be more."""
        assert self._kind is not None
        kind = self._kind
        self._forget([spare for spare in self._spares if spare.kind != kind])
        self._refill_at = None
        if len(self._spares) >= self._limit:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._spares.append(_Spare(ours, kind))
        self._fork(kind, theirs, [])
        theirs.close()
        if len(self._spares) < self._limit:
            self._refill_at = time.monotonic()

    def _forget(self, spares: list[_Spare]) -> None:
        """Let go of spares; those that have not been handed out end."""
        for spare in spares:
            spare.keeper.close()
            self._spares.remove(spare)

    def _fork(self, kind: tuple[Sequence[str], Address], zygote: socket.socket | None, descriptors: list[int]) -> None:
        args, address = kind
        if address:
            read_command_line(tuple(args))  # for all that are forked from here
        if os.fork() == 0:
            self._connection.close()
            self._forget(list(self._spares))
            raise GoOnAs(KernelKeeper(kind, zygote, descriptors).run)


def _state_of_packages() -> list[tuple[str, int]]:
    """Return what changes when a package is installed or removed."""
    state = []
    for path in sys.path:
        if os.path.basename(path) in ("site-packages", "dist-packages"):
            try:
                state.append((path, os.stat(path).st_mtime_ns))
            except OSError:
                pass
    return state


def main(arguments: Sequence[str]) -> None:
    """Be a zygote: ``DESCRIPTOR LIMIT IDLE_SECONDS [MODULE …]``; in its children, what they become."""
    descriptor, limit, idle_seconds, *preload = arguments
    zygote = KernelZygote(socket.socket(fileno=int(descriptor)), int(limit), float(idle_seconds))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps keepers
    os.environ["SPT_NOENV"] = "1"  # the title shall not be written over the environment in /proc
    set_title("orchestra: starts kernels")
    del os.environ["SPT_NOENV"]
    zygote.prepare(preload)
    role: Callable[[], None] | None = zygote.serve
    while role is not None:
        try:
            role()
            role = None
        except GoOnAs as become:
            role = become.role
