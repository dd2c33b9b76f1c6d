"""Local times as instants, when clocks go forward and back: the rule of Debian's cron.

What is due at a fixed time of the day and falls into hours that clocks leave out is due once, at the first instant
after them; in hours that come twice it is due once, in the first of them. What follows real time is due whenever the
clock shows a time that fits, so not at all in hours that are left out, and twice in those that come twice.

Local times here are naive, and everything is in whole seconds. A zone is any ``tzinfo`` that follows PEP 495.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Protocol

from orchestra_nb.errors import InvalidSchedule

#: Schedules know the time between these; beyond it neither Python nor dateutil count reliably with offsets.
FIRST_INSTANT: Final = datetime(1900, 1, 1, tzinfo=UTC)
LAST_INSTANT: Final = datetime(9899, 12, 31, 23, 59, 59, tzinfo=UTC)

SECOND: Final = timedelta(seconds=1)

#: Changes of the clock that are undone sooner than this are not seen.
_PROBE: Final = timedelta(days=7)


class LocalTimes(Protocol):
    """Times that a clock on the wall must show for something to be due.

    Attributes
    ----------
    follows_real_time
        Whether hours that clocks leave out are left out, and hours that come twice count twice.
    """

    @property
    def follows_real_time(self) -> bool: ...  # noqa: D102

    def after(self, local: datetime, offset: timedelta) -> Iterator[datetime]:
        """Return the local times after one, in order.

        Parameters
        ----------
        offset
            What the clock is ahead of UTC; of meaning only where real time is followed.
        """
        ...


def instants_after(times: LocalTimes, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """Return the instants (UTC) after one at which the times are due, in order, none twice."""
    after = after.astimezone(UTC).replace(microsecond=0)
    return (_real_times if times.follows_real_time else _fixed_times)(times, zone, after)


def first_instant(local: datetime, zone: tzinfo) -> datetime:
    """Return when a clock shows a local time first, or where it never does, the first instant after it went forward."""
    early, late = _utc(local, _offset(local, zone)), _utc(local, _offset(local.replace(fold=1), zone))
    if late < early:  # PEP 495: in a gap, fold=0 counts with the offset before it, and fold=1 with the one after
        change = next_change(zone, late, early)
        assert change is not None
        return change
    return early


def next_change(zone: tzinfo, after: datetime, until: datetime) -> datetime | None:
    """Return the first instant after ``after`` and not after ``until`` from which the zone has another offset."""
    offset = offset_at(after, zone)
    low = after
    while low < until:
        high = min(low + _PROBE, until)
        if offset_at(high, zone) != offset:
            while high - low > SECOND:
                middle = low + (high - low) // (2 * SECOND) * SECOND
                low, high = (middle, high) if offset_at(middle, zone) == offset else (low, middle)
            return high
        low = high
    return None


def offset_at(instant: datetime, zone: tzinfo) -> timedelta:
    """Return what clocks in the zone are ahead of UTC."""
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def local_at(instant: datetime, offset: timedelta) -> datetime:
    """Return what a clock shows that is so much ahead of UTC."""
    return instant.replace(tzinfo=None) + offset


def check_known(time: datetime) -> None:
    """Refuse a time, local or not, that schedules do not know.

    Raises
    ------
    InvalidSchedule
        It is not in the years 1900 to 9899.
    """
    if not FIRST_INSTANT.year <= time.year <= LAST_INSTANT.year:
        raise InvalidSchedule(f"{time.isoformat()} is too far away: schedules know the years 1900 to 9899.")


def _fixed_times(times: LocalTimes, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    # Later local times are never due earlier, so those up to the clock's time now are past.
    offset = offset_at(after, zone)
    last = after
    for local in times.after(local_at(after, offset), offset):
        due = first_instant(local, zone)
        if due > last:
            yield due
            last = due


def _real_times(times: LocalTimes, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    last, offset = after, offset_at(after, zone)
    local = local_at(after, offset)
    change: datetime | None = after
    while change is not None:
        change = None
        for fitting in times.after(local, offset):
            due = _utc(fitting, offset)
            if (change := next_change(zone, last, due)) is not None:
                last, offset = change, offset_at(change, zone)
                local = local_at(change, offset) - SECOND  # the instant of the change itself may be due
                break
            yield due
            last = due


def _offset(local: datetime, zone: tzinfo) -> timedelta:
    offset = local.replace(tzinfo=zone).utcoffset()
    assert offset is not None
    return offset


def _utc(local: datetime, offset: timedelta) -> datetime:
    return (local - offset).replace(tzinfo=UTC)
