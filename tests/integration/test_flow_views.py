"""The view of a flow under the cell that calls it, in a real kernel on a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.notebook_kernel import RUN_MIME, Cell, NotebookKernel

SETUP = """
import asyncio, time
from pathlib import Path
from orchestra_nb import flow, task

def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.02)

@task
def inc(x):
    return x + 1

@task
def wait(name):
    wait_for(name)
    return name

@task
def fail_after(name):
    wait_for(name)
    raise ValueError("no such region")

inc.submit(1).result()
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookKernel]:
    with NotebookKernel(tmp_path_factory.mktemp("notebook")) as kernel:
        assert kernel.run(SETUP).error is None
        yield kernel


def view_of(cell: Cell) -> dict[str, Any]:
    """Return the newest data of the one view under a cell."""
    (display_id,) = cell.displays
    data: dict[str, Any] = cell.kernel.displays[display_id]
    return data


def state_of(cell: Cell) -> str | None:
    """Return the state of the run that is shown under a cell; None while none is."""
    return view_of(cell)[RUN_MIME]["run"]["state"] if cell.displays else None


def test_a_flow_that_takes_a_while_is_shown_while_it_runs_and_as_it_ended(kernel: NotebookKernel) -> None:
    kernel.run("@flow\ndef report():\n    return wait.map([wait.submit('a'), 'a']).result()")
    cell = kernel.start("report()")
    kernel.wait_until(lambda: state_of(cell) == "RUNNING")
    assert view_of(cell)[RUN_MIME]["live"] is True

    (kernel.folder / "a").touch()
    kernel.wait_until(lambda: cell.has_ended and state_of(cell) == "COMPLETED")

    assert cell.plain == [{"text/plain": "['a', 'a']"}]
    output = view_of(cell)[RUN_MIME]
    assert (output["live"], output["run"]["flow_name"], output["run"]["kind"]) == (False, "report", "flow")
    assert {one["name"]: one["state"] for one in output["tasks"]} == dict.fromkeys(
        ["wait-0", "wait-1", "wait-2"], "COMPLETED"
    )
    assert view_of(cell)["text/plain"].startswith("✓ Completed  report · run ")


def test_a_flow_that_ends_at_once_shows_nothing_but_what_it_returns(kernel: NotebookKernel) -> None:
    kernel.run("@flow\ndef quick():\n    return 7")

    cell = kernel.run("quick()")
    kernel.run("quick()")

    assert (cell.displays, cell.plain) == ([], [{"text/plain": "7"}])


def test_a_flow_that_failed_is_shown_with_its_failure_above_its_exception(kernel: NotebookKernel) -> None:
    kernel.run("@flow\ndef failing():\n    return inc.submit(fail_after.submit('b')).result()")
    cell = kernel.start("failing()")
    kernel.wait_until(lambda: state_of(cell) == "RUNNING")
    (kernel.folder / "b").touch()

    kernel.wait_until(lambda: cell.has_ended and state_of(cell) == "FAILED")

    assert cell.error is not None
    assert "no such region" in cell.error
    lines = view_of(cell)["text/plain"].splitlines()
    assert lines[1].strip().startswith("✕ fail_after-0  Failed  ValueError: no such region")
    assert "<summary>ValueError: no such region" in view_of(cell)["text/html"]


def test_what_many_mapped_tasks_leave_in_the_notebook_is_small(kernel: NotebookKernel) -> None:
    kernel.run("@flow\ndef large():\n    wait('c')\n    return sum(inc.map(range(2000)).result())")
    cell = kernel.start("large()")
    kernel.wait_until(lambda: state_of(cell) == "RUNNING")
    (kernel.folder / "c").touch()

    kernel.wait_until(lambda: cell.has_ended and state_of(cell) == "COMPLETED")

    assert cell.plain == [{"text/plain": str(sum(range(2001)))}]
    output = view_of(cell)[RUN_MIME]
    assert len(output["tasks"]) < 100
    assert [list(counts) for counts in output["omitted"].values()] == [["COMPLETED"]]
    assert "inc ×2,000  2,000 completed" in view_of(cell)["text/plain"]
    assert len(str(view_of(cell))) < 30_000


def test_a_subflow_is_part_of_the_flow_that_calls_it(kernel: NotebookKernel) -> None:
    kernel.run("@flow\ndef inner():\n    return wait('d')\n\n@flow\ndef outer():\n    return inner()")
    cell = kernel.start("outer()")
    kernel.wait_until(lambda: state_of(cell) == "RUNNING")
    (kernel.folder / "d").touch()

    kernel.wait_until(lambda: cell.has_ended and state_of(cell) == "COMPLETED")

    assert view_of(cell)[RUN_MIME]["run"]["flow_name"] == "outer"


def test_a_flow_that_goes_on_after_its_cell_is_shown_under_it(kernel: NotebookKernel) -> None:
    kernel.run("@flow\nasync def later():\n    await wait.submit('e')\n    return 3")
    cell = kernel.run("running = asyncio.create_task(later())")
    other = kernel.run("print('another cell')")

    kernel.wait_until(lambda: state_of(cell) == "RUNNING")
    (kernel.folder / "e").touch()
    kernel.wait_until(lambda: state_of(cell) == "COMPLETED")

    assert other.displays == []
    assert kernel.value("await running") == "3"


def test_a_captured_flow_is_captured_with_its_view(kernel: NotebookKernel) -> None:
    (kernel.folder / "f").touch()
    kernel.run("@flow\ndef captured():\n    time.sleep(1.5)\n    return wait('f')")

    cell = kernel.run("%%capture taken\ncaptured()")

    assert (cell.displays, cell.plain) == ([], [])
    assert kernel.value("[list(one.data) for one in taken.outputs if 'text/html' in one.data]") != "[]"
