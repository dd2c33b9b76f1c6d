"""Results whose time is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestra_nb.engine.results import ResultStore
from orchestra_nb.operations.opening import Sweeper
from orchestra_nb.store.database import open_database
from orchestra_nb.store.result_index import ResultIndex
from orchestra_nb.store.run_store import RunStore
from tests.patience import eventually

NOW = datetime.now(UTC)
BEFORE, LATER = NOW - timedelta(seconds=1), NOW + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    database = open_database(f"sqlite:///{tmp_path / 'runs.db'}")
    yield RunStore(database)
    database.close()


def test_a_process_that_lives_on_deletes_expired_results(store: RunStore, tmp_path: Path) -> None:
    results, index = ResultStore(str(tmp_path / "results"), bytes(32), "json"), ResultIndex(store.database)
    for key, expires_at, storage_key in (
        ("expired", BEFORE, None),
        ("expired, named", BEFORE, "latest.json"),
        ("expired, its content is another one's too", BEFORE, None),
        ("the other one", LATER, None),
        ("for ever", None, None),
    ):
        value = "shared" if "other" in key else key
        reference = results.write(value, name=key, now=NOW, expires_at=expires_at, storage_key=storage_key)
        index.put(key, reference, task_name="load")

    sweeper = Sweeper(store, 0.01)
    eventually(lambda: None if index.has_expired(NOW) else True)
    sweeper.close()

    left = {path.read_text() for path in (tmp_path / "results").rglob("*.json")}
    assert left == {'"expired, named"', '"shared"', '"for ever"'}
    assert [index.find(key, BEFORE - timedelta(seconds=1)) for key in ("expired", "expired, named")] == [None, None]
