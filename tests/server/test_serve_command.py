"""``orchestra serve`` as its user types it: a server of its own, with the services beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import psutil
import pytest
from click.testing import CliRunner

from orchestra_nb.cli.main import main
from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.schedules import IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.store.schema_revision import VERSION_TABLE
from tests.faults.invariants import assert_invariants, nothing_is_left
from tests.patience import PATIENCE_SECONDS, eventually
from tests.processes import words_of
from tests.services.deployed import Deployed

_ENDLESS = "import time\nopen('began', 'w').close()\nwhile True:\n    time.sleep(0.02)"


@dataclass
class Serve:
    """A server, and what it has said up to its address."""

    process: subprocess.Popen[str]
    said: str = ""
    info: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str, *, with_token: bool = True) -> tuple[int, str]:
        """Return status and body of a path below its address."""
        request = urllib.request.Request(urljoin(self.info["url"], path))
        if with_token:
            request.add_header("Authorization", f"token {self.info['token']}")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def post(self, path: str, key: str) -> tuple[int, str]:
        """Return status and body of a call with this key."""
        headers = {"Authorization": f"token {self.info['token']}", "Idempotency-Key": key}
        request = urllib.request.Request(urljoin(self.info["url"], path), b"{}", headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read().decode()

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("orchestra/api/v1/health")[1])
        return found


class World:
    """A folder in which servers are started; to be closed."""

    def __init__(self, folder: Path) -> None:
        self.deployed = Deployed(folder, f"sqlite:///{folder / 'orchestra.db'}")
        self.runtime = folder / "jupyter"
        self.environ = {**self.deployed.environ, "JUPYTER_RUNTIME_DIR": str(self.runtime)}
        self.environ["JUPYTER_CONFIG_DIR"] = str(folder / "config")
        self.environ.pop("JUPYTER_TOKEN", None)
        self._started: list[Serve] = []

    def start(self, *words: str) -> Serve:
        """Return a server that has said where it is."""
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestra_nb", "serve", *words],
            cwd=self.deployed.folder,
            env=self.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        serve = Serve(process)
        self._started.append(serve)
        assert process.stderr is not None
        for line in process.stderr:
            serve.said += line
            if "/orchestra/" in line:
                break
        assert process.poll() is None, serve.said
        serve.info = json.loads((self.runtime / f"jpserver-{process.pid}.json").read_text())
        return serve

    def end(self, serve: Serve, *numbers: int) -> int:
        """End a server by signals, and return its exit code."""
        for number in numbers:
            serve.process.send_signal(number)
        serve.said += serve.process.communicate(timeout=PATIENCE_SECONDS)[1]
        return serve.process.returncode

    def close(self) -> None:
        for serve in self._started:
            if serve.process.poll() is None:
                serve.process.kill()
                serve.process.communicate()
        self.deployed.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_a_server_runs_what_is_due_tells_it_to_who_has_the_token_and_ends_in_good_order(world: World) -> None:
    deployed = world.deployed
    schedule = DeploymentSchedule(schedule=IntervalSchedule(every_seconds=1))
    deployed.deploy_notebook("often", "print('ran')", schedules=(schedule,))

    (deployed.folder / "private.txt").write_text("private")
    first = world.start("--port", "0", "--ServerApp.base_url=/a@b/", "--runs", "2", "--pool", "default")
    second = world.start(f"--ServerApp.port={first.info['port']}", "--no-commands")
    taken = subprocess.run(
        [sys.executable, "-m", "orchestra_nb", "serve", "--port", str(first.info["port"]), "--no-commands"],
        cwd=deployed.folder,
        env=world.environ,
        capture_output=True,
        text=True,
    )
    runs = eventually(
        lambda: [run for run in deployed.store.list_runs(limit=100) if run.state is State.COMPLETED][1:] or None
    )
    loops = {"schedule service", "run dispatcher", "notification service"}
    health = eventually(lambda: found if loops <= set((found := first.health())["own_loops"]) else None)
    made = [serve.post("orchestra/api/v1/deployments/often/runs", "by hand") for serve in (first, second, first)]
    landing = first.get("orchestra/service")
    links = re.findall(r'href="([^"]+)"', landing[1])
    followed = [first.get(path)[0] for path in ("", "orchestra", *links)]
    refused = [
        first.get(path, with_token=False) for path in ("orchestra/api/v1/health", "metrics", "orchestra/service")
    ]
    absent = [first.get(path)[0] for path in ("api/kernels", "api/contents/private.txt", "files/private.txt")]
    family = [*psutil.Process(first.process.pid).children(recursive=True)]
    titles = [" ".join(words_of(process)) for process in family]
    doctor = json.loads(
        subprocess.run(
            [sys.executable, "-m", "orchestra_nb", "doctor", "--json"],
            cwd=deployed.folder,
            env=world.environ,
            capture_output=True,
            text=True,
        ).stdout
    )
    webhook = subprocess.run(
        [sys.executable, "-m", "orchestra_nb", "webhooks", "create", "orders", "--event", "e"],
        cwd=deployed.folder,
        env=world.environ,
        capture_output=True,
        text=True,
    )
    code = world.end(first, signal.SIGTERM)
    other = world.end(second, signal.SIGINT)

    assert "Ready: deployments in pool default of" in first.said
    assert ("`orchestra run` starts at once" in first.said) == (sys.platform == "linux")
    assert f"Port {first.info['port']} is taken" in second.said
    assert second.info["port"] != first.info["port"]
    told = f"by the `orchestra serve` with the pid {first.process.pid}, {first.info['url']}orchestra/. Give another one"
    assert (taken.returncode, told in taken.stderr, taken.stderr.count("\n")) == (1, True, 1), taken.stderr
    bases = [serve.info["url"] for serve in sorted((first, second), key=lambda serve: serve.process.pid)]
    assert webhook.stdout.startswith(f"orders takes messages at {bases[0]}orchestra/api/v1/webhooks/orders\n"), webhook
    assert first.info["token"] not in first.said  # logs are kept, and others read them
    assert (health["store"], health["own_service"], len(health["services"])) == ("ok", "up", 2)
    assert len({run.occurrence for run in runs}) == len(runs)
    assert made == [(201, made[0][1])] * 3  # whichever server is asked
    assert (landing[0], landing[1].count("</svg>up")) == (200, 3)
    assert (len(links), followed) == (11, [200] * 13)
    assert [status for status, _ in refused[:2]] == [403, 403]
    assert not any("Services of the store" in body or "often" in body for _, body in refused)
    assert absent == [404] * 3  # nobody is given a kernel or a file
    assert any("--runs 2" in title for title in titles)
    assert [check["detail"].split(" is up")[0] for check in doctor["checks"] if check["name"] == "orchestra serve"] == [
        f"{serve.info['url']}orchestra/" for serve in sorted((first, second), key=lambda serve: serve.process.pid)
    ]
    assert (code, other) == (0, 0)
    nothing_is_left([process.pid for process in family])
    assert not list(world.runtime.glob("jpserver-*"))
    _assert_all_ended(world)


def _assert_all_ended(world: World) -> None:
    states = {run.state for run in world.deployed.store.list_runs(limit=100)}
    assert not states & {State.RUNNING, State.PENDING}


def test_a_second_signal_ends_a_run_that_goes_on_and_the_server_at_once(world: World) -> None:
    deployed = world.deployed
    deployment = deployed.deploy_notebook("endless", _ENDLESS)
    server = world.start("--port", "0", "--no-commands")
    run_id = deployed.ask(deployment)
    deployed.wait(run_id, lambda run: run.state is State.RUNNING)
    eventually(lambda: (deployed.folder / "began").exists() or None)
    left = psutil.Process(server.process.pid).children(recursive=True)

    server.process.send_signal(signal.SIGTERM)
    assert server.process.stderr is not None
    assert any("Still going on" in line for line in server.process.stderr)
    code = world.end(server, signal.SIGTERM)

    ended = deployed.store.get_run(run_id)
    assert code == 0
    assert (ended.state, ended.message) == (State.CRASHED, "The service that ran it was shut down in cell 1")
    nothing_is_left([child.pid for child in left])
    assert_invariants(deployed.store, run_id)


def test_a_terminal_is_shown_the_token(world: World) -> None:
    terminal, stderr = os.openpty()
    command = [sys.executable, "-m", "orchestra_nb", "serve", "--port", "0", "--no-commands"]
    process = subprocess.Popen(command, cwd=world.deployed.folder, env=world.environ, stderr=stderr)
    os.close(stderr)
    with open(terminal, encoding="utf-8", errors="replace") as shown:
        line = next(line for line in shown if "/orchestra/" in line)
        token = json.loads((world.runtime / f"jpserver-{process.pid}.json").read_text())["token"]
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_SECONDS)

    assert line.strip().endswith(f"/orchestra/?token={token}")
    assert process.returncode == 0


def test_a_store_that_is_newer_is_refused_and_stays_as_it_is(world: World) -> None:
    database = world.deployed.store.database
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    database.close()
    path = world.deployed.folder / "orchestra.db"
    before = path.read_bytes()

    code, _, said = world.deployed.orchestra("serve", "--port", "0", "--no-commands")

    assert code == 1
    assert "9999" in said
    assert "Traceback" not in said
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--no-server", "--port", "1"], "there is no port"),
        (["--no-server", "--ServerApp.port=1"], "no option of Jupyter"),
        (["--prot", "1"], "No such option"),
        (["--serverapp.port=1"], "No such option"),
        (["--port", "65536"], "65536"),
    ],
)
def test_options_that_cannot_be_are_refused(words: list[str], what: str) -> None:
    refused = CliRunner().invoke(main, ["serve", "--no-commands", *words])

    assert (refused.exit_code, what in refused.output) == (2, True), refused.output
