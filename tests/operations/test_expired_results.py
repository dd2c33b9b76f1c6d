"""Results whose time is over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestra_nb.engine.results import ResultStore
from orchestra_nb.model.events import RunCreated, ValueRecorded
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.operations.expired_results import delete_expired_results
from orchestra_nb.operations.opening import Sweeper
from orchestra_nb.store.database import open_database
from orchestra_nb.store.result_index import ResultIndex
from orchestra_nb.store.run_store import RunStore
from tests.patience import eventually
from tests.store.stored_examples import run_of

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

    returned = results.write("returned", name="load", now=NOW, expires_at=BEFORE)  # by a run, too
    index.put("expired, and returned by a run", returned, task_name="load")
    run = run_of("1")
    value = RecordedValue(run_id=run.run_id, name="rows", type="str", recorded_at=NOW, reference=returned)
    store.apply([RunCreated(run=run), ValueRecorded(value=value)])

    sweeper = Sweeper(store, 0.01)
    eventually(lambda: None if index.has_expired(NOW) else True)
    sweeper.close()

    left = {path.read_text() for path in (tmp_path / "results").rglob("*.json")}
    assert left == {'"expired, named"', '"shared"', '"for ever"', '"returned"'}
    assert [index.find(key, BEFORE - timedelta(seconds=1)) for key in ("expired", "expired, named")] == [None, None]


def test_a_file_that_was_written_anew_while_its_result_expired_stays(store: RunStore, tmp_path: Path) -> None:
    results, index = ResultStore(str(tmp_path / "results"), bytes(32), "json"), ResultIndex(store.database)
    written = [results.write(key, name=key, now=NOW, expires_at=BEFORE) for key in ("again", "once")]
    for reference in written:
        index.put(reference.digest, reference, task_name="load")
        os.utime(reference.url, (NOW.timestamp(), NOW.timestamp()))
    # somebody writes the same, and tells of it a moment later
    os.utime(written[0].url, (LATER.timestamp(), LATER.timestamp()))

    delete_expired_results(store, NOW + timedelta(seconds=1))

    assert [Path(reference.url).exists() for reference in written] == [True, False]
