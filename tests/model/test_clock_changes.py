"""What people are told about occurrences near a change of the clock."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from orchestra_nb.model.clock_changes import clock_note
from orchestra_nb.model.schedules import (
    AnySchedule,
    CronSchedule,
    IntervalSchedule,
    RecurrenceSchedule,
    occurrences_after,
)


def cron(expression: str) -> CronSchedule:
    return CronSchedule(expression=expression, timezone="Europe/Berlin")


def rrule(rule: str) -> RecurrenceSchedule:
    return RecurrenceSchedule(rule=rule, timezone="Europe/Berlin")


FORWARD, BACK = "2026-03-29T00:59:59+01:00", "2026-10-25T01:59:59+02:00"


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        pytest.param(cron("30 2 * * *"), FORWARD, ["clocks go forward: 02:30 does not exist, due at 03:00", ""], id="daily, forward"),
        pytest.param(cron("*/5 2 * * *"), FORWARD, ["clocks go forward: 02:00 to 02:55 do not exist", ""], id="many, forward"),
        pytest.param(cron("0,30 2,3 * * *"), FORWARD, ["clocks go forward: 02:00, 02:30 do not exist, due at 03:00", ""], id="two at once"),
        pytest.param(cron("0 3 * * *"), FORWARD, ["", ""], id="the first instant after"),
        pytest.param(cron("0 * * * *"), FORWARD, ["", "clocks go forward: 02:00 does not exist", ""], id="hourly, forward"),
        pytest.param(cron("30 2 * * *"), BACK, ["clocks go back: second 02:30 left out", ""], id="daily, back"),
        pytest.param(cron("0 * * * *"), BACK, ["clocks go back: first 02:00", "clocks go back: second 02:00", ""], id="hourly, back"),
        pytest.param(cron("0 9 * * *"), BACK, ["", ""], id="far from the change"),
        pytest.param(rrule("FREQ=DAILY;BYHOUR=2"), BACK, ["clocks go back: second 02:00 left out", ""], id="rule, back"),
        pytest.param(rrule("FREQ=HOURLY;INTERVAL=2"), FORWARD, ["clocks go forward: 02:00 does not exist", ""], id="rule of hours, forward"),
        pytest.param(IntervalSchedule(every_seconds=86_400, timezone="Europe/Berlin"), FORWARD, ["", "clocks have gone forward by 1 h"], id="interval, forward"),
        pytest.param(IntervalSchedule(every_seconds=3600, timezone="Europe/Berlin"), BACK, ["clocks go back: first 02:00", "clocks go back: second 02:00", ""], id="interval, back"),
    ],
)  # fmt: skip
def test_changes_of_the_clock_are_told(schedule: AnySchedule, after: str, expected: list[str]) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime.fromisoformat(after).astimezone(UTC)
    found = [begin, *itertools.islice(occurrences_after(schedule, zone, begin), len(expected))]

    notes = [clock_note(schedule, zone, occurrence, previous) for previous, occurrence in itertools.pairwise(found)]

    assert notes == expected
