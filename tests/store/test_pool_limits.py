"""Pools, tags and named limits: how many runs each lets go on, and that what is full holds up nothing else."""

from __future__ import annotations

import pytest

from orchestra_nb.errors import Conflict, NameTaken, PoolNotFound
from orchestra_nb.model.events import RunReopened, RunStateChanged
from orchestra_nb.model.limits import ConcurrencyLimit
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import DaskPlace, WorkPool
from orchestra_nb.store.database import Database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.slot_store import SlotStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import spec_of, waiting_run
from tests.store.stored_examples import NOON

POOLS = ("default", "gpu")


class Queue:
    """A queue with the pools default and gpu."""

    def __init__(self, database: Database) -> None:
        self.store = RunStore(database)
        self.queue = WorkQueue(database)
        self.pools = PoolStore(database)
        self.slots = SlotStore(database)
        self.pools.create(WorkPool(name="gpu", concurrency=1), NOON)

    def add(
        self,
        *run_ids: str,
        pool: str = "default",
        limits: tuple[str, ...] = (),
        deployment: str = "daily",
        **tags: str,
    ) -> None:
        for run_id in run_ids:
            assert self.queue.add(waiting_run(run_id, deployment, tags=tags, pool=pool), pool, 0, limits)

    def claim(self, room: int = 10) -> list[str]:
        return [run.run_id for run in self.queue.claim("service", POOLS, room, NOON)]

    def end(self, run_id: str, state: State = State.COMPLETED, epoch: int = 1) -> None:
        changes = [RunStateChanged(run_id=run_id, state=one, at=NOON, epoch=epoch) for one in (State.RUNNING, state)]
        assert self.store.apply(changes) == [True, True]


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


def test_a_full_or_paused_pool_holds_up_its_own_runs_alone(queue: Queue) -> None:
    queue.add("1", "2", pool="gpu")
    queue.add("3")

    assert queue.claim() == ["1", "3"]
    assert queue.claim() == []
    queue.pools.save(WorkPool(name="gpu", is_paused=True), NOON)
    queue.end("1")
    assert queue.claim() == []
    queue.pools.save(WorkPool(name="gpu"), NOON)
    assert queue.claim() == ["2"]


def test_runs_that_carry_a_tag_go_on_as_many_at_a_time_as_its_limit_says(queue: Queue) -> None:
    queue.slots.create_limit(ConcurrencyLimit(name="tag:team=ml", limit=1), NOON)
    queue.add("1", "2", team="ml")
    queue.add("3", team="web")

    assert queue.claim() == ["1", "3"]
    (state,) = queue.slots.limits(NOON)
    assert [held.run_id for held in state.held] == ["1"]
    queue.end("1", State.FAILED)
    assert queue.claim() == ["2"]


def test_a_tag_without_a_value_is_that_of_any_value(queue: Queue) -> None:
    queue.slots.create_limit(ConcurrencyLimit(name="tag:gpu", limit=2), NOON)
    for run_id, gpu in (("1", "a100"), ("2", ""), ("3", "h100")):
        queue.add(run_id, gpu=gpu)

    assert queue.claim() == ["1", "2"]


def test_a_named_limit_is_shared_with_code_and_free_as_soon_as_its_run_rests(queue: Queue) -> None:
    queue.slots.create_limit(ConcurrencyLimit(name="db", limit=2), NOON)
    queue.slots.acquire(["db"], 1, "code", NOON, 60)
    queue.add("1", "2", limits=("db",))

    assert queue.claim() == ["1"]
    queue.end("1", State.FAILED)
    reopened = RunReopened(run_id="1", at=NOON, epoch=2, driver_id=None, actor="ana", message="")
    assert queue.queue.add_again(reopened, NOON, limits=("db",))
    assert queue.slots.limits(NOON)[0].occupied == 1  # it waits, and holds nothing
    assert queue.claim(1) == ["1"]
    queue.end("1", epoch=2)
    assert queue.claim() == ["2"]
    queue.slots.release("code")
    assert [held.run_id for held in queue.slots.limits(NOON)[0].held] == ["2"]


