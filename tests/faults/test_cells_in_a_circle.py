"""Cells that need each other: the run is refused before anything starts, and nothing else is refused."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.notebooks.cell_circles import Circle, circle_in_words, find_circle
from orchestra_nb.notebooks.dataflow import analyse_notebook
from orchestra_nb.notebooks.early_reads import may_read_early


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
    assert may_read_early(notebook(*sources)) or circle is None


@pytest.mark.parametrize(
    ("sources", "may"),
    [
        (["import numpy as np", "a = np.zeros(3)", "b = a + 1"], False),
        (["def f(x):\n    y = x\n    return y", "print(f(3))"], False),
        (["a = b", "b = 1"], True),
        (["def f():\n    b = 1", "a = b", "b = a"], True),
        (["[b for b in range(3)]", "a = b", "b = a"], True),
        (["b: int", "a = b", "b = a"], True),
        (["a = b\nb = 1\ndel b", "b = a"], True),
        (["x = b\ntry:\n    y = 1\nexcept E as b:\n    pass", "b = x"], True),
        (["if False:\n    b = 1", "a = b", "b = a"], True),
        (["for x in xs:\n    y = x", "for x in ys:\n    z = x"], False),
        (["x = " + "1 + " * 1_500 + "1", "y = 1"], True),
        (["x = " + "1 + " * 5_000 + "1", "y = 1"], True),
        (["b += 1", "b = 2"], False),  # it is bound there, too, if not well
        (["del b", "b = 2"], True),
        (["a = eval('b')", "b = a"], True),
        (["%time a = b", "c = 1"], True),
        (["match b:\n    case [*rest]: pass", "rest", "b = rest"], True),
    ],
)
def test_most_notebooks_need_no_analysis_to_be_known_to_have_no_circle(sources: list[str], may: bool) -> None:
    assert may_read_early(notebook(*sources)) is may


def test_no_circle_is_overlooked() -> None:
    chance = random.Random(61)
    lines = (
        *("{0} = {1}", "{0} = {1} + {2}", "{0}: int", "{0}: int = {1}", "del {0}", "{0} += {1}", "import {0}"),
        *("def {0}():\n    return {1}", "def {0}():\n    {1} = 1", "class {0}:\n    {1} = {2}", "{0} = {1}()"),
        *(
            "if {1}:\n    {0} = 1",
            "if False:\n    {0} = 1",
            "for {0} in {1}:\n    {2} = {0}",
            "for {0} in []:\n    pass",
        ),
        *("while True:\n    break\n    {0} = 1", "try:\n    {1}\nexcept E as {0}:\n    pass", "[{0} for {0} in {1}]"),
        *("with {1} as {0}:\n    {2} = 1", "try:\n    {0} = {1}\nfinally:\n    {2} = 1", "raise {0}", "({0} := {1})"),
        *("match {1}:\n    case [*{0}]: pass", "{0}, {1} = {2}", "{0} = lambda {1}: {2}", "global {0}"),
    )
    overlooked, circles, passed = [], 0, 0
    for _ in range(4_000):
        sources = [
            "\n".join(
                chance.choice(lines).format(*chance.choices(("a", "b", "c", "d"), k=3))
                for _ in range(chance.randint(1, 2))
            )
            for _ in range(chance.randint(2, 4))
        ]
        made = notebook(*sources)
        passed += not may_read_early(made)
        if find_circle(analyse_notebook(made)) is not None:
            circles += 1
            if not may_read_early(made):
                overlooked.append(sources)

    assert overlooked == []
    assert min(circles, passed) > 100


def test_a_cell_that_may_fail_is_not_refused() -> None:
    assert circle_in_words(notebook("a = b", "b = a", tags={0: ["raises-exception"]})) is None


def test_another_language_is_not_refused() -> None:
    other = notebook("a = b", "b = a") | {
        "metadata": {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}
    }

    assert circle_in_words(other) is None
