"""Where attempts are meant to go."""

from __future__ import annotations

from orchestra_nb.engine.placement import Placement

TWO = {"worker-1": 1, "worker-2": 1}


def test_siblings_of_one_input_go_to_different_workers() -> None:
    placement = Placement()

    placed = [placement.place(key, TWO, ["worker-2"]) for key in "abc"]

    assert placed == ["worker-2", "worker-1", "worker-2"]


def test_attempt_that_ended_makes_room() -> None:
    placement = Placement()
    placement.place("a", TWO, [])
    placement.place("b", TWO, [])

    placement.end("a")
    placement.end("a")

    assert placement.place("c", TWO, ["worker-2"]) == "worker-1"


def test_worker_with_more_slots_takes_more() -> None:
    placement = Placement()
    slots = {"large": 3, "small": 1}

    assert [placement.place(str(n), slots, []) for n in range(4)] == ["large", "large", "large", "small"]


def test_without_workers_nobody_is_named() -> None:
    assert Placement().place("a", {}, ["worker-1"]) is None
