"""Messages without the errors that stand beside them: one failure is told once.

A run that failed has the error of a task in its message, and so has each task that did not run because of it.
``labextension/src/drawing/toldFailures.ts`` decides the same; both are tested against
``labextension/tests/toldFailures.json``.
"""

from __future__ import annotations

import re
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
    >>> is_told("ValueError: north is closed", ["ValueError: no"])
    False
    """
    return any(_place_of(error, message) is not None for error in errors)


def without_told(message: str, errors: Iterable[str]) -> str:
    """Return a message up to the first of these errors.

    >>> without_told("clean failed: ValueError: no", ["ValueError: no"])
    'clean failed'
    """
    places = [place for error in errors if (place := _place_of(error, message))]
    return message[: min(places)].rstrip(": ") if places else message


def _place_of(error: str, message: str) -> int | None:
    """Return where a message quotes all of an error, with a place in the code or nothing more of its line behind it."""
    found = re.search(rf"(?<!\w){re.escape(error)}(?=\Z|\n| \(|;)", message)
    return found.start() if found else None
