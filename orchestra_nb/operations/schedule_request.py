"""Schedules as people write them: one of three forms, and options in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.durations import parse_duration
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.local_times import LAST_INSTANT, check_known, first_instant
from orchestra_nb.model.schedules import (
    AnySchedule,
    CronSchedule,
    IntervalSchedule,
    RecurrenceSchedule,
    check_schedule,
)
from orchestra_nb.operations.error_places import told_at
from orchestra_nb.operations.excluded_days import read_excluded_days
from orchestra_nb.time_zones import zone_of

#: Events of a calendar that recur for ever are taken for so long.
_CALENDAR_YEARS: Final = 10


def read_schedule(
    *,
    timezone: str,
    now: datetime,
    cron: str | None = None,
    every: str | None = None,
    rrule: str | None = None,
    start: str | None = None,
    end: str | None = None,
    exclude: Sequence[str] = (),
    days_off: Collection[date] = (),
    **options: Any,
) -> AnySchedule:
    """Return the schedule that the texts say, checked.

    Parameters
    ----------
    every
        A duration: ``"15m"``, ``"1h30m"``.
    start, end
        Times in ISO form, in the schedule's zone where they name none. A day as ``end`` is the whole day.
    exclude, days_off
        Files of days off, and further such days.
    options
        Further fields of the schedule.

    Raises
    ------
    InvalidInput
        There is not exactly one of ``cron``, ``every`` and ``rrule``, or something cannot be read: all that is wrong.
    """
    findings = Findings()
    zone = findings.trying(told_at("/timezone")(lambda: zone_of(timezone)))
    read_zone: tzinfo = UTC if zone is None else zone
    days = findings.trying(lambda: days_off_of(exclude, read_zone, now.astimezone(read_zone).date())) or set()

    def bound(text: str | None, name: str) -> datetime | None:
        if text is None:
            return None
        reading = told_at(f"/{name}")(lambda: read_time(text, read_zone, name, is_end=name == "end"))
        return findings.trying(reading)

    common: dict[str, Any] = {
        **options,
        "timezone": timezone,
        "start_at": bound(start, "start"),
        "end_at": bound(end, "end"),
        "excluded_days": tuple(sorted(days.union(days_off))),
    }
    schedule: AnySchedule | None
    match cron, every, rrule:
        case str(), None, None:
            kind, schedule = "cron", CronSchedule(expression=cron, **common)
        case None, str(), None:
            kind = "every"
            seconds = findings.trying(told_at("/every")(lambda: _whole_seconds(every)))
            schedule = None if seconds is None else IntervalSchedule(every_seconds=seconds, **common)
        case None, None, str():
            kind, schedule = "rrule", RecurrenceSchedule(rule=rrule, **common)
        case _:
            kind, schedule = "", None
            findings.errors.append(
                InvalidSchedule("A schedule is one of a cron expression, an interval and a recurrence rule.")
            )
    if schedule is not None:
        findings.trying(told_at(f"/{kind}")(lambda: check_schedule(schedule, read_zone)))
    findings.tell()
    assert schedule is not None
    return schedule


def read_time(text: str, zone: tzinfo, name: str, is_end: bool = False) -> datetime:
    """Return a time that somebody wrote, in the zone where it names none.

    Parameters
    ----------
    name
        What it is, for the message.
    is_end
        Whether a day means its last moment rather than its first.

    Raises
    ------
    InvalidSchedule
        It is no time.
    """
    written = text.strip()
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        raise InvalidSchedule(
            f"{text!r} cannot be the {name}: it is no time. Write 2026-03-29, 2026-03-29T09:00 or "
            "2026-03-29T09:00+02:00."
        ) from None
    if is_end and time.year > LAST_INSTANT.year:
        return LAST_INSTANT  # a far year stands for ever
    check_known(time)
    if time.tzinfo is not None:
        return time
    if is_end and "T" not in written and ":" not in written:
        time += timedelta(days=1) - timedelta(seconds=1)
    return first_instant(time, zone)


def _whole_seconds(text: str) -> int:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise InvalidSchedule(str(error)) from None
    if seconds != int(seconds) or seconds < 1:
        raise InvalidSchedule(f"An interval is 1 or more whole seconds, not {text!r}. Write 30s, 15m or 1d.")
    return int(seconds)


def days_off_of(paths: Sequence[str], zone: tzinfo, today: date) -> set[date]:
    """Return the days that files list, up to ten years from today.

    Raises
    ------
    InvalidSchedule
        One of them cannot be read.
    """
    return {day for path in paths for day in read_excluded_days(path, zone, _years_later(today, _CALENDAR_YEARS))}


def _years_later(day: date, years: int) -> date:
    return day.replace(year=day.year + years, day=min(day.day, 28))
