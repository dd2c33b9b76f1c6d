"""A notebook that is run as a part of what calls it: of a flow, a task, a script or another notebook.

The run is a child of the flow run or the task run around it. Its records go the way of the driver that is there, also
from a worker; the runner is a process of its own, wherever it is called, or on the cluster of the flow whose task the
notebook is.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.engine.asked_suspension import leave_where_asked
from orchestra_nb.engine.drivers import current_driver, driver_of_process
from orchestra_nb.engine.notebook_placement import cluster_of_notebook, cluster_of_tasks
from orchestra_nb.engine.run_context import flow_run_context, task_run_context
from orchestra_nb.errors import NotebookFailed, TaskCrashed, TaskFailed, TaskTimedOut, TaskWasCancelled
from orchestra_nb.model.events import Event, RunCreated
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.run_home import DriverHome
from orchestra_nb.operations.run_notebook import NotebookDriver, RunResult, new_run_id

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver

#: Ends after which another attempt may help; a run that was cancelled is not repeated.
_REPEATABLE = frozenset({State.FAILED, State.CRASHED, State.TIMED_OUT})
_SLICE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class CallingPlace:
    """Who drives what is called here, and what it is a child of.

    Parameters
    ----------
    cluster
        The address of the cluster to which the tasks of the flow around it go; None where that is not known, or it is
        the local one.
    """

    driver: Driver
    parent_run_id: str | None
    parent_task_run_id: str | None
    cluster: str | None = None

    @classmethod
    def here(cls) -> CallingPlace:
        """Return the place of the code that calls this; a flow that was asked to suspend itself is left here."""
        leave_where_asked()
        around, task_around = flow_run_context.get(), task_run_context.get()
        if around is not None:
            task_run_id = None if task_around is None else task_around.task_run_id
            return cls(around.driver, around.run.run_id, task_run_id, cluster_of_tasks(around.task_runner))
        # a task in a thread of the driver's process is driven by it; on a worker there is only the attempt
        driver = driver_of_process() or current_driver()
        if task_around is not None:
            return cls(driver, task_around.flow.run_id, task_around.task_run_id)
        return cls(driver, driver.parent_run_id, None)


class NotebookCall:
    """Runs a notebook once, with its retries. :meth:`run` belongs to one thread; :meth:`stop` to any.

    Parameters
    ----------
    request
        Without the ids of the run and its parents.
    retry
        How often a run that did not end well is followed by another one: a run of its own, of the same parent.
    """

    def __init__(self, request: NotebookRequest, retry: RetryPolicy) -> None:
        self._request = request
        self._retry = retry
        self._place = CallingPlace.here()
        self._cluster = cluster_of_notebook()
        self._driver: NotebookDriver | None = None
        self._is_stopped = False

    def run(self) -> RunResult:
        """Run it and return what became of it.

        Raises
        ------
        NotebookNotFound, InvalidInput
            It cannot be run: nothing ran.
        """
        failures = 0
        while True:
            result = self._run_once()
            if result.run.state not in _REPEATABLE or failures >= self._retry.retries or self._is_stopped:
                return result
            failures += 1
            delay = self._retry.delay_seconds(failures, random.random())
            which = f"attempt {failures + 1} of {1 + self._retry.retries}"
            self._say(result.run, f"Another run follows, {which}: {result.run.message}", logging.WARNING)
            until = time.monotonic() + delay
            while not self._is_stopped and (left := until - time.monotonic()) > 0:
                time.sleep(min(left, _SLICE_SECONDS))

    def stop(self) -> None:
        """Stop the run; a second time: at once."""
        self._is_stopped = True
        if (driver := self._driver) is not None:
            driver.stop("Interrupted", "user")

    def _run_once(self) -> RunResult:
        place = self._place
        request = msgspec.structs.replace(
            self._request,
            run_id=new_run_id(),
            parent_run_id=place.parent_run_id,
            parent_task_run_id=place.parent_task_run_id,
            cluster=self._request.cluster if self._cluster is None else self._cluster.spec,
        )
        driver = self._driver = NotebookDriver(
            request, on_event=self._note(), home=DriverHome(place.driver), cluster=self._cluster
        )
        if self._is_stopped:
            driver.stop("Interrupted", "user")
        result = driver.execute()
        level = logging.INFO if result.run.state is State.COMPLETED else logging.ERROR
        self._say(result.run, f"Finished in state {result.run.state}. {result.run.message}".rstrip(), level)
        return result

    def _note(self) -> Callable[[Event], None]:
        is_said = False

        def note(event: Event) -> None:
            nonlocal is_said
            if isinstance(event, RunCreated) and not is_said:
                is_said = True
                self._say(event.run, f"Beginning notebook {event.run.flow_name!r}", logging.INFO)

        return note

    def _say(self, run: Run, text: str, level: int) -> None:
        self._place.driver.say(f"Notebook run {run.name!r} - {text}", level)


def error_of_run(run: Run) -> TaskFailed:
    """Return the exception for a notebook run that did not end well; its message names the first cause."""
    kind = _ERRORS.get(run.state, NotebookFailed)
    cause = f": {run.message}" if run.message else ""
    where = f" Its executed notebook: {run.output_path}." if run.output_path else ""
    return kind(f"Notebook {run.flow_name} {run.state}{cause}. See `orchestra runs show {typed_run(run)}`.{where}")


_ERRORS: dict[State, type[TaskFailed]] = {
    State.CRASHED: TaskCrashed,
    State.TIMED_OUT: TaskTimedOut,
    State.CANCELLED: TaskWasCancelled,
}
