"""Recurrence rules of iCalendar (RFC 5545, section 3.3.10), by python-dateutil.

Rules of days and longer periods are due at fixed times; rules of hours, minutes and seconds follow real time. A rule
counts its periods from an anchor: its DTSTART, else where its schedule starts, else a Monday, 1 January 2001, 00:00.
What the anchor says implicitly (the weekday of a weekly rule, the minute of an hourly one) is made explicit here, so
that dateutil can be sent to any period without walking there from the anchor.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, date, datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import Any, Final

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.local_times import LAST_INSTANT, SECOND, check_known, first_instant, local_at, offset_at

FREQUENCIES: Final = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

#: More occurrences nobody counts, and they are counted from the first one at each look.
MAX_COUNT: Final = 10_000

#: Part to the least and the largest number; numbers below zero, where there are any, count from the end.
_NUMBERS: Final = {
    "BYSECOND": (0, 59),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (-366, 366),
}
_PARTS: Final = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_NUMBERS)
_SUB_DAILY: Final = {"HOURLY": 1, "MINUTELY": 60, "SECONDLY": 3600}
_TIME: Final = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_DAY: Final = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_DEFAULT_ANCHOR: Final = datetime(2001, 1, 1)  # noqa: DTZ001 - a local time
#: dateutil would look for an impossible day until the year 9999.
_SEARCH: Final = timedelta(days=50 * 366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A rule as it is written.

    Parameters
    ----------
    days
        Weekdays (0 is Monday), each with its number in the month or the year, 0 for all of them.
    numbers
        The name of each part with numbers (``"BYHOUR"``) to what it lists.
    week_start
        The first day of the week, 0 for Monday.
    count
        How often it is due at all; None for ever.
    until, dtstart
        Local times, or instants where they are written with a Z. ``until`` is the last moment that counts.
    """

    frequency: str
    interval: int = 1
    days: tuple[tuple[int, int], ...] = ()
    numbers: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    week_start: int = 0
    count: int | None = None
    until: datetime | None = None
    dtstart: datetime | None = None

    @property
    def is_sub_daily(self) -> bool:
        """Whether its periods are shorter than a day."""
        return self.frequency in _SUB_DAILY

    @property
    def names_days(self) -> bool:
        """Whether it says itself which days of its periods are meant."""
        return bool(self.days) or any(name in self.numbers for name in ("BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"))


