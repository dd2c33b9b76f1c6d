"""What tasks on a real cluster ask of their driver, from a plain script: values, slots, artifacts, and what a death leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.settings import load_settings
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.asset_store import AssetStore
from orchestra_nb.store.custom_event_store import CustomEventStore

_SCRIPT = """
import json, os, sys
from orchestra_nb.artifacts import create_markdown_artifact, create_table_artifact
from orchestra_nb.assets import record_materialization
from orchestra_nb.concurrency.sync import concurrency, rate_limit
from orchestra_nb.events import emit_event
from orchestra_nb.flows import flow
from orchestra_nb.tasks import task
from orchestra_nb.variables import Variable, get_secret, set_secret

LOG = sys.argv[1]

@task
def work(n):
    with concurrency("db", strict=True), open(LOG, "ab", buffering=0) as log:
        log.write(b"+1\\n")
        log.write(b"-1\\n")
    rate_limit("api", strict=True)
    create_table_artifact({"n": [n]}, key="numbers")
    emit_event("worked", {"id": f"n-{n}"}, payload={"n": n})
    record_materialization(f"mem://{n}", ["mem://raw"])
    return Variable.get("answer"), get_secret("password").get()

@task
def die():
    with concurrency("db", strict=True):
        os._exit(3)

@flow
def share():
    found = work.map(range(6)).result()
    die.submit().wait()
    with concurrency("db", strict=True, timeout_seconds=60):
        create_markdown_artifact("# The worker died, its slot is free", key="note")
    return found

Variable.set("answer", 42, overwrite=True)
set_secret("password", "open sesame")
try:
    share()
finally:
    print(json.dumps(Variable.get("answer")))
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{tmp_path / 'orchestra.db'}")
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    return dict(os.environ)


def test_tasks_share_limits_and_leave_what_they_made(tmp_path: Path, environment: dict[str, str]) -> None:
    script, log = tmp_path / "share.py", tmp_path / "log"
    script.write_text(_SCRIPT)
    for words in (["db", "--limit", "1"], ["api", "--limit", "3", "--slot-decay-per-second", "20"]):
        subprocess.run(
            [sys.executable, "-m", "orchestra_nb", "concurrency", "create", *words], check=True, env=environment
        )

    ran = subprocess.run(
        [sys.executable, str(script), str(log)], capture_output=True, text=True, env=environment, cwd=tmp_path
    )

    assert json.loads(ran.stdout.splitlines()[-1]) == 42, ran.stderr
    assert "sesame" not in ran.stdout + ran.stderr
    steps = [int(line) for line in log.read_text().split()]
    assert steps == [1, -1] * 6  # never two at once
    store = open_store(load_settings())
    (run,) = store.list_runs()
    artifacts = ArtifactStore(store.database)
    numbers = artifacts.versions("numbers")
    tasks = {task.task_run_id for task in store.task_runs(run.run_id)}
    assert sorted(found.data["n"][0] for found in numbers) == list(range(6))  # type: ignore[index]
    assert {found.run_id for found in numbers} == {run.run_id} == {artifacts.get("note").run_id}
    assert {found.task_run_id for found in numbers} <= tasks
    assert len(CustomEventStore(store.database).list_events(run_id=run.run_id)) == 6
    assert len(AssetStore(store.database).lineage("mem://raw").downstream) == 6
    close_store(store)
