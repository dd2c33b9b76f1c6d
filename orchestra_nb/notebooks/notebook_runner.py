"""The process that runs one notebook from top to bottom: ``python -m … FD [CHANNEL TAIL]``.

It is started, or forked, under a sentinel by :mod:`orchestra_nb.engine.notebook_host`, runs no user code itself, and
speaks :mod:`orchestra_nb.notebooks.runner_messages` over the socket FD. The kernel is started first, unless one has
been asked for already, and everything else is made ready while it boots.

Task cells that were started are waited for also after a cell has failed: they run on the cluster, and what they did
is told. When the run is stopped they are cancelled, and within the grace their end is waited for, so that the output
notebook shows it. When the kernel is dead nobody can wait for them; whoever drives the run ends their records.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zmq

from orchestra_nb.model.conclusion import NOTHING_GIVEN, conclude
from orchestra_nb.model.events import Event
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_errors import describe_error
from orchestra_nb.notebooks.child_events import ChildEvents
from orchestra_nb.notebooks.execution_record import ExecutionRecord
from orchestra_nb.notebooks.kernel_client import KernelClient, KernelDied, KernelSilent, make_context
from orchestra_nb.notebooks.kernel_process import KernelDeath, KernelProcess
from orchestra_nb.notebooks.long_messages import Message
from orchestra_nb.notebooks.masked_messages import masking
from orchestra_nb.notebooks.notebook_execution import CellFailed, NotebookExecution, RunStopped
from orchestra_nb.notebooks.run_output import RunOutput
from orchestra_nb.notebooks.runner_messages import (
    Answered,
    AttemptEnded,
    Began,
    Begin,
    CancelTask,
    Finished,
    Flushed,
    FlushWanted,
    FromRunner,
    KernelGone,
    Prepare,
    Reported,
    RunnerSpec,
    Stop,
    decode_to_runner,
    encode_message,
)
from orchestra_nb.notebooks.throttle import Throttle
from orchestra_nb.short_process import collect_seldom, end_process

#: Run in the kernel after the last cell. It is asked whatever is known here: what a cell has started is announced on a
#: way of its own, which may be longer than that of the cell's reply.
_WAIT_CODE = (
    "import sys as _sys\n"
    "_interactive = _sys.modules.get('orchestra_nb.operations.interactive')\n"
    "assert _interactive is None or _interactive.wait_for_tasks(), 'tasks did not end'\n"
)
#: Run in the kernel when the run is stopped: an interrupt cancels the tasks only where user code does not catch it.
_STOP_CODE = (
    "import sys as _sys\n"
    "_interactive = _sys.modules.get('orchestra_nb.operations.interactive')\n"
    "assert _interactive is None or _interactive.stop_tasks({seconds!r}), 'tasks did not end'\n"
)
#: What of the grace is left to the kernel's answer when its tasks do not end.
_ANSWER_SECONDS = 0.3
#: How long a kernel may take to end when asked, before it is killed.
_SHUTDOWN_SECONDS = 5.0
#: How often the output notebook is written, and log lines are reported, while the notebook runs.
_WRITE_SECONDS = 1.0
_MAX_MESSAGE = 2_000
#: The longest line from the host: a whole notebook with its attachments.
_MAX_LINE_BYTES = 1 << 30

_HOST_GONE = Stop("The command that ran the notebook ended", 0.0)


class NotebookRunner:
    """Runs one attempt of one notebook. All methods belong to one event loop.

    Parameters
    ----------
    environ
        The kernel's environment, but for what the spec adds.
    send
        Called with each message for the host.
    handed
        Where a kernel has been asked for.
    context
        For the conversation with the kernel, made ahead; it is the runner's.
    """

    def __init__(
        self,
        spec: RunnerSpec,
        environ: Mapping[str, str],
        send: Callable[[FromRunner], None],
        handed: HandedKernel | None = None,
        context: zmq.Context[Any] | None = None,
    ) -> None:
        self._spec = spec
        self._environ = environ
        self._send = send = masking(send, Mask(spec.secrets))
        self._handed = handed
        self._context = context
        self._may_begin = asyncio.Event()
        self._stop: Stop | None = None
        self._stop_deadline = 0.0
        self._has_started = False
        self._is_running_cells = False
        self._may_have_tasks = False
        self._attempt: asyncio.Task[Finished] | None = None
        self._interrupting: asyncio.Task[None] | None = None
        self._process: KernelProcess | None = None
        self._client: KernelClient | None = None
        self._children = ChildEvents(
            spec.run_id,
            self._report,
            self._ask_flush,
            self._send,
            lambda task_run_id: self._send(AttemptEnded(task_run_id)),
        )
        self._throttle = Throttle(self._write, _WRITE_SECONDS)
        self._record = ExecutionRecord(spec, self._report, self._throttle.poke, show=self._send)
        self._execution = NotebookExecution(spec, self._record)

    async def run(self) -> None:
        """Run the attempt and send its end; return when nothing of it is left."""
        self._attempt = asyncio.create_task(self._run_attempt())
        try:
            self._send(await self._attempt)
        finally:
            await self._clean_up()
            if self._stop is _HOST_GONE:
                self._leave_output()

    def begin(self, begin: Begin) -> None:
        """Let the first cell run."""
        self._execution.go_ahead(begin.ahead)
        self._may_begin.set()

    def stop(self, stop: Stop) -> None:
        """Interrupt the kernel, kill it after the grace, and have the attempt end; a later, shorter grace holds too."""
        if self._stop is None or stop is _HOST_GONE:
            self._stop = stop
        self._stop_deadline = asyncio.get_running_loop().time() + stop.grace_seconds
        self._execution.stop()
        if not self._is_running_cells:
            if self._attempt is not None and self._has_started:
                self._attempt.cancel()
            return
        if self._interrupting is not None:
            self._interrupting.cancel()
        self._interrupting = asyncio.create_task(self._interrupt(stop.grace_seconds))

    def lose_host(self) -> None:
        """Stop at once: nobody drives this run any more."""
        if self._stop is not _HOST_GONE:
            self.stop(_HOST_GONE)

    def cancel_task(self, request: CancelTask) -> None:
        """Ask the kernel to cancel one of its tasks."""
        self._children.cancel(request.task_run_id, request.actor)

    def flushed(self, answer: Flushed) -> None:
        """Pass on an answer."""
        self._children.flushed(answer.token, answer.done)

    def answered(self, answer: Answered) -> None:
        """Pass on the answer to a question."""
        self._children.answered(answer.token, answer.answer)

    async def _run_attempt(self) -> Finished:
        """Run everything and write the output notebook; return how it ended."""
        state, message, error = State.COMPLETED, "", None
        self._has_started = True
        try:
            if self._stop is not None:
                raise RunStopped
            note = await self._run_notebook()
            state, message = conclude(self._children.tasks)
            message = message or note or self._execution.note
        except asyncio.CancelledError:
            if self._stop is None:
                raise
            state, message = self._say_stopped()
        except RunStopped:
            state, message = self._say_stopped()
        except CellFailed as failure:
            state, message, error = State.FAILED, self._say_failed(failure.error), failure.error
        except KernelDied as end:
            state, message = self._say_stopped() if self._stop is not None else self._say_died(end.death)
        except _KernelNotStarted as problem:
            state, message = State.CRASHED, f"The kernel {self._spec.kernel_name} {problem}"
        self._is_running_cells = False
        self._throttle.close()
        finished = Finished(state, message[:_MAX_MESSAGE], datetime.now(UTC), error)
        if self._client is not None:
            self._client.ask_to_end()  # while the output notebook is written
        try:
            self._record.finish(finished.at, state, finished.message, error)
        except OSError as problem:
            text = f"The output notebook could not be written: {problem}. {message}".rstrip()
            worst = State.CRASHED if state is State.COMPLETED else state
            finished = Finished(worst, text[:_MAX_MESSAGE], finished.at, error)
        if self._stop is _HOST_GONE:
            self._leave_output()
        return finished

    def _leave_output(self) -> None:
        """Make the user's link to the output notebook a file: whoever would have done it is not there any more."""
        if self._spec.copy_path:
            RunOutput(Path(self._spec.output_path), Path(self._spec.copy_path)).keep_if_linked()

    async def _run_notebook(self) -> str:
        """Start the kernel, run the cells and wait for their tasks; return a note on how it went."""
        spec = self._spec
        client = await self._start_kernel()
        await self._may_begin.wait()
        self._is_running_cells = True
        self._send(Began(datetime.now(UTC)))
        try:
            early_end = await self._execution.run_cells(client)
        except CellFailed:
            with contextlib.suppress(KernelDied, RunStopped):
                await self._wait_for_tasks(client)
            raise
        except RunStopped:
            await self._stop_tasks(client)
            raise
        if early_end is None or not early_end.is_kernel_ending:
            await self._wait_for_tasks(client)
        return "" if early_end is None else f"{spec.flow_name} ended itself: {early_end.by}"

    async def _start_kernel(self) -> KernelClient:
        """Start the kernel, make the output ready while it boots, and wait until it answers."""
        process = None
        if self._handed is None:
            process = self._process = await self._launch()
        making_ready = asyncio.create_task(self._make_ready())
        try:
            info = await self._reach_kernel(process)
        finally:
            await making_ready
        if "language_info" in info:
            self._record.output.set_metadata("language_info", info["language_info"])
            self._may_have_tasks = info["language_info"].get("name") == "python"
        assert self._client is not None
        return self._client

    async def _make_ready(self) -> None:
        """Listen to what the kernel will tell, and make the output."""
        await self._children.listen(self._spec.socket_path)
        self._record.prepare()

    async def _reach_kernel(self, process: KernelProcess | None) -> Message:
        """Wait until the kernel answers, the one that was started or is handed over; return what it says."""
        if process is None and self._handed is not None:
            process = self._process = await self._handed.take(self._spec.start_timeout_seconds)
        if process is None:
            process = self._process = await self._launch()
        try:
            return await self._connect(process)
        except KernelSilent as problem:
            raise _KernelNotStarted(str(problem)) from problem
        except KernelDied as end:
            if self._stop is not None:
                raise
            last_line = end.death.tail.rpartition("\n")[2]
            raise _KernelNotStarted(f"{end.death} when it was started: {last_line}") from end

    async def _connect(self, process: KernelProcess) -> Message:
        """Wait until the kernel answers; start it once more when it ended instead, where a port may have been taken."""
        context, self._context = self._context, None
        client = self._client = KernelClient(process, self._record.take_message, context)
        try:
            return await client.connect(self._spec.start_timeout_seconds)
        except KernelDied:
            if self._stop is not None or process.manager.transport != "tcp":
                raise
        # between the moment when a free port was found and the kernel's start it is anybody's
        await client.shutdown(0)
        self._client = None
        self._process = process = await self._launch()
        self._client = KernelClient(process, self._record.take_message)
        return await self._client.connect(self._spec.start_timeout_seconds)

    async def _launch(self) -> KernelProcess:
        spec = self._spec
        environ = {**self._environ, **spec.environ}
        try:
            return await KernelProcess.launch(
                spec.kernel_name, cwd=spec.cwd, environ=environ, ipc_folder=os.path.dirname(spec.socket_path)
            )
        except Exception as problem:  # a provisioner may raise anything
            raise _KernelNotStarted(f"could not be started: {problem}") from problem

    async def _wait_for_tasks(self, client: KernelClient) -> None:
        """Wait in the kernel until the tasks of its cells have ended; their outputs come back meanwhile."""
        if not self._may_have_tasks:
            return
        try:
            reply = await client.execute(_WAIT_CODE, silent=True)
        except KernelDied:
            if self._children.tasks:
                raise
            return  # it has done all that it had to do
        if self._stop is not None:
            await self._stop_tasks(client)
            raise RunStopped
        if reply["status"] != "ok":
            what = f"{reply.get('ename')}: {reply.get('evalue')}"
            self._record.write_log(f"The end of the tasks was not awaited: {what}", "orchestra", logging.ERROR)

    async def _stop_tasks(self, client: KernelClient) -> None:
        """Cancel the tasks of its cells and wait for their last displays, for no longer than the grace."""
        if not self._may_have_tasks:
            return
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._stop_deadline):
                for _ in range(2):  # the interrupt may come only now, when the cell ended by itself
                    rest = self._stop_deadline - loop.time() - _ANSWER_SECONDS
                    if rest <= 0:
                        return
                    reply = await client.execute(_STOP_CODE.format(seconds=round(rest, 2)), silent=True)
                    if reply["status"] == "ok":
                        return

    async def _interrupt(self, grace_seconds: float) -> None:
        assert self._process is not None
        assert self._attempt is not None
        if grace_seconds > 0:
            await self._process.interrupt()
            await asyncio.wait([self._attempt], timeout=grace_seconds)
        if not self._attempt.done():
            await self._process.kill()

    def _say_stopped(self) -> tuple[State, str]:
        assert self._stop is not None
        if self._stop is _HOST_GONE:
            return State.CRASHED, f"{self._stop.message} {self._record.where}"
        return self._stop.state, f"{self._stop.message} {self._record.where}"

    def _say_failed(self, error: ErrorInfo) -> str:
        """Return why a cell failed; where it needed what a task did not give, the task's error leads."""
        if error.type in NOTHING_GIVEN:
            _, cause = conclude(self._children.tasks)
            if cause:
                return f"{cause}: {error.cell} needs what it gives"
        return describe_error(error)

    def _say_died(self, death: KernelDeath) -> tuple[State, str]:
        if death.tail:
            self._record.write_log(death.tail, "kernel", logging.ERROR)
        hint = _DEATH_HINTS.get(death.signal_name or "", "Its last words are in the log." if death.tail else "")
        text = f"The kernel {death} {self._record.where} of {self._spec.flow_name}. {hint}"
        return State.CRASHED, text.rstrip()

    async def _clean_up(self) -> None:
        """End the kernel and let go of everything."""
        grace = _SHUTDOWN_SECONDS if self._stop is None else self._stop.grace_seconds
        if self._interrupting is not None:
            self._interrupting.cancel()
        self._throttle.close()
        if self._client is not None:
            try:
                await self._client.end(grace)
            finally:
                self._say_gone()  # before the rest is taken apart: the driver waits
                self._client.close()
        elif self._process is not None:
            await self._process.kill()
            await self._process.release()
            self._say_gone()
        if self._context is not None:
            self._context.term()
        self._children.close()

    def _say_gone(self) -> None:
        if self._process is not None and self._process.is_gone:
            self._send(KernelGone())

    def _write(self) -> None:
        try:
            self._record.write()
        except OSError as problem:  # the last write decides
            logging.getLogger(__name__).warning("The output notebook could not be written: %s", problem)

    def _report(self, event: Event) -> None:
        self._send(Reported(event))

    def _ask_flush(self, token: int, timeout_seconds: float) -> None:
        self._send(FlushWanted(token, timeout_seconds))


