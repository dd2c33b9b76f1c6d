"""What the state machine is told, and what it answers: values, nothing more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestra_nb.model.events import TaskRunStateChanged
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """What the machine has to know of a task.

    Parameters
    ----------
    upstream
        Ids of the task runs that must complete first; if one ends otherwise, this task never starts.
    after
        Ids of the task runs that must have ended first, however they ended.
    """

    task_run_id: str
    run_id: str
    name: str
    upstream: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    retry: RetryPolicy = RetryPolicy()


# --- what happens


@dataclass(frozen=True, slots=True)
class TaskSubmitted:
    """A task was accepted.

    Parameters
    ----------
    may_start_ahead
        Whether it may be handed to the executor while its upstreams are there and have not completed. The executor lets
        it begin when all have, and loses it when one ends otherwise.
    """

    plan: TaskPlan
    may_start_ahead: bool = False


@dataclass(frozen=True, slots=True)
class AttemptSeenRunning:
    """The worker reports that user code begins."""

    key: str
    worker: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """An attempt gave an outcome. ``chance``, between 0 and 1, spreads the delay before a retry."""

    key: str
    outcome: Outcome
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class AttemptVanished:
    """An attempt will give no outcome (see :class:`orchestra_nb.engine.executors.AttemptLost`)."""

    key: str
    begun: bool
    state: State
    reason: str
    worker: str = ""
    #: whether a new start would end in the same way (the code ended its own process; an input is gone)
    is_final: bool = False
    #: of a process that exited by itself
    exit_code: int | None = None
    #: whether the whole cluster is gone: what had begun on it may run on there, so it is not run a second time
    has_lost_cluster: bool = False


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The delay before a retry is over."""

    task_run_id: str
    failures: int


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Somebody asked to cancel these tasks; None means all."""

    task_run_ids: Collection[str] | None
    reason: str
    actor: str = "user"


def cancelled_by(actor: str) -> str:
    """Return the reason of what somebody has cancelled, in people's words."""
    return f"cancelled by {actor}"


MachineEvent = TaskSubmitted | AttemptSeenRunning | AttemptFinished | AttemptVanished | RetryDue | CancelAsked


# --- what to do


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Start an attempt under this key.

    Parameters
    ----------
    ahead_of
        Upstream task run id to the key of its attempt, of those that have not completed: this one begins after them.
    """

    task_run_id: str
    key: str
    attempt: int
    ahead_of: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """Stop an attempt; it will end in this state."""

    key: str
    state: State


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Hand this event back at this time."""

    at: datetime
    event: RetryDue


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the world."""

    change: TaskRunStateChanged


Command = StartAttempt | StopAttempt | WakeAt | Announce
