"""Names of task runs: the name of the task and a number, where the task does not say what its runs are called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_NUMBER: Final = re.compile(r"-\d+$")


def without_number(name: str) -> str:
    """Return a name without what the engine puts behind that of a task, to tell its runs apart.

    Examples
    --------
    >>> without_number("load-2024-0"), without_number("load")
    ('load-2024', 'load')
    """
    return _NUMBER.sub("", name)


def told_names(names: Iterable[str]) -> list[str]:
    """Return by what names the tasks of these runs are surely known, in their order.

    The engine counts from 0: where there is no such run, the others have names of their own, which tell no task.

    Examples
    --------
    >>> told_names(["load-0", "load-1", "report-2024", "report-2025", "last"])
    ['load', 'report-2024', 'report-2025', 'last']
    """
    all_names = dict.fromkeys(names)
    stems = {name: without_number(name) for name in all_names}
    return list(dict.fromkeys(stem if f"{stem}-0" in all_names else name for name, stem in stems.items()))
