"""``%%task --cache``: a cell whose code and inputs have been met before takes the kept result, in any kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.notebook_kernel import Cell, NotebookKernel


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NotebookKernel, NotebookKernel]]:
    """Two kernels that share a store and a cluster."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    with NotebookKernel(first) as one, NotebookKernel(second) as other:
        yield one, other


@pytest.fixture
def kernel(kernels: tuple[NotebookKernel, NotebookKernel]) -> NotebookKernel:
    kernels[0].run("%reset -f")
    return kernels[0]


@pytest.fixture
def other(kernels: tuple[NotebookKernel, NotebookKernel]) -> NotebookKernel:
    kernels[1].run("%reset -f")
    return kernels[1]


@pytest.fixture
def noting(tmp_path: Path) -> str:
    """A line that notes that the cell ran."""
    return f"with open({str(tmp_path / 'runs')!r}, 'a') as notes: notes.write('x')"


@pytest.fixture
def runs(tmp_path: Path) -> Any:
    """How often a cell with that line ran."""
    return lambda: len((tmp_path / "runs").read_text()) if (tmp_path / "runs").exists() else 0


def state_of(cell: Cell) -> str:
    return str(cell.wait_for("COMPLETED", "CACHED", "FAILED")["state"])


def test_a_cell_that_was_met_before_is_cached_and_shows_what_it_showed(
    kernel: NotebookKernel, noting: str, runs: Any
) -> None:
    kernel.run("base = 20")
    first = kernel.run(f"%%task double --cache\n{noting}\nprint('thinking')\nresult = 2 * base\ndel base")
    assert (state_of(first), kernel.value("result")) == ("COMPLETED", "40")

    kernel.run("base = 20\nresult = None")
    again = kernel.run(f"%%task again --cache\n# said anew\n{noting}\nprint( 'thinking' )\nresult = 2*base\n\ndel base")

    assert (state_of(again), kernel.value("result"), runs()) == ("CACHED", "40", 1)
    assert "thinking" in str(again.wait_for_output("thinking"))
    assert "NameError" in str(kernel.run("base").error)
    text = next(data["text/plain"] for key, data in kernel.displays.items() if key == again.displays[0])
    assert text.startswith("⟲ again  Cached")


def test_another_kernel_finds_the_result(kernel: NotebookKernel, other: NotebookKernel, noting: str, runs: Any) -> None:
    setup = "factor = 3\ndef scale(x): return factor * x\nclass Box:\n    side = 2\nbox = Box()"
    cell = f"%%task scaled --cache 1h\n{noting}\nvalue = scale(box.side)\nmaker = Box"
    kernel.run(setup)
    assert (state_of(kernel.run(cell)), kernel.value("value")) == ("COMPLETED", "6")

    other.run("# elsewhere, with other numbers of lines\n\n" + setup)

    assert (state_of(other.run(cell)), other.value("value, maker().side"), runs()) == ("CACHED", "(6, 2)", 1)


@pytest.mark.parametrize(
    "change",
    ["base = 21", "helper = lambda x: x + 2", "code"],
    ids=["an input", "a function that it calls", "its code"],
)
def test_a_change_is_computed_anew(kernel: NotebookKernel, noting: str, runs: Any, change: str) -> None:
    kernel.run("base = 20\nhelper = lambda x: x + 1")
    cell = f"%%task made --cache\n{noting}\nmade = helper(base)"
    assert state_of(kernel.run(cell)) == "COMPLETED"

    if change == "code":
        cell += " + 1"
    else:
        kernel.run(change)

    assert (state_of(kernel.run(cell)), kernel.value("made"), runs()) == ("COMPLETED", "22", 2)


def write(kernel: NotebookKernel, files: dict[str, str]) -> None:
    """Write files beside the notebook, as an editor would."""
    for name, text in files.items():
        path = kernel.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


#: What stands beside the notebook, what it has run, the cell, the file that is edited.
MODULES: dict[str, tuple[dict[str, str], str, str, str]] = {
    "an import in the cell": (
        {"direct.py": "def factor(x): return 10 * x\n"},
        "",
        "from direct import factor\nprint(factor(4))\nmade = factor(4)",
        "direct.py",
    ),
    "what that imports": (
        {"outer.py": "from inmost import TEN\ndef factor(x): return TEN * x\n", "inmost.py": "TEN = 10\n"},
        "",
        "import outer\nmade = outer.factor(4)",
        "inmost.py",
    ),
    "an import within a function of the cell": (
        {"within.py": "def factor(x): return 10 * x\n"},
        "",
        "def f(x):\n    from within import factor\n    return factor(x)\nmade = f(4)",
        "within.py",
    ),
    "an import within a function that it reads": (
        {"called.py": "def factor(x): return 10 * x\n"},
        "def f(x):\n    from called import factor\n    return factor(x)",
        "made = [*map(f, [4])][0]",
        "called.py",
    ),
    "an import within a function of a module that it reads": (
        {
            "shop/__init__.py": "",
            "shop/calc.py": "def rate():\n    from . import rates\n    return rates.RATE\n",
            "shop/rates.py": "RATE = 10 * 4\n",
        },
        "from shop import calc",
        "made = calc.rate()",
        "shop/rates.py",
    ),
    "an import under %%time": (
        {"timed.py": "def factor(x): return 10 * x\n"},
        "",
        "%%time\nfrom timed import factor\nmade = factor(4)",
        "timed.py",
    ),
}


