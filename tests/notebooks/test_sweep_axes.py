"""What ``--sweep`` and ``--sweep-file`` say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.notebooks.sweep_axes import read_axes, read_sweep_file


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=0.1,0.2", ["0.1", "0.2"]),
        ("a=1", ["1"]),
        ("a=True,None,x", ["True", "None", "x"]),
        ("a= 1 , 2 ", ["1", "2"]),
        ("a=1:5:2", [1, 3, 5]),
        ("a=[x, 'y,z', [1, 2]]", ["x", "y,z", [1, 2]]),
        ("a=k=v,2026-01-01", ["k=v", "2026-01-01"]),
        ("a=08:30", ["08:30"]),
        ("a=1:2,1:3", ["1:2", "1:3"]),
        ("a=['1:3']", ["1:3"]),
    ],
)
def test_an_axis_is_read(text: str, values: list[Any]) -> None:
    assert read_axes([text]) == {"a": values}


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a"], "names no values"),
        (["a="], "names no values"),
        (["=1"], "names no values"),
        (["a=1,,2"], "a value in '1,,2' is empty"),
        (["a=1", "a=2"], "twice"),
        (["a=[1"], "not YAML"),
        (["a=[]"], "no list of values"),
        (["a=1:5:-1"], "its step must lead"),
        (["a=1:3"], "a: the range 1:3 has no step. Write a=START:STOP:STEP, such as a=1:3:1; for the text itself"),
        (["a=0.1:0.5"], "such as a=0.1:0.5:0.1"),
        (["a=3:1"], "such as a=3:1:-1"),
    ],
)
def test_an_axis_that_is_none_is_refused(texts: list[str], words: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        read_axes(texts)

    assert words in str(refused.value)


def test_a_mapping_in_a_file_is_a_grid_and_a_list_is_combinations(tmp_path: Path) -> None:
    grid, listed = tmp_path / "grid.yaml", tmp_path / "list.json"
    grid.write_text("alpha: [0.1, 0.2]\nday: 2026-01-01\n")
    listed.write_text('[{"alpha": 1}, {"alpha": 2, "beta": 3}]')

    assert read_sweep_file(grid) == ({"alpha": [0.1, 0.2], "day": ["2026-01-01"]}, [])
    assert read_sweep_file(listed) == ({}, [{"alpha": 1}, {"alpha": 2, "beta": 3}])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("just text", "is no sweep"),
        ("[]", "is no sweep"),
        ("{}", "is no sweep"),
        ("[1, 2]", "is no sweep"),
        ("1: [2]", "no name of a parameter"),
        ("a: [1", "line"),
    ],
)
def test_a_file_that_is_no_sweep_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(content)

    with pytest.raises(InvalidParameters) as refused:
        read_sweep_file(path)

    assert words in str(refused.value)
    with pytest.raises(InvalidParameters, match="There is no sweep file"):
        read_sweep_file(tmp_path / "missing.yaml")
