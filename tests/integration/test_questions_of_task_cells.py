"""What the code of a task cell asks of its driver: the worker has no store, and a notebook run's kernel needs none."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from integration.notebook_kernel import NotebookKernel
from patience import PATIENCE_SECONDS

from orchestra_nb.model.limits import ConcurrencyLimit
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations.concurrency_limits import create_limit
from orchestra_nb.operations.kept_artifacts import show_artifact
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.operations.shared_variables import get_variable, set_secret
from orchestra_nb.settings import Settings, load_settings
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.run_store import RunStore

#: Nobody who reads this can open a store.
POISON = "import os\nos.environ['ORCHESTRA_STORE_URL'] = 'sqlite:////dev/null/orchestra.db'"

#: Each part of a cell, and what it leaves in ``found``.
PARTS = {
    "variables": (
        "from orchestra_nb.variables import Variable\n"
        "Variable.set('from-cell', ['EU'], overwrite=True)\n"
        "found['variable'] = Variable.get('from-cell')",
        ("variable", ["EU"]),
    ),
    "secrets": (
        "from orchestra_nb.variables import get_secret\nfound['secret'] = len(get_secret('cell-secret').get())",
        ("secret", 5),
    ),
    "concurrency": (
        "from orchestra_nb.concurrency.sync import concurrency\n"
        "with concurrency('cell-limit', timeout_seconds=60, strict=True): found['slot'] = True",
        ("slot", True),
    ),
    "rate limit": (
        "from orchestra_nb.concurrency.sync import rate_limit\n"
        "rate_limit('cell-rate', strict=True)\nfound['rate'] = True",
        ("rate", True),
    ),
    "artifacts": (
        "from orchestra_nb.artifacts import create_markdown_artifact\n"
        "found['artifact'] = bool(create_markdown_artifact('# Rows', key='cell-rows'))",
        ("artifact", True),
    ),
    "events": (
        "from orchestra_nb.events import emit_event\n"
        "found['event'] = emit_event('cell.done', {'id': 'cell'}) is not None",
        ("event", True),
    ),
    "the run's logger": (
        "from orchestra_nb import get_run_logger\nget_run_logger().info('told by the cell')\nfound['logged'] = True",
        ("logged", True),
    ),
    "what it belongs to": (
        "from orchestra_nb import runtime\nfound['task'] = runtime.task_run.name",
        ("task", "asking"),
    ),
    "tasks that it calls": (
        "from orchestra_nb import task\n@task\ndef double(x): return 2 * x\nfound['called'] = double(4)",
        ("called", 8),
    ),
}
CELL = "found = {}\n" + "\n".join(source for source, _ in PARTS.values())
FOUND = dict(pair for _, pair in PARTS.values())


def prepare(store: RunStore, settings: Settings) -> None:
    """Put into the store what the cells ask for."""
    now = datetime.now(UTC)
    set_secret(store, "cell-secret", Secret("12345"), settings.secret_key_place, now)
    create_limit(store, ConcurrencyLimit(name="cell-limit", limit=2), now)
    rate = ConcurrencyLimit(name="cell-rate", limit=100, slot_decay_per_second=100.0)
    create_limit(store, rate, now)


def check(store: RunStore, run_id: str, task_run_id: str) -> None:
    """Check that the store has what the cells left, by the run and the task that left it."""
    assert get_variable(store, "from-cell").value == ["EU"]
    artifact = show_artifact(store, "cell-rows")
    assert (artifact.run_id, artifact.task_run_id) == (run_id, task_run_id)
    [(_, event)] = CustomEventStore(store.database).list_events(event="cell.done")
    assert (event.run_id, event.task_run_id) == (run_id, task_run_id)
    lines = [line for _, line in store.log_lines(run_id) if line.message == "told by the cell"]
    assert [line.task_run_id for line in lines] == [task_run_id]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    settings = load_settings({"store_url": f"sqlite:///{tmp_path / 'orchestra.db'}"})
    store = open_store(settings)
    prepare(store, settings)
    yield store
    close_store(store)


def test_a_cell_on_a_worker_asks_its_kernel(tmp_path: Path, store: RunStore) -> None:
    with NotebookKernel(tmp_path, {"ORCHESTRA_STORE_URL": store.database.url}) as kernel:
        cell = kernel.run(f"%%task asking\n{POISON}\n{CELL}")
        found = ast.literal_eval(kernel.value("found"))

        assert found == FOUND, cell.wait_for("COMPLETED", "FAILED")
        task = cell.wait_for("COMPLETED")
        kernel.wait_until(lambda: "told by the cell" in str(store.log_lines(task["run_id"])))
        check(store, task["run_id"], task["task_run_id"])


def test_a_cell_that_runs_in_the_kernel_asks_the_same(tmp_path: Path, store: RunStore) -> None:
    with NotebookKernel(tmp_path, {"ORCHESTRA_STORE_URL": store.database.url}) as kernel:
        cell = kernel.run(f"%%task asking --local\n{CELL}")
        assert cell.error is None, "\n".join(cell.reply["traceback"])
        found = ast.literal_eval(kernel.value("found"))

        assert found == FOUND
        task = cell.wait_for("COMPLETED")
        kernel.wait_until(lambda: "told by the cell" in str(store.log_lines(task["run_id"])))
        check(store, task["run_id"], task["task_run_id"])


def test_plain_cells_and_task_cells_have_the_own_secret_of_whose_kernel_it_is(tmp_path: Path, store: RunStore) -> None:
    set_secret(store, "cell-secret", Secret("bobs"), load_settings().secret_key_place, datetime.now(UTC), "bob")
    environment = {"ORCHESTRA_STORE_URL": store.database.url, "JUPYTERHUB_USER": "bob"}
    read = "from orchestra_nb.variables import get_secret\n{} = get_secret('cell-secret').get()"
    with NotebookKernel(tmp_path, environment) as kernel:
        first = kernel.run(read.format("before"))
        assert first.error is None, first.reply
        cell = kernel.run(f"%%task asking --local\n{read.format('inside')}")
        assert cell.error is None, "\n".join(cell.reply["traceback"])
        kernel.run(read.format("after"))

        assert [ast.literal_eval(kernel.value(name)) for name in ("before", "inside", "after")] == ["bobs"] * 3


def test_a_cell_of_a_notebook_run_asks_its_driver(tmp_path: Path, store: RunStore) -> None:
    """Its kernel cannot open a store either: what it asks goes through the runner to whoever drives the run."""
    source = tmp_path / "asking.ipynb"
    cells = [
        POISON,
        "%load_ext orchestra_nb",
        f"%%task asking\n{POISON}\n{CELL}",
        "print(found)",
        "from orchestra_nb.variables import Variable\nprint(Variable.get('from-cell'))",
    ]
    source.write_text(json.dumps(notebook(cells)))
    environ = {**os.environ, "ORCHESTRA_STORE_URL": store.database.url}
    command = [sys.executable, "-m", "orchestra_nb", "run", str(source), "out.ipynb", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    ran = json.loads((tmp_path / "out.ipynb").read_text())
    printed = ["".join(output["text"]) for output in ran["cells"][-2]["outputs"] if "text" in output]
    assert ast.literal_eval("".join(printed)) == FOUND
    assert "".join(ran["cells"][-1]["outputs"][0]["text"]).strip() == "['EU']"
    run_id = json.loads(done.stdout)["run_id"]
    [task] = [task for task in store.task_runs(run_id) if task.name == "asking"]
    check(store, run_id, task.task_run_id)


def notebook(sources: list[str]) -> dict[str, object]:
    """Return a notebook with these cells."""
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": None, "source": source, "outputs": []}
        for n, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
