"""The process of one kernel, started by jupyter_client, and its end seen at once.

jupyter_client's manager starts it, so that every kernelspec and every provisioner works. It learns of a dead kernel by
asking ten times a second; here a pidfd tells it in the same instant, with the exit code or the signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_nb.notebooks.forked_kernel import ForkedKernel
from orchestra_nb.notebooks.headless_kernels import headless_args

_log = logging.getLogger(__name__)

#: How much of what the kernel's process itself wrote is kept, to be told when it dies.
_TAIL_BYTES = 4_000
#: What a pipe holds (Linux).
_PIPE_BYTES = 65_536
#: The system's limit for the path of a Unix socket is 107; jupyter_client adds a number to ours.
_LONGEST_SOCKET_PATH = 95


@dataclass(frozen=True, slots=True)
class KernelDeath:
    """How a kernel's process ended. Code and signal are both None where a provisioner cannot tell.

    ``tail`` is the last of what the process itself wrote: a crash report, an import that failed.
    """

    exit_code: int | None
    signal_name: str | None
    tail: str = ""

    def __str__(self) -> str:
        """Return it in people's words, to follow "the kernel"."""
        if self.signal_name is not None:
            return f"died ({self.signal_name})"
        return "died" if self.exit_code is None else f"exited with {self.exit_code}"


