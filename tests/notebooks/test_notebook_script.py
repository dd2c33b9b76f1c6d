"""A notebook as a script: how its text reads, without running it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from orchestra_nb.errors import InvalidNotebook
from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.magic_translation import translate_cell
from orchestra_nb.notebooks.notebook_script import NotebookScript, notebook_script
from orchestra_nb.notebooks.source_text import indent, words_of
from tests.notebooks.varied_notebooks import VARIED, Cells, notebook_of

FOREIGN = Path(__file__).parents[1] / "integration" / "foreign_notebooks"


def script(cells: Cells) -> NotebookScript:
    return notebook_script(read_notebook(json.dumps(notebook_of(cells)).encode()), "nb")


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%matplotlib inline", "# %matplotlib inline"),
        ("%load_ext orchestra_nb", ""),
        ("!ls -l", 'subprocess.run("ls -l", shell=True)'),
        ("!cp {a} {b[0]}.bak", 'subprocess.run(f"cp {a} {b[0]}.bak", shell=True)'),
        ("!echo $a", 'subprocess.run(f"echo {a}", shell=True)'),
        ("!echo $HOME", 'subprocess.run("echo $HOME", shell=True)'),
        ("!awk '{print $1}' f", "subprocess.run(\"awk '{print $1}' f\", shell=True)"),
        ("x = !ls", 'x = subprocess.getoutput("ls").splitlines()'),
        ("%cd data", 'os.chdir(os.path.expanduser("data"))'),
        ("%env SHOP=Rome", 'os.environ["SHOP"] = "Rome"'),
        ("%pip install rich", 'subprocess.run([sys.executable, "-m", "pip", "install", "rich"], check=True)'),
        ("if a:\n    %matplotlib inline", "if a:\n    pass  # %matplotlib inline"),
        ("get_ipython().run_line_magic('matplotlib', 'inline')", "# %matplotlib inline"),
        ("%%bash\nls\n", 'subprocess.run(["bash"], input="""\\\nls\n""", text=True, check=True)'),
        ("%%html\n<b>x</b>", "# %%html\n# <b>x</b>"),
        ("%timeit f(1)", "def measured():\n    f(1)"),
        ("y = %time f(1)", "started = time.perf_counter()\ny = f(1)\n"),
        ("%%writefile a.txt\nx = {y}", 'with open("a.txt", "w") as file:\n    file.write("""\\\nx = {y}\n""")'),
    ],
)
def test_a_magic_becomes_plain_python(cell: str, line: str) -> None:
    translated = translate_cell(cell, {"a", "b", "y"}).source.strip()

    assert translated.startswith(line)
    assert line or not translated
    ast.parse(translated)


def test_what_has_no_counterpart_fails_where_it_stands_and_is_told() -> None:
    made = script([("code", "x = 1"), ("code", "%sql select * from t")])

    assert made.notes == ("cell 2: %sql has no counterpart in a script",)
    assert 'raise NotImplementedError("%sql has no counterpart in a script")' in made.text


@pytest.mark.parametrize("path", sorted(FOREIGN.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_in_python_becomes_a_module(path: Path) -> None:
    notebook = read_notebook(path)
    if path.stem == "jupytext_bash":
        with pytest.raises(InvalidNotebook, match="bash"):
            notebook_script(notebook, path.stem)
        return

    assert ast.parse(notebook_script(notebook, path.stem).text).body


@pytest.mark.parametrize("name", VARIED)
def test_a_conversion_is_the_same_each_time(name: str) -> None:
    notebook = read_notebook(json.dumps(VARIED[name]).encode())

    assert notebook_script(notebook, name) == notebook_script(notebook, name)


def test_a_script_reads_as_if_it_were_written_by_hand() -> None:
    made = script(
        [
            ("md", "# Report\n\nOf *sales*."),
            ("code", "import pandas as pd\nimport json"),
            ("parameters", "limit: int = 3  # How many"),
            ("code", "RATE = 1.5\n\n# Net of tax\ndef net(x):\n    return x / RATE"),
            ("md", "## Load the data\n\nFrom nowhere."),
            ("code", "rows = [net(x) for x in range(limit)]\nrows.append(7)"),
            ("md", "It is little."),
            ("code", "total = sum(rows)"),
            ("md", "## Tell"),
            ("code", "print(total)"),
        ]
    )

    assert (
        made.text
        == '''\
"""Report.

