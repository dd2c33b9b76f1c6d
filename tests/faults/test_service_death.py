"""The service that runs deployments is killed, or told to end: no run is lost, doubled or stuck."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import Driver, Run
from orchestra_nb.model.schedules import IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.services.recovery import end_driver
from orchestra_nb.store.leases import Leases
from tests.faults.invariants import assert_invariants, nothing_is_left
from tests.patience import eventually
from tests.services.deployed import Deployed

_FIRST_TIME_ENDLESS = """
import time
from pathlib import Path
with Path("ran").open("a") as file:
    file.write("x")
while len(Path("ran").read_text()) < 2 and not Path("go").exists():
    time.sleep(0.02)
"""

_FLOW = "from orchestra_nb import flow\n\n\n@flow\ndef waits():\n" + _FIRST_TIME_ENDLESS.replace("\n", "\n    ") + "\n"


_LASTING_FLOW = """
import time
from pathlib import Path
from orchestra_nb import flow

@flow
def lasts():
    Path("lasts").touch()
    time.sleep(3600)
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path, f"sqlite:///{tmp_path / 'store.db'}")
    yield deployed
    deployed.close()


def begun(deployed: Deployed, run_id: str) -> None:
    deployed.wait(run_id, lambda run: run.state is State.RUNNING)
    ran = deployed.folder / "ran"
    eventually(lambda: ran.exists() and ran.read_text() == "x")  # the file is there before what is written into it


def test_a_notebook_whose_service_is_killed_runs_once_more_in_the_next_one(deployed: Deployed) -> None:
    deployment = deployed.deploy_notebook("waits", _FIRST_TIME_ENDLESS)
    service = deployed.serve()
    run_id = deployed.ask(deployment)
    begun(deployed, run_id)
    left = psutil.Process(service.pid).children(recursive=True)

    deployed.end(service, signal.SIGKILL)

    lost = deployed.wait(run_id)
    assert (lost.state, lost.epoch) == (State.CRASHED, 1)
    assert "service" in lost.message
    nothing_is_left([child.pid for child in left])
    deployed.serve()
    run = deployed.wait(run_id, lambda run: run.state is State.COMPLETED)
    assert run.epoch == 2
    assert (deployed.folder / "ran").read_text() == "xx"
    assert_invariants(deployed.store, run_id)


def test_without_an_infrastructure_budget_it_stays_as_it_is(deployed: Deployed) -> None:
    policy = RetryPolicy(retries=3, infrastructure_retries=0)
    deployment = deployed.deploy_notebook("waits", _FIRST_TIME_ENDLESS, retry=policy)
    service = deployed.serve()
    run_id = deployed.ask(deployment)
    begun(deployed, run_id)

    deployed.end(service, signal.SIGKILL)
    deployed.wait(run_id)
    deployed.serve()
    other = deployed.ask(deployment)

    assert deployed.wait(other).state is State.COMPLETED
    assert (deployed.store.get_run(run_id).state, deployed.store.get_run(run_id).epoch) == (State.CRASHED, 1)


def test_a_flow_goes_on_when_its_service_is_killed(deployed: Deployed) -> None:
    deployment = deployed.deploy_flow("waits", _FLOW)
    service = deployed.serve()
    run_id = deployed.ask(deployment)
    begun(deployed, run_id)

    deployed.end(service, signal.SIGKILL)
    deployed.serve()
    (deployed.folder / "go").touch()

    run = deployed.wait(run_id)
    assert (run.state, run.epoch) == (State.COMPLETED, 1)
    assert (deployed.folder / "ran").read_text() == "x"
    assert_invariants(deployed.store, run_id)


def test_a_service_that_is_told_to_end_lets_runs_end_and_claims_no_more(deployed: Deployed) -> None:
    deployment = deployed.deploy_notebook("waits", _FIRST_TIME_ENDLESS)
    service = deployed.serve("--runs", "1")
    first = deployed.ask(deployment)
    begun(deployed, first)
    service.send_signal(signal.SIGTERM)
    assert service.stderr is not None
    assert any("Still going on" in line for line in service.stderr)
    second = deployed.ask(deployment)
    (deployed.folder / "go").touch()

    code, _ = deployed.end(service, signal.SIGCONT)

    assert code == 0
    assert deployed.store.get_run(first).state is State.COMPLETED
    assert deployed.store.get_run(second).state is State.SCHEDULED