def test_a_run_that_is_run_again_without_a_limit_holds_no_slot_of_it(queue: Queue) -> None:
    queue.slots.create_limit(ConcurrencyLimit(name="db", limit=1), NOON)
    queue.add("1", "2", limits=("db",))
    assert queue.claim() == ["1"]
    queue.end("1", State.FAILED)
    reopened = RunReopened(run_id="1", at=NOON, epoch=2, driver_id=None, actor="ana", message="")
    assert queue.queue.add_again(reopened, NOON, priority=1)

    assert [queue.claim(1), queue.claim(1)] == [["1"], ["2"]]
    assert [held.run_id for state in queue.slots.limits(NOON) for held in state.held] == ["2"]


def test_a_run_that_moves_to_another_pool_counts_there_and_goes_on_as_that_says(queue: Queue) -> None:
    queue.add("1", "2", "3")
    queue.add("4", deployment="other")

    assert queue.queue.move("daily", "gpu") == 3

    assert queue.queue.claim("service", ("gpu",), 10, NOON)[0].pool == "gpu"
    assert queue.claim() == ["4"]  # the pool gpu has room for one
    assert queue.pools.counts(NOON)["gpu"].running == 1


def test_a_limit_that_is_off_or_gone_lets_all_in_and_one_of_no_slots_nobody(queue: Queue) -> None:
    queue.slots.create_limit(ConcurrencyLimit(name="db", limit=0), NOON)
    queue.add("1", "2", limits=("db",))

    assert queue.claim() == []
    queue.slots.update_limit("db", NOON, is_active=False)
    assert queue.claim(1) == ["1"]
    queue.slots.delete_limit("db")
    assert queue.claim() == ["2"]


def test_many_runs_that_cannot_start_hold_up_none_behind_them(queue: Queue) -> None:
    queue.slots.create_limit(ConcurrencyLimit(name="tag:team", limit=0), NOON)
    deployments = DeploymentStore(queue.store.database)
    deployments.save(spec_of(concurrency=1), notebook=None, actor="ana", at=NOON)
    many = [waiting_run(f"a{number:03}", tags={"team": str(number)}) for number in range(300)]
    full = [waiting_run(f"b{number:03}") for number in range(300)]
    queue.queue.add_all([*many, *full], priority=5)
    queue.add("c", "d", "e")
    for run_id in ("c", "d", "e"):
        assert queue.queue.places([run_id])[run_id].priority == 0
    queue.queue.add(waiting_run("f", deployment=None))

    assert queue.claim(2) == ["b000", "f"]


def test_a_pool_is_kept_as_it_was_said_and_is_known_by_its_name(queue: Queue) -> None:
    pool = WorkPool(
        name="slurm",
        place=DaskPlace(cluster="dask_jobqueue.SLURMCluster", arguments={"cores": 4}, maximum=3),
        description="Nights",
        concurrency=2,
    )
    queue.pools.create(pool, NOON)

    assert queue.pools.get("slurm") == pool
    assert [one.name for one in queue.pools.list_pools()] == ["default", "gpu", "slurm"]
    with pytest.raises(NameTaken, match="There is a pool 'slurm' already"):
        queue.pools.create(pool, NOON)
    with pytest.raises(PoolNotFound, match="There is no pool 'x'; there is default, gpu, slurm. `orchestra pools"):
        queue.pools.serve("service", ["default", "x"], "here", 1)


def test_a_pool_that_deployments_name_is_deleted_by_force_alone_and_its_runs_wait_then(queue: Queue) -> None:
    deployments = DeploymentStore(queue.store.database)
    deployments.save(spec_of(pool="gpu"), notebook=None, actor="ana", at=NOON)
    queue.add("1", pool="gpu")

    with pytest.raises(Conflict, match="that of deployment daily"):
        queue.pools.delete("gpu", is_forced=False)
    with pytest.raises(Conflict, match="cannot be deleted"):
        queue.pools.delete("default", is_forced=True)
    queue.pools.delete("gpu", is_forced=True)
    assert queue.claim() == []
    queue.pools.create(WorkPool(name="gpu"), NOON)
    assert queue.claim() == ["1"]
