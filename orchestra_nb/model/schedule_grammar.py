"""What is said of schedules and their occurrences, and in which order; the words are those of a language."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import ClassVar, Final

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.cron import CronTimes, parse_cron
from orchestra_nb.model.recurrence import Recurrence, RecurrenceTimes, parse_recurrence
from orchestra_nb.model.schedules import AnySchedule, CronSchedule, IntervalSchedule, RecurrenceSchedule

PERIODS: Final = {
    "YEARLY": "year",
    "MONTHLY": "month",
    "WEEKLY": "week",
    "DAILY": "day",
    "HOURLY": "hour",
    "MINUTELY": "minute",
    "SECONDLY": "second",
}
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
#: A day in seconds: an interval of that and more is due at a time of day, which needs to be said.
_DAY_SECONDS: Final = 86_400
#: Part of a cron field that steps to its end: ``*/45``, ``0/45``.
_STEPS: Final = re.compile(r"(?:\*|\d+)/(\d+)")
#: How many values each field of a cron expression has; None where a step never fits, as months differ.
_FIELD_SIZES: Final = (60, 24, None, 12, 7)
_DAY_OF_MONTH: Final = 2
_WEEKDAY: Final = 4
#: More days of the month than this are not listed.
_MAX_DAYS: Final = 7
#: More times of the day than this are not listed.
_MAX_TIMES: Final = 6


class ScheduleWords(ABC):
    """One language. Where ``{}`` stands in its phrases goes what they are about."""

    #: From Monday, and from January.
    days: ClassVar[Sequence[str]]
    months: ClassVar[Sequence[str]]
    #: What cron-descriptor calls the language.
    cron_locale: ClassVar[str]
    #: Of an expression that it cannot read.
    by_expression: ClassVar[str]
    #: With what it begins where an expression names times of the day, and what is added where it names no days.
    at_openings: ClassVar[tuple[str, ...]]
    daily: ClassVar[str]
    #: Of an interval of days without a beginning, and where it is of more than one.
    from_midnight: ClassVar[str]
    from_1970: ClassVar[str]
    starts: ClassVar[str]
    ends: ClassVar[str]
    in_months: ClassVar[str]
    #: Name of the part of a rule to what is said of its numbers.
    of_year: ClassVar[Mapping[str, str]]
    of_these: ClassVar[str]
    at_times: ClassVar[str]
    #: How many, the first and the last.
    at_many_times: ClassVar[str]
    #: Minutes of an hour, and the like.
    at_units: ClassVar[str]
    #: Hour, minute and second.
    unit_names: ClassVar[tuple[str, str, str]]
    last_joint: ClassVar[str]

    @abstractmethod
    def each(self, count: int, unit: str) -> str:
        """Return a period: ``"every 15 minutes"`` for 15 and ``"minute"``."""

    @abstractmethod
    def nth(self, number: int) -> str:
        """Return an ordinal number as it stands before a day; a negative one counts from the end."""

    def nth_alone(self, number: int) -> str:
        """Return an ordinal number as it stands alone."""
        return self.nth(number)

    @abstractmethod
    def times(self, count: int) -> str:
        """Return how often a rule is due at all."""

    @abstractmethod
    def days_off(self, count: int) -> str:
        """Return that a schedule is not due on so many days."""

    @abstractmethod
    def mended_cron(self, words: str, times: CronTimes, month_step: int | None) -> str:
        """Return what cron-descriptor says, where it says it wrongly or not at all.

        Parameters
        ----------
        month_step
            Of the days of the month, where the expression has one and nothing else of them: it begins anew each month.
        """

    @abstractmethod
    def period_and_days(self, rule: Recurrence, anchor: datetime) -> str:
        """Return the period of a rule, and the days that it names, or takes from its anchor."""

    def schedule(self, schedule: AnySchedule, zone: tzinfo) -> str:
        """Return when a schedule is due, with its zone, its bounds and its days off.

        Raises
        ------
        InvalidSchedule
            It cannot be read.
        """
        match schedule:
            case CronSchedule():
                words = f"{self._cron(parse_cron(schedule.expression))}, {schedule.timezone}"
            case IntervalSchedule():
                words = self.each(*_size_and_unit(schedule.every_seconds))
                if schedule.every_seconds >= _DAY_SECONDS and schedule.start_at is None:
                    words += self.from_midnight
                    words += "" if schedule.every_seconds == _DAY_SECONDS else self.from_1970
            case RecurrenceSchedule():
                rule = parse_recurrence(schedule.rule)
                anchor = RecurrenceTimes(rule, zone, schedule.start_at).anchor
                words = self._recurrence(rule, anchor, schedule.timezone)
        if schedule.start_at is not None:
            words += self.starts.format(_iso(schedule.start_at.astimezone(zone)))
        if schedule.end_at is not None:
            words += self.ends.format(_iso(schedule.end_at.astimezone(zone)))
        if schedule.excluded_days:
            words += self.days_off(len(schedule.excluded_days))
        return words

    def listed(self, words: Iterable[str]) -> str:
        """Return ``"a"``, ``"a and b"``, ``"a, b and c"``."""
        found = list(words)
        return self.last_joint.join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)

    def _cron(self, times: CronTimes) -> str:
        from cron_descriptor import ExpressionDescriptor, Options
        from cron_descriptor.Exception import FormatError

        options = Options()
        options.use_24hour_time_format = True
        options.locale_code = self.cron_locale
        expression = " ".join(_listed_steps(times))
        try:
            words = str(ExpressionDescriptor(expression, options).get_description())
        except FormatError:  # what cronsim reads and cron-descriptor does not
            return self.by_expression.format(expression)
        step = re.fullmatch(r"\*/(\d+)", times.fields[_DAY_OF_MONTH])
        words = self.mended_cron(words, times, int(step[1]) if step else None)
        if times.fields[2:] == ("*", "*", "*") and words.startswith(self.at_openings):
            words += self.daily
        return words[:1].lower() + words[1:]

    def _recurrence(self, rule: Recurrence, anchor: datetime, timezone: str) -> str:
        words = self.period_and_days(rule, anchor)
        if "BYMONTH" in rule.numbers:
            words += self.in_months.format(self.listed(self.months[month - 1] for month in rule.numbers["BYMONTH"]))
        for name, phrase in self.of_year.items():
            if name in rule.numbers:
                words += phrase.format(self.listed(map(self.nth, rule.numbers[name])))
        words += f"{self._period_times(rule, anchor)}," if rule.is_sub_daily else self._day_times(rule, anchor)
        words += f" {timezone}"
        if "BYSETPOS" in rule.numbers:
            words += self.of_these.format(self.listed(map(self.nth_alone, rule.numbers["BYSETPOS"])))
        if rule.count is not None:
            words += self.times(rule.count)
        if rule.until is not None:
            words += self.ends.format(_iso(rule.until))
        return words

    def _day_times(self, rule: Recurrence, anchor: datetime) -> str:
        """Return the times of the day."""
        at = _day_times(rule, anchor)
        if len(at) > _MAX_TIMES:
            return self.at_many_times.format(len(at), clock(at[0]), clock(at[-1]))
        return self.at_times.format(self.listed(map(clock, at)))

    def _period_times(self, rule: Recurrence, anchor: datetime) -> str:
        """Return the minutes of an hourly rule, the seconds of one of minutes, and the hours to which they are held."""
        implied = {"BYMINUTE": anchor.minute} if rule.frequency == "HOURLY" else {}
        if rule.frequency != "SECONDLY":
            implied["BYSECOND"] = anchor.second
        parts = [
            f"{unit} {self.listed(map(str, numbers))}"
            for name, unit in zip(("BYHOUR", "BYMINUTE", "BYSECOND"), self.unit_names, strict=True)
            for numbers in [rule.numbers.get(name) or ((implied[name],) if implied.get(name) else None)]
            if numbers is not None
        ]
        return self.at_units.format(", ".join(parts)) if parts else ""


def clock(local: datetime) -> str:
    """Return what a clock shows: hours and minutes, and seconds where there are some."""
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _listed_steps(times: CronTimes) -> list[str]:
    """Return the fields of an expression; where a step does not come out even its values: ``0,45`` for ``*/45``."""
    fields = list(times.fields)
    for place, (field, numbers, size) in enumerate(zip(times.fields, times.numbers, _FIELD_SIZES, strict=True)):
        steps = [int(found[1]) for part in field.split(",") if (found := _STEPS.fullmatch(part)) and int(found[1]) > 1]
        is_even = all(size is not None and size % step == 0 for step in steps)
        is_told = place == _DAY_OF_MONTH and field.startswith("*/") and "," not in field and len(numbers) > _MAX_DAYS
        is_plain = "#" not in field and not (place in (_DAY_OF_MONTH, _WEEKDAY) and "L" in field.upper())
        if is_plain and not is_even and not is_told:
            fields[place] = ",".join(map(str, numbers))
    return fields


def _size_and_unit(seconds: int) -> tuple[int, str]:
    """Return an interval in the largest unit of which it is a whole number: ``(15, "minute")``."""
    for size, unit in _UNITS:
        if seconds % size == 0:
            return seconds // size, unit
    raise InvalidSchedule(f"An interval is a whole number of seconds, not {seconds}.")


def _day_times(rule: Recurrence, anchor: datetime) -> list[datetime]:
    """Return the times of the day of a rule, on some day."""
    return [
        datetime(2000, 1, 1, hour, minute, second)  # noqa: DTZ001 - only its time is of interest
        for hour in rule.numbers.get("BYHOUR", (anchor.hour,))
        for minute in rule.numbers.get("BYMINUTE", (anchor.minute,))
        for second in rule.numbers.get("BYSECOND", (anchor.second,))
    ]


def _iso(time: datetime) -> str:
    """Return a time in ISO form, with Z for UTC."""
    return re.sub(r"\+00:00$", "Z", time.isoformat())
