"""The form of a flow that waits for people, in a real kernel whose cell waits: as front ends without subshells use it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from subprocess import run as run_process
from typing import Any

import pytest
from integration.notebook_kernel import Cell, NotebookKernel

from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.operations.run_questions import list_inputs
from orchestra_nb.settings import load_settings
from orchestra_nb.store.run_store import RunStore

IMPORTS = """\
from orchestra_nb import flow, pause_flow_run, suspend_flow_run, task
from orchestra_nb.input import RunInput

class Review(RunInput):
    rows: int
    comment: str = "fine"
"""
FORM = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookKernel]:
    with NotebookKernel(tmp_path_factory.mktemp("notebook")) as kernel:
        assert kernel.run(IMPORTS).error is None
        yield kernel


@pytest.fixture
def store() -> Iterator[RunStore]:
    store = open_store(load_settings())
    yield store
    close_store(store)


def asking(name: str, body: str, verb: str = "def", options: str = "") -> str:
    """Return the source of a flow with this body."""
    return f"@flow({options})\n{verb} {name}():\n    return {body}\n"


def shown(cell: Cell) -> dict[str, Any]:
    """Return what stands in the form's place."""
    return next(cell.kernel.displays[key] for key in cell.displays if key.startswith("orchestra-input-"))


def newest_run(store: RunStore, flow_name: str) -> Run:
    return store.list_runs(kind=RunKind.FLOW, flow_name=flow_name)[0]


def test_a_form_answers_while_its_cell_runs_and_leaves_what_was_answered(
    kernel: NotebookKernel, store: RunStore
) -> None:
    cell = kernel.start(asking("review", "pause_flow_run(Review)") + "found = review()\nprint(found)")
    rows = kernel.wait_for_widget(description="Rows *")
    kernel.wait_until(lambda: cell.displays != [])
    waiting = shown(cell)
    kernel.use_widget(rows, value="many")
    kernel.use_widget(kernel.wait_for_widget(description="Resume"))
    kernel.wait_until(
        lambda: any("Write a whole number." in str(have.get("value")) for have in kernel.widgets.values())
    )

    kernel.use_widget(rows, value="3")
    kernel.use_widget(kernel.wait_for_widget(description="Resume"))
    kernel.wait_until(lambda: cell.has_ended)

    assert (cell.error, cell.output.strip()) == (None, "rows=3 comment='fine'")
    run = newest_run(store, "review")
    assert f"orchestra runs resume {run.name} --input JSON" in waiting["text/plain"]
    assert FORM in waiting
    kernel.wait_until(lambda: "Resumed" in shown(cell)["text/plain"])
    assert shown(cell)["text/plain"] == f"✓ review {run.name}  Resumed\n  Rows: 3\n  Comment: fine"
    assert FORM not in shown(cell)
    kernel.wait_until(lambda: kernel.widgets == {})
    assert [question.answered_by for question in list_inputs(store, run.run_id)] == ["the form in the notebook"]


def test_cells_that_were_sent_meanwhile_run_afterwards_in_their_order(kernel: NotebookKernel) -> None:
    cell = kernel.start(asking("plain", "pause_flow_run()") + "plain()\norder = ['flow']")
    resume = kernel.wait_for_widget(description="Resume")
    later = [kernel.start(f"order.append({n})\nprint(order)") for n in range(3)]

    kernel.use_widget(resume)
    kernel.wait_until(lambda: later[-1].has_ended)

    assert [cell.error, *(one.error for one in later)] == [None] * 4
    assert later[-1].output.strip() == "['flow', 0, 1, 2]"


def test_a_flow_of_a_coroutine_function_has_a_form_too(kernel: NotebookKernel) -> None:
    cell = kernel.start(asking("later", "await pause_flow_run(int)", "async def") + "print(await later())")
    kernel.use_widget(kernel.wait_for_widget(description="Answer *"), value="7")
    kernel.use_widget(kernel.wait_for_widget(description="Resume"))
    kernel.wait_until(lambda: cell.has_ended)

    assert (cell.error, cell.output.strip()) == (None, "7")
    assert kernel.value("1 + 1") == "2"


def test_the_forms_cancel_button_cancels_the_run(kernel: NotebookKernel, store: RunStore) -> None:
    cell = kernel.start(asking("unwanted", "pause_flow_run()") + "unwanted()")
    kernel.use_widget(kernel.wait_for_widget(description="Cancel"))
    kernel.wait_until(lambda: cell.has_ended)

    assert newest_run(store, "unwanted").state is State.CANCELLED
    kernel.wait_until(lambda: "Cancelled" in shown(cell)["text/plain"])
    assert kernel.value("1 + 1") == "2"


def test_a_form_goes_when_the_shell_has_answered(kernel: NotebookKernel, store: RunStore) -> None:
    cell = kernel.start(asking("elsewhere", "pause_flow_run(int, poll_interval=0.1)") + "print(elsewhere())")
    kernel.wait_for_widget(description="Resume")
    name = newest_run(store, "elsewhere").name
    run_process([sys.executable, "-m", "orchestra_nb", "runs", "resume", name, "--input", "5"], check=True)
    kernel.wait_until(lambda: cell.has_ended)

    assert (cell.error, cell.output.strip()) == (None, "5")
    kernel.wait_until(lambda: "Answer: 5" in shown(cell)["text/plain"])


def test_an_interrupt_ends_the_wait_and_its_form(kernel: NotebookKernel, store: RunStore) -> None:
    cell = kernel.start(asking("stopped", "pause_flow_run()") + "stopped()")
    kernel.wait_until(lambda: cell.displays != [])
    kernel.manager.interrupt_kernel()
    kernel.wait_until(lambda: cell.has_ended)

    assert cell.error is not None
    assert cell.error.startswith("KeyboardInterrupt")
    assert newest_run(store, "stopped").state is State.CANCELLED
    kernel.wait_until(lambda: kernel.widgets == {})
    assert kernel.value("1 + 1") == "2"


def test_the_form_of_a_suspended_flow_starts_it_again(kernel: NotebookKernel, store: RunStore) -> None:
    cell = kernel.run(asking("left", "suspend_flow_run(int)") + "state = left(return_state=True)\nprint(state.name)")
    assert (cell.error, cell.output.strip()) == (None, "Suspended")

    kernel.use_widget(kernel.wait_for_widget(description="Answer *"), value="4")
    kernel.use_widget(kernel.wait_for_widget(description="Resume"))

    run_id = newest_run(store, "left").run_id
    kernel.wait_until(lambda: store.get_run(run_id).state.is_terminal)
    assert store.get_run(run_id).state is State.COMPLETED
    kernel.wait_until(lambda: "Resumed" in shown(cell)["text/plain"])
