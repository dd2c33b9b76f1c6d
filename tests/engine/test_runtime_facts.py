"""``runtime``: what code may ask of the run that it belongs to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestra_nb import flow, get_run_context, runtime, tags, task
from orchestra_nb.context import FlowRunContext, MissingContext, TaskRunContext

pytestmark = pytest.mark.usefixtures("world")


def facts_of_flow() -> dict[str, Any]:
    names = ("id", "name", "flow_name", "parameters", "tags", "run_count", "parent_flow_run_id")
    return {name: getattr(runtime.flow_run, name) for name in names}


def facts_of_task() -> dict[str, Any]:
    return {
        name: getattr(runtime.task_run, name) for name in ("id", "name", "task_name", "parameters", "tags", "run_count")
    }


@task
def ask(x: int, y: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    facts = facts_of_task()
    return facts_of_flow(), {**facts, "parameters": dict(facts["parameters"])}


def test_everything_is_empty_outside_of_a_run() -> None:
    assert facts_of_flow() == {
        "id": None,
        "name": None,
        "flow_name": None,
        "parameters": {},
        "tags": [],
        "run_count": 0,
        "parent_flow_run_id": None,
    }
    assert facts_of_task() == {
        "id": None,
        "name": None,
        "task_name": None,
        "parameters": {},
        "tags": [],
        "run_count": 0,
    }
    assert (runtime.deployment.name, runtime.deployment.parameters) == (None, {})


@pytest.mark.parametrize("is_submitted", [False, True], ids=["direct", "submitted"])
def test_a_task_knows_its_own_run_and_that_of_its_flow(is_submitted: bool) -> None:
    @flow(tags=["flow"])
    def asking(region: str) -> tuple[dict[str, Any], Any]:
        with tags("block"):
            return facts_of_flow(), ask.submit(1).result() if is_submitted else ask(1)

    of_flow, (seen_by_task, of_task) = asking("EU")

    assert seen_by_task == of_flow
    assert of_flow["id"]
    assert of_flow["name"]
    assert {**of_flow, "id": "", "name": ""} == {
        "id": "",
        "name": "",
        "flow_name": "asking",
        "parameters": {"region": "EU"},
        "tags": ["flow"],
        "run_count": 1,
        "parent_flow_run_id": None,
    }
    assert {**of_task, "id": ""} == {
        "id": "",
        "name": "ask-0",
        "task_name": "ask",
        "parameters": {"x": 1, "y": 2},
        "tags": ["block", "flow"],
        "run_count": 1,
    }


def test_a_task_knows_no_other_task_of_its_flow() -> None:
    @flow
    def asking() -> list[dict[str, Any]]:
        ask(1)
        return [facts_of_task()]

    assert asking()[0]["name"] is None


def test_the_context_is_that_of_the_task_or_else_of_the_flow() -> None:
    @task
    def look() -> tuple[str, bool, bool]:
        return type(get_run_context()).__name__, FlowRunContext.get() is None, TaskRunContext.get() is None

    @flow
    def looking() -> list[tuple[str, bool, bool]]:
        here = type(get_run_context()).__name__, FlowRunContext.get() is None, TaskRunContext.get() is None
        return [here, look.submit().result()]

    assert looking() == [("FlowRunContext", False, True), ("TaskRunContext", True, False)]


def test_there_is_no_context_outside_of_runs() -> None:
    with pytest.raises(MissingContext, match="No flow and no task runs here"):
        get_run_context()
    assert FlowRunContext.get() is TaskRunContext.get() is None


def test_a_tag_is_a_text() -> None:
    with pytest.raises(TypeError, match="A tag is a text, and 3 is none"), tags("a", 3):  # type: ignore[arg-type]
        pass


def test_a_task_in_a_subflow_knows_where_it_all_began_and_when() -> None:
    @task
    def look() -> tuple[Any, ...]:
        of_flow = runtime.flow_run
        return of_flow.root_flow_run_id, of_flow.flow_version, of_flow.scheduled_start_time

    @flow(version="2")
    def inner() -> list[tuple[Any, ...]]:
        return [look(), look.submit().result()]

    @task
    def between() -> list[tuple[Any, ...]]:
        return inner()

    @flow(version="1")
    def outer() -> tuple[Any, ...]:
        return runtime.flow_run.id, look(), inner(), between()

    begun = datetime.now(UTC)
    run_id, (root, version, started_at), in_subflow, in_subflow_of_task = outer()

    assert (root, version) == (run_id, "1")
    assert begun <= started_at <= datetime.now(UTC)
    assert [found[:2] for found in (*in_subflow, *in_subflow_of_task)] == [(run_id, "2")] * 4
    assert runtime.flow_run.root_flow_run_id is None
