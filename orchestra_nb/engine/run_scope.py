"""The run that a call of a task belongs to: the flow's around it, the task's around it, the kernel's, or one of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.drivers import Driver, current_driver
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.futures import TaskFuture
from orchestra_nb.engine.run_context import FlowRunContext, flow_run_context, task_run_context
from orchestra_nb.engine.run_records import create_run, end_run
from orchestra_nb.engine.task_runners import TaskRunner
from orchestra_nb.model.conclusion import conclude
from orchestra_nb.model.runs import Run, RunKind, TaskRun

if TYPE_CHECKING:
    from orchestra_nb.engine.tasks import Task


@dataclass(slots=True)
class RunScope:
    """What a call of a task has to know of its run."""

    driver: Driver
    run_id: str
    run_name: str
    flow_name: str
    task_runner: TaskRunner
    log_prints: bool = False
    persist_result: bool = False
    tags: frozenset[str] = frozenset()
    flow_parameters: Mapping[str, Any] = field(default_factory=dict)
    flow_context: FlowRunContext | None = None
    #: the run, where it exists for this call alone
    own_run: OwnRun | None = None

    @property
    def flow_runner(self) -> FlowRunner:
        """The loop that runs submitted tasks."""
        return self.driver.flow_runner(self.task_runner)

    def number_of(self, task_name: str) -> int:
        """Return how many runs of this task came before in the run."""
        counter = self.flow_context
        return counter.number_of(task_name) if counter is not None else _numbers.next(self.run_id, task_name)

    def keep_until_ended(self, futures: Sequence[TaskFuture[Any]]) -> None:
        """Count these tasks to the run: it ends when they have ended."""
        if self.own_run is not None:
            self.own_run.wait_for(futures)
        elif self.flow_context is not None:
            open_tasks = self.flow_context.open_tasks
            for future in futures:
                task_run_id = future.task_run_id
                open_tasks.add(task_run_id)
                # no reference to the future: its value shall go when the user lets it go
                future.runner.call_when_ended(task_run_id, _discarder(open_tasks, task_run_id))

    def call_hooks_at_end(self, owner: Task[Any, Any], future: TaskFuture[Any]) -> None:
        """Have the hooks of a task called when this run of it has ended."""
        future.add_done_callback(lambda ended: call_end_hooks(self.driver, owner, ended.task_run, ended))


def call_end_hooks(driver: Driver, owner: Task[Any, Any], task_run: TaskRun, ended: TaskFuture[Any]) -> None:
    """Give the hooks that fit the end of a task run to the driver."""
    state = ended.state
    hooks = owner.on_completion_hooks if state.is_completed() else owner.on_failure_hooks
    if state.is_cancelled():
        hooks = []
    for hook in hooks:
        driver.call_hook(lambda hook=hook: hook(owner, task_run, state))  # type: ignore[misc]


class OwnRun:
    """The run of a task that was called outside of any flow: it ends with its tasks."""

    def __init__(self, driver: Driver, run: Run) -> None:
        self.run = run
        self._driver = driver
        self._lock = threading.Lock()
        self._open = 0
        self._tasks: list[TaskRun] = []

    def wait_for(self, futures: Sequence[TaskFuture[Any]]) -> None:
        """End the run when these have ended."""
        with self._lock:
            self._open += len(futures)
        ids = [(future.runner, future.task_run_id) for future in futures]
        self._driver.watch_run(self.run.run_id, lambda reason: _cancel_all(ids, reason))
        for future in futures:
            future.add_done_callback(lambda ended: self._note(ended.task_run))
        if not futures:
            self.end([])

    def _note(self, task_run: TaskRun) -> None:
        with self._lock:
            self._tasks.append(task_run)
            self._open -= 1
            is_over = not self._open
        if is_over:
            self.end(self._tasks)

    def end(self, tasks: Sequence[TaskRun]) -> None:
        """End the run as its tasks ended."""
        state, message = conclude(tasks)
        self._driver.forget_run(self.run.run_id)
        end_run(self._driver, self.run, state, message, datetime.now(UTC))


def _cancel_all(ids: Sequence[tuple[FlowRunner, str]], reason: str) -> None:
    for runner, task_run_id in ids:
        runner.cancel([task_run_id], reason)


@contextmanager
def enter_scope(task_name: str) -> Iterator[RunScope]:
    """Give the run that a call of a task here and now belongs to."""
    flow = flow_run_context.get()
    if flow is not None:
        yield _scope_of_flow(flow)
        return
    driver = current_driver()
    around = task_run_context.get()
    if around is not None:
        yield RunScope(
            driver=driver,
            run_id=around.run_id,
            run_name=around.flow_run_name,
            flow_name=around.flow_name,
            task_runner=driver.default_task_runner(),
            tags=around.tags,
            flow_parameters=around.flow_parameters,
        )
        return
    if driver.open_run is not None:
        run_id = driver.open_run()
        yield RunScope(
            driver=driver,
            run_id=run_id,
            run_name="",
            flow_name="notebook",
            task_runner=driver.default_task_runner(),
        )
        return
    run = create_run(driver, RunKind.TASK, task_name)
    own = OwnRun(driver, run)
    try:
        yield RunScope(
            driver=driver,
            run_id=run.run_id,
            run_name=run.name,
            flow_name=task_name,
            task_runner=driver.default_task_runner(),
            own_run=own,
        )
    except BaseException as error:
        from orchestra_nb.model.states import State

        end_run(driver, run, State.FAILED, f"{type(error).__name__}: {error}"[:2000], datetime.now(UTC))
        raise


def _scope_of_flow(flow: FlowRunContext) -> RunScope:
    return RunScope(
        driver=flow.driver,
        run_id=flow.run.run_id,
        run_name=flow.run.name,
        flow_name=flow.run.flow_name,
        task_runner=flow.task_runner,
        log_prints=bool(flow.flow is not None and flow.flow.log_prints),
        persist_result=bool(flow.flow is not None and flow.flow.persist_result),
        tags=flow.tags,
        flow_parameters=flow.parameters,
        flow_context=flow,
    )


def _discarder(open_tasks: set[str], task_run_id: str) -> Callable[[], None]:
    return lambda: open_tasks.discard(task_run_id)


class _Numbers:
    """Counts the runs of each task in runs that no flow counts for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}

    def next(self, run_id: str, task_name: str) -> int:
        with self._lock:
            number = self._counts.get((run_id, task_name), 0)
            self._counts[run_id, task_name] = number + 1
            while len(self._counts) > 10_000:
                del self._counts[next(iter(self._counts))]
            return number


_numbers = _Numbers()
