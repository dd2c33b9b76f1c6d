"""A way to a server that loses answers: the server has done what was asked, and the caller does not hear of it."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

from tests.patience import PATIENCE_SECONDS


class DroppingProxy:
    """Passes connections on to a port; of the first requests of a method the answer is lost. To be closed.

    Parameters
    ----------
    method
        ``"POST"``.
    drops
        So many answers are lost.
    """

    def __init__(self, port: int, method: str, drops: int) -> None:
        self._port = port
        self._method = method.encode() + b" "
        self._drops = drops
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.seen: list[bytes] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE_SECONDS)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            thread = threading.Thread(target=self._serve, args=(caller,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, caller: socket.socket) -> None:
        """Pass requests on one by one, as a client sends them."""
        with closing(caller), closing(socket.create_connection(("127.0.0.1", self._port))) as server:
            while request := _message(caller):
                self.seen.append(request)
                server.sendall(request)
                answer = _message(server)
                if request.startswith(self._method) and self._drops:
                    self._drops -= 1
                    return
                caller.sendall(answer)


def _message(connection: socket.socket) -> bytes:
    """Return one HTTP message that says how long it is; nothing where the other side has closed."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        head += chunk
    header, _, body = head.partition(b"\r\n\r\n")
    lengths = [line for line in header.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length:
        body += connection.recv(65_536)
    return header + b"\r\n\r\n" + body
