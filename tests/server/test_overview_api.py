"""What the side bar asks for beside runs: alerts, clusters, and whether there is a store at all."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from example_runs import NOON, run_of, task_of
from patience import PATIENCE_SECONDS

from orchestra_nb.engine.local_cluster import ensure_local_cluster, stop_local_cluster
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import DeadLetterAdded, DriverStarted, RunCreated
from orchestra_nb.model.runs import Driver, Run, RunKind
from orchestra_nb.model.schedules import IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import DaskPlace, WorkPool
from orchestra_nb.operations import cluster_views
from orchestra_nb.operations.alerts import MAX_ALERTS
from orchestra_nb.operations.recent_answers import RecentAnswers
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.service_problems import ServiceProblems
from orchestra_nb.store.service_tables import notifications, queued_runs
from tests.faults.notebook_command import notebook_of
from tests.foreign_cluster import foreign_cluster

API = "orchestra/api/v1"
STREAM = ("orchestra", "api", "v1", "stream")


async def read(jp_fetch, path: str, **params: object) -> dict:
    answer = await jp_fetch(f"{API}{path}", params=params)
    return json.loads(answer.body)


def failed_run(number: int, **fields: object) -> Run:
    """A run that failed so many minutes after noon."""
    ended = NOON + timedelta(minutes=number)
    return run_of(number, **({"state": State.FAILED, "ended_at": ended, "message": "KeyError: 'x'"} | fields))


def scheduled_spec(folder: Path) -> DeploymentSpec:
    schedule = DeploymentSchedule(schedule=IntervalSchedule(every_seconds=3600))
    target = NotebookTarget(path=str(folder / "etl.ipynb"))
    return DeploymentSpec(name="etl", flow_name="etl", target=target, schedules=(schedule,))


def service_of() -> Driver:
    """A service of another machine that was heard of just now."""
    now = datetime.now(UTC)
    return Driver(
        driver_id="a service",
        kind="service",
        host="elsewhere",
        boot_id="boot",
        pid=1234,
        process_started_at=10.25,
        heartbeat_at=now,
        lease_until=now + timedelta(hours=1),
    )


def deploy(store: RunStore, folder: Path) -> None:
    DeploymentStore(store.database).save(
        scheduled_spec(folder), notebook=json.dumps(notebook_of()), actor="test", at=datetime.now(UTC)
    )


class TestAnyStore:
    """What is found does not depend on the kind of database."""

    @pytest.fixture
    def store_url(self, any_store_url: str) -> str:
        return any_store_url

    async def test_failures_since_a_time_are_told_the_last_one_first(self, jp_fetch, store) -> None:
        runs = [
            failed_run(1),
            failed_run(2, state=State.CRASHED),
            failed_run(3, state=State.TIMED_OUT),
            failed_run(4, state=State.COMPLETED),
            failed_run(5, state=State.CANCELLED),
            failed_run(6, kind=RunKind.INTERACTIVE),
            failed_run(7, parent_run_id=run_of(1).run_id),
            run_of(8, state=State.RUNNING),
            failed_run(9, kind=RunKind.FLOW, driver_id="a kernel"),
        ]
        kernel = msgspec.structs.replace(service_of(), driver_id="a kernel", kind="kernel")
        store.apply([DriverStarted(driver=kernel), *(RunCreated(run=run) for run in runs)])

        found = await read(jp_fetch, "/alerts", since=NOON.isoformat())
        later = await read(jp_fetch, "/alerts", since=found["failed"][1]["ended_at"])
        first = await read(jp_fetch, "/alerts", since=NOON.isoformat(), limit=1)

        assert [(run["name"], run["state"]) for run in found["failed"]] == [
            ("calm-fox-3", "TIMED_OUT"),
            ("calm-fox-2", "CRASHED"),
            ("calm-fox-1", "FAILED"),
        ]
        assert found["failed"][0]["message"] == "KeyError: 'x'"
        assert [run["name"] for run in later["failed"]] == ["calm-fox-3"]
        assert [run["name"] for run in first["failed"]] == ["calm-fox-3"]

    async def test_who_does_not_say_since_when_gets_a_day(self, jp_fetch, store) -> None:
        now = datetime.now(UTC)
        for number, hours in ((1, 23), (2, 25)):
            store.apply([RunCreated(run=failed_run(number, ended_at=now - timedelta(hours=hours)))])

        found = await read(jp_fetch, "/alerts")

        assert [run["name"] for run in found["failed"]] == ["calm-fox-1"]

    async def test_a_run_is_late_that_is_due_for_a_minute_and_was_not_started(self, jp_fetch, store) -> None:
        now = datetime.now(UTC)
        row = {"deployment": None, "pool": "default", "priority": 0, "limits": "", "turn": 0}
        for number, seconds in ((1, 3600), (2, 90), (3, 30)):
            store.apply([RunCreated(run=run_of(number, state=State.SCHEDULED))])
            with store.database.write() as connection:
                due = {"run_id": run_of(number).run_id, "due_at": now - timedelta(seconds=seconds)}
                connection.execute(queued_runs.insert().values(row | due))

        found = await read(jp_fetch, "/alerts")

        assert [run["name"] for run in found["late"]] == ["calm-fox-1", "calm-fox-2"]
        assert "waits for" in found["late"][0]["message"]

    async def test_dead_letters_undelivered_notifications_and_ailing_services_are_told(
        self, jp_fetch, store, tmp_path
    ) -> None:
        run = run_of(1, state=State.RUNNING)
        task = task_of(run, "load")
        letter = DeadLetter(
            run_id=run.run_id,
            task_run_id=task.task_run_id,
            name="load",
            flow_name="report",
            ended_as=State.FAILED,
            attempts=1,
            message="no such table",
            created_at=NOON,
        )
        store.apply([RunCreated(run=run), DeadLetterAdded(letter=letter)])
        row = {"rule": "r", "run_id": run.run_id, "epoch": 1, "severity": "failure", "title": "It failed", "body": ""}
        row |= {"channel": "team", "attempts": 8, "next_try_at": NOON, "created_at": NOON, "error": "refused"}
        with store.database.write() as connection:
            for state in ("DEAD", "SENT", "PENDING", "DISCARDED"):
                connection.execute(notifications.insert().values(row | {"state": state, "moment": state}))
        store.apply([DriverStarted(driver=service_of())])
        ServiceProblems(store.database).set("a service", "schedules", "The disk is full.", datetime.now(UTC))

        found = await read(jp_fetch, "/alerts")

        assert [(one["name"], one["message"]) for one in found["dead_letters"]] == [("load", "no such table")]
        assert [(one["channel"], one["state"], one["error"]) for one in found["undelivered"]] == [
            ("team", "DEAD", "refused")
        ]
        assert found["troubles"] == [
            {"service": "elsewhere, process 1234", "loop": "schedules", "problem": "The disk is full."}
        ]

    async def test_the_stream_tells_which_lists_have_changed(self, jp_ws_fetch, jp_serverapp, store, tmp_path) -> None:
        async def next_message() -> dict:
            text = await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS)
            assert text is not None
            return json.loads(text)

        socket = await jp_ws_fetch(*STREAM)
        await next_message()

        await asyncio.to_thread(deploy, store, tmp_path)
        deployed = await next_message()
        await asyncio.to_thread(DeploymentStore(store.database).set_paused, "etl", True, datetime.now(UTC))
        paused = await next_message()
        await asyncio.to_thread(PoolStore(store.database).create, WorkPool(name="gpu"), NOON)
        pool = await next_message()
        run = run_of(1)
        store.apply([RunCreated(run=run)])
        made = await next_message()

        assert [message["lists"] for message in (deployed, paused, pool, made)] == [
            ["deployments"],
            ["deployments"],
            ["pools"],
            [],
        ]
        assert (deployed["runs"], [one["name"] for one in made["runs"]]) == ([], [run.name])
        socket.close()


async def test_schedules_that_nobody_looks_at_are_an_alert(jp_fetch, store, tmp_path) -> None:
    nothing = await read(jp_fetch, "/alerts")
    deploy(store, tmp_path)
    unserved = await read(jp_fetch, "/alerts")
    store.apply([DriverStarted(driver=service_of())])
    served = await read(jp_fetch, "/alerts")

    assert [one["problem"] for one in unserved["troubles"]] == [
        "No service is up, so schedules start no run. `orchestra serve` starts one."
    ]
    assert (nothing["troubles"], served["troubles"]) == ([], [])


async def test_more_alerts_than_there_may_be_are_refused(jp_fetch) -> None:
    answer = await jp_fetch(f"{API}/alerts", params={"limit": MAX_ALERTS + 1}, raise_error=False)

    assert answer.code == 422
    assert "limit" in json.loads(answer.body)["detail"]


async def test_asking_whether_there_is_a_store_makes_none(jp_fetch, store_url: str) -> None:
    file = Path(store_url.removeprefix("sqlite:///"))

    before = await read(jp_fetch, "/presence")
    was_made = file.exists()
    open_database(store_url).close()
    after = await read(jp_fetch, "/presence")

    assert (before, was_made, after) == ({"has_store": False}, False, {"has_store": True})


class TestClusters:
    """Real ones."""

    @pytest.fixture(autouse=True)
    def own_runtime_folder(self, tmp_path, monkeypatch) -> None:
        """Let the local cluster be this test's own."""
        monkeypatch.setenv("ORCHESTRA_RUNTIME_DIR", str(tmp_path / "run"))

    async def test_the_local_cluster_is_shown_with_its_workers_while_it_runs(self, jp_fetch, store) -> None:
        before = await read(jp_fetch, "/clusters")
        await asyncio.to_thread(ensure_local_cluster, 2, 600)
        try:
            during = await read(jp_fetch, "/clusters")
        finally:
            await asyncio.to_thread(stop_local_cluster)

        [stopped], [running] = before["clusters"], during["clusters"]
        assert (stopped["name"], stopped["is_running"], stopped["workers"]) == ("local", False, [])
        assert (running["is_running"], running["used_by"], running["dashboard_url"]) == (True, ["settings"], "")
        assert running["idle_seconds"] == 600
        assert len(running["workers"]) == 2
        for worker in running["workers"]:
            assert worker["threads"] == 1
            assert 0 < worker["memory_bytes"] < worker["memory_limit_bytes"]

    async def test_a_cluster_at_an_address_is_asked_and_one_that_is_gone_says_so(
        self, jp_fetch, store, tmp_path, monkeypatch
    ) -> None:
        monkeypatch.setattr(cluster_views, "_LOOKS", RecentAnswers(0.0, 64))  # none is given twice
        folder = tmp_path / "far"
        folder.mkdir()
        with foreign_cluster(folder, workers=1) as cluster:
            for name in ("gpu", "large"):
                pool = WorkPool(name=name, place=DaskPlace(cluster=cluster.address))
                PoolStore(store.database).create(pool, NOON)
            _, up = (await read(jp_fetch, "/clusters"))["clusters"]
        _, down = (await read(jp_fetch, "/clusters"))["clusters"]

        assert (up["name"], up["kind"], up["problem"]) == (cluster.address, "address", "")
        assert up["used_by"] == ["pool gpu", "pool large"]
        [worker] = up["workers"]
        assert (worker["name"], worker["threads"]) == ("far-0", 1)
        assert 0 < worker["memory_bytes"] < worker["memory_limit_bytes"]
        host = cluster.address.removeprefix("tcp://").rpartition(":")[0]
        assert re.fullmatch(rf"http://{re.escape(host)}:\d+/status", up["dashboard_url"])
        assert (down["is_running"], down["workers"]) == (False, [])
        assert down["problem"].startswith(f"No Dask scheduler answered at {cluster.address} (")
