"""Answers to calls with a key: each is done once, however often and from wherever it comes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import text
from stored_examples import NOON, created, run_of

from orchestra_nb.errors import Conflict
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.kept_answers import KeptAnswer, KeptAnswers
from orchestra_nb.store.run_store import RunStore

DAY = timedelta(hours=24)


class Maker:
    """Makes a run each time that it is called, and answers its id."""

    def __init__(self, database: Database) -> None:
        self.store = RunStore(database)
        self.calls = 0

    def __call__(self) -> KeptAnswer:
        self.calls += 1
        run_id = f"run-{len(self.store.list_runs()) + 1}"
        assert self.store.apply(created(run_of(run_id))) == [True]
        # what was written is seen before it is committed
        return KeptAnswer(fingerprint="make", status=201, body=self.store.get_run(run_id).run_id.encode())


def test_a_call_with_a_key_is_done_once_for_each_caller_and_day(database: Database) -> None:
    answers, make = KeptAnswers(database), Maker(database)
    calls = [("ana", "k", NOON), ("ana", "k", NOON + DAY / 2), ("ben", "k", NOON), ("ana", "k", NOON + DAY)]

    given = [answers.answer(caller, key, make, at) for caller, key, at in calls]

    assert [(one.body, one.status, one.is_repeated) for one in given] == [
        (b"run-1", 201, False),
        (b"run-1", 201, True),
        (b"run-2", 201, False),
        (b"run-3", 201, False),
    ]
    assert make.calls == len(RunStore(database).list_runs()) == 3
    with database.connect() as connection:
        kept = [str(value) for row in connection.execute(text("SELECT * FROM kept_answers")) for value in row]
    assert len(kept) == 2 * 7
    assert not {"k"} & set(kept)
    assert not any("run-" in value for value in kept)


def test_where_a_call_fails_nothing_of_it_is_kept_and_it_may_be_tried_again(database: Database) -> None:
    answers, make = KeptAnswers(database), Maker(database)

    def fail_late() -> KeptAnswer:
        make()
        raise Conflict("not so")

    with pytest.raises(Conflict):
        answers.answer("ana", "k", fail_late, NOON)

    assert RunStore(database).list_runs() == []
    assert answers.answer("ana", "k", make, NOON).body == b"run-1"


def test_of_two_calls_at_once_the_second_waits_for_the_first(any_store_url: str) -> None:
    has_begun, may_end = threading.Event(), threading.Event()
    with closing(open_database(any_store_url)) as one, closing(open_database(any_store_url)) as other:
        makes = [Maker(one), Maker(other)]

        def make_slowly() -> KeptAnswer:
            done = makes[0]()
            has_begun.set()
            assert may_end.wait(60)
            return done

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(KeptAnswers(one).answer, "ana", "k", make_slowly, NOON)
            assert has_begun.wait(60)
            second = threads.submit(KeptAnswers(other).answer, "ana", "k", makes[1], NOON)
            seen_meanwhile = RunStore(other).list_runs()
            may_end.set()
            bodies = [first.result().body, second.result().body]

        assert (seen_meanwhile, bodies) == ([], [b"run-1", b"run-1"])
        assert [make.calls for make in makes] == [1, 0]


def test_of_what_is_written_together_a_part_that_raises_is_undone_alone(database: Database) -> None:
    with database.together():
        with database.write() as connection:
            connection.execute(text("INSERT INTO store_facts (name, value) VALUES ('kept', '')"))
        with pytest.raises(ZeroDivisionError), database.write() as connection:
            connection.execute(text("DELETE FROM store_facts"))
            raise ZeroDivisionError
        with database.connect() as connection:
            inside = connection.execute(text("SELECT name FROM store_facts ORDER BY name")).scalars().all()

    with database.connect() as connection:
        after = connection.execute(text("SELECT name FROM store_facts ORDER BY name")).scalars().all()
    assert inside == after == ["kept", "orchestra_version"]
