"""What automations did: one entry for each time that one fired, with what came of each of its actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum

import msgspec

from orchestra_nb.model.automation_decisions import Firing
from orchestra_nb.model.automations import Action


class FiringState(str, Enum):
    """What became of a firing."""

    #: somebody does what it says, or will
    PENDING = "PENDING"
    #: all was done
    DONE = "DONE"
    #: an action could not be done
    FAILED = "FAILED"
    #: nothing was done: its message says why
    REFUSED = "REFUSED"

    def __str__(self) -> str:
        return self.value


class LoggedAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An action, and what came of it.

    Parameters
    ----------
    id
        Of what it makes: so it makes it once, however often it is done.
    is_done
        None before it was tried.
    outcome
        What was done, or why not.
    """

    action: Action
    id: str
    is_done: bool | None = None
    outcome: str = ""


class LoggedFiring(msgspec.Struct, frozen=True, kw_only=True):
    """An automation fired.

    Parameters
    ----------
    number
        Names it for ever.
    key
        Names what made it fire.
    at, decided_at, closed_at
        When that happened, when it was seen, and when all was done.
    about
        What made it fire, in words.
    hops
        How many automations led to what it does, this one included.
    attempts
        How often somebody began to do it.
    """

    number: int
    automation: str
    key: str
    at: datetime
    about: str
    hops: int
    run_id: str | None
    state: FiringState
    message: str
    actions: tuple[LoggedAction, ...]
    attempts: int
    decided_at: datetime
    closed_at: datetime | None


def with_ids(firing: Firing, fresh_id: Callable[[], str]) -> tuple[LoggedAction, ...]:
    """Return the actions of a firing as they are logged before any of them was tried."""
    return tuple(LoggedAction(action=action, id=fresh_id()) for action in firing.actions)


def end_of(actions: tuple[LoggedAction, ...]) -> FiringState:
    """Return what became of a firing whose actions were all tried."""
    return FiringState.DONE if all(action.is_done for action in actions) else FiringState.FAILED