@pytest.mark.soak
def test_a_service_that_is_told_to_end_ends_what_does_not_end_in_ten_seconds(deployed: Deployed) -> None:
    deployments = [deployed.deploy_notebook("waits", _FIRST_TIME_ENDLESS), deployed.deploy_flow("lasts", _LASTING_FLOW)]
    service = deployed.serve()
    run_ids = [deployed.ask(deployment) for deployment in deployments]
    for run_id in run_ids:
        deployed.wait(run_id, lambda run: run.state is State.RUNNING)
    eventually(lambda: ((deployed.folder / "ran").exists() and (deployed.folder / "lasts").exists()) or None)
    left = psutil.Process(service.pid).children(recursive=True)

    begin = datetime.now(UTC)
    code, said = deployed.end(service, signal.SIGTERM)

    assert code == 0
    assert "Still going on" in said
    ended = [deployed.wait(run_id) for run_id in run_ids]
    assert [run.state for run in ended] == [State.CRASHED, State.CRASHED]
    assert ended[0].message == "The service that ran it was shut down in cell 1"
    assert all(run.ended_at and run.ended_at - begin > timedelta(seconds=9) for run in ended)
    assert datetime.now(UTC) - begin < timedelta(seconds=25)  # 15 where nothing else keeps the machine busy
    nothing_is_left([child.pid for child in left])


def test_a_second_signal_ends_it_at_once_and_the_next_service_runs_the_run_again(deployed: Deployed) -> None:
    deployment = deployed.deploy_notebook("waits", _FIRST_TIME_ENDLESS)
    service = deployed.serve()
    run_id = deployed.ask(deployment)
    begun(deployed, run_id)
    left = psutil.Process(service.pid).children(recursive=True)

    service.send_signal(signal.SIGTERM)
    assert service.stderr is not None
    assert any("Still going on" in line for line in service.stderr)
    code, _ = deployed.end(service, signal.SIGTERM)

    assert code == 0
    ended = deployed.store.get_run(run_id)
    assert (ended.state, ended.message) == (State.CRASHED, "The service that ran it was shut down in cell 1")
    nothing_is_left([child.pid for child in left])
    deployed.serve()
    assert deployed.wait(run_id, lambda run: run.state is State.COMPLETED).epoch == 2
    assert_invariants(deployed.store, run_id)


