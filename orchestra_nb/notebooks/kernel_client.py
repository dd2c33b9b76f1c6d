"""The conversation with one kernel: run code in it, hand on what it shows, and notice its end.

Ours rather than nbclient's, because a headless run needs what is not there: nothing waits in fixed steps; a dead kernel
ends what waits for it at once, after what it had shown was read; and all that it shows is handed on as it comes,
whichever cell it belongs to. Protocol: https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from orchestra_nb.notebooks.kernel_process import KernelDeath, KernelProcess
from orchestra_nb.notebooks.long_messages import Message, read_message

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

#: How long a kernel may take from its answer on the shell channel to its last word on iopub.
_IDLE_TIMEOUT_SECONDS = 10.0
#: How long a reply, which is sent before the last word on iopub, may come after it.
_REPLY_SECONDS = 1.0
_INTERRUPTED = {"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
#: When nothing came for this long from a kernel that is dead, nothing will.
_DRAIN_SECONDS = 0.3
#: How many messages of a flood are taken before anything else, a stop for example, has its turn.
_TURN_MESSAGES = 20
#: Ends an ipykernel in good order. After a shutdown_request version 7 hangs for ten seconds once in a hundred times:
#: its control thread flushes streams to an iopub thread that its main thread has ended meanwhile.
_END_IPYKERNEL = (
    "from ipykernel.kernelapp import IPKernelApp as _app\n"
    "_loop = _app.instance().kernel.io_loop\n"
    "_loop.add_callback(_loop.stop)"
)


class KernelDied(Exception):
    """The kernel's process ended while something was asked of it."""

    def __init__(self, death: KernelDeath) -> None:
        super().__init__(death)
        self.death = death


class KernelSilent(Exception):
    """The kernel's process lives, but it did not answer in time."""


