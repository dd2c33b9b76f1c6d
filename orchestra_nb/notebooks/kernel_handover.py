"""How a kernel gets from the pool of the process that runs a notebook to the notebook's runner, another process.

The runner is started with the kernel's channel and the pipe for what the kernel's process itself writes; the kernel is
asked for when it is known which one, with the other ends. So neither process waits for the other.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

from orchestra_nb.errors import OrchestraError
from orchestra_nb.notebooks.headless_kernels import headless_args
from orchestra_nb.notebooks.kernel_pool import CannotFork, KernelCommand, shared_pool
from orchestra_nb.notebooks.kernelspecs import kernel_start

_log = logging.getLogger(__name__)


def keep_kernel(environ: Mapping[str, str], kernel_name: str = "python3", count: int = 1) -> None:
    """Have a kernel ready for the next notebook, where that is possible; with a count of 0, what it is forked from."""
    try:
        argv, variables = kernel_start(kernel_name, environ)
        variables = {**environ, **variables}
        command = KernelCommand.parse([*argv, *headless_args(argv, variables)], environ)
        shared_pool().keep(command, variables, count)
    except (CannotFork, OrchestraError, OSError) as error:
        _log.debug("No kernel of %s is kept ready: %s", kernel_name, error)


class KernelHandover:
    """The channel and the pipe, between the start of a runner and the request for its kernel. For one thread."""

    def __init__(self) -> None:
        self._runner_end, self._kernel_end = socket.socketpair()
        self._tail, self._stream = os.pipe()

    @property
    def descriptors(self) -> tuple[int, int]:
        """What the runner is started with."""
        return self._runner_end.fileno(), self._tail

    def launch(self, kernel_name: str, kernel_id: str, *, environ: Mapping[str, str], cwd: str) -> str:
        """Ask for a kernel and return the path of its connection file, which the runner writes.

        Empty where this kernel cannot be forked, and the runner has to start it. To be called once.
        """
        from jupyter_core.paths import jupyter_runtime_dir

        folder = jupyter_runtime_dir()
        connection_file = os.path.join(folder, f"kernel-{kernel_id}.json")
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)  # Jupyter may never have run here
            argv, variables = kernel_start(kernel_name, environ)
            variables = {**environ, **variables}
            command = KernelCommand.parse([*argv, *headless_args(argv, variables)], environ)
            shared_pool().request(
                command,
                (self._runner_end, self._kernel_end),
                environ=variables,
                cwd=cwd,
                stdout=self._stream,
                stderr=self._stream,
                connection_file=connection_file,
                transport="ipc",
            )
        except (CannotFork, OrchestraError, OSError) as error:
            _log.debug("Kernel %s is started plainly; it cannot be forked: %s", kernel_name, error)
            return ""
        finally:
            self.close()
        return connection_file

    def close(self) -> None:
        """Let go of everything; what was handed over stays with whoever got it. May be called twice."""
        self._runner_end.close()
        self._kernel_end.close()
        for name in ("_tail", "_stream"):
            if getattr(self, name) >= 0:
                os.close(getattr(self, name))
                setattr(self, name, -1)
