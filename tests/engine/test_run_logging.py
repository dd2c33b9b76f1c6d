"""Logs of runs: where a record goes, and what is done with prints."""

from __future__ import annotations

import logging
import sys

import pytest

from orchestra_nb import flow, get_run_logger, task
from orchestra_nb.context import MissingContext
from orchestra_nb.logging import disable_run_logger, get_logger
from orchestra_nb.logging.loggers import flow_run_logger, task_run_logger
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
    lines = [line for _, line in world.store.log_lines(world.run("logged").run_id)]
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
    lines = [line for _, line in world.store.log_lines(world.run("logged").run_id)]
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


def test_plain_loggers_stand_below_orchestra() -> None:
    assert (get_logger().name, get_logger("loads").name) == ("orchestra", "orchestra.loads")