class KernelProcess:
    """One kernel's process. All methods belong to the event loop in which it was launched.

    Attributes
    ----------
    manager
        jupyter_client's manager: its session signs messages, its ports are where the kernel listens.
    is_ipykernel
        Whether it is IPython's own kernel.
    death
        Resolves when the process has ended, however it did.
    """

    def __init__(self, manager: Any, *, is_ipykernel: bool) -> None:
        self.manager = manager
        self.is_ipykernel = is_ipykernel
        self.death: asyncio.Future[KernelDeath] = asyncio.get_running_loop().create_future()
        self._process: Any = None
        #: a forked kernel, and the moment when nothing of it is left
        self._forked: ForkedKernel | None = None
        self._gone = asyncio.Event()
        self._heard = asyncio.Event()
        #: the descriptor of its channel
        self._channel = -1
        self._tail = b""
        self._pipe: int | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def launch(
        cls, kernel_name: str, *, cwd: str, environ: Mapping[str, str], ipc_folder: str | None = None
    ) -> KernelProcess:
        """Start a kernel; do not wait until it answers.

        Parameters
        ----------
        environ
            The kernel's whole environment.
        ipc_folder
            Where the sockets of a kernel may stand that is known to understand Unix sockets (their names cannot clash
            and nobody else can connect). Other kernels, and all where this is None, listen on loopback.
        """
        from jupyter_client.manager import AsyncKernelManager

        manager = AsyncKernelManager(kernel_name=kernel_name)
        spec = manager.kernel_spec
        kernel = cls(manager, is_ipykernel=spec is not None and "ipykernel_launcher" in spec.argv)
        extra = headless_args(spec.argv, {**environ, **spec.env}) if spec is not None and kernel.is_ipykernel else []
        if kernel.is_ipykernel and ipc_folder is not None and len(ipc_folder) < _LONGEST_SOCKET_PATH:
            manager.transport = "ipc"
            manager.ip = os.path.join(ipc_folder, f"k{os.getpid()}")
        read_end, write_end = os.pipe()
        kernel._read_tail_of(read_end)
        try:
            await manager.start_kernel(
                cwd=cwd,
                env=dict(environ),
                stdout=write_end,
                stderr=write_end,
                extra_arguments=extra,
            )
        except BaseException:
            await kernel.release()
            raise
        finally:
            os.close(write_end)
        kernel._process = getattr(manager.provisioner, "process", None)
        kernel._watch()
        return kernel

    @classmethod
    async def take(
        cls, channel: socket.socket, tail: int, connection_file: str, *, manager: Any, timeout_seconds: float
    ) -> KernelProcess | None:
        """Take over a kernel that another process has asked its pool for, as soon as it listens.

        Parameters
        ----------
        channel, tail
            The runner's ends of a :class:`~orchestra_nb.notebooks.kernel_handover.KernelHandover`.
        manager
            Of :meth:`make_manager`.

        Returns
        -------
        None when there is none, or not in time: it could not be forked.
        """
        forked = ForkedKernel(channel)
        manager.connection_file = connection_file
        kernel = cls(manager, is_ipykernel=True)
        kernel._forked = forked
        kernel._read_tail_of(tail)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await kernel._hear_of_fork()
        finally:
            if forked.connection is None and not forked.is_gone:
                asyncio.get_running_loop().remove_reader(forked)
                forked.close()
        if forked.connection is None:
            _log.debug("The kernel could not be forked: %s", forked.failure or "it ended while it was started")
            await kernel.release()
            return None
        kernel.manager.load_connection_info(forked.connection)
        kernel.manager.write_connection_file()
        return kernel

    @staticmethod
    def make_manager() -> Any:
        """Return what a kernel will be taken over with; it takes some milliseconds and may be made ahead."""
        from jupyter_client.manager import AsyncKernelManager

        manager = AsyncKernelManager()
        manager.session.msg("kernel_info_request")  # the session makes what it needs
        return manager

    @property
    def is_gone(self) -> bool:
        """Whether nothing that the kernel started is left either; known only of forked ones."""
        return self._gone.is_set()

    def url(self, port: int) -> str:
        """Return the address of one of the kernel's sockets."""
        separator = "-" if self.manager.transport == "ipc" else ":"
        return f"{self.manager.transport}://{self.manager.ip}{separator}{port}"

    async def interrupt(self) -> None:
        """Interrupt what the kernel is doing, as its kernelspec says: by SIGINT or by a message."""
        if self._forked is not None:
            self._forked.send_signal(signal.SIGINT)
            self._take_news()
        elif not self.death.done():
            await self.manager.interrupt_kernel()

    async def kill(self) -> None:
        """Kill the kernel's process group now and wait for its end."""
        if self._forked is not None:
            self._forked.kill()
            self._take_news()
            await self._gone.wait()
        elif not self.death.done():
            await self.manager.provisioner.kill()
            await self.death

    async def release(self) -> None:
        """Remove what the manager left: connection file, sockets. The process must have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close_pipe()
        with contextlib.suppress(OSError):
            await self.manager.cleanup_resources()

    async def _hear_of_fork(self) -> None:
        """Wait until a forked kernel listens or is known to come to nothing; hear of its end from then on."""
        forked, loop = self._forked, asyncio.get_running_loop()
        assert forked is not None
        self._channel = forked.fileno()
        loop.add_reader(self._channel, self._take_news)
        while not forked.is_ready and not forked.is_gone:
            self._heard.clear()
            await self._heard.wait()

    def _take_news(self) -> None:
        """Hear what there is of a forked kernel; also after a signal was sent, which may have taken the last news."""
        forked = self._forked
        assert forked is not None
        forked.poll()
        if forked.is_gone and not self._gone.is_set():
            asyncio.get_running_loop().remove_reader(self._channel)
            self._gone.set()
        if forked.returncode is not None and forked.is_ready:
            self._tell_death(forked.returncode)
        self._heard.set()

    def _watch(self) -> None:
        if self._process is None or not hasattr(os, "pidfd_open"):
            self._tasks.append(asyncio.create_task(self._wait_for_provisioner()))
            return
        pidfd = os.pidfd_open(self._process.pid)
        loop = asyncio.get_running_loop()

        def on_end() -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self._tell_death(self._process.wait())

        loop.add_reader(pidfd, on_end)

    async def _wait_for_provisioner(self) -> None:
        self._tell_death(await self.manager.provisioner.wait())

    def _tell_death(self, return_code: int | None) -> None:
        if self.death.done():
            return
        self._take_tail()  # its last words are in the pipe, and may not have been read
        tail = self._tail.decode(errors="replace").strip()
        if return_code is None or return_code >= 0:
            self.death.set_result(KernelDeath(return_code, None, tail))
            return
        try:
            name = signal.Signals(-return_code).name
        except ValueError:  # a real-time signal has no name of its own
            name = f"signal {-return_code}"
        self.death.set_result(KernelDeath(None, name, tail))

    def _read_tail_of(self, pipe: int) -> None:
        """Keep the last of what the process writes past its channels, and never let it block on that."""
        os.set_blocking(pipe, False)
        self._pipe = pipe
        asyncio.get_running_loop().add_reader(pipe, self._take_tail)

    def _take_tail(self) -> None:
        """Take what is in the pipe; not more at a time than it holds, for whoever writes without end."""
        for _ in range(_PIPE_BYTES // _TAIL_BYTES + 1):
            if self._pipe is None:
                return
            try:
                chunk = os.read(self._pipe, _TAIL_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                self._close_pipe()
                return
            self._tail = (self._tail + chunk)[-_TAIL_BYTES:]

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = None
