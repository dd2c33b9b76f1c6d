"""``orchestra serve`` for the tests of the pages: with a port that stays, so that it can be ended and started again."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from patience import PATIENCE_SECONDS, eventually

from tests.ports import free_ports
from tests.services.deployed import Deployed


class Service:
    """``orchestra serve`` on one port, which can be ended and started again; to be closed.

    Parameters
    ----------
    options
        More options of its server.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._options = options
        self.deployed = Deployed(folder, f"sqlite:///{folder / 'orchestra.db'}")
        self.token = secrets.token_hex(16)
        self._runtime = folder / "jupyter"
        self._environ = self.deployed.environ | {
            "JUPYTER_RUNTIME_DIR": str(self._runtime),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_TOKEN": self.token,
        }
        self._process: subprocess.Popen[bytes] | None = None
        (self.port,) = free_ports(1)
        self.url = ""

    def start(self) -> None:
        """Start it, on the same port as before."""
        command = [
            *(sys.executable, "-m", "orchestra_nb", "serve", "--no-commands", "--port", str(self.port)),
            *("--ServerApp.base_url=/team/", *self._options),
        ]
        with (self.deployed.folder / "serve.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.deployed.folder, env=self._environ, stderr=log)
        self._process = process
        info = eventually(lambda: self._info(process))
        assert info["port"] == self.port
        self.url = info["url"]

    @property
    def pid(self) -> int:
        """Of the server that runs."""
        assert self._process is not None
        return self._process.pid

    def _info(self, process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        assert process.poll() is None, (self.deployed.folder / "serve.log").read_text()
        try:
            info = json.loads((self._runtime / f"jpserver-{process.pid}.json").read_text())
            socket.create_connection(("127.0.0.1", info["port"]), PATIENCE_SECONDS).close()  # the file comes first
        except (OSError, ValueError):
            return None
        return info

    def stop(self) -> None:
        """End it in good order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def close(self) -> None:
        self.stop()
        self.deployed.close()
