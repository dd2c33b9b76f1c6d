"""F05, F06, F45, F47: a worker's process dies, from outside or by the task itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from orchestra_nb import flow, task
from orchestra_nb.errors import TaskCrashed
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State
from tests.engine.attempt_bodies import wait_for
from tests.engine.conftest import FlowWorld
from tests.faults.dask_cluster import wait_for_workers
from tests.patience import eventually

either = pytest.mark.parametrize("is_mapped", [False, True], ids=["submit", "map"])


def note_attempt(path: Path) -> list[int]:
    """Note that an attempt of the task began in this process; return the processes of all attempts up to here."""
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return [int(pid) for pid in path.read_text().split()]


def attempts_of(path: Path) -> list[int]:
    """Return the processes of the attempts that began."""
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def end(world: FlowWorld, flow_name: str, task_name: str) -> TaskRun:
    """Return the record of a task of the newest run of a flow."""
    return next(record for record in world.tasks(flow_name) if record.name == task_name)


@either
def test_a_task_whose_worker_is_killed_is_run_again_once(world: FlowWorld, tmp_path: Path, is_mapped: bool) -> None:
    noted = tmp_path / "attempts"

    @task
    def work(number: int) -> int:
        if number == 1 and len(note_attempt(noted)) == 1:
            wait_for(tmp_path / "never")
        return number

    @flow
    def killed() -> list[int]:
        futures = work.map(range(4)) if is_mapped else [work.submit(number) for number in range(4)]
        os.kill(eventually(lambda: next(iter(attempts_of(noted)), None)), signal.SIGKILL)
        return [future.result() for future in futures]

    assert killed() == [0, 1, 2, 3]

    first, second = attempts_of(noted)
    assert first != second
    assert [(record.state, record.attempt) for record in world.tasks("killed")] == [
        (State.COMPLETED, 1),
        (State.COMPLETED, 2),
        (State.COMPLETED, 1),
        (State.COMPLETED, 1),
    ]
    record = end(world, "killed", "work-1")
    changes = [item for item in world.store.state_changes(record.run_id) if item.task_run_id == record.task_run_id]
    assert [change.to_state.value for change in changes] == ["PENDING", "RUNNING", "RETRYING", "RUNNING", "COMPLETED"]
    assert changes[2].message.startswith("worker died: killed by SIGKILL (attempt 1 of work-1 on worker-")
    assert changes[2].message.endswith("; run again on the infrastructure budget (1 of 1)")
    assert record.worker is not None
    assert f"on {record.worker})" not in changes[2].message


@either
def test_a_task_that_kills_its_worker_each_time_crashes_and_the_others_complete(
    world: FlowWorld, tmp_path: Path, is_mapped: bool
) -> None:
    noted = tmp_path / "attempts"

    @task(retries=2)
    def work(number: int) -> int:
        if number == 3:
            note_attempt(noted)
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    @flow
    def deadly() -> list[object]:
        futures = work.map(range(8)) if is_mapped else [work.submit(number) for number in range(8)]
        return [future.result(raise_on_failure=False) for future in futures]

    results = deadly()

    crash = results.pop(3)
    assert isinstance(crash, TaskCrashed)
    record = end(world, "deadly", "work-3")
    assert (record.state, record.attempt, len(attempts_of(noted))) == (State.CRASHED, 2, 2)
    assert record.message.startswith(f"worker died: killed by SIGKILL (attempt 2 of work-3 on {record.worker}).")
    assert record.message in str(crash)
    assert results == [0, 1, 2, 4, 5, 6, 7]
    assert {task_run.attempt for task_run in world.tasks("deadly") if task_run.name != "work-3"} == {1}
    wait_for_workers(2)


@pytest.mark.parametrize(
    ("budget", "is_mapped"), [(0, False), (2, False), (0, True), (2, True)], ids=["0", "2", "0 mapped", "2 mapped"]
)
def test_a_task_says_how_often_it_is_started_again_when_its_worker_dies(
    world: FlowWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int, is_mapped: bool
) -> None:
    monkeypatch.setattr(world, "infrastructure_budget", budget)
    noted = tmp_path / "attempts"

    @task(infrastructure_retries=budget, retries=3)
    def work(number: int) -> int:
        if number == 1:
            note_attempt(noted)
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    @flow
    def budgeted() -> list[object]:
        futures = work.map(range(3)) if is_mapped else [work.submit(number) for number in range(3)]
        return [future.result(raise_on_failure=False) for future in futures]

    before, crash, after = budgeted()

    assert isinstance(crash, TaskCrashed)
    record = end(world, "budgeted", "work-1")
    assert (before, after, record.state, len(attempts_of(noted))) == (0, 2, State.CRASHED, 1 + budget)
    wait_for_workers(2)


@pytest.mark.parametrize(("code", "is_mapped"), [(3, False), (0, True)], ids=["submit", "map"])
def test_a_task_that_ends_its_process_crashes_with_the_exit_code_and_is_not_run_again(
    world: FlowWorld, tmp_path: Path, code: int, is_mapped: bool
) -> None:
    noted = tmp_path / "attempts"

    @task(retries=2)
    def work(number: int) -> int:
        if number == 1:
            note_attempt(noted)
            os._exit(code)
        return number

    @flow
    def exiting() -> list[object]:
        futures = work.map(range(3)) if is_mapped else [work.submit(number) for number in range(3)]
        return [future.result(raise_on_failure=False) for future in futures]

    before, crash, after = exiting()

    assert (before, after) == (0, 2)
    assert isinstance(crash, TaskCrashed)
    record = end(world, "exiting", "work-1")
    assert (record.state, record.attempt, len(attempts_of(noted))) == (State.CRASHED, 1, 1)
    assert record.message.startswith(f"process exited with {code} (attempt 1 of work-1 on {record.worker}).")


def test_a_flow_whose_task_dies_of_a_signal_fails_with_its_name(world: FlowWorld) -> None:
    @task
    def work() -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    @flow
    def signalled() -> None:
        work.submit().result()

    with pytest.raises(TaskCrashed, match="killed by SIGSEGV"):
        signalled()

    run = world.run("signalled")
    assert (run.state, "killed by SIGSEGV" in run.message) == (State.FAILED, True)
    assert world.ends("signalled") == [("work-0", State.CRASHED)]
