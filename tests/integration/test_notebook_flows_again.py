"""Flows of a notebook's cells that wait, and that are run again: in a real kernel, and by the shell when it is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_here import run_here
from integration.notebook_kernel import NotebookKernel
from patience import PATIENCE_SECONDS

from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.settings import load_settings
from orchestra_nb.store.run_store import RunStore

CELLS = (
    "from dataclasses import dataclass\nfrom pathlib import Path\nfrom orchestra_nb import flow, task\nFACTOR = 10",
    "@dataclass\nclass Order:\n    rows: int",
    "@task(persist_result=True)\ndef load(order, folder):\n"
    "    with (Path(folder) / 'loads').open('a') as loads:\n        loads.write('.')\n"
    "    return order.rows * FACTOR",
    "@flow\ndef report(order, folder):\n"
    "    rows = load.submit(order, folder).result()\n"
    "    if not (Path(folder) / 'mended').exists():\n        raise ValueError('not yet')\n"
    "    (Path(folder) / 'out').write_text(str(rows))\n"
    "    return rows",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStore]:
    file = tmp_path_factory.mktemp("store") / "orchestra.db"
    store = open_store(load_settings({"store_url": f"sqlite:///{file}"}))
    yield store
    close_store(store)


@contextmanager
def notebook(folder: Path, store: RunStore) -> Iterator[NotebookKernel]:
    """Open the notebook and run its cells."""
    with NotebookKernel(folder, {"ORCHESTRA_STORE_URL": store.database.url}) as kernel:
        for cell in CELLS:
            assert kernel.run(cell).error is None
        yield kernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, store: RunStore) -> Iterator[NotebookKernel]:
    with notebook(tmp_path_factory.mktemp("notebook"), store) as kernel:
        yield kernel


def orchestra(folder: Path, store: RunStore, *words: str) -> str:
    """Run a command of the shell to its good end, and return what it printed."""
    environ = {**os.environ, "ORCHESTRA_STORE_URL": store.database.url}
    if words[:2] == ("dead-letters", "ls"):
        return run_here(*words, folder=folder, environ=environ).stdout
    done = subprocess.run(
        [sys.executable, "-m", "orchestra_nb", *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fail(kernel: NotebookKernel, store: RunStore, folder: Path) -> Run:
    """Let the report fail in the notebook."""
    cell = kernel.run(f"report(Order(4), {str(folder)!r})")
    assert cell.error == "ValueError: not yet"
    run = next(run for run in store.list_runs() if run.flow_name == "report")  # the newest
    assert run.state is State.FAILED
    return run


def test_the_shell_retries_a_flow_of_a_notebook_whose_kernel_lives(
    kernel: NotebookKernel, store: RunStore, tmp_path: Path
) -> None:
    run = fail(kernel, store, tmp_path)
    (tmp_path / "mended").touch()

    orchestra(tmp_path, store, "runs", "retry", run.name)

    again = store.get_run(run.run_id)
    assert (again.state, again.epoch) == (State.COMPLETED, 2)
    assert (tmp_path / "out").read_text() == "40"
    assert (tmp_path / "loads").read_text() == "."
    assert kernel.value("1 + 1") == "2"


def test_the_shell_retries_a_flow_of_a_notebook_whose_kernel_is_gone(store: RunStore, tmp_path: Path) -> None:
    with notebook(tmp_path, store) as kernel:
        run = fail(kernel, store, tmp_path)
    (tmp_path / "mended").touch()

    orchestra(tmp_path, store, "runs", "retry", run.name)

    assert store.get_run(run.run_id).state is State.COMPLETED
    assert (tmp_path / "out").read_text() == "40"
    assert (tmp_path / "loads").read_text() == "."


def test_a_dead_letter_of_a_notebooks_flow_is_retried_once(
    kernel: NotebookKernel, store: RunStore, tmp_path: Path
) -> None:
    run = fail(kernel, store, tmp_path)
    (tmp_path / "mended").touch()
    listed = orchestra(tmp_path, store, "dead-letters", "ls", "--json")
    letters = [letter for letter in json.loads(listed)["dead_letters"] if letter["run_id"] == run.run_id]

    orchestra(tmp_path, store, "dead-letters", "retry", letters[0]["id"])

    assert store.get_run(run.run_id).state is State.COMPLETED


def test_a_paused_flow_of_a_notebook_goes_on_when_the_shell_answers(
    kernel: NotebookKernel, store: RunStore, tmp_path: Path
) -> None:
    cell = kernel.start(
        "from orchestra_nb import pause_flow_run\n"
        "@flow\ndef asking():\n    return pause_flow_run(int, poll_interval=0.1)\n\nprint(asking())"
    )
    kernel.wait_until(lambda: any(run.state is State.PAUSED for run in store.list_runs()))
    [run] = [run for run in store.list_runs() if run.flow_name == "asking"]

    orchestra(tmp_path, store, "runs", "resume", run.name, "--input", "3")
    kernel.wait_until(lambda: cell.has_ended)

    assert (cell.error, cell.output.strip()) == (None, "3")
    states = [change.to_state for change in store.state_changes(run.run_id) if change.task_run_id is None]
    assert states == [State.PENDING, State.RUNNING, State.PAUSED, State.RUNNING, State.COMPLETED]


def test_a_suspended_flow_of_a_notebook_is_run_on_by_the_shell(
    kernel: NotebookKernel, store: RunStore, tmp_path: Path
) -> None:
    cell = kernel.run(
        "from orchestra_nb import suspend_flow_run\n"
        "@flow\ndef leaving(order, folder):\n"
        "    rows = load.submit(order, folder).result()\n"
        "    more = suspend_flow_run(int)\n"
        "    (Path(folder) / 'out').write_text(str(rows + more))\n\n"
        f"print(leaving(Order(4), {str(tmp_path)!r}, return_state=True).name)"
    )
    assert (cell.error, cell.output.strip()) == (None, "Suspended")
    [run] = [run for run in store.list_runs() if run.flow_name == "leaving"]

    orchestra(tmp_path, store, "runs", "resume", run.name, "--input", "2")

    assert store.get_run(run.run_id).state is State.COMPLETED
    assert (tmp_path / "out").read_text() == "42"
    assert (tmp_path / "loads").read_text() == "."
