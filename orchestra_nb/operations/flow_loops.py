"""What each process that drives flows has: a loop for each place where tasks run, hooks, and whom a cancel concerns."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from orchestra_nb.engine.burials import letter_of_task
from orchestra_nb.engine.executors import ClusterChanged
from orchestra_nb.engine.flow_listener import AttemptServices
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.inner_cancels import CancelInside
from orchestra_nb.engine.life_lines import TaskLines
from orchestra_nb.engine.printed_lines import real_stream
from orchestra_nb.engine.run_hooks import HookFailed
from orchestra_nb.engine.submissions import Submission
from orchestra_nb.engine.task_codes import code_of_submission
from orchestra_nb.engine.task_runners import TaskRunner, task_runner_of_settings
from orchestra_nb.model.dead_letters import DEAD_STATES
from orchestra_nb.model.events import DeadLetterAdded, EventSink, RunCodeRecorded
from orchestra_nb.model.machine_messages import cancelled_by
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import LogLine, TaskRun
from orchestra_nb.model.stop_requests import StopKind
from orchestra_nb.operations.run_sink import RunSink
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import CancelRequest

#: How long the end of the process waits for hooks that are being called.
_HOOK_SECONDS = 60.0

#: Of so many failed tasks of a process the code is kept: where more fail, their run is to be looked at, not each.
_MOST_KEPT_CODES = 1000

_log = logging.getLogger(__name__)


class FlowLoops:
    """The part of a driver that runs flows and tasks of functions; implements most of
    :class:`~orchestra_nb.engine.drivers.Driver`.

    Parameters
    ----------
    parent_run_id
        The notebook run that all of it belongs to; None in other processes.
    shows_failures, shows_runs
        As those of :class:`~orchestra_nb.engine.drivers.Driver`.
    """

    def __init__(
        self,
        driver_id: str | None,
        sink: EventSink,
        services: AttemptServices,
        open_run: Callable[[], str] | None = None,
        parent_run_id: str | None = None,
        *,
        shows_failures: bool = False,
        shows_runs: bool = False,
    ) -> None:
        self.driver_id = driver_id
        self._run_sink = RunSink(sink, driver_id)
        self.sink: EventSink = self._run_sink
        self.open_run = open_run
        self.parent_run_id = parent_run_id
        self.shows_failures = shows_failures
        self.shows_runs = shows_runs
        self.services = services
        self._lock = threading.RLock()
        self._runners: dict[str, FlowRunner] = {}
        self._cancels: dict[str, Callable[[str], None]] = {}
        #: run id to what cancels its tasks, where these are another process's: a notebook's
        self._task_cancels: dict[str, Callable[[str, str], None]] = {}
        self._suspends: dict[str, Callable[[str], None]] = {}
        self._hooks = HookQueue()
        self._kept_codes = 0
        self._least_level = logging.getLevelNamesMapping()[load_settings().logging_level]

    def flow_runner(self, task_runner: TaskRunner) -> FlowRunner:
        """Return the loop for this place."""
        with self._lock:
            place = task_runner.place
            runner = self._runners.get(place)
            if runner is None:
                listener = ConsoleListener(self._run_sink, self.say, shows_failures=self.shows_failures)
                runner = FlowRunner(task_runner.make_executor, self.sink, listener, self.services)
                runner.on_failure = self._keep_code
                self._runners[place] = runner
            return runner

    def _keep_code(self, task_run: TaskRun, submission: Submission) -> None:
        """Keep what a submitted task executed that used up its attempts."""
        if task_run.state in DEAD_STATES:
            self.keep_dead_code(lambda: code_of_submission(submission))

    def keep_dead_code(self, find: Callable[[], RunCode | None]) -> None:
        """Keep what a task executed that failed for good, soon, for its dead letter; only of the first that fail."""
        if self._kept_codes >= _MOST_KEPT_CODES:
            return
        self._kept_codes += 1

        def keep() -> None:
            if (code := find()) is not None:
                self.sink.emit(RunCodeRecorded(code=code))

        self.call_hook(keep)

    def default_task_runner(self) -> TaskRunner:
        """Return what the settings say."""
        return task_runner_of_settings()

    def watch_run(
        self,
        run_id: str,
        cancel: Callable[[str], None],
        cancel_task: Callable[[str, str], None] | None = None,
        suspend: Callable[[str], None] | None = None,
    ) -> None:
        """Pass on requests to cancel this run, a task of it that is not of one of the loops, and to suspend it."""
        self._cancels[run_id] = cancel
        if cancel_task is not None:
            self._task_cancels[run_id] = cancel_task
        if suspend is not None:
            self._suspends[run_id] = suspend

    def forget_run(self, run_id: str) -> None:
        """Undo :meth:`watch_run`."""
        self._cancels.pop(run_id, None)
        self._task_cancels.pop(run_id, None)
        self._suspends.pop(run_id, None)

    def say(self, line: str, level: int) -> None:
        """Write a line as a log line looks, unless the settings ask for graver ones only."""
        if level >= self._least_level:
            say(line, level)

    def call_hook(self, hook: Callable[[], object]) -> None:
        """Call a hook soon, in order."""
        self._hooks.put(hook)

    def finish_hooks(self) -> None:
        """Return when all hooks that were given before have been called."""
        self._hooks.finish(_HOOK_SECONDS)

    def cancel_asked(self, request: CancelRequest) -> None:
        """Follow a request to stop a run or a task of this driver; nothing if it is none of these."""
        if request.kind is StopKind.SUSPEND:
            if (suspend := self._suspends.get(request.run_id)) is not None:
                suspend(request.actor)
            return
        if request.task_run_id is not None:
            for runner in list(self._runners.values()):
                runner.cancel([request.task_run_id], cancelled_by(request.actor), request.actor)
            if (cancel_task := self._task_cancels.get(request.run_id)) is not None:
                cancel_task(request.task_run_id, request.actor)
        elif (cancel := self._cancels.get(request.run_id)) is not None:
            cancel(request.actor)
            return
        for runner in list(self._runners.values()):
            runner.cancel_inside(inside(request))

    def stop(self, reason: str) -> None:
        """Cancel what has not ended, call the last hooks, and let go of all clusters."""
        for runner in list(self._runners.values()):
            runner.close(reason)
        self._hooks.close()


def inside(request: CancelRequest) -> CancelInside:
    """Return a request as one for whatever task has started the run."""
    return CancelInside(run_id=request.run_id, task_run_id=request.task_run_id, actor=request.actor)


class HookQueue:
    """Calls hooks one after another, in a thread that is started with the first one."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, hook: Callable[[], object]) -> None:
        """Call a hook after those that were put before."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="orchestra-hooks", daemon=True)
                self._thread.start()
        self._queue.put(hook)

    def finish(self, timeout_seconds: float) -> None:
        """Wait until all hooks that were put before have been called; not from within a hook."""
        if self._thread is None or self._thread is threading.current_thread():
            return
        done = threading.Event()
        self._queue.put(done.set)
        done.wait(timeout_seconds)

    def close(self) -> None:
        """Call what was put, and end the thread."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._queue.put(None)
            self._thread.join(_HOOK_SECONDS)

    def _run(self) -> None:
        while (hook := self._queue.get()) is not None:
            try:
                hook()
            except HookFailed as failed:
                _log.error("%s", failed, exc_info=failed.__cause__)
            except BaseException:  # also one that calls sys.exit: the others wait for their turn
                _log.exception("A hook failed")


