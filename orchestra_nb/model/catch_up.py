"""What becomes of occurrences that passed: each one runs, or is missed for a stated reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from orchestra_nb.model.durations import format_duration
from orchestra_nb.model.schedules import AnySchedule, occurrences_between

#: Whoever looks no more seldom than this misses nothing, whatever a schedule says of catching up.
ON_TIME_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class PassedOccurrence:
    """An occurrence that is due or overdue.

    Parameters
    ----------
    at
        When it was due, in UTC.
    why_missed
        Why it does not run; empty where it runs.
    """

    at: datetime
    why_missed: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether it does not run."""
        return bool(self.why_missed)


def passed_occurrences(
    schedule: AnySchedule,
    zone: tzinfo,
    since: datetime,
    now: datetime,
    on_time_seconds: float = ON_TIME_SECONDS,
) -> Iterator[PassedOccurrence]:
    """Return all occurrences after ``since`` and up to now, in order, with what becomes of each.

    They are found as they are asked for, so a long time of absence can be worked off in pieces: go on with the last
    one as ``since`` and the same ``now``.

    Parameters
    ----------
    since
        Up to where all have been treated: the schedule's high-water mark.
    on_time_seconds
        An occurrence that passed no longer ago than this is on time: it runs whatever the policy, unless it is later
        than the schedule's ``max_late_seconds``.

    Examples
    --------
    >>> from datetime import UTC
    >>> from orchestra_nb.model.schedules import CronSchedule
    >>> hourly = CronSchedule(expression="0 * * * *")
    >>> since, now = datetime(2026, 1, 1, 7, tzinfo=UTC), datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
    >>> [(one.at.hour, one.is_missed) for one in passed_occurrences(hourly, UTC, since, now)]
    [(8, True), (9, False)]
    """
    passed = occurrences_between(schedule, zone, since, now)
    occurrence = next(passed, None)
    while occurrence is not None:
        following = next(passed, None)
        is_newest = following is None
        yield PassedOccurrence(occurrence, _why_missed(schedule, now - occurrence, on_time_seconds, is_newest))
        occurrence = following


def _why_missed(schedule: AnySchedule, lateness: timedelta, on_time_seconds: float, is_newest: bool) -> str:
    late_seconds = lateness.total_seconds()
    if schedule.max_late_seconds is not None and late_seconds > schedule.max_late_seconds:
        return (
            f"{format_duration(late_seconds)} late, more than the {format_duration(schedule.max_late_seconds)} allowed"
        )
    if late_seconds <= on_time_seconds or schedule.catchup == "all":
        return ""
    if schedule.catchup == "skip":
        return f"{format_duration(late_seconds)} late, and the schedule skips what it missed"
    return "" if is_newest else "the schedule catches up with the latest occurrence only"
