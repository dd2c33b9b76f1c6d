"""Which calls share a chunk, and how many chunks are on their way."""

from __future__ import annotations

import pytest

from orchestra_nb.engine.call_queue import CHUNKS_PER_SLOT, MOST_BYTES, MOST_CALLS, CallQueue, chunk_length


def queue_of(number: int, *, seconds: float | None = None, size_bytes: int = 100) -> CallQueue:
    queue = CallQueue()
    for index in range(number):
        queue.add("f", str(index), size_bytes)
    if seconds is not None:
        queue.learn("f", [seconds])
    return queue


@pytest.mark.parametrize(
    ("seconds", "pending", "slots", "length"),
    [
        (None, 1000, 2, 1),
        (0.001, 1000, 2, 100),
        (0.03, 1000, 2, 3),
        (0.051, 1000, 2, 2),
        (10.0, 1000, 2, 1),
        (0.0, 100_000, 2, MOST_CALLS),
        (0.005, 10, 2, 5),
        (0.005, 3, 2, 2),
        (0.0001, 20, 2, 20),
        (0.001, 1, 8, 1),
    ],
    ids=[
        "not measured",
        "short",
        "not so short",
        "half of a chunk",
        "long",
        "no time at all",
        "few are shared out",
        "a chunk is worth its cost",
        "too short to be shared out",
        "one",
    ],
)
def test_a_chunk_holds_so_many_calls(seconds: float | None, pending: int, slots: int, length: int) -> None:
    assert chunk_length(seconds, pending, slots) == length


def test_the_first_calls_go_one_by_one_for_each_slot() -> None:
    queue = queue_of(10)

    assert list(queue.take(3)) == [("f", ["0"]), ("f", ["1"]), ("f", ["2"])]
    assert list(queue.take(3)) == []


def test_what_was_measured_makes_the_next_chunks() -> None:
    queue = queue_of(1000)
    list(queue.take(2))
    queue.learn("f", [0.001])
    queue.end_chunk("f")

    chunks = list(queue.take(2))

    assert [len(keys) for _, keys in chunks] == [100] * (CHUNKS_PER_SLOT * 2 - 1)
    assert chunks[0][1][:2] == ["2", "3"]


def test_a_chunk_that_ends_makes_room_for_one() -> None:
    queue = queue_of(1000, seconds=0.001)
    list(queue.take(2))

    queue.end_chunk("f")

    assert [len(keys) for _, keys in queue.take(2)] == [100]


def test_every_call_goes_once() -> None:
    queue = queue_of(1000, seconds=0.0003)
    taken: list[str] = []
    while len(queue):
        for family, keys in list(queue.take(2)):
            taken += keys
            queue.end_chunk(family)

    assert taken == [str(index) for index in range(1000)]


def test_calls_of_different_families_do_not_share_a_chunk() -> None:
    queue = queue_of(4, seconds=0.001)
    queue.add("g", "other", 100)

    assert list(queue.take(1)) == [("f", ["0", "1", "2", "3"]), ("g", ["other"])]


def test_large_arguments_make_small_chunks() -> None:
    queue = queue_of(3, seconds=0.001, size_bytes=MOST_BYTES // 2 + 1)

    assert [keys for _, keys in queue.take(2)] == [["0"], ["1"], ["2"]]


def test_a_call_with_too_large_arguments_goes_alone() -> None:
    queue = queue_of(2, seconds=0.001, size_bytes=MOST_BYTES * 3)

    assert [keys for _, keys in queue.take(2)] == [["0"], ["1"]]


def test_what_comes_back_goes_before_all_others() -> None:
    queue = queue_of(4, seconds=0.03)

    queue.add("f", "back", 100, is_returned=True)

    assert next(iter(queue.take(1)))[1] == ["back", "0", "1"]


def test_a_call_let_go_is_not_sent() -> None:
    queue = queue_of(3, seconds=0.001)

    assert (queue.discard("1"), queue.discard("1"), "1" in queue) == (True, False, False)
    assert [keys for _, keys in queue.take(1)] == [["0", "2"]]


def test_calls_that_turn_out_shorter_count_more_than_longer_ones() -> None:
    shorter, longer = queue_of(1000, seconds=0.01), queue_of(1000, seconds=0.01)

    shorter.learn("f", [0.001])
    longer.learn("f", [0.019])

    lengths = [len(next(iter(queue.take(2)))[1]) for queue in (shorter, longer)]
    assert lengths == [36, 7]  # for 2.8 ms and 14.5 ms
