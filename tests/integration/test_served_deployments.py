"""Deployments in real services: notebooks and flows start when they are due, are retried, and are driven to their end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestra_nb.model.deployments import DeploymentSchedule, NotebookTarget
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.schedules import IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.leases import Leases
from tests.faults.invariants import assert_invariants
from tests.patience import eventually
from tests.services.deployed import Deployed

_FLOW = """
from pathlib import Path
from orchestra_nb import flow, task

@task
def double(number):
    return 2 * number

@flow
def total(numbers: int = 3, fail: bool = False):
    with Path("ran").open("a") as file:
        file.write("x")
    if fail and len(Path("ran").read_text()) < 2:
        raise ValueError("not yet")
    return sum(double(number) for number in range(numbers))
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path, f"sqlite:///{tmp_path / 'store.db'}")
    yield deployed
    deployed.close()


@pytest.fixture
def anywhere(tmp_path: Path, any_store_url: str) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path, any_store_url)
    yield deployed
    deployed.close()


def test_a_notebook_runs_each_time_that_it_is_due_as_it_was_deployed(deployed: Deployed) -> None:
    deployed.serve()
    deployment = deployed.deploy_notebook(
        "often",
        "who = 'nobody'",
        "import os; from orchestra_nb import record; record(who=who, folder=os.getcwd())",
        schedules=(DeploymentSchedule(schedule=IntervalSchedule(every_seconds=1)),),
    )
    (deployed.folder / "often.ipynb").write_text("changed since, and broken")

    def completed() -> int | None:
        runs = deployed.store.list_runs(limit=100)
        done = [run for run in runs if run.state is State.COMPLETED]
        return len(done) if len(done) >= 3 else None

    eventually(completed)
    runs = sorted(deployed.store.list_runs(limit=100), key=lambda run: str(run.occurrence))
    occurrences = [run.due_at for run in runs]
    assert None not in occurrences
    assert occurrences == [occurrences[0] + timedelta(seconds=number) for number in range(len(runs))]  # type: ignore[operator]
    assert {(run.deployment, run.deployment_version, run.state) for run in runs[:3]} == {
        (deployment.name, 1, State.COMPLETED)
    }
    code, shown, said = deployed.orchestra("runs", "results", runs[0].run_id, "--json")
    assert code == 0, said
    assert f'"{deployed.folder}"' in shown
    assert Path(str(runs[0].output_path)).is_file()
    assert not list(deployed.folder.glob("often.*.ipynb"))


def test_a_flow_runs_in_a_process_of_its_own_with_its_parameters_and_is_retried(anywhere: Deployed) -> None:
    deployed = anywhere
    deployment = deployed.deploy_flow("total", _FLOW, retry=RetryPolicy(retries=1))
    deployed.serve()

    run_id = deployed.ask(deployment, numbers=4, fail=True)

    run = deployed.wait(run_id, lambda run: run.state is State.COMPLETED)
    assert run.epoch == 2
    assert (deployed.folder / "ran").read_text() == "xx"
    assert [task.state for task in deployed.store.task_runs(run_id)] == [State.COMPLETED] * 4
    assert DeadLetterStore(deployed.store.database).list_letters() == []
    assert_invariants(deployed.store, run_id)


def test_a_notebook_that_fails_is_retried_and_then_a_dead_letter(deployed: Deployed) -> None:
    deployment = deployed.deploy_notebook("fails", "open('ran', 'a').write('x')", "1 / 0", retry=RetryPolicy(retries=1))
    service = deployed.serve()

    run_id = deployed.ask(deployment)

    (letter,) = eventually(lambda: DeadLetterStore(deployed.store.database).list_letters() or None)
    assert (letter.run_id, letter.epoch, letter.attempts) == (run_id, 2, 2)
    assert "ZeroDivisionError" in letter.message
    assert (deployed.folder / "ran").read_text() == "xx"
    assert_invariants(deployed.store, run_id)

    code, _, said = deployed.orchestra("dead-letters", "retry", letter.letter_id, "--wait")

    assert (code, "ZeroDivisionError" in said) == (1, True), said
    run = deployed.wait(run_id, lambda run: run.driver_id is not None)  # none while it waits to be tried again
    driver = Leases(deployed.store.database).find_driver(str(run.driver_id))
    assert driver is not None
    assert (driver.pid, run.epoch >= 3) == (service.pid, True)  # not of the shell


def test_what_cannot_be_run_any_more_fails_with_the_reason_and_is_not_tried_for_ever(deployed: Deployed) -> None:
    target = NotebookTarget(path=str(deployed.folder / "gone.ipynb"), kernel_name="no-such-kernel")
    notebook = deployed.deploy_notebook("gone", "1", target=target)
    flow = deployed.deploy_flow("missing", "renamed = 1")
    deployed.serve()

    for deployment, reason in ((notebook, "no-such-kernel"), (flow, "has no flow 'missing'")):
        run = deployed.wait(deployed.ask(deployment))
        assert (run.state, run.epoch) == (State.FAILED, 1)
        assert reason in run.message


def test_a_run_is_cancelled_while_it_waits_and_while_it_goes_on(deployed: Deployed) -> None:
    endless = deployed.deploy_notebook("endless", "import time; time.sleep(600)", concurrency=1)
    flow = deployed.deploy_flow("sleeps", _FLOW.replace("total", "sleeps") + "\nimport time\n")
    del flow
    deployed.serve()
    first = deployed.ask(endless)
    deployed.wait(first, lambda run: run.state is State.RUNNING)
    second = deployed.ask(endless)

    for run_id in (second, first):
        code, _, said = deployed.orchestra("runs", "cancel", run_id)
        assert code == 0, said
        assert deployed.wait(run_id).state is State.CANCELLED

    assert deployed.store.get_run(second).started_at is None
    assert deployed.store.get_run(first).epoch == 1


def test_no_more_runs_of_a_deployment_go_on_than_it_allows(deployed: Deployed) -> None:
    source = (
        "import os, time\n"
        "open(f'begin-{os.getpid()}', 'x').close()\n"
        "going_on = len([name for name in os.listdir() if name.startswith('begin-')])\n"
        "time.sleep(0.2)\n"
        "os.remove(f'begin-{os.getpid()}')\n"
        "assert going_on <= 2, going_on"
    )
    deployment = deployed.deploy_notebook("few", source, concurrency=2)
    run_ids = [deployed.ask(deployment) for _ in range(6)]

    deployed.serve("--runs", "6")

    assert {deployed.wait(run_id).state for run_id in run_ids} == {State.COMPLETED}


def test_two_services_share_the_work_of_a_store(anywhere: Deployed) -> None:
    deployed = anywhere
    deployment = deployed.deploy_notebook("shared", "open('ran', 'a').write('x')")
    run_ids = [deployed.ask(deployment) for _ in range(12)]

    for _ in range(2):
        deployed.serve("--runs", "1")

    runs = [deployed.wait(run_id) for run_id in run_ids]
    assert {(run.state, run.epoch) for run in runs} == {(State.COMPLETED, 1)}
    assert (deployed.folder / "ran").read_text() == "x" * 12
