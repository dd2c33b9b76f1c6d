"""Schedules in German: the same sentences as :mod:`orchestra_nb.model.schedule_words`, whose grammar is another one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Final

from orchestra_nb.model.cron import CronTimes, parse_cron
from orchestra_nb.model.recurrence import Recurrence, RecurrenceTimes, parse_recurrence
from orchestra_nb.model.schedule_words import (
    DAY_OF_MONTH,
    DAY_SECONDS,
    DAYS,
    MONTHS,
    clock,
    day_times,
    iso,
    listed_steps,
    size_and_unit,
)
from orchestra_nb.model.schedules import AnySchedule, CronSchedule, IntervalSchedule, RecurrenceSchedule

_TAGE: Final = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
_MONATE: Final = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip
#: English name to German one: what describes cron expressions takes names from Python's ``calendar``.
_NAMES: Final = dict(zip((*DAYS, *MONTHS), (*_TAGE, *_MONATE), strict=True))
_NAME: Final = re.compile(rf"\b({'|'.join(_NAMES)})\b")
#: Days of the month, which it writes without the dot of an ordinal number.
_NUMBERED: Final = re.compile(r"\bam [\d, und]+ Tag des Monats")
#: Where it says the hours to which several minutes are held as if they were times.
_HOURS_OF_MINUTES: Final = re.compile(r", um (?=\d\d:00, |\d\d:00 und )")
#: Unit to "each", its singular and its plural.
_EINHEITEN: Final = {
    "year": ("jedes", "Jahr", "Jahre"),
    "month": ("jeden", "Monat", "Monate"),
    "week": ("jede", "Woche", "Wochen"),
    "day": ("jeden", "Tag", "Tage"),
    "hour": ("jede", "Stunde", "Stunden"),
    "minute": ("jede", "Minute", "Minuten"),
    "second": ("jede", "Sekunde", "Sekunden"),
}
_PERIODS: Final = {
    "YEARLY": "year",
    "MONTHLY": "month",
    "WEEKLY": "week",
    "DAILY": "day",
    "HOURLY": "hour",
    "MINUTELY": "minute",
    "SECONDLY": "second",
}
_ORDINALS: Final = {
    1: "ersten",
    2: "zweiten",
    3: "dritten",
    4: "vierten",
    5: "fünften",
    -1: "letzten",
    -2: "vorletzten",
}
_MAX_TIMES: Final = 6


def describe_schedule_in_german(schedule: AnySchedule, zone: tzinfo) -> str:
    """Return when a schedule is due, as :func:`~orchestra_nb.model.schedule_words.describe_schedule` does.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> zone = ZoneInfo("Europe/Berlin")
    >>> describe_schedule_in_german(CronSchedule(expression="0 9 * * 1-5", timezone="Europe/Berlin"), zone)
    'um 09:00, Montag bis Freitag, Europe/Berlin'
    >>> describe_schedule_in_german(IntervalSchedule(every_seconds=900), zone)
    'alle 15 Minuten'
    >>> rule = RecurrenceSchedule(rule="FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", timezone="Europe/Berlin")
    >>> describe_schedule_in_german(rule, zone)
    'jeden Montag um 09:00 Europe/Berlin'
    """
    match schedule:
        case CronSchedule():
            words = f"{_cron_words(parse_cron(schedule.expression))}, {schedule.timezone}"
        case IntervalSchedule():
            words = _each(*size_and_unit(schedule.every_seconds))
            if schedule.every_seconds >= DAY_SECONDS and schedule.start_at is None:
                words += ", gezählt ab Mitternacht UTC"
                words += "" if schedule.every_seconds == DAY_SECONDS else " am 1. Januar 1970"
        case RecurrenceSchedule():
            rule = parse_recurrence(schedule.rule)
            words = _recurrence_words(rule, RecurrenceTimes(rule, zone, schedule.start_at).anchor, schedule.timezone)
    if schedule.start_at is not None:
        words += f", ab {iso(schedule.start_at.astimezone(zone))}"
    if schedule.end_at is not None:
        words += f", bis {iso(schedule.end_at.astimezone(zone))}"
    if schedule.excluded_days:
        count = len(schedule.excluded_days)
        words += f", außer an {count} freien {'Tag' if count == 1 else 'Tagen'}"
    return words


def describe_time_in_german(local: datetime) -> str:
    """Return a day and a time for people.

    Examples
    --------
    >>> describe_time_in_german(datetime(2026, 3, 29, 3, 0))
    'Sonntag, 29. März 2026, 03:00'
    """
    return f"{_TAGE[local.weekday()]}, {local.day}. {_MONATE[local.month - 1]} {local.year}, {clock(local)}"


def _cron_words(times: CronTimes) -> str:
    from cron_descriptor import ExpressionDescriptor, Options
    from cron_descriptor.Exception import FormatError

    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "de_DE"
    expression = " ".join(listed_steps(times))
    try:
        words = str(ExpressionDescriptor(expression, options).get_description())
    except FormatError:  # what cronsim reads and cron-descriptor does not
        return f"nach dem Cron-Ausdruck {expression}"
    words = _NAME.sub(lambda found: _NAMES[found[0]], words).replace(", und ", " und ")
    if times.needs_both_days:
        words = words.replace(", oder am ", ", nur am ").replace(", oder ", ", nur ")
    if step := re.fullmatch(r"\*/(\d+)", times.fields[DAY_OF_MONTH]):  # the count begins anew with each month
        words = re.sub(rf"alle {int(step[1])} Tage", f"jeden {int(step[1])}. Tag ab dem 1. des Monats", words)
    words = _NUMBERED.sub(lambda found: re.sub(r"\d+", r"\g<0>.", found[0]), words)
    words = _HOURS_OF_MINUTES.sub(", in den Stunden ab ", words)
    if times.fields[2:] == ("*", "*", "*") and words.startswith(("Um ", "Bei ")):
        words += ", täglich"
    return words[:1].lower() + words[1:]


def _each(count: int, unit: str) -> str:
    every, one, several = _EINHEITEN[unit]
    return f"{every} {one}" if count == 1 else f"alle {count} {several}"


def _recurrence_words(rule: Recurrence, anchor: datetime, timezone: str) -> str:
    words = _each(rule.interval, _PERIODS[rule.frequency])
    days = _days_words(rule, anchor)
    if days.startswith("am ") and rule.interval == 1 and rule.frequency in ("DAILY", "WEEKLY") and _is_weekdays(rule):
        words = f"jeden {days.removeprefix('am ')}"
    elif days.startswith("von ") and rule.interval == 1 and rule.frequency in ("DAILY", "WEEKLY"):
        words = days
    elif days:
        words += f" {days}"
    if "BYMONTH" in rule.numbers:
        words += f" im {_listed(_MONATE[month - 1] for month in rule.numbers['BYMONTH'])}"
    if "BYYEARDAY" in rule.numbers:
        words += f" am {_listed(_nth(number) for number in rule.numbers['BYYEARDAY'])} Tag des Jahres"
    if "BYWEEKNO" in rule.numbers:
        words += f" in der {_listed(_nth(number) for number in rule.numbers['BYWEEKNO'])} Woche des Jahres"
    words += f"{_period_times(rule, anchor)}," if rule.is_sub_daily else _day_times(rule, anchor)
    words += f" {timezone}"
    if "BYSETPOS" in rule.numbers:
        words += f", davon der {_listed(_nth(number).removesuffix('n') for number in rule.numbers['BYSETPOS'])} Termin"
    if rule.count is not None:
        words += f", {rule.count}-mal"
    if rule.until is not None:
        words += f", bis {iso(rule.until)}"
    return words


def _is_weekdays(rule: Recurrence) -> bool:
    """Tell whether a rule names weekdays, or takes one from its anchor, and no days of the month."""
    return "BYMONTHDAY" not in rule.numbers and not any(number for _, number in rule.days)


def _days_words(rule: Recurrence, anchor: datetime) -> str:
    """Return the days of the period that a rule names, or takes from its anchor."""
    if not rule.names_days:
        match rule.frequency:
            case "WEEKLY":
                return f"am {_TAGE[anchor.weekday()]}"
            case "MONTHLY":
                return f"am {anchor.day}."
            case "YEARLY":
                return f"am {anchor.day}." + ("" if "BYMONTH" in rule.numbers else f" {_MONATE[anchor.month - 1]}")
            case _:
                return ""
    parts: list[str] = []
    if rule.days:
        within = "" if rule.frequency == "MONTHLY" else " des Monats" if "BYMONTH" in rule.numbers else " des Jahres"
        plain = sorted(day for day, number in rule.days if not number)
        numbered = [f"{_nth(number)} {_TAGE[day]}{within}" for day, number in rule.days if number]
        if plain == [0, 1, 2, 3, 4]:
            parts.append("von Montag bis Freitag" + (f" und am {_listed(numbered)}" if numbered else ""))
        else:
            parts.append(f"am {_listed([*(_TAGE[day] for day in plain), *numbered])}")
    if "BYMONTHDAY" in rule.numbers:
        numbers = rule.numbers["BYMONTHDAY"]
        ends = [f"{_nth(number)} Tag" for number in numbers if number < 0]
        days = _listed([*(f"{number}." for number in numbers if number > 0), *ends])
        within = "" if rule.frequency == "MONTHLY" else " des Monats"
        if rule.days:
            backwards = [f"{_nth(number).removesuffix('n')} Tag" for number in numbers if number < 0]
            days = _listed([*(f"{number}." for number in numbers if number > 0), *backwards])
            parts[-1] += f", falls es der {days}{within} ist,"
        else:
            parts.append(f"am {days}{within}")
    return " ".join(parts)


def _day_times(rule: Recurrence, anchor: datetime) -> str:
    """Return the times of the day."""
    at = day_times(rule, anchor)
    if len(at) > _MAX_TIMES:
        return f" zu {len(at)} Zeiten von {clock(at[0])} bis {clock(at[-1])}"
    return f" um {_listed(clock(time) for time in at)}"


def _period_times(rule: Recurrence, anchor: datetime) -> str:
    """Return the minutes of an hourly rule, the seconds of one of minutes, and the hours to which they are held."""
    implied = {"BYMINUTE": anchor.minute} if rule.frequency == "HOURLY" else {}
    if rule.frequency != "SECONDLY":
        implied["BYSECOND"] = anchor.second
    parts = [
        f"{unit} {_listed(map(str, numbers))}"
        for name, unit in (("BYHOUR", "Stunde"), ("BYMINUTE", "Minute"), ("BYSECOND", "Sekunde"))
        for numbers in [rule.numbers.get(name) or ((implied[name],) if implied.get(name) else None)]
        if numbers is not None
    ]
    return f" in {', '.join(parts)}" if parts else ""


def _nth(number: int) -> str:
    """Return an ordinal number after "am" or "der": ``"ersten"``, ``"13."``, ``"letzten"``, ``"7.-letzten"``."""
    if number in _ORDINALS:
        return _ORDINALS[number]
    return f"{number}." if number > 0 else f"{-number}.-letzten"


def _listed(words: Iterable[str]) -> str:
    """Return ``"a"``, ``"a und b"``, ``"a, b und c"``."""
    found = list(words)
    return " und ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
