"""The local cluster: one for each environment, found, shared, ended, and nothing left of it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.executors import AttemptEnded
from orchestra_nb.engine.local_cluster import (
    ClusterPaths,
    LocalCluster,
    ensure_local_cluster,
    local_cluster_status,
    stop_local_cluster,
)
from orchestra_nb.engine.sentinel import guard_command
from orchestra_nb.errors import ClusterUnavailable
from tests.engine import attempt_bodies as bodies
from tests.engine.attempt_bodies import Body, value_of
from tests.engine.executor_probe import ExecutorProbe
from tests.patience import PATIENCE_SECONDS, eventually
from tests.processes import title_of


@pytest.fixture(autouse=True)
def own_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for each test: these tests end their clusters in rough ways."""
    folder = tmp_path / "run"
    monkeypatch.setenv("ORCHESTRA_RUNTIME_DIR", str(folder))
    yield folder
    stop_local_cluster()


def family(cluster: LocalCluster) -> list[psutil.Process]:
    """Return the host and all below it, once its workers have started."""
    host = psutil.Process(cluster.pid)
    eventually(lambda: ((record := local_cluster_status()) and all(worker.pid for worker in record.workers)) or None)
    return [host, *host.children(recursive=True)]


def run_orchestra(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestra_nb", "cluster", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_two_starters_get_one_cluster(own_runtime_folder: Path) -> None:
    found: list[LocalCluster] = []
    starters = [threading.Thread(target=lambda: found.append(ensure_local_cluster(1, 30))) for _ in range(4)]

    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()

    assert len(found) == 4
    assert len({cluster.pid for cluster in found}) == 1
    assert len({cluster.address for cluster in found}) == 1


def test_its_files_are_for_this_user_only(own_runtime_folder: Path) -> None:
    family(ensure_local_cluster(1, 30))  # its worker has its number: the record is not replaced any more

    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in own_runtime_folder.iterdir()}

    assert modes == {".json": 0, ".lock": 0, ".log": 0}


