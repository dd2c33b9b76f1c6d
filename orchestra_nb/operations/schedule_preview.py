"""When a schedule would be due next."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.clock_changes import clock_note
from orchestra_nb.model.schedule_sentences import schedule_sentence, time_sentence
from orchestra_nb.model.schedules import occurrences_after
from orchestra_nb.operations.error_places import told_at
from orchestra_nb.operations.schedule_request import read_schedule, read_time
from orchestra_nb.reading_language import reading_language
from orchestra_nb.time_zones import machine_zone, zone_of


@dataclass(frozen=True, slots=True)
class FireTime:
    """One time at which a schedule is due.

    Parameters
    ----------
    at
        In the schedule's zone.
    words
        The day and the time for people.
    note
        What a change of the clock does to it, and what one schedule of several gives; empty where there is neither.
    """

    at: datetime
    words: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePreview:
    """What a schedule says and when it is due.

    Parameters
    ----------
    timezone_place
        Where this machine's time zone stands; empty where the caller named the zone.
    fire_times
        In order; fewer than were asked for where the schedule ends.
    """

    words: str
    timezone: str
    timezone_place: str
    fire_times: tuple[FireTime, ...]


def preview_schedule(
    *,
    now: datetime,
    count: int,
    cron: str | None = None,
    every: str | None = None,
    rrule: str | None = None,
    timezone: str | None = None,
    after: str | None = None,
    start: str | None = None,
    end: str | None = None,
    exclude: Sequence[str] = (),
    days_off: Collection[date] = (),
) -> SchedulePreview:
    """Return when a schedule is due after now, or after another time.

    Parameters
    ----------
    timezone
        None for this machine's.
    after, start, end
        Times in ISO form, in the schedule's zone where they name none.
    exclude, days_off
        Files of days off, and further such days.

    Raises
    ------
    InvalidSchedule
        Something cannot be read, the schedule never falls due, or it has ended by then.
    """
    place = ""
    if timezone is None:
        timezone, place = machine_zone()
    schedule = read_schedule(
        timezone=timezone,
        now=now,
        cron=cron,
        every=every,
        rrule=rrule,
        start=start,
        end=end,
        exclude=exclude,
        days_off=days_off,
    )
    zone = zone_of(timezone)
    with told_at("/after"):
        begin = now if after is None else read_time(after, zone, "time after which to look")
    found = list(itertools.islice(occurrences_after(schedule, zone, begin), count))
    if not found:
        since = begin.astimezone(zone).isoformat(timespec="seconds")
        message = f"Nothing is due after {since}: the schedule has ended."
        raise InvalidSchedule(message, {"/after" if end is None else "/end": message})
    language = reading_language()
    return SchedulePreview(
        words=schedule_sentence(schedule, zone, language),
        timezone=timezone,
        timezone_place=place,
        fire_times=tuple(
            FireTime(
                at=occurrence.astimezone(zone),
                words=time_sentence(occurrence.astimezone(zone), language),
                note=clock_note(schedule, zone, occurrence, previous, language),
            )
            for previous, occurrence in itertools.pairwise([begin.astimezone(UTC), *found])
        ),
    )
