"""The transactions of task runs: what connects ``on_commit`` and ``on_rollback`` hooks to the runs of their tasks.

Each task run is a transaction of its own inside the one around it, committed with it; where there is none around, at
the task's own end. A submitted one counts from its submission: a commit and a rollback wait until it has ended. Its
code, in whatever process, sees a transaction of its own with the values of those around; what it stages waits for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.staged_results import Staging
from orchestra_nb.engine.transaction_context import get_transaction
from orchestra_nb.engine.transaction_steps import Steps, perform
from orchestra_nb.engine.transactions import Transaction
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver
    from orchestra_nb.engine.flow_runner import FlowRunner
    from orchestra_nb.engine.tasks import Task

_SLICE_SECONDS = 0.2


@contextmanager
def task_transaction(owner: Task[Any, Any], is_completed: Callable[[], bool]) -> Iterator[None]:
    """Put the code of a task that is called directly into a transaction of its own.

    Parameters
    ----------
    is_completed
        Asked at the end: whether the task completed; otherwise all inside is rolled back.
    """
    around = get_transaction()
    own = _TaskRunTransaction(write_on_commit=around is None or around.write_on_commit)
    own.__enter__()
    try:
        yield
    except BaseException as error:
        own.__exit__(type(error), error, error.__traceback__)
        raise
    if is_completed():
        own.stage(None, owner.on_rollback_hooks, owner.on_commit_hooks)
        own.__exit__(None, None, None)
    else:
        perform(own._rollback())
        own.__exit__(None, None, None)


def join_completed(owner: Task[Any, Any]) -> None:
    """Count a completed run of a task to the transaction around."""
    with task_transaction(owner, lambda: True):
        pass


class _TaskRunTransaction(Transaction):
    """That of a task which is called directly: its result waits for the transaction around, if there is one."""

    def _stages_in(self, around: Staging | None) -> Staging | None:
        return around


def join_submitted(owner: Task[Any, Any], driver: Driver, runner: FlowRunner, task_run_id: str) -> None:
    """Count a submitted run of a task to the transaction around; without one, commit it when it has completed."""
    around = get_transaction()
    is_staging = around is not None and around.staging is not None
    if not (owner.on_commit_hooks or owner.on_rollback_hooks or is_staging):
        return
    own = TaskTransaction(runner, task_run_id)
    own.on_commit_hooks += owner.on_commit_hooks
    own.on_rollback_hooks += owner.on_rollback_hooks
    if around is not None:
        own.attach(around)
    runner.call_when_ended(task_run_id, own.note_end)
    if around is None and owner.on_commit_hooks:
        runner.call_when_ended(task_run_id, lambda: driver.call_hook(own.commit))


class TaskTransaction(Transaction):
    """The transaction of a submitted task run, which may not have ended yet."""

    def __init__(self, runner: FlowRunner, task_run_id: str) -> None:
        super().__init__()
        self._runner = runner
        self._task_run_id = task_run_id
        self._has_ended = threading.Event()
        self._is_completed = False

    def attach(self, around: Transaction) -> None:
        """Count to the transaction around, in order of submission."""
        self._parent = around
        around.children.append(self)

    def note_end(self) -> None:
        """Note how the run ended; called in the flow runner's thread, while its record is still there."""
        self._is_completed = self._runner.task(self._task_run_id).state is State.COMPLETED
        self._has_ended.set()

    def _is_there(self) -> Steps:
        yield True, self._wait
        return self._is_completed

    def _wait(self) -> None:
        while not self._has_ended.wait(_SLICE_SECONDS):
            pass  # in slices, since an exception from another thread comes only between them
