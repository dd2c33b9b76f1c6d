"""What the code that runs now belongs to: its flow run, its task run, its tags; as context variables."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.asset_lineage import MadeAssets
from orchestra_nb.engine.fresh_tasks import FreshTasks
from orchestra_nb.engine.trace_context import trace_of_run
from orchestra_nb.engine.user_runs import FlowRun as SeenFlowRun
from orchestra_nb.engine.user_runs import TaskRun as SeenTaskRun
from orchestra_nb.engine.user_runs import seen_flow_run, seen_task_run
from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.attempts import AttemptContext
from orchestra_nb.model.runs import Run, TaskRun
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver
    from orchestra_nb.engine.flow_runner import FlowRunner
    from orchestra_nb.engine.flows import Flow
    from orchestra_nb.engine.task_runners import TaskRunner
    from orchestra_nb.engine.task_submission import CallFamily


class MissingContext(OrchestraError, RuntimeError):
    """Something was asked for that only exists inside a flow run or a task run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFacts:
    """What the code of a task may ask of the run that it belongs to, also on a worker.

    Parameters
    ----------
    run_id
        Of the flow run; of the task's own run, where it was called outside of any flow.
    parameters
        As the run's record has them, for a task in another process.
    run_count
        The attempt of the flow's body, from 1; 0 where there is no flow.
    """

    run_id: str
    name: str
    flow_name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    run_count: int = 0
    parent_run_id: str | None = None
    flow_version: str | None = None
    #: the run that all of it began with: its own, where no other run started it
    root_run_id: str | None = None
    created_at: datetime | None = None
    #: as :func:`~orchestra_nb.engine.trace_context.trace_of_run` has it; None where it is not traced
    trace: str | None = None


