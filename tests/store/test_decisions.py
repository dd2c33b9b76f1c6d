"""What people decide, once: answers to runs that ask, and dead letters."""

from __future__ import annotations

import threading

import msgspec
import pytest
from stored_examples import NOON, created, later, run_of, task_became, task_of

from orchestra_nb.errors import Conflict, DeadLetterNotFound, InputNotFound
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.events import DeadLetterAdded, decode_event, encode_event
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.run_store import RunStore

ASKED = RunInput(
    run_id="run", key="approve", asked_at=NOON, schema={"type": "boolean"}, description="Sure?", task_run_id="task"
)
LETTER = DeadLetter(
    run_id="run",
    task_run_id="task",
    epoch=2,
    name="fit",
    flow_name="train",
    ended_as=State.FAILED,
    attempts=3,
    message="no luck",
    error=ErrorInfo(type="ValueError", message="no luck", line=3),
    inputs={"data": "file:///results/abc", "lock": None},
    code="train.py:train",
    created_at=NOON,
)


def test_a_question_is_asked_once_and_finds_its_answer(database: Database) -> None:
    store = RunInputStore(database)

    assert store.ask(ASKED) == ASKED
    assert store.ask(msgspec.structs.replace(ASKED, asked_at=later(5))) == ASKED
    answered = store.answer("run", "approve", True, "ana", later(9))

    assert answered == msgspec.structs.replace(ASKED, value=True, answered_at=later(9), answered_by="ana")
    assert store.ask(ASKED) == answered
    assert store.of_run("run") == [answered]


@pytest.mark.parametrize("value", [None, 0, {"a": float("-inf")}], ids=repr)
def test_an_answer_comes_back_as_it_was_given(database: Database, value: object) -> None:
    store = RunInputStore(database)
    store.ask(ASKED)

    store.answer("run", "approve", value, "ana", NOON)

    found = store.ask(ASKED)
    assert (found.value, found.answered_at) == (value, NOON)


def test_a_question_is_answered_once(database: Database) -> None:
    store = RunInputStore(database)
    store.ask(ASKED)
    store.answer("run", "approve", True, "ana", later(1))

    with pytest.raises(Conflict, match="'approve' was given by ana at 2026-03-01 12:00:01 UTC; it is given once"):
        store.answer("run", "approve", False, "bo", later(2))
    with pytest.raises(InputNotFound, match="Run run does not ask for an input 'other'"):
        store.answer("run", "other", False, "bo", later(2))


def test_a_run_lists_what_it_asks_for_in_order(database: Database) -> None:
    store = RunInputStore(database)
    asked = [RunInput(run_id="run", key=key, asked_at=later(n)) for n, key in enumerate("zab")]
    for question in reversed(asked):
        store.ask(question)

    assert store.of_run("run") == asked
    assert store.of_run("other") == []


def test_a_letter_is_added_with_the_end_of_its_task_and_once(store: RunStore, database: Database) -> None:
    store.apply(created(run_of("run", state=State.RUNNING), task_of("task", state=State.RUNNING)))
    added = DeadLetterAdded(letter=LETTER)

    assert store.apply([task_became(State.FAILED), added, added]) == [True, True, False]
    assert store.apply([added]) == [False]

    letters = DeadLetterStore(database)
    assert letters.list_letters() == [LETTER]
    assert letters.get(LETTER.letter_id) == letters.get("task") == LETTER
    assert decode_event(encode_event(added)) == added


def test_letters_of_a_run_and_of_its_tasks_are_told_apart(store: RunStore, database: Database) -> None:
    of_run = msgspec.structs.replace(LETTER, task_run_id=None, epoch=1)
    later_epoch = msgspec.structs.replace(LETTER, epoch=3)
    store.apply([DeadLetterAdded(letter=letter) for letter in (LETTER, of_run, later_epoch)])

    letters = DeadLetterStore(database)

    assert [letters.get(id_) for id_ in ("run", "task", "task.2")] == [of_run, later_epoch, LETTER]
    assert letters.list_letters(run_id="run") == [later_epoch, of_run, LETTER]
    assert letters.list_letters(limit=1) == [later_epoch]
    with pytest.raises(DeadLetterNotFound, match="No dead letter 'x'. `orchestra dead-letters ls` lists them"):
        letters.get("x")


def test_a_letter_is_decided_about_once(store: RunStore, database: Database) -> None:
    store.apply([DeadLetterAdded(letter=LETTER)])
    letters = DeadLetterStore(database)

    decided = letters.close("task.2", LetterState.DISCARDED, "ana", later(1), "known")

    assert decided == msgspec.structs.replace(
        LETTER, state=LetterState.DISCARDED, closed_at=later(1), closed_by="ana", note="known"
    )
    with pytest.raises(Conflict, match="task.2 was discarded by ana at 2026-03-01 12:00:01 UTC. Each is decided about"):
        letters.close("task.2", LetterState.RETRIED, "bo", later(2))
    with pytest.raises(DeadLetterNotFound):
        letters.close("other", LetterState.RETRIED, "bo", later(2))
    assert letters.list_letters() == []
    assert letters.list_letters(state=LetterState.DISCARDED) == letters.list_letters(state=None) == [decided]


def test_of_many_who_decide_at_once_one_succeeds(store: RunStore, database: Database) -> None:
    store.apply([DeadLetterAdded(letter=LETTER)])
    letters = DeadLetterStore(database)
    winners: list[str] = []
    losers: list[str] = []

    def decide(actor: str) -> None:
        try:
            letters.close("task.2", LetterState.RETRIED, actor, later(1))
        except Conflict:
            losers.append(actor)
        else:
            winners.append(actor)

    deciders = [threading.Thread(target=decide, args=(f"user {number}",)) for number in range(8)]
    for decider in deciders:
        decider.start()
    for decider in deciders:
        decider.join()

    assert (len(winners), len(losers)) == (1, 7)
    assert letters.get("task.2").closed_by == winners[0]
