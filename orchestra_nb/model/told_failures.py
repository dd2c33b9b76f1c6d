"""Messages without the errors that stand beside them: one failure is told once.

A run that failed has the error of a task in its message, and so has each task that did not run because of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State


def errors_of(tasks: Iterable[TaskRun]) -> tuple[str, ...]:
    """Return the errors that the lines of these task runs tell, as messages about them quote them."""
    found: dict[str, None] = {}
    for task in tasks:
        if task.error is not None and task.state.is_terminal and task.state is not State.UPSTREAM_FAILED:
            first_line = task.error.message.strip().split("\n", 1)[0]
            found[f"{task.error.type}: {first_line}" if first_line else task.error.type] = None
    return tuple(found)


def is_told(message: str, errors: Iterable[str]) -> bool:
    """Tell whether a message is about one of these errors.

    >>> is_told("UpstreamFailed: Task report: clean failed: ValueError: no", ["ValueError: no"])
    True
    """
    return any(error in message for error in errors)


def without_told(message: str, errors: Iterable[str]) -> str:
    """Return a message up to the first of these errors.

    >>> without_told("clean failed: ValueError: no", ["ValueError: no"])
    'clean failed'
    """
    places = [place for error in errors if (place := message.find(error)) > 0]
    return message[: min(places)].rstrip(": ") if places else message
