"""Names of task runs: the name of the task and a number, where the task does not say what its runs are called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from orchestra_nb.model.runs import TaskRun

_NUMBER: Final = re.compile(r"-\d+$")


def without_number(name: str) -> str:
    """Return a name without what the engine puts behind that of a task, to tell its runs apart.

    Examples
    --------
    >>> without_number("load-2024-0"), without_number("load")
    ('load-2024', 'load')
    """
    return _NUMBER.sub("", name)


def task_of(task_run: TaskRun) -> str:
    """Return the name of the task that a task run is taken to be of."""
    return task_run.task_name or without_number(task_run.name)


def told_names(task_runs: Iterable[TaskRun]) -> list[str]:
    """Return by what names the tasks of these runs are surely known, in their order.

    The engine counts from 0: where there is no such run, and no record of the task, the others have names of their own,
    which tell no task.
    """
    runs = list(task_runs)
    names = {run.name for run in runs}
    return list(
        dict.fromkeys(
            run.task_name or (stem if f"{(stem := without_number(run.name))}-0" in names else run.name) for run in runs
        )
    )
