"""A real JupyterHub with its proxy, two users with servers, and Orchestra as its service; started once for its tests."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

from patience import PATIENCE_SECONDS, eventually

import orchestra_nb
from orchestra_nb.client import Client
from tests.ports import free_ports

_HERE = Path(__file__).parent
_PROXY = _HERE.parent.parent / "labextension/node_modules/.bin/configurable-http-proxy"

#: What the service lets whom do.
_SERVICE_CONFIG = """
c.OrchestraExtension.roles = {"service tests": "admin", "group:analysts": "author", "*": "viewer"}
c.OrchestraExtension.owners_only = True
c.OrchestraExtension.sharing = {"ben": ["ana"]}
"""


def find_proxy() -> str | None:
    """Return the program of JupyterHub's proxy: from the packages for tests of the JupyterLab extension, or installed."""
    return str(_PROXY) if _PROXY.exists() else shutil.which("configurable-http-proxy")


class HubWorld:
    """The hub; to be closed."""

    def __init__(self, folder: Path, proxy: str) -> None:
        self.folder = folder
        self.password = secrets.token_hex(8)
        self.admin_token = secrets.token_hex(16)
        port, hub_port, proxy_port, service_port = free_ports(4)
        self.url = f"http://127.0.0.1:{port}/"
        self.service_url = f"{self.url}services/orchestra/"
        self._sockets = tempfile.mkdtemp(prefix="hub-", dir=os.environ["ORCHESTRA_RUNTIME_DIR"])
        (folder / "service/.jupyter").mkdir(parents=True)
        (folder / "service/.jupyter/jupyter_server_config.py").write_text(_SERVICE_CONFIG)
        for name in ("ana", "ben"):
            labextensions = folder / f"homes/{name}/.local/share/jupyter/labextensions"
            labextensions.mkdir(parents=True)
            (labextensions / "orchestra-nb").symlink_to(Path(orchestra_nb.__file__).parent / "labextension")
        told = {
            "folder": str(folder),
            "url": self.url,
            "hub_port": hub_port,
            "proxy_port": proxy_port,
            "service_port": service_port,
            "proxy": [proxy],
            "password": self.password,
            "token": self.admin_token,
            "sockets": self._sockets,
            "patience": int(PATIENCE_SECONDS),
        }
        foreign = ("JUPYTER", "ORCHESTRA_", "IPYTHON")
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(foreign) or name == "ORCHESTRA_TEST_SESSION"
        }
        environ |= {"HUB_WORLD": json.dumps(told), "HOME": str(folder), "PYTHONPATH": str(_HERE.parent.parent)}
        #: What the processes of the hub know, without what tells whose they are.
        self.environ = environ
        self._log = folder / "hub.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(_HERE / "jupyterhub_config.py")],
                cwd=folder,
                env=environ,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        """Return when the hub answers, and its service does."""
        eventually(self._is_up)
        # the hub gives up to wait for a service that takes long to start
        eventually(lambda: status_of(f"{self.service_url}orchestra/api/v1/runs")[0] == HTTPStatus.FORBIDDEN)

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        return b"JupyterHub is now running" in self._log.read_bytes()

    def token_of(self, user: str) -> str:
        """Return a new token of a user, as the hub's page makes it."""
        return str(self._ask("POST", f"users/{user}/tokens", {"note": "tests"})["token"])

    def start_server(self, user: str, name: str = "") -> str:
        """Return the address of a user's server, which runs then: of the one with a name, or of that without."""
        url = f"{self.url}user/{user}/{name}{'/' if name else ''}"
        if not self._answers(f"{url}api"):
            self._ask("POST", f"users/{user}/servers/{name}" if name else f"users/{user}/server", {})
        eventually(lambda: self._answers(f"{url}api"))
        return url

    def stop_server(self, user: str) -> None:
        """End a user's server, that without a name; return when the hub would start another."""
        self._ask("DELETE", f"users/{user}/server")
        eventually(lambda: "" not in self._ask("GET", f"users/{user}")["servers"])

    def client(self, url: str, user: str) -> Client:
        """Return a client of a server with a token of a user."""
        return Client(url, self.token_of(user))

    def close(self) -> None:
        """End the hub, which ends its proxy, its service and the users' servers."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if (pid_file := self.folder / "proxy.pid").exists():  # a hub that could not start leaves its proxy
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid_file.read_text()), signal.SIGTERM)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _answers(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return "/hub/" not in answer.url
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"token {self.admin_token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}hub/api/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def status_of(url: str, token: str | None = None, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
    """Return what a request is answered with, and where that came from after redirects."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.url
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.url
