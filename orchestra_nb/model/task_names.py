"""Names of task runs: the name of the task and a number, where the task does not say what its runs are called."""

from __future__ import annotations

import re
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
