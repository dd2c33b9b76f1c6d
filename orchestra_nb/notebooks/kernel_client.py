"""The conversation with one kernel: run code in it, hand on what it shows, and notice its end.

Ours rather than nbclient's, because a headless run needs what is not there: nothing waits in fixed steps; a dead kernel
ends what waits for it at once, after what it had shown was read; and all that it shows is handed on as it comes,
whichever cell it belongs to. Protocol: https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import zmq

from orchestra_nb.notebooks.kernel_channel import KernelChannel
from orchestra_nb.notebooks.kernel_process import KernelDeath, KernelProcess
from orchestra_nb.notebooks.long_messages import Message

_log = logging.getLogger(__name__)

#: How long a kernel may take from its answer on the shell channel to its last word on iopub.
_IDLE_TIMEOUT_SECONDS = 10.0
#: How long a reply, which is sent before the last word on iopub, may come after it.
_REPLY_SECONDS = 1.0
_INTERRUPTED = {"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
#: When nothing came for this long from a kernel that is dead, nothing will.
_DRAIN_SECONDS = 0.3
#: Ends an ipykernel in good order. After a shutdown_request version 7 hangs for ten seconds once in a hundred times:
#: its control thread flushes streams to an iopub thread that its main thread has ended meanwhile.
_END_IPYKERNEL = (
    "from ipykernel.kernelapp import IPKernelApp as _app\n"
    "_loop = _app.instance().kernel.io_loop\n"
    "_loop.add_callback(_loop.stop)"
)

#: How long a kernel may take to end that is asked on the shell channel. Kernels that are made with ipykernel, such as
#: Bash's, do it there in good order; on the control channel they nearly always hang as above. Others may not hear it.
_SHELL_SECONDS = 0.5


class KernelDied(Exception):
    """The kernel's process ended while something was asked of it."""

    def __init__(self, death: KernelDeath) -> None:
        super().__init__(death)
        self.death = death


class KernelSilent(Exception):
    """The kernel's process lives, but it did not answer in time."""


