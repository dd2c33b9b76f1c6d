"""Which tasks wait for which others, and when what is said of that is to be said anew.

Each saying is an event, and a row of the store. A task that waits for ten thousand others is told of at once only when
few of them are left; before that after pauses that grow with the time for which it has waited, so that it does not
count how many the others are.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from orchestra_nb.model.waiting_words import EARLIER_RUN, MOST_NAMED, waits_for_tasks

#: The shortest and the longest pause between two sayings of a task that waits for many.
LEAST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0

#: In between a pause is this part of the time for which the task has waited.
_PART_OF_WAIT: Final = 0.1


def words_of_waiting(waits_for: Collection[str], name_of: Callable[[str], str], earlier: Collection[str] = ()) -> str:
    """Return what is said of a task that waits for these; empty for none. O(1).

    Parameters
    ----------
    name_of
        Gives the name of the task run of an id.
    earlier
        Ids of those that are earlier runs of the same task.
    """
    told = [EARLIER_RUN if one in earlier else name_of(one) for one in itertools.islice(waits_for, MOST_NAMED)]
    return waits_for_tasks(told, len(waits_for) - len(told)) if told else ""


@dataclass(slots=True)
class _Waiting:
    """A task that waits.

    Parameters
    ----------
    left
        The ids of those that it still waits for, in the order of its plan.
    since, told_at
        When it began to wait, and when it was last told of.
    is_due
        Whether it is to be told of after a pause.
    """

    left: dict[str, None]
    earlier: Collection[str]
    since: float
    told_at: float
    is_due: bool = False

    @property
    def pause_seconds(self) -> float:
        """How long it is not told of after it was last."""
        grown = _PART_OF_WAIT * (self.told_at - self.since)
        return min(_LONGEST_PAUSE_SECONDS, max(LEAST_PAUSE_SECONDS, grown))


class WaitingTasks:
    """For one thread, which says what is returned; all times are of one clock, in seconds."""

    def __init__(self) -> None:
        #: id of one that waits to what is known of it
        self._tasks: dict[str, _Waiting] = {}
        #: id of one that has not ended to the ids of those that wait for it
        self._waiting_on: dict[str, list[str]] = {}
        self._due: list[tuple[float, str]] = []

    def add(self, task_run_id: str, waits_for: Iterable[str], earlier: Collection[str], now: float) -> None:
        """Take a task that waits for these, of which there is one at least, and that is told of now."""
        waiting = self._tasks[task_run_id] = _Waiting(dict.fromkeys(waits_for), earlier, now, now)
        for upstream_id in waiting.left:
            self._waiting_on.setdefault(upstream_id, []).append(task_run_id)

    def words(self, task_run_id: str, name_of: Callable[[str], str]) -> str:
        """Return what is said of a task now; empty where it waits for no other."""
        waiting = self._tasks.get(task_run_id)
        return "" if waiting is None else words_of_waiting(waiting.left, name_of, waiting.earlier)

    def end(self, ended: str, now: float) -> list[str]:
        """Note that a task has ended; return the tasks that waited for it and are to be told of now."""
        found = []
        for task_run_id in self._waiting_on.pop(ended, ()):
            waiting = self._tasks.get(task_run_id)
            if waiting is None:
                continue
            waiting.left.pop(ended, None)
            if len(waiting.left) <= MOST_NAMED:
                waiting.is_due, waiting.told_at = False, now
                found.append(task_run_id)
            elif not waiting.is_due:
                waiting.is_due = True
                heapq.heappush(self._due, (max(now, waiting.told_at + waiting.pause_seconds), task_run_id))
            if not waiting.left:
                del self._tasks[task_run_id]
        return found

    def forget(self, task_run_id: str) -> None:
        """Let go of a task that waits no more, whatever it waited for."""
        self._tasks.pop(task_run_id, None)

    @property
    def next_at(self) -> float | None:
        """When :meth:`take_due` may return something next; None where it will not."""
        return self._due[0][0] if self._due else None

    def take_due(self, now: float) -> list[str]:
        """Return the tasks whose pause is over, and which are to be told of now."""
        found = []
        while self._due and self._due[0][0] <= now:
            task_run_id = heapq.heappop(self._due)[1]
            waiting = self._tasks.get(task_run_id)
            if waiting is not None and waiting.is_due:
                waiting.is_due, waiting.told_at = False, now
                found.append(task_run_id)
        return found
