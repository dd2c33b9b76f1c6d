"""Schedules and their occurrences in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Final

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.cron import CronTimes, parse_cron
from orchestra_nb.model.recurrence import Recurrence, RecurrenceTimes, parse_recurrence
from orchestra_nb.model.schedules import AnySchedule, CronSchedule, IntervalSchedule, RecurrenceSchedule

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_PERIODS: Final = {
    "YEARLY": "year",
    "MONTHLY": "month",
    "WEEKLY": "week",
    "DAILY": "day",
    "HOURLY": "hour",
    "MINUTELY": "minute",
    "SECONDLY": "second",
}
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_ORDINALS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "last but one"}
#: A day in seconds: an interval of that and more is due at a time of day, which needs to be said.
DAY_SECONDS: Final = 86_400
#: Part of a cron field that steps to its end: ``*/45``, ``0/45``.
_STEPS: Final = re.compile(r"(?:\*|\d+)/(\d+)")
#: Where cron-descriptor says the hours to which several minutes are held as if they were times.
_HOURS_OF_MINUTES: Final = re.compile(r", at (?=\d\d:00, |\d\d:00 and )")
#: How many values each field of a cron expression has; None where a step never fits, as months differ.
_FIELD_SIZES: Final = (60, 24, None, 12, 7)
DAY_OF_MONTH: Final = 2
_WEEKDAY: Final = 4
#: More days of the month than this are not listed.
_MAX_DAYS: Final = 7
#: More times of the day than this are not listed.
_MAX_TIMES: Final = 6


def describe_schedule(schedule: AnySchedule, zone: tzinfo) -> str:
    """Return when a schedule is due, with its zone, its bounds and its days off.

    Raises
    ------
    InvalidSchedule
        It cannot be read.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> zone = ZoneInfo("Europe/Berlin")
    >>> describe_schedule(CronSchedule(expression="0 9 * * 1-5", timezone="Europe/Berlin"), zone)
    'at 09:00, Monday through Friday, Europe/Berlin'
    >>> describe_schedule(IntervalSchedule(every_seconds=900), zone)
    'every 15 minutes'
    >>> describe_schedule(RecurrenceSchedule(rule="FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", timezone="Europe/Berlin"), zone)
    'every Monday at 09:00 Europe/Berlin'
    """
    match schedule:
        case CronSchedule():
            words = f"{_cron_words(parse_cron(schedule.expression))}, {schedule.timezone}"
        case IntervalSchedule():
            words = _interval_words(schedule.every_seconds)
            if schedule.every_seconds >= DAY_SECONDS and schedule.start_at is None:
                words += ", counted from midnight UTC"
                words += "" if schedule.every_seconds == DAY_SECONDS else " on 1 January 1970"
        case RecurrenceSchedule():
            rule = parse_recurrence(schedule.rule)
            anchor = RecurrenceTimes(rule, zone, schedule.start_at).anchor
            words = _recurrence_words(rule, anchor, schedule.timezone)
    if schedule.start_at is not None:
        words += f", from {iso(schedule.start_at.astimezone(zone))}"
    if schedule.end_at is not None:
        words += f", until {iso(schedule.end_at.astimezone(zone))}"
    if schedule.excluded_days:
        words += f", but on {_count(len(schedule.excluded_days), 'day')} off"
    return words


def describe_time(local: datetime) -> str:
    """Return a day and a time for people, in English whatever the machine's language.

    Examples
    --------
    >>> describe_time(datetime(2026, 3, 29, 3, 0))
    'Sunday, 29 March 2026, 03:00'
    """
    return f"{DAYS[local.weekday()]}, {local.day} {_month_of(local)} {local.year}, {clock(local)}"


def clock(local: datetime) -> str:
    """Return what a clock shows: hours and minutes, and seconds where there are some."""
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _cron_words(times: CronTimes) -> str:
    from cron_descriptor import ExpressionDescriptor, Options
    from cron_descriptor.Exception import FormatError

    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en"
    expression = " ".join(listed_steps(times))
    try:
        words = str(ExpressionDescriptor(expression, options).get_description())
    except FormatError:  # what cronsim reads and cron-descriptor does not
        return f"by the cron expression {expression}"
    if times.needs_both_days:  # cron-descriptor does not know that a field such as */2 does not widen the other one
        words = words.replace(", or on ", ", only on ")
    if step := re.fullmatch(r"\*/(\d+)", times.fields[DAY_OF_MONTH]):  # the count begins anew with each month
        days = f"on every {_nth(int(step[1]))} day from day 1 of the month"
        words = re.sub(rf"every {int(step[1])} days(?! of)", days, words)
    words = _HOURS_OF_MINUTES.sub(", in the hours of ", words)
    if times.fields[2:] == ("*", "*", "*") and words.startswith("At "):
        words += ", every day"
    return words[:1].lower() + words[1:]


def listed_steps(times: CronTimes) -> list[str]:
    """Return the fields of an expression; where a step does not come out even its values: ``0,45`` for ``*/45``."""
    fields = list(times.fields)
    for place, (field, numbers, size) in enumerate(zip(times.fields, times.numbers, _FIELD_SIZES, strict=True)):
        steps = [int(found[1]) for part in field.split(",") if (found := _STEPS.fullmatch(part)) and int(found[1]) > 1]
        is_even = all(size is not None and size % step == 0 for step in steps)
        is_told = place == DAY_OF_MONTH and field.startswith("*/") and "," not in field and len(numbers) > _MAX_DAYS
        is_plain = "#" not in field and not (place in (DAY_OF_MONTH, _WEEKDAY) and "L" in field.upper())
        if is_plain and not is_even and not is_told:
            fields[place] = ",".join(map(str, numbers))
    return fields


def _interval_words(seconds: int) -> str:
    count, unit = size_and_unit(seconds)
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def size_and_unit(seconds: int) -> tuple[int, str]:
    """Return an interval in the largest unit of which it is a whole number: ``(15, "minute")``."""
    for size, unit in _UNITS:
        if seconds % size == 0:
            return seconds // size, unit
    raise InvalidSchedule(f"An interval is a whole number of seconds, not {seconds}.")


def _recurrence_words(rule: Recurrence, anchor: datetime, timezone: str) -> str:
    period = _PERIODS[rule.frequency]
    words = f"every {period}" if rule.interval == 1 else f"every {rule.interval} {period}s"
    days = _days_words(rule, anchor)
    if days.startswith("on ") and rule.interval == 1 and rule.frequency in ("DAILY", "WEEKLY"):
        words = f"every {days.removeprefix('on ')}"
    elif days:
        words += f" {days}"
    if "BYMONTH" in rule.numbers:
        words += f" in {_listed(MONTHS[month - 1] for month in rule.numbers['BYMONTH'])}"
    for name, start, unit in (("BYYEARDAY", "on the", "day"), ("BYWEEKNO", "in the", "week")):
        if name in rule.numbers:
            words += f" {start} {_listed(_nth(number) for number in rule.numbers[name])} {unit} of the year"
    words += f"{_period_times(rule, anchor)}," if rule.is_sub_daily else _day_times(rule, anchor)
    words += f" {timezone}"
    if "BYSETPOS" in rule.numbers:
        words += f", the {_listed(_nth(number) for number in rule.numbers['BYSETPOS'])} of these"
    if rule.count is not None:
        words += f", {_count(rule.count, 'time')}"
    if rule.until is not None:
        words += f", until {iso(rule.until)}"
    return words


def _days_words(rule: Recurrence, anchor: datetime) -> str:
    """Return the days of the period that a rule names, or takes from its anchor."""
    if not rule.names_days:
        match rule.frequency:
            case "WEEKLY":
                return f"on {DAYS[anchor.weekday()]}"
            case "MONTHLY":
                return f"on day {anchor.day}"
            case "YEARLY":
                return f"on day {anchor.day}" if "BYMONTH" in rule.numbers else f"on {anchor.day} {_month_of(anchor)}"
            case _:
                return ""
    parts: list[str] = []
    if rule.days:
        within = "" if rule.frequency == "MONTHLY" else " of the month" if "BYMONTH" in rule.numbers else " of the year"
        plain = sorted(day for day, number in rule.days if not number)
        named = ["Monday to Friday"] if plain == [0, 1, 2, 3, 4] else [DAYS[day] for day in plain]
        numbered = [f"the {_nth(number)} {DAYS[day]}{within}" for day, number in rule.days if number]
        parts.append(f"on {_listed([*named, *numbered])}")
    if "BYMONTHDAY" in rule.numbers:
        numbers = rule.numbers["BYMONTHDAY"]
        counted = [str(number) for number in numbers if number > 0]
        backwards = [f"the {_nth(number)} day" for number in numbers if number < 0]
        days = [*([f"day {_listed(counted)}"] if counted else []), *backwards]
        parts.append(
            ("if it is " if rule.days else "on ")
            + _listed(days)
            + ("" if rule.frequency == "MONTHLY" else " of the month")
        )
    return " ".join(parts)


def day_times(rule: Recurrence, anchor: datetime) -> list[datetime]:
    """Return the times of the day of a rule, on some day."""
    return [
        datetime(2000, 1, 1, hour, minute, second)  # noqa: DTZ001 - only its time is of interest
        for hour in rule.numbers.get("BYHOUR", (anchor.hour,))
        for minute in rule.numbers.get("BYMINUTE", (anchor.minute,))
        for second in rule.numbers.get("BYSECOND", (anchor.second,))
    ]


def _day_times(rule: Recurrence, anchor: datetime) -> str:
    """Return the times of the day."""
    at = day_times(rule, anchor)
    if len(at) > _MAX_TIMES:
        return f" at {len(at)} times from {clock(at[0])} to {clock(at[-1])}"
    return f" at {_listed(clock(time) for time in at)}"


def _period_times(rule: Recurrence, anchor: datetime) -> str:
    """Return the minutes of an hourly rule, the seconds of one of minutes, and the hours to which they are held."""
    implied = {"BYMINUTE": anchor.minute} if rule.frequency == "HOURLY" else {}
    if rule.frequency != "SECONDLY":
        implied["BYSECOND"] = anchor.second
    parts = [
        f"{unit} {_listed(map(str, numbers))}"
        for name, unit in (("BYHOUR", "hour"), ("BYMINUTE", "minute"), ("BYSECOND", "second"))
        for numbers in [rule.numbers.get(name) or ((implied[name],) if implied.get(name) else None)]
        if numbers is not None
    ]
    return f" at {', '.join(parts)}" if parts else ""


def _month_of(day: datetime) -> str:
    return MONTHS[day.month - 1]


def _nth(number: int) -> str:
    """Return an ordinal number: ``"first"``, ``"13th"``, ``"last"``, ``"7th last"``."""
    if number in _ORDINALS:
        return _ORDINALS[number]
    size = abs(number)
    ending = "th" if 10 < size % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(size % 10, "th")
    return f"{size}{ending}" + (" last" if number < 0 else "")


def _listed(words: Iterable[str]) -> str:
    """Return ``"a"``, ``"a and b"``, ``"a, b and c"``."""
    found: Sequence[str] = list(words)
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def iso(time: datetime) -> str:
    """Return a time in ISO form, with Z for UTC."""
    return re.sub(r"\+00:00$", "Z", time.isoformat())
