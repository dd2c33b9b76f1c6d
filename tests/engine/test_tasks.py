"""Tasks that are submitted to threads: values, order, retries, timeouts, names, hooks, and tasks in tasks."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb import Task, allow_failure, flow, get_run_logger, quote, runtime, tags, task
from orchestra_nb.artifacts import create_markdown_artifact
from orchestra_nb.concurrency.sync import concurrency
from orchestra_nb.engine.run_states import State
from orchestra_nb.errors import InvalidInput, TaskCrashed, TaskFailed, TaskTimedOut, TaskWasCancelled, UpstreamFailed
from orchestra_nb.model import states as model
from orchestra_nb.states import Cancelled, Completed, Crashed, Failed
from orchestra_nb.store.artifact_store import ArtifactStore
from tests.engine.attempt_bodies import wait_for
from tests.engine.conftest import FlowWorld
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.usefixtures("world")


class Broken(Exception):
    """An error of these tests, with something that cannot be pickled."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


@task
def add(x: int, y: int = 0) -> int:
    return x + y


@task
def fail(message: str = "no") -> None:
    raise Broken(message)


def test_a_submitted_task_gives_its_value() -> None:
    @flow
    def numbers() -> int:
        return add.submit(1, y=2).result()

    assert numbers() == 3


@pytest.mark.parametrize("is_failure_allowed", [False, True])
def test_a_task_that_waits_for_another_one_of_its_name_says_so(
    world: FlowWorld, tmp_path: Path, is_failure_allowed: bool
) -> None:
    @task(task_run_name="step")
    def step(earlier: Any = None) -> None:
        wait_for(tmp_path / "gate")

    @flow
    def steps() -> list[str]:
        first = step.submit()
        later = step.submit(allow_failure(first) if is_failure_allowed else first)
        told = [one.message for one in world.store.task_runs(runtime.flow_run.id)]
        (tmp_path / "gate").touch()
        later.wait()
        return told[1:]

    assert steps() == ["waits for step"]


def test_a_future_as_an_argument_is_replaced_by_its_value_wherever_it_is() -> None:
    @task
    def look(values: Any) -> Any:
        return values

    @flow
    def chain() -> Any:
        one, two = add.submit(1), add.submit(2)
        return look.submit({"a": [one, (two, 3)], "b": add.submit(one, y=two)}).result()

    assert chain() == {"a": [1, (2, 3)], "b": 3}


def test_the_futures_of_a_map_can_be_passed_on_as_a_list() -> None:
    @task
    def total(values: list[int]) -> int:
        return sum(values)

    @flow
    def reduce() -> tuple[int, int]:
        futures = add.map([1, 2, 3], y=1)
        return total.submit(futures).result(), total(futures)

    assert reduce() == (9, 9)


def test_in_threads_a_task_gets_the_very_object() -> None:
    given = [1]

    @task
    def change(values: list[int]) -> list[int]:
        values.append(2)
        return values

    @flow
    def shared() -> bool:
        return change.submit(given).result() is given

    assert shared()
    assert given == [1, 2]


def test_the_exception_of_a_task_is_raised_itself_with_its_line(world: FlowWorld) -> None:
    error = Broken("mine")

    @task
    def raise_mine() -> None:
        raise error

    @flow
    def failing() -> None:
        raise_mine.submit().result()

    with pytest.raises(Broken) as raised:
        failing()

    assert raised.value is error
    assert [entry.name for entry in raised.traceback[-2:]] == ["failing", "raise_mine"]
    (record,) = world.tasks("failing")
    assert record.error is not None
    assert (record.message, record.error.source_line) == ("Broken: mine", "raise error")


def test_what_needs_a_failed_task_does_not_run(world: FlowWorld) -> None:
    @flow
    def upstream() -> State[Any]:
        first = fail.submit()
        second = add.submit(first)
        third = add.submit(1, wait_for=[second])
        third.wait()
        with pytest.raises(UpstreamFailed, match="Task add-1: fail-0 failed: Broken: no"):
            third.result()
        return second.state

    state = upstream(return_state=True)

    assert state.message == "1/1 states failed."
    assert world.ends("upstream") == [
        ("fail-0", model.State.FAILED),
        ("add-0", model.State.UPSTREAM_FAILED),
        ("add-1", model.State.UPSTREAM_FAILED),
    ]


