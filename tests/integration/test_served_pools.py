"""Workers serve pools: on a cluster that they make and close, in containers, in Kubernetes; each a process of its own."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import DaskPlace, DockerPlace, KubernetesPlace, WorkPool
from orchestra_nb.operations.run_waits import why_waiting
from orchestra_nb.operations.runs import cancel_run
from orchestra_nb.store.pool_store import PoolStore
from tests.integration.container_programs import write_programs
from tests.patience import eventually
from tests.services.deployed import Deployed, wait_until_ready

_WHERE = """
import logging
import os
from orchestra_nb import flow, task

@task
def pid():
    return os.getpid()

@task
def level(name):
    return logging.getLogger(name).getEffectiveLevel()

@flow(log_prints=True)
def where():
    print("ran", [level.submit(name).result() for name in ("distributed.core", "distributed.worker")])
    print(os.environ["ORCHESTRA_CLUSTER"])
    return pid.submit().result()
"""
_PLAIN = "from orchestra_nb import flow\n\n@flow(log_prints=True)\ndef plain():\n    print('ran', __import__('os').environ.get('EXTRA'))\n"


class Pools(Deployed):
    """A store with pools, and workers of them."""

    def pool(self, pool: WorkPool) -> None:
        PoolStore(self.store.database).create(pool, datetime.now(UTC))

    def work(self, *pools: str) -> subprocess.Popen[str]:
        words = [word for pool in pools for word in ("--pool", pool)]
        worker = subprocess.Popen(
            [sys.executable, "-m", "orchestra_nb", "worker", *words, "--name", "ours"],
            cwd=self.folder,
            env=self.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until_ready(worker)
        self.services.append(worker)
        return worker

    def docker_calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "bin" / "calls").read_text().splitlines()]

    def container(self, run_id: str) -> Path:
        """The file that holds the number of the process that stands for a run's container."""
        return next((self.folder / "bin").glob(f"*{run_id[-8:]}*.labels")).with_suffix("")

    @property
    def volumes(self) -> list[str]:
        """What lets a container see the store."""
        return [f"{self.folder}:{self.folder}"]

    def printed(self, run_id: str) -> list[str]:
        return [line.message for _, line in self.store.log_lines(run_id) if line.message.startswith(("tcp:", "ran"))]


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[Pools]:
    pools = Pools(tmp_path, f"sqlite:///{tmp_path / 'orchestra.db'}")
    write_programs(tmp_path / "bin")
    pools.environ["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{pools.environ['PATH']}"
    yield pools
    pools.close()


def test_runs_of_a_pool_share_a_cluster_that_is_closed_when_it_is_idle(pools: Pools) -> None:
    arguments: dict[str, object] = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    place = DaskPlace(cluster="dask.distributed.LocalCluster", arguments=arguments, idle_seconds=5)
    pools.pool(WorkPool(name="dask", place=place))
    pools.pool(WorkPool(name="broken", place=DaskPlace(cluster="no_such_package.Cluster")))
    deployment = pools.deploy_flow("where", _WHERE, pool="dask")
    waiting = pools.ask(deployment)
    assert "orchestra worker --pool dask" in why_waiting(pools.store, [pools.store.get_run(waiting)])[waiting]
    worker = pools.work("dask", "broken")
    _, served = PoolStore(pools.store.database).workers()
    assert (served.name, served.kind, served.pid) == ("ours", "worker", worker.pid)

    runs = [pools.wait(run_id) for run_id in (waiting, pools.ask(deployment))]

    assert [run.state for run in runs] == [State.COMPLETED, State.COMPLETED], [run.message for run in runs]
    levels, address = pools.printed(waiting)
    assert levels == f"ran {[logging.WARNING, logging.CRITICAL]}"  # of Dask's log in the terminal
    assert address.startswith("tcp://127.0.0.1:")
    assert _listens(address)
    assert pools.printed(runs[1].run_id) == [levels, address]
    lost = pools.wait(pools.ask(pools.deploy_flow("plain", _PLAIN, pool="broken")))
    assert (lost.state, "no_such_package" in lost.message) == (State.CRASHED, True)
    eventually(lambda: None if _listens(address) else True)
    assert pools.end(worker)[0] == 0


def test_a_run_in_a_container_is_driven_from_there_and_told_apart_from_one_that_never_ran(pools: Pools) -> None:
    job: dict[str, object] = {"image": "img:1", "env": {"EXTRA": "pool"}, "volumes": pools.volumes}
    pools.pool(WorkPool(name="boxes", place=DockerPlace(job=job)))
    flow = pools.deploy_flow("plain", _PLAIN, pool="boxes", job_variables={"env": {"EXTRA": "own"}})
    notebook = pools.deploy_notebook("book", "print('in', 'a box')", pool="boxes")
    missing = pools.deploy_notebook("missing", "1", pool="boxes", job_variables={"image": "img:missing"})
    slow = pools.deploy_notebook("slow", "1", pool="boxes", job_variables={"image": "img:slow"})
    worker = pools.work("boxes")

    ended = [pools.wait(pools.ask(one)) for one in (flow, notebook)]
    never = pools.wait(pools.ask(missing))
    waiting = pools.ask(slow)
    pools.wait(waiting, lambda run: run.state is State.PENDING)
    eventually(lambda: any(waiting[-8:] in path.name for path in (pools.folder / "bin").iterdir()) or None)
    cancel_run(pools.store, waiting, actor="ana", now=datetime.now(UTC))

    assert [run.state for run in ended] == [State.COMPLETED, State.COMPLETED], [run.message for run in ended]
    assert pools.printed(ended[0].run_id) == ["ran own"]
    assert never.state is State.CRASHED
    assert never.message == (
        "The container ended before the run began: docker could not start it (exit 125). manifest unknown"
    )
    assert (pools.wait(waiting).state, pools.wait(waiting).message) == (
        State.CANCELLED,
        "Cancelled by ana before it began",
    )
    words = pools.docker_calls()[0]
    assert "--rm" in words
    assert pools.store_url not in " ".join(words)
    assert pools.end(worker)[0] == 0


def test_a_container_goes_on_when_docker_does_not_and_its_own_end_ends_its_run(pools: Pools) -> None:
    pools.pool(WorkPool(name="boxes", place=DockerPlace(job={"image": "img:1", "volumes": pools.volumes})))
    cells = "import pathlib, time", "while not pathlib.Path('go').exists():\n    time.sleep(0.05)"
    notebook = pools.deploy_notebook("book", *cells, pool="boxes", retry=RetryPolicy(infrastructure_retries=0))
    away = pools.folder / "bin" / "away"
    worker = pools.work("boxes")

    left, killed = pools.ask(notebook), pools.ask(notebook)
    for run_id in (left, killed):
        pools.wait(run_id, lambda run: run.state is State.RUNNING)
    away.touch()  # the daemon, for a while
    os.kill(int(pools.container(left).with_suffix(".client").read_text()), signal.SIGKILL)
    eventually(lambda: pools.docker_calls()[-1][0] == "ps" or None)
    away.unlink()
    eventually(lambda: "attach" in [call[0] for call in pools.docker_calls()] or None)
    os.kill(int(pools.container(killed).read_text()), signal.SIGKILL)
    ended = pools.wait(killed)
    (pools.folder / "go").touch()
    run = pools.wait(left)

    assert (run.state, run.epoch) == (State.COMPLETED, 1), run.message
    assert ended.state is State.CRASHED
    away.touch()  # what has not begun needs no proof
    never = pools.wait(pools.ask(notebook))
    assert never.message == (
        "The container ended before the run began: docker could not start it (exit 125). "
        "Cannot connect to the Docker daemon"
    )
    away.unlink()
    code, said, _ = pools.orchestra("runs", "retry", never.name)
    where = "waits in the pool boxes to be run again"
    assert (code, said) == (0, f"Run {never.name} of book {where}: orchestra runs show {never.name}\n")
    again = pools.wait(never.run_id, lambda run: run.state.is_terminal and run.epoch > never.epoch)
    assert again.state is State.COMPLETED, again.message
    assert pools.end(worker)[0] == 0


def test_a_job_in_kubernetes_goes_on_when_its_worker_ends(pools: Pools) -> None:
    job: dict[str, object] = {"image": "img:1", "namespace": "flows", "env": {"ORCHESTRA_STORE_URL": pools.store_url}}
    pools.pool(WorkPool(name="cloud", place=KubernetesPlace(job=job)))
    cells = "import pathlib, time", "while not pathlib.Path('go').exists():\n    time.sleep(0.05)"
    notebook = pools.deploy_notebook("book", *cells, pool="cloud")
    broken = pools.deploy_notebook("broken", "1", pool="cloud", job_variables={"command": ["false"]})
    worker = pools.work("cloud")

    never = pools.wait(pools.ask(broken))
    run_id = pools.ask(notebook)
    pools.wait(run_id, lambda run: run.state is State.RUNNING)
    worker.send_signal(signal.SIGTERM)
    assert pools.end(worker)[0] == 0
    (pools.folder / "go").touch()

    assert never.message.startswith("The job in Kubernetes ended before the run began: BackoffLimitExceeded")
    run = pools.wait(run_id)
    assert (run.state, run.epoch) == (State.COMPLETED, 1)
    manifest = json.loads((pools.folder / "bin" / "manifest").read_text())
    assert (manifest["kind"], manifest["metadata"]["namespace"]) == ("Job", "flows")


def _listens(address: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) == 0
