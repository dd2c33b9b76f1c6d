"""The outbox of notifications: what is to be sent, how often that is tried, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import msgspec

from orchestra_nb.model.retries import RetryPolicy

#: Eight tries within an hour to an hour and a half.
DELIVERY: Final = RetryPolicy(retries=7, exponential=(30.0, 3600.0), jitter_factor=0.5)


class DeliveryState(str, Enum):
    """What became of a message."""

    #: to be sent, now or at its next try
    PENDING = "PENDING"
    #: its service took it
    SENT = "SENT"
    #: a dead letter: no try is left, somebody has to decide
    DEAD = "DEAD"
    #: somebody decided that it is not sent
    DISCARDED = "DISCARDED"

    def __str__(self) -> str:
        return self.value


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel without its address, which is secret.

    Parameters
    ----------
    shown
        The address without what must not be seen.
    may_be_private
        Whether its messages may go to loopback, link-local and private addresses.
    """

    name: str
    shown: str
    may_be_private: bool
    created_at: datetime
    updated_at: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one channel.

    Parameters
    ----------
    number
        Names it for ever.
    run_id, epoch, moment
        What it tells of.
    attempts
        How often it was tried, since somebody last asked for it.
    next_try_at
        When it is due; past for one that was sent.
    error
        Why the last try failed, without secrets.
    closed_at, closed_by
        When it was sent or discarded, and who discarded it or had it tried again.
    """

    number: int
    rule: str
    channel: str
    run_id: str
    epoch: int
    moment: str
    severity: str
    title: str
    body: str
    state: DeliveryState
    attempts: int
    next_try_at: datetime
    error: str
    created_at: datetime
    closed_at: datetime | None
    closed_by: str | None


def next_try_at(policy: RetryPolicy, attempts: int, now: datetime, chance: float) -> datetime | None:
    """Return when a message is tried again after so many tries that failed; None when it is a dead letter.

    Parameters
    ----------
    chance
        Between 0 and 1, drawn by the caller.
    """
    if attempts > policy.retries:
        return None
    return now + timedelta(seconds=policy.delay_seconds(attempts, chance))
