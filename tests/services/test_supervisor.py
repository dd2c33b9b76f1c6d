"""The loops of services: woken by changes of the store, called in time, and started again after errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.events import RunCreated
from orchestra_nb.services.supervisor import ServiceLoop, Supervisor
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.event_log import ChangeWatcher
from orchestra_nb.store.run_store import RunStore
from tests.patience import PATIENCE_SECONDS, eventually
from tests.store.deployment_examples import waiting_run


@pytest.fixture
def database(any_store_url: str) -> Iterator[Database]:
    database = open_database(any_store_url)
    yield database
    database.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'store.db'}")
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
    with Supervisor(ChangeWatcher(database), [ServiceLoop("probe", steps)]):
        eventually(lambda: steps.number >= 2 or None)  # at its start, and when the store is first looked at
        before = steps.number
        RunStore(other).apply([RunCreated(run=waiting_run("1"))])
        eventually(lambda: steps.number > before or None)
    other.close()


def test_a_loop_tells_once_what_is_wrong_and_when_nothing_is_any_more(database: Database) -> None:
    told: list[tuple[str, str]] = []
    steps = Steps(wanted_seconds=0.01)
    steps.fails = True
    with Supervisor(
        ChangeWatcher(database), [ServiceLoop("probe", steps, lambda name, problem: told.append((name, problem)))]
    ):
        for _ in range(3):
            steps.wait()
        steps.fails = False
        eventually(lambda: len(told) > 1 or None)

    assert told == [("probe", "RuntimeError: out of order"), ("probe", "")]


def test_a_loop_is_called_when_it_wants_to_be(database: Database) -> None:
    steps = Steps(wanted_seconds=0.01)
    with Supervisor(ChangeWatcher(database), [ServiceLoop("probe", steps)]):
        for _ in range(20):
            steps.wait()


def test_a_loop_that_fails_says_so_and_goes_on_when_it_can_and_the_others_do_not_mind(database: Database) -> None:
    bad, good = Steps(), Steps(wanted_seconds=0.01)
    bad.fails = True
    with Supervisor(
        ChangeWatcher(database), [ServiceLoop("bad loop", bad), ServiceLoop("good loop", good)]
    ) as supervisor:
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


class BreakingWatcher(ChangeWatcher):
    """Breaks once, as nobody foresaw."""

    breaks = True

    def wait(self, timeout_seconds: float) -> bool:
        if self.breaks:
            self.breaks = False
            raise MemoryError("no room")
        return super().wait(timeout_seconds)


def test_a_watch_on_the_store_that_breaks_is_told_and_begins_anew(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, str]] = []
    steps = Steps()
    other = open_database(sqlite_database.url)
    watcher = BreakingWatcher(sqlite_database)
    with Supervisor(watcher, [ServiceLoop("probe", steps)], lambda name, problem: told.append((name, problem))):
        eventually(lambda: len(told) > 1 or None)
        before = steps.number
        RunStore(other).apply([RunCreated(run=waiting_run("1"))])
        eventually(lambda: steps.number > before or None)
    other.close()

    assert told == [("watch on the store", "MemoryError: no room"), ("watch on the store", "")]
    assert "The watch on the store waits: no room" in caplog.messages


def test_a_store_that_is_away_is_told_once_for_all_loops_and_when_it_is_back(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    is_away = threading.Event()
    is_away.set()

    def step(now: datetime) -> datetime:
        if is_away.is_set():
            raise StoreUnavailable("The store is locked.")
        return now + timedelta(seconds=0.01)

    loops = [ServiceLoop(name, step) for name in ("one", "other", "third")]
    with Supervisor(ChangeWatcher(sqlite_database), loops) as supervisor:
        eventually(lambda: len(supervisor.problems) == 3 or None)
        is_away.clear()
        eventually(lambda: not supervisor.problems or None)

    assert caplog.messages == ["The services wait for the store: The store is locked.", "The services go on."]


def test_a_loop_whose_trouble_cannot_be_recorded_goes_on(sqlite_database: Database) -> None:
    def tell(name: str, problem: str) -> None:
        raise ValueError("nobody listens")

    steps = Steps(wanted_seconds=0.01)
    steps.fails = True
    with Supervisor(ChangeWatcher(sqlite_database), [ServiceLoop("probe", steps, tell)]):
        for _ in range(2):
            steps.wait()
