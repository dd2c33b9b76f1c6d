"""Whoever looks at a run that waits is told what it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.events import DriverEnded, DriverStarted, RunStateChanged
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_views import run_summaries
from orchestra_nb.operations.run_waits import why_waiting
from orchestra_nb.services.driver_guard import describe_this_process
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
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
    queue, service = WorkQueue(store.database), describe_this_process("service", 60.0)
    DeploymentStore(store.database).save(spec_of(concurrency=1), notebook=None, actor="ana", at=NOW)
    for run_id, seconds in (("1", 0), ("2", 0), ("3", 60)):
        queue.add(waiting_run(run_id, due_at=NOW + timedelta(seconds=seconds)), pool="gpu")

    assert reason(store, "1") == "waits for a service, and none is up: `orchestra serve` starts one"
    store.apply([DriverStarted(driver=service)])
    assert reason(store, "1") == "waits for room in a service of pool gpu"
    queue.claim(service.driver_id, ("gpu",), 5, NOW)
    assert reason(store, "1") is None
    assert reason(store, "2") == "waits for its turn: 1 run of daily goes on, and 1 may"
    assert reason(store, "3") == f"waits for its time, {NOW + timedelta(seconds=60):%Y-%m-%d %H:%M:%S} UTC"
    (summary,) = run_summaries(store, [store.get_run("2")])
    assert summary.message == reason(store, "2")
    store.apply(
        [
            RunStateChanged(run_id="1", state=State.RUNNING, at=NOW),
            RunStateChanged(run_id="1", state=State.COMPLETED, at=NOW),
            DriverEnded(driver_id=service.driver_id, at=NOW),
        ]
    )
    assert reason(store, "2") == "waits for a service, and none is up: `orchestra serve` starts one"
