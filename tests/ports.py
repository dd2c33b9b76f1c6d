"""Ports that stay free until a server of a test listens there, also while it is down between two starts."""

from __future__ import annotations

import contextlib
import secrets
import socket

#: Below those that Linux gives to whoever asks for any port, as tests beside do all the time.
_FIRST, _END = 20_000, 32_768


def free_ports(number: int) -> list[int]:
    """Return so many ports of this machine on which nobody listens."""
    found: list[int] = []
    with contextlib.ExitStack() as taken:
        while len(found) < number:
            port = _FIRST + secrets.randbelow(_END - _FIRST)
            with contextlib.suppress(OSError):  # somebody does
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
    return found