def test_a_flow_that_does_not_end_when_it_is_told_to_is_killed_with_its_service(deployed: Deployed) -> None:
    deaf = _FLOW.replace(
        "    import time", "    import signal, time\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    )
    deployment = deployed.deploy_flow("waits", deaf)
    service = deployed.serve()
    run_id = deployed.ask(deployment)
    begun(deployed, run_id)
    left = psutil.Process(service.pid).children(recursive=True)

    service.send_signal(signal.SIGTERM)
    assert service.stderr is not None
    assert any("Still going on" in line for line in service.stderr)
    code, _ = deployed.end(service, signal.SIGTERM)

    assert code == 0
    nothing_is_left([child.pid for child in left])
    assert deployed.wait(run_id).state is State.CRASHED


def test_a_service_that_was_taken_for_dead_goes_on_as_another(deployed: Deployed) -> None:
    service = deployed.serve()
    deployment = deployed.deploy_notebook("waits", _FIRST_TIME_ENDLESS)
    lost = deployed.ask(deployment)
    begun(deployed, lost)
    (driver,) = [one for one in Leases(deployed.store.database).drivers_without_end() if one.kind == "service"]

    end_driver(deployed.store, driver, "No sign of life.", datetime.now(UTC))  # as another machine does

    run = deployed.wait(lost, lambda run: run.state is State.COMPLETED)
    assert (run.epoch, run.driver_id != driver.driver_id) == (2, True)
    assert (deployed.folder / "ran").read_text() == "xx"
    slow = deployed.deploy_notebook("slow", "import time; time.sleep(3)")
    assert deployed.wait(deployed.ask(slow)).state is State.COMPLETED
    assert service.poll() is None
    assert_invariants(deployed.store, lost)


_FIRST_TIME_DEAF = """
import os, time
from pathlib import Path
from orchestra_nb import flow

@flow
def {name}():
    file = Path("{name}.pids")
    is_first = not file.exists()
    with file.open("a") as pids:
        pids.write(f"{{os.getpid()}}\\n")
    while is_first:
        try:
            time.sleep(0.02)
        except BaseException:
            if not {is_deaf}:
                raise
"""


def test_a_flow_that_was_taken_for_dead_ends_beside_its_second_run(deployed: Deployed) -> None:
    deployed.serve()
    runs: dict[str, str] = {}
    for name, is_deaf in (("gives", False), ("deaf", True)):
        source = _FIRST_TIME_DEAF.format(name=name, is_deaf=is_deaf)
        runs[name] = deployed.ask(deployed.deploy_flow(name, source))

    def pids(name: str) -> list[int]:
        path = deployed.folder / f"{name}.pids"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    eventually(lambda: (pids("gives") and pids("deaf")) or None)
    first = {name: pids(name)[0] for name in runs}
    for pid in first.values():
        driver = eventually(lambda pid=pid: _driver_of(deployed, pid))  # type: ignore[misc]
        end_driver(deployed.store, driver, "No sign of life.", datetime.now(UTC))  # as another machine does

    for name, run_id in runs.items():
        run = deployed.wait(run_id, lambda run: run.state is State.COMPLETED)
        assert run.epoch == 2
        assert pids(name)[0] == first[name]
        assert len(pids(name)) == 2
    nothing_is_left(first.values())
    for run_id in runs.values():
        assert_invariants(deployed.store, run_id)
    gives = (deployed.folder / "data" / "orchestra" / "outputs" / f"{runs['gives']}.1.log").read_text()
    assert "taken for dead" in gives


def _driver_of(deployed: Deployed, pid: int) -> Driver | None:
    found = [driver for driver in Leases(deployed.store.database).drivers_without_end() if driver.pid == pid]
    return found[0] if found else None


def test_a_flow_whose_process_does_not_begin_is_ended_and_runs_again(deployed: Deployed) -> None:
    (deployed.folder / "site").mkdir()
    hang = "import pathlib, sys, time\nstarted = pathlib.Path(__file__).with_name('started')\n"
    hang += "if 'orchestra_nb.operations.deployed_flow' in sys.orig_argv and not started.exists():\n"
    hang += "    print('before the begin', flush=True)\n    started.touch()\n    time.sleep(3600)\n"
    (deployed.folder / "site" / "sitecustomize.py").write_text(hang)
    path = os.pathsep.join(filter(None, (str(deployed.folder / "site"), os.environ.get("PYTHONPATH"))))
    deployed.environ |= {"PYTHONPATH": path, "ORCHESTRA_FLOW_START_SECONDS": "10"}
    deployment = deployed.deploy_flow("quick", "from orchestra_nb import flow\n\n\n@flow\ndef quick():\n    pass\n")
    service = deployed.serve()
    run_id = deployed.ask(deployment)

    run = deployed.wait(run_id, lambda run: run.state is State.COMPLETED)

    assert run.epoch == 2
    lost = next(change for change in deployed.store.state_changes(run_id) if change.to_state is State.CRASHED)
    assert lost.message.startswith(
        "The process of the flow ended before it began: it took longer than 10 s (the setting flow_start_seconds). "
        "Its last words: before the begin More is in "
    )
    _, said = deployed.end(service)
    assert f"Run {run.name} of deployment quick: run again, since its process was lost" in said


def test_what_passed_while_no_service_was_up_is_recorded_without_a_gap(deployed: Deployed) -> None:
    schedule = IntervalSchedule(every_seconds=1, max_late_seconds=2)
    deployed.deploy_notebook("often", "1", schedules=(DeploymentSchedule(schedule=schedule),))
    service = deployed.serve()
    eventually(lambda: len(deployed.store.list_runs(limit=1_000)) >= 2 or None)
    deployed.end(service, signal.SIGKILL)
    killed_at = datetime.now(UTC)
    eventually(lambda: datetime.now(UTC) - killed_at > timedelta(seconds=5) or None)

    deployed.serve()
    eventually(lambda: any(run.created_at > killed_at + timedelta(seconds=6) for run in _runs(deployed)) or None)

    runs = _runs(deployed)
    due = [run.due_at for run in runs if run.due_at is not None]
    assert due == [due[0] + timedelta(seconds=number) for number in range(len(runs))]
    assert len({run.occurrence for run in runs}) == len(runs)
    missed = [run for run in runs if run.state is State.MISSED]
    assert missed
    assert all("late" in run.message for run in missed)


def _runs(deployed: Deployed) -> list[Run]:
    return sorted(deployed.store.list_runs(limit=1_000), key=lambda run: str(run.occurrence))