@pytest.mark.parametrize(("files", "setup", "code", "edited"), MODULES.values(), ids=MODULES)
def test_an_edit_of_a_module_that_it_comes_to_is_computed_anew(
    kernel: NotebookKernel, files: dict[str, str], setup: str, code: str, edited: str
) -> None:
    cell = f"%%task imported --cache\n{code}"
    write(kernel, {**files, "apart.py": "N = 1\n"})
    kernel.run(setup)
    assert (state_of(kernel.run(cell)), kernel.value("made")) == ("COMPLETED", "40")

    write(kernel, {"apart.py": "N = 200\n", edited: "# a comment\n" + files[edited]})
    assert (state_of(kernel.run(cell)), kernel.value("made")) == ("CACHED", "40")

    write(kernel, {edited: files[edited].replace("10", "1000")})
    assert (state_of(kernel.run(cell)), kernel.value("made")) == ("COMPLETED", "4000")

    write(kernel, files)
    assert (state_of(kernel.run(cell)), kernel.value("made")) == ("CACHED", "40")


def test_inputs_from_another_task_count_by_value(kernel: NotebookKernel, noting: str, runs: Any) -> None:
    cell = f"%%task total --cache\n{noting}\ntotal = sum(numbers)"
    for numbers, state in (("[1, 2]", "COMPLETED"), ("list((1, 2))", "CACHED"), ("[1, 3]", "COMPLETED")):
        kernel.run(f"%%task source\nnumbers = {numbers}")
        assert state_of(kernel.run(cell)) == state
    assert (kernel.value("total"), runs()) == ("4", 2)


def test_a_result_past_its_time_is_computed_anew(kernel: NotebookKernel, noting: str, runs: Any) -> None:
    cell = f"%%task short --cache 1ms\n{noting}\nshort = 1"

    assert [state_of(kernel.run(cell)), state_of(kernel.run(cell)), runs()] == ["COMPLETED", "COMPLETED", 2]


def test_one_of_two_kernels_computes_what_both_want(
    kernel: NotebookKernel, other: NotebookKernel, noting: str, runs: Any, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    waiting = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    cell = f"%%task both --cache\n{noting}\n{waiting}\nboth = 7"
    first = kernel.run(cell)
    kernel.wait_until(lambda: runs() == 1)
    second = other.run(cell)
    second.wait_for("RUNNING")

    gate.touch()

    assert (state_of(first), state_of(second), other.value("both"), runs()) == ("COMPLETED", "CACHED", "7", 1)


def test_a_failure_is_not_kept(kernel: NotebookKernel, noting: str, runs: Any) -> None:
    cell = f"%%task failing --cache\n{noting}\nraise ValueError('no')"

    assert [state_of(kernel.run(cell)), state_of(kernel.run(cell)), runs()] == ["FAILED", "FAILED", 2]


def test_a_value_that_stayed_on_its_worker_says_so_in_a_cached_result_too(
    kernel: NotebookKernel, noting: str, runs: Any
) -> None:
    cell = f"%%task locked --cache\n{noting}\nimport threading\nlock, n = threading.Lock(), 5"

    for state in ("COMPLETED", "CACHED"):
        assert (state_of(kernel.run(cell)), kernel.value("n")) == (state, "5")
        assert "ValueNotPortable: `lock` stays on the worker of task 'locked'" in str(kernel.run("lock").error)
    assert runs() == 1


def test_a_result_that_cannot_be_written_is_given_and_the_cell_says_so(
    kernel: NotebookKernel, noting: str, runs: Any, tmp_path: Path
) -> None:
    results = Path(kernel.value("__import__('orchestra_nb.engine.results').engine.results.default_results_url()")[1:-1])
    away = results.rename(tmp_path / "away")
    results.touch()  # a file where the folder should be
    try:
        first = kernel.run(f"%%task unwritten --cache\n{noting}\nm = 6")

        assert (state_of(first), kernel.value("m"), runs()) == ("COMPLETED", "6", 1)
        assert "The result of task 'unwritten' is not in the cache: " in str(first.wait_for_output("is not in"))
    finally:
        results.unlink()
        away.rename(results)


def test_a_cell_that_may_read_anything_must_name_what_it_reads(kernel: NotebookKernel) -> None:
    kernel.run("code = 'x = base + 1'\nbase = 1")

    refused = kernel.run("%%task any --cache\nexec(code)")
    named = kernel.run("%%task any --cache --in code,base\nexec(code)")

    assert refused.error is not None
    assert "nobody can tell what the cell reads" in refused.error
    assert "Name them with --in a,b" in refused.error
    assert (state_of(named), kernel.value("x")) == ("COMPLETED", "2")
    assert state_of(kernel.run("%%task any --cache --in code,base\nexec(code)")) == "CACHED"
