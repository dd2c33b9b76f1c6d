"""The book of tasks gives back what it was told, also of what it keeps packed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import cast

import msgspec
import pytest

from orchestra_nb.engine.executors import Executor
from orchestra_nb.engine.task_book import TaskBook
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo, TaskRun
from orchestra_nb.model.states import State

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
INDIA = timezone(timedelta(hours=5, minutes=30))
HERE, THERE = cast("Executor", "here"), cast("Executor", "there")
DONE = TaskRun(
    task_run_id="0123456789abcdef",
    run_id="run",
    name="load-0",
    state=State.COMPLETED,
    created_at=NOW,
    attempt=1,
    started_at=NOW + timedelta(microseconds=1),
    ended_at=NOW + timedelta(days=3),
    worker="worker-1",
)
OUTCOME = Outcome(state=State.COMPLETED, started_at=NOW, ended_at=NOW)


def change(record: TaskRun, **fields: object) -> TaskRun:
    return msgspec.structs.replace(record, **fields)


def ended(*records: TaskRun, keeps_outcome: bool = False, executor: Executor = HERE) -> TaskBook:
    """Return a book with tasks that have ended and left values."""
    book = TaskBook()
    for record in records:
        book.add(record)
        book.set_outcome(record.task_run_id, OUTCOME)
        book.hold(record.task_run_id, f"{record.task_run_id}:1", executor)
        book.end(record.task_run_id, keeps_outcome=keeps_outcome)
    return book


@pytest.mark.parametrize(
    "record",
    [
        DONE,
        change(DONE, epoch=2, attempt=3, max_attempts=4, message="m", upstream=("a", "b"), tags={"k": "v"}),
        change(DONE, name="größe \udc80 🦉", cell_id="c", worker=None, is_cached=True),
        change(DONE, created_at=datetime(1969, 1, 1, tzinfo=UTC)),
        change(DONE, created_at=NOW.astimezone(INDIA)),
        change(DONE, started_at=None),
        change(DONE, state=State.FAILED, error=ErrorInfo(type="ValueError", message="oh")),
    ],
    ids=["plain", "all of it", "strange name", "before 1970", "another zone", "never began", "failed"],
)
def test_the_record_of_an_ended_task_comes_back_as_it_was(record: TaskRun) -> None:
    book = ended(record)

    found = book[record.task_run_id]

    assert found == record
    assert found.created_at.utcoffset() == record.created_at.utcoffset()
    assert book.has_ended(record.task_run_id)
    assert book.holder(record.task_run_id) == (f"{record.task_run_id}:1", HERE)


def test_records_come_in_the_order_of_submission_whatever_has_ended() -> None:
    records = [change(DONE, task_run_id=f"t{number}", run_id=f"run{number % 2}") for number in range(6)]
    book = TaskBook()
    for record in records:
        book.add(change(record, state=State.RUNNING, ended_at=None))
    for record in reversed(records[2:]):
        book.change(record)
        book.end(record.task_run_id, keeps_outcome=False)

    assert [record.task_run_id for record in book.records_of("run0")] == ["t0", "t2", "t4"]
    assert [record.task_run_id for record in book.open_records()] == ["t0", "t1"]
    assert [record.task_run_id for record in book.open_records("run1")] == ["t1"]


def test_a_task_that_is_forgotten_meanwhile_is_left_out() -> None:
    book = ended(*(change(DONE, task_run_id=name) for name in "abc"))

    records = book._records_of("run")
    first = next(records)
    book.forget("b")

    assert [record.task_run_id for record in (first, *records)] == ["a", "c"]


def test_neighbours_that_differ_keep_their_differences() -> None:
    records = [
        change(DONE, task_run_id="a", worker="worker-1"),
        change(DONE, task_run_id="b", worker="worker-2"),
        change(DONE, task_run_id="c", worker="worker-1", run_id="other"),
        change(DONE, task_run_id="d", worker="worker-1", run_id="other", tags={"k": "v"}),
    ]

    book = ended(*records)

    assert [book[record.task_run_id] for record in records] == records


def test_the_outcome_is_kept_where_somebody_may_ask_for_it() -> None:
    failed = change(DONE, state=State.FAILED)

    assert ended(DONE, keeps_outcome=True).outcome(DONE.task_run_id) == OUTCOME
    assert ended(failed).outcome(failed.task_run_id) == OUTCOME
    assert ended(DONE).outcome(DONE.task_run_id) is None


def test_values_that_were_taken_are_nobodys() -> None:
    book = ended(DONE)

    taken = book.take_holder(DONE.task_run_id)

    assert taken == (f"{DONE.task_run_id}:1", HERE)
    assert book.holder(DONE.task_run_id) is book.take_holder(DONE.task_run_id) is None
    assert book[DONE.task_run_id] == DONE
    assert book.has_ended(DONE.task_run_id)


def test_executors_that_have_values_are_known() -> None:
    book = ended(*(change(DONE, task_run_id=name) for name in "abc"))
    book.add(change(DONE, task_run_id="d"))
    book.hold("d", "d:2", THERE)

    assert book.held_by(HERE) == ["a", "b", "c"]
    assert book.held_by(THERE) == ["d"]
    assert book.holders() == {id(HERE), id(THERE)}


def test_a_task_that_was_forgotten_has_ended() -> None:
    book = ended(DONE)

    book.forget(DONE.task_run_id)

    assert DONE.task_run_id not in book
    assert book.get(DONE.task_run_id) is None
    assert book.has_ended(DONE.task_run_id)
    assert not book.hold(DONE.task_run_id, "key", HERE)
    with pytest.raises(KeyError):
        book[DONE.task_run_id]


def test_a_completed_task_takes_a_fraction_of_its_record() -> None:
    book = ended(DONE, change(DONE, task_run_id="b"))

    first, second = (book._tasks[task_run_id] for task_run_id in (DONE.task_run_id, "b"))

    assert first.shared is second.shared  # type: ignore[union-attr]
    assert sys.getsizeof(first) + sys.getsizeof(first.data) < 120  # type: ignore[union-attr]
