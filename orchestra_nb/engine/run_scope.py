"""The run that a call of a task belongs to: that of the flow or task around it, the kernel's, or one of its own."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.asked_suspension import leave_where_asked
from orchestra_nb.engine.drivers import Driver, current_driver
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.futures import TaskFuture
from orchestra_nb.engine.reruns import announce_continued, take_continued_run
from orchestra_nb.engine.run_codes import stop_loading
from orchestra_nb.engine.run_context import FlowFacts, FlowRunContext, flow_run_context, task_run_context
from orchestra_nb.engine.run_hooks import call_hooks
from orchestra_nb.engine.run_records import announce_run, end_run, new_run
from orchestra_nb.engine.run_states import State, state_of
from orchestra_nb.engine.task_runners import TaskRunner
from orchestra_nb.engine.trace_context import trace_of_run
from orchestra_nb.model import states as model
from orchestra_nb.model.conclusion import conclude
from orchestra_nb.model.machine_messages import cancelled_by
from orchestra_nb.model.runs import Run, RunKind, TaskRun

if TYPE_CHECKING:
    from orchestra_nb.engine.tasks import Task


#: After so many tasks of one ``.map`` the store may catch up, for so long at most.
_PACE_TASKS = 1000
_PACE_SECONDS = 0.25


@dataclass(slots=True)
class RunScope:
    """What a call of a task has to know of its run."""

    driver: Driver
    flow: FlowFacts
    task_runner: TaskRunner
    log_prints: bool = False
    persist_result: bool = False
    #: where the flow keeps results, and how, for tasks that do not say so themselves
    result_storage: str | None = None
    result_serializer: Any = None
    #: added to those of the tasks that are called in it
    tags: frozenset[str] = frozenset()
    flow_context: FlowRunContext | None = None
    #: the run, where it exists for this call alone
    own_run: OwnRun | None = None
    #: whether the task runs at a place of its own, and not where its flow says
    is_placed: bool = False
    _flow_runner: FlowRunner | None = None

    @property
    def run_id(self) -> str:
        """The run."""
        return self.flow.run_id

    @property
    def portable_flow(self) -> FlowFacts:
        """The facts of the run for another process: its parameters as the record has them."""
        context = self.flow_context
        return replace(self.flow, parameters=context.run.parameters) if context is not None else self.flow

    @property
    def flow_runner(self) -> FlowRunner:
        """The loop that runs submitted tasks; looked up once, since that reads the settings."""
        if self.flow_context is not None and not self.is_placed:
            return self.flow_context.flow_runner
        if self._flow_runner is None:
            self._flow_runner = self.driver.flow_runner(self.task_runner)
        return self._flow_runner

    @property
    def is_on_this_machine(self) -> bool:
        """Whether submitted tasks run in processes of this machine."""
        where = self.task_runner if self.flow_context is None or self.is_placed else self.flow_context
        return where.is_on_this_machine

    def placed(self, task_runner: TaskRunner) -> RunScope:
        """Return the scope of a call whose task runs at this place, wherever its flow's other tasks run."""
        placed = replace(self, task_runner=task_runner, is_placed=True, _flow_runner=None)
        if self.flow_context is not None:
            self.flow_context.other_runners[task_runner.place] = placed.flow_runner
        return placed

    def number_of(self, task_name: str) -> int:
        """Return how many runs of this task came before in the run."""
        counter = self.flow_context
        return counter.number_of(task_name) if counter is not None else _numbers.next(self.run_id, task_name)

    def keeps_result(self, owner: Task[Any, Any]) -> bool | None:
        """Return whether results of a task that is called now are kept; None for a part of another task."""
        return owner.caching.is_on(self.persist_result) if task_run_context.get() is None else None

    def kept_since(
        self, owner: Task[Any, Any], run_name: str, task_run_id: str, upstream: Collection[str]
    ) -> datetime | None:
        """Return since when kept results count for a call that takes values of these; None where all of them do."""
        around = task_run_context.get()
        if around is not None:  # a part of that task
            return around.kept_since
        if self.flow_context is None or (fresh := self.flow_context.fresh) is None:
            return None
        return fresh.of_call(owner.name, run_name, task_run_id, upstream, bool(self.keeps_result(owner)))

    def note_taken(self, task_run_id: str) -> None:
        """Note that the caller has, or may have, what a task gave."""
        if self.flow_context is not None and self.flow_context.fresh is not None:
            self.flow_context.fresh.note_taken(task_run_id)

    def keep_pace(self, submitted: int) -> None:
        """Wait a moment, now and then, until what was submitted is recorded.

        Whoever submits many short tasks is ahead of the store, and what is not written is in memory. A store that is
        locked or away holds nobody up for longer.
        """
        if submitted % _PACE_TASKS == 0:
            self.driver.sink.flush(_PACE_SECONDS)

    def keep_until_ended(self, futures: Sequence[TaskFuture[Any]]) -> None:
        """Count these tasks to the run: it ends when they have ended."""
        if self.own_run is not None:
            self.own_run.wait_for(futures)
        elif self.flow_context is not None:
            open_tasks = self.flow_context.open_tasks
            discard = open_tasks.discard  # one for all: it is kept for each task that has not ended
            for future in futures:
                task_run_id = future.task_run_id
                if future.runner.has_ended(task_run_id):
                    continue
                open_tasks.add(task_run_id)
                # no reference to the future: its value shall go when the user lets it go
                future.runner.call_when_ended(task_run_id, partial(discard, task_run_id))

    def call_running_hooks(self, owner: Task[Any, Any], task_run_id: str, runner: FlowRunner) -> None:
        """Have the hooks of a submitted task called when its code begins to run, for each attempt."""
        context = self.flow_context

        def begun(task_run: TaskRun) -> None:
            call_hooks(self.driver, owner.on_running_hooks, owner, task_run, state_of(task_run.state), context)

        runner.call_when_running(task_run_id, begun)

    def call_end_hooks(self, owner: Task[Any, Any], future: TaskFuture[Any]) -> None:
        """Have the hooks of a submitted task called when it has ended."""
        context = self.flow_context

        def ended(future: TaskFuture[Any]) -> None:
            state = future.state
            call_hooks(self.driver, end_hooks(owner, state), owner, future.task_run, state, context)

        future.add_done_callback(ended)


