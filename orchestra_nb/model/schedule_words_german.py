"""Schedules in German: the same sentences as :mod:`orchestra_nb.model.schedule_words`."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Final

from orchestra_nb.model.cron import CronTimes
from orchestra_nb.model.recurrence import Recurrence
from orchestra_nb.model.schedule_grammar import PERIODS, ScheduleWords, clock
from orchestra_nb.model.schedule_words import DAYS, MONTHS
from orchestra_nb.model.schedules import AnySchedule

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
_ORDINALS: Final = {
    1: "ersten",
    2: "zweiten",
    3: "dritten",
    4: "vierten",
    5: "fünften",
    -1: "letzten",
    -2: "vorletzten",
}


class _German(ScheduleWords):
    days = _TAGE
    months = _MONATE
    cron_locale = "de_DE"
    by_expression = "nach dem Cron-Ausdruck {}"
    at_openings = ("Um ", "Bei ")
    daily = ", täglich"
    from_midnight = ", gezählt ab Mitternacht UTC"
    from_1970 = " am 1. Januar 1970"
    starts = ", ab {}"
    ends = ", bis {}"
    in_months = " im {}"
    of_year = {"BYYEARDAY": " am {} Tag des Jahres", "BYWEEKNO": " in der {} Woche des Jahres"}  # noqa: RUF012
    of_these = ", davon der {} Termin"
    at_times = " um {}"
    at_many_times = " zu {} Zeiten von {} bis {}"
    at_units = " in {}"
    unit_names = ("Stunde", "Minute", "Sekunde")
    last_joint = " und "

    def each(self, count: int, unit: str) -> str:
        every, one, several = _EINHEITEN[unit]
        return f"{every} {one}" if count == 1 else f"alle {count} {several}"

    def nth(self, number: int) -> str:
        """Return what stands after "am" or "der": ``"ersten"``, ``"13."``, ``"letzten"``, ``"7.-letzten"``."""
        if number in _ORDINALS:
            return _ORDINALS[number]
        return f"{number}." if number > 0 else f"{-number}.-letzten"

    def nth_alone(self, number: int) -> str:
        return self.nth(number).removesuffix("n")

    def times(self, count: int) -> str:
        return f", {count}-mal"

    def days_off(self, count: int) -> str:
        return f", außer an {count} freien {'Tag' if count == 1 else 'Tagen'}"

    def mended_cron(self, words: str, times: CronTimes, month_step: int | None) -> str:
        words = _NAME.sub(lambda found: _NAMES[found[0]], words).replace(", und ", " und ")
        if times.needs_both_days:
            words = words.replace(", oder am ", ", nur am ").replace(", oder ", ", nur ")
        if month_step is not None:
            words = re.sub(rf"alle {month_step} Tage", f"jeden {month_step}. Tag ab dem 1. des Monats", words)
        words = _NUMBERED.sub(lambda found: re.sub(r"\d+", r"\g<0>.", found[0]), words)
        return _HOURS_OF_MINUTES.sub(", in den Stunden ab ", words)

    def period_and_days(self, rule: Recurrence, anchor: datetime) -> str:
        period, days = self.each(rule.interval, PERIODS[rule.frequency]), self._days(rule, anchor)
        is_each = rule.interval == 1 and rule.frequency in ("DAILY", "WEEKLY")
        if is_each and days.startswith("am ") and _is_weekdays(rule):
            return f"jeden {days.removeprefix('am ')}"
        if is_each and days.startswith("von "):
            return days
        return f"{period} {days}" if days else period

    def _days(self, rule: Recurrence, anchor: datetime) -> str:
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
            is_monthly = rule.frequency == "MONTHLY"
            within = "" if is_monthly else " des Monats" if "BYMONTH" in rule.numbers else " des Jahres"
            plain = sorted(day for day, number in rule.days if not number)
            numbered = [f"{self.nth(number)} {_TAGE[day]}{within}" for day, number in rule.days if number]
            if plain == [0, 1, 2, 3, 4]:
                parts.append("von Montag bis Freitag" + (f" und am {self.listed(numbered)}" if numbered else ""))
            else:
                parts.append(f"am {self.listed([*(_TAGE[day] for day in plain), *numbered])}")
        if "BYMONTHDAY" in rule.numbers:
            numbers = rule.numbers["BYMONTHDAY"]
            ends = [f"{self.nth(number)} Tag" for number in numbers if number < 0]
            days = self.listed([*(f"{number}." for number in numbers if number > 0), *ends])
            within = "" if rule.frequency == "MONTHLY" else " des Monats"
            if rule.days:
                backwards = [f"{self.nth_alone(number)} Tag" for number in numbers if number < 0]
                days = self.listed([*(f"{number}." for number in numbers if number > 0), *backwards])
                parts[-1] += f", falls es der {days}{within} ist,"
            else:
                parts.append(f"am {days}{within}")
        return " ".join(parts)


_GERMAN: Final = _German()


def describe_schedule_in_german(schedule: AnySchedule, zone: tzinfo) -> str:
    """Return when a schedule is due, as :func:`~orchestra_nb.model.schedule_words.describe_schedule` does.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> from orchestra_nb.model.schedules import CronSchedule, IntervalSchedule, RecurrenceSchedule
    >>> zone = ZoneInfo("Europe/Berlin")
    >>> describe_schedule_in_german(CronSchedule(expression="0 9 * * 1-5", timezone="Europe/Berlin"), zone)
    'um 09:00, Montag bis Freitag, Europe/Berlin'
    >>> describe_schedule_in_german(IntervalSchedule(every_seconds=900), zone)
    'alle 15 Minuten'
    >>> rule = RecurrenceSchedule(rule="FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", timezone="Europe/Berlin")
    >>> describe_schedule_in_german(rule, zone)
    'jeden Montag um 09:00 Europe/Berlin'
    """
    return _GERMAN.schedule(schedule, zone)


def describe_time_in_german(local: datetime) -> str:
    """Return a day and a time for people.

    Examples
    --------
    >>> describe_time_in_german(datetime(2026, 3, 29, 3, 0))
    'Sonntag, 29. März 2026, 03:00'
    """
    return f"{_TAGE[local.weekday()]}, {local.day}. {_MONATE[local.month - 1]} {local.year}, {clock(local)}"


def _is_weekdays(rule: Recurrence) -> bool:
    """Tell whether a rule names weekdays, or takes one from its anchor, and no days of the month."""
    return "BYMONTHDAY" not in rule.numbers and not any(number for _, number in rule.days)
