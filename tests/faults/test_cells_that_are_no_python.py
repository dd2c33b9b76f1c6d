"""A cell that is no Python: the run is refused before anything starts, and nothing else is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestra_nb.notebooks.cell_syntax import first_broken_cell
from orchestra_nb.notebooks.kernelspecs import runs_this_python
from tests.command_here import run_here
from tests.faults.notebook_command import code_cell, notebook_of, orchestra_run, printed

_TITLE = {"cell_type": "markdown", "metadata": {}, "source": "# A title"}
_BROKEN = "\nx = 1\ny = (2,\nz = 3"
#: What is no Python, and runs all the same.
_RUNNING = [
    "%time x = 1",
    "!echo hello",
    "files = !ls",
    "%%bash\nfor i in 1 2; do echo $i; done",
    "%%html\n<b>bold",
    "%%capture\ny = = 1",
    "import asyncio\nawait asyncio.sleep(0)",
    "async with asyncio.Lock():\n    pass",
    "[each async for each in aiter_of([1])] if False else None",
    "len?",
    "pwd",
    "ls -l",
    "%%time\n\nz = 1",
    "if True:\n    %time w = 1",
    "while True:\n    break",
    "def f():\n    return 1",
    "print('{x!r}')  # \\d",
]


def run(folder: Path, *cells: dict[str, object], words: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run a notebook of these cells; return the exit code and the error."""
    (folder / "n.ipynb").write_text(json.dumps(notebook_of(*cells)))
    code, document, _ = orchestra_run(folder, "n.ipynb", "out.ipynb", *words)
    error = document.get("error") or next((cell["error"] for cell in document["cells"] if cell["error"]), None)
    return code, "" if error is None else error["message"]


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))


@pytest.mark.parametrize("words", [(), ("--sweep", "x=1,2")], ids=["run", "sweep"])
def test_a_run_with_a_broken_cell_is_refused_before_anything_runs(tmp_path: Path, words: tuple[str, ...]) -> None:
    cells = _TITLE, code_cell("x = 1", "parameters"), code_cell("open('ran', 'w')"), code_cell(_BROKEN)

    code, message = run(tmp_path, *cells, words=words)

    assert (code, (tmp_path / "ran").exists(), (tmp_path / "out.ipynb").exists()) == (2, False, False)
    assert message == (
        f"{tmp_path / 'n.ipynb'}: cell 3 is no Python: '(' was never closed (line 3: y = (2,). "
        "Mend it, or run the cells before it with --no-strict."
    )


def test_no_strict_runs_up_to_the_broken_cell_whose_error_names_no_file_of_the_kernel(tmp_path: Path) -> None:
    code, message = run(tmp_path, code_cell("open('ran', 'w')"), code_cell(_BROKEN), words=("--no-strict",))

    assert (code, (tmp_path / "ran").exists(), message) == (1, True, "'(' was never closed")


def test_a_notebook_that_is_only_prepared_may_have_broken_cells(tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook_of(code_cell(_BROKEN))))

    prepared = run_here("run", "n.ipynb", "out.ipynb", "--prepare-only", folder=tmp_path, environ=os.environ)

    assert prepared.returncode == 0, prepared.stderr

    assert (tmp_path / "out.ipynb").exists()


def test_what_ipython_runs_is_run(tmp_path: Path) -> None:
    excused = [code_cell(_BROKEN, "skip-execution"), code_cell(_BROKEN, "raises-exception")]
    cells = [*map(code_cell, _RUNNING), *excused, code_cell("print('end')")]

    assert run(tmp_path, *cells) == (0, "'(' was never closed")  # of the cell that may fail
    assert printed(tmp_path / "out.ipynb").endswith("end\n")


@pytest.mark.parametrize(
    ("sources", "place"),
    [
        (["x = ("], (1, 1)),
        (["x = 1", "print 'x'"], (2, 1)),
        (["%%time\nx = 1\ny = ("], (1, 3)),
        (["%%task\n#: --retries 2\n!echo\nif x\n    y"], (1, 4)),
        (["for x in y:\n    return x"], (1, 2)),
        (["try:\n    x\nfinally:\n    continue"], (1, 4)),
        (["x\n  y"], (1, 2)),
        (["%matplotlib inline\nx = = 1"], (1, 2)),
        (["import sys\nif x: sys.exit()", "x = ("], None),
        (["get_ipython().input_transformers_cleanup.append(f)", "x = ("], None),
        (["print('good')", "assert False", "print 'never'"], None),
        (["x = 1\nraise ValueError(x)", "x = ("], None),
        (["def f():\n    raise ValueError", "x = ("], (2, 1)),
        (["%%javascript\nx = ("], None),
        (["%%writefile x.py\nx = ("], None),
        (["pip install x", "cd ../y"], None),
        ([""], None),
    ],
)
def test_only_what_is_certain_to_fail_counts(sources: list[str], place: tuple[int, int] | None) -> None:
    broken = first_broken_cell(notebook_of(*map(code_cell, sources)))

    assert (broken and (broken.number, broken.line)) == place


def test_the_syntax_of_another_interpreter_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, argv in (("other", ["/opt/python3.99/bin/python", "-m", "ipykernel_launcher"]), ("x", ["xpython"])):
        folder = tmp_path / "data" / "kernels" / name
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps({"argv": argv, "language": "python"}))

    assert [runs_this_python(name) for name in ("python3", "other", "x")] == [True, False, False]
