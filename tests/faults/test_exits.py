"""F44: code of tasks and flows leaves by ``SystemExit``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb import flow, task
from orchestra_nb.model.states import State
from tests.engine.conftest import FlowWorld
from tests.faults.flow_script import FlowScript

exits = pytest.mark.parametrize(
    ("code", "words"),
    [(3, "sys.exit(3)"), (0, "sys.exit(0)"), (None, "sys.exit()")],
    ids=["sys.exit(3)", "sys.exit(0)", "raise SystemExit"],
)


def leave(code: int | None, path: Path) -> None:
    """Note that the code ran, and leave."""
    with path.open("a") as file:
        file.write("x")
    if code is None:
        raise SystemExit
    sys.exit(code)


@exits
@pytest.mark.parametrize("way", ["submit", "map", "call"])
def test_a_task_that_exits_has_failed_and_ran_once(
    world: FlowWorld, tmp_path: Path, way: str, code: int | None, words: str
) -> None:
    @task
    def work(number: int) -> int:
        if number == 1:
            leave(code, tmp_path / "count")
        return number

    @flow
    def leaving() -> list[Any]:
        if way == "call":
            return [work(number, return_state=True).result(raise_on_failure=False) for number in range(3)]
        futures = work.map(range(3)) if way == "map" else [work.submit(number) for number in range(3)]
        return [future.result(raise_on_failure=False) for future in futures]

    first, exit_, last = leaving()

    assert (first, last, type(exit_)) == (0, 2, SystemExit)
    record = world.tasks("leaving")[1]
    assert (record.state, record.attempt) == (State.FAILED, 1)
    assert record.message == f"SystemExit: task called {words}"
    assert (tmp_path / "count").read_text() == "x"


@exits
def test_a_flow_that_exits_has_failed(world: FlowWorld, tmp_path: Path, code: int | None, words: str) -> None:
    @flow
    def leaving() -> None:
        leave(code, tmp_path / "count")

    with pytest.raises(SystemExit) as raised:
        leaving()

    run = world.run("leaving")
    assert (run.state, raised.value.code) == (State.FAILED, code)
    assert f"flow called {words}" in run.message
    assert (tmp_path / "count").read_text() == "x"


def test_a_script_whose_flow_exits_exits_with_the_same_code(tmp_path: Path) -> None:
    source = "import sys\nfrom orchestra_nb import flow\n\n@flow\ndef leaving():\n    sys.exit(3)\n\nleaving()\n"
    with FlowScript(tmp_path, source) as script:
        assert script.wait() == 3
        run = script.ended()

    assert (run.state, "flow called sys.exit(3)" in run.message) == (State.FAILED, True)