@pytest.mark.parametrize("is_submitted", [True, False])
def test_whoever_asks_for_what_could_not_run_is_told_why(is_submitted: bool) -> None:
    @task
    def load(rows: list[int]) -> int:
        return len(rows)

    @flow
    def pipeline() -> int:
        rows = add.map(add.map([fail.submit(), 1]))  # nobody holds the first tasks
        return load.submit(rows).result() if is_submitted else load(rows)

    with pytest.raises(UpstreamFailed, match="fail-0 failed: Broken: no") as raised:
        pipeline()

    cause = raised.value.__cause__
    assert (type(cause), str(cause)) == (Broken, "no")
    assert [frame.name for frame in traceback.extract_tb(cause.__traceback__)] == ["fail"]  # type: ignore[union-attr]


def test_allow_failure_lets_a_task_run_and_gives_it_the_exception() -> None:
    @task
    def kind(value: object, other: object = None) -> str:
        return type(value).__name__

    @flow
    def tolerant() -> list[str]:
        bad, good = fail.submit(), add.submit(1)
        return [
            kind.submit(allow_failure(bad)).result(),
            kind.submit(allow_failure(good)).result(),
            kind.submit(1, wait_for=[allow_failure(bad)]).result(),
            kind.submit([allow_failure(bad)]).result(),
            kind(allow_failure(bad)),
        ]

    assert tolerant() == ["Broken", "int", "int", "list", "Broken"]


def test_what_is_quoted_arrives_unwrapped() -> None:
    @task
    def kind(value: object) -> str:
        return type(value).__name__

    @flow
    def quoting() -> tuple[str, str]:
        return kind.submit(quote([1])).result(), kind(quote([1]))

    assert quoting() == ("list", "list")


def test_a_task_waits_for_what_it_does_not_use(tmp_path: Path) -> None:
    @task
    def write() -> None:
        (tmp_path / "written").touch()

    @task
    def exists() -> bool:
        return (tmp_path / "written").exists()

    @flow
    def ordered() -> bool:
        return exists.submit(wait_for=[write.submit()]).result()

    assert ordered()


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_failing_task_is_repeated(world: FlowWorld, is_submitted: bool) -> None:
    @task(retries=2)
    def flaky() -> int:
        if runtime.task_run.run_count < 3:
            raise ValueError("not yet")
        return runtime.task_run.run_count

    @flow
    def repeating() -> int:
        return flaky.submit().result() if is_submitted else flaky()

    assert repeating() == 3
    (record,) = world.tasks("repeating")
    assert (record.attempt, record.max_attempts) == (3, 3)


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_the_condition_for_a_retry_gets_the_task_its_run_and_the_state(is_submitted: bool) -> None:
    asked: list[tuple[Task[Any, Any], str, int, str]] = []

    def is_worth_it(task: Task[Any, Any], run: Any, state: State[Any]) -> bool:
        asked.append((task, run.name, run.run_count, type(state.result(raise_on_failure=False)).__name__))
        return len(asked) < 2

    @task(retries=5, retry_condition_fn=is_worth_it)
    def picky() -> None:
        raise KeyError("x")

    @flow
    def conditional() -> str:
        return (picky.submit(return_state=True) if is_submitted else picky(return_state=True)).name

    assert conditional() == "Failed"
    assert asked == [(picky, "picky-0", 1, "KeyError"), (picky, "picky-0", 2, "KeyError")]


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_condition_that_fails_itself_ends_the_retries_and_is_named(is_submitted: bool) -> None:
    @task(retries=5, retry_condition_fn=lambda task, run, state: 1 / 0)
    def picky() -> None:
        raise KeyError("x")

    @flow
    def conditional() -> State[Any]:
        return picky.submit(return_state=True) if is_submitted else picky(return_state=True)

    error = conditional(return_state=True).exception()

    assert error.__notes__ == ["retry_condition_fn raised ZeroDivisionError: division by zero; it is not run again."]


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_task_that_runs_too_long_has_timed_out(world: FlowWorld, is_submitted: bool) -> None:
    @task(timeout_seconds=0.1)
    def endless() -> None:
        while True:
            time.sleep(0.01)

    @flow
    def slow() -> None:
        endless.submit().result() if is_submitted else endless()

    with pytest.raises(TaskTimedOut, match="Task endless-0.* ran longer than 0.1 s"):
        slow()
    (record,) = world.tasks("slow")
    assert (record.state, record.message) == (model.State.TIMED_OUT, "TaskTimedOut: ran longer than 0.1 s")


