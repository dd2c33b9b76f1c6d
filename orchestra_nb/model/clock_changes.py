"""What a change of the clock does to an occurrence, in words."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from orchestra_nb.model.local_times import SECOND, LocalTimes, local_at, next_change, offset_at
from orchestra_nb.model.schedule_grammar import clock
from orchestra_nb.model.schedules import AnySchedule, local_times_of

#: What is said, by language: of a time that comes twice, of one that never comes, and of intervals.
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "second left out": "clocks go back: second {time} left out",
        "second": "clocks go back: second {time}",
        "first": "clocks go back: first {time}",
        "forward": "clocks have gone forward by {shift}",
        "back": "clocks have gone back by {shift}",
        "between": "{first} to {last}",
        "skips one": "clocks go forward: {listed} does not exist",
        "skips some": "clocks go forward: {listed} do not exist",
        "due": ", due at {time}",
    },
    "de": {
        "second left out": "Uhren gehen zurück: das zweite {time} entfällt",
        "second": "Uhren gehen zurück: das zweite {time}",
        "first": "Uhren gehen zurück: das erste {time}",
        "forward": "die Uhren sind um {shift} vorgestellt",
        "back": "die Uhren sind um {shift} zurückgestellt",
        "between": "{first} bis {last}",
        "skips one": "Uhren gehen vor: {listed} gibt es nicht",
        "skips some": "Uhren gehen vor: {listed} gibt es nicht",
        "due": ", fällig um {time}",
    },
}
#: More times that a change leaves out are not listed one by one.
_MAX_LISTED = 3


def clock_note(
    schedule: AnySchedule, zone: tzinfo, occurrence: datetime, previous: datetime, language: str = "en"
) -> str:
    """Return what people should know about an occurrence near a change of the clock; empty where there is nothing.

    Parameters
    ----------
    previous
        The occurrence before this one, or from where the first one was looked for.
    language
        A BCP 47 tag; English where there are no words in it.

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
    words = _WORDS.get(language.partition("-")[0].lower(), _WORDS["en"])
    return _repeated(times, zone, occurrence, words) or _passed_change(times, zone, occurrence, previous, words)


def _repeated(times: LocalTimes | None, zone: tzinfo, occurrence: datetime, words: Mapping[str, str]) -> str:
    """Tell of an occurrence at a time that comes twice."""
    local = occurrence.astimezone(zone)
    first, second = (local.replace(fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None
    assert second is not None
    if first <= second:
        return ""
    if times is not None and not times.follows_real_time:
        return words["second left out"].format(time=clock(local))
    return words["second" if local.fold else "first"].format(time=clock(local))


def _passed_change(
    times: LocalTimes | None, zone: tzinfo, occurrence: datetime, previous: datetime, words: Mapping[str, str]
) -> str:
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
        return words["forward" if after > before else "back"].format(shift=shift)
    skipped = _skipped(times, change, before, after)
    if not skipped:
        return ""
    listed = ", ".join(clock(local) for local in skipped)
    if len(skipped) > _MAX_LISTED:
        listed = words["between"].format(first=clock(skipped[0]), last=clock(skipped[-1]))
    said = words["skips one" if len(skipped) == 1 else "skips some"].format(listed=listed)
    return said + ("" if times.follows_real_time else words["due"].format(time=clock(local_at(change, after))))


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
