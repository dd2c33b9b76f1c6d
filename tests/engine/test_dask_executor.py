"""Attempts on the local cluster when processes die, hang, or go away: once each, always an end, always a reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest
from distributed import Client

from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.executors import AttemptBegan, AttemptEnded, AttemptLost, ClusterChanged
from orchestra_nb.engine.local_certificates import security_of
from orchestra_nb.engine.local_cluster import LocalCluster, local_cluster_status, stop_local_cluster
from orchestra_nb.errors import TaskCrashed
from orchestra_nb.model.states import State
from tests.engine import attempt_bodies as bodies
from tests.engine.attempt_bodies import Body, TwoValues, value_of
from tests.engine.call_bodies import as_call
from tests.engine.executor_probe import ExecutorProbe
from tests.patience import PATIENCE_SECONDS, eventually

cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def executor_probe() -> Iterator[ExecutorProbe]:
    executor = DaskExecutor("local", workers=2, idle_seconds=30)
    yield ExecutorProbe(executor).open()
    executor.close()


@pytest.fixture(params=[lambda body: body, as_call], ids=["bodies", "calls"])
def probe(executor_probe: ExecutorProbe, request: pytest.FixtureRequest) -> ExecutorProbe:
    """Return a probe that starts bodies as they are, or as calls that may share chunks."""
    executor_probe.convert = request.param
    return executor_probe


@pytest.fixture
def count(tmp_path: Path) -> Path:
    """A file that gets one byte each time that user code runs."""
    path = tmp_path / "count"
    path.touch()
    return path


def running_cluster() -> LocalCluster:
    """Return the cluster once both of its workers have started."""

    def look() -> LocalCluster | None:
        cluster = local_cluster_status()
        return cluster if cluster is not None and len([w.pid for w in cluster.workers if w.pid]) > 1 else None

    return eventually(look)


@pytest.mark.parametrize(
    ("function", "argument", "reason", "exit_code"),
    [
        (bodies.exit_hard, (3,), "process exited with 3", 3),
        (bodies.exit_hard, (0,), "process exited with 0", 0),
        (bodies.kill_own_process, (9,), "killed by SIGKILL", None),
        (bodies.crash_in_c, (), "killed by SIGSEGV", None),
    ],
    ids=["os._exit(3)", "os._exit(0)", "SIGKILL", "SIGSEGV"],
)
def test_a_process_that_dies_tells_how(
    probe: ExecutorProbe,
    count: Path,
    function: object,
    argument: tuple[object, ...],
    reason: str,
    exit_code: int | None,
) -> None:
    key = probe.start(Body(function, argument, count))  # type: ignore[arg-type]

    lost = probe.end_of(key)

    worker = probe.wait_until_begun(key).worker
    assert lost == AttemptLost(key=key, begun=True, state="CRASHED", reason=reason, worker=worker, exit_code=exit_code)
    assert isinstance(probe.run(Body(bodies.add)), AttemptEnded)
    assert count.read_bytes() == b"x"


def test_a_worker_killed_from_outside_loses_its_attempt(probe: ExecutorProbe, count: Path, tmp_path: Path) -> None:
    key = probe.start(Body(bodies.wait_for, (tmp_path / "never",), count))
    worker = probe.wait_until_begun(key).worker
    eventually(lambda: count.read_bytes() or None)

    os.kill(next(known.pid for known in running_cluster().workers if known.name == worker), signal.SIGKILL)

    lost = probe.end_of(key)
    assert lost == AttemptLost(key=key, begun=True, state="CRASHED", reason="killed by SIGKILL", worker=worker)
    assert count.read_bytes() == b"x"


def test_what_waited_on_a_dying_worker_runs_elsewhere_once(probe: ExecutorProbe, count: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    busy = [probe.start(Body(bodies.wait_for, (gate,))) for _ in range(2)]
    probe.wait_until_some_begun(busy, 1)
    killers = [probe.start(Body(bodies.exit_hard, (1,))) for _ in range(3)]
    innocents = [probe.start(Body(bodies.add, (1, 2), count)) for _ in range(8)]

    gate.touch()

    assert {type(probe.end_of(key)) for key in killers} == {AttemptLost}
    ends = [probe.end_of(key) for key in innocents]
    assert [end for end in ends if isinstance(end, AttemptLost) and end.begun] == []
    assert len(count.read_bytes()) == len([end for end in ends if isinstance(end, AttemptEnded)])
    assert len(running_cluster().workers) == 2


def test_a_large_value_is_gone_with_its_worker_and_is_not_made_again(probe: ExecutorProbe, count: Path) -> None:
    key = probe.start(Body(bodies.make_bytes, (5_000_000,), count))
    worker = probe.wait_until_begun(key).worker
    probe.end_of(key)
    os.kill(next(known.pid for known in running_cluster().workers if known.name == worker), signal.SIGKILL)

    def fetch() -> None:
        probe.executor.fetch(key, ["value"], 30)

    with pytest.raises(TaskCrashed, match="the worker that held them died"):
        eventually(fetch)  # the death has come through
    downstream = probe.run(Body(len, ()), upstream={"up": (key, ["value"])})

    assert isinstance(downstream, AttemptLost)
    assert (downstream.begun, downstream.missing) == (False, (key,))
    assert "gone" in downstream.reason
    assert count.read_bytes() == b"x"


def test_a_small_value_outlives_its_worker(probe: ExecutorProbe, count: Path) -> None:
    key = probe.start(Body(bodies.add, (1, 2), count))
    worker = probe.wait_until_begun(key).worker
    probe.end_of(key)

    os.kill(next(known.pid for known in running_cluster().workers if known.name == worker), signal.SIGKILL)

    downstream = probe.start(Body(bodies.add, (10,)), upstream={"up": (key, ["value"])})
    assert isinstance(probe.end_of(downstream), AttemptEnded)
    assert value_of(probe.executor.fetch(downstream, ["value"])) == 13
    assert count.read_bytes() == b"x"


@pytest.mark.parametrize(
    ("function", "argument"),
    [(bodies.hold_the_gil, ()), (bodies.block_in_c, (600,)), (bodies.swallow_stops, (Path("/never"),))],
    ids=["holds the GIL", "blocks in C", "swallows the stop"],
)
def test_a_task_that_does_not_give_way_is_ended_by_force(
    probe: ExecutorProbe, function: object, argument: tuple[object, ...], tmp_path: Path
) -> None:
    key = probe.start(Body(bodies.be_deaf, (tmp_path / "begun", function, *argument)))
    worker = probe.wait_until_begun(key).worker
    bodies.wait_for(tmp_path / "begun")  # before, a stop would be followed

    probe.executor.stop(key, "CANCELLED", 0.3)

    lost = probe.end_of(key)
    assert isinstance(lost, AttemptLost)
    assert (lost.begun, lost.state, lost.worker) == (True, "CANCELLED", worker)
    assert "did not give way" in lost.reason
    assert isinstance(probe.run(Body(bodies.add)), AttemptEnded)


def test_values_beside_a_task_that_is_ended_by_force_are_saved(probe: ExecutorProbe, tmp_path: Path) -> None:
    both = [probe.start(Body(bodies.wait_for, (tmp_path / "gate",))) for _ in range(3)]
    assert len(probe.wait_until_some_begun(both, 2)) == 2
    (tmp_path / "gate").touch()
    for key in both:
        probe.end_of(key)
    large = [probe.start(TwoValues(2_000_000)) for _ in range(4)]
    for key in large:
        probe.end_of(key)
    blocked = probe.start(Body(bodies.be_deaf, (tmp_path / "begun", bodies.block_in_c, 600)))
    probe.wait_until_begun(blocked)
    bodies.wait_for(tmp_path / "begun")

    probe.executor.stop(blocked, "CANCELLED", 5)
    lost = probe.end_of(blocked)

    assert isinstance(lost, AttemptLost)
    assert [value_of(probe.executor.fetch(key, ["value"], 30)) for key in large] == ["small"] * 4


def test_what_an_attempt_left_behind_is_gone_soon_after_it(probe: ExecutorProbe, tmp_path: Path) -> None:
    path = tmp_path / "pids"

    ended = probe.run(Body(bodies.leave_processes_behind, (path,)))

    assert isinstance(ended, AttemptEnded)
    pids = [int(pid) for pid in path.read_text().split()]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (len(pids), [pid for pid in pids if is_alive(pid)]) == (2, [])


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_body_that_returns_nonsense_fails(probe: ExecutorProbe) -> None:
    ended = probe.run(bodies.NotAResult())

    assert isinstance(ended, AttemptEnded)
    assert ended.outcome.error is not None
    assert (ended.outcome.state, ended.outcome.error.type) == (State.FAILED, "TypeError")


def test_a_large_body_arrives(probe: ExecutorProbe) -> None:
    key = probe.start(Body(len, (bodies.make_bytes(20_000_000),)))

    assert isinstance(probe.end_of(key), AttemptEnded)
    assert value_of(probe.executor.fetch(key, ["value"])) == 20_000_000


def test_an_upstream_that_was_never_started_is_missing(probe: ExecutorProbe) -> None:
    lost = probe.run(Body(bodies.add), upstream={"up": ("unknown:1", None)})

    assert isinstance(lost, AttemptLost)
    assert (lost.begun, lost.missing) == (False, ("unknown:1",))


def test_closing_ends_what_runs_and_what_waits(tmp_path: Path, count: Path) -> None:
    probe = ExecutorProbe(DaskExecutor("local")).open()
    keys = [probe.start(Body(bodies.wait_for, (tmp_path / "never",), count)) for _ in range(3)]
    probe.wait_until_some_begun(keys, 2)

    probe.executor.close()

    ends = [probe.end_of(key) for key in keys]
    states = [end.outcome.state.value if isinstance(end, AttemptEnded) else end.state for end in ends]
    assert states == ["CANCELLED"] * 3
    assert count.read_bytes() in (b"", b"x", b"xx")  # the third never ran, however fast the others were stopped


def test_a_lost_scheduler_ends_all_attempts_and_the_next_start_finds_a_new_cluster(tmp_path: Path) -> None:
    probe = ExecutorProbe(DaskExecutor("local", workers=2, idle_seconds=30)).open()
    keys = [probe.start(Body(bodies.wait_for, (tmp_path / "never",))) for _ in range(3)]
    probe.wait_until_some_begun(keys, 2)

    os.kill(running_cluster().pid, signal.SIGKILL)

    ends = [probe.end_of(key) for key in keys]
    lost = sorted((end.begun, end.state, end.reason) for end in ends if isinstance(end, AttemptLost))
    assert lost == [(begun, "CRASHED", "lost the Dask scheduler") for begun in (False, True, True)]
    assert probe.wait_for_cluster("lost") == ClusterChanged(status="lost", detail="lost the Dask scheduler")
    assert isinstance(probe.run(Body(bodies.add)), AttemptEnded)
    probe.executor.close()


def test_the_attempts_of_a_killed_driver_are_stopped(tmp_path: Path) -> None:
    gate, seen = tmp_path / "gate", tmp_path / "seen"
    script = (
        "from pathlib import Path\n"
        "from tests.engine.executor_probe import ExecutorProbe\n"
        "from tests.engine.test_dask_executor import note_the_stop\n"
        "from tests.engine.attempt_bodies import Body\n"
        "from orchestra_nb.engine.dask_executor import DaskExecutor\n"
        "probe = ExecutorProbe(DaskExecutor('local', workers=2, idle_seconds=30)).open()\n"
        f"key = probe.start(Body(note_the_stop, (Path({str(gate)!r}), Path({str(seen)!r}))))\n"
        "probe.wait_until_begun(key)\n"
        "print('begun', flush=True)\n"
        "probe.end_of(key)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"begun\n"

        driver.kill()

    eventually(lambda: seen.exists() or None)
    assert seen.read_text() == "StopTask"


def note_the_stop(gate: Path, seen: Path) -> None:
    try:
        bodies.wait_for(gate)
    except BaseException as error:
        seen.with_suffix(".new").write_text(type(error).__name__)
        seen.with_suffix(".new").rename(seen)
        raise


def test_what_asks_a_killed_driver_waits_no_more(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = (
        "from pathlib import Path\n"
        "from tests.engine.executor_probe import ExecutorProbe\n"
        "from tests.engine.attempt_bodies import AskingUntilTheDriverHasGone\n"
        "from orchestra_nb.engine.dask_executor import DaskExecutor\n"
        "probe = ExecutorProbe(DaskExecutor('local', workers=2, idle_seconds=30)).open()\n"
        f"key = probe.start(AskingUntilTheDriverHasGone(Path({str(seen)!r})))\n"
        "probe.wait_until_asked(key)\n"
        "print('asked', flush=True)\n"
        "probe.end_of(key)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"asked\n"

        driver.kill()

    eventually(lambda: seen.exists() or None)
    assert seen.read_text() in ("ConnectionError", "StopTask")  # whichever came first


def test_a_resource_that_no_worker_offers_is_named_with_what_to_do(probe: ExecutorProbe, count: Path) -> None:
    lost = probe.run(Body(bodies.add, (), count), name="train", resources={"GPU": 1})

    assert isinstance(lost, AttemptLost)
    assert (lost.begun, lost.state) == (False, "CRASHED")
    assert lost.reason.startswith(
        "No worker of the local cluster offers the resource 'GPU' (1) that the task 'train' asks for. Take `resources`"
    )
    assert count.read_bytes() == b""


def test_a_worker_that_the_cluster_does_not_have_is_named_with_those_it_has(probe: ExecutorProbe) -> None:
    known = sorted(worker.name for worker in running_cluster().workers)

    lost = probe.run(Body(bodies.add), name="train", workers=("worker-of-old",))

    assert isinstance(lost, AttemptLost)
    assert lost.begun is False
    assert "has no worker named 'worker-of-old'; it has" in lost.reason
    assert known[0] in lost.reason


def test_an_attempt_runs_where_its_resource_is() -> None:
    cluster = {
        "class": "distributed.LocalCluster",
        "n_workers": 1,
        "threads_per_worker": 1,
        "dashboard_address": ":0",
        "processes": False,
        "resources": {"GPU": 1},
    }
    probe = ExecutorProbe(DaskExecutor(cluster)).open()

    ended = probe.run(Body(bodies.add), resources={"GPU": 1})

    assert isinstance(ended, AttemptEnded)
    probe.executor.close()


def test_an_attempt_of_a_greater_priority_starts_first(probe: ExecutorProbe, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    workers = (running_cluster().workers[0].name,)
    busy = probe.start(Body(bodies.wait_for, (gate,)), workers=workers)
    probe.wait_until_begun(busy)

    ranks = {f"rank{priority}": priority for priority in (0, 1, 2)}
    keys = [probe.start(Body(bodies.add), name=name, workers=workers, priority=ranks[name]) for name in ranks]
    wait_until_on_the_scheduler(list(ranks))
    gate.touch()

    for key in keys:
        probe.end_of(key)
    began = [event.key for event in probe.events if isinstance(event, AttemptBegan) and event.key in keys]
    assert began == keys[::-1]


def wait_until_on_the_scheduler(names: Sequence[str]) -> None:
    """Wait until the cluster's scheduler knows a task for each of these names."""
    cluster = running_cluster()

    def find(dask_scheduler: Any) -> int:
        return len([name for name in names if any(task.startswith(name) for task in dask_scheduler.tasks)])

    with Client(
        cluster.address, security=security_of(cluster.certificate, cluster.key), set_as_default=False
    ) as client:
        while client.run_on_scheduler(find) < len(names):
            time.sleep(0.005)


