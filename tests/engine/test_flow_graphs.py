"""``flow.visualize()``: the graph of the tasks that a flow calls, none of which runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb import allow_failure, flow, get_run_logger, runtime, task, unmapped, wait
from orchestra_nb.engine.flow_graph import FlowGraph, GraphNode
from orchestra_nb.engine.flow_recording import record_graph
from orchestra_nb.exceptions import FlowVisualizationError
from orchestra_nb.flow_display import plan_bundle
from orchestra_nb.run_display import RUN_MIME

pytestmark = pytest.mark.usefixtures("world")


@task
def load(region: str = "EU") -> Any:
    pytest.fail("a task ran")


@task
def clean(table: Any, other: Any = None) -> Any:
    pytest.fail("a task ran")


@task
async def fetch(url: str) -> Any:
    pytest.fail("a task ran")


@task(viz_return_value=["a", "b"])
def names() -> list[str]:
    pytest.fail("a task ran")


@flow
def inner(x: Any) -> Any:
    pytest.fail("a subflow ran")


def graph(body: Any, *args: Any) -> dict[str, list[str]]:
    """Label of each node to the labels of those that it needs."""
    drawn = record_graph(flow(body), args, {})
    labels = {node.node_id: node.label for node in drawn.nodes}
    return {node.label: [labels[start] for start in node.upstream] for node in drawn.nodes}


def test_direct_and_submitted_calls_are_nodes_with_what_they_need() -> None:
    def body() -> None:
        first, second = load("EU"), load.submit("US")
        clean(first, other={"them": [second]})

    assert graph(body) == {"load-0": [], "load-1": [], "clean-0": ["load-0", "load-1"]}


def test_mapped_calls_are_one_node() -> None:
    def body(count: int) -> None:
        tables = load.map(["EU"] * count)
        cleaned = clean.map(tables, other=unmapped(load("US")))
        clean([table.result() for table in cleaned])

    assert graph(body, 3) == {
        "load × 3": [],
        "load-0": [],
        "clean × 3": ["load × 3", "load-0"],
        "clean-0": ["clean × 3"],
    }


def test_a_mapping_over_an_unknown_value_has_no_number() -> None:
    def body() -> None:
        clean.map(clean.map(load.submit()))

    drawn = record_graph(flow(body), (), {})
    assert [(node.label, node.upstream) for node in drawn.nodes] == [
        ("load-0", ()),
        ("clean × n", ("0",)),
        ("clean × n", ("1",)),
    ]


def test_what_is_made_of_a_value_still_comes_from_its_task() -> None:
    def body() -> None:
        both = load().head(3)["price"] * 2 + load()
        clean(f"{both}", both)

    assert graph(body) == {"load-0": [], "load-1": [], "clean-0": ["load-0", "load-1"]}


def test_wait_for_and_allowed_failures_are_edges() -> None:
    def body() -> None:
        first, second = load.submit(), load.submit()
        wait([first])
        clean.submit(allow_failure(first), wait_for=[second])

    assert graph(body) == {"load-0": [], "load-1": [], "clean-0": ["load-0", "load-1"]}


def test_a_subflow_is_one_node() -> None:
    def body() -> None:
        clean(inner(load()))

    assert graph(body) == {"load-0": [], "inner-0": ["load-0"], "clean-0": ["inner-0"]}


def test_a_coroutine_is_followed_also_where_a_loop_runs() -> None:
    async def body() -> None:
        pages = await asyncio.gather(*(fetch(url) for url in "ab"))
        clean(pages)

    async def in_a_loop() -> dict[str, list[str]]:
        return graph(body)

    assert asyncio.run(in_a_loop()) == {"fetch-0": [], "fetch-1": [], "clean-0": ["fetch-0", "fetch-1"]}


def test_viz_return_value_lets_the_body_go_on() -> None:
    def body() -> None:
        found = names()
        for name in found:
            load(name)
        clean(found)

    assert graph(body) == {"names-0": [], "load-0": [], "load-1": [], "clean-0": ["names-0"]}


def test_a_body_that_needs_a_value_is_told_the_task_and_the_remedy() -> None:
    def body() -> None:
        if load() > 3:
            clean(1)

    with pytest.raises(
        FlowVisualizationError,
        match=r"decides by the value of load-0 in line \d+ of test_flow_graphs.py.*viz_return_value=… at load,",
    ):
        graph(body)


def test_arguments_that_do_not_fit_are_refused_with_the_flows_name() -> None:
    @flow
    def report(regions: list[str]) -> None: ...

    with pytest.raises(TypeError, match=r"Flow report\(.*missing a required argument: 'regions'"):
        report.visualize()  # type: ignore[call-arg]


def test_an_error_in_the_body_names_the_remedy() -> None:
    def body() -> None:
        sum([1, 2]).index(load())  # type: ignore[attr-defined]

    with pytest.raises(FlowVisualizationError, match=r"cannot go on .* AttributeError.*viz_return_value"):
        graph(body)


def test_the_body_may_ask_for_its_run() -> None:
    def body(region: str) -> None:
        get_run_logger().info("starting")
        load(runtime.flow_run.parameters["region"])

    assert graph(body, "EU") == {"load-0": []}


def test_after_a_drawing_tasks_run_again() -> None:
    @task
    def double(x: int) -> int:
        return 2 * x

    record_graph(flow(lambda: double(1), name="drawn"), (), {})

    assert double.fn(2) == 4
    assert double(2) == 4


def test_a_drawing_keeps_lanes_for_what_is_still_needed() -> None:
    nodes = (
        GraphNode("a", "a", "task"),
        GraphNode("b", "b", "task", ("a",)),
        GraphNode("x", "x", "task"),
        GraphNode("c", "c", "task", ("a",)),
        GraphNode("d", "d", "task", ("b", "c", "x")),
    )

    assert FlowGraph("f", nodes).text().splitlines() == [
        "f",
        "●     a",
        "├─╮",
        "│ ●   b",
        "│ │ ● x",
        "│ │ │",
        "● │ │ c",
        "├─┴─╯",
        "●     d",
    ]


def test_the_bundle_has_the_data_of_a_flow_and_text_beside_it() -> None:
    drawn = record_graph(flow(lambda: clean(load("<b>")), name="a<b"), (), {})

    bundle = plan_bundle(drawn)

    data: Any = bundle[RUN_MIME]
    assert (data["view"], data["live"], data["run"]["flow_name"], data["edges"]) == ("flow", False, "a<b", [["0", "1"]])
    assert [(task["name"], task["state"]) for task in data["tasks"]] == [("load-0", "NOT_RUN"), ("clean-0", "NOT_RUN")]
    assert "a&lt;b" in str(bundle["text/html"])
    assert bundle["text/plain"] == drawn.text()


def test_a_script_prints_the_drawing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from orchestra_nb import flow, task\n"
        "@task\ndef load(): return 1\n"
        "@task\ndef clean(x): return x\n"
        "@flow\ndef report(): clean(load())\n"
        "report.visualize()\n"
    )

    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout

    assert printed.splitlines() == ["report", "● load-0", "│", "● clean-0"]