def test_it_listens_on_loopback_only(own_runtime_folder: Path) -> None:
    cluster = ensure_local_cluster(1, 30)

    connections = [connection for process in family(cluster) for connection in process.net_connections("inet")]

    listening = {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert cluster.address.startswith("tls://127.0.0.1:")


def test_nobody_connects_without_its_key(own_runtime_folder: Path) -> None:
    cluster = ensure_local_cluster(1, 30)
    probe = ExecutorProbe(DaskExecutor(cluster.address)).open()

    assert "No Dask scheduler answered" in probe.wait_for_cluster("lost").detail
    probe.executor.close()


def test_it_is_no_child_of_who_started_it(own_runtime_folder: Path) -> None:
    cluster = ensure_local_cluster(1, 30)

    assert psutil.Process(cluster.pid).ppid() != os.getpid()
    assert os.getsid(cluster.pid) != os.getsid(0)


def test_it_outlives_a_guarded_command_that_started_it(own_runtime_folder: Path) -> None:
    code = "from orchestra_nb.engine.local_cluster import ensure_local_cluster; ensure_local_cluster(1, 30)"
    command = guard_command([sys.executable, "-c", code])

    # as a nanny of Dask sets it, for processes to have titles of its own
    environ = {**os.environ, "PYTHONPATH": os.getcwd(), "__DASK_PARENT_PID": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as guarded:
        assert guarded.stdout is not None
        reports = guarded.stdout.read()

    assert b'"exit_code": 0' in reports
    assert local_cluster_status() is not None


def test_nothing_is_left_after_stop(own_runtime_folder: Path) -> None:
    cluster = ensure_local_cluster(2, 30)
    processes = family(cluster)

    assert stop_local_cluster()

    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert len(processes) == 6 - (sys.platform != "linux")  # host, zygote, two sentinels, two workers
    assert (alive, list(own_runtime_folder.iterdir()), Path(cluster.folder).exists()) == ([], [], False)
    assert local_cluster_status() is None
    assert not stop_local_cluster()


def test_it_ends_when_idle_and_leaves_nothing(own_runtime_folder: Path) -> None:
    cluster = ensure_local_cluster(1, 0.5)

    _, alive = psutil.wait_procs([psutil.Process(cluster.pid)], timeout=PATIENCE_SECONDS)

    assert (alive, list(own_runtime_folder.iterdir()), Path(cluster.folder).exists()) == ([], [], False)


def test_it_lives_on_while_somebody_is_connected(own_runtime_folder: Path) -> None:
    probe = ExecutorProbe(DaskExecutor("local", workers=1, idle_seconds=0.2)).open()
    probe.run(Body(bodies.add))
    cluster = local_cluster_status()
    assert cluster is not None

    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(cluster.pid).wait(timeout=1.5)

    probe.executor.close()
    psutil.Process(cluster.pid).wait(timeout=PATIENCE_SECONDS)


def test_a_killed_cluster_is_replaced_and_cleared_away(own_runtime_folder: Path) -> None:
    first = ensure_local_cluster(1, 30)
    processes = family(first)

    os.kill(first.pid, signal.SIGKILL)
    psutil.wait_procs(processes[:1], timeout=PATIENCE_SECONDS)
    second = ensure_local_cluster(1, 30)

    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert (alive, second.pid == first.pid, Path(first.folder).exists()) == ([], False, False)


def test_a_record_of_another_process_with_the_same_number_is_stale(own_runtime_folder: Path) -> None:
    first = ensure_local_cluster(1, 30)
    paths = ClusterPaths()
    content = json.loads(paths.record.read_bytes())
    stop_local_cluster()

    paths.record.write_text(json.dumps({**content, "pid": os.getpid()}))

    assert local_cluster_status() is None
    assert ensure_local_cluster(1, 30).pid != first.pid


def test_a_dead_worker_is_replaced(own_runtime_folder: Path) -> None:
    cluster = ensure_local_cluster(2, 30)
    family(cluster)
    record = local_cluster_status()
    assert record is not None
    first, second = record.workers

    os.kill(first.pid, signal.SIGKILL)

    def look() -> LocalCluster | None:
        now = local_cluster_status()
        return now if now is None or (len(now.workers) == 2 and first not in now.workers) else None

    assert second in eventually(look).workers


def test_a_host_that_cannot_start_says_why(own_runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__MIN_VERSION", "9.9")
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")

    with pytest.raises(ClusterUnavailable, match="did not start") as caught:
        ensure_local_cluster(1, 30)

    assert "Error" in str(caught.value)


def test_a_worker_loads_few_modules(own_runtime_folder: Path) -> None:
    probe = ExecutorProbe(DaskExecutor("local", workers=1, idle_seconds=30)).open()

    key = probe.start(Body(bodies.loaded_modules))

    probe.end_of(key)
    loaded = value_of(probe.executor.fetch(key, ["value"]))
    assert isinstance(loaded, list)
    heavy = ("sqlalchemy", "alembic", "papermill", "nbformat", "jupyter_server", "bokeh", "cryptography", "pandas")
    own = ("orchestra_nb.store", "orchestra_nb.server", "orchestra_nb.services", "orchestra_nb.operations")
    assert [name for name in (*heavy, *own) if name in loaded] == []
    assert len([name for name in loaded if name.startswith("orchestra_nb.")]) <= 45
    probe.executor.close()


def test_an_unguarded_script_uses_the_cluster(own_runtime_folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.engine.executor_probe import ExecutorProbe\n"
        "from tests.engine.attempt_bodies import Body, add\n"
        "from orchestra_nb.engine.dask_executor import DaskExecutor\n"
        "probe = ExecutorProbe(DaskExecutor('local', workers=1, idle_seconds=30)).open()\n"
        "print(type(probe.run(Body(add, (1, 2)))).__name__)\n"
        "probe.executor.close()\n"
    )

    environ = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environ, check=False)

    assert (done.stdout, done.stderr) == ("AttemptEnded\n", "")


def test_the_command_shows_starts_and_stops_it(own_runtime_folder: Path) -> None:
    before = json.loads(run_orchestra("status", "--json").stdout)
    started = json.loads(run_orchestra("start", "--workers", "1", "--json").stdout)
    shown = run_orchestra("status").stdout
    again = run_orchestra("start", "--workers", "2")
    stopped = json.loads(run_orchestra("stop", "--json").stdout)

    assert before == {"running": False}
    assert (started["running"], len(started["workers"]), "key" in started) == (True, 1, False)
    assert f"runs at {started['address']} with 1 worker" in shown
    assert "runs already, with 1 worker" in again.stderr
    assert stopped == {"stopped": True}
    assert "not running" in run_orchestra("status").stdout


def zygote_of(cluster: LocalCluster) -> psutil.Process | None:
    children = psutil.Process(cluster.pid).children()
    return next((child for child in children if title_of(child) == "orchestra: starts workers"), None)


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_forked_workers_share_nothing_that_user_code_could_see(own_runtime_folder: Path) -> None:
    def look() -> tuple[float, float, str, list[str]]:
        import random

        import numpy as np

        main = sys.modules["__main__"]
        return random.random(), float(np.random.random()), str(getattr(main, "__file__", "")), sys.argv[1:]

    executor = DaskExecutor("local", workers=2, idle_seconds=30)
    probe = ExecutorProbe(executor).open()
    try:
        workers = family(ensure_local_cluster(2, 30)) and [one.name for one in local_cluster_status().workers]  # type: ignore[union-attr]
        keys = [probe.start(Body(look), workers=(worker,)) for worker in workers]
        for key in keys:
            probe.end_of(key)
        first, second = (value_of(executor.fetch(key, ["value"])) for key in keys)
    finally:
        executor.close()

    assert zygote_of(ensure_local_cluster(2, 30)) is not None
    assert first[0] != second[0]  # type: ignore[index]
    assert first[1] != second[1]  # type: ignore[index]
    assert first[2:] == second[2:] == ("", [])  # type: ignore[index]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_workers_are_started_plainly_when_the_zygote_has_died(own_runtime_folder: Path) -> None:
    executor = DaskExecutor("local", workers=1, idle_seconds=30)
    probe = ExecutorProbe(executor).open()
    try:
        assert isinstance(probe.run(Body(bodies.add, (1, 2))), AttemptEnded)
        cluster = local_cluster_status()
        assert cluster is not None
        zygote = zygote_of(cluster)
        assert zygote is not None
        zygote.kill()
        eventually(lambda: zygote.status() == psutil.STATUS_ZOMBIE or None)  # nobody has asked for its end
        os.kill(cluster.workers[0].pid, signal.SIGKILL)

        assert isinstance(probe.run(Body(bodies.add, (1, 2))), AttemptEnded)
    finally:
        executor.close()
    assert "is started plainly" in Path(cluster.log_path).read_text()


def test_workers_may_be_started_plainly(own_runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRA_CLUSTER_FORK", "false")
    executor = DaskExecutor("local", workers=1, idle_seconds=30)
    probe = ExecutorProbe(executor).open()
    try:
        assert isinstance(probe.run(Body(bodies.add, (1, 2))), AttemptEnded)
        cluster = local_cluster_status()
        assert cluster is not None
        assert zygote_of(cluster) is None
        everything = family(cluster)
    finally:
        executor.close()
    stop_local_cluster()
    assert psutil.wait_procs(everything, timeout=PATIENCE_SECONDS)[1] == []
