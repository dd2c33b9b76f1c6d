"""Schedules: when a deployment's runs are due.

An occurrence is an instant in UTC, in whole seconds, at which a schedule is due; it is the run's identity whenever the
run then starts. Zones are passed in, because a zone's rules are read from files.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, Literal, assert_never

import msgspec

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.cron import parse_cron
from orchestra_nb.model.local_times import (
    FIRST_INSTANT,
    LAST_INSTANT,
    SECOND,
    LocalTimes,
    check_known,
    first_instant,
    instants_after,
)
from orchestra_nb.model.recurrence import RecurrenceTimes, parse_recurrence

#: What becomes of occurrences that passed while nobody looked: the newest runs, all run, or none does.
CatchUp = Literal["latest", "all", "skip"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_INTERVAL_SECONDS: Final = 50 * 366 * 86_400


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What all kinds of schedules have.

    Parameters
    ----------
    timezone
        A name of the time-zone database.
    start_at, end_at
        The first and the last instant at which it may be due; None for no bound.
    jitter_seconds
        Each run starts later than due by up to this; see :func:`starts_at`.
    excluded_days
        Days in the schedule's zone on which it is never due.
    catchup
        What becomes of occurrences that passed while nobody looked.
    max_late_seconds
        An occurrence that is later than this does not run; None for however late.
    """

    timezone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_seconds: float = 0.0
    excluded_days: tuple[date, ...] = ()
    catchup: CatchUp = "latest"
    max_late_seconds: float | None = None


class CronSchedule(Schedule, frozen=True, kw_only=True, omit_defaults=True, tag="cron"):
    """Due when the clock in its zone shows what an expression of five fields names."""

    expression: str


class IntervalSchedule(Schedule, frozen=True, kw_only=True, omit_defaults=True, tag="interval"):
    """Due each time that so many seconds have passed, counted from its start, else from 1970-01-01T00:00Z."""

    every_seconds: int


class RecurrenceSchedule(Schedule, frozen=True, kw_only=True, omit_defaults=True, tag="rrule"):
    """Due when the clock in its zone shows what an iCalendar rule names."""

    rule: str


AnySchedule = CronSchedule | IntervalSchedule | RecurrenceSchedule


