"""Changes of one deployment by several at once: none is lost, and none brings back what was deleted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from orchestra_nb.errors import Conflict, DeploymentNotFound
from orchestra_nb.model.deployments import DeploymentSpec, DeploymentVersion, NotebookTarget
from orchestra_nb.operations.deployment_schedules import ScheduleEditor
from orchestra_nb.operations.deployments import change_deployment
from orchestra_nb.settings import Settings
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from tests.faults.notebook_command import notebook_of
from tests.store.deployment_examples import hourly, spec_of

NOW = datetime.now(UTC)


@pytest.fixture
def store(sqlite_url: str, tmp_path: Path) -> Iterator[RunStore]:
    database = open_database(sqlite_url)
    notebook = json.dumps(notebook_of())
    spec = spec_of(target=NotebookTarget(path=str(tmp_path / "train.ipynb")))
    DeploymentStore(database).save(spec, notebook=notebook, actor="ana", at=NOW)
    yield RunStore(database)
    database.close()


def editor(store: RunStore, version: int | None = None) -> ScheduleEditor:
    return ScheduleEditor(store, "daily", Settings(), actor="ana", now=NOW, version=version)


@pytest.mark.parametrize("version", [None, 1], ids=["whichever-there-is", "the-one-that-was-seen"])
def test_of_schedules_that_are_added_at_once_none_is_lost(store: RunStore, version: int | None) -> None:
    begin = threading.Barrier(8)

    def add(number: int) -> str:
        begin.wait()
        try:
            return editor(store, version).add({"every": f"{number}h"}).outcome
        except Conflict as error:
            return str(error)

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(add, range(1, 9)))

    kept = DeploymentStore(store.database).get("daily")
    assert outcomes.count("changed") == len(kept.spec.schedules) == (8 if version is None else 1)
    assert kept.version == 1 + len(kept.spec.schedules)
    assert all(one == "changed" or "by now, not 1. Look at it again." in one for one in outcomes), outcomes


def test_a_change_is_made_of_what_another_one_left_and_of_nothing_that_was_deleted(store: RunStore) -> None:
    deployments = DeploymentStore(store.database)
    seen: list[int] = []

    def with_one_more(before: DeploymentVersion) -> DeploymentSpec:
        seen.append(before.version)
        if len(seen) == 1:
            editor(store).add({"every": "2h"})
        return msgspec.structs.replace(before.spec, schedules=(*before.spec.schedules, hourly()))

    def deleting(before: DeploymentVersion) -> DeploymentSpec:
        deployments.delete("daily")
        return msgspec.structs.replace(before.spec, description="changed")

    changed = change_deployment(store, "daily", with_one_more, "", actor="ana", now=NOW)
    assert (seen, changed.deployment.version, len(changed.deployment.spec.schedules)) == ([1, 2], 3, 2)
    with pytest.raises(DeploymentNotFound):
        change_deployment(store, "daily", deleting, "", actor="ana", now=NOW)
    assert deployments.list_deployments() == []
