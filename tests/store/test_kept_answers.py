"""Answers to calls with a key: each is done once, however often and from wherever it comes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from stored_examples import NOON, created, run_of

from orchestra_nb.errors import CallInProgress, CallInterrupted, Conflict
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.kept_answers import RESERVED, KeptAnswer, KeptAnswers
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.service_tables import kept_answers

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

    given = [answers.answer(caller, key, "make", make, at) for caller, key, at in calls]

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
        answers.answer("ana", "k", "make", fail_late, NOON)

    assert RunStore(database).list_runs() == []
    assert answers.answer("ana", "k", "make", make, NOON).body == b"run-1"


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
            first = threads.submit(KeptAnswers(one).answer, "ana", "k", "make", make_slowly, NOON)
            assert has_begun.wait(60)
            second = threads.submit(KeptAnswers(other).answer, "ana", "k", "make", makes[1], NOON)
            seen_meanwhile = RunStore(other).list_runs()
            may_end.set()
            bodies = [first.result().body, second.result().body]

        assert (seen_meanwhile, bodies) == ([], [b"run-1", b"run-1"])
        assert [make.calls for make in makes] == [1, 0]


class TestLongCalls:
    """A call that takes its time reserves its key: nobody who writes something else waits for it."""

    def test_meanwhile_others_write_and_the_same_call_hears_that_it_is_being_answered(self, any_store_url: str) -> None:
        has_begun, may_end = threading.Event(), threading.Event()
        with closing(open_database(any_store_url)) as one, closing(open_database(any_store_url)) as other:
            make, noted = Maker(one), []

            def make_slowly() -> KeptAnswer:
                has_begun.set()
                assert may_end.wait(60)
                return make()

            def ask(database: Database, fingerprint: str = "make") -> KeptAnswer:
                kept = KeptAnswers(database)
                return kept.answer_slowly("ana", "k", fingerprint, make_slowly, noted.append, datetime.now(UTC))

            with ThreadPoolExecutor(1) as threads:
                first = threads.submit(ask, one)
                assert has_begun.wait(60)
                RunStore(other).apply(created(run_of("other")))
                with pytest.raises(CallInProgress):
                    ask(other)
                for_something_else = ask(other, "something else")
                may_end.set()
                done = first.result()
            again = ask(other)

            assert (done.body, again.body, again.is_repeated) == (b"run-2", b"run-2", True)
            assert for_something_else.fingerprint == "make"
            assert (make.calls, noted) == (1, [done])

    def test_a_key_is_renewed_while_its_call_goes_on(self, database: Database) -> None:
        reserved = timedelta(seconds=0.3)
        answers = KeptAnswers(database, reserved=reserved)
        begun = datetime.now(UTC)

        def wait_until_renewed() -> KeptAnswer:
            until = time.monotonic() + 60
            while _reserved_at(database) < begun + 3 * reserved and time.monotonic() < until:
                with pytest.raises(CallInProgress):
                    answers.answer("ana", "k", "make", make, _reserved_at(database))
            return make()

        make = Maker(database)
        done = answers.answer_slowly("ana", "k", "make", wait_until_renewed, lambda _: None, begun)

        assert (done.body, make.calls) == (b"run-1", 1)

    @pytest.mark.parametrize("has_changed", [False, True])
    def test_where_the_process_dies_it_is_done_again_unless_something_was_changed(
        self, any_store_url: str, has_changed: bool
    ) -> None:
        code = f"""
import os
from datetime import UTC, datetime
from orchestra_nb.store.database import open_database
from orchestra_nb.store.kept_answers import KeptAnswers

database = open_database({any_store_url!r})

def die():
    with database.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM store_facts").all()
    if {has_changed}:
        with database.write() as connection:
            connection.exec_driver_sql("INSERT INTO store_facts (name, value) VALUES ('changed', '')")
    os._exit(3)

KeptAnswers(database).answer_slowly("ana", "k", "make", die, print, datetime.now(UTC))
"""
        assert subprocess.run([sys.executable, "-c", code]).returncode == 3
        with closing(open_database(any_store_url)) as database:
            make, answers = Maker(database), KeptAnswers(database)

            def ask(later: timedelta) -> KeptAnswer:
                return answers.answer_slowly("ana", "k", "make", make, lambda _: None, datetime.now(UTC) + later)

            with pytest.raises(CallInProgress):
                ask(timedelta(0))
            if has_changed:
                with pytest.raises(CallInterrupted):
                    ask(RESERVED)
                with pytest.raises(CallInterrupted):
                    answers.answer("ana", "k", "make", make, datetime.now(UTC) + RESERVED)
            else:
                assert ask(RESERVED).body == b"run-1"
            assert make.calls == (not has_changed)

    @pytest.mark.parametrize("has_changed", [False, True])
    def test_where_it_fails_the_key_is_free_again_unless_something_was_changed(
        self, database: Database, has_changed: bool
    ) -> None:
        answers, make = KeptAnswers(database), Maker(database)

        def fail() -> KeptAnswer:
            if has_changed:
                make()
            raise Conflict("not so")

        def ask(do: Callable[[], KeptAnswer]) -> KeptAnswer:
            return answers.answer_slowly("ana", "k", "make", do, lambda _: None, datetime.now(UTC))

        with pytest.raises(Conflict, match="not so"):
            ask(fail)

        if has_changed:
            with pytest.raises(CallInterrupted):
                ask(make)
        else:
            assert ask(make).body == b"run-1"
        assert [run.run_id for run in make.store.list_runs()] == ["run-1"]

    def test_what_is_done_with_the_answer_is_one_transaction_with_keeping_it(self, database: Database) -> None:
        answers = KeptAnswers(database)

        def fail(_: KeptAnswer) -> None:
            with database.write() as connection:
                connection.execute(text("INSERT INTO store_facts (name, value) VALUES ('noted', '')"))
            raise Conflict("no trail")

        with pytest.raises(Conflict, match="no trail"):
            answers.answer_slowly("ana", "k", "make", Maker(database), fail, datetime.now(UTC))

        with database.connect() as connection:
            facts = connection.execute(text("SELECT name FROM store_facts")).scalars().all()
        assert facts == ["orchestra_version"]
        with pytest.raises(CallInterrupted):  # it was done, and not twice
            answers.answer("ana", "k", "make", Maker(database), datetime.now(UTC) + 2 * RESERVED)


def _reserved_at(database: Database) -> datetime:
    with database.connect() as connection:
        return connection.execute(select(kept_answers.c.at)).scalar_one()


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


def test_each_transaction_of_a_block_begins_with_what_is_asked_for_and_fails_with_it(database: Database) -> None:
    seen: list[list[str]] = []

    def look() -> None:
        with database.connect() as connection:
            seen.append(connection.execute(text("SELECT name FROM store_facts ORDER BY name")).scalars().all())
        if len(seen) == 3:
            raise Conflict("enough")

    def add(name: str) -> None:
        with database.write() as connection:
            connection.execute(text(f"INSERT INTO store_facts (name, value) VALUES ('{name}', '')"))

    add("0")
    with pytest.raises(Conflict, match="enough"), database.beginning_with(look):
        add("1")
        with database.together():
            add("2")
            add("3")
        add("4")
    add("5")

    first = ["0", "orchestra_version"]
    assert seen == [first, ["0", "1", *first[1:]], ["0", "1", "2", "3", *first[1:]]]
    with database.connect() as connection:
        kept = connection.execute(text("SELECT name FROM store_facts ORDER BY name")).scalars().all()
    assert kept == ["0", "1", "2", "3", "5", "orchestra_version"]
