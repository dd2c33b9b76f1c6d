"""What is said of tasks that wait: as it stands where few are left, and seldom where there are many."""

from __future__ import annotations

import pytest

from orchestra_nb.engine.waiting_tasks import LEAST_PAUSE_SECONDS, WaitingTasks, words_of_waiting


def _names(count: int) -> list[str]:
    return [f"square-{number}" for number in range(count)]


def _waiting(count: int, at: float = 0.0) -> WaitingTasks:
    waiting = WaitingTasks()
    waiting.add("total", _names(count), (), at)
    return waiting


def _words(waiting: WaitingTasks) -> str:
    return waiting.words("total", str)


def test_each_end_is_told_at_once_where_no_more_are_left_than_are_named() -> None:
    waiting = _waiting(3)

    told = [(waiting.end(name, 0.0), _words(waiting)) for name in _names(3)]

    assert told == [
        (["total"], "waits for square-1, square-2"),
        (["total"], "waits for square-2"),
        (["total"], ""),
    ]
    assert waiting.next_at is None


def test_ends_of_many_are_told_together_after_a_pause() -> None:
    waiting = _waiting(100)

    at_once = [waiting.end(name, 0.25) for name in _names(20)]

    assert at_once == [[]] * 20
    assert waiting.next_at == LEAST_PAUSE_SECONDS
    assert waiting.take_due(0.75) == []
    assert waiting.take_due(LEAST_PAUSE_SECONDS) == ["total"]
    assert _words(waiting) == "waits for square-20, square-21, square-22, square-23, square-24 and 75 more"
    assert waiting.next_at is None


def test_what_has_been_silent_for_long_is_told_with_the_next_end() -> None:
    waiting = _waiting(100)

    waiting.end("square-0", 50.0)

    assert waiting.take_due(50.0) == ["total"]


def test_what_was_told_at_once_is_not_told_again_after_its_pause() -> None:
    waiting = _waiting(7)

    told = [waiting.end(name, 0.5) for name in _names(2)]

    assert told == [[], ["total"]]
    assert waiting.take_due(LEAST_PAUSE_SECONDS) == []


@pytest.mark.parametrize("ends", ["forgotten", "ended"])
def test_what_waits_no_more_is_not_told_after_its_pause(ends: str) -> None:
    waiting = _waiting(7)
    waiting.end("square-0", 0.5)

    if ends == "forgotten":
        waiting.forget("total")
    else:
        for name in _names(7)[1:]:
            waiting.end(name, 0.5)

    assert waiting.take_due(LEAST_PAUSE_SECONDS) == []
    assert waiting.end("square-6", 2.0) == []


def test_36_000_ends_in_an_hour_are_told_of_two_hundred_times_at_most() -> None:
    waiting = _waiting(36_000)
    told = 0

    for number, name in enumerate(_names(36_000)):
        told += len(waiting.end(name, number / 10)) + len(waiting.take_due(number / 10))

    assert told <= 200


def test_each_of_those_that_wait_has_its_own_pause() -> None:
    waiting = WaitingTasks()
    waiting.add("early", _names(100), (), 0.0)
    waiting.add("late", _names(100), (), 0.5)

    waiting.end("square-0", 0.75)

    assert waiting.take_due(1.0) == ["early"]
    assert waiting.next_at == 1.5
    assert waiting.take_due(1.5) == ["late"]


def test_an_earlier_run_is_known_by_its_id_whatever_its_name() -> None:
    assert words_of_waiting(["a", "b"], {"a": "step", "b": "step"}.__getitem__, ("a",)) == (
        "waits for its earlier run, step"
    )
