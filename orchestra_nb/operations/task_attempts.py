"""Each time that a task of a run was begun, and what became of it: worked out from the history of its states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.model.states import State
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore, StateChange


class TaskAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a task was begun.

    Parameters
    ----------
    epoch, number
        The epoch of its run, and the attempt within it, from 1.
    state, message
        What became of it: RETRYING where another attempt was to follow, RUNNING while it goes on.
    ended_at
        None while it goes on.
    """

    task_run_id: str
    epoch: int
    number: int
    state: State
    message: str
    started_at: datetime
    ended_at: datetime | None


def list_task_attempts(
    store: RunStore, id_or_name: str, *, after: str = "", limit: int
) -> tuple[tuple[TaskAttempt, ...], str | None]:
    """Return the attempts of those tasks of a run that were begun more than once, task by task, the oldest first.

    Beside them the id of the task behind which more follow; None at the end.

    Parameters
    ----------
    after
        Only tasks behind this one.
    limit
        At most those of so many tasks.

    Raises
    ------
    RunNotFound
        There is no run with this id or name.
    """
    run = find_run(store, id_or_name)
    found = store.changes_of_retried_tasks(run.run_id, after=after, limit=limit + 1)
    page = list(found)[:limit]
    attempts = tuple(attempt for task in page for attempt in _attempts(found[task]))
    return attempts, page[-1] if len(found) > limit else None


def _attempts(changes: Sequence[StateChange]) -> list[TaskAttempt]:
    """Return the attempts of one task run: each goes from RUNNING to the next state that is not of its own."""
    found: list[TaskAttempt] = []
    for change in changes:
        last = found[-1] if found else None
        if change.to_state is State.RUNNING:
            if last is not None and last.ended_at is None and last.number == change.attempt:
                continue  # it was told once more, or it goes on after a pause
            found.append(_begun(change))
        elif last is not None and last.ended_at is None and change.to_state not in (State.CANCELLING, State.PAUSED):
            found[-1] = msgspec.structs.replace(last, state=change.to_state, message=change.message, ended_at=change.at)
    return found


def _begun(change: StateChange) -> TaskAttempt:
    return TaskAttempt(
        task_run_id=str(change.task_run_id),
        epoch=change.epoch,
        number=change.attempt,
        state=State.RUNNING,
        message="",
        started_at=change.at,
        ended_at=None,
    )
