"""Who drives the flows and tasks of this process, and where their events go.

A script, a shell or a kernel has one driver, made when the first flow or task is called: what makes it is set from
above (:func:`set_driver_factory`), because the engine does not know the store. On a worker the driver is the attempt
that runs there: what it starts is told through it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.events import EventSink
from orchestra_nb.model.run_code import RunCode

if TYPE_CHECKING:
    from orchestra_nb.engine.flow_listener import AttemptServices
    from orchestra_nb.engine.flow_runner import FlowRunner
    from orchestra_nb.engine.task_runners import TaskRunner


class Driver(Protocol):
    """Drives flow runs and task runs.

    Contract: all methods may be called from any thread.
    """

    #: named in the runs that it drives; None on a worker, whose driver is elsewhere
    driver_id: str | None
    sink: EventSink
    #: answers what the code of its runs asks
    services: AttemptServices
    #: the run that tasks outside of flows belong to, opened when needed; None where each is a run of its own
    open_run: Callable[[], str] | None
    #: the notebook run that flows which are called here are subflows of; None where there is none
    parent_run_id: str | None
    #: whether who calls flows here sees how they fail without a line of the log: a cell raises it, and a view
    #: shows the run
    shows_failures: bool
    #: whether that view is there while the run goes on: then nothing has to be said of what goes well, either
    shows_runs: bool

    def flow_runner(self, task_runner: TaskRunner) -> FlowRunner:
        """Return the loop that runs tasks where this task runner says; the same one for an equal task runner."""

    def default_task_runner(self) -> TaskRunner:
        """Return what flows use that name none."""

    def watch_run(
        self,
        run_id: str,
        cancel: Callable[[str], None],
        cancel_task: Callable[[str, str], None] | None = None,
        suspend: Callable[[str], None] | None = None,
    ) -> None:
        """Call ``cancel(actor)``, in any thread, when somebody asks to cancel this run.

        Where its tasks are not this driver's own, ``cancel_task(task run id, actor)`` is for them. ``suspend(actor)``
        is for those who ask a flow to suspend itself.
        """

    def forget_run(self, run_id: str) -> None:
        """Undo :meth:`watch_run`."""

    def say(self, line: str, level: int) -> None:
        """Show a line of a run's log to whoever sits at this process."""

    def call_hook(self, hook: Callable[[], object]) -> None:
        """Call a user's hook soon, in order, outside of any loop of the engine."""

    def keep_dead_code(self, find: Callable[[], RunCode | None]) -> None:
        """Keep what a task executed that failed for good, soon, for its dead letter; only of the first that fail."""

    def finish_hooks(self) -> None:
        """Return when all hooks that were given before have been called."""


def keeps_code(driver: Driver) -> bool:
    """Tell whether what a driver's runs execute is noted: not on a worker, whose driver is elsewhere."""
    return driver.driver_id is not None or driver.parent_run_id is not None


#: entered again by a factory that sets the driver itself
_lock = threading.RLock()
_factory: Callable[[], Driver] | None = None
_of_process: Driver | None = None
_of_worker: ContextVar[Driver | None] = ContextVar("orchestra_worker_driver", default=None)


def set_driver_factory(factory: Callable[[], Driver]) -> None:
    """Say what makes the driver of this process; called by the floors above."""
    global _factory
    _factory = factory


def set_driver(driver: Driver | None) -> None:
    """Make this the driver of the process; None: the next call makes a new one."""
    global _of_process
    with _lock:
        _of_process = driver


def exchange_driver(driver: Driver | None) -> Driver | None:
    """Do what :func:`set_driver` does, and return the driver before, for whoever drives only for a while."""
    global _of_process
    with _lock:
        before, _of_process = _of_process, driver
    return before


def driver_of_process() -> Driver | None:
    """Return the driver of this process, if it has one."""
    return _of_process


def worker_driver() -> ContextVar[Driver | None]:
    """Return the variable that holds the driver of code that runs as a task."""
    return _of_worker


def current_driver() -> Driver:
    """Return who drives what is called here, making the driver of this process if there is none."""
    global _of_process
    if (driver := _of_worker.get()) is not None:
        return driver
    with _lock:
        if _of_process is None:
            if _factory is None:
                raise OrchestraError(
                    "Nothing drives flows in this process. Import flow and task from orchestra_nb, not from its parts."
                )
            _of_process = _factory()
        return _of_process