@dataclass(frozen=True, slots=True)
class HandedKernel:
    """A kernel that another process has asked for.

    Parameters
    ----------
    channel, tail
        Our ends of its :class:`~orchestra_nb.notebooks.kernel_handover.KernelHandover`.
    manager
        To take it over with.
    """

    channel: socket.socket
    tail: int
    connection_file: str
    manager: Any

    async def take(self, timeout_seconds: float) -> KernelProcess | None:
        """Return it as soon as it listens; None when it could not be forked."""
        return await KernelProcess.take(
            self.channel, self.tail, self.connection_file, manager=self.manager, timeout_seconds=timeout_seconds
        )


class _KernelNotStarted(Exception):
    """There is no kernel to run anything in; the text follows "the kernel NAME"."""


_DEATH_HINTS = {
    "SIGKILL": "The system kills a process when memory runs out: run it with less data at a time, or more memory.",
    "SIGSEGV": "Native code of a library crashed.",
}


async def _serve(host: socket.socket, channel: socket.socket | None, tail: int) -> None:
    """Speak with the host over its socket until the attempt has ended."""
    reader, writer = await asyncio.open_connection(sock=host, limit=_MAX_LINE_BYTES)
    # what takes its time and does not depend on the notebook is made while there is none yet
    context = make_context()
    manager = None if channel is None else KernelProcess.make_manager()
    line = await reader.readline()
    if not line.endswith(b"\n"):
        context.term()
        return  # the notebook was refused before anything started, or its host was killed
    message = decode_to_runner(line)
    assert isinstance(message, Prepare)
    # a runner may have waited: kernelspecs are looked up where the notebook's driver would look
    environ: dict[str, str] = json.loads(message.environ_json)
    os.environ.clear()
    os.environ.update(environ)
    handed = None
    if channel is not None and message.connection_file:
        handed = HandedKernel(channel, tail, message.connection_file, manager)
    elif channel is not None:
        channel.close()
        os.close(tail)
    runner = NotebookRunner(
        message.spec, environ, lambda message: writer.write(encode_message(message)), handed, context
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.lose_host)
    listener = asyncio.create_task(_listen(reader, runner))
    try:
        await runner.run()
    finally:
        listener.cancel()
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


