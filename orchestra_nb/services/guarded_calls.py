"""What one thread may connect to while it runs code that is not ours, and a way to cut what it is connected to.

The check stands where Python connects (an audit hook, PEP 578), after names were resolved: so nobody can name one
address to a check and another one to the connection, and a redirection is checked like the first call. A library's
time limits count for single reads; a service that sends a byte now and then keeps a thread for ever. Cutting its
connections ends that.

A hook cannot be taken back: it is set once, and does nothing in threads that are not guarded.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator

from orchestra_nb.model.public_addresses import is_public

#: Audit events that connect: https://docs.python.org/3/library/audit_events.html
_CALLS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})

#: Audit events after which something may connect where nobody looks; Python 3.11 does not tell of new threads.
_ESCAPES = frozenset(
    {
        *("_thread.start_new_thread", "_thread.start_joinable_thread"),
        *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"),
    }
)

_guarded = threading.local()
_setting = threading.Lock()
_is_set = False


class CallRefused(PermissionError):
    """A guarded thread may not connect there. An ``OSError``, so that libraries treat it as a network that is away."""


class GuardedCalls:
    """The calls of one thread, made by :func:`guarded_calls`.

    Parameters
    ----------
    may_be_private
        Whether addresses that are not public are allowed, and whatever cannot be checked.
    """

    def __init__(self, may_be_private: bool) -> None:
        self._may_be_private = may_be_private
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_cut = False
        self._is_over = False
        self._refusals: dict[str, None] = {}

    @property
    def refusals(self) -> list[str]:
        """What was refused, in words, each once."""
        return list(self._refusals)

    @property
    def is_cut(self) -> bool:
        """Whether the calls were cut before they had ended."""
        return self._is_cut

    def cut(self) -> None:
        """End all connections, and refuse further ones. From any thread, and as often as one likes."""
        with self._lock:
            if self._is_over:
                return
            self._is_cut = True
            for connection in self._connections:
                with contextlib.suppress(OSError):  # it has ended
                    connection.shutdown(socket.SHUT_RDWR)

    def _check(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in _ESCAPES:
            if not self._may_be_private:
                self._refuse("it would start a thread or a program, whose connections cannot be checked")
            return
        connection, address = arguments[0], arguments[1]
        if not self._may_be_private and address is not None:
            self._check_address(address)
        with self._lock:
            if self._is_cut:
                raise CallRefused("The time is up.")
            if event == "socket.connect" and isinstance(connection, socket.socket):
                # a second handle: who encrypts a connection takes it out of its first object
                self._connections.append(socket.socket(fileno=os.dup(connection.fileno())))

    def _check_address(self, address: object) -> None:
        host = address[0] if isinstance(address, tuple) and address else address
        if not isinstance(host, str) or not is_public(host):
            self._refuse(f"the address {_shown(host)} is not one of the open internet")

    def _refuse(self, reason: str) -> None:
        self._refusals[reason] = None
        raise CallRefused(f"Refused: {reason}.")

    def _close(self) -> None:
        with self._lock:
            self._is_over = True
            for connection in self._connections:
                connection.close()
            self._connections.clear()


@contextlib.contextmanager
def guarded_calls(*, may_be_private: bool, limit_seconds: float) -> Iterator[GuardedCalls]:
    """Guard what this thread connects to, within the block, and cut it after so many seconds."""
    _set_hook()
    calls = GuardedCalls(may_be_private)
    alarm = threading.Timer(limit_seconds, calls.cut)
    alarm.daemon = True
    alarm.start()
    _guarded.calls = calls
    try:
        yield calls
    finally:
        _guarded.calls = None
        alarm.cancel()
        alarm.join()
        calls._close()


def _set_hook() -> None:
    global _is_set
    with _setting:
        if not _is_set:
            sys.addaudithook(_hook)
            _is_set = True


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    """Check an event: called at each of the process, so it returns as soon as it can."""
    if event in _CALLS or event in _ESCAPES:
        calls: GuardedCalls | None = getattr(_guarded, "calls", None)
        if calls is not None:
            calls._check(event, arguments)


def _shown(host: object) -> str:
    return host.decode("utf-8", "replace") if isinstance(host, bytes) else str(host)
