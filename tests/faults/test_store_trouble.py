"""The store beside a service is locked, read-only, or upgraded by a newer version: nothing is lost, doubled or stuck."""

from __future__ import annotations

import contextlib
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.schedules import IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.schema_revision import VERSION_TABLE
from orchestra_nb.version import __version__
from tests.faults.invariants import assert_invariants
from tests.patience import eventually
from tests.services.deployed import Deployed

_LOCKED_SECONDS = 30.0

#: Holds all writers off, as another program with the file or the tables open may, until its input ends.
_LOCKER = """
import sys
from sqlalchemy import create_engine, text
from orchestra_nb.store.database import parse_store_url
from orchestra_nb.store.tables import metadata
engine = create_engine(parse_store_url(sys.argv[1]))
with engine.connect() as connection:
    if engine.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text(f"LOCK TABLE {', '.join(metadata.tables)} IN EXCLUSIVE MODE"))
    print("locked", flush=True)
    sys.stdin.read()
"""

_COUNTS = """
import time
from pathlib import Path
from orchestra_nb import flow, task

@task
def counts(number):
    Path("count").write_text(str(number))

@flow
def counting():
    number = 0
    while not Path("go").exists():
        counts(number)
        number += 1
        time.sleep(0.2)
    Path("tasks").write_text(str(number))
"""

_NOTEBOOK = """
import time
from pathlib import Path
while not Path("go").exists():
    print("still there", flush=True)
    time.sleep(0.2)
"""


@pytest.fixture
def anywhere(tmp_path: Path, any_store_url: str) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path, any_store_url)
    yield deployed
    deployed.close()


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", _LOCKER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as locker:
        assert locker.stdout is not None
        assert locker.stdin is not None
        assert locker.stdout.readline() == "locked\n"
        yield
        assert locker.poll() is None
        locker.stdin.close()


@pytest.mark.soak
def test_a_store_that_is_locked_for_half_a_minute_costs_nothing_but_time(anywhere: Deployed) -> None:
    deployed = anywhere
    deployed.environ["ORCHESTRA_TASK_RUNNER"] = "threads"
    ticks = DeploymentSchedule(schedule=IntervalSchedule(every_seconds=5))
    deployed.deploy_notebook("ticks", "1", schedules=(ticks,))
    going_on = [
        deployed.ask(deployed.deploy_notebook("notebook", _NOTEBOOK)),
        deployed.ask(deployed.deploy_flow("counting", _COUNTS)),
    ]
    service = deployed.serve()
    for run_id in going_on:
        deployed.wait(run_id, lambda run: run.state is State.RUNNING)
    count = deployed.folder / "count"
    eventually(lambda: count.exists() or None)
    waiting = deployed.deploy_flow("late", _COUNTS.replace("counting", "late").replace('"tasks"', '"late tasks"'))
    late = deployed.ask(waiting)

    with locked(deployed.store_url):
        before, until, took = int(count.read_text() or 0), time.monotonic() + _LOCKED_SECONDS, []
        while time.monotonic() < until:
            begin = time.perf_counter()
            assert len(deployed.store.list_runs(limit=20)) >= 3
            assert deployed.store.get_run(going_on[0]).state is State.RUNNING
            took.append(time.perf_counter() - begin)
            time.sleep(0.1)
        assert int(count.read_text() or 0) > before + 30
    assert statistics.median(took) < 0.05

    (deployed.folder / "go").touch()
    for run_id in (*going_on, late):
        assert (deployed.wait(run_id).state, deployed.store.get_run(run_id).epoch) == (State.COMPLETED, 1)
        assert_invariants(deployed.store, run_id)
        assert State.CRASHED not in {change.to_state for change in deployed.store.state_changes(run_id)}
    assert len(deployed.store.task_runs(going_on[1])) == int((deployed.folder / "tasks").read_text())
    now = datetime.now(UTC)
    eventually(lambda: any(run.due_at > now for run in deployed.store.list_runs(limit=100) if run.due_at) or None)
    due = sorted(run.due_at for run in deployed.store.list_runs(limit=100) if run.deployment == "ticks" and run.due_at)
    assert due == [due[0] + timedelta(seconds=5 * number) for number in range(len(due))]
    _, said = deployed.end(service)
    assert said.count("The services wait for the store") == 1
    assert said.count("The services go on.") == 1
    assert "Traceback" not in said


def test_a_service_whose_store_becomes_read_only_says_so_and_goes_on_later(tmp_path: Path, postgres_url: str) -> None:
    deployed = Deployed(tmp_path, postgres_url)
    name = postgres_url.rpartition("/")[2]
    admin = open_database(postgres_url)

    def make(read_only: str) -> None:
        with admin.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = {read_only}"))
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
            connection.commit()

    deployment = deployed.deploy_notebook("waits", _NOTEBOOK)
    often = DeploymentSchedule(schedule=IntervalSchedule(every_seconds=2))
    deployed.deploy_notebook("often", "1", schedules=(often,))
    service = deployed.serve()
    going_on = deployed.ask(deployment)
    deployed.wait(going_on, lambda run: run.state is State.RUNNING)
    said: list[str] = []
    assert service.stderr is not None
    reader = threading.Thread(target=lambda: said.extend(iter(service.stderr.readline, "")))  # type: ignore[union-attr]
    reader.start()

    make("on")
    eventually(lambda: "is read-only" in "".join(said) or None)
    (deployed.folder / "go").touch()  # so a run ends that cannot be recorded now
    assert deployed.orchestra("runs", "ls")[0] == 0
    code, _, problem = deployed.orchestra("deployments", "run", "waits")
    assert code != 0
    assert "read-only" in problem
    assert service.poll() is None
    make("off")

    assert (deployed.wait(going_on).state, deployed.store.get_run(going_on).epoch) == (State.COMPLETED, 1)
    assert deployed.wait(deployed.ask(deployment)).state is State.COMPLETED
    service.send_signal(signal.SIGTERM)
    reader.join()
    service.stderr.close()
    assert service.wait() == 0
    deployed.services.remove(service)
    assert "Traceback" not in "".join(said)
    assert "".join(said).count("is read-only") < 5
    deployed.close()
    admin.close()


def test_a_service_ends_when_a_newer_version_has_upgraded_its_store(tmp_path: Path) -> None:
    deployed = Deployed(tmp_path, f"sqlite:///{tmp_path / 'store.db'}")
    service = deployed.serve()

    with deployed.store.database.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
        connection.execute(text("UPDATE store_facts SET value = '9.8.7' WHERE name = 'orchestra_version'"))
    code, said = deployed.end(service, signal.SIGCONT)

    assert code != 0
    assert "written by Orchestra 9.8.7 (tables of revision 9999)" in said
    assert f"This is Orchestra {__version__}" in said
    assert "Traceback" not in said
    deployed.close()
