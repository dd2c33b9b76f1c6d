"""The widget of a run and its kernel: what it asks is answered, also while a cell runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.events import RunCreated, ValueRecorded
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.flow_views import show_flow
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.run_widget import BUNDLE, VIEW_MIME
from orchestra_nb.settings import load_settings
from orchestra_nb.widget_answers import LINE_CHARACTERS, MOST_LINES, MOST_VALUES, VALUE_CHARACTERS
from tests.integration.notebook_kernel import RUN_MIME, Cell, NotebookKernel

SETUP = """
import time
from orchestra_nb import flow, task, get_run_logger

@task
def talk(n, size=10):
    get_run_logger().info("%s: %s", n, "x" * size)

@task
def endless():
    print("begun")
    while True:
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookKernel]:
    if not BUNDLE.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("The widget is not built.")
        pytest.skip("The widget is not built. Run: jlpm build:widget in labextension/")
    with NotebookKernel(tmp_path_factory.mktemp("notebook"), {"VSCODE_PID": "1"}) as kernel:
        assert kernel.run(SETUP).error is None
        yield kernel


def widget_of(cell: Cell, view: str) -> str:
    """Return the id of the widget that stands in the newest display of this kind under a cell; "" for none."""
    for display_id in cell.displays:
        data = cell.kernel.displays[display_id]
        if data.get(RUN_MIME, {}).get("view") == view and VIEW_MIME in data:
            return str(data[VIEW_MIME]["model_id"])
    return ""


def shown(cell: Cell, view: str = "flow") -> dict[str, object]:
    """Return what the widget under a cell shows now."""
    output: dict[str, object] = cell.kernel.widgets[widget_of(cell, view)]["output"]
    return output


def test_a_flow_is_seen_and_cancelled_while_its_cell_runs(kernel: NotebookKernel) -> None:
    kernel.run("@flow\ndef waiting():\n    talk.submit(1).wait()\n    return endless.submit().result()")
    cell = kernel.start("waiting()")
    kernel.wait_until(lambda: bool(widget_of(cell, "flow")) and "begun" in cell.output)
    widget = widget_of(cell, "flow")
    run = shown(cell)["run"]["run_id"]  # type: ignore[index]

    logs = kernel.ask_by_widget(widget, "logs", after={run: 0})["answer"]
    assert "1: xxxxxxxxxx" in [line["message"] for line in logs["lines"]]
    assert logs["after"] == {run: logs["lines"][-1]["sequence"]}
    assert kernel.ask_by_widget(widget, "values", run=run)["answer"] == []
    assert not cell.has_ended

    assert kernel.ask_by_widget(widget, "cancel", run=run)["answer"] is None
    kernel.wait_until(lambda: cell.has_ended and shown(cell)["live"] is False)

    assert shown(cell)["run"]["state"] == "CANCELLED"  # type: ignore[index]
    assert "⊘&nbsp;Cancelled" in str(kernel.displays[cell.displays[0]]["text/html"])


def test_the_log_of_a_run_comes_in_bounded_pieces_and_whole(kernel: NotebookKernel) -> None:
    kernel.run(
        "@flow\ndef talking():\n    time.sleep(1.2)\n    talk(0, 10_000)\n"
        f"    for n in range({2 * MOST_LINES}):\n        get_run_logger().info('line %s', n)"
    )
    cell = kernel.run("talking()")
    kernel.wait_until(lambda: bool(widget_of(cell, "flow")))
    widget, run = widget_of(cell, "flow"), shown(cell)["run"]["run_id"]  # type: ignore[index]

    messages, after, is_more = [], {run: 0}, True
    while is_more:
        answer = kernel.ask_by_widget(widget, "logs", after=after)["answer"]
        assert len(answer["lines"]) <= MOST_LINES
        messages += [line["message"] for line in answer["lines"]]
        after, is_more = answer["after"], answer["is_more"]

    assert [one for one in messages if one.startswith("line ")] == [f"line {n}" for n in range(2 * MOST_LINES)]
    assert max(map(len, messages)) == LINE_CHARACTERS + 1