class KernelClient:
    """Talks with a kernel. All methods belong to one event loop.

    Parameters
    ----------
    on_output
        Called with each iopub message that is not about the kernel's status, in order. Its ``parent_header`` has the
        ``msg_id`` of the :meth:`execute` that it belongs to; what a thread shows may come after that one's end.
    """

    def __init__(self, process: KernelProcess, on_output: Callable[[Message], None]) -> None:
        self.process = process
        self._session = process.manager.session
        self._on_output = on_output
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._idle: dict[str, asyncio.Future[None]] = {}
        self._heard = asyncio.Event()
        self._heard_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._context: Any = None
        self._shell: Any = None
        self._control: Any = None
        self._has_answered = False

    async def connect(self, timeout_seconds: float) -> Message:
        """Return the content of the kernel's ``kernel_info_reply``, once it answers and its output is heard.

        Raises
        ------
        KernelDied
            It ended before.
        KernelSilent
            It did not answer in time.
        """
        import zmq
        import zmq.asyncio

        manager = self.process.manager
        self._context = zmq.asyncio.Context()
        self._shell = self._open_socket(zmq.DEALER, manager.shell_port)
        self._control = self._open_socket(zmq.DEALER, manager.control_port)
        iopub = self._open_socket(zmq.SUB, manager.iopub_port)
        iopub.subscribe(b"")
        self._tasks = [
            asyncio.create_task(self._read_replies(self._shell)),
            asyncio.create_task(self._read_replies(self._control)),
            asyncio.create_task(self._read_iopub(iopub)),
        ]
        try:
            async with asyncio.timeout(timeout_seconds):
                info = await self._or_death(self._ask("kernel_info_request", {}))
                self._has_answered = True
                # a subscription takes a moment to arrive, and what is published before it is lost
                while not self._heard.is_set():
                    await self._or_death(self._ask("kernel_info_request", {}))
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._heard.wait(), 0.05)
        except TimeoutError:
            raise KernelSilent(f"did not answer within {timeout_seconds:g} s") from None
        content: Message = info["content"]
        return content

    async def execute(
        self,
        code: str,
        *,
        on_sent: Callable[[str], None] | None = None,
        silent: bool = False,
        expressions: Mapping[str, str] | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Message:
        """Run code and return the content of its reply, after all that it showed was handed on.

        Parameters
        ----------
        on_sent
            Called with the id that the messages of this code carry, before the first of them.
        expressions
            Name to an expression whose value comes with the reply, under ``user_expressions``.
        metadata
            What the message says of the code; the kernel's own code can ask for it.

        Raises
        ------
        KernelDied
            The process ended; what it had shown before was handed on.
        """
        message = self._execute_request(code, silent, expressions, metadata)
        message_id = message["header"]["msg_id"]
        if on_sent is not None:
            on_sent(message_id)
        idle = self._idle[message_id] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._or_death(self._reply_or_idle(self._send(self._shell, message), idle))
            with contextlib.suppress(TimeoutError):
                await self._or_death(asyncio.wait_for(idle, _IDLE_TIMEOUT_SECONDS))
        finally:
            del self._idle[message_id]
        reply_content: Message = reply["content"]
        return reply_content

    async def _reply_or_idle(self, reply: asyncio.Future[Message], idle: asyncio.Future[None]) -> Message:
        """Return the reply, or what stands for it when the kernel has done with the request and sent none.

        So ipykernel does when an interrupt meets its own code before or after the user's.
        """
        either: list[asyncio.Future[Any]] = [reply, idle]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                await asyncio.wait([reply], timeout=_REPLY_SECONDS)
            return reply.result() if reply.done() else {"content": dict(_INTERRUPTED)}
        finally:
            reply.cancel()

    async def shutdown(self, grace_seconds: float) -> None:
        """Ask the kernel to end, kill it after the grace, and let go of everything.

        May be called at any time; a kernel that has never answered is killed at once.
        """
        try:
            if self._has_answered:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace_seconds):
                        await self._ask_to_end()
            await self.process.kill()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._context is not None:
                self._context.destroy(linger=0)
            await self.process.release()

    async def _ask_to_end(self) -> None:
        """Have the kernel end by itself, and wait until it has."""
        death = self.process.death
        if self.process.is_ipykernel and not self._replies and not death.done():
            reply = self._send(self._shell, self._execute_request(_END_IPYKERNEL, silent=True))
            either: list[asyncio.Future[Any]] = [reply, death]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if reply.done() and reply.result()["content"]["status"] == "ok":
                await asyncio.wait([death])
        if not death.done():
            self._session.send(self._control, "shutdown_request", {"restart": False})
            await asyncio.wait([death])

    def _execute_request(
        self,
        code: str,
        silent: bool,
        expressions: Mapping[str, str] | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Message:
        content = {
            "code": code,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": dict(expressions or {}),
            "allow_stdin": False,
            "stop_on_error": False,  # nothing is queued, and what comes right after an error is not to be aborted
        }
        message: Message = self._session.msg("execute_request", content, metadata=dict(metadata or {}))
        return message

    def _open_socket(self, kind: int, port: int) -> Any:
        import zmq

        socket = self._context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = 0  # nothing that a kernel shows is dropped because we are busy
        socket.reconnect_ivl = 5  # milliseconds: the default of 100 would be added to the start of each kernel
        socket.reconnect_ivl_max = 100
        if kind == zmq.DEALER:
            socket.identity = self._session.bsession
        socket.connect(self.process.url(port))
        return socket

    def _ask(self, kind: str, content: dict[str, object]) -> asyncio.Future[Message]:
        return self._send(self._shell, self._session.msg(kind, content))

    def _send(self, socket: Any, message: Message) -> asyncio.Future[Message]:
        """Send a request and return the future of its reply."""
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        message_id = message["header"]["msg_id"]
        self._replies[message_id] = reply
        reply.add_done_callback(lambda _: self._replies.pop(message_id, None))
        self._session.send(socket, message)
        return reply

    async def _or_death(self, awaitable: Awaitable[_T]) -> _T:
        """Return the result, or raise :class:`KernelDied` after what the dead kernel had sent was read."""
        task = asyncio.ensure_future(awaitable)
        both: list[asyncio.Future[Any]] = [task, self.process.death]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await self._drain()
            if not task.done():
                raise KernelDied(self.process.death.result())
            return task.result()
        finally:
            task.cancel()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        while (rest := self._heard_at + _DRAIN_SECONDS - loop.time()) > 0:
            await asyncio.sleep(rest)

    async def _receive(self, socket: Any) -> Message | None:
        """Return the next message; None for one that is not signed with our key, or has another form."""
        return read_message(self._session, await socket.recv_multipart(copy=False))

    async def _read_replies(self, socket: Any) -> None:
        while True:
            message = await self._receive(socket)
            if message is not None:
                reply = self._replies.get(message["parent_header"].get("msg_id", ""))
                if reply is not None and not reply.done():
                    reply.set_result(message)

    async def _read_iopub(self, socket: Any) -> None:
        loop = asyncio.get_running_loop()
        for number in itertools.count():
            if number % _TURN_MESSAGES == 0:
                await asyncio.sleep(0)  # to receive what is there already does not let others have their turn
            message = await self._receive(socket)
            self._heard_at = loop.time()
            self._heard.set()
            if message is None or message["msg_type"] == "iopub_welcome":
                continue
            if message["msg_type"] != "status":
                self._hand_on(message)
            elif message["content"]["execution_state"] == "idle":
                idle = self._idle.get(message["parent_header"].get("msg_id", ""))
                if idle is not None and not idle.done():
                    idle.set_result(None)

    def _hand_on(self, message: Message) -> None:
        try:
            self._on_output(message)
        except Exception:  # a message of a form that nobody expected must not end the conversation
            _log.exception("A kernel's message was left out: %s", message.get("msg_type"))
