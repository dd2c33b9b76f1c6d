"""``orchestra schedule preview``: when schedules are due, as people and scripts read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def preview(*words: str, zone: str = "Europe/Berlin", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestra_nb", "schedule", "preview", *words]
    return subprocess.run(command, cwd=folder, env=os.environ | {"TZ": zone}, capture_output=True, text=True)


def test_next_times_are_shown_with_what_the_clocks_do() -> None:
    shown = preview("--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--after", "2026-03-28", "-n", "3")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == (
        "At 02:30, every day, Europe/Berlin.\n\n"
        "DUE                             INSTANT                    CLOCKS\n"
        "Saturday, 28 March 2026, 02:30  2026-03-28T02:30:00+01:00\n"
        "Sunday, 29 March 2026, 03:00    2026-03-29T03:00:00+02:00  "
        "clocks go forward: 02:30 does not exist, due at 03:00\n"
        "Monday, 30 March 2026, 02:30    2026-03-30T02:30:00+02:00\n"
    )


def test_scripts_get_a_list_of_instants() -> None:
    words = ("--timezone", "Europe/Berlin", "--after", "2026-10-25T01:30", "-n", "4", "--json")

    shown = preview("--cron", "*/30 * * * *", *words)

    assert json.loads(shown.stdout) == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
    ]


def test_the_machine_s_zone_is_taken_and_said() -> None:
    shown = preview("--rrule", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", "--after", "2026-07-01", "-n", "1", zone="Asia/Tokyo")

    assert shown.stdout == (
        "Every Monday at 09:00 Asia/Tokyo.\n"
        "The time zone Asia/Tokyo is this machine's (TZ); --timezone names another.\n\n"
        "DUE                         INSTANT\n"
        "Monday, 6 July 2026, 09:00  2026-07-06T09:00:00+09:00\n"
    )


def test_days_off_and_bounds_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "off.txt").write_text("2026-12-25  # Christmas\n")
    bounds = ("--start", "2026-12-24", "--end", "2026-12-26", "--exclude", "off.txt", "--after", "2026-01-01")

    shown = preview("--every", "1d", "--timezone", "UTC", *bounds, folder=tmp_path)

    assert shown.stdout == (
        "Every day, from 2026-12-24T00:00:00Z, until 2026-12-26T23:59:59Z, but on 1 day off.\n\n"
        "DUE                                INSTANT\n"
        "Thursday, 24 December 2026, 00:00  2026-12-24T00:00:00+00:00\n"
        "Saturday, 26 December 2026, 00:00  2026-12-26T00:00:00+00:00\n\n"
        "Then the schedule ends.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--cron|0 25 * * *", "The hour '25' of the cron expression '0 25 * * *' cannot be read: hours are 0 to 23."),
        ("--cron|0 17-9 * * *", "cannot be read: the range '17-9' runs backwards. Write 17-23,0-9."),
        ("--cron|0 9 * * FRI-MON", "cannot be read: the range 'FRI-MON' runs backwards. Write FRI-SAT,SUN-MON."),
        ("--cron|0 0 1 DEC-MAR *", "cannot be read: the range 'DEC-MAR' runs backwards. Write DEC,JAN-MAR."),
        ("--cron|0 0 30 2 *", "The cron expression '0 0 30 2 *' never falls due: there is no such day."),
        ("--every|0", "An interval is 1 or more whole seconds, not '0'. Write 30s, 15m or 1d."),
        ("--every|1.5s", "An interval is 1 or more whole seconds, not '1.5s'. Write 30s, 15m or 1d."),
        ("--every|soon", "'soon' is no duration. Write a number with a unit"),
        ("--every|99999999999999d", "An interval is 1 second to 50 years"),
        ("--cron|@daily|--timezone|Berlin", "There is no time zone 'Berlin'. Did you mean Europe/Berlin?"),
        ("--cron|@daily|--after|noon", "'noon' cannot be the time after which to look: it is no time."),
        ("--cron|@daily|--after|0001-01-01", "0001-01-01T00:00:00 is too far away: schedules know the years 1900"),
        ("--cron|@daily|--start|9999-12-31", "9999-12-31T00:00:00 is too far away: schedules know the years 1900"),
        ("--cron|@daily|--after|1066-10-14", "is too far away: schedules know the years 1900 to 9899."),
        (
            "--cron|@daily|--end|2026-01-31|--after|2026-02-01|--timezone|UTC",
            "Nothing is due after 2026-02-01T00:00:00+00:00: the schedule has ended.",
        ),
        ("--rrule|FREQ=DAILY;UNTIL=20260101|--after|2026-02-01", "the schedule has ended."),
        ("--cron|@daily|--exclude|nowhere.ics", "The days off cannot be read from nowhere.ics: No such file"),
        ("--cron|@daily|--every|1h", "--cron and --every were given. Give one of --cron, --every and --rrule."),
        ("", "Give one of --cron, --every and --rrule."),
    ],
)
def test_what_cannot_be_meant_is_refused(words: str, message: str) -> None:
    refused = preview(*filter(None, words.split("|")))

    assert (refused.returncode, refused.stdout) == (2, "")
    assert message in refused.stderr


def test_a_machine_without_a_named_zone_asks_for_one() -> None:
    refused = preview("--cron", "@daily", zone="CET-1CEST")

    assert refused.returncode == 2
    assert (
        "TZ says 'CET-1CEST', which is no name of the time-zone database. Give one with --timezone." in refused.stderr
    )


def test_the_help_of_the_shell_loads_nothing_of_schedules() -> None:
    code = (
        "import sys\nfrom orchestra_nb.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'cronsim', 'cron_descriptor', 'dateutil', 'icalendar', 'zoneinfo'} & set(sys.modules)))"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.splitlines()[-1] == "[]"
