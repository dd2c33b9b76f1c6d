"""When schedules are due, found the slow way: look at every minute of a stretch of time in a zone.

Nothing here is shared with the product: cron fields are read anew, and the rule at changes of the clock is the one of
Debian's cron as its manual page says it.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

MINUTE = timedelta(minutes=1)

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))

LocalTest = Callable[[datetime], bool]


class MinuteScan:
    """What the clocks in a zone show at every minute of a stretch of time.

    Parameters
    ----------
    begin, end
        In UTC, whole minutes; both belong to it.
    """

    def __init__(self, zone: tzinfo, begin: datetime, end: datetime) -> None:
        count = (end - begin) // MINUTE + 1
        self.begin, self.end = begin, end
        self.instants = [begin + number * MINUTE for number in range(count)]
        self.locals = [instant.astimezone(zone).replace(tzinfo=None, fold=0) for instant in self.instants]
        self._first_with: dict[datetime, datetime] = {}
        for instant, local in zip(self.instants, self.locals, strict=True):
            self._first_with.setdefault(local, instant)
        self._shown = sorted(self._first_with)

    def real_time(self, fits: LocalTest) -> list[datetime]:
        """Return each minute at which the clock shows a time that fits."""
        return [
            instant
            for instant, local in zip(self.instants, self.locals, strict=True)
            if instant > self.begin and fits(local)
        ]

    def fixed_time(self, fits: LocalTest) -> list[datetime]:
        """Return for each local time that fits the first minute that shows it, or the next that any clock shows."""
        due: set[datetime] = set()
        local = self._shown[0]
        while local <= self._shown[-1]:
            if fits(local):
                due.add(self._first_with[self._shown[bisect.bisect_left(self._shown, local)]])
            local += MINUTE
        return sorted(instant for instant in due if instant > self.begin)


def cron_fits(expression: str) -> LocalTest:
    """Return whether a local minute fits an expression of numbers, lists, ranges, steps and stars."""
    fields = expression.split()
    minutes, hours, days, months, weekdays = (_numbers(field, *_RANGES[n]) for n, field in enumerate(fields))
    weekdays = {number % 7 for number in weekdays}
    both = fields[2].startswith("*") or fields[4].startswith("*")

    def fits(local: datetime) -> bool:
        if local.minute not in minutes or local.hour not in hours or local.month not in months:
            return False
        day, weekday = local.day in days, local.isoweekday() % 7 in weekdays
        return (day and weekday) if both else (day or weekday)

    return fits


def cron_due(scan: MinuteScan, expression: str) -> list[datetime]:
    """Return when an expression is due by the rule of Debian's cron."""
    minute, hour, *_ = expression.split()
    if minute.startswith("*") or hour.startswith("*"):
        return scan.real_time(cron_fits(expression))
    return scan.fixed_time(cron_fits(expression))


def changes_of(zone: tzinfo, first_year: int, last_year: int) -> list[datetime]:
    """Return the minutes (UTC) before which, by at most an hour, the zone's offset changes."""
    found: list[datetime] = []
    instant, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    offset = instant.astimezone(zone).utcoffset()
    day, hour = timedelta(days=1), timedelta(hours=1)
    while instant < end:
        step = day if (instant + day).astimezone(zone).utcoffset() == offset else hour
        instant += step
        if (changed := instant.astimezone(zone).utcoffset()) != offset:
            found.append(instant)
            offset = changed
    return found


def _numbers(field: str, low: int, high: int) -> set[int]:
    numbers: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        first, dash, last = span.partition("-")
        begin = low if span == "*" else int(first)
        end = high if span == "*" or (step and not dash) else int(last or first)
        numbers.update(range(begin, end + 1, int(step or 1)))
    return numbers
