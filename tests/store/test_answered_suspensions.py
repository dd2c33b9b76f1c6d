"""Runs that were answered before they were suspended, on both kinds of database."""

from __future__ import annotations

import pytest

from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.events import DeadLetterAdded, RunSuspended
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.states import State
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import spec_of, waiting_run
from tests.store.stored_examples import NOON, later, run_became


def run_in_pool(store: RunStore, deployment: str | None = "daily", version: int | None = 1) -> None:
    """Have a run of a deployment go on that came from the pool "big"."""
    DeploymentStore(store.database).save(spec_of(pool="big", priority=7), notebook=None, actor="ana", at=NOON)
    queue = WorkQueue(store.database)
    queue.add(waiting_run("1", deployment=deployment, deployment_version=version), "big")
    queue.claim("service", ("big",), 1, NOON)
    store.apply([run_became(State.RUNNING, "1")])


def ask(store: RunStore, *keys: str, answered: tuple[str, ...] = ()) -> None:
    inputs = RunInputStore(store.database)
    for key in keys:
        inputs.ask(RunInput(run_id="1", key=key, asked_at=later(2)))
    for seconds, key in enumerate(answered, 3):
        inputs.answer("1", key, None, f"user {key}", later(seconds))


def suspended(actor: str = "", epoch: int = 1) -> RunSuspended:
    return RunSuspended(run_id="1", at=later(9), epoch=epoch, message="waits", actor=actor)


def test_a_run_whose_questions_were_answered_before_it_was_suspended_waits_in_its_pool(store: RunStore) -> None:
    run_in_pool(store)
    ask(store, "a", "b", answered=("b", "a"))
    of_task = DeadLetter(
        run_id="1",
        task_run_id="t",
        epoch=1,
        name="load",
        flow_name="train",
        ended_as=State.FAILED,
        attempts=1,
        message="no rows",
        inputs={},
        created_at=NOON,
    )

    applied = store.apply([DeadLetterAdded(letter=of_task), suspended(), suspended()])

    run = store.get_run("1")
    (place,) = WorkQueue(store.database).waiting()
    (letter,) = DeadLetterStore(store.database).list_letters(state=None)
    last = store.state_changes("1")[-2:]
    assert applied == [True, True, False]
    assert (run.state, run.epoch, run.driver_id, run.pool) == (State.SCHEDULED, 2, None, "big")
    assert (place.run_id, place.pool, place.priority, place.due_at) == ("1", "big", 7, later(9))
    assert [(one.to_state, one.epoch, one.message, one.actor) for one in last] == [
        (State.PAUSED, 1, "waits", "the flow itself"),
        (State.SCHEDULED, 2, "resumed by user a", "user a"),
    ]
    assert letter.state is LetterState.RETRIED


@pytest.mark.parametrize(
    ("deployment", "version", "asked", "answered", "event"),
    [
        ("daily", 1, ("a", "b"), ("a",), suspended()),
        ("daily", 1, (), (), suspended()),
        ("daily", 1, ("a",), ("a",), suspended("user eve")),
        (None, None, ("a",), ("a",), suspended()),
        ("daily", 2, ("a",), ("a",), suspended()),
    ],
    ids=["one open", "none asked", "by somebody else", "no deployment", "no such version"],
)
def test_any_other_run_stays_suspended(
    store: RunStore,
    deployment: str | None,
    version: int | None,
    asked: tuple[str, ...],
    answered: tuple[str, ...],
    event: RunSuspended,
) -> None:
    run_in_pool(store, deployment, version)
    ask(store, *asked, answered=answered)

    applied = store.apply([event])

    run = store.get_run("1")
    assert applied == [True]
    assert (run.state, run.epoch, run.driver_id) == (State.PAUSED, 1, None)
    assert WorkQueue(store.database).waiting() == []


def test_a_suspension_that_comes_late_has_nothing_go_on(store: RunStore) -> None:
    run_in_pool(store)
    ask(store, "a", answered=("a",))
    store.apply([run_became(State.FAILED, "1")])

    assert store.apply([suspended()]) == [False]
    assert store.get_run("1").state is State.FAILED
