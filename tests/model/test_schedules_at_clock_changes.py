"""Schedules when clocks go forward and back: the known cases, and every zone beside a scan of every minute."""

from __future__ import annotations

import itertools
import zoneinfo
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from minute_scan import MinuteScan, changes_of, cron_due, cron_fits

from orchestra_nb.model.schedules import (
    AnySchedule,
    CronSchedule,
    IntervalSchedule,
    RecurrenceSchedule,
    next_occurrence,
    occurrences_after,
    occurrences_between,
)

#: Zones whose rules are of every kind: of an hour, of half an hour, of two, at midnight, in the Ramadan, of the south.
SAMPLE = [
    "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/Los_Angeles", "America/St_Johns",
    "America/Havana", "America/Santiago", "America/Asuncion", "America/Nuuk", "America/Scoresbysund", "Atlantic/Azores",
    "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem", "Asia/Almaty",
    "Asia/Kathmandu", "Australia/Adelaide", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Auckland",
    "Pacific/Chatham", "Pacific/Easter", "Pacific/Norfolk",
]  # fmt: skip

#: Stretches of the past with changes that no zone of today has: days left out, changes a minute after midnight.
PAST = [
    ("Pacific/Apia", 2011),
    ("Pacific/Kwajalein", 1993),
    ("America/St_Johns", 2010),
    ("America/Sao_Paulo", 2018),
    ("Asia/Pyongyang", 2015),
    ("America/Caracas", 2007),
    ("Asia/Amman", 2012),
    ("Antarctica/Casey", 2020),
]

CRONS = [
    "30 2 * * *",
    "0,20,59 0-3,23 * * *",
    "*/30 * * * *",
    "15 */2 * * *",
    "*/20 2 * * *",
    "0 0 * * 0",
    "0 */1 * * 6",
    "5 1 */2 * 5-7",
    "10-50/7 0,1,2 1,8-14,25-31 3,4,10,11 1",
]

#: Rule to a cron expression that is due at the same local times, and how it treats changes of the clock.
RECURRENCES = {
    "FREQ=DAILY;BYHOUR=2;BYMINUTE=30": ("30 2 * * *", "fixed"),
    "FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=0,1,2,3;BYMINUTE=0,45": ("0,45 0-3 * * 6,0", "fixed"),
    "FREQ=DAILY;BYHOUR=0,1,2,23;BYMINUTE=5,35;BYDAY=SU": ("5,35 0-2,23 * * 0", "fixed"),
    "FREQ=MONTHLY;BYMONTHDAY=25,26,27,28,29,30,31;BYHOUR=1;BYMINUTE=15": ("15 1 25-31 * *", "fixed"),
    "FREQ=YEARLY;BYMONTH=3,4,10,11;BYMONTHDAY=1,2,3,4,5,6,7;BYHOUR=2": ("0 2 1-7 3,4,10,11 *", "fixed"),
    "FREQ=HOURLY": ("0 * * * *", "real"),
    "FREQ=HOURLY;BYMINUTE=10,50;BYDAY=SU": ("10,50 * * * 0", "real"),
    "FREQ=MINUTELY;BYMINUTE=0,20,40;BYHOUR=1,2": ("0,20,40 1,2 * * *", "real"),
}

#: Long ago, so that rules are sent to their periods from afar.
_DTSTART = "DTSTART:19800107T000000"

INTERVALS = [60 * 7, 3_600, 86_400, 5 * 3_600]


def local_times(schedule: AnySchedule, after: str, count: int) -> list[str]:
    zone = ZoneInfo(schedule.timezone)
    found = occurrences_after(schedule, zone, datetime.fromisoformat(after).replace(tzinfo=zone))
    return [instant.astimezone(zone).isoformat(timespec="minutes") for instant in itertools.islice(found, count)]


