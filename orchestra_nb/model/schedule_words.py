"""Schedules and their occurrences in English."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Final

from orchestra_nb.model.cron import CronTimes
from orchestra_nb.model.recurrence import Recurrence
from orchestra_nb.model.schedule_grammar import PERIODS, ScheduleWords, clock
from orchestra_nb.model.schedules import AnySchedule

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_ORDINALS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "last but one"}
#: Where cron-descriptor says the hours to which several minutes are held as if they were times.
_HOURS_OF_MINUTES: Final = re.compile(r", at (?=\d\d:00, |\d\d:00 and )")


class _English(ScheduleWords):
    days = DAYS
    months = MONTHS
    cron_locale = "en"
    by_expression = "by the cron expression {}"
    at_openings = ("At ",)
    daily = ", every day"
    from_midnight = ", counted from midnight UTC"
    from_1970 = " on 1 January 1970"
    starts = ", from {}"
    ends = ", until {}"
    in_months = " in {}"
    of_year = {"BYYEARDAY": " on the {} day of the year", "BYWEEKNO": " in the {} week of the year"}  # noqa: RUF012
    of_these = ", the {} of these"
    at_times = " at {}"
    at_many_times = " at {} times from {} to {}"
    at_units = " at {}"
    unit_names = ("hour", "minute", "second")
    last_joint = " and "

    def each(self, count: int, unit: str) -> str:
        return f"every {unit}" if count == 1 else f"every {count} {unit}s"

    def nth(self, number: int) -> str:
        """Return ``"first"``, ``"13th"``, ``"last"``, ``"7th last"``."""
        if number in _ORDINALS:
            return _ORDINALS[number]
        size = abs(number)
        ending = "th" if 10 < size % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(size % 10, "th")
        return f"{size}{ending}" + (" last" if number < 0 else "")

    def times(self, count: int) -> str:
        return f", {_count(count, 'time')}"

    def days_off(self, count: int) -> str:
        return f", but on {_count(count, 'day')} off"

    def mended_cron(self, words: str, times: CronTimes, month_step: int | None) -> str:
        if times.needs_both_days:  # cron-descriptor does not know that a field such as */2 does not widen the other one
            words = words.replace(", or on ", ", only on ")
        if month_step is not None:
            days = f"on every {self.nth(month_step)} day from day 1 of the month"
            words = re.sub(rf"every {month_step} days(?! of)", days, words)
        return _HOURS_OF_MINUTES.sub(", in the hours of ", words)

    def period_and_days(self, rule: Recurrence, anchor: datetime) -> str:
        period, days = self.each(rule.interval, PERIODS[rule.frequency]), self._days(rule, anchor)
        if days.startswith("on ") and rule.interval == 1 and rule.frequency in ("DAILY", "WEEKLY"):
            return f"every {days.removeprefix('on ')}"
        return f"{period} {days}" if days else period

    def _days(self, rule: Recurrence, anchor: datetime) -> str:
        """Return the days of the period that a rule names, or takes from its anchor."""
        if not rule.names_days:
            match rule.frequency:
                case "WEEKLY":
                    return f"on {DAYS[anchor.weekday()]}"
                case "MONTHLY":
                    return f"on day {anchor.day}"
                case "YEARLY" if "BYMONTH" in rule.numbers:
                    return f"on day {anchor.day}"
                case "YEARLY":
                    return f"on {anchor.day} {_month_of(anchor)}"
                case _:
                    return ""
        parts: list[str] = []
        if rule.days:
            is_monthly = rule.frequency == "MONTHLY"
            within = "" if is_monthly else " of the month" if "BYMONTH" in rule.numbers else " of the year"
            plain = sorted(day for day, number in rule.days if not number)
            named = ["Monday to Friday"] if plain == [0, 1, 2, 3, 4] else [DAYS[day] for day in plain]
            numbered = [f"the {self.nth(number)} {DAYS[day]}{within}" for day, number in rule.days if number]
            parts.append(f"on {self.listed([*named, *numbered])}")
        if "BYMONTHDAY" in rule.numbers:
            numbers = rule.numbers["BYMONTHDAY"]
            counted = [str(number) for number in numbers if number > 0]
            backwards = [f"the {self.nth(number)} day" for number in numbers if number < 0]
            days = [*([f"day {self.listed(counted)}"] if counted else []), *backwards]
            parts.append(
                ("if it is " if rule.days else "on ")
                + self.listed(days)
                + ("" if rule.frequency == "MONTHLY" else " of the month")
            )
        return " ".join(parts)


_ENGLISH: Final = _English()


def describe_schedule(schedule: AnySchedule, zone: tzinfo) -> str:
    """Return when a schedule is due, with its zone, its bounds and its days off.

    Raises
    ------
    InvalidSchedule
        It cannot be read.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> from orchestra_nb.model.schedules import CronSchedule, IntervalSchedule, RecurrenceSchedule
    >>> zone = ZoneInfo("Europe/Berlin")
    >>> describe_schedule(CronSchedule(expression="0 9 * * 1-5", timezone="Europe/Berlin"), zone)
    'at 09:00, Monday through Friday, Europe/Berlin'
    >>> describe_schedule(IntervalSchedule(every_seconds=900), zone)
    'every 15 minutes'
    >>> describe_schedule(RecurrenceSchedule(rule="FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", timezone="Europe/Berlin"), zone)
    'every Monday at 09:00 Europe/Berlin'
    """
    return _ENGLISH.schedule(schedule, zone)


def describe_time(local: datetime) -> str:
    """Return a day and a time for people, in English whatever the machine's language.

    Examples
    --------
    >>> describe_time(datetime(2026, 3, 29, 3, 0))
    'Sunday, 29 March 2026, 03:00'
    """
    return f"{DAYS[local.weekday()]}, {local.day} {_month_of(local)} {local.year}, {clock(local)}"


def _month_of(day: datetime) -> str:
    return MONTHS[day.month - 1]


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"
