"""A task cell as the body of an attempt: what its code asks goes to its driver, and what it calls belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestra_nb.engine.dask_generator import keep_dask_generator_apart
from orchestra_nb.engine.drivers import worker_driver
from orchestra_nb.engine.run_context import (
    FlowFacts,
    TaskFacts,
    TaskRunContext,
    entered,
    flow_run_context,
    task_run_context,
)
from orchestra_nb.engine.services import asking_through
from orchestra_nb.engine.worker_driver import WorkerDriver
from orchestra_nb.model.attempts import AttemptContext, AttemptResult
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.notebooks.cell_task import CellTask


@dataclass(frozen=True, slots=True)
class CellBody:
    """An :class:`~orchestra_nb.model.attempts.AttemptBody` that runs a task cell on a worker.

    Variables, secrets, limits, artifacts, events and the run's logger work in the cell as in a function under
    ``@task``: the worker needs no store.
    """

    cell: CellTask
    run_id: str
    task_run_id: str
    tags: Mapping[str, str]

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        """Run the cell in this thread and return how it ended; raises as :meth:`CellTask.run`."""
        keep_dask_generator_apart()
        driver = WorkerDriver(context)
        run_context = cell_context(self.run_id, self.task_run_id, self.cell.name, self.tags, context)
        with (
            asking_through(context),
            entered(flow_run_context, None),
            entered(task_run_context, run_context),
            entered(worker_driver(), driver),
        ):
            try:
                return self.cell.run(upstream, context)
            finally:
                driver.close()


def cell_body(cell: CellTask, task: TaskRun) -> CellBody:
    """Return the body of the attempts of a task cell's run."""
    return CellBody(cell, task.run_id, task.task_run_id, task.tags)


def cell_context(
    run_id: str, task_run_id: str, name: str, tags: Mapping[str, str], context: AttemptContext
) -> TaskRunContext:
    """Return what the code of a task cell may ask of itself."""
    return TaskRunContext(
        task=TaskFacts(name=name, fn=None, task_key=f"notebook.{name}"),
        task_run_id=task_run_id,
        name=name,
        flow=FlowFacts(run_id=run_id, name="", flow_name="notebook"),
        run_count=context.attempt,
        tags=frozenset(tags),
        parameters={},
        started_at=datetime.now(UTC),
        attempt_context=context,
    )