def test_results_are_answered_and_large_ones_by_what_stands_for_them(kernel: NotebookKernel) -> None:
    now = datetime.now(UTC)
    run_id = fresh_id(now)
    run = Run(run_id=run_id, name="calm-fox", flow_name="r", kind=RunKind.NOTEBOOK, state=State.RUNNING, created_at=now)

    def value(number: int, value: object) -> ValueRecorded:
        data = json.dumps(value)
        one = RecordedValue(
            run_id=run_id, name=f"v{number:03}", type="object", recorded_at=now, data=data, summary=data[:20]
        )
        return ValueRecorded(value=one)

    store = open_store(load_settings())
    store.apply([RunCreated(run=run), value(0, "x" * 2 * VALUE_CHARACTERS), *(value(n, [n]) for n in range(1, 130))])
    close_store(store)
    widget = widget_of(kernel.run("%flow"), "flow")

    values = kernel.ask_by_widget(widget, "values", run=run_id)["answer"]

    assert len(values) == MOST_VALUES
    assert (values[0]["value"], values[0]["summary"]) == (None, '"' + "x" * 19)
    assert [one["value"] for one in values[1:3]] == [[1], [2]]


def test_how_long_a_flow_takes_is_told_as_the_page_of_the_flow_tells_it(kernel: NotebookKernel) -> None:
    now = datetime.now(UTC)

    def run(seconds: int, kind: RunKind, epoch: int = 1) -> RunCreated:
        run_id = fresh_id(now)
        name = f"took-{seconds}"
        return RunCreated(
            run=Run(
                run_id=run_id,
                name=name,
                flow_name="timed",
                kind=kind,
                state=State.COMPLETED,
                epoch=epoch,
                created_at=now,
                started_at=now,
                ended_at=now + timedelta(seconds=seconds),
            )
        )

    store = open_store(load_settings())
    store.apply([run(60, RunKind.NOTEBOOK), run(1, RunKind.NOTEBOOK, epoch=2), run(2, RunKind.INTERACTIVE)])
    told = show_flow(store, "timed", now).flow.duration
    close_store(store)
    widget = widget_of(kernel.run("%flow"), "flow")

    assert told is not None
    assert kernel.ask_by_widget(widget, "expected", flow="timed")["answer"] == told.p50 == 60


