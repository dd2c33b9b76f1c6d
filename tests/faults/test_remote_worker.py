"""A worker that has nothing but a token and the address of a server: what it runs is seen at the server as if it ran
there, and neither a server that is killed nor a worker that is killed leaves a run lost, doubled or stuck."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from orchestra_nb.model.deployments import Deployment, DeploymentSpec, FlowTarget, NotebookTarget
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import Run
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.operations.api_tokens import create_token, revoke_token
from orchestra_nb.operations.shared_variables import get_variable, set_secret, set_variable
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.recorded_value_store import RecordedValueStore
from tests.faults.invariants import assert_invariants, nothing_is_left
from tests.patience import PATIENCE_SECONDS, eventually
from tests.ports import free_ports
from tests.services.deployed import TIMERS, Deployed

_PARAMETERS = "region = 'EU'\npassword: 'Secret' = None"
_WAITS = """
import pathlib, time
print("waits")
while not pathlib.Path("go").exists():
    time.sleep(0.02)
"""
_REPORT = (
    "import os\nfrom orchestra_nb import record\nfrom orchestra_nb.variables import Variable",
    "print(region, Variable.get('colour'), password.get()[::-1])",
    _WAITS,
    "record(rows=3, many=list(range(100_000)))",
    "assert not [name for name in os.environ if name.startswith('ORCHESTRA_API')]",
)
_FLOW = """
import os, pathlib, time
from orchestra_nb import flow, task
from orchestra_nb.logging import get_run_logger
from orchestra_nb.variables import Variable

@task
def load(number):
    get_run_logger().info("loads %d", number)
    return number

@flow
def inner(colour):
    Variable.set("seen", Variable.get("colour"), overwrite=True)

@flow
def etl(waits: bool = True):
    numbers = [future.result() for future in [load.submit(1), load.submit(2)]]
    inner("blue")
    pathlib.Path("pid").write_text(str(os.getpid()))
    while waits:
        time.sleep(0.02)
