"""The essential behaviour of tasks and flows on a real local cluster, where values and functions travel."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from orchestra_nb import Task, allow_failure, flow, get_run_logger, runtime, task
from orchestra_nb.engine.run_scope import enter_scope
from orchestra_nb.engine.run_states import State
from orchestra_nb.errors import TaskFailed, TaskTimedOut, UpstreamFailed, ValueNotPortable
from orchestra_nb.model import states as model
from orchestra_nb.task_runners import ThreadPoolTaskRunner
from tests.engine.attempt_bodies import wait_for
from tests.engine.conftest import FlowWorld
from tests.faults.flow_script import eventually
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("cluster_world")


@task
def add(x: int, y: int = 0) -> int:
    return x + y


@task
def fail() -> None:
    secret = "why"
    raise ValueError(secret)


def test_tasks_run_in_other_processes_and_give_their_values(cluster_world: FlowWorld) -> None:
    @task
    def where() -> int:
        return os.getpid()

    @flow
    def numbers() -> tuple[int, list[int], int]:
        return add.submit(add.submit(1), y=2).result(), add.map([1, 2, 3], y=1).result(), where.submit().result()

    value, mapped, pid = numbers()

    assert (value, mapped) == (3, [2, 3, 4])
    assert pid != os.getpid()
    assert len(cluster_world.tasks("numbers")) == 6


def test_an_error_comes_back_with_the_line_that_raised_it(cluster_world: FlowWorld) -> None:
    @flow
    def failing() -> None:
        fail.submit().result()

    with pytest.raises(ValueError, match="why") as raised:
        failing()

    assert [entry.name for entry in raised.traceback][-2:] == ["failing", "fail"]
    (record,) = cluster_world.tasks("failing")
    assert record.error is not None
    assert (record.error.source_line, record.error.message) == ("raise ValueError(secret)", "why")
    assert record.error.traceback is not None
    assert record.error.traceback.splitlines()[1].endswith("in fail")
    assert "distributed" not in record.error.traceback


def test_a_traceback_from_a_worker_is_that_of_a_call_here() -> None:
    @task
    def divide(parts: dict[str, int]) -> float:
        try:
            return parts["a"] / parts["b"]
        except ZeroDivisionError as error:
            raise ValueError("no") from error

    @flow
    def direct() -> float:
        return divide({"a": 1, "b": 0})

    @flow
    def submitted() -> float:
        return divide.submit({"a": 1, "b": 0}).result()

    texts = []
    for run in (direct, submitted):
        with pytest.raises(ValueError, match="no") as raised:
            run()
        lines = "".join(traceback.format_exception(raised.value)).splitlines()
        texts.append([line.strip() for line in lines[: lines.index("")]])  # of the cause

    assert "~~~~~~~~~~~^~~~~~~~~~~~" in texts[0]
    assert texts[0] == texts[1]


def test_an_error_that_cannot_travel_is_told_with_the_workers_trace() -> None:
    @task
    def raise_unpicklable() -> None:
        lock = threading.Lock()

        class Odd(Exception):
            held = lock

        raise Odd("strange")

    @flow
    def failing() -> None:
        raise_unpicklable.submit().result()

    with pytest.raises(TaskFailed, match="Task raise_unpicklable-0: Odd: strange") as raised:
        failing()

    assert 'raise Odd("strange")' in str(raised.value.__cause__)


def test_an_exception_with_parameters_of_its_own_is_caught_by_its_class() -> None:
    class ApiError(Exception):
        def __init__(self, code: int, message: str) -> None:
            super().__init__(message)
            self.code = code

    @task
    def call() -> None:
        raise ApiError(404, "not found")

    with pytest.raises(ApiError, match="not found") as raised:
        call.submit().result()

    assert raised.value.code == 404
    assert raised.traceback[-1].statement.deindent().lines == ['raise ApiError(404, "not found")']


def test_allowed_failures_arrive_as_exceptions() -> None:
    @task
    def kind(value: object) -> str:
        return f"{type(value).__name__}: {value}"

    @flow
    def tolerant() -> tuple[str, str]:
        bad = fail.submit()
        with pytest.raises(UpstreamFailed):
            kind.submit(bad).result()
        return kind.submit(allow_failure(bad)).result(), kind.submit(1, wait_for=[allow_failure(bad)]).result()

    assert tolerant() == ("ValueError: why", "int: 1")


def test_values_are_copies_there() -> None:
    given = [1]

    @task
    def change(values: list[int]) -> list[int]:
        values.append(2)
        return values

    @flow
    def copying() -> list[int]:
        return change.submit(given).result()

    assert (copying(), given) == ([1, 2], [1])


def test_large_values_stay_there_until_they_are_asked_for() -> None:
    @task
    def make() -> Any:
        return np.ones(1_000_000)

    @task
    def total(values: Any) -> float:
        return float(values.sum())

    @flow
    def summing() -> tuple[float, bool]:
        array = make.submit()
        return total.submit(array).result(), bool(array.result().flags.writeable)

    assert summing() == (1_000_000.0, True)


def test_an_argument_that_cannot_travel_is_named_and_nothing_is_queued(cluster_world: FlowWorld) -> None:
    class Client:
        def __init__(self) -> None:
            self.lock = threading.Lock()

    @flow
    def sending() -> None:
        with pytest.raises(ValueNotPortable, match=r"`x\['client'\].lock` \(type lock\) of task 'add-0' cannot"):
            add.submit({"client": Client()})  # type: ignore[arg-type]

    sending()

    assert cluster_world.tasks("sending") == []


def test_a_result_that_cannot_be_stored_fails_its_task_and_is_not_run_again(
    cluster_world: FlowWorld, tmp_path: Path
) -> None:
    @task(retries=3)
    def lock() -> Any:
        with (tmp_path / "count").open("a") as file:
            file.write("x")
        return threading.Lock()

    @flow
    def locking() -> None:
        lock.submit().result()

    with pytest.raises(ValueNotPortable, match=r"The result of lock \(type lock\) cannot be stored"):
        locking()
    assert (tmp_path / "count").read_text() == "x"


def test_flow_parameters_that_cannot_travel_harm_no_task() -> None:
    @flow
    def holding(lock: Any, numbers: list[int]) -> Any:
        return facts.submit().result()

    @task
    def facts() -> Any:
        return runtime.flow_run.parameters, runtime.flow_run.name == runtime.flow_run.name != ""

    parameters, has_name = holding(threading.Lock(), [1, 2])

    assert (parameters["numbers"], has_name) == ([1, 2], True)
    assert "lock" in parameters["lock"]


def test_a_task_knows_its_run_and_logs_there(cluster_world: FlowWorld, capfd: pytest.CaptureFixture[str]) -> None:
    @task
    def ask(x: int) -> list[Any]:
        get_run_logger().info("logged there")
        print("printed there")
        return [
            runtime.task_run.name,
            runtime.task_run.parameters["x"],
            runtime.flow_run.flow_name,
            runtime.flow_run.tags,
        ]

    @flow(tags=["nightly"])
    def asking() -> list[Any]:
        return ask.submit(1).result()

    assert asking() == ["ask-0", 1, "asking", ["nightly"]]
    assert cluster_world.lines("asking")[0] == "logged there"
    out, err = capfd.readouterr()
    assert ("printed there" in out, "Task run 'ask-0' - logged there" in err) == (True, True)


def test_what_calls_share_is_pickled_once_in_a_run_where_the_code_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_task.py").write_text(
        "from orchestra_nb import task\n@task\ndef double(n):\n    return 2 * n\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from imported_task import double  # type: ignore[import-not-found]

    factor = 1

    @task
    def own(n: int) -> int:
        return factor * n

    def shared(owner: Task[Any, Any]) -> Any:
        with enter_scope(owner.name) as scope:
            return owner.family(scope)

    @flow
    def calling() -> tuple[list[int], list[bool]]:
        nonlocal factor
        values = [double.submit(1).result(), own.submit(1).result()]
        families = [shared(double), shared(own)]
        factor = 10
        values += [double.submit(2).result(), own.submit(2).result()]
        same = [shared(double) is families[0], shared(own) is families[1]]
        monkeypatch.chdir(tmp_path)  # the place of the driver is a part of it
        return values, [*same, shared(double) is families[0]]

    @flow
    def again() -> Any:
        return shared(double)

    values, is_same = calling()

    assert values == [2, 1, 4, 20]
    assert is_same == [True, False, False]
    assert again() is not again()


def test_prints_are_logged_where_the_flow_says_so(cluster_world: FlowWorld) -> None:
    @task
    def say() -> None:
        print("one\ntwo")

    @flow(log_prints=True)
    def saying() -> None:
        say.submit().wait()

    saying()

    assert cluster_world.lines("saying") == ["one", "two"]


def test_retries_get_the_condition_and_the_attempt(tmp_path: Path) -> None:
    def is_worth_it(task: Any, run: Any, state: State[Any]) -> bool:
        return (task.name, run.name, type(state.result(raise_on_failure=False))) == ("flaky", "flaky-0", KeyError)

    @task(retries=5, retry_condition_fn=is_worth_it)
    def flaky() -> int:
        if runtime.task_run.run_count < 3:
            raise KeyError("not yet")
        raise ValueError(runtime.task_run.run_count)

    @flow
    def repeating() -> None:
        flaky.submit().result()

    with pytest.raises(ValueError, match="3"):
        repeating()


def test_timeouts_end_plain_and_coroutine_tasks_softly(cluster_world: FlowWorld) -> None:
    @task(timeout_seconds=0.3)
    def plain() -> None:
        while True:
            time.sleep(0.01)

    @task(timeout_seconds=0.3)
    async def later() -> None:
        import asyncio

        await asyncio.sleep(1e9)

    @flow
    def slow() -> None:
        for made in (plain, later):
            with pytest.raises(TaskTimedOut, match="ran longer than 0.3 s"):
                made.submit().result()

    slow()

    assert [(record.state, record.message) for record in cluster_world.tasks("slow")] == [
        (model.State.TIMED_OUT, "TaskTimedOut: ran longer than 0.3 s")
    ] * 2


def test_hooks_are_called_in_the_driver() -> None:
    seen: list[tuple[str, int]] = []

    @task(
        on_running=[lambda task, run, state: seen.append((state.name, os.getpid()))],
        on_completion=[lambda task, run, state: seen.append((state.name, os.getpid()))],
    )
    def hooked() -> None: ...

    @flow
    def hooking() -> None:
        hooked.submit().wait()

    hooking()

    assert seen == [("Running", os.getpid()), ("Completed", os.getpid())]


def test_a_flow_may_use_threads_beside_another_on_the_cluster() -> None:
    @task
    def where() -> int:
        return os.getpid()

    @flow(task_runner=ThreadPoolTaskRunner())
    def here() -> int:
        return where.submit().result()

    @flow
    def both() -> tuple[bool, bool]:
        return here() == os.getpid(), where.submit().result() == os.getpid()

    assert both() == (True, False)


def test_a_value_of_one_place_is_brought_to_another() -> None:
    @flow(task_runner=ThreadPoolTaskRunner())
    def here(value: Any) -> int:
        return add.submit(value, y=1).result()

    @flow
    def both() -> int:
        return here(add.submit(1))

    assert both() == 2


def test_a_cancelled_flow_stops_its_tasks_there(cluster_world: FlowWorld, tmp_path: Path) -> None:
    @task
    def hold() -> None:
        (tmp_path / "begun").touch()
        wait_for(tmp_path / "never")

    @flow(timeout_seconds=PATIENCE_SECONDS)
    def interrupted() -> None:
        hold.submit()
        wait_for(tmp_path / "begun")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert cluster_world.ends("interrupted") == [("hold-0", model.State.CANCELLED)]
    assert add.submit(1).result() == 1


cloudpickle.register_pickle_by_value(sys.modules[__name__])


def test_a_chain_goes_on_after_a_retry_in_its_middle(cluster_world: FlowWorld, tmp_path: Path) -> None:
    marker = tmp_path / "failed"

    @task(retries=1)
    def follow(before: list[int], number: int) -> list[int]:
        if number == 5 and not marker.exists():
            marker.touch()
            raise ValueError("once")
        return [*before, number]

    @flow
    def chained() -> list[int]:
        future = follow.submit([], 0)
        for number in range(1, 30):
            future = follow.submit(future, number)
        return future.result()

    assert chained() == list(range(30))
    attempts = {record.name: record.attempt for record in cluster_world.tasks("chained")}
    assert attempts == {f"follow-{number}": 2 if number == 5 else 1 for number in range(30)}


def test_a_chain_ends_where_a_call_of_it_fails(cluster_world: FlowWorld) -> None:
    @task
    def follow(before: int, number: int) -> int:
        return before + 1 // (5 - number)

    @flow
    def broken() -> None:
        future = follow.submit(0, 0)
        for number in range(1, 10):
            future = follow.submit(future, number)
        future.result()

    with pytest.raises(UpstreamFailed):
        broken()
    states = {record.name: record.state for record in cluster_world.tasks("broken")}
    assert states == {
        f"follow-{number}": model.State.COMPLETED
        if number < 5
        else model.State.FAILED
        if number == 5
        else model.State.UPSTREAM_FAILED
        for number in range(10)
    }


def test_a_chain_that_is_cancelled_stops(cluster_world: FlowWorld, tmp_path: Path) -> None:
    @task
    def follow(before: int, number: int) -> int:
        if number == 3:
            wait_for(tmp_path / "never")
        return number

    @flow
    def cancelled() -> list[State[int]]:
        futures = [follow.submit(0, 0)]
        for number in range(1, 10):
            futures.append(follow.submit(futures[-1], number))
        eventually(lambda: True if futures[3].state.is_running() else None)
        futures[3].cancel()
        return [future.state for future in futures if future.wait() is None]

    cancelled(return_state=True)

    states = [record.state for record in cluster_world.tasks("cancelled")]
    assert states[:4] == [model.State.COMPLETED] * 3 + [model.State.CANCELLED]
    assert set(states[4:]) == {model.State.UPSTREAM_FAILED}
