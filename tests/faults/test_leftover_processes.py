"""F54: a task leaves processes behind, in sessions of their own or forked twice, however it ends."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestra_nb import flow, task
from orchestra_nb.model.states import State
from tests.engine.conftest import FlowWorld
from tests.faults.invariants import is_running, nothing_is_left
from tests.patience import eventually


def leave_processes(path: Path) -> None:
    """Start three processes that would outlive this one: in a session of its own, forked twice, without environment."""
    script = f"sleep 1000 & echo $! >> {path}; exit"
    subprocess.run(["setsid", "sh", "-c", script], check=True, close_fds=True)
    started = subprocess.Popen(["sleep", "1000"], start_new_session=True, env={"PATH": os.environ["PATH"]})
    with path.open("a") as file:
        file.write(f"{started.pid}\n")
    if (child := os.fork()) == 0:
        if (grandchild := os.fork()) != 0:
            with path.open("a") as file:
                file.write(f"{grandchild}\n")
            os._exit(0)
        os.setsid()
        os.execvpe("sleep", ["sleep", "1000"], {"PATH": os.environ["PATH"]})
    os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("how", "calls"),
    [("COMPLETED", 3), ("COMPLETED", 1), ("FAILED", 1), ("CANCELLED", 1), ("TIMED_OUT", 1), ("CRASHED", 1)],
)
def test_no_process_outlives_its_task(world: FlowWorld, tmp_path: Path, how: str, calls: int) -> None:
    noted = tmp_path / "pids"

    @task(timeout_seconds=5 if how == "TIMED_OUT" else None)
    def work(number: int) -> None:
        if number:
            return
        leave_processes(noted)
        (tmp_path / "ready").touch()
        match how:
            case "FAILED":
                raise ValueError("no")
            case "CRASHED":
                os._exit(1)
            case "CANCELLED" | "TIMED_OUT":
                while True:
                    time.sleep(0.02)

    @flow
    def leaving() -> list[object]:
        return [future.result(raise_on_failure=False) for future in work.map(range(calls))]

    def cancel() -> None:
        eventually(lambda: True if (tmp_path / "ready").exists() else None)
        run = next(run for run in world.store.list_runs(limit=10) if run.flow_name == "leaving")
        assert world.store.request_cancel(run.run_id, None, "somebody", datetime.now(UTC))

    if how == "CANCELLED":
        threading.Thread(target=cancel).start()
        with pytest.raises(BaseException, match="cancelled by somebody"):
            leaving()
    else:
        leaving()

    assert world.tasks("leaving")[0].state is State[how]
    pids = [int(pid) for pid in noted.read_text().split()]
    assert len(pids) == 3
    nothing_is_left(pids)
    assert not any(is_running(pid) for pid in pids)