class _Request:
    """One request on its way, and what has come of it. ``ended`` resolves when nothing more is to come, or will."""

    __slots__ = ("_is_idle", "_timer", "_waits_for_idle", "ended", "is_complete", "reply")

    def __init__(self, *, waits_for_idle: bool) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reply: Message | None = None
        self.is_complete = False
        self._waits_for_idle = waits_for_idle
        self._is_idle = False
        self._timer: asyncio.TimerHandle | None = None

    def take_reply(self, message: Message) -> None:
        self.reply = message
        if self._is_idle or not self._waits_for_idle:
            self._complete()
        else:
            self._complete_within(_IDLE_TIMEOUT_SECONDS)

    def take_idle(self) -> None:
        """Note that the kernel has done with it; a reply is sent before, but on another channel.

        None is sent when an interrupt meets ipykernel's own code before or after the user's.
        """
        self._is_idle = True
        if self.reply is not None:
            self._complete()
        elif self._waits_for_idle:
            self._complete_within(_REPLY_SECONDS)

    def end(self, *_: object) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def _complete(self) -> None:
        self.is_complete = True
        self.end()

    def _complete_within(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self.ended.get_loop().call_later(seconds, self._complete)


def make_context() -> zmq.Context[Any]:
    """Return what a client will need, with its thread running; it may be made before it is known for which kernel."""
    context: zmq.Context[Any] = zmq.Context()
    context.socket(zmq.DEALER).close()
    return context


class KernelClient:
    """Talks with a kernel. All methods belong to one event loop.

    Parameters
    ----------
    on_output
        Called with each iopub message that is not about the kernel's status, in order. Its ``parent_header`` has the
        ``msg_id`` of the :meth:`execute` that it belongs to; what a thread shows may come after that one's end.
    context
        Of :func:`make_context`, the client's from now on; None to make it when it is needed.
    """

    def __init__(
        self, process: KernelProcess, on_output: Callable[[Message], None], context: zmq.Context[Any] | None = None
    ) -> None:
        self.process = process
        self._session = process.manager.session
        self._on_output = on_output
        self._requests: dict[str, _Request] = {}
        self._heard = asyncio.Event()
        self._heard_at = 0.0
        self._context = context
        self._channels: list[KernelChannel] = []
        self._has_answered = False
        #: what ends the kernel
        self._ending: _Request | None = None

    async def connect(self, timeout_seconds: float) -> Message:
        """Return the content of the kernel's ``kernel_info_reply``, once it answers and its output is heard.

        Raises
        ------
        KernelDied
            It ended before.
        KernelSilent
            It did not answer in time.
        """
        manager = self.process.manager
        self._context = self._context or zmq.Context()
        self._shell = self._open(zmq.DEALER, manager.shell_port, self._take_reply)
        self._control = self._open(zmq.DEALER, manager.control_port, self._take_reply)
        self._open(zmq.SUB, manager.iopub_port, self._take_published)
        try:
            async with asyncio.timeout(timeout_seconds):
                info = await self._ask("kernel_info_request")
                self._has_answered = True
                # a subscription takes a moment to arrive, and what is published before it is lost
                while not self._heard.is_set():
                    await self._ask("kernel_info_request")
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
        if on_sent is not None:
            on_sent(message["header"]["msg_id"])
        reply = await self._answer(message, waits_for_idle=True)
        return dict(_INTERRUPTED) if reply is None else reply["content"]

    def ask_to_end(self) -> None:
        """Have a kernel that has answered, and has nothing else to do, end by itself; do not wait for it.

        Whoever has more to do before :meth:`shutdown` does that while the kernel ends.
        """
        may_ask = self._has_answered and not self._requests and not self.process.death.done()
        if may_ask and self._ending is None and self.process.is_ipykernel:
            message = self._execute_request(_END_IPYKERNEL, silent=True)
            self._ending = self._requests[message["header"]["msg_id"]] = _Request(waits_for_idle=False)
            self._shell.send(message)

    async def shutdown(self, grace_seconds: float) -> None:
        """End the kernel as :meth:`end` does, and let go of everything."""
        try:
            await self.end(grace_seconds)
        finally:
            self.close()

    async def end(self, grace_seconds: float) -> None:
        """Ask the kernel to end and kill it after the grace; return when its process is gone, with what it left.

        May be called at any time; a kernel that has never answered is killed at once.
        """
        try:
            if self._has_answered:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace_seconds):
                        await self._end()
            await self.process.kill()
        finally:
            await self.process.release()

    def close(self) -> None:
        """Hear nothing any more."""
        for channel in self._channels:
            channel.close()
        if self._context is not None:
            self._context.term()

    async def _end(self) -> None:
        """Have the kernel end by itself, and wait until it has."""
        death = self.process.death
        self.ask_to_end()
        if self._ending is not None:
            death.add_done_callback(self._ending.end)
            await self._ending.ended
            reply = self._ending.reply
            if reply is not None and reply["content"]["status"] == "ok":
                await asyncio.wait([death])
        for channel, seconds in ((self._shell, _SHELL_SECONDS), (self._control, None)):
            if not death.done():
                channel.send(self._session.msg("shutdown_request", {"restart": False}))
                await asyncio.wait([death], timeout=seconds)

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

    def _open(self, kind: int, port: int, take: Callable[[Message], None]) -> KernelChannel:
        assert self._context is not None
        channel = KernelChannel(self._context, self._session, kind, self.process.url(port), take)
        self._channels.append(channel)
        return channel

    async def _ask(self, kind: str) -> Message:
        reply = await self._answer(self._session.msg(kind, {}), waits_for_idle=False)
        assert reply is not None
        return reply

    async def _answer(self, message: Message, *, waits_for_idle: bool) -> Message | None:
        """Send a request and return its reply, None where the kernel has done with it and sent none.

        Raises
        ------
        KernelDied
            The process ended; what it had sent before was read.
        """
        death, message_id = self.process.death, message["header"]["msg_id"]
        request = self._requests[message_id] = _Request(waits_for_idle=waits_for_idle)
        death.add_done_callback(request.end)
        try:
            self._shell.send(message)
            await request.ended
            if not request.is_complete:
                await self._drain()
            if not request.is_complete:
                raise KernelDied(death.result())
            return request.reply
        finally:
            del self._requests[message_id]
            request.end()
            death.remove_done_callback(request.end)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        while (rest := self._heard_at + _DRAIN_SECONDS - loop.time()) > 0:
            await asyncio.sleep(rest)

    def _take_reply(self, message: Message) -> None:
        request = self._requests.get(message["parent_header"].get("msg_id", ""))
        if request is not None:
            request.take_reply(message)

    def _take_published(self, message: Message) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._heard.set()
        if message["msg_type"] == "iopub_welcome":
            return
        if message["msg_type"] != "status":
            self._hand_on(message)
        elif message["content"]["execution_state"] == "idle":
            request = self._requests.get(message["parent_header"].get("msg_id", ""))
            if request is not None:
                request.take_idle()

    def _hand_on(self, message: Message) -> None:
        try:
            self._on_output(message)
        except Exception:  # a message of a form that nobody expected must not end the conversation
            _log.exception("A kernel's message was left out: %s", message.get("msg_type"))
