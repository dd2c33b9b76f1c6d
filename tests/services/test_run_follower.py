"""What follows the runs of deployments: retries, another try, dead letters, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from orchestra_nb.model.dead_letters import LetterState
from orchestra_nb.model.deployments import RETRY_ACTOR, deployed_run
from orchestra_nb.model.events import RunCreated, RunReopened, RunStateChanged
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.operations.deployment_run import may_follow
from orchestra_nb.operations.run_state_setting import set_run_state
from orchestra_nb.services.run_follower import RunFollower
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.service_tables import deployment_versions
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import spec_of, waiting_run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = f"{7:032x}"


@pytest.fixture
def database(any_store_url: str) -> Iterator[Database]:
    database = open_database(any_store_url)
    yield database
    database.close()


class Deployed:
    """A store with one deployment and one run of it."""

    def __init__(self, database: Database, policy: RetryPolicy) -> None:
        self.store = RunStore(database)
        self.queue = WorkQueue(database)
        self.letters = DeadLetterStore(database)
        self.follower = RunFollower(self.store)
        self.follower.step(NOON)
        PoolStore(database).create(WorkPool(name="gpu"), NOON)
        spec = spec_of(retry=policy, pool="gpu", priority=4)
        saved = DeploymentStore(database).save(spec, notebook="{}", actor="ana", at=NOON)
        self.queue.add(deployed_run(spec, saved.version, run_id=RUN, now=NOON, due_at=NOON, cluster="local"), "gpu", 4)

    def end(self, *states: State, follow: bool = True, pool: str = "gpu") -> None:
        """Have the run claimed and end so."""
        (run,) = self.queue.claim("service", (pool,), 1, NOON + timedelta(days=1))
        events = [
            RunStateChanged(run_id=RUN, state=state, at=NOON, epoch=run.epoch, message=f"{state.value.lower()} here")
            for state in states
        ]
        assert all(self.store.apply(events))
        if follow:
            self.follower.step(NOON)

    def where(self) -> tuple[State, int]:
        run = self.store.get_run(RUN)
        return run.state, run.epoch

    def letter_states(self) -> list[LetterState]:
        return [letter.state for letter in self.letters.list_letters(state=None)]


def test_a_run_that_fails_waits_for_its_retry_and_is_a_dead_letter_when_none_is_left(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=2, delays_seconds=(10.0, 60.0)))

    deployed.end(State.RUNNING, State.FAILED)

    assert deployed.where() == (State.SCHEDULED, 2)
    (queued,) = deployed.queue.waiting()
    assert (queued.pool, queued.priority, queued.due_at) == ("gpu", 4, NOON + timedelta(seconds=10))
    last = deployed.store.state_changes(RUN)[-1]
    assert (last.actor, last.message) == (RETRY_ACTOR, "retry 1 of 2: failed here")

    deployed.end(State.RUNNING, State.TIMED_OUT)
    assert deployed.queue.waiting()[0].due_at == NOON + timedelta(seconds=60)
    assert deployed.letter_states() == []

    deployed.end(State.RUNNING, State.FAILED)
    assert deployed.where() == (State.FAILED, 3)
    (letter,) = deployed.letters.list_letters()
    assert (letter.run_id, letter.epoch, letter.attempts, letter.message) == (RUN, 3, 3, "failed here")


def test_a_run_that_was_moved_to_another_pool_is_tried_again_there(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=1))
    PoolStore(database).create(WorkPool(name="box"), NOON)
    assert deployed.queue.move("daily", "box") == 1

    deployed.end(State.RUNNING, State.FAILED, pool="box")

    (queued,) = deployed.queue.waiting()
    assert (deployed.where(), queued.pool) == ((State.SCHEDULED, 2), "box")


def test_a_later_success_with_the_same_parameters_resolves_a_dead_letter(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy())
    deployed.end(State.RUNNING, State.FAILED)
    spec = DeploymentStore(database).version("daily", 1).spec
    letters = []

    def completes(number: int, hours: int, **parameters: object) -> None:
        at = NOON + timedelta(hours=hours)
        run = deployed_run(spec, 1, run_id=f"{number:032x}", now=at, due_at=at, cluster="local", parameters=parameters)
        deployed.store.apply([RunCreated(run=run)])
        states = (State.PENDING, State.RUNNING, State.COMPLETED)
        deployed.store.apply([RunStateChanged(run_id=run.run_id, state=state, at=at) for state in states])
        deployed.follower.step(at)
        letters.append(deployed.letter_states())

    completes(8, -1)
    completes(9, 1, region="US")
    completes(10, 1)

    assert letters == [[LetterState.OPEN], [LetterState.OPEN], [LetterState.RESOLVED]]
    (letter,) = deployed.letters.list_letters(state=None)
    name = deployed.store.get_run(f"{10:032x}").name
    assert (letter.closed_by, letter.note) == (RETRY_ACTOR, f"a later run completed: {name}")


def test_a_run_that_cannot_be_followed_holds_up_no_other(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=1))
    store = DeploymentStore(database)
    other = store.save(spec_of("strange"), notebook="{}", actor="ana", at=NOON)
    strange = deployed_run(other.spec, other.version, run_id=f"{1:032x}", now=NOON, due_at=NOON, cluster="local")
    deployed.store.apply([RunCreated(run=strange)])
    of_other = deployment_versions.c.deployment == "strange"
    with database.write() as connection:  # as a later version may write it
        connection.execute(update(deployment_versions).where(of_other).values(spec={"on_conflict": "unheard-of"}))
    deployed.store.apply([RunStateChanged(run_id=strange.run_id, state=State.FAILED, at=NOON)])

    deployed.end(State.RUNNING, State.FAILED)

    assert deployed.where() == (State.SCHEDULED, 2)


def test_a_lost_process_costs_no_retry_and_one_that_never_began_costs_nothing(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=1, infrastructure_retries=1))

    deployed.end(State.CRASHED)
    deployed.end(State.RUNNING, State.CRASHED)
    deployed.end(State.RUNNING, State.FAILED)
    assert deployed.where() == (State.SCHEDULED, 4)
    deployed.end(State.RUNNING, State.CRASHED)

    assert deployed.where() == (State.CRASHED, 4)
    assert deployed.letter_states() == [LetterState.OPEN]


def test_a_run_that_is_lost_again_waits_for_longer_each_time(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(infrastructure_retries=1))
    pauses = []

    for _ in range(4):
        deployed.end(State.CRASHED)
        (queued,) = deployed.queue.waiting()
        pauses.append((queued.due_at - NOON).total_seconds())

    assert pauses[0] == 0
    assert [least <= pause <= 1.3 * least for pause, least in zip(pauses[1:], (5, 10, 20), strict=True)] == [True] * 3
    assert deployed.store.state_changes(RUN)[-1].message == (
        "run again, since its process was lost 4 times, after a pause"
    )


def test_a_run_that_is_lost_again_and_again_before_it_begins_does_not_go_on_for_ever(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(infrastructure_retries=0))

    for _ in range(4):
        deployed.end(State.CRASHED)

    assert deployed.where() == (State.CRASHED, 4)


@pytest.mark.parametrize("ends", [(State.RUNNING, State.COMPLETED), (State.CANCELLED,), (State.SKIPPED,)])
def test_nothing_follows_what_is_no_failure(database: Database, ends: tuple[State, ...]) -> None:
    deployed = Deployed(database, RetryPolicy(retries=2))

    deployed.end(*ends)

    assert deployed.where() == (ends[-1], 1)
    assert deployed.letter_states() == []


def test_a_run_that_somebody_opens_again_has_all_its_retries(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=1))
    for _ in range(2):
        deployed.end(State.RUNNING, State.FAILED)
    by_hand = RunReopened(run_id=RUN, at=NOON, epoch=3, driver_id=None, actor="ana", message="")
    assert deployed.queue.add_again(by_hand, NOON, "gpu")

    deployed.end(State.RUNNING, State.FAILED)

    assert deployed.where() == (State.SCHEDULED, 4)


def test_a_state_that_somebody_sets_while_what_follows_is_decided_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = Deployed(database, RetryPolicy(retries=1))
    add_again = WorkQueue.add_again

    def set_before(queue: WorkQueue, *arguments: Any) -> bool:
        set_run_state(deployed.store, RUN, "FAILED", actor="ana", now=NOON)
        return add_again(queue, *arguments)

    monkeypatch.setattr(WorkQueue, "add_again", set_before)
    deployed.end(State.RUNNING, State.CRASHED)

    assert deployed.where() == (State.FAILED, 1)
    assert deployed.queue.waiting() == []


def test_cells_that_somebody_wanted_anew_run_anew_also_after_their_process_was_lost(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=1))
    deployed.end(State.RUNNING, State.COMPLETED)
    resumed = RunReopened(run_id=RUN, at=NOON, epoch=2, driver_id=None, actor="ana", message="", fresh_from_index=3)
    assert deployed.queue.add_again(resumed, NOON, "gpu")

    deployed.end(State.RUNNING, State.CRASHED)

    assert deployed.where() == (State.SCHEDULED, 3)
    assert deployed.store.get_run(RUN).fresh_from_index == 3


def test_an_end_while_no_service_was_up_is_followed_later_and_only_once(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=1))
    deployed.end(State.RUNNING, State.FAILED, follow=False)

    for _ in range(2):
        RunFollower(deployed.store).step(NOON)

    assert deployed.where() == (State.SCHEDULED, 2)
    assert len(deployed.queue.waiting()) == 1


def test_a_run_of_a_deployment_that_was_deleted_is_not_run_again(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=2))
    DeploymentStore(database).delete("daily")

    deployed.end(State.RUNNING, State.FAILED)

    assert deployed.where() == (State.FAILED, 1)
    assert deployed.letter_states() == [LetterState.OPEN]


def test_runs_of_no_deployment_are_left_alone(database: Database) -> None:
    store = RunStore(database)
    follower = RunFollower(store)
    follower.step(NOON)
    WorkQueue(database).add(waiting_run(RUN, deployment=None))
    store.apply([RunStateChanged(run_id=RUN, state=State.FAILED, at=NOON)])

    follower.step(NOON)

    assert store.get_run(RUN).epoch == 1


@pytest.mark.parametrize(
    ("ends", "wanted"),
    [
        pytest.param([State.COMPLETED], ["CRASHED"], id="completed-crashed"),
        pytest.param([State.COMPLETED], ["FAILED"], id="completed-failed"),
        pytest.param([State.COMPLETED], ["FAILED", "CRASHED"], id="completed-failed-crashed"),
    ],
)
def test_nothing_is_run_again_after_an_end_that_somebody_set(
    database: Database, ends: list[State], wanted: list[str]
) -> None:
    deployed = Deployed(database, RetryPolicy(retries=3, infrastructure_retries=3))
    deployed.end(State.RUNNING, *ends)

    for state in wanted:
        set_run_state(deployed.store, RUN, state, actor="user ana", now=NOON)
        deployed.follower.step(NOON)

    run = deployed.store.get_run(RUN)
    assert (run.state, run.epoch, deployed.queue.waiting()) == (State(wanted[-1]), 1, [])
    assert not may_follow(deployed.store, run)
    (letter,) = deployed.letters.list_letters()
    assert (letter.run_id, letter.attempts) == (RUN, 1)


def test_a_failure_that_follows_an_end_that_somebody_set_counts_without_it(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy(retries=0, infrastructure_retries=1))
    deployed.end(State.RUNNING, State.FAILED)
    set_run_state(deployed.store, RUN, "CRASHED", actor="user ana", now=NOON)
    deployed.follower.step(NOON)
    assert deployed.where() == (State.CRASHED, 1)

    again = RunReopened(run_id=RUN, at=NOON, epoch=2, driver_id=None, actor="ana", message="")
    assert deployed.queue.add_again(again, NOON, "gpu", 4, ())
    deployed.end(State.RUNNING, State.CRASHED)

    assert deployed.where() == (State.SCHEDULED, 3)


def test_the_dead_letter_of_a_run_is_open_again_when_it_has_failed_after_all(database: Database) -> None:
    deployed = Deployed(database, RetryPolicy())
    deployed.end(State.RUNNING, State.FAILED)
    states = []

    for state in ("COMPLETED", "CRASHED"):
        set_run_state(deployed.store, RUN, state, actor="user ana", now=NOON)
        states.append(deployed.letter_states())

    assert states == [[LetterState.RESOLVED], [LetterState.OPEN]]
    (letter,) = deployed.letters.list_letters()
    assert (letter.ended_as, letter.message) == (State.CRASHED, "set to CRASHED by user ana")
    assert (letter.closed_at, letter.closed_by, letter.note) == (None, None, "")
