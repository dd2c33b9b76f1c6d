"""Drives what a task starts on its worker: tasks and flows inside it, told to the driver through the attempt.

Tasks that are submitted there run in threads of the worker's process: the slots of the cluster belong to the flow, and
a task that waits for another one must not take two.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from orchestra_nb.engine.executors import ClusterChanged
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.inner_cancels import decode_cancel
from orchestra_nb.engine.life_lines import ENGINE, line_of_task
from orchestra_nb.engine.run_hooks import HookFailed
from orchestra_nb.engine.services import ANSWER_SECONDS
from orchestra_nb.engine.task_runners import TaskRunner, ThreadPoolTaskRunner
from orchestra_nb.errors import StopTask
from orchestra_nb.model.attempts import AttemptContext
from orchestra_nb.model.events import Event
from orchestra_nb.model.machine_messages import cancelled_by
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.questions import Asker, encode_inside
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import LogLine, TaskRun


class WorkerDriver:
    """Implements :class:`~orchestra_nb.engine.drivers.Driver` for one attempt."""

    driver_id: str | None = None
    open_run: Callable[[], str] | None = None
    parent_run_id: str | None = None
    shows_failures: bool = False
    shows_runs: bool = False

    def __init__(self, context: AttemptContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._runner: FlowRunner | None = None
        #: run id to what cancels the run, and a task of it
        self._watched: dict[str, tuple[Callable[[str], None], Callable[[str, str], None] | None]] = {}
        self._is_hearing = False
        self.sink = _ContextSink(context)
        self.services = _Services(context)

    def flow_runner(self, task_runner: TaskRunner) -> FlowRunner:
        """Return the loop of this attempt's threads, whatever the task runner says."""
        with self._lock:
            self._hear()
            if self._runner is None:
                self._runner = FlowRunner(
                    ThreadPoolTaskRunner().make_executor, self.sink, _Listener(self._context), self.services
                )
            return self._runner

    def default_task_runner(self) -> TaskRunner:
        """Return threads."""
        return ThreadPoolTaskRunner()

    def watch_run(
        self,
        run_id: str,
        cancel: Callable[[str], None],
        cancel_task: Callable[[str, str], None] | None = None,
        suspend: Callable[[str], None] | None = None,
    ) -> None:
        """Pass on requests to cancel this run; the attempt itself is stopped in another way, and never suspended."""
        self._watched[run_id] = (cancel, cancel_task)
        with self._lock:
            self._hear()

    def forget_run(self, run_id: str) -> None:
        """Undo :meth:`watch_run`."""
        self._watched.pop(run_id, None)

    def say(self, line: str, level: int) -> None:
        """Send a line to the driver's log."""
        self._context.log(LogLine(run_id="", at=datetime.now(UTC), message=line, level=level, logger="orchestra"))

    def call_hook(self, hook: Callable[[], object]) -> None:
        """Call a hook now; one that fails is told in the log, and harms nobody."""
        try:
            hook()
        except StopTask:  # the attempt is stopped, not the hook
            raise
        except BaseException as error:
            cause = error.__cause__ or error
            words = str(error) if isinstance(error, HookFailed) else "A hook failed"
            self.say(f"{words}: {type(cause).__name__}: {cause}", logging.ERROR)

    def keep_dead_code(self, find: Callable[[], RunCode | None]) -> None:
        """Do nothing: the task around has a dead letter, and its code."""

    def finish_hooks(self) -> None:
        """Do nothing: hooks are called at once."""

    def close(self) -> None:
        """Stop what the attempt has left running."""
        if self._runner is not None:
            self._runner.close("the task that started it has ended")
        if self._is_hearing:
            self._context.hear(None)

    def _hear(self) -> None:
        """Hear what the driver says, from the first run on that may be cancelled alone: most tasks start none."""
        if not self._is_hearing:
            self._is_hearing = True
            self._context.hear(self._take)

    def _take(self, word: bytes) -> None:
        asked = decode_cancel(word)
        cancel, cancel_task = self._watched.get(asked.run_id, (None, None))
        if cancel is not None and asked.task_run_id is None:
            cancel(asked.actor)
            return
        if cancel_task is not None and asked.task_run_id is not None:
            cancel_task(asked.task_run_id, asked.actor)
        if (runner := self._runner) is not None:
            if asked.task_run_id is not None:
                runner.cancel([asked.task_run_id], cancelled_by(asked.actor), asked.actor)
            runner.cancel_inside(asked)


class _Services:
    """Passes on what inner tasks ask."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Ask through the attempt, as the inner task."""
        return self._context.ask(encode_inside(question, asker), ANSWER_SECONDS)

    def attempt_ended(self, task_run_id: str) -> None:
        """Do nothing: what is held is held by the attempt around it."""


class _ContextSink:
    """Sends events through an attempt."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context

    def emit(self, event: Event) -> None:
        """Send one event."""
        self._context.emit(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Return True: what an attempt emits is told before its end is."""
        return True

    def close(self) -> None:
        """Do nothing."""


class _Listener:
    """Passes on what inner tasks print."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context

    def task_changed(self, task_run: TaskRun) -> None:
        """Log that an attempt is repeated; events tell the rest."""
        self._log(task_run)

    def task_showed(self, task_run_id: str, outputs: Sequence[Mapping[str, object]]) -> None:
        """Pass it on."""
        for output in outputs:
            self._context.show(output)

    def task_logged(self, task_run: TaskRun, lines: Sequence[LogLine]) -> None:
        """Pass it on."""
        for line in lines:
            self._context.log(msgspec.structs.replace(line, run_id=task_run.run_id, task_run_id=task_run.task_run_id))

    def task_ended(self, task_run: TaskRun, outcome: Outcome | None) -> None:
        """Log how it failed; events tell the rest."""
        self._log(task_run)

    def cluster_changed(self, change: ClusterChanged) -> None:
        """Do nothing: threads are always there."""

    def flush(self, timeout_seconds: float) -> None:
        """Do nothing."""

    def _log(self, task_run: TaskRun) -> None:
        if (line := line_of_task(task_run)) is not None:
            now = datetime.now(UTC)
            self.task_logged(
                task_run, [LogLine(run_id="", at=now, message=line.whole, level=line.level, logger=ENGINE)]
            )
