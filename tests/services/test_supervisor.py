"""The loops of services: woken by changes of the store, called in time, and started again after errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.events import RunCreated
from orchestra_nb.services.supervisor import ServiceLoop, Supervisor
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.run_store import RunStore
from tests.patience import PATIENCE_SECONDS, eventually
from tests.store.deployment_examples import waiting_run


@pytest.fixture
def database(any_store_url: str) -> Iterator[Database]:
    database = open_database(any_store_url)
    yield database
    database.close()


class Steps:
    """Counts the calls of a loop."""

    def __init__(self, wanted_seconds: float | None = None) -> None:
        self._wanted_seconds = wanted_seconds
        self._called = threading.Semaphore(0)
        self.fails = False
        self.number = 0

    def __call__(self, now: datetime) -> datetime | None:
        self.number += 1
        self._called.release()
        if self.fails:
            raise RuntimeError("out of order")
        if self._wanted_seconds is None:
            return None
        return datetime.now(UTC) + timedelta(seconds=self._wanted_seconds)

    def wait(self) -> None:
        assert self._called.acquire(timeout=PATIENCE_SECONDS)


def test_a_loop_is_called_when_somebody_else_changes_the_store(any_store_url: str, database: Database) -> None:
    steps = Steps()
    other = open_database(any_store_url)
    with Supervisor(database, [ServiceLoop("probe", steps)]):
        eventually(lambda: steps.number >= 2 or None)  # at its start, and when the store is first looked at
        before = steps.number
        RunStore(other).apply([RunCreated(run=waiting_run("1"))])
        eventually(lambda: steps.number > before or None)
    other.close()


def test_a_loop_tells_once_what_is_wrong_and_when_nothing_is_any_more(database: Database) -> None:
    told: list[tuple[str, str]] = []
    steps = Steps(wanted_seconds=0.01)
    steps.fails = True
    with Supervisor(database, [ServiceLoop("probe", steps, lambda name, problem: told.append((name, problem)))]):
        for _ in range(3):
            steps.wait()
        steps.fails = False
        eventually(lambda: len(told) > 1 or None)

    assert told == [("probe", "RuntimeError: out of order"), ("probe", "")]


def test_a_loop_is_called_when_it_wants_to_be(database: Database) -> None:
    steps = Steps(wanted_seconds=0.01)
    with Supervisor(database, [ServiceLoop("probe", steps)]):
        for _ in range(20):
            steps.wait()


def test_a_loop_that_fails_says_so_and_goes_on_when_it_can_and_the_others_do_not_mind(database: Database) -> None:
    bad, good = Steps(), Steps(wanted_seconds=0.01)
    bad.fails = True
    with Supervisor(database, [ServiceLoop("bad loop", bad), ServiceLoop("good loop", good)]) as supervisor:
        for _ in range(2):
            bad.wait()
        eventually(lambda: supervisor.problems or None)
        assert supervisor.problems == {"bad loop": "RuntimeError: out of order"}
        for _ in range(5):
            good.wait()
        bad.fails = False
        eventually(lambda: None if supervisor.problems else True)
    after = (bad.number, good.number)
    assert after == (bad.number, good.number)
