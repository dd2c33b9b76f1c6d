"""What a run ends in, when its own code has ended well: decided by its tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import FAILURE_STATES, State

#: Classes of :mod:`orchestra_nb.errors` that are raised where somebody needs what a task did not give.
NOTHING_GIVEN: Final = frozenset({"TaskFailed", "TaskTimedOut", "TaskCrashed", "UpstreamFailed"})


def conclude(tasks: Sequence[TaskRun]) -> tuple[State, str]:
    """Return the state and the message of a run whose own code ended well, from its tasks.

    Of a task that ran several times the last run counts; two cells with tasks of one name are two tasks.
    """
    last = {(task.cell_id, task.name): task for task in tasks}
    bad = [task for task in last.values() if task.state in FAILURE_STATES]
    if bad:
        words = Counter(task.state.value.lower().replace("_", " ") for task in bad)
        first = next((task for task in bad if task.state is not State.UPSTREAM_FAILED), bad[0])
        total = ", ".join(f"{count} {word}" for word, count in words.items())
        return State.FAILED, f"Task {first.name} {_END_WORDS[first.state]}: {first.message} ({total})"[:2000]
    if any(task.state is State.CANCELLED for task in last.values()):
        names = ", ".join(task.name for task in last.values() if task.state is State.CANCELLED)
        return State.CANCELLED, f"Cancelled: {names}"[:2000]
    return State.COMPLETED, ""


_END_WORDS = {
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.CRASHED: "crashed",
    State.UPSTREAM_FAILED: "did not run",
}
