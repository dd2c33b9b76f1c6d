"""Parameter values from the command line's flags, in papermill's order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.notebooks.parameter_flags import GivenParameters, collect_parameters
from orchestra_nb.notebooks.parameter_scalars import resolve_type


@given(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            [
                "True",
                "False",
                "None",
                "true",
                "1",
                "-1",
                "1_000",
                "1.5",
                "1e3",
                "nan",
                "inf",
                "-inf",
                " 1",
                "0x1",
                "01",
                "",
                "٣",
            ]
        ),
        st.integers().map(str),
        st.floats().map(str),
    )
)
def test_typed_values_mean_what_they_mean_to_papermill(text: str) -> None:
    from papermill.cli import _resolve_type

    expected = _resolve_type(text)

    assert repr(resolve_type(text)) == repr(expected)


def test_flags_win_in_papermills_order(tmp_path: Path) -> None:
    first = tmp_path / "a.yaml"
    first.write_text("a: 1\nb: 1\nc: 1\nd: 1\n# comment\n")
    second = tmp_path / "b.json"
    second.write_text(json.dumps({"b": [2, {"k": None}], "e": True}))

    found = collect_parameters(
        files=[first, second],
        yaml_texts=["{c: 3, f: 2020-01-01}", "g: 1.5"],
        typed=[("d", "4"), ("d", "5")],
        raw=[("g", "7")],
    )

    assert found.values == {"a": 1, "b": [2, {"k": None}], "c": 3, "e": True, "f": "2020-01-01", "g": "7"}
    assert found.texts == {"d": "5"}
    assert found.visible == {"c", "f", "g", "d"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: 1\nb: [1,\n", r"p.yaml, line 3: not YAML"),
        (b"a: 1\n b: 2\n", r"p.yaml, line 2: not YAML"),
        (b"- 1\n- 2\n", "p.yaml: not a mapping of names to values"),
        (b"just text", "not a mapping"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: !!python/object/apply:os.system [id]\n", "p.yaml, line 1: not YAML"),
        (b"a: *b\n", "p.yaml, line 1: not YAML"),
        (b"a: \x01\n", "p.yaml: not YAML"),
    ],
)
def test_a_bad_parameter_file_is_refused_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)

    with pytest.raises(InvalidParameters, match=words):
        collect_parameters(files=[path])


def test_a_missing_parameter_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameters, match=r"There is no parameter file .*none\.yaml"):
        collect_parameters(files=[tmp_path / "none.yaml"])
    with pytest.raises(InvalidParameters, match="cannot be read: Is a directory"):
        collect_parameters(files=[tmp_path])


def test_an_empty_parameter_file_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("\ufeff# nothing\n")

    assert collect_parameters(files=[path], yaml_texts=[""]) == GivenParameters()


def test_a_json_file_is_read_as_json(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"a": 1e3, "b": NaN, "c": "no", "d": ["2020-01-01"]}')

    values = collect_parameters(files=[path]).values

    assert repr(values) == "{'a': 1000.0, 'b': nan, 'c': 'no', 'd': ['2020-01-01']}"


def test_a_text_that_is_given_raw_as_well_is_raw() -> None:
    found = collect_parameters(typed=[("a", "1"), ("b", "2")], raw=[("a", "1")])

    assert (found.values, found.texts) == ({"a": "1"}, {"b": "2"})


def test_a_large_parameter_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a: " + "x" * (20 << 20))

    with pytest.raises(InvalidParameters, match=r"p.yaml has 20.0 MB, and a parameter at most 1 MB"):
        collect_parameters(files=[path])
