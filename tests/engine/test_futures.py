"""Futures: waiting with and without an end, from plain code and from coroutines."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb import as_completed, flow, task, wait
from orchestra_nb.engine.drivers import current_driver
from orchestra_nb.engine.task_runners import ThreadPoolTaskRunner
from orchestra_nb.futures import PrefectFuture, resolve_futures_to_states
from tests.engine.attempt_bodies import wait_for
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("world")


@task
def gated(gate: Path, value: int = 0) -> int:
    wait_for(gate)
    return value


@task
def add(x: int) -> int:
    return x + 1


def test_a_result_that_does_not_come_in_time_is_a_timeout_that_names_the_task(tmp_path: Path) -> None:
    @flow
    def waiting() -> int:
        future = gated.submit(tmp_path / "gate", 5)
        with pytest.raises(TimeoutError, match="Task gated-0 has not ended after 0.01 s: it is (PENDING|RUNNING)"):
            future.result(timeout=0.01)
        future.wait(timeout=0.01)
        assert not future.state.is_final()
        (tmp_path / "gate").touch()
        return future.result(timeout=PATIENCE_SECONDS)

    assert waiting() == 5


def test_wait_tells_what_has_ended_in_time(tmp_path: Path) -> None:
    @flow
    def waiting() -> None:
        quick, slow = add.submit(1), gated.submit(tmp_path / "gate")
        quick.wait()
        first = wait([quick, slow, quick], timeout=0.01)
        (tmp_path / "gate").touch()
        second = wait([quick, slow])
        assert (first.done, first.not_done) == ({quick}, {slow})
        assert (second.done, second.not_done) == ({quick, slow}, set())

    waiting()


def test_as_completed_gives_each_future_when_it_ends(tmp_path: Path) -> None:
    gates = [tmp_path / str(number) for number in range(3)]

    @flow
    def waiting() -> list[int]:
        futures = [gated.submit(gate, number) for number, gate in enumerate(gates)]
        order = []
        gates[2].touch()
        for future in as_completed(futures):
            order.append(future.result())
            gates[order[-1] - 1].touch()
        return order

    assert waiting() == [2, 1, 0]


def test_as_completed_that_waits_too_long_says_how_many_are_left(tmp_path: Path) -> None:
    @flow
    def waiting() -> None:
        futures = [add.submit(1), gated.submit(tmp_path / "gate")]
        futures[0].wait()
        with pytest.raises(TimeoutError, match="1 of 2 tasks have not ended after 0.2 s"):
            list(as_completed(futures, timeout=0.2))
        (tmp_path / "gate").touch()

    waiting()


def test_a_future_can_be_awaited_while_a_loop_runs() -> None:
    @flow
    async def waiting() -> list[Any]:
        futures = add.map([1, 2])
        return [await add.submit(1), await futures, await asyncio.wait_for(add.submit(3), PATIENCE_SECONDS)]

    assert asyncio.run(waiting()) == [2, [2, 3], 4]


def test_the_loop_goes_on_while_a_future_is_awaited(tmp_path: Path) -> None:
    async def open_gate() -> None:
        (tmp_path / "gate").touch()

    @flow
    async def waiting() -> Any:
        value, _ = await asyncio.gather(gated.submit(tmp_path / "gate", 4).result_async(), open_gate())
        return value

    assert asyncio.run(waiting()) == 4


def test_a_result_is_waited_for_in_a_thread_whose_loop_runs() -> None:
    async def cell() -> int:
        return add.submit(1).result()

    assert asyncio.run(cell()) == 2


def test_an_awaited_failure_is_raised() -> None:
    @task
    def fail() -> None:
        raise KeyError("x")

    @flow
    async def waiting() -> None:
        await fail.submit()

    with pytest.raises(KeyError):
        asyncio.run(waiting())


def test_the_exception_is_returned_where_none_shall_be_raised() -> None:
    @task
    def fail() -> None:
        raise KeyError("x")

    @flow
    def waiting() -> list[str]:
        futures = [fail.submit(), add.submit(1)]
        return [type(future.result(raise_on_failure=False)).__name__ for future in futures]

    assert waiting() == ["KeyError", "int"]


def test_a_callback_is_called_with_the_ended_future() -> None:
    called: list[str] = []
    is_called = threading.Event()

    def note(future: PrefectFuture[int]) -> None:
        called.append(future.state.name)
        is_called.set()

    @flow
    def waiting() -> None:
        add.submit(1).add_done_callback(note)

    waiting()

    assert is_called.wait(PATIENCE_SECONDS)
    assert called == ["Completed"]


def test_futures_in_nested_data_are_replaced_by_their_states() -> None:
    @flow
    def waiting() -> None:
        states = resolve_futures_to_states({"a": [add.submit(1)], "b": 2})
        assert (states["a"][0].result(), states["b"]) == (2, 2)

    waiting()


def test_a_future_cannot_be_pickled_and_says_what_to_do() -> None:
    with pytest.raises(TypeError, match="pass it to a task as an argument"):
        pickle.dumps(add.submit(1))


def test_a_value_is_let_go_with_its_last_future() -> None:
    class Large:
        pass

    @task
    def make() -> Large:
        return Large()

    future = make.submit()
    alive = weakref.ref(future.result())
    runner = current_driver().flow_runner(ThreadPoolTaskRunner())
    task_run_id = future.task_run_id

    del future
    deadline = time.monotonic() + PATIENCE_SECONDS
    while alive() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)

    assert alive() is None
    with pytest.raises(KeyError):
        runner.task(task_run_id)


@pytest.mark.parametrize(
    "use",
    [lambda future: future + 1, lambda future: sum([future]), lambda future: future < 2, lambda future: -future],
    ids=["+", "sum", "<", "-"],
)
def test_a_future_that_is_taken_for_its_value_says_how_to_get_it(use: Callable[[Any], object]) -> None:
    @flow
    def computing() -> None:
        use(add.submit(1))

    with pytest.raises(TypeError, match=r"TaskFuture\(add-0, .*\) is the future of one. Take the value with .result"):
        computing()
