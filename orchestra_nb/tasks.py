"""Tasks: Prefect's module name, with what is its own here."""

from typing import TYPE_CHECKING

from orchestra_nb.engine.mapped_arguments import MappingError
from orchestra_nb.engine.task_settings import exponential_backoff
from orchestra_nb.engine.tasks import Task, task
from orchestra_nb.flows import flow as _flow  # noqa: F401  sets what drives tasks

if TYPE_CHECKING:
    from orchestra_nb.engine.cache_policies import task_input_hash

__all__ = ["MappingError", "Task", "exponential_backoff", "task", "task_input_hash"]


def __getattr__(name: str) -> object:
    if name != "task_input_hash":
        raise AttributeError(f"module 'orchestra_nb.tasks' has no attribute {name!r}")
    from orchestra_nb.engine.cache_policies import task_input_hash

    return task_input_hash