def test_a_coroutine_task_that_runs_too_long_has_timed_out() -> None:
    @task(timeout_seconds=0.1)
    async def endless() -> None:
        await asyncio.sleep(PATIENCE_SECONDS)

    @flow
    def slow() -> str:
        return endless.submit(return_state=True).name

    assert slow() == "TimedOut"


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_returned_state_is_how_the_task_ends(world: FlowWorld, is_submitted: bool) -> None:
    @task
    def judge(state: State[int]) -> State[int]:
        return state

    @flow
    def judging() -> list[tuple[str, type]]:
        call = judge.submit if is_submitted else judge
        ends = [
            Failed(message="told to fail"),
            Crashed(message="told to crash (attempt 1 of judge-1)"),
            Cancelled(message="told to stop"),
        ]
        states = [call(quote(end), return_state=True) for end in ends]
        assert call(quote(Completed(message="fine", data=5)), return_state=True).result() == 5
        assert str(states[0].exception()) == "told to fail"
        return [(state.name, type(state.exception())) for state in states]

    assert judging() == [("Failed", TaskFailed), ("Crashed", TaskCrashed), ("Cancelled", TaskWasCancelled)]
    assert [end.value for _, end in world.ends("judging")] == ["FAILED", "CRASHED", "CANCELLED", "COMPLETED"]


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (None, "load-0"),
        ("{region}-{year}", "EU-2026"),
        ("{region[0]}{year:>6}", "E  2026"),
        (lambda: "fixed", "fixed"),
        (lambda parameters: parameters["region"].lower(), "eu"),
        (lambda: f"{runtime.flow_run.flow_name}-{runtime.task_run.task_name}-{runtime.task_run.parameters['year']}",
         "naming-load-2026"),
    ],
    ids=["default", "template", "format", "callable", "callable with parameters", "callable that asks the runtime"],
)  # fmt: skip
@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_names_of_task_runs(world: FlowWorld, template: Any, name: str, is_submitted: bool) -> None:
    @task(task_run_name=template)
    def load(region: str, year: int = 2026) -> None: ...

    @flow
    def naming() -> None:
        load.submit("EU").wait() if is_submitted else load("EU")

    naming()

    assert [record.name for record in world.tasks("naming")] == [name]


def test_a_template_that_names_no_parameter_is_refused() -> None:
    @task(task_run_name="{place}")
    def load(region: str) -> None: ...

    @flow
    def naming() -> None:
        load.submit("EU")

    with pytest.raises(ValueError, match=r"the template '\{place\}' cannot be filled .* Its parameters are: region"):
        naming()


def test_runs_of_one_task_are_numbered_through_the_flow(world: FlowWorld) -> None:
    @flow
    def counting() -> None:
        add(1)
        add.submit(2).wait()
        add.map([3, 4]).wait()

    counting()

    assert [record.name for record in world.tasks("counting")] == ["add-0", "add-1", "add-2", "add-3"]


