"""Services beside a real Jupyter server: deployments run while it is up, and nothing is left when it ends or dies."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from traitlets.config import Config

from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.schedules import IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.schema_revision import HEAD
from orchestra_nb.store.service_problems import ServiceProblems
from tests.patience import PATIENCE_SECONDS, eventually
from tests.services.deployed import Deployed

_PROBE = "ORCHESTRA_PROBE"


@dataclass
class JupyterServer:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    runtime: Path
    token: str
    probe: str

    def health(self) -> dict[str, Any]:
        """Return what it tells of its health, when it answers."""
        file = self.runtime / f"jpserver-{self.process.pid}.json"

        def find() -> str | None:
            assert self.process.poll() is None, (self.runtime / "log").read_text()
            return json.loads(file.read_text())["url"] if file.exists() and file.stat().st_size else None

        request = urllib.request.Request(f"{eventually(find)}orchestra/api/v1/health")
        request.add_header("Authorization", f"token {self.token}")

        def ask() -> dict[str, Any] | None:
            assert self.process.poll() is None, (self.runtime / "log").read_text()
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                    health: dict[str, Any] = json.loads(answer.read())
                    return health
            except urllib.error.HTTPError:
                raise
            except urllib.error.URLError:  # its file is there before it listens
                return None

        return eventually(ask)

    def left(self) -> list[psutil.Process]:
        """Return the living processes that it, or one of its children, has started."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(_PROBE) == self.probe and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path, f"sqlite:///{tmp_path / 'orchestra.db'}")
    yield deployed
    deployed.close()


@pytest.fixture
def start(deployed: Deployed) -> Iterator[Callable[..., JupyterServer]]:
    servers: list[JupyterServer] = []

    def start(*words: str) -> JupyterServer:
        token, probe = secrets.token_hex(16), secrets.token_hex(16)
        runtime = deployed.folder / f"runtime-{len(servers)}"
        runtime.mkdir(mode=0o700)
        command = [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root"),
            f"--IdentityProvider.token={token}",
            f"--ServerApp.root_dir={deployed.folder}",
            "--ServerApp.jpserver_extensions={'orchestra_nb': True, 'jupyter_server_terminals': False}",
            *words,
        ]
        environ = {**deployed.environ, "JUPYTER_RUNTIME_DIR": str(runtime), _PROBE: probe}
        with (runtime / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environ, cwd=deployed.folder, stdout=log, stderr=log)
        servers.append(JupyterServer(process, runtime, token, probe))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.wait()
        eventually(lambda server=server: not server.left() or None)  # type: ignore[misc]


def every_second(deployed: Deployed) -> None:
    schedule = DeploymentSchedule(schedule=IntervalSchedule(every_seconds=1))
    deployed.deploy_notebook("often", "print('ran')", schedules=(schedule,))


def completed(deployed: Deployed) -> int:
    return sum(run.state is State.COMPLETED for run in deployed.store.list_runs(limit=100))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_schedule_runs_while_only_a_jupyter_server_is_up_and_nothing_is_left_of_it(
    deployed: Deployed, start: Callable[..., JupyterServer], number: signal.Signals
) -> None:
    every_second(deployed)

    server = start()
    eventually(lambda: completed(deployed) >= 2 or None)
    health = server.health()
    server.process.send_signal(number)
    server.process.wait(PATIENCE_SECONDS)

    assert (health["own_service"], health["store"], health["schema_revision"]) == ("up", "ok", HEAD)
    [service] = health["services"]
    assert (service["is_up"], service["problems"]) == (True, {})
    assert service["pid"] != server.process.pid
    if number is signal.SIGTERM:  # who ends in good order ends its service first
        assert not psutil.pid_exists(service["pid"])
    eventually(lambda: not server.left() or None)
    assert {run.state for run in deployed.store.list_runs(limit=100)} & {State.RUNNING, State.PENDING} == set()


def test_a_service_that_dies_is_started_again(deployed: Deployed, start: Callable[..., JupyterServer]) -> None:
    server = start()

    def up(*, but: int) -> int | None:
        health = server.health()
        pids = [service["pid"] for service in health["services"] if service["is_up"] and service["pid"] != but]
        return pids[0] if health["own_service"] == "up" and pids else None

    first = eventually(lambda: up(but=0))
    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: up(but=first))

    assert psutil.pid_exists(second)