Of *sales*.
"""

import argparse
import json

import pandas as pd
from orchestra_nb import flow, task


RATE = 1.5


# Net of tax
def net(x):
    return x / RATE


@task
def load_the_data(limit):
    """Load the data.

    From nowhere.
    """
    rows = [net(x) for x in range(limit)]
    rows.append(7)

    # It is little.
    total = sum(rows)
    return total


@flow
def nb(
    limit: int = 3,  # How many
):
    """Report."""
    total = load_the_data(limit)

    # Tell
    print(total)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=3, help="How many")
    nb(**vars(parser.parse_args()))
'''
    )


def test_options_of_a_task_cell_are_those_of_its_task() -> None:
    text = "%%task fit --retries 2 --retry-delay exp:2s:60s --timeout 10m --cache 1h --tag team=x\nmodel = len([])"
    made = script([("code", text), ("code", "print(model)")])

    assert "retries=2" in made.text
    assert "retry_delay_seconds=[2, 4]" in made.text
    assert "timeout_seconds=600" in made.text
    assert "cache_policy=INPUTS + TASK_SOURCE" in made.text
    assert "cache_expiration=timedelta(seconds=3600)" in made.text
    assert 'tags=["team=x"]' in made.text


@pytest.mark.parametrize(
    ("first", "later", "is_moved"),
    [
        ("x = 1", "import numpy as np", True),
        ("import os\nx = os.listdir()\nos.environ['A'] = str(len(x))", "import numpy as np", False),
        ("import os\nx = os.listdir()\nos.environ['A'] = str(len(x))", "import json as np", True),
        ("!pip install numpy", "import numpy as np", False),
        ("np = 3", "import numpy as np", False),
    ],
)
def test_an_import_moves_only_past_what_it_does_not_look_at(first: str, later: str, is_moved: bool) -> None:
    made = script([("code", first), ("code", later), ("code", "print(np)")])

    line = later.partition("\n")[0]
    assert (f"\n{line}" in made.text.partition("@flow")[0]) == is_moved
    assert line in made.text


@pytest.mark.parametrize(
    ("declared", "signature", "option"),
    [
        ("a = 0.3", "a: float = 0.3", 'parser.add_argument("--a", type=float, default=0.3)'),
        ("n_rows: int = 5", "n_rows: int = 5", 'parser.add_argument("--n-rows", "--n_rows", type=int, default=5)'),
        (
            "on = True",
            "on: bool = True",
            'parser.add_argument("--on", action=argparse.BooleanOptionalAction, default=True)',
        ),
        (
            "names = ['x']",
            "names: list | None = None",
            'parser.add_argument("--names", type=ast.literal_eval, default=None)',
        ),
        ("name: str | None = None", "name: str | None = None", 'parser.add_argument("--name", type=str, default=None)'),
        ("speed: 'Literal[1, 2]' = 1", "speed: 'Literal[1, 2]' = 1", "type=int, choices=[1, 2], default=1"),
    ],
)
def test_a_parameter_becomes_an_argument_and_an_option(declared: str, signature: str, option: str) -> None:
    made = script([("code", "from typing import Literal"), ("parameters", declared), ("code", "print(1)")])

    assert signature in made.text
    assert option in made.text


def test_what_a_later_cell_changes_is_not_submitted() -> None:
    work = "{0} = [x for x in rows]\n{0}_sum = sum({0})"
    cells = [
        ("code", "rows = [1, 2]"),
        *(("code", work.format(name)) for name in "abc"),
        ("code", "print(a_sum, b_sum, c_sum)"),
    ]

    submitted = notebook_script(read_notebook(json.dumps(notebook_of(cells)).encode()), "nb", is_submitting=True)
    cells.insert(-1, ("code", "rows.append(3)"))
    called = notebook_script(read_notebook(json.dumps(notebook_of(cells)).encode()), "nb", is_submitting=True)

    assert "a_sum = make_a_sum.submit(rows)" in submitted.text
    assert "print(a_sum" in submitted.text
    assert ".submit(" not in called.text


def test_lines_within_a_text_are_not_indented() -> None:
    assert indent('a = """x\n  y\n"""\nb = 1') == '    a = """x\n  y\n"""\n    b = 1'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1. Load the *data*!", "load_the_data"),
        ("Step 2: [Fit](http://x) `model`", "fit_model"),
        ("Überblick", "überblick"),
        ("!!!", ""),
        ("3D plots", "3d_plots"),
    ],
)
def test_a_heading_becomes_a_name(text: str, name: str) -> None:
    assert words_of(text) == (name if name.isidentifier() else "")
