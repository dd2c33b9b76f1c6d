"""Cells that need each other: the run is refused before anything starts, and nothing else is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.notebooks.cell_circles import Circle, circle_in_words, find_circle
from orchestra_nb.notebooks.dataflow import analyse_notebook


def notebook(*sources: str, tags: dict[int, list[str]] | None = None) -> dict[str, object]:
    cells = [
        {
            "cell_type": "code",
            "id": f"c{index}",
            "source": source,
            "metadata": {"tags": (tags or {}).get(index, [])},
            "outputs": [],
            "execution_count": None,
        }
        for index, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_a_run_of_cells_that_need_each_other_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "circle.ipynb"
    path.write_text(
        json.dumps(notebook("open('ran', 'w')", "total = price * amount", "# prices\nprice = total / 2\namount = 3"))
    )
    command = [sys.executable, "-m", "orchestra_nb", "run", str(path), "--json"]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "JUPYTER_DATA_DIR": str(tmp_path / "data")},
        timeout=PATIENCE_SECONDS,
    )

    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "cells_need_each_other"
    assert "cell 2 (total = price * amount) reads 'amount', which only cell 3 (prices) binds" in error["message"]
    assert not (tmp_path / "ran").exists()
    assert [entry.name for entry in tmp_path.glob("*.ipynb")] == ["circle.ipynb"]


@pytest.mark.parametrize(
    ("sources", "circle"),
    [
        (["a = b", "b = a"], Circle("b", 0, 1)),
        (["x = 1", "a = b + x", "c = a", "b = c"], Circle("b", 1, 3)),
        (["def f(): return b", "a = f()", "b = a"], Circle("b", 1, 2)),
        (["items = []\nitems.append(last)", "last = items[0]"], Circle("last", 0, 1)),
        (["a = [b for i in range(3)]", "b = a"], None),  # may be empty: range is not asked
        (["a = b", "b = 1"], None),  # fails, but another order runs
        (["if flag:\n    a = b", "b = a"], None),
        (["try:\n    a = b\nexcept NameError:\n    a = 0", "b = a"], None),
        (["a = 0 and b", "b = a"], None),
        (["from helpers import *", "a = b", "b = a"], None),
        (["exec(code)", "a = b", "b = a"], None),
        (["%run setup.py", "a = b", "b = a"], None),
        (["%load_ext magic", "a = b", "b = a"], None),
        (["import sys\nif done:\n    sys.exit()", "a = b", "b = a"], None),
        (["raise SystemExit", "a = b", "b = a"], None),
        (["a = len(b)", "b = a\nlen = 3"], Circle("b", 0, 1)),
        (["a = len([1])", "len = a"], None),
        (["a = _", "_ = a"], None),
        (["def f(): return b\na = 1", "b = a"], None),
        (["a = np.zeros(3)", "np = a"], None),
        (["b = 1", "a = b", "b = a"], None),
        (["a = b", "b = a", "b = 3"], None),  # a cell that needs nothing binds it, too
        (["x = get_ipython().user_ns['b']\na = b", "b = a"], None),
        (["a = 'b' in globals() and b", "b = a"], None),
        (["while True:\n    a = b\n    break", "b = a"], Circle("b", 0, 1)),
        (["for i in []:\n    a = b", "b = 1\na = 2"], None),
    ],
)
def test_only_what_is_certain_counts(sources: list[str], circle: Circle | None) -> None:
    assert find_circle(analyse_notebook(notebook(*sources))) == circle


def test_a_cell_that_may_fail_is_not_refused() -> None:
    assert circle_in_words(notebook("a = b", "b = a", tags={0: ["raises-exception"]})) is None


def test_another_language_is_not_refused() -> None:
    other = notebook("a = b", "b = a") | {
        "metadata": {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}
    }

    assert circle_in_words(other) is None
