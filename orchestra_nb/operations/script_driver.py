"""Drives the flows and tasks of a script, a shell or a kernel without task cells: store, guard, loops, hooks, console.

Nothing here waits for the store: it is opened beside the first flow, and the end of a flow waits until all that
happened is committed. A watcher process is started when the process has lived for a second.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestra_nb.engine.executors import ClusterChanged
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.task_runners import TaskRunner, task_runner_of_settings
from orchestra_nb.model.events import DriverEnded, DriverStarted, Event, RunCreated
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import LogLine, TaskRun
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.services.driver_guard import DriverGuard
    from orchestra_nb.store.run_store import CancelRequest, RunStore

#: How long a driver lives before a watcher is started beside it.
_WATCH_AFTER_SECONDS = 1.0
#: How long the process waits at its end for hooks that are being called.
_HOOK_SECONDS = 60.0

_log = logging.getLogger(__name__)


class ScriptDriver:
    """Implements :class:`~orchestra_nb.engine.drivers.Driver` for a process."""

    def __init__(self) -> None:
        from orchestra_nb.store.store_sink import StoreSink

        self.settings = load_settings()
        self.driver_id: str | None = new_id(datetime.now(UTC), secrets.randbits(74))
        self.open_run: Callable[[], str] | None = None
        self._lock = threading.RLock()
        self._runners: dict[str, FlowRunner] = {}
        self._cancels: dict[str, Callable[[str], None]] = {}
        self._hooks = HookQueue()
        self._closers: list[Callable[[], None]] = []
        self._guard: DriverGuard | None = None
        self._store: RunStore | None = None
        self._closing = threading.Event()
        self._has_runs = False
        self.sink = _FirstRunSink(StoreSink(self._open_store), self._announce)
        # registered after the sink's own: so it is called before
        atexit.register(self.close)

    def flow_runner(self, task_runner: TaskRunner) -> FlowRunner:
        """Return the loop for this place."""
        with self._lock:
            place = task_runner.place
            runner = self._runners.get(place)
            if runner is None:
                runner = FlowRunner(task_runner.make_executor, self.sink, ConsoleListener(), self._answer)
                self._runners[place] = runner
            return runner

    def default_task_runner(self) -> TaskRunner:
        """Return what the settings say."""
        return task_runner_of_settings()

    def watch_run(self, run_id: str, cancel: Callable[[str], None]) -> None:
        """Pass on requests to cancel this run."""
        self._cancels[run_id] = cancel

    def forget_run(self, run_id: str) -> None:
        """Undo :meth:`watch_run`."""
        self._cancels.pop(run_id, None)

    def say(self, line: str, level: int) -> None:
        """Write a line to standard error, as a log line looks."""
        say(line, level)

    def call_hook(self, hook: Callable[[], object]) -> None:
        """Call a hook soon, in order."""
        self._hooks.put(hook)

    def finish_hooks(self) -> None:
        """Return when all hooks that were given before have been called."""
        self._hooks.finish(_HOOK_SECONDS)

    def close(self) -> None:
        """Cancel what has not ended and let go of everything. May be called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        atexit.unregister(self.close)
        for runner in list(self._runners.values()):
            runner.close("its script ended")
        self._hooks.close()
        if self._guard is None and self._has_runs and self.driver_id is not None:
            with contextlib.suppress(RuntimeError):
                self.sink.emit(DriverEnded(driver_id=self.driver_id, at=datetime.now(UTC)))
        self.sink.close()
        for close in reversed(self._closers):
            with contextlib.suppress(OSError):
                close()

    # --- the store

    def _announce(self) -> None:
        """Become a driver of the store, before the first run."""
        from orchestra_nb.services.driver_guard import describe_this_process

        self._has_runs = True
        driver = describe_this_process("script", self.settings.lease_seconds, self.driver_id)
        self.sink.emit(DriverStarted(driver=driver))
        threading.Thread(target=self._guard_later, name="orchestra-guard-start", daemon=True).start()

    def _open_store(self) -> RunStore:
        from orchestra_nb.operations.opening import open_store

        self._store = open_store(self.settings)
        return self._store

    def _guard_later(self) -> None:
        from orchestra_nb.errors import StoreUnavailable
        from orchestra_nb.operations.opening import Sweeper
        from orchestra_nb.services.driver_guard import DriverGuard

        while not self._closing.wait(_WATCH_AFTER_SECONDS):
            if self._store is None:
                continue
            try:
                guard = DriverGuard(self._store, "script", self._cancel_asked, driver_id=self.driver_id)
            except StoreUnavailable as error:  # locked: the next turn may find it open
                _log.warning("This process is not watched yet: %s", error)
            else:
                self._guard = guard
                self._closers += [guard.close, Sweeper(self._store, self.settings.sweep_seconds).close]
                return

    def _cancel_asked(self, request: CancelRequest) -> None:
        reason = f"cancelled by {request.actor}"
        if request.task_run_id is not None:
            for runner in list(self._runners.values()):
                runner.cancel([request.task_run_id], reason, request.actor)
            return
        cancel = self._cancels.get(request.run_id)
        if cancel is not None:
            cancel(reason)

    def _answer(self, question: bytes) -> bytes:
        from orchestra_nb.engine.services import answer_here

        return answer_here(question)


class _FirstRunSink:
    """Gives events to a sink; before the first run it has the driver announced."""

    def __init__(self, sink: object, announce: Callable[[], None]) -> None:
        from orchestra_nb.store.store_sink import StoreSink

        assert isinstance(sink, StoreSink)
        self._sink = sink
        self._announce = announce
        self._is_announced = False

    def emit(self, event: Event) -> None:
        """Take one event."""
        if not self._is_announced and isinstance(event, RunCreated):
            self._is_announced = True
            self._announce()
        self._sink.emit(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted is durable."""
        return self._sink.flush(timeout_seconds)

    def close(self) -> None:
        """Flush and let go."""
        self._sink.close()


def say(line: str, level: int) -> None:
    """Write a line to standard error, as a log line looks."""
    stream = sys.__stderr__
    if stream is not None:
        word = logging.getLevelName(level)
        stream.write(f"{datetime.now().astimezone():%H:%M:%S} | {word:<7} | {line}\n")
        stream.flush()


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
            except Exception:
                _log.exception("A hook failed")


class ConsoleListener:
    """Shows what tasks print elsewhere, on the streams of this process."""

    def task_changed(self, task_run: TaskRun) -> None:
        """Do nothing: the run's page tells it."""

    def task_showed(self, task_run_id: str, outputs: Sequence[Mapping[str, object]]) -> None:
        """Print what a task printed."""
        for output in outputs:
            if output.get("output_type") == "stream":
                stream = sys.stderr if output.get("name") == "stderr" else sys.stdout
                if stream is not None:
                    stream.write(str(output.get("text", "")))
                    stream.flush()

    def task_logged(self, task_run: TaskRun, lines: Sequence[LogLine]) -> None:
        """Write the lines of a task to standard error."""
        for line in lines:
            say(f"Task run {task_run.name!r} - {line.message}", line.level)

    def task_ended(self, task_run: TaskRun, outcome: Outcome | None) -> None:
        """Do nothing: whoever waits is told."""

    def cluster_changed(self, change: ClusterChanged) -> None:
        """Do nothing: a lost cluster is said by the tasks that it takes along."""

    def flush(self, timeout_seconds: float) -> None:
        """Do nothing: prints are written at once."""
