"""``orchestra run --parallel`` on real kernels and a real cluster: the executed notebook is that of the run in order."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_here import run_here
from patience import PATIENCE_SECONDS
from warm_service import ORCHESTRA, environment_with

pytestmark = pytest.mark.usefixtures("warm_service")

#: A cell that looks as if it took long, and ends when all that was sent ahead of its turn has ended.
LONG_FIRST = """import orchestra_nb.engine.ahead_steps as steps
steps._kernel and steps._kernel.cells.runner.wait(steps._kernel.cells.waited_for())
if later: time.sleep(9)"""
#: What makes a cell look as if it took long.
LONG = "if later: time.sleep(9)\n"


def run(folder: Path, notebook: Path, *words: str, stdin: str = "") -> tuple[dict[str, Any], dict[str, Any], str]:
    """Run a notebook with a store of its own; return the executed notebook, what was printed, and the last words."""
    command = [*ORCHESTRA, "run", str(notebook), "out.ipynb", "--json", *words]
    environ = environment_with(folder / f"{len(words)}")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environ, input=stdin, timeout=PATIENCE_SECONDS
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads((folder / "out.ipynb").read_text()), json.loads(done.stdout), done.stderr


def stored_states(folder: Path, run_id: str) -> list[str]:
    """The states of the cells as they stand in the store of the parallel run."""
    shown = run_here("runs", "show", run_id, "--json", folder=folder, environ=environment_with(folder / "1"))
    return [cell["state"] for cell in json.loads(shown.stdout)["cells"]]


def write_notebook(path: Path, *sources: str) -> Path:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for n, source in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def shown(notebook: dict[str, Any]) -> list[object]:
    """What cells show and their numbers and states, but for where files of the kernel are."""
    parts = [
        (cell["outputs"], cell["execution_count"], cell["metadata"]["papermill"]["status"])
        for cell in notebook["cells"]
    ]
    return [re.sub(r"(/tmp/\\S*ipykernel_\\d+/)?\\d{6,}(\\.py)?|0x[0-9a-f]+", "@", json.dumps(part)) for part in parts]


def test_a_parallel_run_shows_what_the_run_in_order_shows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    notebook = write_notebook(
        tmp_path / "shows.ipynb",
        "import random, sys, time\nimport pandas as pd\nimport matplotlib.pyplot as plt\nfrom IPython.display import display\nlater = False",
        "random.seed(7)\npd.set_option('display.precision', 2)\nplt.rcParams['figure.figsize'] = (2, 1)",
        LONG_FIRST,
        LONG + "table = pd.DataFrame({'a': [1 / 3, random.random()]})\nprint('made', file=sys.stderr)\ntable",
        LONG + "figure, axes = plt.subplots()\naxes.plot([1, 2]);",
        LONG + "handle = display('first', display_id='here')\nhandle.update('second')\n'the last line'",
        "handle.update('third')\nprint(table, random.random())\nfigure.axes[0] is axes",
    )

    parallel, document, words = run(tmp_path, notebook, "--parallel")
    in_order, _, _ = run(tmp_path, notebook)

    assert shown(parallel) == shown(in_order)
    assert re.fullmatch("--parallel: [123] of 7 cells ran ahead on workers", document["message"])
    assert document["message"] in words
    times = [(cell["started_at"], cell["ended_at"]) for cell in document["cells"]]
    assert all(start <= end for start, end in times)


def test_a_parallel_run_that_fails_ends_as_it_does_in_order(tmp_path: Path) -> None:
    notebook = write_notebook(
        tmp_path / "fails.ipynb",
        "import time\nlater = False",
        LONG_FIRST,
        LONG + "one = 1\nprint('one')",
        "raise ValueError('no')",
        LONG + "two = 2\nprint('two')",
    )

    parallel, document, _ = run(tmp_path, notebook, "--parallel")
    in_order, expected, _ = run(tmp_path, notebook)

    assert [cell["state"] for cell in document["cells"]] == ["COMPLETED"] * 3 + ["FAILED", "PENDING"]
    assert document["cells"][4]["started_at"] is None
    assert document["message"] == expected["message"]
    assert shown(parallel)[:3] == shown(in_order)[:3]
    assert parallel["cells"][4]["outputs"] == []
    # what ran ahead in vain has not begun, for the store either
    assert stored_states(tmp_path, document["run_id"])[3:] in (["FAILED", "NOT_RUN"], ["FAILED", "CANCELLED"])


def test_a_run_with_nothing_to_gain_says_why_it_stays_in_order(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "short.ipynb", "x = 1", "y = x + 1", "y")

    _, document, words = run(tmp_path, notebook, "--parallel")

    assert document["message"] == "--parallel: ran in order: no two long cells are independent"
    assert document["message"] in words

    _, document, words = run(tmp_path, notebook, "--parallel", "--no-strict", "--secret", "word", "-", stdin="open")

    assert document["message"] == "--parallel: ran in order: what holds a secret is not sent to workers"
    assert document["message"] in words
