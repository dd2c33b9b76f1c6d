"""The run that the task cells of an open notebook belong to.

It opens with the first task cell and ends when all its tasks have ended and the kernel has been idle for a moment: so
"Run All" is one run, with its ordinary cells in between, and a cell tried alone an hour later is another one. In the
kernel of a notebook run there is nothing to open or to end: the tasks are children of that run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.conclusion import conclude
from orchestra_nb.model.events import EventSink, RunCreated, RunStateChanged, apply_to_run
from orchestra_nb.model.identifiers import run_name
from orchestra_nb.model.runs import Run, TaskRun
from orchestra_nb.model.states import State

#: How long the kernel must have been idle, with all tasks ended, before the run is over.
SETTLE_SECONDS = 1.0


class InteractiveRun:
    """Opens and ends the runs of one kernel.

    Parameters
    ----------
    describe
        Makes the record of a new run from its id, name and time of creation.
    tasks_of
        Returns the newest records of the tasks of a run.
    on_end
        Called when a run has ended, maybe in a thread of the timer's.

    Thread safety: all methods may be called from any thread.
    """

    def __init__(
        self,
        sink: EventSink,
        describe: Callable[[str, str, datetime], Run],
        tasks_of: Callable[[str], list[TaskRun]],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._sink = sink
        self._describe = describe
        self._tasks_of = tasks_of
        self._on_end = on_end
        self._lock = threading.RLock()
        self._run: Run | None = None
        self._is_kernel_busy = False
        self._timer: threading.Timer | None = None

    @property
    def newest(self) -> Run | None:
        """The open run, or the one that ended last; None before the first."""
        return self._run

    @property
    def is_cell_running(self) -> bool:
        """Whether the kernel has begun a cell that has not ended."""
        return self._is_kernel_busy

    def open(self) -> str:
        """Return the id of the open run, opening one if there is none."""
        with self._lock:
            self._stop_timer()
            if self._run is None or self._run.state.is_terminal:
                now = datetime.now(UTC)
                run_id = fresh_id(now)
                self._run = self._describe(run_id, run_name(run_id), now)
                self._sink.emit(RunCreated(run=self._run))
                self._enter(self._run, State.RUNNING, now)
            return self._run.run_id

    def kernel_is_busy(self, is_busy: bool) -> None:
        """Note that the kernel began or ended a cell."""
        with self._lock:
            self._is_kernel_busy = is_busy
            self.look()

    def look(self) -> None:
        """Look whether the run may be over; called when a task has ended or the kernel has become idle."""
        with self._lock:
            self._stop_timer()
            if self._is_over():
                self._timer = threading.Timer(SETTLE_SECONDS, self._settle)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """End the open run now: the kernel ends."""
        with self._lock:
            self._stop_timer()
            self._end()

    def _settle(self) -> None:
        with self._lock:
            if self._is_over():
                self._end()

    def _is_over(self) -> bool:
        if self._run is None or self._run.state.is_terminal or self._is_kernel_busy:
            return False
        return all(task.state.is_terminal for task in self._tasks_of(self._run.run_id))

    def _end(self) -> None:
        if self._run is None or self._run.state.is_terminal:
            return
        tasks = self._tasks_of(self._run.run_id)
        ends = [task.ended_at for task in tasks if task.ended_at is not None]
        state, message = conclude(tasks)
        self._enter(self._run, state, max(ends, default=datetime.now(UTC)), message)
        self._on_end()

    def _enter(self, run: Run, state: State, at: datetime, message: str = "") -> None:
        change = RunStateChanged(run_id=run.run_id, state=state, at=at, message=message)
        self._run = apply_to_run(run, change)
        self._sink.emit(change)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
