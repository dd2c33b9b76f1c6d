"""Which cells are proposed as tasks, and what a copy of the notebook then holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestra_nb.notebooks.adopted_notebook import AdoptedNotebook, adopt_notebook
from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.task_line import parse_task_line
from tests.notebooks.varied_notebooks import VARIED, Cells, notebook_of

MORE = "more = [x * 2 for x in rows]\nmore_sum = sum(more)"
WORK = "rows = [x * x for x in range(1000)]\ntotal = sum(rows)"


def read(cells: Cells) -> dict[str, Any]:
    return read_notebook(json.dumps(notebook_of(cells)).encode())


def adopt(cells: Cells, **options: Any) -> AdoptedNotebook:
    return adopt_notebook(read(cells), **options)


def sources(adopted: AdoptedNotebook) -> list[str]:
    return [cell["source"] for cell in adopted.notebook["cells"] if cell["cell_type"] == "code"]


def test_a_plot_that_is_saved_keeps_no_cell_that_reads_another_file_from_being_a_task() -> None:
    load = "import pandas as pd\ndata = pd.read_csv('sales.csv')\n" + WORK
    save = "import matplotlib.pyplot as plt\nplt.plot(rows)\nplt.savefig('fig.png')"

    apart = adopt([("code", load), ("code", save)])
    bound = adopt([("code", load), ("code", save), ("code", "data.to_csv('sales.csv')")])

    assert sources(apart)[1].startswith("%%task")
    assert not any(source.startswith("%%task") and "read_csv" in source for source in sources(bound))


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([("code", "import os\nimport json")], "it only imports"),
        ([("code", "def f(x):\n    return x")], "it only defines"),
        ([("code", "%matplotlib inline")], "it only sets up"),
        ([("code", "import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 3")], "plot settings"),
        ([("code", "import warnings\nwarnings.filterwarnings('ignore')")], "warning filters"),
        ([("code", "x = 1")], "too short"),
        ([("code", WORK), ("code", "total")], "it only shows values"),
        ([("parameters", "x = [1 for _ in range(9)]")], "it holds the parameters"),
        ([("code", "%%time\n" + WORK)], "it begins with %%time"),
        ([("code", "%%task a\n" + WORK)], "it is a task already"),
        ([("raises-exception", WORK)], "the notebook goes on"),
        ([("code", "from math import *\n" + WORK)], ""),
        ([("code", "exec(input())\n" + WORK)], ""),
        ([("code", "import random\nrandom.seed(1)\n" + WORK)], "random state of Python"),
        ([("code", "x = sum(range(9))\ny = sum(range(9))"), ("code", "y = max([x])\ndel x\nz = y")], "it deletes x"),
        ([("code", "with open('a.txt', 'w') as f:\n    f.write('x')\n" + WORK)], "it writes file a.txt"),
        ([("code", "lines = (x for x in range(9))\n" + WORK), ("code", "print(list(lines))")], "lines is a generator"),
        ([("code", "import threading\nlock = threading.Lock()\n" + WORK), ("code", "lock")], "what Lock() gives"),
        ([("code", "import asyncio\nawait asyncio.sleep(0)\n" + WORK)], "it awaits"),
        ([("code", "a = [1]\nb = a"), ("code", "a.append(sum(a))\nc = sum(a)"), ("code", "print(b)")], "b"),
        (
            [
                ("code", "log = []\ndef note(x):\n    log.append(x)"),
                ("code", "note(sum([1]))\n" + WORK),
                ("code", "log"),
            ],
            "changes log",
        ),
        (
            [("code", "n = 0\ndef bump():\n    global n\n    n += 1"), ("code", "bump()\n" + WORK), ("code", "n")],
            "n",
        ),
        ([("code", WORK + "\ndef scaled(x):\n    return x * total"), ("code", "scaled(1)")], "it defines scaled"),
        ([("code", "import matplotlib.pyplot as plt\nfor x in range(3):\n    plt.plot([x])")], "it only draws"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_cell_that_is_no_task_stays_and_says_why(cells: Cells, why: str) -> None:
    adopted = adopt(
        [*cells, ("code", "kept = [sum(range(x)) for x in range(99)]\nmore = sum(kept)")], has_parameters=False
    )

    reasons = [(verdict.task, verdict.why) for verdict in adopted.verdicts[: len(cells)]]
    assert any(task is None and why in reason for task, reason in reasons), reasons
    assert all(reason for _, reason in reasons)


@pytest.mark.parametrize("seconds", [None, 3.0], ids=["never ran", "took long"])
@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("!pip list", "where the kernel is (`pip list`)"),
        ("files = !ls\nprint(len(files))", "where the kernel is (`ls`)"),
        ("%sx ls", "where the kernel is (`ls`)"),
        ("%time !make", "(`make`)"),
        ("!echo {total} > out.txt", "where the kernel is"),
        ("!pip install -q there\n" + MORE, "(`pip install -q there`)"),
        ("found = !nvidia-smi\n" + MORE, "(`nvidia-smi`)"),
        ("for x in rows[:3]:\n    !echo {x}", "it only runs shell commands"),
        ("!echo {total}\n!echo done", "it only runs shell commands"),
        ("%%bash\nls", "it begins with %%bash"),
        ("%%script bash\nls", "it begins with %%script"),
        ("import subprocess\nsubprocess.run(['ls'])\n" + MORE, "it starts a process"),
        ("%timeit sum(rows)\n" + MORE, "it measures code"),
        ("print(total)", "it only shows values"),
        ("for x in rows[:3]:\n    display(x)", "it only shows values"),
        (
            "display(Markdown(f'# {total}'))\nrows.count(1)",
            "it only shows values",
        ),
        ("import ipywidgets as w\nslider = w.IntSlider()\nslider", "it makes widgets"),
        ("import logging\nlogging.basicConfig(level=20)\nlog = logging.getLogger('x')", "it only sets up"),
        ("import sklearn\nsklearn.set_config(display='diagram')", "it only sets up"),
        ("from pathlib import Path\nDATA = Path('data')\nN = 3", "it only sets up"),
        ("import sys\nIN_COLAB = 'google.colab' in sys.modules", "it only sets up"),
    ],
)
def test_what_only_the_kernel_can_run_and_what_only_shows_or_sets_up_is_no_task_however_long_it_took(
    source: str, why: str, seconds: float | None
) -> None:
    times = None if seconds is None else dict.fromkeys(("c0", "c1", "c2"), seconds)

    adopted = adopt([("code", WORK), ("code", source), ("code", MORE)], seconds=times, has_parameters=False)

    assert [verdict.task is None for verdict in adopted.verdicts] == [False, True, False]
    assert why in adopted.verdicts[1].why


@pytest.mark.parametrize("line", ["!echo {total}", "!printf x", "%time shown = sum(rows)"])
def test_a_cell_with_more_to_do_than_to_print_from_the_shell_is_a_task(line: str) -> None:
    adopted = adopt([("code", WORK), ("code", f"{line}\n{MORE}")], has_parameters=False)

    assert adopted.verdicts[1].task == "more_sum"


def test_a_cell_whose_exit_code_a_later_one_reads_is_no_task() -> None:
    adopted = adopt([("code", WORK), ("code", f"!echo 1\n{MORE}"), ("code", "print(_exit_code)")])

    assert "_exit_code" in adopted.verdicts[1].why


def test_names_come_from_headings_and_from_what_cells_make() -> None:
    adopted = adopt(
        [
            ("md", "## 1. Load the data"),
            ("code", WORK),
            ("md", "## Models"),
            ("code", "linear = sum(x * total for x in range(99))\nscore = [linear for _ in range(9)]"),
            ("code", "# Fit a forest\nforest = [x * total for x in range(99)]"),
            ("code", "print(score, forest)"),
        ]
    )

    assert adopted.tasks == ("load_the_data", "score", "fit_a_forest")
    assert sources(adopted)[0] == "%load_ext orchestra_nb"
    assert sources(adopted)[1] == f"%%task load_the_data\n{WORK}"


@pytest.mark.parametrize("name", VARIED)
def test_the_source_stays_and_every_task_line_can_be_read(name: str) -> None:
    notebook = read_notebook(json.dumps(VARIED[name]).encode())
    before = json.dumps(notebook)

    adopted = adopt_notebook(notebook)

    assert json.dumps(notebook) == before
    lines = [source.partition("\n") for source in sources(adopted) if source.startswith("%%task")]
    names = [parse_task_line(line.removeprefix("%%task"), body).name for line, _, body in lines]
    assert len(set(names)) == len(names)
    if adopted.tasks:
        assert any("%load_ext orchestra_nb" in source for source in sources(adopted))


def test_the_extension_is_loaded_before_the_first_task_and_not_in_the_parameters_cell() -> None:
    adopted = adopt([("parameters", "n = 3"), ("code", "import os"), ("code", WORK), ("code", "print(total)")])

    assert sources(adopted)[:2] == ["n = 3", "%load_ext orchestra_nb\nimport os"]


def test_an_extension_that_is_loaded_is_not_loaded_again() -> None:
    adopted = adopt([("code", "%load_ext orchestra_nb\nimport os"), ("code", WORK), ("code", "print(total)")])

    assert sources(adopted)[0] == "%load_ext orchestra_nb\nimport os"


def test_constants_at_the_top_are_proposed_as_parameters() -> None:
    cells = [
        ("code", "import os"),
        ("code", "n = 3\nname: str = 'x'  # whose"),
        ("code", WORK),
        ("code", "print(total)"),
    ]

    adopted, without = adopt(cells), adopt(cells, has_parameters=False)

    assert adopted.parameters == ("n", "name")
    assert adopted.notebook["cells"][1]["metadata"]["tags"] == ["parameters"]
    assert without.parameters == ()
    assert "tags" not in without.notebook["cells"][1]["metadata"]


@pytest.mark.parametrize("first", ["n = compute()", "n = 3\nprint(n)", "print(1)", "n, m = 1, 2"])
def test_anything_else_at_the_top_is_no_parameters_cell(first: str) -> None:
    assert adopt([("code", first), ("code", "n = 3")]).parameters == ()


def test_what_took_no_time_is_left_alone_and_what_took_long_is_not() -> None:
    cells = [("code", WORK), ("code", "slow = total + 1"), ("code", "print(slow)")]

    adopted = adopt(cells, seconds={"c0": 0.05, "c1": 3.0}, has_parameters=False)

    assert adopted.tasks == ("slow",)
    assert [verdict.why for verdict in adopted.verdicts][:2] == ["it took 0.05 s", "it took 3 s, and it makes slow"]


def test_neighbours_that_only_feed_each_other_become_one_task_on_request() -> None:
    cells = [
        ("md", "## Load"),
        ("code", "raw = [x for x in range(99)]"),
        ("code", "clean = [x for x in raw if x > 3]"),
        ("md", "## Tell"),
        ("code", "print(len(clean))"),
    ]

    merged, apart = adopt(cells, is_merging=True), adopt(cells)

    assert apart.tasks == ("raw", "clean")
    assert merged.tasks == ("load",)
    assert sources(merged)[1:] == [
        "%%task load\nraw = [x for x in range(99)]\n\nclean = [x for x in raw if x > 3]",
        "print(len(clean))",
    ]
