"""Concurrency limits and rate limits: what they are, and how much room they have at a moment."""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

from orchestra_nb.errors import InvalidInput


class ConcurrencyLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit by name, for all that runs on one store.

    Parameters
    ----------
    limit
        How many slots there are. 0 lets nobody in until somebody raises it.
    slot_decay_per_second
        How fast slots come back that :func:`rate_limit` took; 0 for a limit that only ``concurrency()`` uses.
    is_active
        Whether it is enforced.
    """

    name: str
    limit: int
    slot_decay_per_second: float = 0.0
    is_active: bool = True


class HeldSlots(msgspec.Struct, frozen=True, kw_only=True):
    """Slots of one limit that somebody holds.

    Parameters
    ----------
    holder
        Names one holding, made by whoever acquires.
    until
        When they are free again if nobody renews the lease.
    driver_id
        When this driver dies they are free at once; None when nobody knows it.
    """

    holder: str
    name: str
    occupied: int
    acquired_at: datetime
    until: datetime
    driver_id: str | None = None
    run_id: str | None = None
    task_run_id: str | None = None


class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """A limit with who holds its slots, and how many a rate limit has not got back yet."""

    limit: ConcurrencyLimit
    held: tuple[HeldSlots, ...] = ()
    decaying: float = 0.0

    @property
    def occupied(self) -> int:
        """How many slots are not free, a slot that has come back in part not counted as free."""
        return sum(slots.occupied for slots in self.held) + math.ceil(self.decaying - 1e-9)


def check_limit(limit: int, slot_decay_per_second: float) -> None:
    """Refuse numbers that no limit can have.

    Raises
    ------
    InvalidInput
        One is negative or not finite.
    """
    if limit < 0:
        raise InvalidInput(f"A limit is a number of slots, 0 or more, not {limit}.")
    if not math.isfinite(slot_decay_per_second) or slot_decay_per_second < 0:
        raise InvalidInput(f"Slots come back at a rate of 0 or more a second, not {slot_decay_per_second}.")


def decayed(used: float, seconds: float, slot_decay_per_second: float) -> float:
    """Return how many of the slots that a rate limit took are not back after some seconds.

    Examples
    --------
    >>> decayed(5, 10, 0.25)
    2.5
    """
    return max(0.0, used - max(0.0, seconds) * slot_decay_per_second)