def occurrences_after(schedule: AnySchedule, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """Return the occurrences after an instant, in order; each is found when it is asked for.

    Raises
    ------
    InvalidSchedule
        The schedule cannot be read, or ``after`` is not in the years 1900 to 9899; raised with the first occurrence.
    """
    for time in (after, schedule.start_at):
        if time is not None:
            check_known(time)
    begin, end = _from(schedule.start_at, after), schedule.end_at
    match schedule:
        case CronSchedule():
            instants = instants_after(parse_cron(schedule.expression), zone, begin)
        case IntervalSchedule():
            instants = _intervals(schedule, begin)
        case RecurrenceSchedule():
            rule = parse_recurrence(schedule.rule)
            times = RecurrenceTimes(rule, zone, schedule.start_at)
            if rule.count is None:
                instants = instants_after(times, zone, _from(times.begins_at, begin))
            else:  # counted from the beginning of the rule, what comes before the schedule's start included
                counted = instants_after(times, zone, _from(times.begins_at, FIRST_INSTANT))
                instants = _later(itertools.islice(counted, rule.count), begin)
            if rule.until is not None:
                until = rule.until if rule.until.tzinfo is not None else first_instant(rule.until, zone)
                end = until if end is None else min(end, until)
        case _:
            assert_never(schedule)
    last = LAST_INSTANT if end is None else min(end, LAST_INSTANT)
    excluded = frozenset(schedule.excluded_days)
    for instant in itertools.takewhile(lambda instant: instant <= last, instants):
        if not excluded or instant.astimezone(zone).date() not in excluded:
            yield instant


def next_occurrence(schedule: AnySchedule, zone: tzinfo, after: datetime) -> datetime | None:
    """Return the first occurrence after an instant; None where there is no more."""
    return next(occurrences_after(schedule, zone, after), None)


def occurrences_between(schedule: AnySchedule, zone: tzinfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Return the occurrences after one instant and not after another, in order."""
    return itertools.takewhile(lambda instant: instant <= until, occurrences_after(schedule, zone, after))


def starts_at(schedule: AnySchedule, occurrence: datetime, key: str) -> datetime:
    """Return when the run of an occurrence is to start: with jitter a little later, always by the same time.

    Parameters
    ----------
    key
        Tells schedules apart that are due at once, such as the deployment's name.
    """
    if not schedule.jitter_seconds:
        return occurrence
    digest = hashlib.blake2b(f"{key}\0{occurrence.astimezone(UTC).isoformat()}".encode(), digest_size=8).digest()
    part = int.from_bytes(digest, "big") / 2**64
    return occurrence + timedelta(seconds=round(schedule.jitter_seconds * part, 3))


def check_schedule(schedule: AnySchedule, zone: tzinfo) -> None:
    """Refuse a schedule that cannot be meant.

    Raises
    ------
    InvalidSchedule
        It cannot be read, it ends before it starts, or it never falls due.
    """
    start, end = schedule.start_at, schedule.end_at
    if start is not None and end is not None and end < start:
        raise _refused("end", f"The schedule ends at {end.isoformat()}, before it starts at {start.isoformat()}.")
    if schedule.jitter_seconds < 0:
        raise _refused("jitter", f"A jitter is a time of 0 or more, not {schedule.jitter_seconds:g} s.")
    if schedule.max_late_seconds is not None and schedule.max_late_seconds <= 0:
        raise _refused("max_late", f"A run may be late by more than 0 s, not by {schedule.max_late_seconds:g} s.")
    if isinstance(schedule, IntervalSchedule) and not 1 <= schedule.every_seconds <= _MAX_INTERVAL_SECONDS:
        raise InvalidSchedule(f"An interval is 1 second to 50 years, not {schedule.every_seconds} s.")
    if isinstance(schedule, RecurrenceSchedule):
        rule = parse_recurrence(schedule.rule)
        if rule.count is not None and rule.dtstart is None and start is None:
            raise InvalidSchedule("COUNT counts from a beginning, and there is none. Give a start, or a DTSTART.")
        if not RecurrenceTimes(rule, zone, start).can_be_due():
            raise InvalidSchedule(f"The recurrence rule {schedule.rule!r} never falls due: there is no such day.")
    if next_occurrence(schedule, zone, FIRST_INSTANT if start is None else start - SECOND) is None:
        raise InvalidSchedule(
            "The schedule never falls due: nothing is left between its start, its end and its days off."
        )


def local_times_of(schedule: AnySchedule, zone: tzinfo) -> LocalTimes | None:
    """Return the times on the clock that a schedule goes by; None for an interval, which goes by none."""
    match schedule:
        case CronSchedule():
            return parse_cron(schedule.expression)
        case RecurrenceSchedule():
            return RecurrenceTimes(parse_recurrence(schedule.rule), zone, schedule.start_at)
        case IntervalSchedule():
            return None


def _refused(field: str, message: str) -> InvalidSchedule:
    return InvalidSchedule(message, {f"/{field}": message})


def _from(begin: datetime | None, after: datetime) -> datetime:
    """Return the later one of just before the beginning and after."""
    return after if begin is None else max(after, begin.astimezone(UTC) - timedelta(microseconds=1))


def _later(instants: Iterator[datetime], after: datetime) -> Iterator[datetime]:
    return itertools.dropwhile(lambda instant: instant <= after, instants)


def _intervals(schedule: IntervalSchedule, after: datetime) -> Iterator[datetime]:
    if schedule.every_seconds < 1:
        raise InvalidSchedule(f"An interval is at least 1 second, not {schedule.every_seconds} s.")
    anchor = (schedule.start_at or _EPOCH).astimezone(UTC)
    if anchor.microsecond:
        anchor = anchor.replace(microsecond=0) + SECOND
    every = timedelta(seconds=schedule.every_seconds)
    due = anchor + ((after - anchor) // every + 1) * every
    while due <= LAST_INSTANT:
        yield due
        due += every
