"""Dead letters: tasks and flows that used up their attempts, kept until somebody decides about each of them, once."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Final

import msgspec

from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State

#: Ends that are a failure for good: not what somebody asked for, and not what another run is to blame for.
DEAD_STATES: Final = frozenset({State.FAILED, State.TIMED_OUT, State.CRASHED})


class LetterState(str, Enum):
    """What was decided about a dead letter. Only an open one can be decided about."""

    OPEN = "OPEN"
    RETRIED = "RETRIED"
    DISCARDED = "DISCARDED"
    #: a later run of the same deployment completed, or somebody set its run to COMPLETED
    RESOLVED = "RESOLVED"

    def __str__(self) -> str:
        return self.value


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A task run, or a whole run, that failed for good.

    Parameters
    ----------
    task_run_id
        None for a whole run.
    name
        The task's name, or the flow's.
    ended_as
        The state that it failed in.
    message
        Why: at most 2,000 characters.
    inputs
        Name of an input to where its value is kept (a URL of a persisted result, a digest), or None where it is not.
    code
        What was run: ``"module:flow"``, ``"file.py:flow"`` or a digest; None when it cannot be found again.
    closed_at, closed_by, note
        When, by whom and why it was retried, discarded or resolved.
    """

    run_id: str
    task_run_id: str | None = None
    epoch: int = 1
    name: str
    flow_name: str
    ended_as: State
    attempts: int
    message: str
    error: ErrorInfo | None = None
    inputs: dict[str, str | None] = {}
    code: str | None = None
    created_at: datetime
    state: LetterState = LetterState.OPEN
    closed_at: datetime | None = None
    closed_by: str | None = None
    note: str = ""

    @property
    def letter_id(self) -> str:
        """Names it for ever: the same failure is one letter, however often it is told."""
        return self.id_of(self.run_id, self.task_run_id, self.epoch)

    @staticmethod
    def id_of(run_id: str, task_run_id: str | None, epoch: int) -> str:
        """Return the id of the letter of a run, or of a task in it."""
        return f"{task_run_id or run_id}.{epoch}"
