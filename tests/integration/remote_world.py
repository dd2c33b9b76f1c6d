"""A Jupyter server with the extension on a store of its own, and commands on the same store and over the server."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from orchestra_nb.operations.api_tokens import create_token
from orchestra_nb.store.run_store import RunStore
from tests.command_here import run_here
from tests.patience import PATIENCE_SECONDS, eventually
from tests.ports import free_ports
from tests.services.deployed import Deployed

#: Of the server itself, which may do everything.
OWN_TOKEN = "the-server-s-own-token"


@dataclass
class RemoteWorld:
    """The server's folder with its store, and a folder elsewhere with another one; to be closed."""

    folder: Path
    deployed: Deployed = field(init=False)
    url: str = field(init=False)
    _server: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for name in ("server", "elsewhere", "runtime"):
            (self.folder / name).mkdir(mode=0o700)
        self.deployed = Deployed(self.home, f"sqlite:///{self.home / 'store.db'}")
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/base"

    @property
    def home(self) -> Path:
        """The root folder of the server."""
        return self.folder / "server"

    @property
    def elsewhere(self) -> Path:
        """Where commands over the server are typed."""
        return self.folder / "elsewhere"

    @property
    def store(self) -> RunStore:
        return self.deployed.store

    @property
    def remote_environ(self) -> dict[str, str]:
        """What commands over the server have: another store, which they are not to touch."""
        return {
            "ORCHESTRA_API_URL": self.url,
            "ORCHESTRA_API_TOKEN": OWN_TOKEN,
            "ORCHESTRA_STORE_URL": f"sqlite:///{self.elsewhere / 'untouched.db'}",
            "JUPYTER_DATA_DIR": str(self.elsewhere / "data"),
        }

    @property
    def local_environ(self) -> dict[str, str]:
        return {name: self.deployed.environ[name] for name in ("ORCHESTRA_STORE_URL", "JUPYTER_DATA_DIR")}

    def start_server(self) -> None:
        """Return when the server answers."""
        command = [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--ip=127.0.0.1", "--allow-root"),
            *(f"--port={self.url.rpartition(':')[2].removesuffix('/base')}", "--ServerApp.port_retries=0"),
            *("--ServerApp.base_url=/base/", f"--ServerApp.root_dir={self.home}"),
            "--ServerApp.jpserver_extensions={'orchestra_nb': True, 'jupyter_server_terminals': False}",
            "--OrchestraExtension.has_services=False",
        ]
        more = {"JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"), "JUPYTER_TOKEN": OWN_TOKEN}
        log_path = self.folder / "server.log"
        with log_path.open("ab") as log:
            self._server = subprocess.Popen(
                command, env={**self.deployed.environ, **more}, cwd=self.home, stdout=log, stderr=log
            )

        def is_up() -> bool | None:
            assert self._server is not None
            assert self._server.poll() is None, log_path.read_text()
            try:
                urllib.request.urlopen(f"{self.url}/api", timeout=PATIENCE_SECONDS).close()
            except urllib.error.URLError:
                return None
            return True

        eventually(is_up)

    def token(self, name: str, *scopes: str) -> str:
        """Return the text of a new token."""
        _, text = create_token(self.store, name, scopes, expires_at=None, actor="test", now=datetime.now(UTC))
        return text.get()

    def local(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command on the store of the server, in its folder."""
        return run_here(*words, folder=self.home, environ=self.local_environ, stdin=stdin)

    def remote(self, *words: str, stdin: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command over the server, in another folder."""
        return run_here(*words, folder=self.elsewhere, environ={**self.remote_environ, **environ}, stdin=stdin)

    def start_remote(self, *words: str) -> subprocess.Popen[str]:
        """Start a command over the server as a process."""
        return self._start(words, self.elsewhere, {**os.environ, **self.remote_environ})

    def start_local(self, *words: str) -> subprocess.Popen[str]:
        """Start a command on the store of the server, in its folder, as a process."""
        return self._start(words, self.home, self.deployed.environ)

    def _start(self, words: Sequence[str], folder: Path, environ: Mapping[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestra_nb", *words],
            cwd=folder,
            env=dict(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(PATIENCE_SECONDS)
        self.deployed.close()
        # no command over the server has opened the store that is set
        assert not (self.elsewhere / "untouched.db").exists()