def test_tags_of_the_task_the_flow_and_the_block_come_together(world: FlowWorld) -> None:
    @flow(tags=["flow"])
    def tagging() -> None:
        with tags("block"):
            add.with_options(tags=["task"]).submit(1).wait()
            add.with_options(tags=["task"])(1)
        add(1)

    tagging()

    assert [sorted(record.tags) for record in world.tasks("tagging")] == [
        ["block", "flow", "task"],
        ["block", "flow", "task"],
        ["flow"],
    ]
    assert sorted(world.run("tagging").tags) == ["flow"]


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_hooks_are_called_with_the_task_its_run_and_the_state(world: FlowWorld, is_submitted: bool) -> None:
    seen: list[tuple[object, ...]] = []

    def hook(word: str, task: object, run: Any, state: State[Any]) -> None:
        seen.append((word, task, run.name, state.name, runtime.flow_run.flow_name))

    async def async_hook(task: object, run: Any, state: State[Any]) -> None:
        await asyncio.sleep(0)
        hook("async", task, run, state)

    options = {"on_running": [partial(hook, "running")], "on_completion": [partial(hook, "completion"), async_hook]}
    good = add.with_options(**options)
    bad = fail.with_options(on_failure=[partial(hook, "failure")], on_completion=[partial(hook, "completion")])

    @flow
    def hooked() -> None:
        if is_submitted:
            good.submit(1).wait()
            bad.submit().wait()
        else:
            good(1)
            bad(return_state=True)

    hooked()

    assert seen == [
        ("running", good, "add-0", "Running", "hooked"),
        ("completion", good, "add-0", "Completed", "hooked"),
        ("async", good, "add-0", "Completed", "hooked"),
        ("failure", bad, "fail-0", "Failed", "hooked"),
    ]


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
@pytest.mark.parametrize("made", [Completed, Failed, Cancelled], ids=["completed", "failed", "cancelled"])
def test_the_message_of_a_state_that_a_task_returns_is_its_runs(
    world: FlowWorld, made: Callable[..., State[Any]], is_submitted: bool
) -> None:
    @task
    def decide() -> State[Any]:
        return made(message="nothing to do")

    @flow
    def deciding() -> tuple[str, str | None]:
        state = decide.submit(return_state=True) if is_submitted else decide(return_state=True)
        return state.name, state.message

    assert deciding() == (made().name, "nothing to do")
    assert [record.message for record in world.tasks("deciding")] == ["nothing to do"]


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_task_that_could_not_run_is_not_ready_and_has_not_failed(is_submitted: bool) -> None:
    hooked: list[str] = []
    after = add.with_options(on_failure=[lambda task, run, state: hooked.append(run.name)])

    @flow
    def blocked() -> list[bool | str]:
        bad = fail.submit()
        state = after.submit(bad, return_state=True) if is_submitted else after(bad, return_state=True)
        return [state.name, state.is_pending(), state.is_failed(), state.is_final()]

    assert blocked() == ["NotReady", True, False, True]
    assert hooked == []


@pytest.mark.parametrize("wait_for", [3, "add"], ids=["a number", "a text"])
@pytest.mark.parametrize("call", [add, add.submit, flow(add.fn)], ids=["direct", "submitted", "flow"])
def test_what_cannot_be_waited_for_is_refused_with_what_to_write(call: Callable[..., Any], wait_for: object) -> None:
    with pytest.raises(InvalidInput, match=r"wait_for is .* Write a list of futures"):
        call(1, wait_for=wait_for)


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_hook_of_a_task_sees_its_run_as_prefects_code_does(is_submitted: bool) -> None:
    seen: list[Any] = []
    good = add.with_options(on_completion=[lambda task, run, state: seen.append(run)], tags=["a"], version="7")

    @flow
    def hooked() -> None:
        good.submit(1).wait() if is_submitted else good(1)

    hooked()

    [run] = seen
    assert (run.state.name, run.state_name, run.tags, run.run_count) == ("Completed", "Completed", ["a"], 1)
    assert run.task_key == add.task_key
    assert (run.task_version, run.dynamic_key) == ("7", run.id)
    assert run.total_run_time == run.end_time - run.start_time
    with pytest.raises(AttributeError, match="A TaskRun has no 'task_inputs'.*`upstream`"):
        run.task_inputs  # noqa: B018