async def _listen(reader: asyncio.StreamReader, runner: NotebookRunner) -> None:
    with contextlib.suppress(ConnectionError):
        async for line in reader:
            if not line.endswith(b"\n"):
                break  # the host was killed while it wrote
            match decode_to_runner(line):
                case Begin() as begin:
                    runner.begin(begin)
                case Stop() as stop:
                    runner.stop(stop)
                case CancelTask() as request:
                    runner.cancel_task(request)
                case Flushed() as answer:
                    runner.flushed(answer)
                case Answered() as answer:
                    runner.answered(answer)
    runner.lose_host()


def run_for_host(host: int, channel: int | None = None, tail: int = -1) -> None:
    """Run the notebook that the host at this socket sends.

    Parameters
    ----------
    channel, tail
        Descriptors of a :class:`~orchestra_nb.notebooks.kernel_handover.KernelHandover`, where there is one.
    """
    kernel = None if channel is None else socket.socket(fileno=channel)
    asyncio.run(_serve(socket.socket(fileno=host), kernel, tail))


def main() -> None:
    """Run the notebook of the host at a socket, with the descriptors that the command line names."""
    # loaded while the host still reads the notebook, so that the kernel can be started the moment it is known
    collect_seldom()
    importlib.import_module("jupyter_client.manager")
    run_for_host(*map(int, sys.argv[1:]))
    end_process(0)


if __name__ == "__main__":
    main()
