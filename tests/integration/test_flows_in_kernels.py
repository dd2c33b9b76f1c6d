"""Flows and tasks of functions in a real kernel on a real cluster: plain calls, without ``await`` and with it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest

from orchestra_nb.engine.life_lines import ENGINE
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.settings import load_settings
from orchestra_nb.store.run_store import RunStore
from tests.integration.notebook_kernel import NotebookKernel

IMPORTS = "from orchestra_nb import flow, task, get_run_logger\nimport time"
INC = "@task\ndef inc(x):\n    return x + 1"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookKernel]:
    with NotebookKernel(tmp_path_factory.mktemp("notebook")) as kernel:
        assert kernel.run(IMPORTS).error is None
        assert kernel.run(INC).error is None
        yield kernel


@pytest.fixture
def store() -> Iterator[RunStore]:
    store = open_store(load_settings())
    yield store
    close_store(store)


def test_a_flow_returns_its_value_in_a_cell(kernel: NotebookKernel, store: RunStore) -> None:
    cell = kernel.run("@flow\ndef add_up(n):\n    return sum(inc.map(range(n)).result())\n\nprint(add_up(4))")

    assert (cell.error, cell.output.strip()) == (None, "10")
    run = store.list_runs(kind=RunKind.FLOW, flow_name="add-up")[0]
    assert (run.state, run.parameters) == (State.COMPLETED, {"n": 4})
    tasks = store.task_runs(run.run_id)
    assert [(task.name, task.state) for task in tasks] == [(f"inc-{i}", State.COMPLETED) for i in range(4)]


def test_a_submitted_task_outside_of_flows_belongs_to_the_notebooks_run(kernel: NotebookKernel) -> None:
    kernel.run("future = inc.submit(inc.submit(1))")

    assert kernel.value("future.result()") == "3"


def test_a_kernel_without_the_extension_gets_it_with_its_first_call(tmp_path: Path, store: RunStore) -> None:
    with NotebookKernel(tmp_path) as kernel:
        kernel.run("%unload_ext orchestra_nb")
        kernel.run("import orchestra_nb.ipython_extension as extension\nextension._unloaded.clear()")
        cell = kernel.run(f"{IMPORTS}\n{INC}\nprint(inc.map([1, 2]).result())")
        later = kernel.run("%%task after\nafter = 20")
        assert (cell.output, later.wait_for("COMPLETED")["name"]) == ("[2, 3]\n", "after")
        kernel.run("%unload_ext orchestra_nb")
        assert kernel.value("inc(2)") == "3"

    own, notebooks = store.list_runs(limit=2)
    assert (own.kind, own.flow_name, notebooks.kind) == (RunKind.TASK, "inc", RunKind.INTERACTIVE)
    assert [task.name for task in store.task_runs(notebooks.run_id)] == ["inc-0", "inc-1", "after"]


def test_await_works_in_a_cell(kernel: NotebookKernel) -> None:
    assert kernel.value("await inc.submit(1)") == "2"

    kernel.run("@task\nasync def later(x):\n    return 2 * x")
    assert kernel.value("await later(4)") == "8"
    assert kernel.value("later.submit(4).result()") == "8"


def test_a_failure_is_in_its_cell_once_as_its_exception_and_once_as_a_line_of_the_view(
    kernel: NotebookKernel, store: RunStore
) -> None:
    kernel.run(
        "@task\ndef clean(text):\n    return float(text)\n\n"
        "@flow\ndef sales():\n    return inc.submit(clean.submit('n/a')).result()"
    )
    cell = kernel.run("sales()")

    error = "could not convert string to float: 'n/a'"
    assert cell.streams == {}
    (view,) = cell.displays
    assert kernel.displays[view]["text/plain"].count(error) == 1
    assert kernel.displays[view]["text/html"].count(f"<summary>ValueError: {escape(error)}") == 1
    assert "Task inc-0: clean-0 failed" not in kernel.displays[view]["text/html"]
    assert cell.traceback.count("----> 3     return float(text)") == 1
    run = store.list_runs(kind=RunKind.FLOW, flow_name="sales")[0]
    messages = [line.message for _, line in store.log_lines(run.run_id)]
    assert any("Traceback" in message and error in message for message in messages)  # the log has it all


def test_a_flow_that_goes_on_after_a_failure_of_a_task_shows_it(kernel: NotebookKernel) -> None:
    kernel.run("@flow\ndef lenient():\n    inc.submit('a').wait()\n    return 7")
    cell = kernel.run("lenient()")

    (view,) = cell.displays
    assert kernel.displays[view]["text/plain"].count("TypeError: can only concatenate str") == 1
    assert cell.plain == [{"text/plain": "7"}]


def test_a_flow_whose_state_is_asked_for_says_where_it_failed(kernel: NotebookKernel) -> None:
    kernel.run("@flow\ndef own():\n    raise KeyError('region')")
    cell = kernel.run("state = own(return_state=True)")

    assert cell.error is None
    assert cell.streams["stderr"].count("raise KeyError('region')") == 1


def test_a_task_of_no_flow_that_fails_is_one_line_and_its_value_raises_it(kernel: NotebookKernel) -> None:
    cell = kernel.run("later = inc.submit('a')\nlater.wait()")
    asked = kernel.run("inc.submit('b').result()")

    (line,) = cell.streams["stderr"].splitlines()
    assert line.endswith(' - Failed: TypeError: can only concatenate str (not "int") to str (line 3)')
    assert "orchestra_nb" not in asked.traceback
    assert "----> 1 inc.submit('b').result()" in asked.traceback


def test_an_error_in_a_flow_is_the_cells_error(kernel: NotebookKernel) -> None:
    cell = kernel.run("@flow\ndef broken():\n    return inc.submit('a').result()\n\nbroken()")

    assert cell.error is not None
    assert cell.error.startswith("TypeError: can only concatenate str")


def test_the_traceback_of_a_submitted_task_marks_its_line(kernel: NotebookKernel) -> None:
    kernel.run("@task\ndef bad(x):\n    z = 1\n    return z / x")
    cell = kernel.run("bad.submit(0).result()")

    assert cell.error == "ZeroDivisionError: division by zero"
    assert "----> 4     return z / x" in cell.traceback


def test_what_cannot_be_sent_is_refused_in_a_few_lines(kernel: NotebookKernel) -> None:
    cell = kernel.run("inc.submit(open('/dev/null'))")

    assert cell.error is not None
    assert cell.error.startswith("ValueNotPortable: `")
    assert "orchestra_nb" not in cell.traceback
    assert len(cell.traceback.splitlines()) < 10


def test_what_a_task_prints_and_logs_is_seen_and_kept(kernel: NotebookKernel, store: RunStore) -> None:
    kernel.run(
        "@task\ndef talk():\n    print('printed')\n    get_run_logger().warning('logged')\n\n"
        "@flow\ndef talking():\n    get_run_logger().info('from the flow')\n    talk.submit().wait()"
    )
    cell = kernel.run("talking()")

    kernel.wait_until(
        lambda: "printed" in cell.output and "Task run 'talk-0' - logged" in cell.streams.get("stderr", "")
    )
    assert "INFO    | Flow run" in cell.output
    assert cell.output.splitlines()[0].endswith(" - from the flow")
    assert len(cell.streams["stderr"].splitlines()) == 1  # red is for what is grave
    run = store.list_runs(kind=RunKind.FLOW, flow_name="talking")[0]
    # what a worker sends may come after the end of its flow
    wanted = {"printed", "logged", "from the flow"}
    kernel.wait_until(lambda: wanted <= {line.message for _, line in store.log_lines(run.run_id)})


def test_prints_of_many_tasks_come_in_whole_lines_and_few_messages(kernel: NotebookKernel) -> None:
    kernel.run(
        "@task\ndef say(n):\n    for i in range(5):\n        print('task', n, 'row', i)\n"
        "    get_run_logger().info('said %s', n)"
    )
    cell = kernel.run("say.map(range(300)).wait()")

    def lines(*, of_log: bool) -> list[str]:
        return [line for line in cell.output.splitlines() if (" - said " in line) is of_log]

    kernel.wait_until(lambda: len(lines(of_log=False)) == 1500 and len(lines(of_log=True)) == 300)
    assert all(text.endswith("\n") for _, text in cell.pieces)
    assert sorted(lines(of_log=False)) == sorted(f"task {n} row {i}" for n in range(300) for i in range(5))
    assert len(cell.pieces) < 300


def test_an_interrupt_cancels_the_flow_and_its_tasks_and_leaves_the_kernel_usable(
    kernel: NotebookKernel, store: RunStore
) -> None:
    kernel.run(
        "@task\ndef endless():\n    print('begun')\n    while True:\n        time.sleep(0.05)\n\n"
        "@flow\ndef waiting():\n    return endless.submit().result()"
    )
    cell = kernel.start("waiting()")
    kernel.wait_until(lambda: "begun" in cell.output)

    kernel.manager.interrupt_kernel()
    kernel.wait_until(lambda: cell.has_ended)

    assert cell.error is not None
    assert cell.error.startswith("KeyboardInterrupt")
    assert "orchestra_nb" not in cell.traceback
    assert "threading.py" not in cell.traceback
    run = store.list_runs(kind=RunKind.FLOW, flow_name="waiting")[0]
    assert run.state is State.CANCELLED
    assert [task.state for task in store.task_runs(run.run_id)] == [State.CANCELLED]
    assert kernel.value("inc(1)") == "2"


def test_an_interrupt_while_a_cell_waits_for_tasks_shows_the_cells_line_only(kernel: NotebookKernel) -> None:
    kernel.run("@task\ndef forever(x):\n    print('at it')\n    while True:\n        time.sleep(0.05)")
    cell = kernel.start("futures = forever.map([1])\nfutures.result()")
    kernel.wait_until(lambda: "at it" in cell.output)

    kernel.manager.interrupt_kernel()
    kernel.wait_until(lambda: cell.has_ended)

    assert cell.error == "KeyboardInterrupt: "
    assert "----> 2 futures.result()" in cell.traceback
    assert "threading.py" not in cell.traceback
    kernel.run("futures[0].cancel()")


def test_a_task_cell_and_a_flow_share_a_notebook(kernel: NotebookKernel) -> None:
    kernel.run("%%task make\nmade = 20")
    cell = kernel.run("@flow\ndef use(x):\n    return inc.submit(x).result()\n\nprint(use(made))")

    assert (cell.error, cell.output.strip()) == (None, "21")


def test_what_a_flow_prints_becomes_lines_of_its_log_where_it_says_so(kernel: NotebookKernel, store: RunStore) -> None:
    cell = kernel.run("@flow(log_prints=True)\ndef chatty():\n    print('said aloud')\n    inc(1)\n\nchatty()")

    assert cell.error is None
    kernel.wait_until(lambda: "said aloud" in cell.output)
    assert "stderr" not in cell.streams
    run = store.list_runs(kind=RunKind.FLOW, flow_name="chatty")[0]
    lines = [line.message for _, line in store.log_lines(run.run_id) if line.logger != ENGINE]
    assert lines == ["said aloud"]


@pytest.mark.parametrize("call", ["invert.submit(0).result()", "invert(0)"], ids=["on a worker", "here"])
def test_what_fails_in_a_called_flow_is_told_by_the_cell_that_defined_it(
    kernel: NotebookKernel, store: RunStore, call: str
) -> None:
    defined = kernel.run("print(get_ipython().displayhook.prompt_count)\n@task\ndef invert(x):\n    return 1 / x")
    called = kernel.run(
        "print(get_ipython().displayhook.prompt_count)\n"
        f"@flow\ndef upside_down():\n    half = 1\n    {call}\n\ntry:\n    upside_down()\nexcept ZeroDivisionError:\n    pass"
    )

    assert called.error is None
    of_task, of_flow = (f"cell [{cell.output.split()[0]}]" for cell in (defined, called))
    run = store.list_runs(kind=RunKind.FLOW, flow_name="upside-down")[0]
    (task,) = store.task_runs(run.run_id)
    assert task.error is not None
    assert (task.error.cell, task.error.line, task.error.source_line) == (of_task, 4, "return 1 / x")
    assert f'File "<{of_task}>", line 4, in invert' in str(task.error.traceback)
    said = "\n".join(line.message for _, line in store.log_lines(run.run_id))
    assert f'File "<{of_flow}>", line 5, in upside_down' in said
    assert "ipykernel" not in said + str(task.error.traceback)
