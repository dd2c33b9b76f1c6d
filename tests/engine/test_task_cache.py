"""Cached calls of tasks: found again, computed once, and kept where their policy says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb import flow, task
from orchestra_nb.cache_policies import INPUTS
from orchestra_nb.context import get_run_context
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
def test_a_function_that_makes_keys_gets_the_task_its_run_and_its_arguments(
    world: FlowWorld, is_submitted: bool
) -> None:
    seen: list[Any] = []

    def key_of(context: Any, arguments: dict[str, Any]) -> None:
        seen.append((context.task.name, context.task.fn(3), context.task.task_key))
        seen.append((context.task_run.flow_run_id, context.task_run.name, context.parameters, arguments))

    @task(cache_key_fn=key_of)
    def double(x: int) -> int:
        return 2 * x

    @flow
    def keyed() -> int:
        return double.submit(4).result() if is_submitted else double(4)

    assert keyed() == 8
    run_id = world.run("keyed").run_id
    assert seen == [("double", 6, double.task_key), (run_id, "double-0", {"x": 4}, {"x": 4})]


def test_the_context_of_a_task_run_has_its_task() -> None:
    @task(version="7")
    def look() -> Any:
        context = get_run_context()
        return context.task.name, context.task.version, context.task.fn, context.start_time <= datetime.now(UTC)

    @flow
    def looking() -> list[Any]:
        return [look(), look.submit().result()]

    assert looking() == [("look", "7", look.fn, True)] * 2
