"""Schedules away from changes of the clock: bounds, days off, jitter, catching up, and what cannot be read."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.catch_up import passed_occurrences
from orchestra_nb.model.schedule_words import describe_schedule
from orchestra_nb.model.schedules import (
    AnySchedule,
    CatchUp,
    CronSchedule,
    IntervalSchedule,
    RecurrenceSchedule,
    check_schedule,
    next_occurrence,
    occurrences_after,
    occurrences_between,
    starts_at,
)

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first(schedule: AnySchedule, after: str, count: int = 3) -> list[str]:
    found = itertools.islice(occurrences_after(schedule, ZoneInfo(schedule.timezone), at(after)), count)
    return [instant.strftime("%Y-%m-%d %H:%M") for instant in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("@yearly", ["2027-01-01 00:00", "2028-01-01 00:00"], id="yearly"),
        pytest.param("@monthly", ["2026-01-01 00:00", "2026-02-01 00:00"], id="monthly"),
        pytest.param("@weekly", ["2026-01-04 00:00", "2026-01-11 00:00"], id="weekly"),
        pytest.param("@Daily", ["2026-01-01 00:00", "2026-01-02 00:00"], id="daily"),
        pytest.param("@midnight", ["2026-01-01 00:00", "2026-01-02 00:00"], id="midnight"),
        pytest.param(" @hourly ", ["2026-01-01 00:00", "2026-01-01 01:00"], id="hourly"),
        pytest.param("0  9 * jan-mar MON-fri", ["2026-01-01 09:00", "2026-01-02 09:00"], id="names"),
        pytest.param("0 0 * * 7", ["2026-01-04 00:00", "2026-01-11 00:00"], id="7 is Sunday"),
        pytest.param("0 0 13 * FRI", ["2026-01-02 00:00", "2026-01-09 00:00"], id="either day"),
        pytest.param("0 0 */2 * MON", ["2026-01-05 00:00", "2026-01-19 00:00"], id="both days"),
        pytest.param("0 0 L * *", ["2026-01-31 00:00", "2026-02-28 00:00"], id="last day"),
        pytest.param("0 0 * * MON#2", ["2026-01-12 00:00", "2026-02-09 00:00"], id="second Monday"),
        pytest.param("30 3-3/2,12-12/5 * * *", ["2026-01-01 03:30", "2026-01-01 12:30"], id="ranges of one hour"),
        pytest.param("59 23 31 12 *", ["2026-12-31 23:59", "2027-12-31 23:59"], id="end of the year"),
    ],
)
def test_cron_expressions_are_due(expression: str, expected: list[str]) -> None:
    after = "2026-01-01 00:30" if expression == "@yearly" else "2025-12-31 23:59:59"

    assert first(CronSchedule(expression=expression), after, 2) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param("FREQ=WEEKLY", ["2026-01-05 00:00", "2026-01-12 00:00"], id="weekly"),
        pytest.param("RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17", ["2026-01-30 17:00", "2026-02-27 17:00"], id="last Friday"),
        pytest.param("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["2026-01-30 00:00", "2026-02-27 00:00"], id="position"),
        pytest.param("freq=daily;interval=10;", ["2026-01-10 00:00", "2026-01-20 00:00"], id="interval"),
        pytest.param("DTSTART:20260103T080000 RRULE:FREQ=DAILY;INTERVAL=2", ["2026-01-03 08:00", "2026-01-05 08:00"], id="dtstart"),
        pytest.param("DTSTART:20260103T080000Z\nRRULE:FREQ=YEARLY", ["2026-01-03 08:00", "2027-01-03 08:00"], id="lines"),
        pytest.param("DTSTART:20200131T090000 FREQ=MONTHLY", ["2026-01-31 09:00", "2026-03-31 09:00"], id="a day that months lack"),
        pytest.param("FREQ=DAILY;UNTIL=20260102", ["2026-01-02 00:00"], id="until a day"),
        pytest.param("FREQ=HOURLY;UNTIL=20260101T010000Z", ["2026-01-01 01:00"], id="until an instant"),
        pytest.param("DTSTART:20251231 FREQ=DAILY;COUNT=3", ["2026-01-02 00:00"], id="count"),
        pytest.param("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;BYHOUR=9", ["2026-05-11 09:00", "2027-05-17 09:00"], id="week"),
        pytest.param("FREQ=YEARLY;BYYEARDAY=-1", ["2026-12-31 00:00", "2027-12-31 00:00"], id="last day of the year"),
        pytest.param("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU", ["2026-01-11 00:00", "2026-01-25 00:00"], id="week start"),
        pytest.param("FREQ=SECONDLY;INTERVAL=1800;BYHOUR=12", ["2026-01-01 12:00", "2026-01-01 12:30"], id="seconds"),
    ],
)  # fmt: skip
def test_recurrence_rules_are_due(rule: str, expected: list[str]) -> None:
    found = first(RecurrenceSchedule(rule=rule), "2026-01-01 00:00", 2)

    assert found == expected


def test_a_rule_is_due_at_the_same_times_as_dateutil_says_from_its_beginning() -> None:
    from dateutil.rrule import rrulestr

    rules = [
        "FREQ=WEEKLY;INTERVAL=3;BYDAY=TU,SU;WKST=WE;BYHOUR=5",
        "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=-2,30",
        "FREQ=YEARLY;INTERVAL=3;BYDAY=-1MO,2FR",
        "FREQ=DAILY;INTERVAL=11;BYMONTH=2,3",
        "FREQ=HOURLY;INTERVAL=7;BYDAY=MO",
        "FREQ=MINUTELY;INTERVAL=95;BYHOUR=1,2,3",
        "FREQ=YEARLY;INTERVAL=4",
        "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=2,-1;BYHOUR=3,4",
    ]
    begin, after = datetime(2016, 2, 29, 22, 41, 7), datetime(2026, 5, 1, 3)  # noqa: DTZ001 - dateutil's are naive

    for rule in rules:
        schedule = RecurrenceSchedule(rule=f"DTSTART:{begin:%Y%m%dT%H%M%S} RRULE:{rule}")
        expected = list(itertools.islice(rrulestr(rule, dtstart=begin).xafter(after), 20))

        found = itertools.islice(occurrences_after(schedule, UTC, after.replace(tzinfo=UTC)), 20)

        assert [instant.replace(tzinfo=None) for instant in found] == expected, rule


def test_intervals_count_from_their_start_else_from_the_epoch() -> None:
    assert first(IntervalSchedule(every_seconds=5400), "2026-01-01 00:00", 2) == [
        "2026-01-01 01:30",
        "2026-01-01 03:00",
    ]
    anchored = IntervalSchedule(every_seconds=5400, start_at=at("2026-01-01 00:10"))
    assert first(anchored, "2020-01-01 00:00", 2) == ["2026-01-01 00:10", "2026-01-01 01:40"]
    assert first(anchored, "2026-01-01 01:40", 1) == ["2026-01-01 03:10"]


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(CronSchedule(expression="0 * * * *"), id="cron"),
        pytest.param(IntervalSchedule(every_seconds=3600), id="interval"),
        pytest.param(RecurrenceSchedule(rule="FREQ=HOURLY"), id="rrule"),
    ],
)
def test_start_and_end_belong_to_the_schedule(schedule: AnySchedule) -> None:
    bounded = msgspec.structs.replace(schedule, start_at=at("2026-01-01 08:00"), end_at=at("2026-01-01 10:00"))

    assert first(bounded, "2025-01-01", 9) == ["2026-01-01 08:00", "2026-01-01 09:00", "2026-01-01 10:00"]
    assert first(bounded, "2026-01-01 09:00", 9) == ["2026-01-01 10:00"]
    assert next_occurrence(bounded, UTC, at("2026-01-01 10:00")) is None


def test_days_off_are_days_in_the_zone_of_the_schedule() -> None:
    late = CronSchedule(expression="30 0 * * *", timezone="Europe/Berlin", excluded_days=(date(2026, 1, 2),))

    assert first(late, "2025-12-31 23:00", 2) == ["2025-12-31 23:30", "2026-01-02 23:30"]


def test_occurrences_between_two_instants_include_the_later_one() -> None:
    hourly = CronSchedule(expression="0 * * * *")

    found = occurrences_between(hourly, UTC, at("2026-01-01 08:00"), at("2026-01-01 10:00"))

    assert list(found) == [at("2026-01-01 09:00"), at("2026-01-01 10:00")]


def test_jitter_is_the_same_for_an_occurrence_and_differs_between_deployments() -> None:
    schedule = CronSchedule(expression="0 * * * *", jitter_seconds=60)
    due = at("2026-01-01 08:00")

    starts = {key: starts_at(schedule, due, key) for key in map(str, range(200))}

    assert {key: starts_at(schedule, due.astimezone(BERLIN), key) for key in starts} == starts
    assert all(due <= start <= due + timedelta(seconds=60) for start in starts.values())
    assert len(set(starts.values())) > 190
    assert starts_at(CronSchedule(expression="0 * * * *"), due, "any") == due


@pytest.mark.parametrize(
    ("catchup", "max_late_seconds", "expected"),
    [
        pytest.param("latest", None, {6: False, 7: False, 8: False, 9: True}, id="the latest"),
        pytest.param("all", None, {6: True, 7: True, 8: True, 9: True}, id="all"),
        pytest.param("skip", None, {6: False, 7: False, 8: False, 9: False}, id="none"),
        pytest.param("all", 6000, {6: False, 7: False, 8: True, 9: True}, id="none that is too late"),
        pytest.param("latest", 600, {6: False, 7: False, 8: False, 9: False}, id="not even the latest"),
    ],
)
def test_what_was_missed_is_treated_by_policy(
    catchup: CatchUp, max_late_seconds: float | None, expected: dict[int, bool]
) -> None:
    hourly = CronSchedule(expression="0 * * * *", catchup=catchup, max_late_seconds=max_late_seconds)

    passed = list(passed_occurrences(hourly, UTC, at("2026-01-01 05:30"), at("2026-01-01 09:30")))

    assert {one.at.hour: not one.is_missed for one in passed} == expected
    assert all(one.why_missed for one in passed if not expected[one.at.hour])


@pytest.mark.parametrize("catchup", ["latest", "all", "skip"])
def test_what_is_on_time_runs_whatever_the_policy(catchup: CatchUp) -> None:
    hourly = CronSchedule(expression="0 * * * *", catchup=catchup, max_late_seconds=3)

    passed = list(passed_occurrences(hourly, UTC, at("2026-01-01 08:30"), at("2026-01-01 09:00:02")))

    assert [(one.at, one.is_missed) for one in passed] == [(at("2026-01-01 09:00"), False)]


def test_a_long_absence_can_be_worked_off_in_pieces() -> None:
    every_minute = CronSchedule(expression="* * * * *")
    since, now = at("2020-01-01"), at("2026-01-01")

    piece = list(itertools.islice(passed_occurrences(every_minute, UTC, since, now), 3))

    assert [(one.at, one.is_missed) for one in piece] == [(since + timedelta(minutes=n), True) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "schedule",
    [
        CronSchedule(expression="0 9 * * *", timezone="Europe/Berlin", start_at=at("2026-01-01"), catchup="all"),
        IntervalSchedule(every_seconds=60, jitter_seconds=5.0, excluded_days=(date(2026, 12, 25),)),
        RecurrenceSchedule(rule="FREQ=DAILY", max_late_seconds=60.0),
    ],
    ids=["cron", "interval", "rrule"],
)
def test_schedules_round_trip_through_json(schedule: AnySchedule) -> None:
    assert msgspec.json.decode(msgspec.json.encode(schedule), type=AnySchedule) == schedule


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("60 * * * *", "The minute '60' of the cron expression '60 * * * *' cannot be read: minutes are 0 to 59."),
        ("0 25 * * *", "The hour '25' of the cron expression '0 25 * * *' cannot be read: hours are 0 to 23."),
        ("0 0 0 * *", "The day of month '0' of the cron expression '0 0 0 * *' cannot be read: days are 1 to 31,"),
        ("0 0 1 13 *", "The month '13' of the cron expression '0 0 1 13 *' cannot be read: months are 1 to 12 or JAN to DEC."),
        ("0 0 * * MOM", "The day of week 'MOM' of the cron expression '0 0 * * MOM' cannot be read: weekdays are 0 to 7"),
        ("0 0 * * FRI-MON", "The day of week 'FRI-MON'"),
        ("*/0 * * * *", "The minute '*/0'"),
        ("1,,2 * * * *", "The minute '1,,2'"),
        (f"{'9' * 5000} * * * *", f"The minute '{'9' * 60}…'"),
        ("* * * *", "has 4 fields. Write five: minute, hour, day of month, month, day of week."),
        ("", "The cron expression '' has 0 fields."),
        ("0 30 2 * * *", "has 6 fields. Write five: minute, hour, day of month, month, day of week. Seconds cannot be given"),
        ("0 9 a.txt b.txt c.txt d.txt 1", "has 7 fields. Write five: minute, hour, day of month, month, day of week. Put it in quotes"),
        ("@dayly", "'@dayly' is no schedule. Did you mean @daily?"),
        ("@reboot", "'@reboot' is no schedule. There are @yearly,"),
        ("0 0 30 2 *", "The cron expression '0 0 30 2 *' never falls due: there is no such day."),
        ("0 0 31 4,6 *", "The cron expression '0 0 31 4,6 *' never falls due: there is no such day."),
    ],
)  # fmt: skip
def test_a_wrong_cron_expression_is_told_by_its_field(expression: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check_schedule(CronSchedule(expression=expression), UTC)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "'' is no recurrence rule. Write one such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=9."),
        ("every day", "'every day' is no recurrence rule. Write one such as FREQ="),
        ("FREQ=DAILY;BYEASTER=1", "'BYEASTER=1' is no part of a recurrence rule. The parts are FREQ, INTERVAL,"),
        ("BYHOUR=9", "The recurrence rule has no FREQ. Write FREQ= and one of YEARLY,"),
        ("FREQ=FORTNIGHTLY", "The recurrence rule cannot have FREQ=FORTNIGHTLY."),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR=24 cannot be in a recurrence rule: BYHOUR is 0 to 23."),
        ("FREQ=DAILY;BYHOUR=", "BYHOUR has no value"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 cannot be in a recurrence rule: INTERVAL is 1 to 1000000."),
        ("FREQ=DAILY;INTERVAL=١", "INTERVAL=١ cannot be in a recurrence rule"),
        (
            "FREQ=MONTHLY;BYMONTHDAY=0",
            "BYMONTHDAY=0 cannot be in a recurrence rule: BYMONTHDAY is -31 to 31, without 0.",
        ),
        ("FREQ=DAILY;BYHOUR=1;BYHOUR=2", "BYHOUR stands twice"),
        ("FREQ=WEEKLY;BYDAY=MON", "BYDAY=MON cannot be in a recurrence rule: write MO to SU"),
        ("FREQ=WEEKLY;BYDAY=2MO", "BYDAY=2MO needs FREQ=MONTHLY or FREQ=YEARLY"),
        ("FREQ=WEEKLY;WKST=XX", "WKST=XX cannot be"),
        ("FREQ=DAILY;BYWEEKNO=3", "BYWEEKNO has no meaning with FREQ=DAILY"),
        ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS chooses among what another BY… part lists, and there is none."),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL=TOMORROW is no time. Write 20260131T090000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "A recurrence rule has a COUNT or an UNTIL, not both."),
        ("FREQ=DAILY;COUNT=2", "COUNT counts from a beginning, and there is none. Give a start, or a DTSTART."),
        ("DTSTART;TZID=Europe/Berlin:20260101T090000 RRULE:FREQ=DAILY", "cannot be part of a recurrence rule here."),
        ("RRULE:FREQ=DAILY EXDATE:20260101", "'EXDATE:20260101' cannot be part of a recurrence rule here."),
        ("DTSTART:20260231 FREQ=DAILY", "DTSTART=20260231 is no time."),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never falls due: there is no such day."),
        ("FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30", "never falls due: there is no such day."),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=TU", "never falls due: there is no such day."),
        ("FREQ=HOURLY;INTERVAL=24;BYHOUR=5", "The schedule never falls due"),
        ("FREQ=DAILY;UNTIL=19990101", "The schedule never falls due"),
    ],
)
def test_a_wrong_recurrence_rule_is_told_by_its_part(rule: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check_schedule(RecurrenceSchedule(rule=rule), UTC)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (IntervalSchedule(every_seconds=0), "An interval is 1 second to 50 years, not 0 s."),
        (IntervalSchedule(every_seconds=-60), "An interval is 1 second to 50 years, not -60 s."),
        (IntervalSchedule(every_seconds=60, jitter_seconds=-1), "A jitter is a time of 0 or more, not -1 s."),
        (IntervalSchedule(every_seconds=60, max_late_seconds=0), "A run may be late by more than 0 s, not by 0 s."),
        (
            CronSchedule(expression="0 * * * *", start_at=at("2026-01-02"), end_at=at("2026-01-01")),
            "The schedule ends at 2026-01-01T00:00:00+00:00, before it starts at 2026-01-02T00:00:00+00:00.",
        ),
        (
            CronSchedule(expression="0 12 * * *", start_at=at("2026-01-02"), end_at=at("2026-01-02 11:00")),
            "The schedule never falls due: nothing is left between its start, its end and its days off.",
        ),
        (
            CronSchedule(
                expression="0 12 1 1 *",
                start_at=at("2026-01-01"),
                end_at=at("2026-02-01"),
                excluded_days=(date(2026, 1, 1),),
            ),
            "The schedule never falls due: nothing is left between its start, its end and its days off.",
        ),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused(schedule: AnySchedule, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check_schedule(schedule, UTC)

    assert str(caught.value) == message


@pytest.mark.parametrize("after", ["1899-12-31T00:00+00:00", "9900-01-01T00:00+00:00"])
def test_times_that_no_zone_knows_are_refused(after: str) -> None:
    with pytest.raises(InvalidSchedule, match="too far away: schedules know the years 1900 to 9899"):
        next_occurrence(CronSchedule(expression="0 * * * *"), BERLIN, datetime.fromisoformat(after))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    "schedule",
    [
        CronSchedule(expression="0 0 29 2 *"),
        CronSchedule(expression="* * * 2 MON#5"),
        IntervalSchedule(every_seconds=50 * 366 * 86_400),
        RecurrenceSchedule(rule="FREQ=HOURLY;INTERVAL=1000000"),
        RecurrenceSchedule(rule="DTSTART:20011231T235959 FREQ=YEARLY;INTERVAL=7998"),
        RecurrenceSchedule(rule="FREQ=MONTHLY;INTERVAL=1000000"),
        RecurrenceSchedule(rule="FREQ=DAILY;INTERVAL=1000000"),
        RecurrenceSchedule(rule="FREQ=DAILY;UNTIL=99991231T235959Z"),
    ],
)
def test_schedules_end_with_the_known_years(schedule: AnySchedule, zone: str) -> None:
    found = occurrences_after(schedule, ZoneInfo(zone), at("9898-12-31 12:00"))

    assert all(instant.year < 9900 for instant in itertools.islice(found, 1000))


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (CronSchedule(expression="@daily"), "at 00:00, every day, UTC"),
        (CronSchedule(expression="0 9 * * MON-FRI"), "at 09:00, Monday through Friday, UTC"),
        (CronSchedule(expression="*/15 * * * *"), "every 15 minutes, UTC"),
        (CronSchedule(expression="0 0 */2 * MON"), "at 00:00, on every second day from day 1 of the month, only on Monday, UTC"),
        (CronSchedule(expression="0 0 */10 * *"), "at 00:00, on day 1, 11, 21, and 31 of the month, UTC"),
        (CronSchedule(expression="*/45 * * * *"), "at 0 and 45 minutes past the hour, every day, UTC"),
        (CronSchedule(expression="*/45,5 * * * *"), "at 0, 5, and 45 minutes past the hour, every day, UTC"),
        (CronSchedule(expression="0 */5 * * *"), "at 00:00, 05:00, 10:00, 15:00 and 20:00, every day, UTC"),
        (CronSchedule(expression="*/15 */9 * * *"), "every 15 minutes, in the hours of 00:00, 09:00, and 18:00, UTC"),
        (CronSchedule(expression="0 */6 * * *"), "every 6 hours, UTC"),
        (CronSchedule(expression="0 0 1 */5 *"), "at 00:00, on day 1 of the month, only in January, June, and November, UTC"),
        (CronSchedule(expression="0 0 * * */2"), "at 00:00, only on Sunday, Tuesday, Thursday, and Saturday, UTC"),
        (CronSchedule(expression="0 0 13 * FRI"), "at 00:00, on day 13 of the month, or on Friday, UTC"),
        (CronSchedule(expression="0 0 LW * *"), "at 00:00, on the last weekday of the month, UTC"),
        (IntervalSchedule(every_seconds=900), "every 15 minutes"),
        (IntervalSchedule(every_seconds=86_400, start_at=at("2026-01-01 06:00")), "every day, from 2026-01-01T06:00:00Z"),
        (IntervalSchedule(every_seconds=5400), "every 90 minutes"),
        (IntervalSchedule(every_seconds=86_400, timezone="Europe/Berlin"), "every day, counted from midnight UTC"),
        (IntervalSchedule(every_seconds=172_800), "every 2 days, counted from midnight UTC on 1 January 1970"),
        (IntervalSchedule(every_seconds=60, excluded_days=(date(2026, 1, 1),)), "every minute, but on 1 day off"),
        (RecurrenceSchedule(rule="FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", timezone="Europe/Berlin"), "every Monday at 09:00 Europe/Berlin"),
        (RecurrenceSchedule(rule="FREQ=WEEKLY"), "every Monday at 00:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=WEEKLY", start_at=at("2026-01-01 06:00")), "every Thursday at 06:00 UTC, from 2026-01-01T06:00:00Z"),
        (CronSchedule(expression="0 * * * *", timezone="Europe/Berlin", end_at=at("2026-07-01")), "every hour, Europe/Berlin, until 2026-07-01T02:00:00+02:00"),
        (RecurrenceSchedule(rule="FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8"), "every Monday to Friday at 08:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,MO;BYHOUR=9,17;BYMINUTE=30"), "every 2 weeks on Monday and Friday at 09:30 and 17:30 UTC"),
        (RecurrenceSchedule(rule="FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17"), "every month on the last Friday at 17:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"), "every month on Monday to Friday at 00:00 UTC, the last of these"),
        (RecurrenceSchedule(rule="FREQ=MONTHLY;BYMONTHDAY=15,-1"), "every month on day 15 and the last day at 00:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR"), "every month on Friday if it is day 13 at 00:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=YEARLY"), "every year on 1 January at 00:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=YEARLY;BYDAY=20MO"), "every year on the 20th Monday of the year at 00:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=YEARLY;BYDAY=1SU;BYMONTH=3,9"), "every year on the first Sunday of the month in March and September at 00:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=YEARLY;BYYEARDAY=-1"), "every year on the last day of the year at 00:00 UTC"),
        (RecurrenceSchedule(rule="FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7"), "every day at 8 times from 00:00 to 07:00 UTC"),
        (RecurrenceSchedule(rule="DTSTART:20260101T060030 RRULE:FREQ=DAILY;COUNT=3"), "every day at 06:00:30 UTC, 3 times"),
        (RecurrenceSchedule(rule="FREQ=DAILY;UNTIL=20270101T000000Z"), "every day at 00:00 UTC, until 2027-01-01T00:00:00Z"),
        (RecurrenceSchedule(rule="FREQ=HOURLY;BYHOUR=9,10;BYMINUTE=0,30"), "every hour at hour 9 and 10, minute 0 and 30, UTC"),
        (RecurrenceSchedule(rule="FREQ=MINUTELY;INTERVAL=15"), "every 15 minutes, UTC"),
    ],
)  # fmt: skip
def test_schedules_are_told_in_words(schedule: AnySchedule, words: str) -> None:
    check_schedule(schedule, ZoneInfo(schedule.timezone))

    assert describe_schedule(schedule, ZoneInfo(schedule.timezone)) == words
