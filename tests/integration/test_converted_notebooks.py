"""``orchestra convert --to python``: the script runs, and prints what the notebook prints and shows."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.notebook_script import notebook_script
from tests.notebooks.varied_notebooks import VARIED, notebook_of

FOREIGN = Path(__file__).parent / "foreign_notebooks"
RUNNER = Path(__file__).parents[1] / "notebooks" / "cell_runner.py"
#: What IPython's own magics say of themselves.
_TOLD_BY_MAGICS = re.compile(r"env: |Writing |/.*/data$|<Figure size")
#: Their cells need a kernel: what they print is written down below.
_WITH_TASKS = {
    "task_cells": ["6", "[1, 2, 3] [1, 2] 3 6"],
}
_INDEPENDENT = """
--- code
def square(x):
    return x * x
--- md
## Left
--- code
left = [square(x) for x in range(4)]
left_sum = sum(left)
--- md
## Right
--- code
right = [square(x) for x in range(5)]
--- md
## Both
--- code
both = left_sum + sum(right)
print(both, left, right)
"""


def _source_of(name: str) -> dict[str, Any]:
    if name in VARIED:
        return read_notebook(json.dumps(VARIED[name]).encode())
    return read_notebook(FOREIGN / f"{name}.ipynb")


def _environ(folder: Path) -> dict[str, str]:
    return {**os.environ, "JUPYTER_DATA_DIR": str(folder / "data"), "MPLBACKEND": "agg"}


def _lines(folder: Path) -> list[str]:
    lines = (folder / "printed.txt").read_text().splitlines()
    return [line.rstrip() for line in lines if line.strip() and not _TOLD_BY_MAGICS.match(line)]


COMPARED = [*(name for name in VARIED if name not in _WITH_TASKS), "standard_library_examples", "jupytext_parameter"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all notebooks and their scripts have run."""
    root = tmp_path_factory.mktemp("converted")
    work: list[dict[str, Any]] = []
    for name in [*COMPARED, *_WITH_TASKS]:
        notebook = _source_of(name)
        for kind in ("notebook", "script"):
            (root / name / kind).mkdir(parents=True)
        script = root / name / "script.py"
        script.write_text(notebook_script(notebook, name).text)
        work.append({"folder": str(root / name / "script"), "script": str(script)})
        if name not in _WITH_TASKS:
            cells = [
                (cell["source"], "raises-exception" in cell["metadata"].get("tags", ()))
                for cell in notebook["cells"]
                if cell["cell_type"] == "code"
            ]
            work.append({"folder": str(root / name / "notebook"), "cells": cells})
    submitting = root / "independent"
    submitting.mkdir()
    text = notebook_script(independent_notebook(), "independent", is_submitting=True).text
    (submitting / "script.py").write_text(text)
    work.append({"folder": str(submitting), "script": str(submitting / "script.py")})
    (root / "work.json").write_text(json.dumps(work))
    environ = {**_environ(root), "ORCHESTRA_TASK_RUNNER": "threads"}
    subprocess.run([sys.executable, RUNNER, root / "work.json"], env=environ, check=True, timeout=PATIENCE_SECONDS * 4)
    return root


def independent_notebook() -> dict[str, Any]:
    blocks = [block.partition("\n") for block in _INDEPENDENT.strip().split("--- ")[1:]]
    return read_notebook(json.dumps(notebook_of([(kind, text.strip()) for kind, _, text in blocks])).encode())


@pytest.mark.parametrize("name", COMPARED)
def test_a_script_prints_what_its_notebook_prints_and_shows(ran: Path, name: str) -> None:
    notebook, script = ran / name / "notebook", ran / name / "script"

    assert (script / "exit_code.txt").read_text() == "0", (script / "errors.txt").read_text()[-2000:]
    assert (notebook / "exit_code.txt").read_text() == "0", (notebook / "errors.txt").read_text()[-2000:]
    # long containers are laid out differently: the words are compared
    assert " ".join(_lines(script)).split() == " ".join(_lines(notebook)).split()
    assert len(_lines(notebook)) > 0


@pytest.mark.parametrize("name", _WITH_TASKS)
def test_the_tasks_of_a_script_get_copies_as_task_cells_do(ran: Path, name: str) -> None:
    assert (ran / name / "script" / "exit_code.txt").read_text() == "0"
    assert _lines(ran / name / "script") == _WITH_TASKS[name]


def test_tasks_that_need_not_wait_for_each_other_are_submitted_on_request(ran: Path) -> None:
    text = (ran / "independent" / "script.py").read_text()

    assert "left_task_future = left_task.submit()" in text
    assert "left, left_sum = left_task_future.result()" in text
    assert _lines(ran / "independent") == ["44 [0, 1, 4, 9] [0, 1, 4, 9, 16]"]


@pytest.fixture(scope="module")
def pandas_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script that the shell's command has written beside its notebook."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "pandas.ipynb").write_text(json.dumps(VARIED["pandas"]))
    done = _orchestra(folder, "convert", "pandas.ipynb", "report.py", "--to", "python")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("report.py: 2 tasks")
    return folder / "report.py"


def _orchestra(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestra_nb", *words]
    return subprocess.run(
        command, cwd=folder, env=_environ(folder), capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )


def test_a_script_takes_the_parameters_on_its_command_line(pandas_script: Path) -> None:
    command = [sys.executable, pandas_script, "--threshold", "1.5", "--regions", "['Asia']"]
    done = subprocess.run(
        command, env=_environ(pandas_script.parent), capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )

    assert done.returncode == 0, done.stderr
    assert "{'Asia': 4.0}" in done.stdout


def test_a_file_is_replaced_only_on_request(pandas_script: Path) -> None:
    before = pandas_script.read_text()

    refused = _orchestra(pandas_script.parent, "convert", "pandas.ipynb", "report.py", "--json")

    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "name_taken"
    assert pandas_script.read_text() == before


@pytest.mark.parametrize("output", ["pandas.ipynb", "link.py"])
def test_the_notebook_itself_is_never_replaced(pandas_script: Path, output: str) -> None:
    notebook = pandas_script.with_name("pandas.ipynb")
    before = notebook.read_bytes()
    link = pandas_script.with_name("link.py")
    link.symlink_to(notebook)

    refused = _orchestra(pandas_script.parent, "convert", "pandas.ipynb", output, "--force", "--json")
    link.unlink()

    assert refused.returncode == 2
    assert json.loads(refused.stdout)["error"]["code"] == "invalid_input"
    assert notebook.read_bytes() == before


def test_a_dash_prints_the_script(pandas_script: Path) -> None:
    printed = _orchestra(pandas_script.parent, "convert", "pandas.ipynb", "-")

    assert printed.returncode == 0
    assert ast.parse(printed.stdout).body
    assert "def load_the_data(regions):" in printed.stdout
