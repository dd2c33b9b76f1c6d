"""``.map``: what is mapped over, what is passed whole, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestra_nb import Task, allow_failure, flow, quote, task, unmapped
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.tasks import MappingError
from tests.engine.attempt_bodies import wait_for
from tests.engine.conftest import FlowWorld
from tests.patience import eventually

pytestmark = pytest.mark.usefixtures("world")


@task
def pack(x: Any, y: Any = 0, *rest: Any, key: Any = None, **more: Any) -> tuple[Any, ...]:
    return (x, y, *rest, key, *more.items())


FILE = io.StringIO("a\nb")


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        (([1, 2],), {}, [(1, 0, None), (2, 0, None)]),
        ((range(2), "ab"), {}, [(0, "ab", None), (1, "ab", None)]),
        (([1, 2], [3, 4]), {}, [(1, 3, None), (2, 4, None)]),
        (([1, 2], 3), {}, [(1, 3, None), (2, 3, None)]),
        (([1, 2], unmapped([3, 4])), {}, [(1, [3, 4], None), (2, [3, 4], None)]),
        (([1, 2], quote([3, 4])), {}, [(1, [3, 4], None), (2, [3, 4], None)]),
        (([1, 2], b"ab"), {}, [(1, b"ab", None), (2, b"ab", None)]),
        (([1], FILE), {}, [(1, FILE, None)]),
        (([1, 2], {"a": 1, "b": 2}), {}, [(1, "a", None), (2, "b", None)]),
        (((number for number in [1, 2]),), {}, [(1, 0, None), (2, 0, None)]),
        (([1, 2],), {"key": [3, 4]}, [(1, 0, 3), (2, 0, 4)]),
        (([1, 2],), {"other": [3, 4]}, [(1, 0, None, ("other", 3)), (2, 0, None, ("other", 4))]),
        (([1, 2], [3, 4], [5, 6]), {}, [(1, 3, 5, None), (2, 4, 6, None)]),
        ((np.array([1, 2]),), {}, [(1, 0, None), (2, 0, None)]),
        ((pd.Series([1, 2]),), {}, [(1, 0, None), (2, 0, None)]),
        (([],), {}, []),
        ((["ab", [1]],), {}, [("ab", 0, None), ([1], 0, None)]),
    ],
    ids=["list", "text whole", "two lists", "number whole", "unmapped", "quote", "bytes whole", "file whole",
         "keys of a dict", "generator", "keyword", "further keyword", "further arguments", "array", "series", "empty",
         "nested"],
)  # fmt: skip
def test_calls_of_a_map(args: tuple[Any, ...], kwargs: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    @flow
    def mapping() -> list[tuple[Any, ...]]:
        return pack.map(*args, **kwargs).result()

    assert mapping() == expected


def test_a_default_between_mapped_arguments_stays() -> None:
    @task
    def three(a: int, b: int = 5, c: int = 0) -> tuple[int, int, int]:
        return a, b, c

    @flow
    def mapping() -> list[tuple[int, int, int]]:
        return three.map([1, 2], c=[3, 4]).result()

    assert mapping() == [(1, 5, 3), (2, 5, 4)]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((1,), "got nothing that can be iterated. Pass a list, or use .submit"),
        ((unmapped([1]),), "got nothing that can be iterated"),
        (([1, 2], [1, 2, 3]), r"have different lengths \(x: 2, y: 3\). Wrap those .* in unmapped\(\)"),
    ],
    ids=["number", "unmapped", "lengths"],
)
def test_what_cannot_be_mapped_is_refused(args: tuple[Any, ...], words: str) -> None:
    with pytest.raises(MappingError, match=words):
        pack.map(*args)


def test_the_value_of_a_future_is_mapped_over() -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2, 3]

    @task
    def double(x: int) -> int:
        return 2 * x

    @flow
    def mapping() -> tuple[list[int], list[int]]:
        first = double.map(numbers.submit())
        return first.result(), double.map(first).result()

    assert mapping() == ([2, 4, 6], [4, 8, 12])


def test_mapped_runs_may_get_the_exceptions_of_failed_ones() -> None:
    @task
    def halve(x: int) -> int:
        if x % 2:
            raise ValueError(x)
        return x // 2

    @task
    def kind(value: object) -> str:
        return type(value).__name__

    @flow
    def mapping() -> list[str]:
        return kind.map(allow_failure(halve.map([1, 2, 3]))).result()

    assert mapping() == ["ValueError", "int", "ValueError"]


def test_states_of_a_map_come_in_the_order_of_the_arguments() -> None:
    @task
    def halve(x: int) -> int:
        if x % 2:
            raise ValueError(x)
        return x // 2

    @flow
    def mapping() -> list[str]:
        return [state.name for state in halve.map([1, 2, 3], return_state=True)]

    assert mapping() == ["Failed", "Completed", "Failed"]


def test_each_run_of_a_large_map_is_known_by_itself(world: FlowWorld) -> None:
    @task(tags={"a"})
    def halve(x: int) -> int:
        if x == 1500:
            raise ValueError(x)
        return x // 2

    @flow
    def large_map() -> list[tuple[str, str, int, bool]]:
        futures = halve.map(range(2500))
        futures.wait()
        runs = [future.task_run for future in futures]
        values = futures.result(raise_on_failure=False)
        assert isinstance(values.pop(1500), ValueError)
        assert values == [x // 2 for x in range(2500) if x != 1500]
        assert all(run.created_at <= run.started_at <= run.ended_at for run in runs)
        assert [future.state.name for future in futures] == [
            "Failed" if x == 1500 else "Completed" for x in range(2500)
        ]
        return [(run.task_run_id, run.name, run.attempt, "a" in run.tags) for run in runs]

    known = large_map()

    assert [name for _, name, _, _ in known] == [f"halve-{x}" for x in range(2500)]
    assert {(attempt, is_tagged) for _, _, attempt, is_tagged in known} == {(1, True)}
    assert [task_run.task_run_id for task_run in world.tasks("large-map")] == [task_run_id for task_run_id, *_ in known]


def test_each_call_waits_for_what_the_map_waits_for() -> None:
    done: list[str] = []

    @task
    def note(word: str) -> None:
        done.append(word)

    @flow
    def mapping() -> None:
        note.map(["b", "c"], wait_for=[note.submit("a")]).wait()

    mapping()

    assert (done[0], sorted(done)) == ("a", ["a", "b", "c"])


@pytest.mark.parametrize("makes_names", [True, False], ids=["before the first is sent", "midway"])
def test_a_map_that_fails_leaves_no_task_running(world: FlowWorld, tmp_path: Path, makes_names: bool) -> None:
    names = iter(["first", "second"])

    class Picky(Task[Any, Any]):
        def run_name(self, *details: Any) -> str:
            return next(names)

    def name() -> str:
        return next(names)

    def hold(x: int) -> None:
        wait_for(tmp_path / "never")

    held = task(name="hold", task_run_name=name)(hold) if makes_names else Picky(hold)
    with pytest.raises(RuntimeError, match="StopIteration"):
        held.map([1, 2, 3])

    def run() -> Run:
        return next(run for run in world.store.list_runs(limit=5) if run.flow_name == "hold")

    eventually(lambda: run().state.is_terminal or None)
    tasks = world.store.task_runs(run().run_id)
    assert run().state is State.FAILED
    assert [(task.name, task.state) for task in tasks] == (
        [] if makes_names else [("first", State.CANCELLED), ("second", State.CANCELLED)]
    )


def test_what_is_mapped_over_the_values_of_tasks_comes_after_them(world: FlowWorld) -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2]

    @task
    def factor() -> int:
        return 3

    @flow
    def products() -> list[Any]:
        first, by = numbers.submit(), factor.submit()
        futures = pack.map(first, by)
        assert [set(future.task_run.upstream) for future in futures] == [{first.task_run_id, by.task_run_id}] * 2
        return futures.result()

    assert products() == [(1, 3, None), (2, 3, None)]
