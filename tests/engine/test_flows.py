"""Flows: parameters, final states, retries, timeouts, interrupts, cancellation, subflows, hooks."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from orchestra_nb import Flow, flow, runtime, task
from orchestra_nb.context import FlowRunContext
from orchestra_nb.engine.run_states import State, StateType
from orchestra_nb.errors import InvalidParameters, TaskFailed, TaskTimedOut, TaskWasCancelled
from orchestra_nb.model import states as model
from orchestra_nb.model.runs import Run
from orchestra_nb.states import Cancelled, Completed, Crashed, Failed
from orchestra_nb.store.run_store import CancelRequest
from orchestra_nb.task_runners import ThreadPoolTaskRunner
from tests.engine.attempt_bodies import wait_for
from tests.engine.conftest import FlowWorld
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("world")


@task
def add(x: int, y: int = 0) -> int:
    return x + y


@task
def fail(message: str = "no") -> None:
    raise ValueError(message)


@task
def hold(gate: Path) -> str:
    return wait_for(gate)


class Region(BaseModel):
    name: str
    size: int = 0


@dataclass
class Shop:
    name: str


# --- parameters


@pytest.mark.parametrize(
    ("given", "annotation", "expected"),
    [
        ("5", int, 5),
        (5, int, 5),
        ("2026-01-02", date, date(2026, 1, 2)),
        ({"name": "EU", "size": "3"}, Region, Region(name="EU", size=3)),
        (Region(name="EU"), Region, Region(name="EU")),
        ({"name": "corner"}, Shop, Shop("corner")),
        (("1", "2"), list[int], [1, 2]),
        (None, int | None, None),
        ("x", Any, "x"),
        (threading.Lock, type(threading.Lock), threading.Lock),
    ],
    ids=["text to int", "int", "date", "model from dict", "model", "dataclass", "list", "none", "any", "any class"],
)
def test_parameters_are_converted_by_their_annotations(given: object, annotation: Any, expected: object) -> None:
    def typed(value):  # type: ignore[no-untyped-def]
        return value

    typed.__annotations__["value"] = annotation

    assert flow(typed)(given) == expected


def test_a_parameter_that_does_not_fit_fails_the_run_and_is_named(world: FlowWorld) -> None:
    @flow
    def typed(count: int, region: Region) -> None:
        raise AssertionError("the body is not run")

    with pytest.raises(InvalidParameters, match=r"count = 'many': .*valid integer.*; region.name: Field required"):
        typed("many", {})  # type: ignore[arg-type]
    state = typed("many", {}, return_state=True)

    assert (state.name, type(state.exception())) == ("Failed", InvalidParameters)
    assert world.run("typed").state is model.State.FAILED


def test_a_part_of_a_parameter_that_does_not_fit_is_shown_itself() -> None:
    @flow
    def typed(sizes: dict[str, int]) -> None: ...

    with pytest.raises(InvalidParameters, match=r"that do not fit: sizes.EU = 'x': Input should be a valid integer"):
        typed({"US": 1, "EU": "x"})  # type: ignore[dict-item]


def test_parameters_are_left_as_they_are_where_nobody_wants_them_checked() -> None:
    @flow(validate_parameters=False)
    def typed(count: int) -> object:
        return count

    assert typed("many") == "many"  # type: ignore[arg-type]


def test_parameters_that_do_not_fit_the_function_are_refused() -> None:
    @flow
    def typed(count: int) -> None: ...

    with pytest.raises(TypeError, match=r"Flow typed\(count: 'int'\).*unexpected keyword argument 'size'"):
        typed(1, size=2)  # type: ignore[call-arg]


def test_the_record_keeps_the_parameters(world: FlowWorld) -> None:
    @flow
    def kept(a: int, b: Any, c: str = "default") -> None: ...

    kept("1", Shop("x"))  # type: ignore[arg-type]

    assert world.run("kept").parameters == {"a": 1, "b": "Shop(name='x')", "c": "default"}


# --- what a flow ends in


def test_a_flow_gives_what_its_function_returns(world: FlowWorld) -> None:
    @flow
    def plain() -> dict[str, int]:
        return {"a": add(1)}

    assert plain() == {"a": 1}
    assert world.run("plain").state is model.State.COMPLETED


def test_returned_futures_become_the_states_of_their_tasks() -> None:
    @flow
    def one() -> Any:
        return add.submit(1)

    @flow
    def several() -> Any:
        return add.map([1, 2])

    @flow
    def mixed() -> Any:
        return "bar", fail.submit()

    assert one().result() == 1
    assert [state.result() for state in several()] == [1, 2]
    word, state = mixed()
    assert (word, state.name) == ("bar", "Failed")


def test_a_failed_task_among_the_returned_ones_fails_the_flow(world: FlowWorld) -> None:
    @flow
    def partly() -> Any:
        return [add.submit(1), fail.submit()]

    with pytest.raises(ValueError, match="no"):
        partly()
    assert (world.run("partly").state, world.run("partly").message) == (
        model.State.FAILED,
        "Failed: 1/2 states failed.",
    )


def test_a_failed_task_that_is_not_returned_does_not_fail_the_flow(world: FlowWorld) -> None:
    @flow
    def careless() -> int:
        fail.submit()
        fail(return_state=True)
        return 1

    assert careless() == 1
    assert world.run("careless").state is model.State.COMPLETED


@pytest.mark.parametrize(
    ("returned", "end"),
    [
        (Completed(message="fine"), model.State.COMPLETED),
        (Completed(message="no work", name="Skipped"), model.State.COMPLETED),
        (Failed(message="on purpose"), model.State.FAILED),
        (Cancelled(message="on purpose"), model.State.CANCELLED),
        (Crashed(message="on purpose"), model.State.CRASHED),
    ],
    ids=["completed", "named", "failed", "cancelled", "crashed"],
)
def test_a_state_that_the_flow_made_is_its_end(world: FlowWorld, returned: State[Any], end: model.State) -> None:
    @flow
    def manual() -> Any:
        return returned

    state = manual(return_state=True)

    assert (state.type, state.name, state.message) == (returned.type, returned.name, returned.message)
    assert world.run("manual").state is end


def test_a_flow_that_returns_a_failed_state_raises() -> None:
    @flow
    def manual() -> Any:
        return Failed(message="on purpose")

    with pytest.raises(TaskFailed, match="on purpose"):
        manual()


def test_tasks_are_waited_for_when_the_body_raises(world: FlowWorld, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    @flow
    def raising() -> None:
        hold.submit(gate)
        threading.Timer(0.1, gate.touch).start()
        raise KeyError("in the body")

    with pytest.raises(KeyError):
        raising()

    assert world.ends("raising") == [("hold-0", model.State.COMPLETED)]
    assert (world.run("raising").state, world.run("raising").message) == (
        model.State.FAILED,
        "KeyError: 'in the body'",
    )


@pytest.mark.parametrize("decorator", [flow, task])
def test_what_was_never_awaited_is_called_as_its_function(decorator: Any) -> None:
    @decorator
    async def fetch() -> None: ...

    @decorator
    async def stream() -> Any:
        yield 1

    with pytest.warns(RuntimeWarning, match=r"coroutine '.*<locals>.fetch' was never awaited"):
        fetch()
    assert stream().__name__ == "stream"


def test_a_traceback_has_the_users_lines_only() -> None:
    @task
    def inner() -> None:
        raise KeyError("x")

    @flow
    def outer() -> None:
        inner()

    with pytest.raises(KeyError) as raised:
        outer()

    names = [entry.name for entry in raised.traceback]
    assert names == ["test_a_traceback_has_the_users_lines_only", "outer", "inner"]


def test_a_traceback_of_coroutines_has_the_users_lines_only() -> None:
    @task
    async def inner() -> None:
        raise KeyError("x")

    @flow
    async def outer() -> None:
        await inner()

    async def call() -> None:
        await outer()

    with pytest.raises(KeyError) as raised:
        asyncio.run(call())

    ours = [entry.name for entry in raised.traceback if "orchestra_nb" in str(entry.path)]
    assert ours == []
    assert [entry.name for entry in raised.traceback][-3:] == ["call", "outer", "inner"]


# --- retries and timeouts


def test_the_body_is_repeated_until_it_succeeds(world: FlowWorld) -> None:
    @flow(retries=3, retry_delay_seconds=[0, 0.01])
    def flaky() -> int:
        add(1)
        if runtime.flow_run.run_count < 3:
            raise ValueError("not yet")
        return runtime.flow_run.run_count

    assert flaky() == 3
    assert [name for name, _ in world.ends("flaky")] == ["add-0", "add-1", "add-2"]


def test_a_returned_failure_is_repeated_too() -> None:
    @flow(retries=1)
    def flaky() -> Any:
        return Failed("not yet") if runtime.flow_run.run_count < 2 else 7

    assert flaky() == 7


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_flow_that_runs_too_long_has_timed_out_and_takes_its_tasks_along(
    world: FlowWorld, tmp_path: Path, is_async: bool
) -> None:
    @flow(name="slow", timeout_seconds=3)
    def slow() -> None:
        hold.submit(tmp_path / "never")
        time.sleep(PATIENCE_SECONDS)

    @flow(name="slow", timeout_seconds=3)
    async def slow_async() -> None:
        hold.submit(tmp_path / "never")
        await asyncio.sleep(PATIENCE_SECONDS)

    with pytest.raises(TaskTimedOut, match="Flow run .* ran longer than 3 s"):
        asyncio.run(slow_async()) if is_async else slow()

    run = world.run("slow")
    assert (run.state, run.message) == (model.State.TIMED_OUT, "TaskTimedOut: ran longer than 3 s")
    assert world.ends("slow") == [("hold-0", model.State.CANCELLED)]


def test_a_flow_in_another_thread_that_runs_too_long_has_timed_out() -> None:
    @flow(timeout_seconds=0.2)
    def slow() -> None:
        while True:
            time.sleep(0.01)

    states: list[State[Any]] = []
    thread = threading.Thread(target=lambda: states.append(slow(return_state=True)))
    thread.start()
    thread.join(PATIENCE_SECONDS)

    assert [state.name for state in states] == ["TimedOut"]


@pytest.mark.parametrize("is_main", [True, False], ids=["main thread", "other thread"])
def test_a_flow_that_runs_too_long_takes_along_a_task_that_waits_for_its_retry(world: FlowWorld, is_main: bool) -> None:
    @task(retries=1, retry_delay_seconds=2 * PATIENCE_SECONDS)
    def fail_first() -> None:
        raise ValueError("then wait")

    @flow(timeout_seconds=2)
    def waiting() -> None:
        fail_first()

    states: list[State[Any]] = []

    def call() -> None:
        states.append(waiting(return_state=True))

    if is_main:
        call()
    else:
        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(PATIENCE_SECONDS)

    assert [state.name for state in states] == ["TimedOut"]
    assert world.ends("waiting") == [("fail_first-0", model.State.CANCELLED)]


# --- interrupts and cancellation


def interrupt_when(path: Path) -> None:
    """Send Ctrl-C to this process when a file exists."""

    def wait_and_send() -> None:
        wait_for(path)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait_and_send).start()


# it may come while Python reads a source file for a traceback, and leaves that open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", ["body", "direct task", "retry", "last tasks"])
def test_ctrl_c_cancels_the_flow_and_its_tasks(world: FlowWorld, tmp_path: Path, where: str) -> None:
    @task
    def sleep_in_task() -> None:
        (tmp_path / "begun").touch()
        time.sleep(PATIENCE_SECONDS)

    @task(retries=1, retry_delay_seconds=PATIENCE_SECONDS)
    def fail_first() -> None:
        (tmp_path / "begun").touch()
        raise ValueError("then wait")

    @flow(retries=2)
    def interrupted() -> None:
        future = hold.submit(tmp_path / "never")
        while future.state.name != "Running":
            time.sleep(0.01)
        match where:
            case "body":
                (tmp_path / "begun").touch()
                time.sleep(PATIENCE_SECONDS)
            case "direct task":
                sleep_in_task()
            case "retry":
                fail_first()
            case "last tasks":
                (tmp_path / "begun").touch()

    interrupt_when(tmp_path / "begun")
    with pytest.raises(KeyboardInterrupt):
        interrupted()

    run = world.run("interrupted")
    assert (run.state, run.message) == (model.State.CANCELLED, "interrupted")
    assert {end for _, end in world.ends("interrupted")} == {model.State.CANCELLED}


def test_ctrl_c_in_an_async_flow_cancels_it(world: FlowWorld, tmp_path: Path) -> None:
    @flow
    async def interrupted() -> None:
        hold.submit(tmp_path / "never")
        (tmp_path / "begun").touch()
        await asyncio.sleep(PATIENCE_SECONDS)

    interrupt_when(tmp_path / "begun")
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupted())

    assert world.run("interrupted").state is model.State.CANCELLED
    assert world.ends("interrupted") == [("hold-0", model.State.CANCELLED)]


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_flow_that_somebody_cancels_ends_also_while_its_body_sleeps(
    world: FlowWorld, tmp_path: Path, is_async: bool
) -> None:
    @task(retries=3)
    def sleep_in_task() -> None:
        (tmp_path / "begun").touch()
        time.sleep(PATIENCE_SECONDS)

    @flow(name="asleep", retries=3)
    def asleep() -> None:
        hold.submit(tmp_path / "never")
        sleep_in_task()

    @flow(name="asleep", retries=3)
    async def asleep_async() -> None:
        hold.submit(tmp_path / "never")
        (tmp_path / "begun").touch()
        await asyncio.sleep(PATIENCE_SECONDS)

    def cancel() -> None:
        wait_for(tmp_path / "begun")
        run = next(run for run in world.store.list_runs(limit=10) if run.flow_name == "asleep")
        assert world.store.request_cancel(run.run_id, None, "somebody", datetime.now(UTC))

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(TaskWasCancelled, match="cancelled by somebody"):
        asyncio.run(asleep_async()) if is_async else asleep()
    thread.join()

    assert (world.run("asleep").state, world.run("asleep").message) == (
        model.State.CANCELLED,
        "cancelled by somebody",
    )
    assert {end for _, end in world.ends("asleep")} == {model.State.CANCELLED}


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_cancel_between_the_start_of_a_flow_and_its_body_is_followed(
    world: FlowWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_async: bool
) -> None:
    def cancel(flow: object, run: Run, state: object) -> None:
        world.driver.cancel_asked(CancelRequest(sequence=1, run_id=run.run_id, task_run_id=None, actor="somebody"))

    @flow(name="early", on_running=[cancel])
    def early() -> None:
        wait_for(tmp_path / "never")

    @flow(name="early", on_running=[cancel])
    async def early_async() -> None:
        await asyncio.sleep(PATIENCE_SECONDS)

    monkeypatch.setattr(world.driver, "call_hook", lambda hook: hook())
    with pytest.raises(TaskWasCancelled, match="cancelled by somebody"):
        asyncio.run(early_async()) if is_async else early()

    assert world.run("early").state is model.State.CANCELLED


# --- subflows


def test_a_subflow_is_a_run_of_its_own_with_its_parent(world: FlowWorld) -> None:
    @flow
    def child(x: int) -> int:
        assert runtime.flow_run.parent_flow_run_id
        return add(x)

    @flow
    def parent() -> int:
        return child(add.submit(1)) + child(1, return_state=True).result()

    assert parent() == 2
    assert world.run("child").parent_run_id == world.run("parent").run_id
    assert world.run("child").parameters == {"x": 1}


def test_a_failed_subflow_fails_its_parent_unless_it_is_caught() -> None:
    @flow
    def child() -> None:
        raise KeyError("x")

    @flow
    def parent(catch: bool) -> str:
        return child(return_state=True).name if catch else child()  # type: ignore[return-value]

    assert parent(True) == "Failed"
    with pytest.raises(KeyError):
        parent(False)


def test_a_subflow_in_a_task_knows_the_task(world: FlowWorld) -> None:
    @flow
    def child() -> int:
        return add.submit(1).result()

    @task
    def call() -> int:
        return child()

    @flow
    def parent() -> int:
        return call.submit().result()

    assert parent() == 1
    (record,) = world.tasks("parent")
    assert world.run("child").parent_task_run_id == record.task_run_id
    assert world.run("child").parent_run_id == world.run("parent").run_id


def test_async_subflows_run_side_by_side() -> None:
    arrived = asyncio.Event()

    @flow
    async def first() -> str:
        await arrived.wait()
        return "first"

    @flow
    async def second() -> str:
        arrived.set()
        return "second"

    @flow
    async def parent() -> list[str]:
        return list(await asyncio.gather(first(), second()))

    assert asyncio.run(parent()) == ["first", "second"]


# --- kinds of functions


def test_plain_tasks_can_be_called_in_async_flows() -> None:
    @task
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x

    @flow
    async def mixed() -> list[int]:
        return [add(1), await later(2), *await asyncio.gather(later(3), later(4))]

    assert asyncio.run(mixed()) == [1, 2, 3, 4]


def test_a_generator_flow_runs_while_it_is_read(world: FlowWorld) -> None:
    @flow
    def numbers() -> Iterator[int]:
        for number in range(3):
            yield add(number)

    @flow
    async def async_numbers() -> AsyncIterator[int]:
        for number in range(3):
            yield add(number)

    async def read() -> list[int]:
        return [number async for number in async_numbers()]

    assert list(numbers()) == [0, 1, 2]
    assert asyncio.run(read()) == [0, 1, 2]
    assert len(world.tasks("numbers")) == len(world.tasks("async-numbers")) == 3


def test_a_generator_flow_that_nobody_reads_to_its_end_is_cancelled(world: FlowWorld) -> None:
    @flow
    def numbers() -> Iterator[int]:
        yield from range(100)

    reading = numbers()
    assert next(reading) == 0
    reading.close()  # type: ignore[attr-defined]

    assert world.run("numbers").state is model.State.CANCELLED


def test_a_generator_flow_that_raises_has_failed(world: FlowWorld) -> None:
    @flow
    def numbers() -> Iterator[int]:
        yield 1
        raise KeyError("x")

    with pytest.raises(KeyError):
        list(numbers())
    assert world.run("numbers").state is model.State.FAILED


@pytest.mark.parametrize("decorate", [task, flow], ids=["task", "flow"])
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_the_state_of_a_generator_has_the_list_of_what_it_yielded(decorate: Any, is_async: bool) -> None:
    @decorate
    def plain() -> Iterator[int]:
        yield from (1, 2)

    @decorate
    async def asynchronous() -> AsyncIterator[int]:
        yield 1
        yield 2

    state = asyncio.run(asynchronous(return_state=True)) if is_async else plain(return_state=True)

    assert (state.name, state.result()) == ("Completed", [1, 2])


def test_methods_can_be_flows() -> None:
    class Report:
        rate = 2

        @flow
        def plain(self, x: int) -> int:
            return x * self.rate

        @classmethod
        @flow
        def of_class(cls, x: int) -> int:
            return x * cls.rate

        @staticmethod
        @flow
        def static(x: int) -> int:
            return x

        @flow
        async def later(self, x: int) -> int:
            return x * self.rate

    report = Report()

    assert [report.plain(1), Report.of_class(2), Report.static(3), asyncio.run(report.later(4))] == [2, 4, 3, 8]


# --- names, hooks, runners


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{region}-{day:%A}", "EU-Friday"),
        (lambda: "fixed", "fixed"),
        (lambda: f"{runtime.flow_run.flow_name}-{runtime.flow_run.parameters['region']}", "named-EU"),
    ],
    ids=["template", "callable", "callable that asks the runtime"],
)
def test_names_of_flow_runs(world: FlowWorld, template: Any, name: str) -> None:
    @flow(flow_run_name=template)
    def named(region: str, day: date) -> str | None:
        return runtime.flow_run.name

    assert named("EU", "2026-01-02") == name  # type: ignore[arg-type]
    assert world.run("named").name == name


def test_hooks_of_a_flow_are_called_with_it_its_run_and_the_state() -> None:
    seen: list[tuple[str, object, str, str, str | None]] = []

    def hook(word: str, flow: object, run: Any, state: State[Any]) -> None:
        place = "in its context" if runtime.flow_run.id == run.id else None
        seen.append((word, flow, run.state_type.value, state.name, place))

    words = ("running", "completion", "failure", "cancellation", "crashed")

    @flow(**{f"on_{word}": [partial(hook, word)] for word in words})
    def hooked(end: Any = None) -> Any:
        if isinstance(end, Exception):
            raise end
        return Cancelled() if end == "cancelled" else end

    hooked()
    hooked(ValueError(), return_state=True)
    hooked("cancelled", return_state=True)

    place = "in its context"
    assert seen == [
        ("running", hooked, "RUNNING", "Running", place),
        ("completion", hooked, "COMPLETED", "Completed", place),
        ("running", hooked, "RUNNING", "Running", place),
        ("failure", hooked, "FAILED", "Failed", place),
        ("running", hooked, "RUNNING", "Running", place),
        ("cancellation", hooked, "CANCELLED", "Cancelled", place),
    ]


def test_a_hook_and_a_context_see_a_run_as_prefects_code_does() -> None:
    seen: list[Any] = []

    @flow(tags=["nightly"], version="2", on_completion=[lambda flow, run, state: seen.append(run)])
    def hooked(region: str) -> str:
        run: Any = FlowRunContext.get().flow_run  # type: ignore[union-attr]
        return f"{run.state_name} {run.end_time} {run.total_run_time} {run.parameters['region']}"

    said = hooked("EU")

    [run] = seen
    assert said == "Running None 0:00:00 EU"
    assert (run.state.name, run.state_name, run.state_type) == ("Completed", "Completed", StateType.COMPLETED)
    assert (run.tags, run.run_count, run.deployment_id, run.flow_version) == (["nightly"], 1, None, "2")
    assert run.created <= run.start_time <= run.end_time
    assert (run.expected_start_time, run.total_run_time) == (run.created, run.end_time - run.start_time)
    assert run.total_run_time == run.estimated_run_time
    assert (run.epoch, run.flow_name) == (1, "hooked")


def test_runs_of_one_flow_have_one_flow_id() -> None:
    seen: list[Any] = []

    @flow(on_completion=[lambda flow, run, state: seen.append(run)])
    def hooked() -> None: ...

    hooked()
    hooked()
    hooked.with_options(name="other")()

    first, second, other = (run.flow_id for run in seen)
    assert first == second != other


def test_hooks_are_called_before_the_flow_gives_its_value() -> None:
    called: list[str] = []

    @flow(on_completion=[lambda flow, run, state: called.append(state.result())])
    def hooked() -> str:
        return "value"

    assert (hooked(), called) == ("value", ["value"])


def test_a_failure_hook_waits_for_the_last_attempt() -> None:
    called: list[str] = []

    @flow(retries=2, on_failure=[lambda flow, run, state: called.append(state.name)])
    def hooked() -> None:
        raise ValueError

    hooked(return_state=True)

    assert called == ["Failed"]


def test_the_task_runner_of_a_flow_says_how_many_tasks_run_at_a_time() -> None:
    at_once: list[int] = []
    running: set[int] = set()

    @task
    def count(number: int) -> None:
        running.add(number)
        at_once.append(len(running))
        time.sleep(0.005)
        running.discard(number)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def narrow() -> None:
        count.map(range(5)).wait()

    narrow()

    assert at_once == [1] * 5


def test_what_is_no_task_runner_is_refused() -> None:
    with pytest.raises(ValueError, match=r"task_runner is 'dask'. Write DaskTaskRunner\(\)"):
        Flow(lambda: None, task_runner="dask")  # type: ignore[arg-type]


def test_the_function_itself_runs_without_a_run(world: FlowWorld) -> None:
    @flow
    def untracked(x: int) -> int:
        return x

    assert untracked.fn(1) == 1
    assert "untracked" not in [run.flow_name for run in world.store.list_runs(limit=100)]
