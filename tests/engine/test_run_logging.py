"""Logs of runs: where a record goes, and what is done with prints."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orchestra_nb import flow, get_run_logger, task
from orchestra_nb.context import MissingContext
from orchestra_nb.engine.life_lines import ENGINE
from orchestra_nb.engine.printed_lines import printing_to
from orchestra_nb.logging import disable_run_logger, get_logger
from orchestra_nb.logging.loggers import flow_run_logger, task_run_logger
from orchestra_nb.model.events import Event
from orchestra_nb.model.runs import LogLine
from tests.engine.conftest import FlowWorld

pytestmark = pytest.mark.usefixtures("world")


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_line_belongs_to_the_run_that_logged_it(world: FlowWorld, is_submitted: bool) -> None:
    @task
    def work() -> None:
        get_run_logger().warning("in the %s", "task")

    @flow
    def logged() -> None:
        get_run_logger().info("in the flow")
        work.submit().wait() if is_submitted else work()

    logged()

    (record,) = world.tasks("logged")
    lines = [line for _, line in world.store.log_lines(world.run("logged").run_id) if line.logger != ENGINE]
    assert [(line.message, line.level, line.task_run_id, line.logger) for line in lines] == [
        ("in the flow", logging.INFO, None, "orchestra.flow_runs"),
        ("in the task", logging.WARNING, record.task_run_id, "orchestra.task_runs"),
    ]


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
@pytest.mark.parametrize(
    ("of_flow", "of_task", "logged"),
    [
        (None, None, []),
        (True, None, ["flow", "task"]),
        (True, False, ["flow"]),
        (False, True, ["task"]),
    ],
    ids=["nobody", "the flow", "not the task", "only the task"],
)
def test_prints_become_log_lines_where_they_shall(
    world: FlowWorld,
    capsys: pytest.CaptureFixture[str],
    of_flow: bool | None,
    of_task: bool | None,
    logged: list[str],
    is_submitted: bool,
) -> None:
    @task(log_prints=of_task)
    def work() -> None:
        print("task")

    @flow(log_prints=of_flow)
    def printing() -> None:
        print("flow")
        work.submit().wait() if is_submitted else work()

    printing()

    # what a submitted task prints is always kept in its log
    is_kept = is_submitted and "task" not in logged
    assert world.lines("printing") == [*logged, *(["task"] if is_kept else [])]
    assert capsys.readouterr().out.split() == [word for word in ("flow", "task") if word not in logged]


def test_a_subflow_logs_prints_as_the_flow_around_it(world: FlowWorld) -> None:
    @flow
    def child() -> None:
        print("from the child")

    @flow(log_prints=True)
    def parent() -> None:
        child()

    parent()

    assert world.lines("child") == ["from the child"]


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
@pytest.mark.parametrize(
    ("of_flow", "of_outer", "of_inner", "logged"),
    [
        (True, None, None, ["outer", "inner", "child"]),
        (None, True, None, ["outer", "inner", "child"]),
        (True, False, None, []),
        (None, None, True, ["inner"]),
        (None, True, False, ["outer", "child"]),
    ],
    ids=["the flow", "the outer task", "not the outer task", "only the inner task", "not the inner task"],
)
def test_a_task_in_a_task_logs_prints_as_the_task_around_it(
    world: FlowWorld,
    is_submitted: bool,
    of_flow: bool | None,
    of_outer: bool | None,
    of_inner: bool | None,
    logged: list[str],
) -> None:
    @task(log_prints=of_inner)
    def inner() -> None:
        print("inner")

    @flow
    def child() -> None:
        print("child")

    @task(log_prints=of_outer)
    def outer() -> None:
        print("outer")
        inner()
        child()

    @flow(log_prints=of_flow)
    def around() -> None:
        outer.submit().wait() if is_submitted else outer()

    around()

    # what a submitted task shows without logging it is kept in its own log, too, but is not that of a logger of runs
    lines = [line for name in ("around", "child") for _, line in world.store.log_lines(world.run(name).run_id)]
    of_loggers = [line.message for line in lines if line.logger in ("orchestra.task_runs", "orchestra.flow_runs")]
    assert of_loggers == logged


@pytest.mark.parametrize(
    ("options", "pieces"),
    [
        ({}, ["a 1\n", "a 1\n"]),
        ({"end": ""}, ["a 1a 1"]),
        ({"end": "", "flush": True}, ["a 1", "a 1"]),
        ({"sep": "\n"}, ["a\n", "1\n", "a\n", "1\n"]),
    ],
    ids=["lines", "no end", "flushed", "lines inside"],
)
def test_prints_are_sent_line_by_line_or_as_they_are_flushed(options: dict[str, Any], pieces: list[str]) -> None:
    shown = Shown()

    with printing_to(shown, is_logged=False):
        print("a", 1, **options)
        print("a", 1, **options)

    assert shown.texts == pieces


class Shown:
    """The context of an attempt that keeps what is shown."""

    worker = "here"
    attempt = 1

    def __init__(self) -> None:
        self.texts: list[object] = []

    def show(self, message: Mapping[str, object]) -> None:
        self.texts.append(message["text"])

    def log(self, line: LogLine) -> None: ...

    def emit(self, event: Event) -> None: ...

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        raise AssertionError("nothing is asked here")

    def hear(self, take: Callable[[bytes], None] | None) -> None: ...


def test_a_line_without_an_end_is_logged_too(world: FlowWorld) -> None:
    @flow(log_prints=True)
    def printing() -> None:
        print("a", end="")
        print("b\nc", end="")

    printing()

    assert world.lines("printing") == ["ab", "c"]


def test_prints_of_tasks_side_by_side_do_not_mix(world: FlowWorld) -> None:
    @task(log_prints=True)
    def work(word: str) -> None:
        for _ in range(20):
            print(word, end=" ")
            print(word)

    @flow
    def printing() -> None:
        work.map(["a", "b", "c"]).wait()

    printing()

    assert sorted(world.lines("printing")) == ["a a"] * 20 + ["b b"] * 20 + ["c c"] * 20


def test_the_standard_streams_are_put_back() -> None:
    before = sys.stdout, sys.stderr

    @flow(log_prints=True)
    def printing() -> None:
        print("x")

    printing()

    assert (sys.stdout, sys.stderr) == before


def test_what_is_logged_is_shown_with_the_name_of_its_run(capfd: pytest.CaptureFixture[str]) -> None:
    @flow(flow_run_name="calm-fox")
    def logged() -> None:
        get_run_logger().info("hello")

    logged()

    assert "| INFO    | Flow run 'calm-fox' - hello" in capfd.readouterr().err


def test_a_hook_writes_into_the_log_of_its_run(world: FlowWorld, capfd: pytest.CaptureFixture[str]) -> None:
    @task(on_completion=[lambda task, run, state: task_run_logger(run, task).info("task is %s", state.name)])
    def work() -> None: ...

    @flow(
        flow_run_name="calm-fox", on_completion=[lambda flow, run, state: flow_run_logger(run, flow).warning("flow is")]
    )
    def logged() -> None:
        work()

    logged()

    (record,) = world.tasks("logged")
    lines = [line for _, line in world.store.log_lines(world.run("logged").run_id) if line.logger != ENGINE]
    assert [(line.message, line.level, line.task_run_id) for line in lines] == [
        ("task is Completed", logging.INFO, record.task_run_id),
        ("flow is", logging.WARNING, None),
    ]
    assert "| WARNING | Flow run 'calm-fox' - flow is" in capfd.readouterr().err


def test_there_is_no_run_logger_outside_of_runs() -> None:
    with pytest.raises(MissingContext, match="call get_run_logger\\(\\) inside a function under @flow or @task"):
        get_run_logger()


def test_a_disabled_run_logger_says_nothing(world: FlowWorld) -> None:
    @flow
    def logged() -> None:
        with disable_run_logger():
            get_run_logger().info("unsaid")
        get_run_logger().info("said")

    logged()

    assert world.lines("logged") == ["said"]


def test_the_bare_function_of_a_task_may_log_where_run_loggers_are_disabled(world: FlowWorld) -> None:
    @task
    def work() -> str:
        get_run_logger().info("unsaid")
        return "done"

    with disable_run_logger():
        assert work.fn() == "done"
    with pytest.raises(MissingContext):
        work.fn()


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_pytest_captures_what_is_logged(caplog: pytest.LogCaptureFixture, is_submitted: bool) -> None:
    @task
    def work() -> None:
        get_run_logger().info("from the task")

    @flow
    def logged() -> None:
        get_run_logger().info("from the flow")
        work.submit().wait() if is_submitted else work()

    caplog.set_level("INFO")
    logged()

    messages = [record.message for record in caplog.records if record.name.startswith("orchestra.")]
    assert messages == ["from the flow", "from the task"]


def test_a_console_of_the_users_does_not_show_a_line_twice(capfd: pytest.CaptureFixture[str]) -> None:
    @flow
    def logged() -> None:
        get_run_logger().info("hello")

    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    try:
        logged()
    finally:
        logging.getLogger().removeHandler(handler)

    assert capfd.readouterr().err.count("hello") == 1


def test_plain_loggers_stand_below_orchestra() -> None:
    assert (get_logger().name, get_logger("loads").name) == ("orchestra", "orchestra.loads")
