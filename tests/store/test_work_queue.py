"""Runs that wait: who takes them, in which order, and what a deployment's limit does to them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from orchestra_nb.model.events import RunReopened, RunStateChanged
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import occurrence_run, spec_of, waiting_run
from tests.store.stored_examples import NOON, created, later, reopened, task_of

POOLS = ("default",)


@pytest.fixture
def queue(database: Database) -> WorkQueue:
    return WorkQueue(database)


def claim(queue: WorkQueue, room: int = 10, at: datetime = NOON, driver_id: str = "service") -> list[str]:
    return [run.run_id for run in queue.claim(driver_id, POOLS, room, at)]


def end(store: RunStore, run_id: str, state: State = State.COMPLETED) -> None:
    events = [RunStateChanged(run_id=run_id, state=one, at=NOON) for one in (State.RUNNING, state)]
    assert store.apply(events) == [True, True]


def test_a_run_is_claimed_once_when_it_is_due(store: RunStore, queue: WorkQueue) -> None:
    assert queue.add(waiting_run("1", due_at=later(5)))

    assert (queue.next_look(POOLS, NOON), claim(queue)) == (later(5), [])
    assert claim(queue, at=later(5)) == ["1"]
    assert claim(queue, at=later(5), driver_id="other") == []

    run = store.get_run("1")
    assert (run.state, run.driver_id) == (State.PENDING, "service")
    assert [(change.from_state, change.to_state) for change in store.state_changes("1")] == [
        (None, State.SCHEDULED),
        (State.SCHEDULED, State.PENDING),
    ]


def test_those_of_higher_priority_go_first_and_else_those_due_first(queue: WorkQueue) -> None:
    for run_id, priority, seconds in (("1", 0, 3), ("2", 0, 1), ("3", 5, 4), ("4", 5, 2)):
        queue.add(waiting_run(run_id, due_at=later(seconds)), priority=priority)

    assert [claim(queue, 1, later(9)) for _ in range(4)] == [["4"], ["3"], ["2"], ["1"]]


def test_only_the_pools_that_are_served_and_there_are_looked_at(store: RunStore, queue: WorkQueue) -> None:
    queue.add(waiting_run("1"), pool="gpu")

    assert claim(queue) == []
    assert queue.claim("service", ("default", "gpu"), 1, NOON) == []  # there is no such pool
    PoolStore(store.database).create(WorkPool(name="gpu"), NOON)
    assert [run.run_id for run in queue.claim("service", ("default", "gpu"), 1, NOON)] == ["1"]


def test_a_deployment_at_its_limit_waits_and_holds_up_no_other(store: RunStore, queue: WorkQueue) -> None:
    DeploymentStore(store.database).save(spec_of(concurrency=2), notebook=None, actor="ana", at=NOON)
    for number in range(20):
        queue.add(waiting_run(f"a{number:02}"), priority=9)
    queue.add(waiting_run("b", deployment=None))

    assert sorted(claim(queue, 3)) == ["a00", "a01", "b"]
    assert claim(queue) == []
    end(store, "a00")
    assert claim(queue) == ["a02"]


def test_a_run_that_is_due_is_skipped_where_its_deployment_says_so(store: RunStore, queue: WorkQueue) -> None:
    spec = spec_of(concurrency=1, on_conflict="skip")
    DeploymentStore(store.database).save(spec, notebook=None, actor="ana", at=NOON)
    for run_id in ("1", "2"):
        queue.add(waiting_run(run_id))
    queue.add(waiting_run("3", due_at=later(60)))

    assert claim(queue) == ["1"]

    skipped = store.get_run("2")
    assert (skipped.state, skipped.message) == (State.SKIPPED, "Skipped: 1 run of deployment daily went on, and 1 may")
    assert store.get_run("3").state is State.SCHEDULED
    assert [run.run_id for run in queue.waiting()] == ["3"]


def test_the_oldest_run_is_asked_once_to_stop_where_its_deployment_says_so(store: RunStore, queue: WorkQueue) -> None:
    spec = spec_of(concurrency=2, on_conflict="cancel-running")
    DeploymentStore(store.database).save(spec, notebook=None, actor="ana", at=NOON)
    for run_id in ("1", "2", "3"):
        queue.add(waiting_run(run_id))

    assert claim(queue) == ["1", "2"]
    assert claim(queue) == []

    assert [(one.run_id, one.actor) for one in store.cancel_requests("service")] == [
        ("1", "a newer run of its deployment")
    ]
    end(store, "1", State.CANCELLED)
    assert claim(queue) == ["3"]


def test_a_run_of_which_one_task_was_to_stop_is_asked_nevertheless(store: RunStore, queue: WorkQueue) -> None:
    spec = spec_of(concurrency=1, on_conflict="cancel-running")
    DeploymentStore(store.database).save(spec, notebook=None, actor="ana", at=NOON)
    queue.add(waiting_run("1"))
    claim(queue)
    store.apply(created(task_of("t", "1")))
    store.request_cancel("1", "t", "ana", NOON)
    queue.add(waiting_run("2"))

    claim(queue)

    assert [one.task_run_id for one in store.cancel_requests("service")] == ["t", None]


def test_a_run_that_runs_again_here_can_be_cancelled_again(store: RunStore, queue: WorkQueue) -> None:
    queue.add(waiting_run("1"))
    claim(queue)
    assert store.request_cancel("1", None, "ana", NOON)
    (first,) = store.cancel_requests("service")
    end(store, "1", State.CANCELLED)
    queue.add_again(reopened("1", 2, driver_id=None), NOON)
    claim(queue)

    assert store.cancel_requests("service") == []
    assert store.request_cancel("1", None, "ben", NOON)

    (again,) = store.cancel_requests("service", first.sequence)
    assert again.actor == "ben"


def test_a_run_that_is_given_back_after_a_cancel_was_asked_for_ends(store: RunStore, queue: WorkQueue) -> None:
    for run_id in ("1", "2"):
        queue.add(waiting_run(run_id))
    unwanted, wanted = queue.claim("service", POOLS, 2, NOON)
    assert store.request_cancel("1", None, "ana", NOON)

    assert [queue.give_back(run, "default", "It ended.", later(1)) for run in (unwanted, wanted)] == [True, True]

    ended = store.get_run("1")
    assert (ended.state, ended.message) == (State.CANCELLED, "Cancelled by ana before it began")
    assert claim(queue, at=later(2), driver_id="other") == ["2"]


def test_a_run_that_was_cancelled_while_it_waited_never_starts(store: RunStore, queue: WorkQueue) -> None:
    queue.add(waiting_run("1"))

    assert queue.cancel("1", "ana", NOON)
    assert not queue.cancel("1", "ben", NOON)

    assert claim(queue) == []
    run = store.get_run("1")
    assert (run.state, run.message) == (State.CANCELLED, "Cancelled by ana before it started")


def test_a_row_whose_run_has_ended_otherwise_is_dropped(store: RunStore, queue: WorkQueue) -> None:
    queue.add(waiting_run("1"))
    store.apply([RunStateChanged(run_id="1", state=State.CANCELLED, at=NOON)])

    assert claim(queue) == []
    assert queue.next_look(POOLS, later(-9)) is None


def test_a_run_that_ended_waits_again_in_a_new_epoch(store: RunStore, queue: WorkQueue) -> None:
    queue.add(waiting_run("1"))
    claim(queue)
    end(store, "1", State.FAILED)
    again = RunReopened(run_id="1", at=NOON, epoch=2, driver_id=None, actor="retry policy", message="retry 1 of 2")

    assert queue.add_again(again, later(5))
    assert not queue.add_again(again, later(5))

    run = store.get_run("1")
    assert (run.state, run.epoch, run.driver_id, run.due_at) == (State.SCHEDULED, 2, None, NOON)
    assert (claim(queue), claim(queue, at=later(5))) == ([], ["1"])
    assert store.get_run("1").epoch == 2


def test_an_occurrence_has_one_run(queue: WorkQueue) -> None:
    assert queue.add(occurrence_run("1", NOON))
    assert not queue.add(occurrence_run("2", NOON))
    assert queue.add(occurrence_run("3", later(60)))
    assert queue.add(waiting_run("4"))
    assert queue.add(waiting_run("5"))


def test_of_many_who_claim_at_once_each_run_goes_to_one(
    any_store_url: str, database: Database, store: RunStore, queue: WorkQueue
) -> None:
    DeploymentStore(database).save(spec_of(concurrency=7), notebook=None, actor="ana", at=NOON)
    for number in range(40):
        queue.add(waiting_run(f"a{number:02}", deployment="daily" if number % 2 else None))

    def claim_all(service: int) -> list[str]:
        own = open_database(any_store_url)
        try:
            return [run_id for _ in range(20) for run_id in claim(WorkQueue(own), 3, driver_id=str(service))]
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        claimed = Counter(run_id for some in pool.map(claim_all, range(4)) for run_id in some)

    assert set(claimed.values()) == {1}
    assert len(claimed) == 20 + 7


def test_runs_of_occurrences_are_added_once_each(store: RunStore, queue: WorkQueue) -> None:
    assert queue.add_all([occurrence_run(str(n), later(n)) for n in range(3)], priority=-10) == [True] * 3

    assert queue.add_all([occurrence_run(f"again-{n}", later(n)) for n in range(2, 4)]) == [False, True]
    assert [(run.run_id, run.priority) for run in queue.waiting()] == [
        ("0", -10),
        ("1", -10),
        ("2", -10),
        ("again-3", 0),
    ]


def test_a_missed_run_waits_again_only_for_whom_it_is_wanted_late(store: RunStore, queue: WorkQueue) -> None:
    store.apply(created(occurrence_run("1", NOON, state=State.MISSED), waiting_run("2")))

    refused = queue.add_all_again([reopened("1", 2, driver_id=None)])
    opened = queue.add_all_again(
        [reopened(run_id, 2, driver_id=None, takes_missed=True) for run_id in ("1", "2")], priority=-10
    )
    twice = queue.add_all_again([reopened("1", 2, driver_id=None, takes_missed=True)])

    assert (refused, opened, twice) == (0, 1, 0)
    assert [(run.run_id, run.due_at, run.priority) for run in queue.waiting()] == [("1", NOON, -10)]
    run = store.get_run("1")
    assert (run.state, run.epoch, run.driver_id) == (State.SCHEDULED, 2, None)
    assert store.state_changes("1")[-1].actor == "ana"


def test_all_that_wait_are_cancelled_and_no_other(store: RunStore, queue: WorkQueue) -> None:
    for run_id in ("1", "2", "3"):
        queue.add(waiting_run(run_id))
    claim(queue, 1)

    assert queue.cancel_all(["1", "2", "3", "4"], "ana", later(1)) == 2
    assert [store.get_run(run_id).state for run_id in ("1", "2", "3")] == [
        State.PENDING,
        State.CANCELLED,
        State.CANCELLED,
    ]
    assert queue.waiting() == []


def test_of_many_who_add_the_same_occurrences_each_is_added_once(any_store_url: str, queue: WorkQueue) -> None:
    def add(who: int) -> int:
        own = open_database(any_store_url)
        try:
            runs = [occurrence_run(f"{who}-{number}", later(number)) for number in range(50)]
            return sum(sum(WorkQueue(own).add_all([run])) for run in runs)
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(add, range(4)))

    assert sum(added) == len(queue.waiting()) == 50
