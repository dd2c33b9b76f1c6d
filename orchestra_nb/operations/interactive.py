"""Drives the task cells of this kernel: puts session, run, executor and store together.

Nothing here waits for the store or the cluster: both are opened in the background, so that the first task cell shows
its line at once, and a notebook works while the database is away. In the kernel of a notebook run the events go to the
runner of that run, which passes them on to whoever drives it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.acting_user import process_user
from orchestra_nb.engine.cell_session import CellSession
from orchestra_nb.engine.drivers import set_driver
from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE, RUN_NAME_VARIABLE, RUN_SOCKET_VARIABLE, SocketSink
from orchestra_nb.engine.executors import ClusterChanged, Executor
from orchestra_nb.engine.flow_listener import FlowListener
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.interactive_run import InteractiveRun
from orchestra_nb.engine.life_lines import TaskLines
from orchestra_nb.engine.question_relay import QuestionRelay
from orchestra_nb.engine.services import set_answerer
from orchestra_nb.model.events import Event, EventSink
from orchestra_nb.model.machine_messages import cancelled_by
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.model.stop_requests import StopKind
from orchestra_nb.model.typed_runs import typed_name
from orchestra_nb.operations.flow_loops import FlowLoops, inside
from orchestra_nb.operations.opening import open_store
from orchestra_nb.operations.watched_sink import WatchedSink
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.operations.run_services import RunServices
    from orchestra_nb.store.run_store import CancelRequest, RunStore


class FirstUseSink:
    """An event sink that makes the real one at the first event: a kernel that runs no task opens nothing."""

    def __init__(self, make_sink: Callable[[], EventSink]) -> None:
        self._make_sink = make_sink
        self._lock = threading.Lock()
        self._sink: EventSink | None = None

    def emit(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if self._sink is None:
                self._sink = self._make_sink()
        self._sink.emit(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted is durable."""
        return self._sink is None or self._sink.flush(timeout_seconds)

    def close(self) -> None:
        """Flush, and close the real sink."""
        if self._sink is not None:
            self._sink.close()


