"""What a change of the clock does to an occurrence, in words."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, tzinfo

from orchestra_nb.model.local_times import SECOND, LocalTimes, local_at, next_change, offset_at
from orchestra_nb.model.schedule_words import clock
from orchestra_nb.model.schedules import AnySchedule, local_times_of

#: More times that a change leaves out are not listed one by one.
_MAX_LISTED = 3


def clock_note(schedule: AnySchedule, zone: tzinfo, occurrence: datetime, previous: datetime) -> str:
    """Return what people should know about an occurrence near a change of the clock; empty where there is nothing.

    Parameters
    ----------
    previous
        The occurrence before this one, or from where the first one was looked for.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> from orchestra_nb.model.schedules import CronSchedule
    >>> zone = ZoneInfo("Europe/Berlin")
    >>> daily = CronSchedule(expression="30 2 * * *", timezone="Europe/Berlin")
    >>> clock_note(daily, zone, datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 24, 0, 30, tzinfo=UTC))
    'clocks go back: second 02:30 left out'
    """
    times = local_times_of(schedule, zone)
    return _repeated(times, zone, occurrence) or _passed_change(times, zone, occurrence, previous)


def _repeated(times: LocalTimes | None, zone: tzinfo, occurrence: datetime) -> str:
    """Tell of an occurrence at a time that comes twice."""
    local = occurrence.astimezone(zone)
    first, second = (local.replace(fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None
    assert second is not None
    if first <= second:
        return ""
    if times is not None and not times.follows_real_time:
        return f"clocks go back: second {clock(local)} left out"
    return f"clocks go back: {'second' if local.fold else 'first'} {clock(local)}"


def _passed_change(times: LocalTimes | None, zone: tzinfo, occurrence: datetime, previous: datetime) -> str:
    """Tell of the last change since the occurrence before, if it did anything to the schedule."""
    change = None
    begin = previous.astimezone(UTC).replace(microsecond=0)
    while (later := next_change(zone, begin, occurrence)) is not None:
        change = begin = later
    if change is None:
        return ""
    before, after = offset_at(change - SECOND, zone), offset_at(change, zone)
    if times is None:
        shift = _amount(abs(after - before))
        return f"clocks have gone {'forward' if after > before else 'back'} by {shift}"
    skipped = _skipped(times, change, before, after)
    if not skipped:
        return ""
    listed = ", ".join(clock(local) for local in skipped)
    if len(skipped) > _MAX_LISTED:
        listed = f"{clock(skipped[0])} to {clock(skipped[-1])}"
    do = "does" if len(skipped) == 1 else "do"
    return f"clocks go forward: {listed} {do} not exist" + (
        "" if times.follows_real_time else f", due at {clock(local_at(change, after))}"
    )


def _amount(shift: timedelta) -> str:
    """Return the length of a shift: ``"1 h"``, ``"30 min"``, ``"1 h 30 min"``."""
    hours, minutes = divmod(round(shift / timedelta(minutes=1)), 60)
    return " ".join(f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number)


def _skipped(times: LocalTimes, change: datetime, before: timedelta, after: timedelta) -> list[datetime]:
    """Return the local times that a change leaves out and at which something would be due."""
    begin, end = local_at(change, before), local_at(change, after)
    if end <= begin:
        return []
    return list(itertools.takewhile(lambda local: local < end, times.after(begin - SECOND, before)))
