"""Cached calls of tasks: found again, computed once, and kept where their policy says."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb import flow, task
from orchestra_nb.cache_policies import FLOW_PARAMETERS, INPUTS, NO_CACHE, RUN_ID, TASK_SOURCE, CachePolicy
from orchestra_nb.context import get_run_context
from orchestra_nb.engine.task_settings import InvalidOption, OptionWarning
from orchestra_nb.errors import InvalidInput
from tests.engine.conftest import FlowWorld
from tests.patience import PATIENCE_SECONDS


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


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_the_name_of_a_results_file_may_tell_of_the_run(world: FlowWorld, tmp_path: Path, is_submitted: bool) -> None:
    template = "{flow_run.flow_name}/{task_run.name}-{parameters[x]}.json"

    @task(persist_result=True, result_storage=tmp_path, result_serializer="json", result_storage_key=template)
    def double(x: int) -> int:
        return 2 * x

    @flow
    def keeping() -> int:
        return double.submit(4).result() if is_submitted else double(4)

    assert keeping() == 8
    assert (tmp_path / "keeping" / "double-0-4.json").read_text() == "8"


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ("{parameters[z]}", "{parameters[z]}"),
        ("{flow_run.colour}", "{flow_run.colour}"),
        ("{flow_run}", "{flow_run}"),
        ("{x}", "{x}"),
        ("{", "Single '{' encountered"),
    ],
)
def test_a_name_for_the_file_that_nothing_fills_is_refused_where_the_task_is_made(template: str, field: str) -> None:
    with pytest.raises(InvalidOption) as raised:

        @task(result_storage_key=template)
        def double(x: int) -> int:
            return 2 * x

    assert field in str(raised.value)


def test_what_cannot_be_kept_under_its_name_is_not_computed(count: Path) -> None:
    @task(persist_result=True, result_storage_key="{parameters[x].colour}")
    def double(x: int) -> int:
        count.touch()
        return 2 * x

    with pytest.raises(InvalidInput, match="cannot be filled"):
        double(4)
    assert not count.exists()


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_task_that_calls_itself_under_one_key_does_not_wait_for_itself(tmp_path: Path, is_submitted: bool) -> None:
    @task(cache_policy=TASK_SOURCE, result_storage=tmp_path)
    def factorial(number: int) -> int:
        if number <= 1:
            return 1
        return number * (factorial.submit(number - 1).result() if is_submitted else factorial(number - 1))

    @flow(timeout_seconds=PATIENCE_SECONDS)
    def once() -> int:
        return factorial.submit(3).result() if is_submitted else factorial(3)

    assert once() == 6
    assert once() == 6


def test_two_tasks_under_one_key_may_call_each_other() -> None:
    @task(cache_key_fn=lambda context, arguments: "one key for both")
    def inner() -> int:
        return 2

    @task(cache_key_fn=lambda context, arguments: "one key for both", timeout_seconds=PATIENCE_SECONDS)
    async def outer() -> int:
        return inner() + 1

    assert asyncio.run(outer()) == 3


def test_a_flow_says_where_and_how_the_results_of_its_tasks_are_kept(tmp_path: Path) -> None:
    @task(result_storage_key="{parameters[x]}.json")
    def double(x: int) -> int:
        return 2 * x

    @task(result_storage=tmp_path / "own", result_storage_key="own.json")
    def own(x: int) -> int:
        return x

    @flow(result_storage=tmp_path / "flow", result_serializer="json")
    def keeping() -> None:
        double(1)
        double.submit(2).wait()
        own(3)

    keeping()

    kept = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.json")}
    assert kept == {"flow/1.json": "2", "flow/2.json": "4", "own/own.json": "3"}


@pytest.mark.parametrize("decorate", [task, flow], ids=["task", "flow"])
def test_an_option_that_has_no_effect_here_is_warned_of(decorate: Any) -> None:
    with pytest.warns(OptionWarning, match="cache_result_in_memory=False has no effect") as said:

        @decorate(cache_result_in_memory=False)
        def nothing() -> None:
            pass

    assert said[0].filename == __file__
    assert nothing() is None


@pytest.mark.parametrize(
    "options", [{"cache_policy": NO_CACHE}, {"cache_key_fn": lambda context, arguments: None}], ids=["policy", "key"]
)
def test_a_result_without_a_key_is_kept_where_that_is_asked_for(
    tmp_path: Path, count: Path, options: dict[str, Any]
) -> None:
    @task(persist_result=True, result_storage=tmp_path, result_storage_key="{parameters[x]}.json", **options)
    def double(x: int) -> int:
        with count.open("a") as file:
            file.write("x")
        return 2 * x

    @flow
    def keeping() -> list[int]:
        return [double(4), double.submit(4).result()]

    assert keeping() == [8, 8]
    assert count.read_text() == "xx"
    assert (tmp_path / "4.json").read_text() == "8"


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
