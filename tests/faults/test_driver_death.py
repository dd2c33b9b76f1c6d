"""F03: the process that drives a flow is killed while its tasks run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestra_nb.engine.local_cluster import stop_local_cluster
from orchestra_nb.model.states import State
from tests.faults.flow_script import FlowScript
from tests.faults.invariants import assert_invariants, nothing_is_left

SCRIPT = """
    import subprocess
    import time
    from pathlib import Path

    from orchestra_nb import flow, task, unmapped

    @task(persist_result=True, cache_key_fn=lambda context, parameters: "prepared")
    def prepare():
        with open("prepared", "a") as file:
            file.write("x")
        return 20

    @task
    def hold(number, base):
        child = subprocess.Popen(["sleep", "1000"])
        Path("pids").mkdir(exist_ok=True)
        Path("pids", str(child.pid)).touch()
        while not Path("gate").exists():
            time.sleep(0.02)
        return base + number

    @task
    def total(numbers):
        return sum(numbers)

    @flow
    def study():
        return total.submit(hold.map(range(10), unmapped(prepare.submit()))).result()

    print("total", study())
"""


@pytest.fixture
def cluster_of_ten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local cluster with ten workers, apart from that of the other tests."""
    folder = tempfile.mkdtemp(prefix="ten-")
    monkeypatch.setenv("ORCHESTRA_RUNTIME_DIR", folder)
    monkeypatch.setenv("ORCHESTRA_CLUSTER_WORKERS", "10")
    yield
    stop_local_cluster()
    shutil.rmtree(folder)


def test_a_killed_script_crashes_its_flow_and_what_was_stored_is_used_when_it_runs_again(
    tmp_path: Path, cluster_of_ten: None
) -> None:
    with FlowScript(tmp_path, SCRIPT) as script:
        script.wait_for_watcher()
        children = script.wait_for_pids(10)
        script.wait_for_states(RUNNING=10, COMPLETED=1, PENDING=1)

        script.kill()

        run = script.ended()
        assert run.state is State.CRASHED
        assert f"The script (pid {script.process.pid} on" in run.message
        assert "died" in run.message
        assert script.states(run) == {
            "prepare-0": State.COMPLETED,
            **{f"hold-{number}": State.CRASHED for number in range(10)},
            "total-0": State.CANCELLED,
        }
        assert_invariants(script.store, run.run_id)
        nothing_is_left(children)

        (tmp_path / "gate").touch()
        script.start()

        assert script.wait() == 0, script.output
        again = script.ended()
        assert script.output.endswith("total 245\n")
        assert (again.state, (tmp_path / "prepared").read_text()) == (State.COMPLETED, "x")
        assert next(task for task in script.store.task_runs(again.run_id) if task.name == "prepare-0").is_cached
        assert_invariants(script.store, again.run_id)
