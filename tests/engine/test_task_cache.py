"""Cached calls of tasks: found again, computed once, and kept where their policy says."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestra_nb import flow, task
from orchestra_nb.cache_policies import FLOW_PARAMETERS, INPUTS, RUN_ID, CachePolicy
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


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
@pytest.mark.parametrize("policy", [INPUTS, INPUTS + RUN_ID, FLOW_PARAMETERS], ids=["INPUTS", "a sum", "parameters"])
def test_tasks_with_the_same_arguments_do_not_take_each_others_results(
    policy: CachePolicy, is_submitted: bool, tmp_path: Path
) -> None:
    @task(cache_policy=policy, result_storage=tmp_path / "results")
    def double(x: int) -> int:
        return 2 * x

    @task(cache_policy=policy, result_storage=tmp_path / "results")
    def square(x: int) -> int:
        return x * x

    @flow
    def both(x: int) -> list[int]:
        return [each.submit(x).result() if is_submitted else each(x) for each in (double, square)]

    assert both(7) == [14, 49]


def test_tasks_may_share_the_results_of_a_key_of_the_users(tmp_path: Path) -> None:
    @task(cache_key_fn=lambda context, arguments: str(tmp_path), result_storage=tmp_path / "results")
    def first(x: int) -> int:
        return x

    same = task(
        lambda x: -x, cache_key_fn=lambda context, arguments: str(tmp_path), result_storage=tmp_path / "results"
    )

    @flow
    def both() -> list[int]:
        return [first(1), same(2)]

    assert both() == [1, 1]


def test_a_file_of_the_name_that_a_task_gives_its_result_is_taken_in_other_runs(
    world: FlowWorld, count: Path, tmp_path: Path
) -> None:
    @task(result_storage=tmp_path / "results", result_storage_key="{parameters[region]}.json")
    def load(region: str, path: str) -> str:
        with Path(path).open("a") as file:
            file.write("x")
        return f"of {region}"

    @flow
    def loading() -> list[str]:
        return [load("EU", str(count)), load.submit("EU", str(count)).result(), load("US", str(count))]

    assert loading() == loading() == ["of EU", "of EU", "of US"]
    assert count.read_text() == "xx"
    assert [task_run.is_cached for task_run in world.tasks("loading")] == [True, True, True]

    (tmp_path / "results" / "EU.json").unlink()
    loading()

    assert count.read_text() == "xxx"


def test_beside_a_policy_the_name_of_the_file_is_no_key(count: Path, tmp_path: Path) -> None:
    @task(cache_policy=INPUTS, result_storage=tmp_path / "results", result_storage_key="one.json")
    def load(region: str) -> str:
        return f"of {region}"

    @flow
    def loading() -> list[str]:
        return [load("EU"), load("US")]

    assert loading() == ["of EU", "of US"]


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
