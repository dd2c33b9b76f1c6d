"""Schedules in the words of whoever reads them."""

from __future__ import annotations

from datetime import datetime, tzinfo

from orchestra_nb.model.schedule_words import describe_schedule, describe_time
from orchestra_nb.model.schedule_words_german import describe_schedule_in_german, describe_time_in_german
from orchestra_nb.model.schedules import AnySchedule


def schedule_sentence(schedule: AnySchedule, zone: tzinfo, language: str) -> str:
    """Return when a schedule is due, in a language (a BCP 47 tag) that there are such words in; else in English.

    Raises
    ------
    InvalidSchedule
        It cannot be read.

    Examples
    --------
    >>> from datetime import UTC
    >>> from orchestra_nb.model.schedules import IntervalSchedule
    >>> [schedule_sentence(IntervalSchedule(every_seconds=3600), UTC, one) for one in ("de-AT", "fr")]
    ['jede Stunde', 'every hour']
    """
    return (describe_schedule_in_german if is_german(language) else describe_schedule)(schedule, zone)


def time_sentence(local: datetime, language: str) -> str:
    """Return a day and a time for people, in a language as :func:`schedule_sentence`."""
    return (describe_time_in_german if is_german(language) else describe_time)(local)


def is_german(language: str) -> bool:
    """Tell whether a BCP 47 tag is of German, of whatever region."""
    return language.partition("-")[0].lower() == "de"
