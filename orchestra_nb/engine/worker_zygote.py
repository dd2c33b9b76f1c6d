"""Forks the guarded workers of the local cluster from a process that has imported what they need.

A worker is there in some ten milliseconds, where it would import Dask for half a second, and shares the memory of what
was imported. The cluster's host forks the zygote before it has a thread or a loop, and the zygote never gets one. For
each worker it forks a sentinel, and that the worker. Linux only.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from setproctitle import setproctitle

from orchestra_nb.engine.guarded_forks import fork_request, serve_forks
from orchestra_nb.engine.worker_process import be_worker

_READ_BYTES = 65536


class ForkedSentinel:
    """A sentinel that the zygote forked, with the streams of a subprocess."""

    def __init__(
        self, stdin: asyncio.WriteTransport, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr

    async def wait(self) -> None:
        """Return when it and all that it guarded have ended."""
        while await self.stdout.read(_READ_BYTES):
            pass


class WorkerZygote:
    """The zygote as the cluster's host sees it.

    Parameters
    ----------
    connection
        To the zygote's process; it ends with this.
    """

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self.pid = pid

    @classmethod
    def fork(cls, foreign: Iterable[int]) -> WorkerZygote:
        """Import what workers need, and fork; called while this process has one thread.

        Parameters
        ----------
        foreign
            Descriptors of the host that the zygote must not keep open.
        """
        from distributed import Worker  # noqa: F401  what takes the time

        from orchestra_nb.engine import local_certificates, worker_plugin  # noqa: F401

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gc.freeze()  # a collection would write to the memory that is shared
        if pid := os.fork():
            theirs.close()
            gc.unfreeze()
            return cls(ours, pid)
        try:
            ours.close()
            for descriptor in foreign:
                os.close(descriptor)
            setproctitle("orchestra: starts workers")
            serve_forks(theirs, 1, _become_worker)
        finally:
            os._exit(1)

    async def start(self, name: str, folder: Path, order: int, *, grace_seconds: float, limit: int) -> ForkedSentinel:
        """Fork a sentinel with a worker that reads its order from this descriptor.

        Raises
        ------
        OSError
            The zygote is gone.
        """
        loop = asyncio.get_running_loop()
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = os.pipe(), os.pipe(), os.pipe()
        request = fork_request(name, str(folder), grace_seconds)
        try:
            socket.send_fds(self._connection, [request], [stdin, stdout, stderr, order])
        except OSError:
            for descriptor in (to_stdin, from_stdout, from_stderr):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)
        readers = [await _read(descriptor, limit) for descriptor in (from_stdout, from_stderr)]
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(to_stdin, "wb", 0))
        return ForkedSentinel(transport, *readers)

    def close(self) -> None:
        """End the zygote; what it forked stays."""
        self._connection.close()
        os.waitpid(self.pid, 0)


async def _read(descriptor: int, limit: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))
    return reader


def _become_worker(descriptors: Sequence[int], records: int) -> None:
    (order,) = descriptors
    be_worker(order, records)
