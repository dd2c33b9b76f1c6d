"""The states of runs and tasks, and the graph of the ways between them, as data."""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(str, Enum):
    """Where a run or a task stands. The value is the word that the API, the CLI and the store use."""

    #: accepted, its time has not come
    SCHEDULED = "SCHEDULED"
    #: accepted, waits for an upstream task, for a slot or for the cluster
    PENDING = "PENDING"
    #: user code is being run
    RUNNING = "RUNNING"
    #: an attempt failed, the next one waits for its delay
    RETRYING = "RETRYING"
    #: waits for somebody to resume it
    PAUSED = "PAUSED"
    #: asked to stop, its code has not ended
    CANCELLING = "CANCELLING"
    #: ended well
    COMPLETED = "COMPLETED"
    #: ended by an error of the user's code
    FAILED = "FAILED"
    #: ended because it ran longer than allowed
    TIMED_OUT = "TIMED_OUT"
    #: ended by its infrastructure: a process, a machine, a cluster
    CRASHED = "CRASHED"
    #: ended because somebody asked for it
    CANCELLED = "CANCELLED"
    #: not run, by decision
    SKIPPED = "SKIPPED"
    #: not run, because something that it needs did not complete
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    #: its occurrence passed while nobody could start it
    MISSED = "MISSED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more happens in this epoch by itself; people may set another end (``SETTABLE_STATES``)."""
        return self in TERMINAL_STATES

    def __str__(self) -> str:
        return self.value


TERMINAL_STATES: Final = frozenset(
    {
        State.COMPLETED,
        State.FAILED,
        State.TIMED_OUT,
        State.CRASHED,
        State.CANCELLED,
        State.SKIPPED,
        State.UPSTREAM_FAILED,
        State.MISSED,
    }
)

#: Terminal states that make a flow fail when one of its tasks ends in them.
FAILURE_STATES: Final = frozenset({State.FAILED, State.TIMED_OUT, State.CRASHED, State.UPSTREAM_FAILED})

#: Terminal states from which a run may be reopened: run again in a new epoch. What ended well is not repeated, but for
#: the cells of a notebook that somebody names (:class:`~orchestra_nb.model.events.RunReopened`).
REOPENABLE_STATES: Final = frozenset(
    {State.FAILED, State.TIMED_OUT, State.CRASHED, State.CANCELLED, State.UPSTREAM_FAILED}
)

#: States that people may set a run to: ends that say whether what it was to do is done. The one exception to the graph
#: below: such an end may follow another one in the same epoch, and is final until somebody opens the run again.
SETTABLE_STATES: Final = (State.COMPLETED, State.FAILED, State.CANCELLED, State.CRASHED)

#: What the actor of a change ends with, in the history of a run, that set its state so.
_BY_HAND: Final = ", by hand"

_NOT_STARTED_ENDS = frozenset({State.CANCELLED, State.SKIPPED, State.UPSTREAM_FAILED, State.FAILED, State.CRASHED})
_STARTED_ENDS = frozenset({State.COMPLETED, State.FAILED, State.TIMED_OUT, State.CRASHED, State.CANCELLED})

#: State to the states that may follow it within one epoch. Terminal states have no successor but what people set.
TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.SCHEDULED: _NOT_STARTED_ENDS | {State.PENDING, State.PAUSED, State.MISSED},
    State.PENDING: _NOT_STARTED_ENDS
    # COMPLETED and TIMED_OUT too: the report that it ran may be lost, the outcome is not
    | {State.RUNNING, State.CANCELLING, State.PAUSED, State.COMPLETED, State.TIMED_OUT, State.RETRYING},
    State.RUNNING: _STARTED_ENDS | {State.RETRYING, State.PAUSED, State.CANCELLING},
    State.RETRYING: _NOT_STARTED_ENDS | {State.PENDING, State.RUNNING, State.CANCELLING},
    State.PAUSED: _STARTED_ENDS | {State.PENDING, State.RUNNING, State.CANCELLING},
    State.CANCELLING: _STARTED_ENDS,
    **{state: frozenset() for state in TERMINAL_STATES},
}


def may_follow(current: State, new: State) -> bool:
    """Tell whether ``new`` may follow ``current`` within one epoch."""
    return new in TRANSITIONS[current]


def by_hand(actor: str) -> str:
    """Return how the history of a run tells of somebody who set its state."""
    return f"{actor}{_BY_HAND}"


def is_by_hand(actor: str) -> bool:
    """Tell whether a change of state with this actor is one that somebody set.

    Examples
    --------
    >>> is_by_hand(by_hand("user ana")), is_by_hand("user ana")
    (True, False)
    """
    return actor.endswith(_BY_HAND)
