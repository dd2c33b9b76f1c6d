"""One channel of a kernel: messages are taken where the loop says that something has come.

The futures of :mod:`zmq.asyncio` cost more than all else that is done with a message: a trivial cell has five.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import zmq

from orchestra_nb.notebooks.long_messages import Message, read_message

#: How many messages of a flood are taken before anything else, a stop for example, has its turn.
_TURN_MESSAGES: Final = 20


class KernelChannel:
    """A connected socket. All methods belong to the loop in which it was made.

    Parameters
    ----------
    kind
        ``zmq.DEALER`` to ask, ``zmq.SUB`` to hear all that is published.
    take
        Called with each message, in order; those that are not signed with our key, or have another form, are left out.
    """

    def __init__(
        self, context: zmq.Context[Any], session: Any, kind: int, url: str, take: Callable[[Message], None]
    ) -> None:
        self._session = session
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._is_scheduled = False
        socket = self._socket = context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = 0  # nothing that a kernel shows is dropped because we are busy
        socket.reconnect_ivl = 5  # milliseconds: the default of 100 would be added to the start of each kernel
        socket.reconnect_ivl_max = 100
        if kind == zmq.DEALER:
            socket.identity = session.bsession
        socket.connect(url)
        if kind == zmq.SUB:
            socket.subscribe(b"")
        self._descriptor = socket.fileno()
        self._loop.add_reader(self._descriptor, self._receive)
        self._receive_soon()  # see :meth:`send`

    def send(self, message: Message) -> None:
        """Send a request as :class:`jupyter_client.session.Session` has made it."""
        self._session.send(self._socket, message)
        self._receive_soon()  # the descriptor tells of an arrival once, and to send may have taken the news

    def close(self) -> None:
        """Take no more messages. May be called twice."""
        if not self._socket.closed:
            self._loop.remove_reader(self._descriptor)
            self._socket.close()

    def _receive(self) -> None:
        if self._is_scheduled:
            return
        for _ in range(_TURN_MESSAGES):
            if self._socket.closed:
                return
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            message = read_message(self._session, frames)
            if message is not None:
                self._take(message)
        self._receive_soon()

    def _receive_soon(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._receive_scheduled)

    def _receive_scheduled(self) -> None:
        self._is_scheduled = False
        self._receive()
