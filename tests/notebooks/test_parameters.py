"""Parameters of a notebook, and the values that may be given."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.notebooks.parameters import (
    Parameter,
    check_parameters,
    collect_parameters,
    read_parameters,
    resolve_type,
)

SOURCE = """\
# Parameters
alpha = 0.1  # learning rate
beta: int = 3  # how many  # times
name = "a # b"
items: list[int] = [1, 2]
options = {"k": None}
today = datetime.now()
typed = 5  # type: float  # a number
negative = -1
many = (
    1,
    2,
)  # several
no_value: str
print(alpha)
if alpha: hidden = 1
alpha_text = f"{alpha}"
first = second = 2
größe = 1  # Größe in m
"""


def notebook(*sources: str, tag: int | None = 0, language: str = "python") -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "source": "# t", "metadata": {"tags": ["parameters"]}}]
    for index, source in enumerate(sources):
        metadata = {"tags": ["parameters"]} if index == tag else {}
        cells.append({"cell_type": "code", "source": source, "metadata": metadata})
    return {"cells": cells, "metadata": {"kernelspec": {"language": language}}}


def test_parameters_are_read_with_annotation_default_and_help() -> None:
    parameters = read_parameters(notebook(SOURCE))

    assert parameters == [
        literal("alpha", "0.1", 0.1, help="learning rate"),
        literal("beta", "3", 3, annotation="int", help="how many  # times"),
        literal("name", '"a # b"', "a # b"),
        literal("items", "[1, 2]", [1, 2], annotation="list[int]"),
        literal("options", '{"k": None}', {"k": None}),
        Parameter(name="today", default_source="datetime.now()"),
        literal("typed", "5", 5, annotation="float", help="a number"),
        literal("negative", "-1", -1),
        literal("many", "(\n    1,\n    2,\n)", (1, 2), help="several"),
        Parameter(name="alpha_text", default_source='f"{alpha}"'),
        literal("first", "2", 2),
        literal("second", "2", 2),
        literal("größe", "1", 1, help="Größe in m"),
    ]


def literal(name: str, source: str, value: object, *, annotation: str | None = None, help: str = "") -> Parameter:
    return Parameter(
        name=name, annotation=annotation, default_source=source, default=value, has_literal_default=True, help=help
    )


def test_a_notebook_without_the_tag_declares_nothing() -> None:
    assert read_parameters(notebook("x = 1", tag=None)) is None


def test_the_first_tagged_code_cell_counts() -> None:
    parameters = read_parameters(notebook("a = 1", "b = 2", tag=1))

    assert parameters is not None
    assert [parameter.name for parameter in parameters] == ["b"]


@pytest.mark.parametrize("source", ["", "%matplotlib inline\nx = 1", "x = ("])
def test_a_cell_that_is_no_plain_python_declares_no_names(source: str) -> None:
    assert read_parameters(notebook(source)) == []


def test_cells_of_other_languages_are_not_read_as_python() -> None:
    assert read_parameters(notebook("x=1", language="bash")) == []


def test_a_name_that_is_assigned_twice_has_its_last_default() -> None:
    assert read_parameters(notebook("a = 1\na = 2")) == [literal("a", "2", 2)]


PARAMETERS = [
    Parameter(name="alpha", annotation="float"),
    Parameter(name="beta", annotation="int"),
    Parameter(name="label", annotation="str | None"),
    Parameter(name="flag", annotation="bool"),
    Parameter(name="rows", annotation="list[dict[str, int]]"),
    Parameter(name="options", annotation="typing.Dict[str, int]"),
    Parameter(name="maybe", annotation="Optional[int]"),
    Parameter(name="either", annotation="Union[int, str]"),
    Parameter(name="quoted", annotation="'int'"),
    Parameter(name="other", annotation="MyType"),
    Parameter(name="mixed", annotation="int | MyType"),
    Parameter(name="anything"),
]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"alpha": 0.5},
        {"alpha": 1},
        {"alpha": math.nan},
        {"alpha": -math.inf},
        {"beta": 3},
        {"label": "x"},
        {"label": None},
        {"flag": True},
        {"rows": [{"a": 1}]},
        {"options": {}},
        {"maybe": None},
        {"either": "a"},
        {"quoted": 3},
        {"other": "a"},
        {"mixed": "a"},
        {"anything": [None, True, 1, 1.5, "ä\n", {"k": [math.inf]}]},
        {"anything": "a" * 1_000_000},
    ],
)
def test_values_that_fit_are_accepted(values: dict[str, object]) -> None:
    check_parameters(PARAMETERS, values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"alhpa": 1}, r"no parameter 'alhpa'\. Did you mean 'alpha'\? Its parameters are: alpha, beta,"),
        ({"zzz": 1}, "no parameter 'zzz'. Its parameters are: alpha"),
        ({"a.b": 1}, "'a.b' cannot be the name of a parameter"),
        ({"a\nb": 1}, r"'a\\nb' cannot be the name"),
        ({"": 1}, "'' cannot be the name"),
        ({"1a": 1}, "'1a' cannot be the name"),
        ({"a = 1; b": 1}, "cannot be the name"),
        ({"class": 1}, "'class' cannot be the name of a parameter: it is a keyword"),
        ({"None": 1}, "it is a keyword"),
        ({"__builtins__": 1}, "'__builtins__' cannot be the name of a parameter: such names belong to Python"),
        ({"__import__": 1}, "such names belong to Python"),
        ({"alpha": "0.5"}, r"'alpha' is declared as float, and was given '0.5' \(str\)"),
        ({"alpha": True}, r"'alpha' is declared as float, and was given True \(bool\)"),
        ({"beta": 1.0}, "'beta' is declared as int"),
        ({"beta": True}, "'beta' is declared as int"),
        ({"label": 1}, "declared as str | None"),
        ({"flag": 1}, "declared as bool"),
        ({"flag": "true"}, "declared as bool"),
        ({"rows": {}}, "declared as list"),
        ({"options": []}, "declared as typing.Dict"),
        ({"maybe": "a"}, "declared as Optional"),
        ({"either": 1.5}, "declared as Union"),
        ({"quoted": "a"}, "declared as 'int'"),
        ({"anything": (1, 2)}, "'anything': a value of type tuple cannot be passed"),
        ({"anything": {1, 2}}, "a value of type set"),
        ({"anything": [1, {"k": b"x"}]}, r"anything\[1\]\['k'\].*type bytes"),
        ({"anything": {1: 2}}, "its key 1 is no text"),
        ({"anything": {None: 2}}, "its key None is no text"),
        ({"anything": object()}, "a value of type object"),
        ({"anything": "a" * 1_100_000}, "'anything' takes 1.0 MB, and the limit is 1 MB. Write it to a file"),
        ({"anything": list(range(500_000))}, "takes 3.7 MB"),
        ({"anything": "\ud800"}, "no Unicode text"),
        ({"anything": 10**5000}, "cannot be written down"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidParameters, match=words):
        check_parameters(PARAMETERS, values)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)

    with pytest.raises(InvalidParameters, match="nested more than 100 deep"):
        check_parameters(PARAMETERS, {"anything": value})


def test_a_notebook_without_a_parameters_cell_says_how_to_make_one() -> None:
    with pytest.raises(
        InvalidParameters, match=r"takes no parameters, and was given a, b\. Put the defaults into a cell"
    ):
        check_parameters(None, {"a": 1, "b": 2})


def test_a_notebook_without_a_parameters_cell_takes_no_values() -> None:
    check_parameters(None, {})


def test_an_empty_parameters_cell_says_so() -> None:
    with pytest.raises(InvalidParameters, match="Its parameters cell declares none"):
        check_parameters([], {"a": 1})


def test_unknown_names_pass_when_not_strict_but_names_and_values_are_checked() -> None:
    check_parameters(PARAMETERS, {"new": 1}, strict=False)
    check_parameters(None, {"new": 1}, strict=False)
    with pytest.raises(InvalidParameters):
        check_parameters(None, {"a.b": 1}, strict=False)
    with pytest.raises(InvalidParameters):
        check_parameters(None, {"a": object()}, strict=False)


def test_other_languages_take_any_name() -> None:
    check_parameters([], {"x": 1}, language="bash")
    check_parameters(None, {"x": 1}, language="r")
    with pytest.raises(InvalidParameters):
        check_parameters(None, {"x; rm -rf": 1}, language="bash")


@settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
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

    values = collect_parameters(
        files=[first, second],
        yaml_texts=["{c: 3, f: 2020-01-01}", "g: 1.5"],
        typed=[("d", "4"), ("d", "5")],
        raw=[("g", "7")],
    )

    assert values == {"a": 1, "b": [2, {"k": None}], "c": 3, "d": 5, "e": True, "f": "2020-01-01", "g": "7"}


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

    assert collect_parameters(files=[path], yaml_texts=[""]) == {}
