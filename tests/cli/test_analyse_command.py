"""``orchestra analyse``: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestra_nb.cli.main import main


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    sources = ["import pandas as pd", "df = pd.DataFrame()", "df['a'] = 1", "!make\ndf.head()"]
    cells = [
        {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Title"},
        *(
            {
                "cell_type": "code",
                "id": f"c{n}",
                "metadata": {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for n, source in enumerate(sources)
        ),
    ]
    path = tmp_path / "report.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_json_is_one_line_for_each_notebook(notebook: Path) -> None:
    done = CliRunner().invoke(main, ["analyse", str(notebook), str(notebook), "--json"], standalone_mode=False)

    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert first["path"] == str(notebook)
    assert first["cells"][2] == {
        "index": 2,
        "id": "c2",
        "defines": [],
        "reads": ["df"],
        "mutates": ["df"],
        "depends_on": [1],
        "barrier": False,
        "why": "needs df of cell 1",
    }
    assert first["cells"][3]["barrier"]
    assert first["cells"][3]["depends_on"] == [0, 1, 2]
    assert first["cells"][3]["why"] == "a shell command can do anything (`make`)"


def test_the_table_has_a_line_for_each_cell(notebook: Path) -> None:
    done = CliRunner().invoke(main, ["analyse", str(notebook)], standalone_mode=False)

    lines = done.stdout.splitlines()
    assert lines[0] == str(notebook)
    assert lines[1].split() == ["CELL", "DEFINES", "READS", "CHANGES", "DEPENDS", "ON", "WHY"]
    assert lines[2].split()[0] == "1"  # people count from 1
    assert lines[4].split() == ["3", "-", "df", "df", "2", "needs", "df", "of", "cell", "2"]
    assert "all (barrier)" in lines[5]


def test_a_file_that_cannot_be_read_does_not_hide_the_others(notebook: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{")

    done = CliRunner().invoke(main, ["analyse", str(broken), str(notebook), "--json"], standalone_mode=False)

    first, second = map(json.loads, done.stdout.splitlines())
    assert first["error"]["code"] == "invalid_notebook"
    assert len(second["cells"]) == 4
    assert done.return_value == 2
