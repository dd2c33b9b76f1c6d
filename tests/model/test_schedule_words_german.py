"""Schedules in German: whole sentences, and no English word in any of them."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.clock_changes import clock_note
from orchestra_nb.model.cron import parse_cron
from orchestra_nb.model.schedule_sentences import schedule_sentence
from orchestra_nb.model.schedules import (
    AnySchedule,
    CronSchedule,
    IntervalSchedule,
    RecurrenceSchedule,
    occurrences_after,
)

BERLIN = ZoneInfo("Europe/Berlin")
#: What the English sentences consist of.
_ENGLISH = re.compile(
    r"\b(at|on|only|every|day|days|month|hour|hours|minute|minutes|past|the|of|between|through|and|or|first|last|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|January|February|March|May|June|July|October|December)\b"
)


def cron(expression: str) -> CronSchedule:
    return CronSchedule(expression=expression, timezone="Europe/Berlin")


def rule(text: str) -> RecurrenceSchedule:
    return RecurrenceSchedule(rule=text, timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (cron("0 9 * * 1-5"), "um 09:00, Montag bis Freitag, Europe/Berlin"),
        (cron("@daily"), "um 00:00, täglich, Europe/Berlin"),
        (cron("7 * * * *"), "bei Minute 7, täglich, Europe/Berlin"),
        (cron("0,30 9,10 * * *"), "bei Minute 0 und 30, in den Stunden ab 09:00 und 10:00, täglich, Europe/Berlin"),
        (cron("0 9 1,15 * *"), "um 09:00, am 1. und 15. Tag des Monats, Europe/Berlin"),
        (cron("0 9 1 3 5"), "um 09:00, am 1. Tag des Monats, oder am Freitag, nur im März, Europe/Berlin"),
        (cron("0 9 */2 * 1"), "um 09:00, jeden 2. Tag ab dem 1. des Monats, nur am Montag, Europe/Berlin"),
        (cron("0 9 1-5 * *"), "um 09:00, zwischen Tag 1 und 5 des Monats, Europe/Berlin"),
        (cron("0 9 * * 1,3,5"), "um 09:00, nur am Montag, Mittwoch und Freitag, Europe/Berlin"),
        (cron("0 9 * * FRI#2"), "um 09:00, am zweiten Freitag des Monats, Europe/Berlin"),
        (IntervalSchedule(every_seconds=60), "jede Minute"),
        (IntervalSchedule(every_seconds=172_800), "alle 2 Tage, gezählt ab Mitternacht UTC am 1. Januar 1970"),
        (
            IntervalSchedule(every_seconds=7200, excluded_days=(date(2026, 1, 1), date(2026, 1, 6))),
            "alle 2 Stunden, außer an 2 freien Tagen",
        ),
        (
            IntervalSchedule(every_seconds=3600, start_at=datetime(2026, 1, 1, tzinfo=UTC), timezone="UTC"),
            "jede Stunde, ab 2026-01-01T01:00:00+01:00",
        ),
        (rule("FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=9"), "jeden Montag und Mittwoch um 09:00 Europe/Berlin"),
        (rule("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9"), "von Montag bis Freitag um 09:00 Europe/Berlin"),
        (rule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"), "alle 2 Wochen am Montag um 00:00 Europe/Berlin"),
        (rule("FREQ=MONTHLY;BYDAY=-1FR"), "jeden Monat am letzten Freitag um 00:00 Europe/Berlin"),
        (rule("FREQ=MONTHLY;BYMONTHDAY=1,-1"), "jeden Monat am 1. und letzten Tag um 00:00 Europe/Berlin"),
        (
            rule("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13"),
            "jeden Monat am Freitag, falls es der 13. ist, um 00:00 Europe/Berlin",
        ),
        (rule("FREQ=YEARLY"), "jedes Jahr am 1. Januar um 00:00 Europe/Berlin"),
        (
            rule("FREQ=YEARLY;BYMONTH=3,5;BYDAY=1MO"),
            "jedes Jahr am ersten Montag des Monats im März und Mai um 00:00 Europe/Berlin",
        ),
        (rule("FREQ=HOURLY;BYMINUTE=0,30"), "jede Stunde in Minute 0 und 30, Europe/Berlin"),
        (
            rule("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1;COUNT=5"),
            "jeden Monat von Montag bis Freitag um 00:00 Europe/Berlin, davon der letzte und erste Termin, 5-mal",
        ),
        (
            rule("FREQ=DAILY;BYHOUR=1,2,3,4,5,6,7,8"),
            "jeden Tag zu 8 Zeiten von 01:00 bis 08:00 Europe/Berlin",
        ),
    ],
)
def test_a_schedule_is_a_german_sentence_for_germans(schedule: AnySchedule, words: str) -> None:
    assert schedule_sentence(schedule, BERLIN, "de-DE") == words


def _fields() -> st.SearchStrategy[str]:
    def field(low: int, high: int) -> st.SearchStrategy[str]:
        number = st.integers(low, high)
        span = st.tuples(number, number).filter(lambda two: two[0] < two[1]).map(lambda two: f"{two[0]}-{two[1]}")
        return st.one_of(
            st.just("*"),
            number.map(str),
            span,
            st.lists(number, min_size=2, max_size=4, unique=True).map(lambda all_: ",".join(map(str, sorted(all_)))),
            st.integers(2, max(2, high // 2)).map(lambda step: f"*/{step}"),
        )

    return st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)).map(" ".join)


@given(_fields())
def test_no_cron_expression_has_an_english_word_in_german(expression: str) -> None:
    try:
        parse_cron(expression)
    except InvalidSchedule:
        return

    words = schedule_sentence(cron(expression), BERLIN, "de").replace("Europe/Berlin", "")

    assert _ENGLISH.findall(words) == [], words


def test_changes_of_the_clock_are_told_in_german() -> None:
    def notes(schedule: AnySchedule, after: str) -> list[str]:
        begin = datetime.fromisoformat(after).astimezone(UTC)
        found = [begin, *itertools.islice(occurrences_after(schedule, BERLIN, begin), 2)]
        return [clock_note(schedule, BERLIN, one, before, "de") for before, one in itertools.pairwise(found)]

    forward, back = "2026-03-29T00:59:59+01:00", "2026-10-25T01:59:59+02:00"
    assert notes(cron("30 2 * * *"), forward) == ["Uhren gehen vor: 02:30 gibt es nicht, fällig um 03:00", ""]
    assert notes(cron("*/5 2 * * *"), forward) == ["Uhren gehen vor: 02:00 bis 02:55 gibt es nicht", ""]
    assert notes(cron("30 2 * * *"), back) == ["Uhren gehen zurück: das zweite 02:30 entfällt", ""]
    assert notes(cron("0 * * * *"), back) == [
        "Uhren gehen zurück: das erste 02:00",
        "Uhren gehen zurück: das zweite 02:00",
    ]
    daily = IntervalSchedule(every_seconds=86_400, timezone="Europe/Berlin")
    assert notes(daily, forward) == ["", "die Uhren sind um 1 h vorgestellt"]