def end_hooks(owner: Task[Any, Any], state: State[Any]) -> list[Any]:
    """Return the hooks that fit the end of a task run; none fits a cancelled one, and one that could not run."""
    if state.is_cancelled() or state.is_pending():
        return []
    return owner.on_completion_hooks if state.is_completed() else owner.on_failure_hooks


class OwnRun:
    """The run of a task that was called outside of any flow: it ends with its tasks."""

    def __init__(self, driver: Driver, run: Run, is_continued: bool) -> None:
        self.run = run
        #: whether it was there before, and is being run again
        self.is_continued = is_continued
        self._driver = driver
        self._lock = threading.Lock()
        self._open = 0
        self._is_ended = False
        #: those that did not complete: of the others nothing is asked, and there may be many
        self._bad_tasks: list[TaskRun] = []
        self._ids: list[tuple[FlowRunner, str]] = []
        self._failure: str | None = None

    def wait_for(self, futures: Sequence[TaskFuture[Any]]) -> None:
        """End the run when these have ended."""
        with self._lock:
            self._open += len(futures)
        self._ids = [(future.runner, future.task_run_id) for future in futures]
        self._driver.watch_run(self.run.run_id, lambda actor: _cancel_all(self._ids, cancelled_by(actor)))
        for future in futures:
            future.add_done_callback(lambda ended: self._note(ended.task_run))
        if not futures:
            self.end([])

    def _note(self, task_run: TaskRun) -> None:
        with self._lock:
            if task_run.state is not model.State.COMPLETED:
                self._bad_tasks.append(task_run)
            self._open -= 1
            is_over = not self._open
        if is_over:
            self.end(self._bad_tasks)

    def end(self, tasks: Sequence[TaskRun]) -> None:
        """End the run as its tasks ended."""
        if self._failure is not None:
            self._end(model.State.FAILED, self._failure)
        else:
            self._end(*conclude(tasks))

    def fail(self, message: str) -> None:
        """End the run because a task could not be made, when those before it have ended, which are cancelled.

        Nothing if the run has ended.
        """
        with self._lock:
            self._failure = message
            is_open = self._open > 0
        if is_open:
            _cancel_all(self._ids, message)
        else:
            self._end(model.State.FAILED, message)

    def _end(self, state: model.State, message: str) -> None:
        with self._lock:
            if self._is_ended:
                return
            self._is_ended = True
        self._driver.forget_run(self.run.run_id)
        end_run(self._driver, self.run, state, message, datetime.now(UTC))


def _cancel_all(ids: Sequence[tuple[FlowRunner, str]], reason: str) -> None:
    for runner, task_run_id in ids:
        runner.cancel([task_run_id], reason)


@contextmanager
def enter_scope(task_name: str) -> Iterator[RunScope]:
    """Give the run that a call of a task made here belongs to; a flow that was asked to is left here."""
    leave_where_asked()
    context, around = flow_run_context.get(), task_run_context.get()
    if context is not None:
        owner = context.flow
        yield RunScope(
            driver=context.driver,
            flow=context.facts(),
            task_runner=context.task_runner,
            log_prints=context.log_prints if around is None else around.log_prints,
            persist_result=owner is not None and bool(owner.persist_result),
            result_storage=owner.result_storage if owner is not None else None,
            result_serializer=owner.result_serializer if owner is not None else None,
            tags=context.tags,
            flow_context=context,
        )
        return
    driver = current_driver()
    if around is not None:
        yield RunScope(
            driver=driver,
            flow=around.flow,
            task_runner=driver.default_task_runner(),
            log_prints=around.log_prints,
            tags=around.tags,
        )
        return
    if driver.open_run is not None:
        run_id = driver.open_run()
        flow = FlowFacts(run_id=run_id, name="", flow_name="notebook", trace=trace_of_run(run_id))
        yield RunScope(driver=driver, flow=flow, task_runner=driver.default_task_runner())
        return
    stop_loading()
    continued = take_continued_run()
    run = continued or new_run(driver, RunKind.TASK, task_name)
    if continued is not None:
        announce_continued(driver, continued)
    else:
        announce_run(driver, run)
    own = OwnRun(driver, run, is_continued=continued is not None)
    try:
        yield RunScope(
            driver=driver,
            flow=FlowFacts(run_id=run.run_id, name=run.name, flow_name=task_name, trace=trace_of_run(run.run_id)),
            task_runner=driver.default_task_runner(),
            own_run=own,
        )
    except BaseException as error:
        own.fail(f"{type(error).__name__}: {error}"[:2000])
        raise


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