TABLE = [
    pytest.param("Europe/Berlin", "30 2 * * *", "2026-03-29", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"], id="Berlin daily, forward"),
    pytest.param("Europe/Berlin", "30 2 * * *", "2026-10-25", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"], id="Berlin daily, back"),
    pytest.param("Europe/Berlin", "*/30 * * * *", "2026-10-25T01:30", ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"], id="Berlin half-hourly, back"),
    pytest.param("America/New_York", "30 1 * * *", "2026-11-01", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"], id="New York daily, back"),
    pytest.param("America/New_York", "0 * * * *", "2026-11-01", ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00", "2026-11-01T02:00-05:00"], id="New York hourly, back"),
    pytest.param("UTC", "0 0 29 2 *", "2026-01-01", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00", "2036-02-29T00:00+00:00"], id="29 February"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "expression", "after", "expected"), TABLE)
def test_known_cases_of_2026(zone: str, expression: str, after: str, expected: list[str]) -> None:
    schedule = CronSchedule(expression=expression, timezone=zone)

    assert local_times(schedule, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("rule", "zone", "after", "expected"),
    [
        pytest.param("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "Europe/Berlin", "2026-03-29", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"], id="daily, forward"),
        pytest.param("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "Europe/Berlin", "2026-10-25", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"], id="daily, back"),
        pytest.param("FREQ=HOURLY", "America/New_York", "2026-11-01", ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00", "2026-11-01T02:00-05:00"], id="hourly, back"),
        pytest.param("FREQ=HOURLY;INTERVAL=2", "Europe/Berlin", "2026-03-29T00:00", ["2026-03-29T03:00+02:00", "2026-03-29T05:00+02:00"], id="every two real hours"),
        pytest.param("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "UTC", "2026-01-01", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"], id="29 February"),
    ],
)  # fmt: skip
def test_recurrence_rules_go_by_the_same_rule(rule: str, zone: str, after: str, expected: list[str]) -> None:
    schedule = RecurrenceSchedule(rule=rule, timezone=zone)

    assert local_times(schedule, after, len(expected)) == expected


def test_nothing_is_due_again_when_it_is_asked_for_in_an_hour_that_comes_twice() -> None:
    zone = ZoneInfo("Europe/Berlin")
    daily = CronSchedule(expression="30 2 * * *", timezone="Europe/Berlin")
    in_the_second_hour = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)

    assert next_occurrence(daily, zone, in_the_second_hour) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_fraction_of_a_second_is_no_reason_to_fire_again() -> None:
    daily = CronSchedule(expression="30 2 * * *")
    due = datetime(2026, 1, 1, 2, 30, tzinfo=UTC)
    fraction = timedelta(microseconds=1)

    found = [next_occurrence(daily, UTC, after) for after in (due - fraction, due, due + fraction)]

    assert found == [due, due + timedelta(days=1), due + timedelta(days=1)]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_zone_of_today_agrees_with_a_scan_of_every_minute(name: str) -> None:
    assert disagreements(name, 2025, 2026) == []


@pytest.mark.parametrize(("name", "year"), PAST)
def test_a_zone_of_the_past_agrees_with_a_scan_of_every_minute(name: str, year: int) -> None:
    assert disagreements(name, year, year) == []


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(zoneinfo.available_timezones() - {"localtime", "Factory"}))
def test_every_zone_agrees_with_a_scan_of_every_minute(name: str) -> None:
    assert disagreements(name, 1986, 2012, changes=5) + disagreements(name, 2013, 2037, changes=7) == []


def disagreements(name: str, first_year: int, last_year: int, changes: int | None = None) -> list[str]:
    """Return what the product says otherwise than the scan does, around the changes of a zone's clocks."""
    zone = ZoneInfo(name)
    all_changes = changes_of(zone, first_year, last_year)
    some = all_changes[:: max(1, len(all_changes) // changes)] if changes else all_changes
    return [text for change in some or [datetime(last_year, 3, 29, 1, tzinfo=UTC)] for text in _around(zone, change)]


def _around(zone: ZoneInfo, change: datetime) -> list[str]:
    scan = MinuteScan(zone, change - timedelta(days=1, hours=7), change + timedelta(days=1, hours=17))
    begin, end = change - timedelta(hours=30), change + timedelta(hours=40)
    expected: list[tuple[AnySchedule, list[datetime]]] = []
    for expression in CRONS:
        expected.append((CronSchedule(expression=expression, timezone=zone.key), cron_due(scan, expression)))
    for rule, (expression, kind) in RECURRENCES.items():
        fits = cron_fits(expression)
        due = scan.real_time(fits) if kind == "real" else scan.fixed_time(fits)
        expected.append((RecurrenceSchedule(rule=f"{_DTSTART} RRULE:{rule}", timezone=zone.key), due))
    for seconds in INTERVALS:
        due = [instant for instant in scan.instants if instant.timestamp() % seconds == 0]
        expected.append((IntervalSchedule(every_seconds=seconds, timezone=zone.key), due))
    return [
        f"{schedule} around {change}: {[str(one) for one in got]}, not {[str(one) for one in wanted]}"
        for schedule, due in expected
        for wanted in [[instant for instant in due if begin < instant <= end]]
        for got in [list(occurrences_between(schedule, zone, begin, end))]
        if got != wanted
    ]
