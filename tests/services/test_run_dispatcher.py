"""Claimed runs in threads: as many as there is room for, and also where the system gives none."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest

from orchestra_nb.model.deployments import DeploymentVersion
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.services.run_dispatcher import RunDispatcher
from orchestra_nb.services.work_source import ClaimedRun
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.patience import PATIENCE_SECONDS, eventually
from tests.store.deployment_examples import spec_of, waiting_run
from tests.store.stored_examples import NOON


@pytest.fixture
def database(any_store_url: str) -> Iterator[Database]:
    database = open_database(any_store_url)
    yield database
    database.close()


@pytest.fixture
def no_threads() -> Iterator[None]:
    """No thread can be started: none gets as much memory as is asked for."""
    before = threading.stack_size(1 << 46)
    yield
    threading.stack_size(before)


class Source:
    """A queue, without the process that a worker is."""

    def __init__(self, database: Database) -> None:
        self._queue = WorkQueue(database)
        self.ended: list[str] = []

    def claim(self, pools: Sequence[str], room: int, now: datetime) -> list[ClaimedRun]:
        version = DeploymentVersion(spec=spec_of(), version=1, created_at=NOON, created_by="ana")
        pool = WorkPool(name="default")
        claimed = self._queue.claim("service", pools, room, now)
        return [ClaimedRun(run=run, version=version, pool=pool) for run in claimed]

    def next_look(self, pools: Sequence[str], now: datetime) -> datetime | None:
        return self._queue.next_look(pools, now)

    def is_alive(self) -> bool:
        return True

    def holds(self, run: Run) -> bool:
        return True

    def end(self, run: Run, state: State, message: str) -> None:
        self.ended.append(f"{run.run_id} is {state}: {message}")

    def wait(self, timeout_seconds: float) -> bool:
        return False

    def close(self) -> None:
        return


class Starter:
    """Notes what it is to do."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.driven: list[str] = []

    def drive(self, claimed: ClaimedRun) -> None:
        self.driven.append(claimed.run.run_id)
        self.may_end.wait(PATIENCE_SECONDS)

    def stop(self, run: Run) -> None:
        self.may_end.set()


def test_a_worker_tells_of_each_run(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="orchestra_nb")
    WorkQueue(database).add(waiting_run("1"))
    starter = Starter()
    starter.may_end.set()
    dispatcher = RunDispatcher(Source(database), starter, pools=["default"], room=1, tells_runs=True)

    dispatcher.step(NOON)
    dispatcher.close(PATIENCE_SECONDS, threading.Event())

    begins, is_over = caplog.messages
    assert begins.endswith(" begins.")
    assert is_over.partition(" is over after ")[0] == begins.removesuffix(" begins.")


def test_a_run_for_which_there_is_no_thread_ends(database: Database, no_threads: None) -> None:
    source, starter = Source(database), Starter()
    for run_id in ("1", "2"):
        WorkQueue(database).add(waiting_run(run_id))
    dispatcher = RunDispatcher(source, starter, pools=["default"], room=2)

    dispatcher.step(NOON)

    reason = "RuntimeError: can't start new thread"
    assert (starter.driven, source.ended) == ([], [f"1 is CRASHED: {reason}", f"2 is CRASHED: {reason}"])
    assert dispatcher.active == 0
    dispatcher.close(0.0, threading.Event())


@pytest.mark.parametrize(
    ("on_conflict", "state", "asked"),
    [
        ("queue", State.SCHEDULED, []),
        ("skip", State.SKIPPED, []),
        ("cancel-running", State.SCHEDULED, ["1"]),
    ],
)
def test_what_a_deployment_says_of_its_runs_holds_also_without_room(
    database: Database, on_conflict: str, state: State, asked: list[str]
) -> None:
    queue, store, starter = WorkQueue(database), RunStore(database), Starter()
    spec = spec_of(concurrency=1, on_conflict=on_conflict)
    DeploymentStore(database).save(spec, notebook=None, actor="ana", at=NOON)
    dispatcher = RunDispatcher(Source(database), starter, pools=["default"], room=1)
    queue.add(waiting_run("1"))
    dispatcher.step(NOON)
    eventually(lambda: starter.driven == ["1"])  # in a thread of its own
    queue.add(waiting_run("2"))

    dispatcher.step(NOON)

    assert store.get_run("2").state is state
    assert [request.run_id for request in store.cancel_requests("service")] == asked
    dispatcher.close(0.0, threading.Event())
    assert starter.driven == ["1"]