class KernelDriver:
    """All that one kernel needs to run its task cells; its :attr:`loops` drive the flows and tasks of its functions.

    Parameters
    ----------
    namespace
        The kernel's user namespace.
    listener
        Told of every change, in a thread.
    on_run_end
        Called when a run of this kernel has ended.
    on_event
        Told of what happens to the flows of this kernel, as :class:`WatchedSink` tells it.
    shows_runs
        Whether flows are shown while they run; False in a terminal, which prints them when they have ended.
    """

    def __init__(
        self,
        namespace: dict[str, object],
        listener: FlowListener,
        on_run_end: Callable[[], None] = lambda: None,
        on_event: Callable[[Event], None] = lambda event: None,
        *,
        shows_runs: bool = True,
    ) -> None:
        self.settings = load_settings()
        self.cluster = self.settings.cluster
        self._cluster_state = "not needed yet"
        self._listener = listener
        self.driver_id = fresh_id(datetime.now(UTC))
        self._parent_run_id = os.environ.get(RUN_ID_VARIABLE)
        self._closers: list[Callable[[], None]] = []
        self._sink = FirstUseSink(self._make_sink)
        #: to the log only: under its cell each task shows by itself how it fails
        self._lines = TaskLines(self._sink.emit, lambda line, level: None)
        self._services = self._make_services()
        self.runner = FlowRunner(self._make_executor, self._sink, self, self._services)
        self.run = InteractiveRun(self._sink, self._describe_run, self._tasks_of, on_run_end)
        open_run = self.run.open if self._parent_run_id is None else lambda: str(self._parent_run_id)
        self.session = CellSession(namespace, self.runner, open_run, self._remedy)
        self.loops = FlowLoops(
            None if self.is_inside_run else self.driver_id,
            WatchedSink(self._sink, on_event),
            self._services,
            open_run,
            self._parent_run_id,
            shows_failures=True,
            shows_runs=shows_runs,
        )
        set_driver(self.loops)
        set_answerer(lambda: self._services)
        self._is_closed = False
        atexit.register(self.close)

    @property
    def is_inside_run(self) -> bool:
        """Whether this kernel executes a notebook run."""
        return self._parent_run_id is not None

    def _remedy(self, failed: str, unrun: Sequence[str]) -> str:
        """Return what to do about a task that failed, for who reads of it: in the notebook, or below a command."""
        if not self.is_inside_run:
            if not unrun:
                return "Mend its cell and run it again, then this one."
            others = ", ".join(repr(name) for name in unrun)
            cells = "the cell" if len(unrun) == 1 else "the cells"
            return f"Mend the cell of {failed!r} and run it again, then {cells} of {others} and this one."
        name = os.environ.get(RUN_NAME_VARIABLE)
        typed = typed_name(name, os.environ.get(RUN_ID_VARIABLE, name)) if name else ""
        again = f" To run it again as it was: orchestra runs retry {typed}" if typed else ""
        return f"Mend the notebook and run it anew.{again}"

    def describe_cluster(self) -> str:
        """Return where task cells run and how that place is, in people's words."""
        return f"{self.cluster} ({self._cluster_state})"

    def describe_store(self) -> str:
        """Return where runs are recorded, without any password."""
        if self.is_inside_run:
            return "by the run that this notebook belongs to"
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            return make_url(self.settings.resolved_store_url).render_as_string(hide_password=True)
        except ArgumentError:
            return "the setting store_url (ORCHESTRA_STORE_URL) is no database URL: runs are not recorded"

    def flush_events(self, timeout_seconds: float) -> bool:
        """Wait until what has happened is stored; False when the time was not enough."""
        return self._sink.flush(timeout_seconds)

    def cancel_run(self, run_id: str, task_run_id: str | None, actor: str) -> None:
        """Ask for the end of a run of this kernel, or of one task of it. Returns at once, and needs no store."""
        from orchestra_nb.store.run_store import CancelRequest

        self._cancel_asked(CancelRequest(sequence=0, run_id=run_id, task_run_id=task_run_id, actor=actor))

    def use_cluster(self, cluster: str) -> None:
        """Send later tasks to another cluster: ``"local"``, an address, or a mapping as text.

        Raises
        ------
        InvalidSetting
            The text names no cluster.
        Conflict
            Tasks are under way on the present one.
        """
        from orchestra_nb.engine.clusters import parse_cluster
        from orchestra_nb.errors import Conflict

        if parse_cluster(cluster) == parse_cluster(self.cluster):
            return  # its values stay at hand
        open_tasks = self.runner.open_tasks()
        if open_tasks:
            names = ", ".join(task.name for task in open_tasks)
            raise Conflict(f"Tasks are under way on {self.cluster}: {names}. Wait for them or interrupt the kernel.")
        self.cluster = cluster
        self._cluster_state = "not needed yet"
        self.runner.change_executor()

    # --- told by the flow runner

    def task_changed(self, task_run: TaskRun) -> None:
        """A task run has a new state: the log says that an attempt failed and another one follows."""
        self._lines.tell(task_run)
        self._listener.task_changed(task_run)

    def task_showed(self, task_run_id: str, outputs: Sequence[Mapping[str, object]]) -> None:
        """A task showed something."""
        self._listener.task_showed(task_run_id, outputs)

    def task_logged(self, task_run: TaskRun, lines: Sequence[LogLine]) -> None:
        """A task logged lines."""
        self._listener.task_logged(task_run, lines)

    def task_ended(self, task_run: TaskRun, outcome: Outcome | None) -> None:
        """A task run ended, and the log says how it failed: its run may be over."""
        self._lines.tell(task_run)
        self._listener.task_ended(task_run, outcome)
        self.run.look()

    def cluster_changed(self, change: ClusterChanged) -> None:
        """The cluster is starting, ready or lost."""
        self._cluster_state = f"{change.status}: {change.detail}" if change.detail else change.status
        self._listener.cluster_changed(change)

    def flush(self, timeout_seconds: float) -> None:
        """Return when what was told before is shown."""
        self._listener.flush(timeout_seconds)

    def wait(self, timeout_seconds: float | None) -> bool:
        """Wait until all tasks have ended, and what they did is shown and durable; False when time ran out."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds

        def at_most(seconds: float) -> float:
            return seconds if deadline is None else max(0.0, min(seconds, deadline - time.monotonic()))

        if not self.session.wait(None, timeout_seconds):
            return False
        self.flush(at_most(5.0))
        return self._sink.flush(at_most(30.0))

    # --- the end

    def close(self) -> None:
        """Cancel what has not ended, end the open run and let go of everything. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        set_driver(None)
        set_answerer(None)
        self.loops.stop("the kernel was shut down")
        self.runner.close("the kernel was shut down")
        self.run.close()
        self._sink.close()
        for close in reversed(self._closers):
            with contextlib.suppress(OSError):
                close()

    def _make_services(self) -> RunServices | QuestionRelay:
        from orchestra_nb.operations.run_services import RunServices

        socket_path = os.environ.get(RUN_SOCKET_VARIABLE)
        if self._parent_run_id is not None and socket_path:
            relay = QuestionRelay(socket_path, self._parent_run_id)
            self._closers.append(relay.close)
            return relay
        return RunServices(lambda: open_store(self.settings), driver_id=self.driver_id, user=process_user())

    def _make_executor(self) -> Executor:
        from orchestra_nb.engine.dask_executor import DaskExecutor

        return DaskExecutor(self.cluster)

    def _make_sink(self) -> EventSink:
        socket_path = os.environ.get(RUN_SOCKET_VARIABLE)
        if self._parent_run_id is not None and socket_path:
            return SocketSink(socket_path, self._cancel_task_asked)
        from orchestra_nb.store.store_sink import StoreSink

        return StoreSink(self._open_store)

    def _open_store(self) -> RunStore:
        """Open the store and become one of its drivers; called in the sink's thread, again until it succeeds."""
        from orchestra_nb.operations.opening import Sweeper
        from orchestra_nb.services.driver_guard import DriverGuard

        store = open_store(self.settings)
        guard = DriverGuard(store, kind="kernel", on_cancel=self._cancel_asked, driver_id=self.driver_id)
        sweeper = Sweeper(store, self.settings.sweep_seconds)
        self._closers += [guard.close, sweeper.close]
        return store

    def _cancel_asked(self, request: CancelRequest) -> None:
        self.loops.cancel_asked(request)
        if request.kind is not StopKind.CANCEL:  # only flows are suspended
            return
        self.runner.cancel_inside(inside(request))
        ids = (
            [request.task_run_id]
            if request.task_run_id is not None
            else [task.task_run_id for task in self._tasks_of(request.run_id)]
        )
        self.session.cancel(ids, cancelled_by(request.actor), request.actor)

    def _cancel_task_asked(self, task_run_id: str, actor: str) -> None:
        self.session.cancel([task_run_id], cancelled_by(actor), actor)

    def _tasks_of(self, run_id: str) -> list[TaskRun]:
        return self.runner.tasks_of(run_id)

    def _describe_run(self, run_id: str, name: str, now: datetime) -> Run:
        notebook = os.environ.get("JPY_SESSION_NAME")
        return Run(
            run_id=run_id,
            name=name,
            flow_name=Path(notebook).stem if notebook else "notebook",
            kind=RunKind.INTERACTIVE,
            state=State.PENDING,
            created_at=now,
            notebook_path=notebook,
            cluster=self.cluster,
            driver_id=self.driver_id,
            owner=process_user(),
        )


_current: KernelDriver | None = None


def current_driver() -> KernelDriver | None:
    """Return the driver of this kernel, if it has one."""
    return _current


def set_current_driver(driver: KernelDriver | None) -> None:
    """Make this the driver that :func:`wait_for_tasks` speaks of."""
    global _current
    _current = driver


def wait_for_tasks(timeout_seconds: float | None = None) -> bool:
    """Wait until all tasks of this kernel have ended and what they did is on its way; False when time ran out.

    The end of a notebook run: it calls this in its kernel after the last cell.
    """
    return _current is None or _current.wait(timeout_seconds)


def stop_tasks(timeout_seconds: float) -> bool:
    """Cancel all tasks of this kernel and wait as :func:`wait_for_tasks`: the end of a notebook run that is stopped."""
    if _current is not None:
        _current.session.cancel(None, "the kernel was interrupted")
    return wait_for_tasks(timeout_seconds)