"""

#: no service is there that would follow it
_NO_RETRY = RetryPolicy(infrastructure_retries=0)


@dataclass
class Remote:
    """A server with its store in one folder, and workers in another one."""

    folder: Path
    deployed: Deployed = field(init=False)
    port: int = field(init=False)
    server: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("server", "worker", "runtime"):
            (self.folder / name).mkdir(mode=0o700)
        self.deployed = Deployed(self.folder / "server", f"sqlite:///{self.folder / 'server' / 'store.db'}")
        (self.port,) = free_ports(1)

    @property
    def place(self) -> Path:
        return self.folder / "worker"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/base"

    def start_server(self) -> None:
        command = [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--ip=127.0.0.1", "--allow-root"),
            *(f"--port={self.port}", "--ServerApp.port_retries=0", "--ServerApp.base_url=/base/"),
            f"--ServerApp.root_dir={self.folder / 'server'}",
            "--ServerApp.jpserver_extensions={'orchestra_nb': True, 'jupyter_server_terminals': False}",
            "--OrchestraExtension.has_services=False",
        ]
        # a machine with much to do is no dead worker
        more = {"JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"), "ORCHESTRA_LEASE_SECONDS": "6"}
        environ = {**self.deployed.environ, **more}
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(command, env=environ, cwd=self.folder, stdout=log, stderr=log)

        def is_up() -> bool | None:
            assert self.server is not None
            assert self.server.poll() is None, (self.folder / "server.log").read_text()
            try:
                urllib.request.urlopen(f"{self.url}/api", timeout=PATIENCE_SECONDS).close()
            except urllib.error.URLError:
                return None
            return True

        eventually(is_up)

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def token(self, name: str, *scopes: str) -> str:
        _, text = create_token(self.deployed.store, name, scopes, expires_at=None, actor="test", now=datetime.now(UTC))
        return text.get()

    def start_worker(self, token: str, pool: str = "gpu") -> subprocess.Popen[str]:
        """Return a worker, which may not be ready."""
        environ = {name: value for name, value in os.environ.items() if name != "ORCHESTRA_STORE_URL"}
        data = {
            "JUPYTER_DATA_DIR": str(self.place / "data"),
            "ORCHESTRA_API_TOKEN": token,
            "ORCHESTRA_TASK_RUNNER": "threads",
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", "orchestra_nb", "worker", "--pool", pool, "--server", self.url],
            cwd=self.place,
            env=environ | TIMERS | data,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.workers.append(worker)
        return worker

    def ready_worker(self, name: str) -> subprocess.Popen[str]:
        worker = self.start_worker(self.token(name, "worker:gpu"))
        assert worker.stderr is not None
        said: list[str] = []
        while not said or "Ready" not in said[-1]:  # it may tell of what one before it has left
            said.append(worker.stderr.readline())
            assert said[-1], said
        return worker

    @property
    def project(self) -> Path:
        """A folder that was there when something was deployed from it."""
        return self.folder / "gone"

    def deploy_notebook(self, name: str, *sources: str, **fields: object) -> Deployment:
        target = NotebookTarget(path=str(self.project / f"{name}.ipynb"))
        return self.deployed.deploy_notebook(name, *sources, target=target, pool="gpu", retry=_NO_RETRY, **fields)

    def deploy_flow(self, name: str, source: str) -> Deployment:
        (self.place / "flows").mkdir()
        (self.place / "flows" / f"{name}.py").write_text(source)
        entrypoint = f"{self.project / 'flows' / f'{name}.py'}:{name}"
        target = FlowTarget(entrypoint=entrypoint, working_folder=str(self.project))
        spec = DeploymentSpec(name=name, flow_name=name, target=target, pool="gpu", retry=_NO_RETRY)
        store = DeploymentStore(self.deployed.store.database)
        return store.save(spec, notebook=None, actor="test", at=datetime.now(UTC))

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.communicate()
        if self.server is not None:
            self.kill_server()
        self.deployed.close()


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    remote = Remote(tmp_path_factory.mktemp("remote"))
    now = datetime.now(UTC)
    set_variable(remote.deployed.store, "colour", "blue", tags=(), may_overwrite=False, now=now)
    for pool in ("gpu", "cpu"):
        PoolStore(remote.deployed.store.database).save(WorkPool(name=pool), now)
    remote.start_server()
    yield remote
    remote.close()


def logged(remote: Remote, run: Run) -> list[str]:
    return [line.message for _, line in remote.deployed.store.log_lines(run.run_id)]


def test_what_a_worker_runs_is_seen_at_the_server_as_it_goes_on_also_when_that_is_killed_meanwhile(
    remote: Remote,
) -> None:
    store, deployed = remote.deployed.store, remote.deployed
    key_file = remote.folder / "server" / "data" / "orchestra" / "secret.key"
    set_secret(store, "db", Secret("terces"), key_file, datetime.now(UTC))
    report = remote.deploy_notebook("report", *_REPORT, parameters_cell=_PARAMETERS)
    worker = remote.ready_worker("box")

    run_id = deployed.ask(report, password={"$secret": "db"})

    def growing_output() -> str | None:
        run = store.get_run(run_id)
        text = Path(run.output_path).read_text() if run.output_path is not None else ""
        return text if "EU blue secret" in text else None

    deployed.wait(run_id, lambda run: run.state is not State.SCHEDULED)
    eventually(lambda: [cell for cell in store.cell_runs(run_id) if cell.state is State.RUNNING] or None)
    json.loads(eventually(growing_output))
    remote.kill_server()
    (remote.place / "go").touch()
    # what happens meanwhile is told later
    spool = remote.place / "data" / "orchestra" / "remote-workers"
    assert list(spool.glob("*.db"))
    remote.start_server()
    run = deployed.wait(run_id)

    assert (run.state, run.epoch, run.message) == (State.COMPLETED, 1, ""), run
    cells = store.cell_runs(run_id)
    assert {cell.state for cell in cells} == {State.COMPLETED}
    values = {value.name: value for value in RecordedValueStore(store.database).of_run(run_id)}
    assert values["rows"].data == "3"
    reference = values["many"].reference
    assert reference is not None
    assert reference.url.startswith(str(remote.folder / "server"))
    assert json.loads(Path(reference.url).read_text()) == list(range(100_000))
    assert run.output_path is not None
    executed = json.loads(Path(run.output_path).read_text())
    assert "terces" not in Path(run.output_path).read_text()
    assert executed["cells"][-1]["execution_count"] is not None
    assert_invariants(store, run_id)
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=PATIENCE_SECONDS)
    assert (worker.returncode, "The server is reached again" in said) == (0, True), said
    # nothing else of the store is on the worker's machine
    assert not list(remote.place.rglob("secret.key"))


def test_a_flow_runs_there_can_be_cancelled_here_and_ends_with_its_worker(remote: Remote) -> None:
    store, deployed = remote.deployed.store, remote.deployed
    etl = remote.deploy_flow("etl", _FLOW)
    worker = remote.ready_worker("flow-box")

    whole = deployed.wait(deployed.ask(etl, waits=False))

    assert (whole.state, whole.message) == (State.COMPLETED, "")
    assert sorted(task.state for task in store.task_runs(whole.run_id)) == [State.COMPLETED] * 2
    [child] = store.children(whole.run_id)
    assert (child.flow_name, child.state) == ("inner", State.COMPLETED)
    assert get_variable(store, "seen").value == "blue"
    assert_invariants(store, whole.run_id)

    endless = deployed.ask(etl)
    eventually(lambda: store.children(endless) or None)
    assert store.request_cancel(endless, None, "me", datetime.now(UTC))
    cancelled = deployed.wait(endless)
    assert cancelled.state is State.CANCELLED
    assert_invariants(store, endless)

    (remote.place / "pid").unlink()
    lost = deployed.ask(etl)
    eventually(lambda: (remote.place / "pid").exists() or None)
    pid = int(eventually(lambda: (remote.place / "pid").read_text() or None))
    assert psutil.pid_exists(pid)
    worker.kill()
    crashed = deployed.wait(lost)
    assert crashed.state is State.CRASHED
    assert "The remote worker" in crashed.message
    assert "no sign of life" in crashed.message
    nothing_is_left([pid])
    assert_invariants(store, lost)


def test_a_worker_ends_in_order_and_one_whose_token_opens_nothing_says_so(remote: Remote) -> None:
    deployed = remote.deployed
    waiting = remote.deploy_notebook("waits", "import time\nwhile True: time.sleep(0.02)")
    wrong_pool = remote.start_worker(remote.token("cpu-box", "worker:cpu"))
    ended, revoked = remote.ready_worker("ended"), remote.ready_worker("revoked")
    run_id = deployed.ask(waiting)
    deployed.wait(run_id, lambda run: run.state is State.RUNNING)

    revoke_token(deployed.store, "revoked", actor="test", now=datetime.now(UTC))
    _, said = revoked.communicate(timeout=PATIENCE_SECONDS)
    ended.send_signal(signal.SIGTERM)
    ended.send_signal(signal.SIGTERM)
    ended.communicate(timeout=PATIENCE_SECONDS)
    _, refused = wrong_pool.communicate(timeout=PATIENCE_SECONDS)

    assert (revoked.returncode, "The token 'revoked' was revoked." in said) == (1, True), said
    assert ended.returncode == 0
    run = deployed.wait(run_id)
    assert run.state is State.CRASHED
    assert (wrong_pool.returncode, refused) == (
        1,
        "The token 'cpu-box' does not have the scope worker:gpu. Sent was the token in ORCHESTRA_API_TOKEN. Where the "
        "server's store is, `orchestra tokens create --name NAME --scope worker:gpu` makes one for this worker.\n",
    )
    assert_invariants(deployed.store, run_id)
