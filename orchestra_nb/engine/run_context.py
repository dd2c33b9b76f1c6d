"""What the code that runs now belongs to: its flow run, its task run, its tags. Context variables, copied to threads."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.attempts import AttemptContext
from orchestra_nb.model.runs import Run

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver
    from orchestra_nb.engine.flows import Flow
    from orchestra_nb.engine.task_runners import TaskRunner


class MissingContext(OrchestraError, RuntimeError):
    """Something was asked for that only exists inside a flow run or a task run."""


@dataclass(slots=True)
class FlowRunContext:
    """One flow run in the process that runs its body.

    Parameters
    ----------
    flow
        None for the run of a task that was called outside of any flow.
    task_runner
        Where ``.submit`` and ``.map`` send tasks.
    run_count
        The attempt, from 1.
    """

    run: Run
    driver: Driver
    task_runner: TaskRunner
    flow: Flow[Any, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    run_count: int = 1
    #: ids of the task runs that were submitted and have not ended, and how many of each task there were
    open_tasks: set[str] = field(default_factory=set)
    _numbers: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def number_of(self, task_name: str) -> int:
        """Return how many runs of a task of this name came before, and count one more."""
        with self._lock:
            number = self._numbers[task_name]
            self._numbers[task_name] += 1
            return number


@dataclass(frozen=True, slots=True)
class TaskRunContext:
    """One attempt of a task run, in the process that runs its code.

    Parameters
    ----------
    attempt_context
        What the executor gives; None where the task was called directly.
    flow_name, flow_run_name
        Of the run that it belongs to.
    """

    task_name: str
    task_run_id: str
    name: str
    run_id: str
    flow_name: str
    flow_run_name: str
    run_count: int
    tags: frozenset[str]
    parameters: Mapping[str, Any]
    started_at: datetime
    attempt_context: AttemptContext | None = None
    flow_parameters: Mapping[str, Any] = field(default_factory=dict)


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


#: Numbers that tell objects of one process apart.
process_numbers = itertools.count(1)