def test_opening_does_not_wait_for_dask() -> None:
    script = (
        "import sys\n"
        "from orchestra_nb.engine.dask_executor import DaskExecutor\n"
        "executor = DaskExecutor('local')\n"
        "assert 'distributed' not in sys.modules and 'cloudpickle' not in sys.modules\n"
        "from orchestra_nb.engine.local_cluster import local_cluster_status\n"
        "assert 'dask' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True)


def test_dask_says_nothing_in_the_users_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRA_RUNTIME_DIR", str(tmp_path / "run"))
    script = (
        "import os, signal\n"
        "from tests.engine.executor_probe import ExecutorProbe\n"
        "from tests.engine.attempt_bodies import Body, exit_hard, make_bytes\n"
        "from orchestra_nb.engine.dask_executor import DaskExecutor\n"
        "from orchestra_nb.engine.local_cluster import local_cluster_status\n"
        "probe = ExecutorProbe(DaskExecutor('local', workers=1, idle_seconds=30)).open()\n"
        "probe.run(Body(make_bytes, (5_000_000,)))\n"
        "probe.run(Body(exit_hard, (1,)))\n"
        "os.kill(local_cluster_status().pid, signal.SIGKILL)\n"
        "probe.wait_for_cluster('lost')\n"
        "probe.run(Body(make_bytes, (5_000_000,)))\n"  # and it ends without closing
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    stop_local_cluster()
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_an_attempt_reports_its_begin_only_once(probe: ExecutorProbe) -> None:
    keys = [probe.start(Body(bodies.add)) for _ in range(20)]

    for key in keys:
        probe.end_of(key)

    assert {tuple(type(event) for event in probe.events_of(key)) for key in keys} == {(AttemptBegan, AttemptEnded)}
