"""Time zones by name, and this machine's own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.time_zones import machine_zone, time_text, zone_here, zone_of


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("europe/berlin", "Did you mean Europe/Berlin"),
        ("Berlin", "Did you mean Europe/Berlin?"),
        ("Europe/Berlni", "Did you mean Europe/Berlin"),
        ("America/NewYork", "Did you mean America/New_York"),
        ("new york", "Did you mean America/New_York?"),
        ("Mars/Olympus", "Write a name of the time-zone database, such as Europe/Berlin, America/New_York or UTC."),
        ("", "Write a name of the time-zone database"),
        ("Europe", "Write a name of the time-zone database"),
        ("/etc/passwd", "Write a name of the time-zone database"),
        ("../../etc/passwd", "Write a name of the time-zone database"),
        ("a\0b", "Write a name of the time-zone database"),
        ("x" * 5000, "Write a name of the time-zone database"),
        ("localtime", "Write a name of the time-zone database"),
        ("zone.tab", "Write a name of the time-zone database"),
    ],
)
def test_a_wrong_zone_is_refused_with_the_nearest_names(name: str, hint: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        zone_of(name)

    assert str(caught.value).startswith(f"There is no time zone {name[:60]!r}"[:-1])
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":America/New_York", "America/New_York"),
        ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        (":/usr/share/zoneinfo/UTC", "UTC"),
    ],
)
def test_the_variable_tz_names_the_machine_s_zone(variable: str, name: str) -> None:
    assert machine_zone({"TZ": variable}) == (name, "TZ")


@pytest.mark.parametrize(
    ("zone", "month", "text"),
    [
        ("Europe/Berlin", 3, "2026-03-01 13:00:00 CET"),
        ("Europe/Berlin", 7, "2026-07-01 14:00:00 CEST"),
        ("America/New_York", 7, "2026-07-01 08:00:00 EDT"),
        ("UTC", 7, "2026-07-01 12:00:00 UTC"),
    ],
)
def test_a_time_is_shown_by_the_clock_of_the_machine_with_its_zone(
    monkeypatch: pytest.MonkeyPatch, zone: str, month: int, text: str
) -> None:
    monkeypatch.setenv("TZ", zone)

    assert (time_text(datetime(2026, month, 1, 12, tzinfo=UTC)), zone_here()) == (text, zone)


@pytest.mark.parametrize("variable", ["CET-1CEST,M3.5.0,M10.5.0/3", "Nowhere", "/etc/passwd"])
def test_a_zone_without_a_name_is_asked_for(variable: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        machine_zone({"TZ": variable})

    assert str(caught.value) == (
        f"TZ says {variable!r}, which is no name of the time-zone database. Give one with --timezone."
    )


def test_without_the_variable_the_system_s_zone_is_taken() -> None:
    name, place = machine_zone({})

    assert zone_of(name).key == name
    assert "/etc/" in place
