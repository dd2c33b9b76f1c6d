"""Lets widgets work while a cell runs: a kernel handles no message of its shell channel until the cell has ended.

JupyterLab sends what widgets say to a subshell, a thread beside the cell, where kernel and front end both have them;
other front ends do not, and ipykernel 7.4 gives it to the thread that opened the widget, which is the blocked one. So
whoever waits in a cell takes the messages of widgets out of the channel's queue, and leaves all others in their order.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    from zmq.eventloop.zmqstream import ZMQStream

_log = logging.getLogger(__name__)

_COMM_MESSAGES = ("comm_open", "comm_msg", "comm_close")


class CommPump:
    """Takes the messages of widgets while the main thread of a kernel is busy with a cell.

    From :meth:`start` to :meth:`stop` they are handled in the main thread, whenever :meth:`run` is called there, and
    also when the event loop runs, as it does in a cell that awaits. Several that overlap are one.

    Parameters
    ----------
    kernel
        An ipykernel.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._stream: ZMQStream | None = None
        self._before: Callable[[list[zmq.Frame]], Any] | None = None
        self._users = 0

    def start(self) -> None:
        """Begin to take messages; in another thread than the main one there is nothing to do, it is not blocked."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._users += 1
        if self._users > 1:
            return
        stream = _main_shell_stream(self._kernel)
        before = None if stream is None else stream._recv_callback
        if stream is None or before is None:
            _log.debug("This kernel's shell channel is of an unknown kind: widgets work when the cell has ended.")
            return
        self._stream, self._before = stream, before
        stream.on_recv(self._take, copy=False)

    def run(self) -> None:
        """Handle the messages that have come. Cost when there are none: microseconds."""
        if self._stream is not None and threading.current_thread() is threading.main_thread():
            self._stream.flush(zmq.POLLIN)

    def stop(self) -> None:
        """Let the kernel have its messages again."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._users -= 1
        if self._users == 0 and self._stream is not None and self._before is not None:
            self._stream.on_recv(self._before, copy=False)
            self._stream = self._before = None

    def _take(self, frames: list[zmq.Frame]) -> Any:
        assert self._before is not None
        session = self._kernel.session
        try:
            identities, parts = session.feed_identities(frames, copy=False)
            header = session.deserialize(parts, content=False, copy=False)["header"]
        except Exception:  # the kernel itself knows what to do with what it cannot read
            return self._before(frames)
        if header["msg_type"] not in _COMM_MESSAGES:
            return self._before(frames)
        message = session.deserialize(parts, content=True, copy=False)
        self._handle(identities, message)
        return None

    def _handle(self, identities: list[bytes], message: dict[str, Any]) -> None:
        self._tell("busy", message)
        try:
            self._kernel.shell_handlers[message["msg_type"]](self._stream, identities, message)
        except Exception:
            _log.exception("A widget's message could not be handled.")
        finally:
            # widgets send the next change only when they hear that the last one was handled
            self._tell("idle", message)
            self._tell("busy", self._kernel.get_parent("shell"))  # the cell goes on

    def _tell(self, state: str, parent: dict[str, Any]) -> None:
        kernel = self._kernel
        topic = f"kernel.{kernel.ident}.status".encode()
        kernel.session.send(kernel.iopub_socket, "status", {"execution_state": state}, parent=parent, ident=topic)


def _main_shell_stream(kernel: Any) -> ZMQStream | None:
    """Return the stream of messages for the main thread: since ipykernel 7 another thread sorts them before."""
    thread = getattr(kernel, "shell_channel_thread", None)
    if thread is None:
        stream: ZMQStream | None = getattr(kernel, "shell_stream", None)
        return stream
    pair = getattr(thread.manager, "_shell_channel_to_main", None)
    return None if pair is None else pair.to_stream
