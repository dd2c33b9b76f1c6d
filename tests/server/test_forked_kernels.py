"""A real Jupyter server whose kernels come from the provisioner ``orchestra-fork``, used as JupyterLab uses it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from patience import PATIENCE_SECONDS, eventually
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")


@dataclass(frozen=True)
class Server:
    """A server process, where it listens, and the header that it takes."""

    process: subprocess.Popen[bytes]
    url: str
    headers: dict[str, str]

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        text = json.dumps(body) if method == "POST" else None
        request = HTTPRequest(
            self.url + path, method=method, headers=self.headers, body=text, request_timeout=PATIENCE_SECONDS
        )
        answer = await AsyncHTTPClient().fetch(request)
        return json.loads(answer.body) if answer.body else None

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    token = secrets.token_hex(16)
    environ = {
        **os.environ,
        "HOME": str(tmp_path),
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "orchestra-fork",
        **{f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")},
    }
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root"]
    options = [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp_path}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, *options], env=environ, cwd=tmp_path, stdout=log, stderr=log)
        file = tmp_path / "RUNTIME" / f"jpserver-{process.pid}.json"

        def address() -> str | None:
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                found = json.loads(file.read_text())
                socket.create_connection(("127.0.0.1", found["port"]), PATIENCE_SECONDS).close()  # the file comes first
            except (OSError, ValueError):
                return None
            return str(found["url"])

        try:
            yield Server(process, eventually(address), {"Authorization": f"token {token}"})
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE_SECONDS)


class Kernel:
    """A kernel of the server, through its websocket."""

    def __init__(self, server: Server, kernel_id: str, channels: WebSocketClientConnection) -> None:
        self._server, self.kernel_id, self._socket = server, kernel_id, channels

    async def run(self, code: str, *, interrupt_at: str | None = None) -> str:
        """Run code; return what it printed, the error's name, or ``"restarting"`` when the kernel died of it."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message_id = await self._send("execute_request", content)
        said, has_reply, is_idle = "", False, False
        while not (has_reply and is_idle):
            text = await asyncio.wait_for(self._socket.read_message(), PATIENCE_SECONDS)
            assert text is not None, "the server closed the socket"
            found = json.loads(text)
            state = found["content"].get("execution_state")
            if state == "restarting":
                return state
            if found["parent_header"].get("msg_id") != message_id:
                continue
            said += found["content"].get("text", "")
            if interrupt_at is not None and interrupt_at in said:
                interrupt_at = None
                await self.ask("interrupt")
            has_reply |= found["msg_type"] == "execute_reply"
            is_idle |= state == "idle"
            if found["msg_type"] == "execute_reply" and found["content"]["status"] == "error":
                said += found["content"]["ename"]
        return said

    async def come_back(self) -> None:
        """Wait until a kernel that was restarted answers on all channels; what goes to the dead one gets no answer."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            asked = await self._send("kernel_info_request", {})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    has_reply, is_idle = False, False
                    while text := await self._socket.read_message():
                        found = json.loads(text)
                        if found["parent_header"].get("msg_id") == asked:
                            has_reply |= found["msg_type"] == "kernel_info_reply"
                            is_idle |= found["content"].get("execution_state") == "idle"
                        if has_reply and is_idle:
                            return
        raise AssertionError("the kernel did not come back")

    async def _send(self, kind: str, content: dict[str, Any]) -> str:
        message_id = secrets.token_hex(8)
        header = {"msg_id": message_id, "msg_type": kind, "username": "", "session": "s", "version": "5.4"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        await self._socket.write_message(json.dumps(message))
        return message_id

    async def ask(self, what: str) -> None:
        await self._server.ask("POST", f"api/kernels/{self.kernel_id}/{what}", {})


@asynccontextmanager
async def open_kernel(server: Server) -> AsyncIterator[Kernel]:
    kernel_id = (await server.ask("POST", "api/kernels", {"name": "python3"}))["id"]
    address = f"{server.url.replace('http', 'ws', 1)}api/kernels/{kernel_id}/channels?session_id=s"
    channels = await websocket_connect(HTTPRequest(address, headers=server.headers))
    try:
        yield Kernel(server, kernel_id, channels)
    finally:
        channels.close()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(processes: list[psutil.Process]) -> bool:
    return eventually(lambda: True if not any(map(is_alive, processes)) else None)


def test_a_kernel_is_interrupted_restarted_and_shut_down_and_comes_back_after_its_death(server: Server) -> None:
    child = "import subprocess\nprint(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)"

    async def scenario() -> None:
        async with open_kernel(server) as kernel:
            pid = int(await kernel.run("import os\nx = 1\nprint(os.getpid())"))
            assert (
                psutil.Process(psutil.Process(pid).ppid()).name().startswith("orchestra")
            )  # its keeper: it was forked

            loop = "print('began', flush=True)\nimport time\ntime.sleep(600)"
            assert await kernel.run(loop, interrupt_at="began") == "began\nKeyboardInterrupt"
            assert await kernel.run("print(x)") == "1\n"

            left = [psutil.Process(pid), psutil.Process(int(await kernel.run(child)))]
            await kernel.ask("restart")
            await kernel.come_back()
            assert await kernel.run("print('x' in globals())") == "False\n"
            assert all_gone(left)

            for deadly in ("import os\nos._exit(3)", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"):
                left = [psutil.Process(int(await kernel.run(child)))]
                assert await kernel.run(deadly) == "restarting"
                await kernel.come_back()
                assert await kernel.run("print('x' in globals())") == "False\n"
                assert all_gone(left)

            left = [psutil.Process(int(await kernel.run("import os\nprint(os.getpid())")))]
            await server.ask("DELETE", f"api/kernels/{kernel.kernel_id}")
            assert all_gone(left)
            assert await server.ask("GET", "api/kernels") == []

    asyncio.run(scenario())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_nothing_is_left_when_the_server_ends(server: Server, how: signal.Signals) -> None:
    async def scenario() -> None:
        async with open_kernel(server) as one, open_kernel(server) as other:
            assert await one.run("print(1)") == await other.run("print(1)") == "1\n"

    asyncio.run(scenario())
    left = server.descendants()
    assert len(left) >= 2

    server.process.send_signal(how)

    server.process.wait(PATIENCE_SECONDS)
    assert all_gone(left)
