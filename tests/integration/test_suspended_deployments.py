"""Runs of deployments that ask people: who waits for them hears it, and with the last answer they go on."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestra_nb.model.states import State
from orchestra_nb.operations.run_questions import list_inputs
from tests.integration.remote_world import RemoteWorld
from tests.patience import PATIENCE_SECONDS, eventually

_ASKING = f"""
import time
from pathlib import Path

from orchestra_nb import flow, pause_flow_run, suspend_flow_run, task

@task
def is_there(path):
    while not Path(path).exists():
        time.sleep(0.02)

@flow
def works_on(path):
    is_there.submit(path)
    return suspend_flow_run(int, timeout=None)

@flow
def leaves():
    return suspend_flow_run(int, timeout=None)

@flow
def stays():
    return pause_flow_run(int, timeout={PATIENCE_SECONDS}, poll_interval=0.05)
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteWorld]:
    world = RemoteWorld(tmp_path_factory.mktemp("suspended"))
    for name in ("leaves", "stays", "works_on"):
        world.deployed.deploy_flow(name, _ASKING)
    try:
        world.start_server()
        world.deployed.serve()
        yield world
    finally:
        world.close()


@pytest.fixture(params=["local", "remote"])
def orchestra(world: RemoteWorld, request: pytest.FixtureRequest) -> Command:
    """Run a command on the store, or over the server."""
    command: Command = getattr(world, request.param)
    return command


def test_waiting_ends_where_a_run_is_suspended_and_its_last_answer_has_it_go_on(
    world: RemoteWorld, orchestra: Command
) -> None:
    waited = orchestra("deployments", "run", "leaves", "--wait", "--json")
    run = world.store.get_run(json.loads(waited.stdout)["run_id"])
    wrong = orchestra("runs", "input", run.name, "many")
    still = world.store.get_run(run.run_id)
    answered = orchestra("runs", "input", run.name, "3")
    done = world.deployed.wait(run.run_id)
    twice = orchestra("runs", "input", run.name, "4")

    remedy = waited.stderr.strip().rpartition("`")[0].rpartition("`")[2]
    assert (waited.returncode, json.loads(waited.stdout)["state"]) == (1, "PAUSED")
    assert f"Run {run.name} is suspended: no process drives it until somebody answers" in waited.stderr
    assert shlex.split(remedy)[:5] == ["orchestra", "runs", "resume", run.name, "--input"]
    assert (wrong.returncode, still.state, still.epoch) == (2, State.PAUSED, 1)
    assert answered.returncode == 0, answered.stderr
    assert f"Run {run.name} was told" in answered.stdout
    assert (done.state, done.epoch) == (State.COMPLETED, 2)
    assert twice.returncode == 3


def test_an_answer_that_comes_while_a_task_goes_on_has_the_run_go_on_when_that_has_ended(
    world: RemoteWorld, orchestra: Command, tmp_path: Path
) -> None:
    started = orchestra("deployments", "run", "works_on", "-p", "path", str(tmp_path / "there"), "--json")
    run_id = json.loads(started.stdout)["run_id"]
    eventually(lambda: list_inputs(world.store, run_id) or None)

    answered = orchestra("runs", "input", run_id, "3")
    before = world.store.get_run(run_id)
    (tmp_path / "there").touch()
    done = world.deployed.wait(run_id)

    assert answered.returncode == 0, answered.stderr
    assert (before.state, before.epoch) == (State.RUNNING, 1)
    assert (done.state, done.epoch) == (State.COMPLETED, 2)
    changes = [(one.to_state, one.actor) for one in world.store.state_changes(run_id, with_tasks=False)]
    paused = changes.index((State.PAUSED, "the flow itself"))
    assert changes[paused + 1][0] is State.SCHEDULED


def test_the_remedy_that_waiting_names_has_the_run_go_on_and_is_waited_for(
    world: RemoteWorld, orchestra: Command
) -> None:
    waited = orchestra("deployments", "run", "leaves", "--wait", "--json")
    remedy = shlex.split(waited.stderr.strip().rpartition("`")[0].rpartition("`")[2])

    resumed = orchestra(*remedy[1:])

    assert resumed.returncode == 0, resumed.stderr
    assert world.deployed.wait(json.loads(waited.stdout)["run_id"]).state is State.COMPLETED


def test_who_waits_hears_what_a_paused_run_asks(world: RemoteWorld, tmp_path: Path) -> None:
    for start, answer in ((world.start_local, world.remote), (world.start_remote, world.local)):
        waiter = start("deployments", "run", "stays", "--wait")
        assert waiter.stderr is not None
        said = next(line for line in waiter.stderr if "waits for integer" in line)
        name = said.split()[1]

        answered = answer("runs", "input", name, "5")
        told, _ = waiter.communicate(timeout=PATIENCE_SECONDS)

        assert said == f"Run {name} waits for integer (pause-1): orchestra runs resume {name} --input JSON\n"
        assert (answered.returncode, waiter.returncode) == (0, 0), told


def test_a_suspended_run_of_no_deployment_stays_so_and_is_told_how_it_goes_on(world: RemoteWorld) -> None:
    (world.home / "alone.py").write_text(f"{_ASKING}\nleaves()\n")
    subprocess.run(
        [sys.executable, "alone.py"], cwd=world.home, env=world.deployed.environ, capture_output=True, check=False
    )
    run = next(one for one in world.store.list_runs() if one.state is State.PAUSED)

    answered = world.local("runs", "input", run.name, "3")

    words = f"It is suspended: `orchestra runs resume {run.name}` runs it, on the machine where its code is.\n"
    assert answered.stdout.endswith(words)
    assert world.store.get_run(run.run_id).state is State.PAUSED
    resumed = world.local("runs", "resume", run.name)
    assert resumed.returncode == 0, resumed.stderr
    assert world.store.get_run(run.run_id).state is State.COMPLETED
