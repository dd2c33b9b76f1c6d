"""Where the task cells of a notebook run report: the runner's end of the socket that its kernel sends events to.

One event a line, as :func:`orchestra_nb.model.events.encode_event` writes it. A line ``{"flush": n, "seconds": s}``
asks for ``{"flushed": n, "done": bool}`` once all before it is durable, and ``{"ask": n, "question": …}`` for
``{"answered": n, "answer": …}``. Only what tasks may say is taken. In the other direction
``{"cancel": task_run_id, "actor": name}`` asks a kernel to cancel one of its tasks.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import msgspec

from orchestra_nb.model.events import (
    CellRunChanged,
    DeadLetterAdded,
    Event,
    LogsWritten,
    RunCodeRecorded,
    RunCreated,
    RunOutputWritten,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
    ValueRecorded,
    apply_to_task,
    decode_event,
)
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.notebooks.runner_messages import QuestionAsked

_log = logging.getLogger(__name__)

#: Longest line that is taken: an event with a long trace is a few kilobytes.
_MAX_LINE_BYTES = 16_000_000


class ChildEvents:
    """Listens on a Unix socket and knows the tasks that were announced there. Belongs to one event loop.

    Parameters
    ----------
    report
        Called with each event, in the order of each sender.
    ask_flush
        Called with (token, seconds) when a sender waits; the answer goes to :meth:`flushed`.
    ask
        Called with a question of a task or a cell; the answer goes to :meth:`answered`.
    attempt_ended
        Called with a task run's id when an attempt of it has ended.
    """

    def __init__(
        self,
        run_id: str,
        report: Callable[[Event], None],
        ask_flush: Callable[[int, float], None],
        ask: Callable[[QuestionAsked], None],
        attempt_ended: Callable[[str], None],
    ) -> None:
        self._ask = ask
        self._attempt_ended = attempt_ended
        self._run_id = run_id
        self._report = report
        self._ask_flush = ask_flush
        self._tasks: dict[str, TaskRun] = {}
        #: the notebook run, and the flows that it called
        self._runs = {run_id}
        #: the tasks of those flows
        self._inner_tasks: set[str] = set()
        self._waiting: dict[int, tuple[asyncio.StreamWriter, int]] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._last_token = 0
        self._server: asyncio.Server | None = None
        self._path = ""

    @property
    def tasks(self) -> list[TaskRun]:
        """The tasks that were announced, in order, as they are now."""
        return list(self._tasks.values())

    async def listen(self, path: str) -> None:
        """Listen at this path, for this user alone."""
        self._path = path
        self._server = await asyncio.start_unix_server(self._serve, path, limit=_MAX_LINE_BYTES)
        os.chmod(path, 0o600)

    def flushed(self, token: int, done: bool) -> None:
        """Answer whoever waits under this token."""
        writer, number = self._waiting.pop(token, (None, 0))
        if writer is not None and not writer.is_closing():
            writer.write(json.dumps({"flushed": number, "done": done}).encode() + b"\n")

    def answered(self, token: int, answer: bytes) -> None:
        """Answer whoever asked under this token."""
        writer, number = self._waiting.pop(token, (None, 0))
        if writer is not None and not writer.is_closing():
            text = base64.b64encode(answer).decode()
            writer.write(json.dumps({"answered": number, "answer": text}).encode() + b"\n")

    def cancel(self, task_run_id: str, actor: str) -> None:
        """Ask for the end of a task; whoever does not know it passes it over."""
        for writer in self._writers:
            writer.write(json.dumps({"cancel": task_run_id, "actor": actor}).encode() + b"\n")

    def close(self) -> None:
        """Listen no more and remove the socket."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            async for line in reader:
                self._take(line, writer)
        except (ConnectionError, ValueError, asyncio.CancelledError):  # ValueError: a line without an end
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _take(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        if line.startswith(b'{"flush"'):
            request = json.loads(line)
            self._last_token += 1
            self._waiting[self._last_token] = (writer, request["flush"])
            self._ask_flush(self._last_token, float(request["seconds"]))
            return
        if line.startswith(b'{"ask"'):
            self._take_question(json.loads(line), writer)
            return
        if line.startswith(b'{"attempt_ended"'):
            self._attempt_ended(str(json.loads(line)["attempt_ended"]))
            return
        try:
            event = decode_event(line)
        except msgspec.MsgspecError as error:
            _log.warning("A task's event was not understood: %s", error)
            return
        if self._accepts(event):
            self._report(event)

    def _take_question(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self._last_token += 1
        self._waiting[self._last_token] = (writer, request["ask"])
        run_id = request["run"] if request["run"] in self._runs else self._run_id
        question = base64.b64decode(request["question"])
        self._ask(QuestionAsked(self._last_token, question, run_id, request["task"]))

    def _accepts(self, event: Event) -> bool:
        """Note what the event says of a task; False for events that are not a task's to send."""
        match event:
            case TaskRunCreated(task_run=task) if task.run_id == self._run_id:
                self._tasks[task.task_run_id] = task
            case DeadLetterAdded(letter=letter):
                return letter.run_id in self._runs and letter.task_run_id is not None
            case RunCodeRecorded(code=code):
                known = (self._runs - {self._run_id}, self._tasks, self._inner_tasks)
                return any(code.run_id in ids for ids in known)
            case TaskRunStateChanged(task_run_id=task_run_id, run_id=self._run_id) if task_run_id in self._tasks:
                self._tasks[task_run_id] = apply_to_task(self._tasks[task_run_id], event)
            case RunCreated(run=run) if run.parent_run_id in self._runs:
                self._runs.add(run.run_id)
            case LogsWritten(lines=lines):
                return all(line.run_id in self._runs for line in lines)
            case CellRunChanged(cell=cell):
                return cell.run_id != self._run_id and cell.run_id in self._runs
            case ValueRecorded(value=value):
                return value.run_id != self._run_id and value.run_id in self._runs
            case RunStateChanged(run_id=run_id) | TaskRunStateChanged(run_id=run_id) | RunOutputWritten(run_id=run_id):
                return run_id != self._run_id and run_id in self._runs
            case TaskRunCreated(task_run=task) if task.run_id in self._runs:
                self._inner_tasks.add(task.task_run_id)
            case _:
                return False
        return True