def test_how_long_a_flow_takes_is_told_of_its_own_notebook(kernel: NotebookKernel, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    notebooks = {seconds: str(tmp_path / folder / "prices.ipynb") for folder, seconds in (("north", 30), ("south", 90))}
    store = open_store(load_settings())
    store.apply(
        [
            RunCreated(
                run=Run(
                    run_id=fresh_id(now),
                    name=f"took-{seconds}",
                    flow_name="prices",
                    notebook_path=path,
                    kind=RunKind.NOTEBOOK,
                    state=State.COMPLETED,
                    created_at=now,
                    started_at=now,
                    ended_at=now + timedelta(seconds=seconds),
                )
            )
            for seconds, path in notebooks.items()
        ]
    )
    close_store(store)
    widget = widget_of(kernel.run("%flow"), "flow")

    def expected(flow: str, notebook: object) -> object:
        reply = kernel.ask_by_widget(widget, "expected", flow=flow, notebook=notebook)
        return reply.get("answer", reply.get("error"))

    for seconds, path in notebooks.items():
        assert expected("prices", path) == seconds
    assert expected("prices", None) == 30  # the lower one of two
    assert expected("nobody ran it", None) is None
    assert "names the path of a notebook" in str(expected("prices", 7))


@pytest.mark.parametrize(
    ("ask", "fields", "problem"),
    [
        ("logs", {"after": {"../x": 0}}, "'../x' is no id."),
        ("logs", {"after": [1]}, "A question for log lines"),
        ("cancel", {"run": None}, "'None' is no id."),
        ("retry", {"tasks": ["0" * 32]}, "There is nothing to run again"),
        ("retry", {"tasks": "all"}, "A question names up to"),
        ("dance", {}, "knows no question 'dance'"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_with_what_is_wrong(
    kernel: NotebookKernel, ask: str, fields: dict[str, object], problem: str
) -> None:
    cell = kernel.run("%flow")

    answer = kernel.ask_by_widget(widget_of(cell, "flow"), ask, **fields)

    assert problem in answer["error"]
    assert "answer" not in answer


def test_task_cells_that_failed_run_again_under_their_own_lines(kernel: NotebookKernel) -> None:
    flow = kernel.run("%flow")
    kernel.run("divisor = 0")
    first = kernel.run("%%task ratio\nratio = 10 / divisor", "c1")
    second = kernel.run("%%task double\ndouble = 2 * ratio", "c2")
    kernel.wait_until(lambda: (first.task["state"], second.task["state"]) == ("FAILED", "UPSTREAM_FAILED"))
    kernel.run("divisor = 4")
    tasks = [first.task["task_run_id"], second.task["task_run_id"]]

    answer = kernel.ask_by_widget(widget_of(flow, "flow"), "retry", tasks=tasks)

    assert answer["answer"] == ""
    kernel.wait_until(lambda: (first.task["state"], second.task["state"]) == ("COMPLETED", "COMPLETED"))
    assert first.task["task_run_id"] not in tasks
    assert kernel.value("double") == "5.0"
    kernel.wait_until(
        lambda: [one["state"] for one in shown(flow)["tasks"]] == ["COMPLETED", "COMPLETED"]  # type: ignore[attr-defined]
    )
    again = kernel.ask_by_widget(widget_of(flow, "flow"), "retry", tasks=tasks)
    assert "have been run again" in again["error"]


#: Say that they have begun, and end when somebody says so.
HELD = (
    "import time\nfrom pathlib import Path\nPath('begun-{0}').touch()\n"
    "while not Path('go-{0}').exists():\n    time.sleep(0.01)"
)
HELD_ASYNC = (
    "import asyncio\nfrom pathlib import Path\nPath('begun-{0}').touch()\n"
    "while not Path('go-{0}').exists():\n    await asyncio.sleep(0.01)"
)

NEWEST = "from orchestra_nb.operations.interactive import current_driver\nnewest = current_driver().session.task"


def failed_cell(kernel: NotebookKernel, name: str) -> Cell:
    """Run a task cell that notes each execution in a file of its name, and fails as long as ``divisor`` is 0."""
    kernel.run("divisor = 0")
    body = f"with open('{name}', 'a') as file:\n    file.write('x')\n{name} = 10 / divisor"
    cell = kernel.run(f"%%task {name}\n{body}", f"cell-{name}")
    cell.wait_for("FAILED")
    kernel.run("divisor = 4")
    return cell


@pytest.mark.parametrize("held", [HELD, HELD_ASYNC], ids=["a cell", "an async cell"])
def test_a_retry_waits_for_the_cell_that_runs_and_asked_for_twice_is_one(kernel: NotebookKernel, held: str) -> None:
    flow = kernel.run("%flow")
    name = "twice" if held == HELD else "awaited"
    failed = failed_cell(kernel, name)
    asked = [failed.task["task_run_id"]]
    kernel.run(NEWEST)
    running = kernel.start(f"{held.format(name)}\nprint(newest('{name}').task_run_id)")
    kernel.wait_until((kernel.folder / f"begun-{name}").exists)

    answers = [kernel.ask_by_widget(widget_of(flow, "flow"), "retry", tasks=asked)["answer"] for _ in range(2)]
    (kernel.folder / f"go-{name}").touch()
    failed.wait_for("COMPLETED")

    assert answers == ["These tasks are run again when the cell that runs now has ended."] * 2
    assert running.output.split() == asked, "nothing began in the midst of the cell"
    assert kernel.value(name) == "2.5"
    assert (kernel.folder / name).read_text() == "xx"


def test_why_tasks_are_not_run_again_is_told_also_when_the_answer_was_given_before(kernel: NotebookKernel) -> None:
    flow = kernel.run("%flow")
    failed = failed_cell(kernel, "unsendable")
    running = kernel.start(f"import threading\ndivisor = threading.Lock()\n{HELD.format('unsendable')}")
    kernel.wait_until((kernel.folder / "begun-unsendable").exists)

    kernel.ask_by_widget(widget_of(flow, "flow"), "retry", tasks=[failed.task["task_run_id"]])
    (kernel.folder / "go-unsendable").touch()

    kernel.wait_until(lambda: "Tasks could not be run again: " in running.streams.get("stderr", ""))
    assert "divisor" in running.streams["stderr"]
    assert failed.task["state"] == "FAILED"


def test_a_task_is_cancelled_from_its_line_and_then_no_widget_is_left_of_it(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task nap\nimport time\ntime.sleep(600)", "c3")
    kernel.wait_until(lambda: shown(cell, "task")["task"]["state"] == "RUNNING")  # type: ignore[index]
    widget = widget_of(cell, "task")

    kernel.ask_by_widget(widget, "cancel", run=cell.task["run_id"], task=cell.task["task_run_id"])
    cell.wait_for("CANCELLED")

    assert widget_of(cell, "task") == ""
    kernel.wait_until(lambda: widget not in kernel.widgets)
