"""Tasks: Prefect's module name, with what is its own here."""

from orchestra_nb.engine.task_settings import exponential_backoff
from orchestra_nb.engine.tasks import MappingError, Task, task
from orchestra_nb.flows import flow as _flow  # noqa: F401  sets what drives tasks

__all__ = ["MappingError", "Task", "exponential_backoff", "task"]
