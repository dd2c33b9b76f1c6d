"""The live stream, followed from a program: what changes as it changes, also after a lost connection."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec
import websocket

from orchestra_nb.errors import OrchestraError, StoreUnavailable, TokenRefused
from orchestra_nb.operations.run_changes import RunChanges
from orchestra_nb.services.server_calls import unreachable

if TYPE_CHECKING:
    from typing import NoReturn

_CONNECT_SECONDS: Final = 10.0
#: A server sends a ping twice a minute: one that is silent for longer is gone.
_SILENT_SECONDS: Final = 100.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_POLICY_VIOLATION: Final = 1008
#: Answers to a handshake after which it may be better in a moment.
_AWAY: Final = (502, 503, 504)


class _Greeting(msgspec.Struct):
    sequence: int
    hello: bool = False


class StreamFollower:
    """Follows one view of a server's stream. For one thread.

    Parameters
    ----------
    url
        The server's base URL, without a slash at its end.
    headers
        Of each handshake.
    error_of
        Returns the error that an answer to a handshake is: its status, and its body.
    since
        From which change on; None for what happens from now on.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        asked: Mapping[str, Sequence[str]],
        error_of: Callable[[int, bytes], OrchestraError],
        since: int | None = None,
    ) -> None:
        self._url = url
        self._headers = headers
        self._asked = asked
        self._error_of = error_of
        #: where it goes on; None before the first word of the server
        self.sequence = since

    def __iter__(self) -> Iterator[RunChanges]:
        """Yield what changes, for as long as it is wanted.

        Raises
        ------
        TokenRefused, ScopeMissing, RunNotFound, InvalidInput
            The server refuses, or does so from now on.
        StoreUnavailable
            The server cannot be reached the first time; later it is tried again and again.
        """
        pause, was_open = _FIRST_PAUSE_SECONDS, False
        while True:
            try:
                with self._connected(is_first=not was_open) as socket:
                    for changes in self._messages(socket):
                        pause, was_open = _FIRST_PAUSE_SECONDS, True
                        if changes is not None:
                            yield changes
            except OrchestraError:  # some are errors of the system, too
                raise
            except (OSError, websocket.WebSocketException) as error:
                if not was_open:
                    raise StoreUnavailable(unreachable(self._url, error)) from error
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)

    @contextlib.contextmanager
    def _connected(self, *, is_first: bool) -> Iterator[websocket.WebSocket]:
        socket = self._connect(is_first=is_first)
        try:
            yield socket
        finally:
            with contextlib.suppress(OSError, websocket.WebSocketException):
                socket.send_close()
            socket.shutdown()  # type: ignore[no-untyped-call]

    def _messages(self, socket: websocket.WebSocket) -> Iterator[RunChanges | None]:
        """Yield what the server says until it hangs up; None for its greeting."""
        while True:
            kind, data = socket.recv_data(control_frame=True)
            if kind == websocket.ABNF.OPCODE_CLOSE:
                self._take_leave(data)
                return
            if kind == websocket.ABNF.OPCODE_TEXT:
                greeting = msgspec.json.decode(data, type=_Greeting)
                yield None if greeting.hello else msgspec.json.decode(data, type=RunChanges)
                self.sequence = greeting.sequence  # only once it has been taken

    def _take_leave(self, data: bytes) -> None:
        if int.from_bytes(data[:2], "big") == _POLICY_VIOLATION:
            raise TokenRefused(f"The server {self._url} ended the stream: the token was revoked, or has expired.")

    def _connect(self, *, is_first: bool) -> websocket.WebSocket:
        from orchestra_nb.rest.endpoint import PREFIX

        asked = [(name, ",".join(values)) for name, values in self._asked.items() if values]
        if self.sequence is not None:
            asked.append(("since", str(self.sequence)))
        address = f"ws{self._url.removeprefix('http')}{PREFIX}/stream?{urlencode(asked)}"
        try:
            socket = websocket.create_connection(
                address,
                timeout=_CONNECT_SECONDS,
                header=[f"{name}: {value}" for name, value in self._headers.items()],
                suppress_origin=True,  # a program comes from no site
                redirect_limit=0,  # the token is for this server alone
                sslopt={"context": ssl.create_default_context()} if self._url.startswith("https") else None,
                **_proxy_of(self._url),
            )
        except websocket.WebSocketBadStatusException as error:
            if error.status_code in _AWAY and not is_first:
                raise
            self._refuse(error)
        socket.settimeout(_SILENT_SECONDS)
        return socket

    def _refuse(self, error: websocket.WebSocketBadStatusException) -> NoReturn:
        raise self._error_of(error.status_code, error.resp_body or b"") from error


def _proxy_of(url: str) -> dict[str, Any]:
    """Return the proxy that the environment names for an address, as it is given to a connection."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    if proxy is None:
        return {"http_no_proxy": ["*"]}
    proxied = urlsplit(proxy)
    return {
        "http_proxy_host": proxied.hostname,
        "http_proxy_port": proxied.port or 80,
        "http_proxy_auth": (proxied.username, proxied.password or "") if proxied.username else None,
        "proxy_type": "http",
    }
