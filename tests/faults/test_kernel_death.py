"""F01: the kernel is killed while a task cell runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.opening import open_store
from orchestra_nb.settings import load_settings
from tests.faults.flow_script import TIMERS
from tests.faults.invariants import assert_invariants
from tests.integration.notebook_kernel import NotebookKernel
from tests.patience import eventually


def test_killed_kernel_crashes_its_run_and_ends_what_it_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**TIMERS, "ORCHESTRA_STORE_URL": f"sqlite:///{tmp_path}/store/orchestra.db"}.items():
        monkeypatch.setenv(name, value)
    sign_of_life = tmp_path / "sign-of-life"
    with NotebookKernel(tmp_path) as kernel:
        running = kernel.run(
            f"%%task endless\nimport pathlib, time\np = pathlib.Path({str(sign_of_life)!r})\n"
            "while True:\n    p.touch()\n    time.sleep(0.05)"
        )
        waiting = kernel.run("%%task later --after endless\nx = 1")
        running.wait_for("RUNNING")
        assert waiting.task["state"] == "PENDING"
        store = open_store(load_settings())
        run = eventually(lambda: next(iter(store.list_runs(states=[State.RUNNING])), None))
        eventually(lambda: True if len(store.task_runs(run.run_id)) == 2 else None)
        eventually(lambda: True if store.task_runs(run.run_id)[0].state is State.RUNNING else None)
        eventually(lambda: True if sign_of_life.exists() else None)

        os.kill(kernel.pid, signal.SIGKILL)

        def ended() -> Run | None:
            newest = store.get_run(run.run_id)
            return newest if newest.state.is_terminal else None

        crashed = eventually(ended)

    assert crashed.state is State.CRASHED
    assert "kernel" in crashed.message
    assert "died" in crashed.message
    states = {task.name: task.state for task in store.task_runs(run.run_id)}
    assert states == {"endless": State.CRASHED, "later": State.CANCELLED}
    assert_invariants(store, run.run_id)
    eventually(lambda: None if shows_life(sign_of_life) else True)


def shows_life(path: Path) -> bool:
    """Remove a file that living code touches again and again, and tell whether it comes back."""
    path.unlink(missing_ok=True)
    time.sleep(0.5)
    return path.exists()
