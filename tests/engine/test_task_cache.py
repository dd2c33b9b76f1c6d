"""Cached calls of tasks: found again, computed once, and kept where their policy says."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from orchestra_nb import flow, task
from orchestra_nb.cache_policies import INPUTS
from tests.engine.conftest import FlowWorld


@pytest.fixture
def count(tmp_path: Path) -> Path:
    return tmp_path / "count"


def test_a_call_of_the_same_inputs_is_found_again_in_another_flow(
    world: FlowWorld, count: Path, tmp_path: Path
) -> None:
    @task(cache_policy=INPUTS, result_storage=tmp_path / "results")
    def double(x: int, path: str) -> int:
        with Path(path).open("a") as file:
            file.write("x")
        return 2 * x

    @flow
    def once() -> int:
        return double(4, str(count))

    @flow
    def again() -> int:
        return double.submit(4, str(count)).result()

    assert (once(), again()) == (8, 8)
    assert count.read_text() == "x"
    assert [task_run.is_cached for task_run in world.tasks("again")] == [True]


def test_a_policy_may_keep_its_keys_in_a_folder(world: FlowWorld, count: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"

    @task(cache_policy=INPUTS.configure(key_storage=keys), result_storage=tmp_path / "results")
    def double(x: int, path: str) -> int:
        with Path(path).open("a") as file:
            file.write("x")
        return 2 * x

    @flow
    def twice() -> list[int]:
        return [double(4, str(count)), double(4, str(count))]

    assert twice() == [8, 8]
    assert count.read_text() == "x"
    assert len(list(keys.iterdir())) == 1


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_that_an_argument_has_no_fingerprint_is_said_once_in_a_run(
    world: FlowWorld, capfd: pytest.CaptureFixture[str], tmp_path: Path, is_submitted: bool
) -> None:
    @task(cache_policy=INPUTS, result_storage=tmp_path / "results")
    def use(lock: object) -> int:
        return 1

    @flow(log_prints=True)
    def using() -> None:
        lock = threading.Lock()
        for _ in range(3):
            assert (use.submit(lock).result() if is_submitted else use(lock)) == 1

    using()

    text = "Task 'use' is run without its cache: lock (type lock) has no fingerprint"
    warned = [text for level, text in world.life_lines("using") if level == logging.WARNING]
    assert [line.startswith(text) for line in warned] == [True]
    assert f"WARNING | Task run 'use-0' - {text}" in capfd.readouterr().err
    assert world.lines("using") == []
