"""A real HTTP server that notifications are sent to: it keeps what comes, and answers as it is told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSWORD = "hunter2-of-ana"
TOKEN = "T0ken0fTheTeam"


class WebhookReceiver:
    """``status`` is what it answers, with the text of the header ``echo``; requests to ``/stuck/…`` get no whole answer before :meth:`release`."""

    def __init__(self) -> None:
        self.status = 200
        self.echo: str | None = None
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.stuck = threading.Semaphore(0)
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.paths.append(self.path)
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                receiver.bodies.append(body)
                receiver.messages.append(json.loads(body) if body[:1] == b"{" else {"text": body.decode()})
                with contextlib.suppress(OSError):  # the other side has gone
                    self._answer()

            def _answer(self) -> None:
                if self.path.startswith("/stuck"):
                    receiver.stuck.release()
                    while not receiver._released.wait(0.1):
                        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # so no single read takes long
                    return
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", "/elsewhere")
                said = b"" if receiver.echo is None else self.headers.get(receiver.echo, "").encode()
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    def url(self, path: str = "hook") -> str:
        """The address for apprise, with secrets in it."""
        return f"json://ana:{PASSWORD}@127.0.0.1:{self.port}/{path}/{TOKEN}?+X-Key={TOKEN}-2"

    def call_url(self, path: str = "hook") -> str:
        """The address for a request of an automation, with a secret in it."""
        return f"http://127.0.0.1:{self.port}/{path}/{TOKEN}"

    def release(self) -> None:
        self._released.set()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def receiving() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    try:
        yield receiver
    finally:
        receiver.close()
