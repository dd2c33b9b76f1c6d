"""The user's ``retry_condition_fn`` of a task: asked where an attempt failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.run_context import TaskRunContext, entered, task_run_context
from orchestra_nb.engine.run_states import Failed

if TYPE_CHECKING:
    from orchestra_nb.engine.tasks import Task


class RetryTest:
    """Asks a task's ``retry_condition_fn`` where an attempt failed, on a worker too."""

    def __init__(self, owner: Task[Any, Any]) -> None:
        self._owner = owner

    def __call__(self, error: BaseException, context: TaskRunContext) -> bool:
        """Tell whether to make another attempt."""
        assert self._owner.retry_condition_fn is not None
        state = Failed(f"{type(error).__name__}: {error}"[:2000], data=error)
        with entered(task_run_context, context):
            return bool(self._owner.retry_condition_fn(self._owner, context.task_run, state))
