"""F12, F55: a flow is interrupted by Ctrl-C, or somebody cancels it, while its tasks run on Dask."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestra_nb import flow, task
from orchestra_nb.errors import TaskWasCancelled
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.settings import load_settings
from tests.engine.conftest import FlowWorld
from tests.faults.dask_cluster import wait_for_workers, wait_until_no_key_is_held
from tests.faults.flow_script import TIMERS, FlowScript
from tests.faults.invariants import assert_invariants, is_running
from tests.integration.notebook_kernel import NotebookKernel
from tests.patience import PATIENCE_SECONDS, eventually

FLOW = """
import os
import time
from pathlib import Path

from orchestra_nb import flow, task

@task
def hold(number):
    Path("pids").mkdir(exist_ok=True)
    Path("pids", f"{number}").touch()
    while True:
        time.sleep(0.02)

@flow
def study():
    return hold.map(range(12)).result()
"""


def begun_in(folder: Path) -> set[str]:
    """Return which tasks began."""
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_ctrl_c_in_a_script_cancels_its_flow_and_all_its_tasks(world: FlowWorld, tmp_path: Path) -> None:
    with FlowScript(tmp_path, FLOW + "\nstudy()\n") as script:
        script.wait_for_pids(2)
        script.wait_for_states(RUNNING=2)

        script.process.send_signal(signal.SIGINT)

        assert script.wait() != 0
        assert script.output.rstrip().endswith("KeyboardInterrupt")
        run = script.ended()
        assert (run.state, run.message) == (State.CANCELLED, "interrupted")
        assert set(script.states(run).values()) == {State.CANCELLED}
        assert_invariants(script.store, run.run_id)
        begun = {record.name for record in script.store.task_runs(run.run_id) if record.attempt}
        assert begun == {f"hold-{number}" for number in begun_in(tmp_path / "pids")}
    wait_until_no_key_is_held()
    assert not is_running(script.process.pid)


def test_an_interrupted_flow_cell_is_cancelled_and_its_kernel_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**TIMERS, "ORCHESTRA_STORE_URL": f"sqlite:///{tmp_path}/runs.db"}.items():
        monkeypatch.setenv(name, value)
    with NotebookKernel(tmp_path) as kernel:
        kernel.run(FLOW)
        cell = kernel.start("study()")
        kernel.wait_until(lambda: len(begun_in(tmp_path / "pids")) >= 2)

        kernel.manager.interrupt_kernel()
        kernel.wait_until(lambda: cell.has_ended)

        assert (cell.error or "").startswith("KeyboardInterrupt")
        store = open_store(load_settings())
        run = store.list_runs(kind=RunKind.FLOW, flow_name="study")[0]
        assert run.state is State.CANCELLED
        assert {record.state for record in store.task_runs(run.run_id)} == {State.CANCELLED}
        assert_invariants(store, run.run_id)
        wait_until_no_key_is_held()
        again = kernel.run("@task\ndef one():\n    return 1\n\nprint(flow(lambda: one.submit().result(), name='x')())")
        assert (again.error, again.output.strip()) == (None, "1")
        close_store(store)


@pytest.mark.parametrize("gives_way", [True, False], ids=["Python", "C"])
def test_a_cancelled_flow_stops_its_synchronous_tasks_and_starts_no_other(
    world: FlowWorld, tmp_path: Path, gives_way: bool
) -> None:
    @task(retries=3)
    def hold(number: int) -> None:
        (tmp_path / "begun").mkdir(exist_ok=True)
        (tmp_path / "begun" / str(number)).touch()
        while gives_way:
            time.sleep(0.02)
        time.sleep(PATIENCE_SECONDS)

    @flow
    def cancelled() -> None:
        futures = [hold.submit(0), *hold.map(range(1, 12))]
        futures[-1].result()

    def cancel() -> None:
        eventually(lambda: True if len(begun_in(tmp_path / "begun")) >= 2 else None)
        run = next(run for run in world.store.list_runs(limit=10) if run.flow_name == "cancelled")
        assert world.store.request_cancel(run.run_id, None, "somebody", datetime.now(UTC))

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(TaskWasCancelled, match="cancelled by somebody"):
        cancelled()
    thread.join()
    begun = begun_in(tmp_path / "begun")

    run = world.run("cancelled")
    assert (run.state, run.message) == (State.CANCELLED, "cancelled by somebody")
    records = world.tasks("cancelled")
    assert {record.state for record in records} == {State.CANCELLED}
    assert {record.name for record in records if record.attempt} == {f"hold-{number}" for number in begun}
    wait_until_no_key_is_held()
    wait_for_workers(2)
    assert begun_in(tmp_path / "begun") == begun
