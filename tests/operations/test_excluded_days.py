"""Files of days off: calendars as programs write them, lists of dates, and files that are neither."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.operations.excluded_days import read_excluded_days

BERLIN = ZoneInfo("Europe/Berlin")
UNTIL = date(2028, 12, 31)


def event(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"])


def calendar(*events: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *events, "END:VCALENDAR", ""])


def days_of(folder: Path, text: str) -> list[str]:
    path = folder / "days"
    path.write_text(text, encoding="utf-8", newline="")
    return [day.isoformat() for day in read_excluded_days(path, BERLIN, UNTIL)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["UID:1", "DTSTART;VALUE=DATE:20261225"], ["2026-12-25"], id="a day"),
        pytest.param(
            ["UID:1", "DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"],
            ["2026-12-24", "2026-12-25", "2026-12-26"],
            id="some days",
        ),
        pytest.param(
            ["UID:1", "DTSTART;VALUE=DATE:20261224", "DURATION:P2D"], ["2026-12-24", "2026-12-25"], id="a duration"
        ),
        pytest.param(
            ["UID:1", "DTSTART;VALUE=DATE:20261003", "RRULE:FREQ=YEARLY"],
            ["2026-10-03", "2027-10-03", "2028-10-03"],
            id="every year",
        ),
        pytest.param(
            ["UID:1", "DTSTART;VALUE=DATE:20261003", "RRULE:FREQ=YEARLY;UNTIL=20271003", "TRANSP:TRANSPARENT"],
            ["2026-10-03", "2027-10-03"],
            id="for some years",
        ),
        pytest.param(
            [
                "UID:1",
                "DTSTART;VALUE=DATE:20260105",
                "RRULE:FREQ=WEEKLY;COUNT=3",
                "EXDATE;VALUE=DATE:20260112",
                "RDATE;VALUE=DATE:20260201,20260202",
            ],
            ["2026-01-05", "2026-01-19", "2026-02-01", "2026-02-02"],
            id="all but one, and others",
        ),
        pytest.param(
            ["UID:1", "DTSTART:20260531T220000Z", "DTEND:20260601T220000Z"], ["2026-06-01"], id="midnight to midnight"
        ),
        pytest.param(
            ["UID:1", "DTSTART;TZID=Europe/Berlin:20260531T120000", "DTEND;TZID=Europe/Berlin:20260603T120000"],
            ["2026-06-01", "2026-06-02"],
            id="whole days between two noons",
        ),
    ],
)
def test_whole_days_of_an_event_are_days_off(tmp_path: Path, lines: list[str], expected: list[str]) -> None:
    assert days_of(tmp_path, calendar(event(*lines))) == expected


def test_cancelled_events_and_meetings_are_no_days_off(tmp_path: Path) -> None:
    text = calendar(
        event("UID:1", "DTSTART;VALUE=DATE:20261225"),
        event("UID:2", "DTSTART;VALUE=DATE:20261226", "STATUS:CANCELLED"),
        event("UID:3", "DTSTART:20261227T100000Z", "DTEND:20261227T110000Z"),
        event("UID:4", "DTSTART:20261228T100000Z"),
    )

    assert days_of(tmp_path, text) == ["2026-12-25"]


def test_one_day_of_a_series_can_be_moved(tmp_path: Path) -> None:
    text = calendar(
        event("UID:1", "DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=WEEKLY;COUNT=3"),
        event("UID:1", "DTSTART;VALUE=DATE:20260114", "RECURRENCE-ID;VALUE=DATE:20260112"),
    )

    assert days_of(tmp_path, text) == ["2026-01-05", "2026-01-14", "2026-01-19"]


def test_a_list_has_one_date_a_line_and_comments(tmp_path: Path) -> None:
    text = "\ufeff# days off\n2026-12-25  # Christmas\n\n2026-01-01\r\n2026-12-25\n"

    assert days_of(tmp_path, text) == ["2026-01-01", "2026-12-25"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("2026-12-25\n25.12.2026\n", "days, line 2: '25.12.2026' is no date. Write one date a line", id="date"),
        pytest.param("2026-12-24 - 2026-12-26\n", "line 1: '2026-12-24 - 2026-12-26' is no date.", id="a range"),
        pytest.param("# nothing\n", "has no date, so there is nothing to leave out.", id="an empty list"),
        pytest.param(calendar(), "has no event that covers a whole day, so", id="an empty calendar"),
        pytest.param("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "days", id="a broken calendar"),
        pytest.param(calendar(event("UID:1", "SUMMARY:Feast")), "'Feast' cannot be read: it has no DTSTART.", id="an event without a start"),
        pytest.param(
            calendar(event("UID:1", "SUMMARY:Feast", "DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=HOURLY;BYHOUR=99")),
            "'Feast' cannot be read: ",
            id="a wrong rule",
        ),
        pytest.param(
            calendar(event("UID:1", "SUMMARY:Feast", "DTSTART;VALUE=DATE:20261345")),
            "'Feast' cannot be read: it",
            id="a wrong start",
        ),
        pytest.param(
            calendar(event("UID:1", "DTSTART;VALUE=DATE:10000101", "DTEND;VALUE=DATE:99990101")),
            "More than 36,600 days off cannot be meant.",
            id="for ever",
        ),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_meant_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        days_of(tmp_path, text)

    assert message in str(caught.value)
    assert str(tmp_path / "days") in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    said = {}
    for name in ("missing", "binary", "."):
        with pytest.raises(InvalidSchedule) as caught:
            read_excluded_days(tmp_path / name, BERLIN, UNTIL)
        said[name] = str(caught.value).replace(str(tmp_path), "folder")

    assert said == {
        "missing": "The days off cannot be read from folder/missing: No such file or directory.",
        "binary": "folder/binary is neither a calendar (.ics) nor a list of dates: it is no text.",
        ".": "The days off cannot be read from folder: Is a directory.",
    }
