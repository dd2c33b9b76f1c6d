"""Files of days on which a schedule is not due: iCalendar files, and lists of dates.

Of a calendar count the days that an event covers whole in the schedule's zone, recurring events included; an event that
is cancelled does not count. A list has one date a line (``2026-12-25``); what follows a ``#`` is a comment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.schedules import RecurrenceSchedule, occurrences_between

if TYPE_CHECKING:
    from icalendar import Component

#: A century of them.
MAX_DAYS: Final = 36_600

_DAY: Final = timedelta(days=1)


def read_excluded_days(path: str | Path, zone: tzinfo, until: date) -> tuple[date, ...]:
    """Return the days that a file lists, in order.

    Parameters
    ----------
    until
        Events that recur for ever are taken up to this day.

    Raises
    ------
    InvalidSchedule
        The file cannot be read, is neither a calendar nor a list of dates, or lists no day.
    """
    try:
        content = Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InvalidSchedule(f"The days off cannot be read from {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InvalidSchedule(f"{path} is neither a calendar (.ics) nor a list of dates: it is no text.") from None
    except ValueError:  # NUL
        raise InvalidSchedule(f"{str(path)!r} is no path of a file of days off.") from None
    is_calendar = text.lstrip().upper().startswith("BEGIN:VCALENDAR")
    days = set(_days_of_calendar(path, content, zone, until) if is_calendar else _days_of_list(path, text))
    if not days:
        what = "no event that covers a whole day" if is_calendar else "no date"
        raise InvalidSchedule(f"{path} has {what}, so there is nothing to leave out.")
    if len(days) > MAX_DAYS:
        raise InvalidSchedule(f"{path} lists {len(days):,} days. More than {MAX_DAYS:,} days off cannot be meant.")
    return tuple(sorted(days))


def _days_of_list(path: str | Path, text: str) -> Iterator[date]:
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.partition("#")[0].strip()
        if not written:
            continue
        try:
            yield date.fromisoformat(written)
        except ValueError:
            raise InvalidSchedule(
                f"{path}, line {number}: {written[:80]!r} is no date. Write one date a line, such as 2026-12-25, and "
                "comments behind a #; or give an iCalendar file."
            ) from None


def _days_of_calendar(path: str | Path, content: bytes, zone: tzinfo, until: date) -> Iterator[date]:
    from icalendar import Calendar

    try:
        events = [event for calendar in Calendar.from_ical(content, multiple=True) for event in calendar.walk("VEVENT")]
        moved = [(event.get("UID"), _moment(event, "RECURRENCE-ID")) for event in events if "RECURRENCE-ID" in event]
    except (ValueError, KeyError, IndexError) as error:
        raise InvalidSchedule(f"{path} is no calendar that can be read: {error}.") from None
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        left_out = {_day_of(start, zone) for uid, start in moved if uid == event.get("UID")}
        name = str(event.get("SUMMARY", "an event without a name"))
        try:
            yield from _days_of_event(event, zone, until, left_out)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise InvalidSchedule(f"{path}: {name!r} cannot be read: {error}") from None


def _days_of_event(event: Component, zone: tzinfo, until: date, moved: Iterable[date]) -> Iterator[date]:
    """Return the days that an event and its repetitions cover whole."""
    start = _moment(event, "DTSTART")
    first, end = _covered(start, _end_of(event, start), zone)
    if "RECURRENCE-ID" in event:
        moved = ()
    starts = {first, *_repetitions(event, first, until), *_listed(event, "RDATE", zone)}
    starts -= {*_listed(event, "EXDATE", zone), *moved}
    for begin in starts:
        for number in range(min((end - first).days, MAX_DAYS + 1)):
            yield begin + number * _DAY


def _end_of(event: Component, start: date) -> date:
    if "DTEND" in event:
        return _moment(event, "DTEND")
    if "DURATION" in event:
        length = event.decoded("DURATION")
        if not isinstance(length, timedelta):
            raise ValueError("its DURATION is no length of time.")
        return start + length
    return start if isinstance(start, datetime) else start + _DAY


def _moment(event: Component, name: str) -> date:
    """Return a day or a time of an event."""
    if name not in event:
        raise ValueError(f"it has no {name}.")
    moment = event.decoded(name)
    if not isinstance(moment, date):  # what cannot be read comes as text
        raise ValueError(f"its {name} is no day and no time.")
    return moment


def _covered(start: date, end: date, zone: tzinfo) -> tuple[date, date]:
    """Return the first day that is covered whole, and the day after the last one."""
    first, last = _day_of(start, zone), _day_of(end, zone)
    if isinstance(start, datetime) and _local(start, zone).time() != time():
        first += _DAY
    return first, max(first, last)


def _repetitions(event: Component, first: date, until: date) -> Iterator[date]:
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        text = f"DTSTART:{first:%Y%m%d} RRULE:{rule.to_ical().decode()}"
        begin, end = (datetime.combine(day, time(), UTC) for day in (first, until))
        for instant in occurrences_between(RecurrenceSchedule(rule=text), UTC, begin, end):
            yield instant.date()


def _listed(event: Component, name: str, zone: tzinfo) -> Iterator[date]:
    entries = event.get(name, [])
    for entry in entries if isinstance(entries, list) else [entries]:
        for one in entry.dts:
            yield _day_of(one.dt[0] if isinstance(one.dt, tuple) else one.dt, zone)


def _day_of(moment: date, zone: tzinfo) -> date:
    return _local(moment, zone).date() if isinstance(moment, datetime) else moment


def _local(moment: datetime, zone: tzinfo) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(zone)