class ConsoleListener:
    """Shows what tasks print and log elsewhere, and how they fail, on the streams of this process; keeps dead letters.

    Parameters
    ----------
    say
        Writes a line as a log line looks.
    shows_failures
        As :class:`TaskLines` takes it.
    """

    def __init__(self, sink: RunSink, say: Callable[[str, int], None], *, shows_failures: bool = False) -> None:
        self._sink = sink
        self._say = say
        self._lines = TaskLines(
            sink.emit,
            say,
            sink.where_to_look,
            shows_failures=shows_failures,
            is_of_flow=lambda run_id: bool(sink.flow_name(run_id)),
        )

    def task_changed(self, task_run: TaskRun) -> None:
        """Say that an attempt is repeated; all else the run's page tells."""
        self._lines.tell(task_run)

    def task_showed(self, task_run_id: str, outputs: Sequence[Mapping[str, object]]) -> None:
        """Print what a task printed."""
        printed = [output for output in outputs if output.get("output_type") == "stream"]
        for name, group in groupby(printed, lambda output: "stderr" if output.get("name") == "stderr" else "stdout"):
            _write(real_stream(name), "".join(str(output.get("text", "")) for output in group))

    def task_logged(self, task_run: TaskRun, lines: Sequence[LogLine]) -> None:
        """Show log lines with the task's name."""
        for line in lines:
            self._say(f"Task run {task_run.name!r} - {line.message}", line.level)

    def task_ended(self, task_run: TaskRun, outcome: Outcome | None) -> None:
        """Say how it failed, and keep a dead letter of a task that used up its attempts; whoever waits is told."""
        self._lines.tell(task_run)
        if task_run.state in DEAD_STATES:
            flow_name = self._sink.flow_name(task_run.run_id) or "notebook"
            self._sink.emit(DeadLetterAdded(letter=letter_of_task(task_run, flow_name)))

    def cluster_changed(self, change: ClusterChanged) -> None:
        """Do nothing: a lost cluster is said by the tasks that it takes along."""

    def flush(self, timeout_seconds: float) -> None:
        """Do nothing: prints are written at once."""


def say(line: str, level: int) -> None:
    """Write a line to standard error, as a log line looks.

    In a notebook standard error is red, so what is no trouble is printed there.
    """
    now = time.strftime("%H:%M:%S")
    stream, prints = real_stream("stderr"), real_stream("stdout")
    if level < logging.WARNING and _is_of_kernel(stream) and _is_of_kernel(prints):  # not where the user redirects them
        stream = prints
    _write(stream, f"{now} | {logging.getLevelName(level):<7} | {line}\n")


def _write(stream: TextIO | None, text: str) -> None:
    """Write to a stream that may be closed, or gone, at the interpreter's end."""
    if stream is None:
        return
    try:
        stream.write(text)
        if not _is_of_kernel(stream):  # a kernel's sends what has come together, and a flush waits for that
            stream.flush()
    except (OSError, ValueError):
        pass


def _is_of_kernel(stream: TextIO | None) -> bool:
    return hasattr(stream, "pub_thread")
