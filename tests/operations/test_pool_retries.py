"""Runs of deployments that are run again where their deployment has them run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from orchestra_nb.errors import CodeNotFound
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.events import DeadLetterAdded, RunSuspended
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.states import State
from orchestra_nb.operations.dead_letter_decisions import list_dead_letters
from orchestra_nb.operations.pool_retries import retry_in_pool, retry_letter_in_pool
from orchestra_nb.operations.run_resumption import resume_run
from orchestra_nb.operations.shell_reruns import resume_from_shell, retry_from_shell, retry_letter_from_shell
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import spec_of, waiting_run
from tests.store.stored_examples import NOON, run_became


@pytest.fixture
def store(sqlite_url: str) -> Iterator[RunStore]:
    """A store with a run of a deployment that failed."""
    database = open_database(sqlite_url)
    store = RunStore(database)
    DeploymentStore(database).save(spec_of(), notebook=None, actor="ana", at=NOON)
    queue = WorkQueue(database)
    queue.add(waiting_run("1", deployment_version=1))
    queue.claim("service", ("default",), 1, NOON)
    store.apply([run_became(State.RUNNING, "1"), run_became(State.FAILED, "1")])
    yield store
    database.close()


def letter_of(**fields: object) -> DeadLetter:
    known = {"run_id": "1", "epoch": 1, "name": "train", "flow_name": "train", "ended_as": State.FAILED, "attempts": 1}
    return DeadLetter(**known, message="no rows", inputs={}, created_at=NOON, **fields)  # type: ignore[arg-type]


def execute(store: RunStore, statement: str) -> None:
    with store.database.write() as connection:
        connection.execute(text(statement))


def test_a_dead_letter_stays_open_where_its_run_could_not_be_put_into_its_pool(store: RunStore) -> None:
    store.apply([DeadLetterAdded(letter=letter_of())])
    execute(store, "CREATE TRIGGER full BEFORE INSERT ON queued_runs BEGIN SELECT RAISE(ABORT, 'no room'); END")

    with pytest.raises(IntegrityError, match="no room"):
        retry_letter_in_pool(store, "1", actor="ana", now=NOON, note="mended")

    assert store.get_run("1").state is State.FAILED
    assert [letter.state for letter in list_dead_letters(store, state=None)] == [LetterState.OPEN]
    execute(store, "DROP TRIGGER full")
    waiting = retry_letter_in_pool(store, "1", actor="ana", now=NOON, note="mended")
    assert waiting is not None
    assert (waiting.state, waiting.epoch) == (State.SCHEDULED, 2)
    (letter,) = list_dead_letters(store, state=None)
    assert (letter.state, letter.closed_by, letter.note) == (LetterState.RETRIED, "ana", "mended")


def test_a_run_that_is_retried_leaves_no_letter_of_its_tasks_open(store: RunStore) -> None:
    letters = [letter_of(task_run_id=f"t{number}") for number in range(120)]  # more than a page of them
    store.apply([DeadLetterAdded(letter=letter) for letter in letters])

    retry_in_pool(store, "1", actor="ana", now=NOON)

    assert list_dead_letters(store) == []


def suspend(store: RunStore, epoch: int) -> None:
    store.apply([run_became(State.RUNNING, "1", epoch=epoch)])
    suspended = RunSuspended(run_id="1", at=NOON, epoch=epoch, until=NOON, message="waits")
    assert store.apply([suspended]) == [True]


def test_from_a_shell_a_run_of_a_deployment_waits_in_its_pool_and_runs_there_only_when_asked_to(
    store: RunStore,
) -> None:
    store.apply([DeadLetterAdded(letter=letter_of())])
    known = {"actor": "ana", "now": NOON}

    for call in (retry_from_shell, retry_letter_from_shell):  # nothing is recorded of what it executed
        with pytest.raises(CodeNotFound):
            call(store, "1", is_here=True, **known)  # type: ignore[arg-type]
    retried = retry_letter_from_shell(store, "1", is_here=False, **known)  # type: ignore[arg-type]
    WorkQueue(store.database).claim("service", ("default",), 1, NOON)
    suspend(store, 2)
    with pytest.raises(CodeNotFound):
        resume_from_shell(store, "1", is_here=True, **known)  # type: ignore[arg-type]
    resumed = resume_from_shell(store, "1", is_here=False, **known)  # type: ignore[arg-type]

    assert [(one.place, one.run.state, one.run.epoch) for one in (retried, resumed)] == [
        ("pool", State.SCHEDULED, 2),
        ("pool", State.SCHEDULED, 3),
    ]


def test_a_run_that_is_suspended_just_when_it_is_resumed_goes_on(store: RunStore) -> None:
    retry_in_pool(store, "1", actor="ana", now=NOON)
    WorkQueue(store.database).claim("service", ("default",), 1, NOON)
    store.apply([run_became(State.RUNNING, "1", epoch=2)])
    RunInputStore(store.database).ask(RunInput(run_id="1", key="go", asked_at=NOON))
    leaving = RunSuspended(run_id="1", at=NOON, epoch=2, actor="")

    def leave() -> None:
        store.apply([leaving])

    with store.database.beginning_with(leave):
        resumed = resume_run(store, "1", actor="ana", now=NOON)

    assert (resumed.state, resumed.epoch) == (State.SCHEDULED, 3)
    assert [run.run_id for run in WorkQueue(store.database).waiting()] == ["1"]
