"""The analysis against what really happens: notebooks are run and watched, and their true dependences compared.

``dependence_corpus`` holds notebooks with cells apart by ``# %%``. Those that begin with ``a`` were there before the
analysis was tuned, those with ``b`` were written afterwards.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from dependence_truth import Watched, digest
from test_names import Writer

from orchestra_nb.notebooks.dataflow import analyse_sources
from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.notebook_analysis import CellAnalysis

CORPUS = Path(__file__).parent / "dependence_corpus"
FOREIGN = Path(__file__).parent.parent / "integration" / "foreign_notebooks"
FOREIGN_NAMES = ("seaborn_aesthetics", "seaborn_error_bars", "jupytext_parameter")
ROOT = Path(__file__).parent.parent.parent


def tables() -> dict[str, str]:
    """The files that the notebooks read."""
    numbers = random.Random(3)
    sales = ["date,region,product,units,price"]
    for row in range(80):
        units = "" if row % 17 == 0 else numbers.randint(1, 120)
        day = f"2024-{1 + row % 12:02d}-{1 + row % 27:02d}"
        sales.append(
            f"{day},{['north', 'south', 'west'][row % 3]},{['ink', 'pen'][row % 2]},{units},{numbers.randint(1, 50)}"
        )
    people = ["id,name,age,city,income,churned"]
    for row in range(60):
        city = ["Oslo", "Rome", "Lima"][row % 3]
        people.append(f"{row},n{row},{numbers.randint(18, 80)},{city},{numbers.randint(1000, 9000)},{row % 2}")
    return {"sales.csv": "\n".join(sales) + "\n", "people.csv": "\n".join(people) + "\n"}


def true_dependences(notebooks: Sequence[Sequence[str]]) -> list[list[list[int]] | str]:
    request = json.dumps({"notebooks": notebooks, "files": tables()})
    command = [sys.executable, str(Path(__file__).parent / "dependence_truth.py")]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, input=request, capture_output=True, text=True, env=environ, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def closure(needs: Iterable[Iterable[int]]) -> list[set[int]]:
    found: list[set[int]] = []
    for direct in needs:
        found.append(set(direct).union(*(found[cell] for cell in direct)))
    return found


def missed(cells: Sequence[CellAnalysis], truth: Sequence[Iterable[int]]) -> list[tuple[int, int]]:
    known = closure(cell.depends_on for cell in cells)
    return [(needed, index) for index, needs in enumerate(truth) for needed in needs if needed not in known[index]]


def check(notebooks: dict[str, list[str]]) -> None:
    """No true dependence is missed, and at most every tenth pair has no cause."""
    misses: dict[str, object] = {}
    pairs = spurious = 0
    for (name, sources), truth in zip(notebooks.items(), true_dependences(list(notebooks.values())), strict=True):
        assert not isinstance(truth, str), (name, truth)
        cells = analyse_sources([(str(index), source) for index, source in enumerate(sources)])
        assert not [cell.why for cell in cells if cell.barrier]
        if found := missed(cells, truth):
            misses[name] = found
        known, needed = closure(cell.depends_on for cell in cells), closure(truth)
        pairs += sum(map(len, known))
        spurious += sum(len(mine - true) for mine, true in zip(known, needed, strict=True))
    print(f"{pairs} pairs, {spurious} of them spurious")
    assert misses == {}
    assert spurious <= 0.1 * pairs


def corpus(step: int) -> dict[str, list[str]]:
    files = sorted(CORPUS.glob("*.txt"))[::step]
    return {file.stem: file.read_text().rstrip("\n").split("\n# %%\n") for file in files}


def enumerate_ids(sources: Sequence[str]) -> Iterable[tuple[str, str]]:
    return ((str(index), source) for index, source in enumerate(sources))


def test_no_dependence_of_a_notebook_that_runs_is_missed() -> None:
    check(corpus(6))


def test_no_cell_of_the_notebooks_is_a_barrier() -> None:
    found = {
        name: whys
        for name, sources in corpus(1).items()
        if (whys := [cell.why for cell in analyse_sources(list(enumerate_ids(sources))) if cell.barrier])
    }

    assert found == {}


@pytest.mark.soak
def test_no_dependence_of_many_notebooks_that_run_is_missed() -> None:
    foreign = {}
    for name in FOREIGN_NAMES:
        notebook = read_notebook(FOREIGN / f"{name}.ipynb")
        foreign[name] = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    check(corpus(1) | foreign)


# Random notebooks over nested lists


START = "a = [[1], [2, [3]]]\nb = [[4]]\nc = [[[5]], [6], 7]\nd = [[8, 9], [10]]"


def watched_run(cells: Sequence[str]) -> list[set[int]]:
    """Return what each cell needs, up to the first one that fails."""
    namespace = Watched()
    dict.__setitem__(namespace, "__name__", "__main__")
    contributors: dict[str, set[int]] = {}
    digests: dict[str, bytes] = {}
    values: dict[str, object] = {}
    needs: list[set[int]] = []
    for index, source in enumerate(cells):
        namespace.read.clear()
        namespace.bound.clear()
        namespace.is_on = True
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, "<random>", "exec"), namespace, namespace)
        except Exception:
            return needs
        finally:
            namespace.is_on = False
        after = {name: value for name, value in dict.items(namespace) if not name.startswith("__")}
        after_digests = {name: digest(value) for name, value in after.items()}
        bound = namespace.bound | {name for name, value in after.items() if values.get(name) is not value}
        changed = {name for name in after if name in digests and after_digests[name] != digests[name]} - bound
        needs.append(set().union(*(contributors.get(name, ()) for name in namespace.read | changed)) - {index})
        contributors.update({name: {index} for name in bound})
        for name in changed:
            contributors[name] = contributors[name] | {index}
        digests, values = after_digests, after
    return needs


def random_notebook(seed: int) -> tuple[list[str], list[set[int]]]:
    """Return cells that run, and what each needs."""
    writer = Writer(seed)
    cells = [START]
    truth = watched_run(cells)
    for _ in range(24):
        candidate = [*cells, writer.cell()]
        needs = watched_run(candidate)
        if len(needs) == len(candidate):
            cells, truth = candidate, needs
        if len(cells) > 8:
            break
    return cells, truth


def check_random(seeds: range) -> None:
    failures = []
    pairs = spurious = 0
    for seed in seeds:
        sources, truth = random_notebook(seed)
        cells = analyse_sources([(str(index), source) for index, source in enumerate(sources)])
        if found := missed(cells, truth):
            failures.append((seed, found, sources))
        known, needed = closure(cell.depends_on for cell in cells), closure(truth)
        pairs += sum(map(len, known))
        spurious += sum(len(mine - true) for mine, true in zip(known, needed, strict=True))
    print(f"{pairs} pairs, {spurious} of them spurious")
    assert failures == []
    assert spurious <= 0.1 * pairs


def test_no_dependence_of_random_cells_is_missed() -> None:
    check_random(range(40))


@pytest.mark.soak
def test_no_dependence_of_many_random_cells_is_missed() -> None:
    check_random(range(40, 2000))
