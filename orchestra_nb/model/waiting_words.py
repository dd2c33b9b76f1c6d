"""What a task that has not begun waits for, in people's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

#: What is said of a task that waits for nothing but somebody to run it.
WAITS_FOR_WORKER: Final = "waits for a worker"

#: As many tasks that it waits for are named; the others are counted.
MOST_NAMED: Final = 5

#: What stands for a task of the same name as that which waits.
EARLIER_RUN: Final = "its earlier run"


def waits_for_tasks(names: Sequence[str], more: int = 0) -> str:
    """Return the words of a task that waits for others: these, of which there is one at least, and some more.

    >>> waits_for_tasks(["load", "clean"])
    'waits for load, clean'
    >>> waits_for_tasks([EARLIER_RUN])
    'waits for its earlier run'
    >>> waits_for_tasks(["square-0", "square-1"], 9_998)
    'waits for square-0, square-1 and 9,998 more'
    """
    named = ", ".join(names)
    return f"waits for {named} and {more:,} more" if more else f"waits for {named}"


def waits_for_worker(resources: Mapping[str, float] | None = None, workers: Sequence[object] = ()) -> str:
    """Return the words of a task that could begin, and what its worker must have, or which it may be.

    >>> waits_for_worker({"GPU": 1})
    'waits for a worker with GPU=1'
    >>> waits_for_worker(workers=["big-1"])
    'waits for a worker: big-1'
    >>> waits_for_worker({}, [0])  # as a cluster of one machine names its workers
    'waits for a worker: 0'
    """
    words = WAITS_FOR_WORKER
    if resources:
        words += " with " + ", ".join(f"{name}={amount:g}" for name, amount in resources.items())
    return f"{words}: {', '.join(map(str, workers))}" if workers else words


def is_for_worker(message: str) -> bool:
    """Tell whether these are words of :func:`waits_for_worker`."""
    return message.startswith(WAITS_FOR_WORKER)
