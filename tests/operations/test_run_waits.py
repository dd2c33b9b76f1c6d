"""Whoever looks at a run that waits is told what it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.events import DriverEnded, DriverStarted, RunCreated, RunStateChanged
from orchestra_nb.model.limits import ConcurrencyLimit
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.stream_views import StreamView
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.operations.run_changes import changes_since, last_sequence
from orchestra_nb.operations.run_views import run_summaries
from orchestra_nb.operations.run_waits import why_waiting
from orchestra_nb.services.driver_guard import describe_this_process
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.slot_store import SlotStore
from orchestra_nb.store.work_queue import WorkQueue
from orchestra_nb.time_zones import time_text
from tests.store.deployment_examples import spec_of, waiting_run

NOW = datetime.now(UTC)


@pytest.fixture
def store(any_store_url: str) -> Iterator[RunStore]:
    database = open_database(any_store_url)
    yield RunStore(database)
    database.close()


def reason(store: RunStore, run_id: str) -> str | None:
    return why_waiting(store, [store.get_run(run_id)], NOW).get(run_id)


def test_a_run_says_what_it_waits_for_until_it_is_started(store: RunStore) -> None:
    queue, service, pools = WorkQueue(store.database), describe_this_process("service", 60.0), PoolStore(store.database)
    DeploymentStore(store.database).save(spec_of(concurrency=1), notebook=None, actor="ana", at=NOW)
    for run_id, seconds in (("1", 0), ("2", 0), ("3", 60)):
        queue.add(waiting_run(run_id, due_at=NOW + timedelta(seconds=seconds)), pool="gpu")

    assert reason(store, "1") == "waits for the pool gpu, which is not there: `orchestra pools create gpu` makes it"
    pools.create(WorkPool(name="gpu"), NOW)
    assert reason(store, "1") == "waits for a service, and none is up: `orchestra worker --pool gpu` starts one"
    store.apply([DriverStarted(driver=service)])
    nobody = "waits for somebody who serves the pool gpu, and nobody does: `orchestra worker --pool gpu` does"
    assert reason(store, "1") == nobody
    pools.serve(service.driver_id, ["gpu"], "here", 4)
    assert reason(store, "1") == "waits to be started by whoever serves the pool gpu, as soon as there is room"
    queue.claim(service.driver_id, ("gpu",), 5, NOW)
    assert reason(store, "1") is None
    assert reason(store, "2") == "waits for its turn: 1 run of daily goes on, and 1 may"
    assert reason(store, "3") == f"waits for its time, {time_text(NOW + timedelta(seconds=60))}"
    (summary,) = run_summaries(store, [store.get_run("2")])
    assert summary.message == reason(store, "2")
    pools.save(WorkPool(name="gpu", is_paused=True), NOW)
    assert reason(store, "2") == ("waits for the pool gpu, which is paused: `orchestra pools resume gpu` has it go on")
    pools.save(WorkPool(name="gpu"), NOW)
    store.apply(
        [
            RunStateChanged(run_id="1", state=State.RUNNING, at=NOW),
            RunStateChanged(run_id="1", state=State.COMPLETED, at=NOW),
            DriverEnded(driver_id=service.driver_id, at=NOW),
        ]
    )
    assert reason(store, "2") == "waits for a service, and none is up: `orchestra worker --pool gpu` starts one"


def test_a_run_names_the_pool_or_the_limit_that_is_full(store: RunStore) -> None:
    queue, service, pools = WorkQueue(store.database), describe_this_process("worker", 60.0), PoolStore(store.database)
    store.apply([DriverStarted(driver=service)])
    pools.serve(service.driver_id, ["default"], "here", 4)
    slots = SlotStore(store.database)
    for name in ("db", "tag:team=ml"):
        slots.create_limit(ConcurrencyLimit(name=name, limit=0), NOW)
    queue.add(waiting_run("1", deployment=None, pool="default"))
    queue.claim(service.driver_id, ("default",), 5, NOW)
    queue.add(waiting_run("2", deployment=None), limits=("db",))
    queue.add(waiting_run("3", deployment=None, tags={"team": "ml"}))
    queue.add(waiting_run("4", deployment=None))

    tells = "`orchestra concurrency ls` tells who has them"
    assert reason(store, "2") == f"waits for a slot of the limit db: {tells}"
    assert reason(store, "3") == f"waits for a slot of the limit tag:team=ml: {tells}"
    pools.save(WorkPool(name="default", concurrency=1), NOW)
    assert reason(store, "4") == "waits for its turn: 1 run of the pool default goes on, and 1 may"


def started(store: RunStore, run_id: str, kind: RunKind, parent: str | None = None) -> None:
    run = Run(
        run_id=run_id,
        name=f"name-{run_id}",
        flow_name="f",
        kind=kind,
        state=State.PENDING,
        created_at=NOW,
        parent_run_id=parent,
    )
    store.apply([RunCreated(run=run), RunStateChanged(run_id=run_id, state=State.RUNNING, at=NOW)])


def messages(store: RunStore, *run_ids: str) -> list[str]:
    return [summary.message for summary in run_summaries(store, [store.get_run(run_id) for run_id in run_ids])]


def test_a_run_names_the_one_below_it_that_waits_for_people_while_it_does(store: RunStore) -> None:
    started(store, "book", RunKind.NOTEBOOK)
    started(store, "outer", RunKind.FLOW, "book")
    started(store, "inner", RunKind.FLOW, "outer")
    started(store, "other", RunKind.NOTEBOOK)
    store.apply([RunStateChanged(run_id="inner", state=State.PAUSED, at=NOW, message="waits for Review: say it")])

    above = "waits for run name-inner, which waits for Review: say it"
    assert messages(store, "book", "outer", "inner", "other") == [above, above, "waits for Review: say it", ""]
    store.apply([RunStateChanged(run_id="inner", state=State.RUNNING, at=NOW)])
    assert messages(store, "book", "outer", "inner", "other") == ["", "", "", ""]


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (StreamView(), {"book", "outer", "inner"}),
        (StreamView(runs=("outer",)), {"outer", "inner"}),
        (StreamView(flow="f"), {"inner"}),
    ],
    ids=["everything", "a run and what it started", "a list with a condition"],
)
def test_whoever_follows_a_run_is_told_of_it_when_one_below_it_asks(
    store: RunStore, view: StreamView, told: set[str]
) -> None:
    started(store, "book", RunKind.NOTEBOOK)
    started(store, "outer", RunKind.FLOW, "book")
    started(store, "inner", RunKind.FLOW, "outer")
    before = last_sequence(store)

    store.apply([RunStateChanged(run_id="inner", state=State.PAUSED, at=NOW, message="waits for Review")])

    changed = changes_since(store, before, view=view)
    assert {run.run_id: run.message for run in changed.runs} == {
        run_id: "waits for Review" if run_id == "inner" else "waits for run name-inner, which waits for Review"
        for run_id in told
    }
