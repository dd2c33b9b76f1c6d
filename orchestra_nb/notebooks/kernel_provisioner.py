"""The kernel provisioner ``orchestra-fork``: whatever starts kernels through jupyter_client gets forked ones.

Selected by ``JUPYTER_DEFAULT_PROVISIONER_NAME=orchestra-fork`` or in a kernelspec's metadata, it serves papermill,
nbclient, JupyterLab and all that uses their managers. A kernel that cannot be forked is started as jupyter_client's own
provisioner does, and the log says why at level DEBUG.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner  # noqa: TID253

from orchestra_nb.errors import OrchestraError
from orchestra_nb.notebooks.forked_kernel import ForkedKernel
from orchestra_nb.notebooks.kernel_pool import CannotFork, KernelCommand, shared_pool
from orchestra_nb.notebooks.ready_client import make_clients_wait_by_event

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

#: How long a kernel may take from its request until it listens, before it is started plainly.
_LISTEN_SECONDS = 60.0
#: How long a kernel that was asked to end is waited for before its manager begins to look and to count.
_END_SECONDS = 1.0
_PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
#: Arguments of :meth:`ForkProvisioner.launch_kernel` that a forked kernel can have.
_KNOWN = frozenset({"cwd", "env", "stdout", "stderr", "stdin", "extra_arguments", "kernel_id", "independent"})
_SAYS_WHERE = (
    "--ip",
    "--transport",
    "--shell",
    "--iopub",
    "--hb",
    "--control",
    "--stdin",
    "--IPKernelApp.",
    "--config",
)


class ForkProvisioner(LocalProvisioner):
    """Starts kernels by fork where that is possible, and plainly elsewhere.

    :attr:`process` is a :class:`~orchestra_nb.notebooks.kernel_pool.ForkedKernel` then, and all that the base class
    does with a process it does with that.
    """

    _may_choose_ports = True

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Prepare the launch; note whether clients may already know where this kernel listens."""
        manager = self.parent
        # after a restart clients go on using the ports that they know
        self._may_choose_ports = (
            not self.ports_cached
            and manager is not None
            and not os.path.exists(manager.connection_file)
            and not any(getattr(manager, port) for port in _PORTS)
        )
        prepared: dict[str, Any] = await super().pre_launch(**kwargs)
        return prepared

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel and return where it listens."""
        try:
            kernel = await self._fork(cmd, kwargs)
        except (CannotFork, OrchestraError) as error:
            self.log.debug("Kernel %s is started plainly; it cannot be forked: %s", self.kernel_id, error)
            return await super().launch_kernel(cmd, **kwargs)
        process: Any = kernel
        self.process, self.pid, self.pgid = process, kernel.pid, None  # signals go through its keeper
        self.cwd = kwargs.get("cwd") or os.getcwd()
        if kernel.connection is not None:
            self._return_ports()
            connection: Any = {**kernel.connection, "key": kernel.connection["key"].encode()}
            self.connection_info = connection
        make_clients_wait_by_event(self.parent)
        return self.connection_info

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Wait a moment for the kernel that was asked to end: who asked would look again only every 100 ms."""
        await super().shutdown_requested(restart)
        kernel: Any = self.process
        if isinstance(kernel, ForkedKernel):
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    while kernel.poll() is None:
                        await _readable(kernel)

    async def wait(self) -> int | None:
        """Wait until nothing of the kernel is left; for a forked one by event."""
        kernel: Any = self.process
        if isinstance(kernel, ForkedKernel):
            while kernel.poll() is None or not kernel.is_gone:
                await _readable(kernel)
            kernel.close()
            self.process = None
            return kernel.returncode
        return await super().wait()

    async def _fork(self, cmd: list[str], options: Mapping[str, Any]) -> ForkedKernel:
        unknown = sorted(set(options) - _KNOWN)
        if unknown or options.get("independent"):
            raise CannotFork(f"it is asked for with {', '.join(unknown) or 'independent=True'}")
        environ = dict(options.get("env") or os.environ)
        environ["JPY_PARENT_PID"] = str(os.getpid())
        command = KernelCommand.parse(cmd, environ)
        connection_file = cmd[cmd.index("-f") + 1]
        manager: Any = self.parent
        is_free = self._may_choose_ports and not any(argument.startswith(_SAYS_WHERE) for argument in command.args)
        if getattr(manager, "curve_publickey", None) is not None:
            is_free = False
        for _ in range(2):
            kernel = shared_pool().launch(
                command,
                environ=environ,
                cwd=str(options.get("cwd") or os.getcwd()),
                stdout=_descriptor(options.get("stdout"), 1),
                stderr=_descriptor(options.get("stderr"), 2),
                connection_file=connection_file,
                transport=manager.transport if is_free else "",
            )
            await self._listens(kernel)
            if kernel.is_ready:
                return kernel
            if kernel.failure or kernel.has_exited:
                break  # otherwise the zygote has just ended; another one is started
        raise CannotFork(kernel.failure or "it ended while it was started")

    async def _listens(self, kernel: ForkedKernel) -> None:
        """Wait until the kernel listens, or is known to come to nothing.

        Raises
        ------
        CannotFork
            It has not said anything for too long.
        """
        try:
            async with asyncio.timeout(_LISTEN_SECONDS):
                while not kernel.is_ready and not kernel.is_gone:
                    await _readable(kernel)
                    kernel.poll()
        except TimeoutError:
            kernel.close()
            raise CannotFork(f"it did not listen within {_LISTEN_SECONDS:g} s") from None
        except BaseException:
            kernel.close()
            raise
        if not kernel.is_ready:
            kernel.close()

    def _return_ports(self) -> None:
        """Give back the ports that were reserved for a kernel that has chosen its own."""
        if self.ports_cached:
            from jupyter_client.connect import LocalPortCache

            reserved: Any = self.connection_info
            for port in _PORTS:
                LocalPortCache.instance().return_port(reserved[port])


async def _readable(kernel: ForkedKernel) -> None:
    """Wait until a kernel has news. In whichever loop this runs: managers that block have one for each thread."""
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    descriptor = os.dup(kernel.fileno())  # two may wait at once
    loop.add_reader(descriptor, is_readable.set)
    try:
        await is_readable.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _descriptor(stream: Any, default: int) -> int:
    """Return the descriptor of what subprocess takes as a stream."""
    if stream is None:
        return default
    if stream == subprocess.DEVNULL or stream == subprocess.PIPE or stream == subprocess.STDOUT:
        raise CannotFork("it is asked for with streams of subprocess")
    number: int = stream if isinstance(stream, int) else stream.fileno()
    return number
