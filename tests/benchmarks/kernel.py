"""A real kernel for the benchmarks: started, asked, and ended."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType


class Kernel:
    """A fresh IPython kernel of this interpreter, as a context manager."""

    def __init__(self, environ: dict[str, str]) -> None:
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import KernelManager

        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self._manager = KernelManager()
        self._manager._kernel_spec = KernelSpec(argv=argv, display_name="benchmark", language="python")
        self._environ = environ

    def __enter__(self) -> Kernel:
        self._manager.start_kernel(env=self._environ, stderr=subprocess.DEVNULL)
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()

    def run(self, code: str) -> str:
        """Run a cell and return what it printed.

        Raises
        ------
        RuntimeError
            The cell raised; with the traceback of the kernel.
        """
        printed: list[str] = []

        def keep(message: dict[str, object]) -> None:
            content = message["content"]
            assert isinstance(content, dict)
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                printed.append(content["text"])

        reply = self._client.execute_interactive(code, timeout=120, output_hook=keep)
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"].get("traceback", [])))
        return "".join(printed)