@dataclass(slots=True)
class FlowRunContext:
    """One flow run in the process that runs its body.

    Parameters
    ----------
    task_runner
        Where ``.submit`` and ``.map`` send tasks.
    log_prints
        Whether what the flow and its tasks print becomes log lines.
    run_count
        The attempt, from 1.
    root_run_id
        The run that all of it began with; None for this one.
    cancel
        Cancels the run for a reason, in any thread; None where its body does not run.
    caller
        That of the flow whose own body called this one; None where a task did, or nobody.
    suspend_asked_by
        Who asked for the flow to suspend itself at its next boundary; None where nobody did.
    fresh
        Which of its tasks run whatever was kept, where it is resumed from one of them.
    """

    run: Run
    driver: Driver
    task_runner: TaskRunner
    flow: Flow[Any, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    log_prints: bool = False
    run_count: int = 1
    root_run_id: str | None = None
    #: of the run around; None for that of its own
    outer_trace: str | None = None
    cancel: Callable[[str], None] | None = None
    caller: FlowRunContext | None = None
    suspend_asked_by: str | None = None
    fresh: FreshTasks | None = None
    #: ids of the task runs that were submitted and have not ended, and how many of each task there were
    open_tasks: set[str] = field(default_factory=set)
    #: the loops of places where some of its tasks run although the flow names another place
    other_runners: dict[str, FlowRunner] = field(default_factory=dict)
    made_assets: MadeAssets = field(default_factory=MadeAssets)
    #: what calls of the same task share, by all that it depends on
    families: dict[object, CallFamily] = field(default_factory=dict)
    _flow_runner: FlowRunner | None = None
    _is_on_this_machine: bool | None = None
    _numbers: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def get(cls) -> FlowRunContext | None:
        """Return the context of the flow whose body this code belongs to; None in a task and outside of flows."""
        return flow_run_context.get()

    @property
    def flow_run(self) -> SeenFlowRun:
        """The run, as it is now."""
        return seen_flow_run(self.run, owner=self.flow, run_count=self.run_count)

    @property
    def outermost(self) -> FlowRunContext:
        """The context of the flow that this one was called from, by bodies of flows alone; itself, if by none."""
        context = self
        while context.caller is not None:
            context = context.caller
        return context

    def facts(self) -> FlowFacts:
        """Return what is known of the run, with its parameters themselves."""
        return FlowFacts(
            run_id=self.run.run_id,
            name=self.run.name,
            flow_name=self.run.flow_name,
            parameters=self.parameters,
            tags=self.tags,
            run_count=self.run_count,
            parent_run_id=self.run.parent_run_id,
            flow_version=self.flow.version if self.flow is not None else None,
            root_run_id=self.root_run_id or self.run.run_id,
            created_at=self.run.created_at,
            trace=self.trace,
        )

    @property
    def trace(self) -> str | None:
        """The trace that its span is part of; None where it is not traced."""
        return self.outer_trace or trace_of_run(self.run.run_id)

    @property
    def flow_runner(self) -> FlowRunner:
        """The loop that runs submitted tasks; looked up once in a run, since that reads the settings."""
        if self._flow_runner is None:
            self._flow_runner = self.driver.flow_runner(self.task_runner)
        return self._flow_runner

    @property
    def is_on_this_machine(self) -> bool:
        """Whether submitted tasks run in processes of this machine; looked up once in a run, for the same reason."""
        if self._is_on_this_machine is None:
            self._is_on_this_machine = self.task_runner.is_on_this_machine
        return self._is_on_this_machine

    def number_of(self, task_name: str) -> int:
        """Return how many runs of a task of this name came before, and count one more."""
        with self._lock:
            number = self._numbers[task_name]
            self._numbers[task_name] += 1
            return number


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What code may ask of the task that it belongs to, also on a worker; has the names of a task's own attributes."""

    name: str
    #: None for the cell of a notebook
    fn: Callable[..., Any] | None
    task_key: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRunContext:
    """One attempt of a task run, in the process that runs its code.

    Parameters
    ----------
    flow
        The run that it belongs to.
    attempt_context
        What the executor, or the caller's own process, gives.
    asset_lineage
        Keys of the assets that it depends on, by its option ``asset_deps`` and by its arguments.
    log_prints
        Whether what it prints becomes log lines, and so what tasks and flows inside print that do not say.
    kept_since
        A result of it, or of a task inside, that was kept before this does not count; None for any.
    """

    task: TaskFacts
    task_run_id: str
    name: str
    flow: FlowFacts
    run_count: int
    tags: frozenset[str]
    parameters: Mapping[str, Any]
    started_at: datetime
    attempt_context: AttemptContext | None = None
    asset_lineage: tuple[str, ...] = ()
    log_prints: bool = False
    kept_since: datetime | None = None

    @classmethod
    def get(cls) -> TaskRunContext | None:
        """Return the context of the task that this code belongs to; None outside of tasks."""
        return task_run_context.get()

    @property
    def task_name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def start_time(self) -> datetime:
        """When this attempt began, by the name that Prefect's contexts know it by."""
        return self.started_at

    @property
    def task_run(self) -> SeenTaskRun:
        """The run as it is while this attempt runs."""
        record = TaskRun(
            task_run_id=self.task_run_id,
            run_id=self.flow.run_id,
            name=self.name,
            state=State.RUNNING,
            created_at=self.started_at,
            started_at=self.started_at,
            attempt=self.run_count,
            tags=dict.fromkeys(sorted(self.tags), ""),
        )
        return seen_task_run(record, owner=self.task)


flow_run_context: ContextVar[FlowRunContext | None] = ContextVar("orchestra_flow_run", default=None)
task_run_context: ContextVar[TaskRunContext | None] = ContextVar("orchestra_task_run", default=None)
_tags: ContextVar[frozenset[str]] = ContextVar("orchestra_tags", default=frozenset())


def current_tags() -> frozenset[str]:
    """Return the tags of the innermost ``with tags(…)``."""
    return _tags.get()


@contextmanager
def tags(*names: str) -> Iterator[frozenset[str]]:
    """Add tags to the runs of the flows and tasks that are called inside."""
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise TypeError(f"A tag is a text, and {wrong[0]!r} is none.")
    token = _tags.set(_tags.get() | frozenset(names))
    try:
        yield _tags.get()
    finally:
        _tags.reset(token)


@contextmanager
def entered(variable: ContextVar[Any], value: object) -> Iterator[None]:
    """Set a context variable for a while."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def get_run_context() -> FlowRunContext | TaskRunContext:
    """Return the context of the task run, or else of the flow run, that this code belongs to.

    Raises
    ------
    MissingContext
        No flow and no task runs here.
    """
    context = task_run_context.get() or flow_run_context.get()
    if context is None:
        raise MissingContext("No flow and no task runs here: call this inside a function under @flow or @task.")
    return context