class RecurrenceTimes:
    """The local times that a rule names in a zone, whatever its COUNT and UNTIL.

    Parameters
    ----------
    start_at
        Where a rule without DTSTART begins; None for no beginning.
    """

    def __init__(self, rule: Recurrence, zone: tzinfo, start_at: datetime | None) -> None:
        anchor = rule.dtstart or start_at
        if anchor is None:
            anchor = _DEFAULT_ANCHOR
        if anchor.tzinfo is not None:
            anchor = local_at(anchor, offset_at(anchor, zone))
        self.rule = rule
        self.anchor = anchor.replace(microsecond=0)
        #: The first instant that counts.
        self.begins_at = first_instant(self.anchor, zone)
        self._by = _explicit(rule, self.anchor)

    @property
    def follows_real_time(self) -> bool:
        """Whether it is a rule of hours, minutes or seconds."""
        return self.rule.is_sub_daily

    def after(self, local: datetime, offset: timedelta) -> Iterator[datetime]:
        """Return the local times after one, in order."""
        from dateutil.rrule import rrule

        anchor = local_at(self.begins_at, offset) if self.rule.is_sub_daily else self.anchor
        first, now = (self._period(time) for time in (anchor, max(local, anchor)))
        period = first + (now - first) // self.rule.interval * self.rule.interval
        try:
            times = rrule(dtstart=self._start_of(period), **self._by)
        except ValueError:  # no hour or minute that the interval reaches is listed
            return iter(())
        # Nobody asks for the last years, and in the very last one an offset would lead beyond what a datetime can hold.
        known = itertools.takewhile(lambda time: time.year < MAXYEAR, times)
        return (time for time in known if time > local)

    def can_be_due(self) -> bool:
        """Return whether a day that the rule names comes within 50 years."""
        step = self.rule.interval if self.rule.frequency == "DAILY" else 1
        day, last = self.anchor.date(), self.anchor.date() + _SEARCH
        while day < last:
            if self._may_be(day):
                return True
            day += timedelta(days=step)
        return False

    def _may_be(self, day: date) -> bool:
        from calendar import isleap, monthrange

        length, month_length = 366 if isleap(day.year) else 365, monthrange(day.year, day.month)[1]
        number = day.timetuple().tm_yday
        facts = {
            "bymonth": {day.month},
            "bymonthday": {day.day, day.day - month_length - 1},
            "byyearday": {number, number - length - 1},
        }
        return all(not self._by.get(part) or facts[part] & set(self._by[part]) for part in facts) and (
            not self.rule.days or day.weekday() in {weekday for weekday, _ in self.rule.days}
        )

    def _period(self, local: datetime) -> int:
        """Return the number of the period of the rule's frequency in which a time lies."""
        ordinal = local.toordinal()
        match self.rule.frequency:
            case "YEARLY":
                return local.year
            case "MONTHLY":
                return local.year * 12 + local.month - 1
            case "WEEKLY":
                return (ordinal - 1 - self.rule.week_start) // 7
            case "DAILY":
                return ordinal
            case frequency:
                seconds = (ordinal * 24 + local.hour) * 3600 + local.minute * 60 + local.second
                return seconds * _SUB_DAILY[frequency] // 3600

    def _start_of(self, period: int) -> datetime:
        """Return the first moment of a period."""
        match self.rule.frequency:
            case "YEARLY":
                return datetime(period, 1, 1)  # noqa: DTZ001 - a local time
            case "MONTHLY":
                return datetime(period // 12, period % 12 + 1, 1)  # noqa: DTZ001
            case "WEEKLY":
                return datetime.fromordinal(period * 7 + 1 + self.rule.week_start)
            case "DAILY":
                return datetime.fromordinal(period)
            case frequency:
                days, rest = divmod(period * 3600 // _SUB_DAILY[frequency], 86_400)
                return datetime.fromordinal(days) + timedelta(seconds=rest)


@functools.lru_cache(maxsize=1024)
def parse_recurrence(text: str) -> Recurrence:
    """Read a rule, such as ``FREQ=WEEKLY;BYDAY=MO;BYHOUR=9``, with its DTSTART line if it has one.

    Raises
    ------
    InvalidSchedule
        A part is unknown, twice there, or has a value that it cannot have; the message names it.
    """
    rule_text, dtstart = "", None
    for line in text.split() if "=" in text else ():
        name, colon, value = line.rpartition(":")
        match name.upper():
            case "" | "RRULE" if not rule_text:
                rule_text = value
            case "DTSTART" if dtstart is None:
                dtstart = _time("DTSTART", value.upper())
                check_known(dtstart)
            case _:
                raise InvalidSchedule(
                    f"{name + colon + value!r} cannot be part of a recurrence rule here. Write one RRULE and, if need "
                    "be, one DTSTART:20260105T090000; days off are given apart, and so is the time zone."
                )
    if not rule_text:
        raise InvalidSchedule(f"{text!r} is no recurrence rule. Write one such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=9.")
    return _rule(_split(rule_text), dtstart)


def _split(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.upper().rstrip(";").split(";"):
        name, equals, value = part.partition("=")
        if name not in _PARTS:
            raise InvalidSchedule(f"{part!r} is no part of a recurrence rule. The parts are {', '.join(_PARTS)}.")
        if name in parts:
            raise InvalidSchedule(f"{name} stands twice in the recurrence rule. Write its values with commas between.")
        if not equals or not value:
            raise InvalidSchedule(f"{name} has no value in the recurrence rule.")
        parts[name] = value
    return parts


def _rule(parts: Mapping[str, str], dtstart: datetime | None) -> Recurrence:
    frequency = parts.get("FREQ")
    if frequency not in FREQUENCIES:
        said = "has no FREQ" if frequency is None else f"cannot have FREQ={frequency}"
        raise InvalidSchedule(f"The recurrence rule {said}. Write FREQ= and one of {', '.join(FREQUENCIES)}.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise InvalidSchedule("A recurrence rule has a COUNT or an UNTIL, not both.")
    for part, frequencies in (("BYWEEKNO", ("YEARLY",)), ("BYYEARDAY", ("YEARLY", *_SUB_DAILY))):
        if part in parts and frequency not in frequencies:
            raise InvalidSchedule(f"{part} has no meaning with FREQ={frequency} (RFC 5545).")
    rule = Recurrence(
        frequency=frequency,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 1, 1_000_000),
        days=tuple(_day(value, frequency) for value in parts["BYDAY"].split(",")) if "BYDAY" in parts else (),
        numbers=MappingProxyType(
            {
                name: tuple(sorted({_number(name, value, *_NUMBERS[name]) for value in parts[name].split(",")}))
                for name in _NUMBERS
                if name in parts
            }
        ),
        week_start=_weekday("WKST", parts.get("WKST", "MO")),
        count=_number("COUNT", parts["COUNT"], 1, MAX_COUNT) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        dtstart=dtstart,
    )
    if "BYSETPOS" in parts and len(parts.keys() & {"BYDAY", *_NUMBERS}) == 1:
        raise InvalidSchedule("BYSETPOS chooses among what another BY… part lists, and there is none.")
    return rule


def _number(name: str, text: str, low: int, high: int) -> int:
    if re.fullmatch(r"[+-]?\d{1,7}", text, re.ASCII):
        number = int(text)
        if low <= number <= high and not (number == 0 and low < 0):
            return number
    without = ", without 0" if low < 0 else ""
    raise InvalidSchedule(f"{name}={text} cannot be in a recurrence rule: {name} is {low} to {high}{without}.")


def _weekday(name: str, text: str) -> int:
    if text not in DAYS:
        raise InvalidSchedule(f"{name}={text} cannot be in a recurrence rule: weekdays are {', '.join(DAYS)}.")
    return DAYS.index(text)


def _day(text: str, frequency: str) -> tuple[int, int]:
    match = _DAY.fullmatch(text)
    number = int(match[1] or 0) if match else 0
    if match is None or abs(number) > 53 or (match[1] and not number):
        raise InvalidSchedule(
            f"BYDAY={text} cannot be in a recurrence rule: write MO to SU, 1MO for the first or -1FR for the last one."
        )
    if number and frequency not in ("MONTHLY", "YEARLY"):
        raise InvalidSchedule(
            f"BYDAY={text} needs FREQ=MONTHLY or FREQ=YEARLY: a number counts days in a month or year."
        )
    return DAYS.index(match[2]), number


def _until(text: str) -> datetime | None:
    """Return the last moment that counts; None where a far year stands for ever."""
    until = _time("UNTIL", text)
    if until.year > LAST_INSTANT.year:
        return None
    return until if "T" in text else until + timedelta(days=1) - SECOND


def _time(name: str, text: str) -> datetime:
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        time = datetime.strptime(match[1] + (match[2] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - a local time
    except ValueError:
        raise InvalidSchedule(f"{name}={text} is no time. Write 20260131T090000, with a Z behind it for UTC.") from None
    return time.replace(tzinfo=UTC) if match[3] else time


def _explicit(rule: Recurrence, anchor: datetime) -> dict[str, Any]:
    """Return dateutil's arguments, with all that they would take from the anchor."""
    from dateutil import rrule

    by: dict[str, Any] = {name.lower(): numbers for name, numbers in rule.numbers.items()}
    position = FREQUENCIES.index(rule.frequency)
    for frequency, name, number in (
        ("MINUTELY", "bysecond", anchor.second),
        ("HOURLY", "byminute", anchor.minute),
        ("DAILY", "byhour", anchor.hour),
    ):
        if position <= FREQUENCIES.index(frequency):
            by.setdefault(name, (number,))
    if rule.days:
        by["byweekday"] = [rrule.weekdays[day](number or None) for day, number in rule.days]
    elif not rule.names_days and rule.frequency == "WEEKLY":
        by["byweekday"] = [rrule.weekdays[anchor.weekday()]]
    elif not rule.names_days and rule.frequency in ("YEARLY", "MONTHLY"):
        by["bymonthday"] = (anchor.day,)
        if rule.frequency == "YEARLY":
            by.setdefault("bymonth", (anchor.month,))
    return by | {
        "freq": getattr(rrule, rule.frequency),
        "interval": rule.interval,
        "wkst": rrule.weekdays[rule.week_start],
    }
