"""Cron expressions of five fields, as Debian's cron reads them, by cronsim.

A job follows real time when its minute or its hour begins with a star, else it runs at fixed times. When the day of the
month or the weekday begins with a star, both must fit, else one of them is enough.
"""

from __future__ import annotations

import copy
import difflib
import functools
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from orchestra_nb.errors import InvalidSchedule

if TYPE_CHECKING:
    from cronsim import CronSim

#: What each field may hold, in order: its name and what it is made of.
_FIELDS: Final = {
    "minute": "minutes are 0 to 59",
    "hour": "hours are 0 to 23",
    "day of month": "days are 1 to 31, L for the last day and LW for the last weekday of the month",
    "month": "months are 1 to 12 or JAN to DEC",
    "day of week": "weekdays are 0 to 7 (0 and 7 are Sunday) or SUN to SAT, MON#1 for the first Monday of the month "
    "and 5L for its last Friday",
}
_FORM: Final = "minute, hour, day of month, month, day of week"
_LISTS: Final = "Lists (1,15), ranges (1-5) and steps (*/10) are possible."

#: The first and the last value of each field, for a range that goes over its end.
_ENDS: Final = {
    "minute": ("0", "59"),
    "hour": ("0", "23"),
    "day of month": ("1", "31"),
    "month": ("1", "12"),
    "day of week": ("0", "6"),
}
_NAMED_ENDS: Final = {"month": ("JAN", "DEC"), "day of week": ("SUN", "SAT")}

_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

#: A range of one number, with a step that has nowhere to go: cronsim would go to the end of the field.
_LONE_RANGE: Final = re.compile(r"(?<![^\s,])(\w+)-\1/0*[1-9]\d*(?![^\s,])", re.IGNORECASE)

_RANGE: Final = re.compile(r"(\w+)-(\w+)((?:/\d+)?)")

#: As much of an expression is repeated in a message.
_MAX_SHOWN: Final = 60

#: Fits: in its place each field is tried alone.
_ANY: Final = ("0", "0", "1", "1", "*")
_SOME_TIME: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a local time


class CronTimes:
    """The local times that a cron expression names.

    Parameters
    ----------
    fields
        The five fields, checked.
    """

    def __init__(self, fields: tuple[str, ...], parsed: CronSim) -> None:
        self.fields = fields
        self._parsed = parsed

    @property
    def numbers(self) -> tuple[tuple[int, ...], ...]:
        """The minutes, hours, days of the month, months and weekdays (0 is Sunday); not those such as the last one."""
        found = self._parsed
        fields = (found.minutes, found.hours, found.days, found.months, found.weekdays)
        return tuple(
            tuple(sorted(number for number in field if isinstance(number, int) and number >= 0)) for field in fields
        )

    @property
    def follows_real_time(self) -> bool:
        """Whether the job runs more often than at fixed times."""
        return self.fields[0].startswith("*") or self.fields[1].startswith("*")

    @property
    def needs_both_days(self) -> bool:
        """Whether a day must fit the day of the month and the weekday, rather than one of them."""
        return self.fields[2].startswith("*") or self.fields[4].startswith("*")

    def after(self, local: datetime, offset: timedelta) -> Iterator[datetime]:
        """Return the local times after one, in order, as long as less than 50 years lie between two."""
        times = copy.copy(self._parsed)
        times.dt = local.replace(second=0, microsecond=0, fold=0)
        return times


@functools.lru_cache(maxsize=4096)
def parse_cron(expression: str) -> CronTimes:
    """Return the times that an expression, or a nickname such as ``@daily``, names.

    Raises
    ------
    InvalidSchedule
        The expression has another number of fields, a field cannot be read, or no day is like that.

    Examples
    --------
    >>> next(parse_cron("30 9 * * MON-FRI").after(datetime(2026, 1, 3), timedelta()))
    datetime.datetime(2026, 1, 5, 9, 30)
    """
    fields = tuple(plain_fields(expression).split())
    if len(fields) != len(_FIELDS):
        raise InvalidSchedule(
            f"The cron expression {_short(expression)} has {len(fields)} field{'' if len(fields) == 1 else 's'}. "
            f"Write five: {_FORM}.{_hint(len(fields))}"
        )
    for number, (name, allowed) in enumerate(_FIELDS.items()):
        alone = (*_ANY[:number], fields[number], *_ANY[number + 1 :])
        if _simulation(alone) is None:
            raise InvalidSchedule(
                f"The {name} {_short(fields[number])} of the cron expression {_short(expression)} cannot be read: "
                f"{_backwards(fields[number], number, name) or f'{allowed}. {_LISTS}'}"
            )
    parsed = _simulation(fields)
    if parsed is None or next(copy.copy(parsed), None) is None:
        raise InvalidSchedule(f"The cron expression {_short(expression)} never falls due: there is no such day.")
    return CronTimes(fields, parsed)


def plain_fields(expression: str) -> str:
    """Return the five fields that an expression or a nickname stands for, with one blank between two.

    Raises
    ------
    InvalidSchedule
        There is no such nickname.
    """
    words = expression.split()
    if not (len(words) == 1 and words[0].startswith("@")):
        return " ".join(words)
    name = words[0].lower()
    if name not in _NICKNAMES:
        near = difflib.get_close_matches(name, _NICKNAMES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(_NICKNAMES)}."
        raise InvalidSchedule(f"{_short(expression)} is no schedule. {hint}")
    return _NICKNAMES[name]


def _simulation(fields: tuple[str, ...]) -> CronSim | None:
    """Return the parsed fields; None where cronsim refuses them."""
    from cronsim import CronSim, CronSimError

    try:
        return CronSim(_LONE_RANGE.sub(r"\1", " ".join(fields)), _SOME_TIME)
    except (CronSimError, ValueError):  # ValueError: a number of thousands of digits
        return None


def _backwards(field: str, number: int, name: str) -> str:
    """Say that a range of a field runs backwards, and what to write; empty where none does."""
    for part in field.split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        begin, end, step = found.groups()
        lowest, highest = _NAMED_ENDS.get(name, _ENDS[name]) if begin.isalpha() else _ENDS[name]
        sides = ",".join(
            side if first == last else f"{first}-{last}"
            for first, last, side in ((begin, highest, begin), (lowest, end, end))
        )
        alone = (*_ANY[:number], sides, *_ANY[number + 1 :])
        if _simulation((*_ANY[:number], f"{begin},{end}", *_ANY[number + 1 :])) and _simulation(alone):
            return f"the range {_short(part)} runs backwards. " + (_LISTS if step else f"Write {sides}.")
    return ""


def _hint(fields: int) -> str:
    if fields == 6:
        return " Seconds cannot be given: leave the first one out."
    if fields > len(_FIELDS):
        return " Put it in quotes, so that the shell leaves its stars alone."
    return ""


def _short(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