def test_commands_tell_the_address_of_a_jupyter_server_for_a_webhook(
    deployed: Deployed, start: Callable[..., JupyterServer]
) -> None:
    server = start("--ServerApp.base_url=/my/")
    server.health()
    info = server.runtime / f"jpserver-{server.process.pid}.json"
    environ = {**deployed.environ, "JUPYTER_RUNTIME_DIR": str(server.runtime)}

    def said(*words: str) -> str:
        command = [sys.executable, "-m", "orchestra_nb", "webhooks", *words]
        done = subprocess.run(command, env=environ, cwd=deployed.folder, capture_output=True, text=True, check=True)
        return done.stdout

    eventually(lambda: "orchestra_nb_extension" in json.loads(info.read_text()) or None)
    made = said("create", "orders", "--event", "orders.sent")
    url = json.loads(info.read_text())["url"]
    server.process.terminate()
    server.process.wait(PATIENCE_SECONDS)
    shown = said("show", "orders")

    assert url.endswith("/my/")
    assert f"orders takes messages at {url}orchestra/api/v1/webhooks/orders\n" in made
    assert "Address: <server>/orchestra/api/v1/webhooks/orders\n" in shown


def test_two_servers_on_a_store_run_each_occurrence_once(
    deployed: Deployed, start: Callable[..., JupyterServer]
) -> None:
    every_second(deployed)

    servers = [start(), start()]
    eventually(lambda: completed(deployed) >= 4 or None)
    states = [server.health()["own_service"] for server in servers]

    runs = deployed.store.list_runs(limit=1000)
    assert set(states) <= {"up", "starting"}
    assert len({run.occurrence for run in runs}) == len(runs)


def test_health_tells_what_waits_for_longest(deployed: Deployed, start: Callable[..., JupyterServer]) -> None:
    other = deployed.deploy_notebook("elsewhere", "1", pool="gpu")
    first = deployed.ask(other)
    deployed.ask(other)
    server = start("--OrchestraExtension.has_services=False")

    health = server.health()

    waiting = health["oldest_waiting"]
    assert (health["own_service"], health["services"]) == ("off", [])
    assert (waiting["run_id"], waiting["deployment"]) == (first, "elsewhere")
    assert waiting["waiting_seconds"] >= 0


def test_health_tells_what_is_wrong_with_a_service(deployed: Deployed, start: Callable[..., JupyterServer]) -> None:
    deployed.serve()
    server = start("--OrchestraExtension.has_services=False")
    problems = ServiceProblems(deployed.store.database)
    [service] = server.health()["services"]

    problems.set(service["driver_id"], "schedule service", "KeyError: 'x'", datetime.now(UTC))
    during = server.health()["services"][0]["problems"]
    problems.set(service["driver_id"], "schedule service", "", datetime.now(UTC))
    after = server.health()["services"][0]["problems"]

    assert (service["problems"], during, after) == ({}, {"schedule service": "KeyError: 'x'"}, {})


async def own_service(jp_fetch: Callable[..., Any]) -> str:
    return str(json.loads((await jp_fetch("orchestra", "api", "v1", "health")).body)["own_service"])


async def state_when(jp_serverapp: Any, *states: str) -> str:
    keeper = jp_serverapp.extension_manager.extension_points["orchestra_nb"].app._keeper
    return await asyncio.to_thread(eventually, lambda: keeper.state if keeper.state in states else None)


class TestUsual:
    """A server that nobody has told anything about services."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        del jp_server_config.OrchestraExtension["has_services"]
        return jp_server_config

    async def test_who_has_not_used_orchestra_pays_for_no_process(self, jp_serverapp, store_url: str) -> None:
        before = await state_when(jp_serverapp, "no store yet", "starting", "up")
        is_there = Path(store_url.removeprefix("sqlite:///")).exists()

        open_database(store_url).close()
        after = await state_when(jp_serverapp, "up")

        assert (before, is_there, after) == ("no store yet", False, "up")


class TestSharedDatabase:
    """A database that others may share, and a server that nobody has told anything."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        del jp_server_config.OrchestraExtension["has_services"]
        return jp_server_config

    @pytest.fixture
    def store_url(self, postgres_url: str) -> str:
        return postgres_url

    async def test_what_others_deploy_does_not_run_here_unasked(self, jp_serverapp, jp_fetch, store) -> None:
        assert await own_service(jp_fetch) == "off"


class TestAsked:
    """A database, and a server that was told to have services."""

    @pytest.fixture
    def store_url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.OrchestraExtension.has_services = True
        return jp_server_config

    async def test_it_has_them(self, jp_serverapp, store) -> None:
        assert await state_when(jp_serverapp, "up") == "up"


class TestReadOnly:
    """A database that can only be read: one try is enough."""

    @pytest.fixture
    def store_url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config, store_url: str, store) -> Config:
        jp_server_config.OrchestraExtension.has_services = True
        jp_server_config.OrchestraExtension.store_url = f"{store_url}?options=-cdefault_transaction_read_only%3Don"
        return jp_server_config

    async def test_its_services_are_given_up(self, jp_serverapp, jp_fetch) -> None:
        assert await state_when(jp_serverapp, "given up", "up") == "given up"
        assert await own_service(jp_fetch) == "given up"