@pytest.mark.parametrize("error", [ValueError("in the hook"), SystemExit(1)], ids=["error", "exit"])
def test_a_hook_that_fails_does_not_harm_its_task_or_later_hooks(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    called: list[str] = []

    def broken(task: object, run: object, state: object) -> None:
        raise error

    def good(task: object, run: object, state: object) -> None:
        called.append("later")

    @flow
    def hooked() -> int:
        return add.with_options(on_completion=[broken, good])(1)

    assert hooked() == 1
    assert called == ["later"]
    assert "of task run 'add-0' failed" in caplog.text
    assert "run_hooks.py" not in caplog.text.partition("Traceback")[2]


@pytest.mark.parametrize("error", [ValueError("in the hook"), SystemExit(1)], ids=["error", "exit"])
def test_a_hook_that_fails_does_not_harm_a_task_inside_a_task(world: FlowWorld, error: BaseException) -> None:
    def broken(task: object, run: object, state: object) -> None:
        raise error

    @task
    def outer() -> int:
        hooked = add.with_options(on_running=[broken], on_completion=[broken])
        return hooked(1) + hooked.submit(2).result()

    @flow
    def nested() -> int:
        return outer.submit().result()

    assert nested() == 3
    assert sum("of task run 'add-" in line and "failed: " in line for line in world.lines("nested")) >= 2


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_generator_is_read_into_a_list_where_it_is_submitted_or_returned(is_submitted: bool) -> None:
    @task
    def yielding(count: int) -> Iterator[int]:
        yield from range(count)

    @task
    def returning(count: int) -> Iterator[int]:
        return (number for number in range(count))

    @task
    async def async_yielding(count: int):  # type: ignore[no-untyped-def]
        for number in range(count):
            yield number

    @flow
    def generators() -> list[Any]:
        if is_submitted:
            return [made.submit(3).result() for made in (yielding, returning, async_yielding)]
        return [yielding(3, return_state=True).result(), returning(3), [0, 1, 2]]

    assert generators() == [[0, 1, 2]] * 3


def test_a_coroutine_task_can_be_submitted_from_a_plain_flow() -> None:
    @task
    async def add_later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    @flow
    def plain() -> tuple[int, int]:
        return add_later.submit(1).result(), asyncio.run(add_later(2))

    assert plain() == (2, 3)


def test_tasks_inside_tasks_belong_to_the_flow(world: FlowWorld) -> None:
    @task
    def outer(x: int) -> int:
        return add(x) + add.submit(x).result() + sum(add.map([x, x]).result())

    @flow
    def nesting() -> int:
        return outer.submit(1).result() + outer(1)

    assert nesting() == 8
    assert len(world.tasks("nesting")) == 10


def test_what_tasks_inside_tasks_make_is_theirs(world: FlowWorld) -> None:
    @task
    def inner() -> str | None:
        with concurrency("things"):
            create_markdown_artifact("made", key="made-inside")
        return runtime.task_run.id

    @task
    def outer() -> list[str | None]:
        create_markdown_artifact("made", key="made-inside")
        return [runtime.task_run.id, inner(), inner.submit().result()]

    @flow
    def making() -> list[str | None]:
        return outer.submit().result()

    makers = making()

    made = ArtifactStore(world.store.database).versions("made-inside")
    assert sorted(str(artifact.task_run_id) for artifact in made) == sorted(str(maker) for maker in makers)


def test_a_task_outside_of_flows_is_a_run_of_its_own(world: FlowWorld) -> None:
    assert add.with_options(name="alone")(1) == 1
    assert world.ends("alone") == [("alone-0", model.State.COMPLETED)]

    with pytest.raises(Broken):
        fail.with_options(name="alone-too").submit().result()
    assert world.run("alone-too").state is model.State.FAILED


def test_arguments_that_do_not_fit_are_refused_before_anything_runs() -> None:
    for call in (add, add.submit, add.delay):
        with pytest.raises(TypeError, match=r"Task add\(x: 'int', y: 'int' = 0\) -> 'int': missing a required"):
            call()


def test_a_cancelled_task_says_so(world: FlowWorld, tmp_path: Path) -> None:
    @task
    def endless() -> None:
        wait_for(tmp_path / "never")

    @flow
    def cancelling() -> None:
        future = endless.submit()
        while future.state.name != "Running":
            time.sleep(0.01)
        future.cancel()
        with pytest.raises(TaskWasCancelled, match="Task endless-0: cancelled by its flow"):
            future.result()

    cancelling()

    assert world.ends("cancelling") == [("endless-0", model.State.CANCELLED)]


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_task_called_outside_of_flows_can_be_cancelled(world: FlowWorld, tmp_path: Path, is_async: bool) -> None:
    @task(name="alone-asleep", retries=3)
    def asleep() -> None:
        (tmp_path / "begun").touch()
        time.sleep(PATIENCE_SECONDS)

    @task(name="alone-asleep", retries=3)
    async def asleep_async() -> None:
        (tmp_path / "begun").touch()
        await asyncio.sleep(PATIENCE_SECONDS)

    def cancel() -> None:
        wait_for(tmp_path / "begun")
        run = next(run for run in world.store.list_runs(limit=10) if run.flow_name == "alone-asleep")
        assert world.store.request_cancel(run.run_id, None, "somebody", datetime.now(UTC))

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(TaskWasCancelled, match="cancelled by somebody"):
        asyncio.run(asleep_async()) if is_async else asleep()
    thread.join()

    assert world.run("alone-asleep").state is model.State.CANCELLED
    assert world.ends("alone-asleep") == [("alone-asleep-0", model.State.CANCELLED)]


@pytest.mark.parametrize("callee", ["task", "flow", "task generator", "flow generator"])
def test_an_async_callee_that_waits_for_a_future_lets_the_event_loop_go_on(tmp_path: Path, callee: str) -> None:
    @task
    def slow() -> int:
        wait_for(tmp_path / "gate")
        return 1

    async def one(x: int) -> int:
        return x

    async def several(x: int) -> Any:
        yield x

    async def read(value: int) -> int:
        decorate = task if callee.startswith("task") else flow
        if callee.endswith("generator"):
            values = [x async for x in decorate(several)(value)]
            return int(values.pop())
        return await decorate(one)(value)

    async def open_the_gate() -> None:
        (tmp_path / "gate").touch()

    @flow(timeout_seconds=PATIENCE_SECONDS)
    async def waiting() -> list[Any]:
        return await asyncio.gather(read(slow.submit()), open_the_gate())

    assert asyncio.run(waiting()) == [1, None]


def test_methods_of_all_kinds_can_be_tasks() -> None:
    class Shop:
        tax = 10

        @task
        def price(self, net: int) -> int:
            return net + self.tax

        @task
        @staticmethod
        def twice(x: int) -> int:
            return 2 * x

        @task
        @classmethod
        def rate(cls) -> int:
            return cls.tax

        @classmethod
        @task
        def rate_too(cls) -> int:
            return cls.tax

        @staticmethod
        @task
        def thrice(x: int) -> int:
            return 3 * x

    @flow
    def shopping() -> list[int]:
        shop = Shop()
        return [
            shop.price(1),
            shop.price.submit(1).result(),
            Shop.twice(1),
            shop.twice.submit(1).result(),
            Shop.rate(),
            Shop.rate.submit().result(),
            Shop.rate_too(),
            Shop.thrice(1),
        ]

    assert shopping() == [11, 11, 2, 2, 10, 10, 10, 3]


def test_a_function_of_any_name_may_log_from_a_task(world: FlowWorld) -> None:
    def helper() -> None:
        get_run_logger().warning("from %s", "below")

    @task
    def logging_task() -> None:
        helper()

    @flow
    def logged() -> None:
        logging_task.submit().wait()

    logged()

    assert world.lines("logged") == ["from below"]
