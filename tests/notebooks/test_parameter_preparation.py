"""Values for a run, checked against what the notebook declares and converted to it."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from orchestra_nb.errors import InvalidParameters, SecretNotFound
from orchestra_nb.model.jsonable import from_stored, to_stored
from orchestra_nb.model.secret_values import HIDDEN, Secret
from orchestra_nb.notebooks.parameter_preparation import PreparedParameters, prepare_parameters
from orchestra_nb.operations.sent_parameters import received_parameters, sent_parameters

ABOVE = """\
import datetime as dt
import enum
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Optional, TypedDict, Union
from uuid import UUID

from fractions import Fraction
from http import HTTPMethod
import pandas as pd
from pydantic import BaseModel, Field, SecretStr

from orchestra_nb.variables import Secret

class Color(enum.Enum):
    RED = "red"
    GREEN = "green"

class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2

class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()

@dataclass
class Point:
    x: int
    y: float = 0.0
    day: date = date(2026, 1, 1)

class Row(BaseModel):
    key: str = Field(alias="id")
    start: date = date(2026, 1, 1)
    color: Color = Color.RED
    token: SecretStr = SecretStr("")

class Pair(NamedTuple):
    left: int
    right: int = 0

class Options(TypedDict, total=False):
    depth: int
"""

CELL = """\
alpha: float = 0.1
beta: int = 1
label: str | None = None
flag: bool = False
rows: list[dict[str, int]] = []
options: typing.Dict[str, int] = {}
maybe: Optional[int] = None
either: Union[int, str] = 1
quoted: 'int' = 1
other: MyType = None
code: str = ""
day: date = date(2026, 1, 1)
when: dt.datetime = dt.datetime(2026, 1, 1)
at: dt.time = dt.time(8)
wait: timedelta = timedelta(1)
money: Decimal = Decimal(1)
path: Path = Path(".")
uid: UUID = None
color: Color = Color.RED
level: Level = Level.LOW
access: Access = Access.READ
point: Point = Point(1)
row: Row = None
pair: Pair = Pair(1)
settings: Options = {}
share: Fraction = None
stamp: pd.Timestamp = pd.Timestamp("2026-01-01")
method: HTTPMethod = HTTPMethod.GET
region: Literal["EU", "US", 1, None] = "EU"
between: Annotated[int, Field(ge=1, le=10)] = 1
days: dict[date, Color] = {}
both: tuple[int, str] = (1, "a")
many: tuple[int, ...] = ()
names: set[str] = set()
word: Annotated[str, Field(pattern="^a", max_length=3)] = "a"
step: Annotated[float, Field(multiple_of=0.1)] = 0.1
late: Annotated[date, Field(ge=date(2026, 1, 1))] = date(2026, 1, 1)
token: SecretStr = SecretStr("")
password: Secret = Secret("")
key: Annotated[str, Secret] = ""
anything = None
since = date(2026, 1, 1)
count = 1
ratio = 0.5
is_on = False
title = "x"
columns = ["a"]
mode = Color.RED
"""


def notebook(cell: str | None = CELL, above: str = ABOVE, language: str = "python") -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{"cell_type": "code", "source": above, "metadata": {}}]
    if cell is not None:
        cells.append({"cell_type": "code", "source": cell, "metadata": {"tags": ["parameters"]}})
    return {"cells": cells, "metadata": {"kernelspec": {"language": language}}}


NOTEBOOK = notebook()
STORED = {"prod": Secret("hunter2")}


def find(name: str) -> Secret:
    try:
        return STORED[name]
    except KeyError:
        raise SecretNotFound(f"No secret {name!r}.") from None


def prepared(values: dict[str, object] | None = None, **texts: str) -> PreparedParameters:
    return prepare_parameters(NOTEBOOK, values or {}, texts=texts, find_secret=find)


@pytest.fixture(scope="module")
def run_in_notebook() -> Callable[[PreparedParameters], dict[str, Any]]:
    """Run the cells as the notebook would, and what is injected after them; return its names."""
    names: dict[str, Any] = {"typing": __import__("typing"), "MyType": int}
    exec(ABOVE, names)
    exec(CELL, names)

    def run(made: PreparedParameters) -> dict[str, Any]:
        exec(made.source, names)
        exec(made.hidden_source, names)
        return names

    return run


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    day: date = date(2026, 1, 1)


class Pair(NamedTuple):
    left: int
    right: int = 0


class Row(BaseModel):
    key: str
    start: date = date(2026, 1, 1)


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


@pytest.mark.parametrize(
    ("name", "value", "arrives", "recorded"),
    [
        ("alpha", 0.5, "0.5", 0.5),
        ("alpha", 1, "1.0", 1.0),
        ("alpha", -math.inf, "-inf", -math.inf),
        ("alpha", "Infinity", "inf", math.inf),
        ("alpha", np.float32(0.5), "0.5", 0.5),
        ("beta", 10**30, repr(10**30), 10**30),
        ("beta", np.int64(3), "3", 3),
        ("label", None, "None", None),
        ("label", "None", "'None'", "None"),
        ("rows", [{"a": 1}], "[{'a': 1}]", [{"a": 1}]),
        ("rows", ({"a": 1},), "[{'a': 1}]", [{"a": 1}]),
        ("either", 3, "3", 3),
        ("either", "3", "'3'", "3"),
        ("quoted", 3, "3", 3),
        ("other", ["x"], "['x']", ["x"]),
        ("day", "2026-03-29", "datetime.date(2026, 3, 29)", "2026-03-29"),
        ("day", date(2026, 3, 29), "datetime.date(2026, 3, 29)", "2026-03-29"),
        ("day", datetime.fromisoformat("2026-03-29"), "datetime.date(2026, 3, 29)", "2026-03-29"),
        ("when", "2026-03-29", "datetime.datetime(2026, 3, 29, 0, 0)", "2026-03-29T00:00:00"),
        (
            "when",
            datetime(2026, 3, 29, 1, tzinfo=UTC),
            "datetime.datetime(2026, 3, 29, 1, 0, tzinfo=datetime.timezone.utc)",
            "2026-03-29T01:00:00+00:00",
        ),
        (
            "when",
            datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
            "datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo(key='Europe/Berlin'))",
            "2026-10-25T02:30:00+01:00",
        ),
        ("when", pd.Timestamp("2026-03-29 01:00"), "datetime.datetime(2026, 3, 29, 1, 0)", "2026-03-29T01:00:00"),
        ("at", time(8, 30), "datetime.time(8, 30)", "08:30:00"),
        ("wait", timedelta(hours=-1), "datetime.timedelta(days=-1, seconds=82800)", "-PT1H"),
        ("wait", 90, "datetime.timedelta(seconds=90)", "PT1M30S"),
        ("wait", "P1DT2H0.5S", "datetime.timedelta(days=1, seconds=7200, microseconds=500000)", "P1DT2H0.5S"),
        ("wait", timedelta(), "datetime.timedelta(0)", "PT0S"),
        ("money", "1.10", "Decimal('1.10')", "1.10"),
        ("money", 0.1, "Decimal('0.1')", "0.1"),
        ("path", Path("/a b/c"), "PosixPath('/a b/c')", "/a b/c"),
        ("uid", UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')", "00000000-0000-0000-0000-000000000001"),
        ("color", "green", "<Color.GREEN: 'green'>", "green"),
        ("color", "GREEN", "<Color.GREEN: 'green'>", "green"),
        ("color", Color.GREEN, "<Color.GREEN: 'green'>", "green"),
        ("level", 2, "<Level.HIGH: 2>", 2),
        ("level", "HIGH", "<Level.HIGH: 2>", 2),
        ("access", 3, "<Access.READ|WRITE: 3>", 3),
        ("point", {"x": 2}, "Point(x=2, y=0.0, day=datetime.date(2026, 1, 1))", {"x": 2}),
        (
            "point",
            Point(2, 1, date(2026, 5, 1)),
            "Point(x=2, y=1.0, day=datetime.date(2026, 5, 1))",
            {"x": 2, "y": 1.0, "day": "2026-05-01"},
        ),
        ("pair", Pair(1, 2), "Pair(left=1, right=2)", {"left": 1, "right": 2}),
        ("settings", {"depth": 2}, "{'depth': 2}", {"depth": 2}),
        (
            "row",
            {"id": "a", "start": "2026-02-01", "color": "green"},
            "Row(key='a', start=datetime.date(2026, 2, 1), color=<Color.GREEN: 'green'>, token=SecretStr(''))",
            {"id": "a", "start": "2026-02-01", "color": "green"},
        ),
        (
            "row",
            Row(key="a"),
            "Row(key='a', start=datetime.date(2026, 1, 1), color=<Color.RED: 'red'>, token=SecretStr(''))",
            {"id": "a", "start": "2026-01-01"},
        ),
        ("share", {"numerator": 1, "denominator": 3}, "Fraction(1, 3)", {"numerator": 1, "denominator": 3}),
        ("method", "POST", "<HTTPMethod.POST>", "POST"),
        ("uid", None, "None", None),
        ("share", "1/3", "Fraction(1, 3)", "1/3"),
        ("stamp", "2026-01-02", "Timestamp('2026-01-02 00:00:00')", "2026-01-02"),
        ("stamp", pd.Timestamp("2026-01-02"), "Timestamp('2026-01-02 00:00:00')", "2026-01-02T00:00:00"),
        ("region", "US", "'US'", "US"),
        ("region", 1, "1", 1),
        ("between", 10, "10", 10),
        ("days", {"2026-01-01": "red"}, "{datetime.date(2026, 1, 1): <Color.RED: 'red'>}", {"2026-01-01": "red"}),
        ("both", [1, "b"], "(1, 'b')", [1, "b"]),
        ("many", [1], "(1,)", [1]),
        ("names", {"a"}, "{'a'}", ["a"]),
        ("names", [], "set()", []),
        ("step", 0.3, "0.3", 0.3),
        ("since", "2026-02-02", "datetime.date(2026, 2, 2)", "2026-02-02"),
        ("since", "yesterday", "'yesterday'", "yesterday"),
        ("anything", date(2026, 1, 1), "datetime.date(2026, 1, 1)", "2026-01-01"),
        ("anything", (1, {2}), "(1, {2})", [1, [2]]),
        ("anything", "a" * 1_000_000, repr("a" * 1_000_000), "a" * 1_000_000),
    ],
)
def test_a_value_arrives_as_what_is_declared(
    run_in_notebook: Callable[[PreparedParameters], dict[str, Any]],
    name: str,
    value: object,
    arrives: str,
    recorded: object,
) -> None:
    made = prepared({name: value})

    assert (repr(run_in_notebook(made)[name]), made.recorded) == (arrives, {name: recorded})
    assert repr(run_in_notebook(prepared(received_parameters(sent_parameters({name: value}))))[name]) == arrives
    if name != "anything" and "zoneinfo" not in arrives:
        again = prepared(made.recorded)
        assert (again.recorded, again.source) == (made.recorded, made.source)


@pytest.mark.parametrize(
    ("name", "text", "arrives"),
    [
        ("alpha", "1", "1.0"),
        ("alpha", "nan", "nan"),
        ("beta", "7", "7"),
        ("stamp", "2026-01-02", "Timestamp('2026-01-02 00:00:00')"),
        ("label", "None", "None"),
        ("label", "7", "'7'"),
        ("flag", "true", "True"),
        ("flag", "off", "False"),
        ("rows", '[{"a": 1}]', "[{'a': 1}]"),
        ("rows", "[{a: 1}]", "[{'a': 1}]"),
        ("rows", "[{'a': 1}]", "[{'a': 1}]"),
        ("maybe", "None", "None"),
        ("maybe", "3", "3"),
        ("either", "3", "3"),
        ("either", "x", "'x'"),
        ("code", "007", "'007'"),
        ("code", "True", "'True'"),
        ("code", " x\n", "' x\\n'"),
        ("day", "2026-03-29", "datetime.date(2026, 3, 29)"),
        ("wait", "1h30m", "datetime.timedelta(seconds=5400)"),
        ("wait", "2 days, 1:00:00", "datetime.timedelta(days=2, seconds=3600)"),
        ("wait", "90", "datetime.timedelta(seconds=90)"),
        ("money", "1.10", "Decimal('1.10')"),
        ("path", "/tmp/x/../y", "PosixPath('/tmp/x/../y')"),
        ("color", "RED", "<Color.RED: 'red'>"),
        ("level", "2", "<Level.HIGH: 2>"),
        ("point", "{x: 3, day: 2026-02-02}", "Point(x=3, y=0.0, day=datetime.date(2026, 2, 2))"),
        ("region", "1", "1"),
        ("region", "None", "None"),
        ("both", "[1, x]", "(1, 'x')"),
        ("anything", "1e3", "1000.0"),
        ("anything", "true", "'true'"),
        ("since", "2026-02-02", "datetime.date(2026, 2, 2)"),
        ("other", "5", "5"),
        ("count", "3", "3"),
        ("count", "0.5", "0.5"),
        ("count", "None", "None"),
        ("ratio", "3", "3.0"),
        ("ratio", "nan", "nan"),
        ("is_on", "yes", "True"),
        ("is_on", "false", "False"),
        ("is_on", "2", "2"),
        ("title", "007", "'007'"),
        ("title", "True", "True"),
        ("columns", "[b, 1]", "['b', 1]"),
        ("columns", "None", "None"),
        ("mode", "green", "<Color.GREEN: 'green'>"),
    ],
)
def test_a_text_from_the_command_line_means_what_the_type_says(
    run_in_notebook: Callable[[PreparedParameters], dict[str, Any]], name: str, text: str, arrives: str
) -> None:
    assert repr(run_in_notebook(prepared(**{name: text}))[name]) == arrives


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "count",
            "many",
            "'count' is read as int, the type of its default 1, and was given 'many'. With -r count TEXT",
        ),
        ("ratio", "x", "read as float, the type of its default 0.5"),
        ("ratio", "1e999", "too large for a float"),
        ("is_on", "maybe", "read as bool, the type of its default False, and was given 'maybe': write true or false"),
        ("since", "soon", "read as date, .* write it as 2026-03-29"),
        ("columns", "b", r"read as list\[str\], the type of its default \[\"a\"\], .* write it as JSON"),
        ("mode", "blue", 'write one of "red", "green"'),
    ],
)
def test_a_text_is_refused_that_is_none_of_the_default_s_type_where_nothing_is_declared(
    name: str, text: str, words: str
) -> None:
    with pytest.raises(InvalidParameters, match=words):
        prepared(**{name: text})

    assert prepared({name: text}).recorded[name] == text
    assert prepare_parameters(NOTEBOOK, {}, texts={"count": "many"}, strict=False).recorded == {"count": "many"}


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
        ({"alpha": "0.5"}, r"'alpha' is declared as float, and was given '0.5' \(str\)\."),
        ({"alpha": True}, r"'alpha' is declared as float, and was given True \(bool\)"),
        ({"alpha": 2**53 + 1}, "a float cannot hold it exactly"),
        ({"beta": 1.0}, "'beta' is declared as int"),
        ({"beta": True}, "'beta' is declared as int"),
        ({"label": 1}, "declared as str | None"),
        ({"flag": 1}, "declared as bool"),
        ({"flag": "true"}, "declared as bool"),
        ({"rows": {}}, "declared as list"),
        ({"rows": [{"a": 1}, {"a": "x"}]}, r"its \[1\]\['a'\] was given 'x' \(str\)"),
        ({"options": []}, "declared as typing.Dict"),
        ({"maybe": "a"}, "declared as Optional"),
        ({"either": 1.5}, "declared as Union"),
        ({"quoted": "a"}, "declared as 'int'"),
        ({"day": "29.3.2026"}, "declared as date, and was given '29.3.2026' .*: write it as 2026-03-29"),
        ({"day": "2026-02-30"}, "declared as date, and was given '2026-02-30' .*: there is no such day"),
        ({"when": "2026-13-01T08:00"}, "was given '2026-13-01T08:00' .*: there is no such day"),
        ({"day": "2026-03-29T08:00"}, "write it as 2026-03-29"),
        ({"day": datetime.fromisoformat("2026-01-01T08:00")}, "it has a time of day"),
        ({"when": "noon"}, "write it as 2026-03-29T08:30"),
        ({"wait": "soon"}, "write it as PT1H30M, 1:30:00, 1h30m or as seconds"),
        ({"wait": "P"}, "write it as PT1H30M"),
        ({"money": "a"}, "declared as Decimal"),
        ({"uid": "a"}, "write it as 1234"),
        ({"path": "a\0b"}, "a path has no NUL"),
        ({"color": "blue"}, 'write one of "red", "green"'),
        ({"point": {"y": 1}}, "Point needs a value for its field 'x'"),
        ({"point": {"x": 1, "z": 1}}, "Point has no field 'z'; its fields are x, y, day"),
        ({"point": {"x": 1, "day": "soon"}}, r"declared as Point, and its day was given 'soon' \(str\): write it as"),
        ({"point": 3}, "write its fields as a mapping: x, y, day"),
        ({"row": {"id": "a", "color": "blue"}}, 'its color was given .*write one of "red"'),
        ({"region": "ASIA"}, 'write one of "EU", "US", 1, None'),
        ({"region": True}, "write one of"),
        ({"between": 11}, r"and was given 11 \(int\): it must be at most 10"),
        ({"between": 0}, "it must be at least 1"),
        ({"word": "b"}, r"it must match \^a"),
        ({"word": "abcd"}, "its length must be at most 3"),
        ({"step": 0.25}, "it must be a multiple of 0.1"),
        ({"late": "2025-12-31"}, "it must be at least 2026-01-01"),
        ({"both": [1]}, "it has 1 item, and 2 are needed"),
        ({"token": 5}, "'token' is declared as SecretStr: a secret is text"),
        ({"token": HIDDEN}, "it was hidden where you have it from"),
        ({"code": HIDDEN}, "'code' is declared as str: it was hidden where you have it from"),
        ({"beta": {"$secret": "prod"}}, "'beta' is declared as int: a secret is text"),
        ({"anything": [1, {"k": b"x"}]}, r"\[1\]\['k'\] a value of type bytes cannot be passed"),
        ({"anything": {1: 2}}, "its key 1 is no text"),
        ({"anything": {None: 2}}, "its key None is no text"),
        ({"anything": object()}, "a value of type object cannot be passed"),
        ({"anything": Point(1)}, "write a type for it into the parameters cell"),
        ({"anything": pd.DataFrame()}, "a value of type DataFrame cannot be passed"),
        ({"anything": "a" * 1_100_000}, "'anything' takes 1.0 MB, and the limit is 1 MB. Write it to a file"),
        ({"anything": "a" * (20 << 20)}, "'anything' takes 20.0 MB"),
        ({"anything": list(range(500_000))}, "takes 3.7 MB"),
        ({"anything": "\ud800"}, "no Unicode text"),
        ({"anything": 10**5000}, "cannot be written down"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_what_does_not_fit_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidParameters, match=words) as caught:
        prepared(values)

    assert len(str(caught.value)) < 1_000


def test_values_that_hold_themselves_or_too_much_are_refused() -> None:
    value: list[object] = []
    value.append(value)
    many: list[object] = ["x"]
    for _ in range(40):
        many = [many, many]

    with pytest.raises(InvalidParameters, match="nested more than 100 deep"):
        prepared({"anything": value})
    with pytest.raises(InvalidParameters, match="the limit is 1 MB"):
        prepared({"anything": many})


def test_a_notebook_without_a_parameters_cell_says_how_to_make_one() -> None:
    with pytest.raises(InvalidParameters, match=r"takes no parameters, and was given a, b\. Put the defaults into"):
        prepare_parameters(notebook(None), {"a": 1, "b": 2})
    assert prepare_parameters(notebook(None), {}).source == ""


def test_a_parameters_cell_that_is_no_python_says_so() -> None:
    with pytest.raises(InvalidParameters, match="no Python that can be read: line 1: '.' was never closed"):
        prepare_parameters(notebook("x = ("), {"x": 2})
    with pytest.raises(InvalidParameters, match="Its parameters cell declares none"):
        prepare_parameters(notebook(""), {"a": 1})


def test_what_has_no_default_must_be_given() -> None:
    needs = notebook("x: int\ny: str\nz: int = 1")

    with pytest.raises(InvalidParameters, match=r"needs values for its parameters 'x' \(int\), 'y' \(str\)"):
        prepare_parameters(needs, {})
    with pytest.raises(InvalidParameters, match=r"needs a value for its parameter 'y' \(str\).*-p NAME VALUE"):
        prepare_parameters(needs, {"x": 1})
    assert prepare_parameters(needs, {"x": 1, "y": "a"}).source == '# Parameters\nx = 1\ny = "a"\n'
    assert prepare_parameters(needs, {}, strict=False).source == ""


def test_unknown_names_pass_when_not_strict_but_names_and_values_are_checked() -> None:
    assert prepare_parameters(NOTEBOOK, {"new": 1}, strict=False).recorded == {"new": 1}
    assert prepare_parameters(notebook(None), {"new": 1}, strict=False).recorded == {"new": 1}
    for values in ({"a.b": 1}, {"a": object()}, {"beta": "x"}):
        with pytest.raises(InvalidParameters):
            prepare_parameters(NOTEBOOK, values, strict=False)


def test_plain_values_make_papermill_s_own_cell() -> None:
    from papermill.translators import translate_parameters

    values = {"label": "a\"b'c\n\\d {x} $y é😀", "beta": -3, "options": {"a b": 1}, "anything": [None, True, 1e-300]}

    assert prepared(dict(values)).source == translate_parameters("python3", "python", values)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_any_value_of_json_arrives_and_is_recorded_as_it_is(value: object) -> None:
    names: dict[str, object] = {"float": float}
    made = prepare_parameters(notebook("x = None", ""), {"x": value})

    exec(made.source, names)

    assert repr(names["x"]) == repr(value)
    assert repr(received_parameters(sent_parameters({"x": value}))) == repr({"x": value})
    assert repr(from_stored(json.loads(json.dumps(to_stored(made.recorded))))) == repr({"x": value})


NAMES = st.sampled_from([line.partition(":")[0].partition(" ")[0] for line in CELL.splitlines()])
NEAR = st.sampled_from(
    [
        "2026-03-29",
        "PT1H",
        "P1Y",
        "1e999",
        "NaN",
        "RED",
        "red",
        "0",
        "-1",
        "[1]",
        "{",
        "(1,",
        "null",
        {"x": 1},
        {"x": {}},
        {"id": []},
    ]
)


@given(NAMES, NEAR | JSON_VALUES, st.booleans())
@example("step", "NaN", False)
@example("step", "-Infinity", True)
@example("step", 10**400, False)
def test_any_value_is_refused_with_words_or_recorded_so_that_it_can_be_given_again(
    name: str, value: object, is_text: bool
) -> None:
    texts = {name: value} if is_text and isinstance(value, str) else {}
    try:
        made = prepared({} if texts else {name: value}, **texts)
    except InvalidParameters as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert name in refusal
        return

    compile(made.source + made.hidden_source, "cell", "exec")
    if not made.secrets and name not in ("anything", "other", "since"):
        again = prepared(made.recorded)
        assert (repr(again.recorded), again.source) == (repr(made.recorded), made.source)


def test_a_name_that_a_parameter_hides_is_not_used() -> None:
    hiding = notebook("date: date = date(2026, 1, 1)\nday: 'date' = None", "from datetime import date")

    made = prepare_parameters(hiding, {"date": "2026-02-02"})

    assert made.source == '# Parameters\ndate = __import__("datetime").date(2026, 2, 2)\n'


@pytest.mark.parametrize("value", ["hunter2", Secret("hunter2"), SecretStr("hunter2"), {"$secret": "prod"}], ids=repr)
@pytest.mark.parametrize("name", ["token", "password", "key", "row"])
def test_a_secret_is_in_no_record_and_in_no_cell(
    run_in_notebook: Callable[[PreparedParameters], dict[str, Any]], name: str, value: object
) -> None:
    made = prepared({name: {"id": "a", "token": value} if name == "row" else value})

    shown = {"$secret": "prod"} if isinstance(value, dict) else HIDDEN
    assert made.recorded == {name: {"id": "a", "token": shown} if name == "row" else shown}
    assert made.source == f"# Parameters\n# {name} holds a secret: the run sets it, and writes it nowhere\n"
    assert made.secrets == ("hunter2",)
    found = run_in_notebook(made)[name]
    text = {
        "token": lambda: found.get_secret_value(),
        "password": lambda: found.get(),
        "key": lambda: found,
        "row": lambda: found.token.get_secret_value(),
    }[name]()
    assert text == "hunter2"


def test_a_plain_parameter_may_be_given_a_stored_secret() -> None:
    made = prepared({"code": {"$secret": "prod"}, "anything": {"$secret": "prod"}, "beta": 1})

    assert made.hidden_source == 'code = "hunter2"\nanything = "hunter2"\n'
    assert (made.recorded["code"], "hunter2" in made.source) == ({"$secret": "prod"}, False)


def test_a_secret_that_is_not_stored_is_not_found() -> None:
    with pytest.raises(SecretNotFound, match="No secret 'none'"):
        prepared({"token": {"$secret": "none"}})


def test_a_secret_may_not_stand_on_a_command_line() -> None:
    with pytest.raises(InvalidParameters, match="'token' is a secret, and others can read it .*--secret token NAME"):
        prepare_parameters(NOTEBOOK, {}, texts={"token": "hunter2"}, visible=["token"])
    with pytest.raises(InvalidParameters, match="'row' is a secret") as caught:
        prepare_parameters(NOTEBOOK, {"row": {"id": "a", "token": "hunter2"}}, visible=["row"])
    assert "hunter2" not in str(caught.value)


def test_a_number_that_no_float_holds_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="'alpha' .* it is too large for a float"):
        prepared(alpha="1e400")
    assert prepared(alpha="-inf").recorded == {"alpha": -math.inf}


def test_a_secret_in_a_bash_notebook_is_set_by_bash() -> None:
    bash = notebook("token=none", "", language="bash")

    made = prepare_parameters(bash, {"token": Secret("it's"), "n": 1}, kernel_name="bash", language="bash")

    assert made.hidden_source == "# Parameters\ntoken='it'\"'\"'s'\n"
    assert made.source == "# Parameters\nn=1\n# token holds a secret: the run sets it, and writes it nowhere\n"


def test_other_languages_take_any_name_that_they_can() -> None:
    bash = notebook("x=1", "", language="bash")

    assert prepare_parameters(bash, {"y": 1}, kernel_name="bash").source == "# Parameters\ny=1\n"
    for name in ("x; rm -rf", "größe"):
        with pytest.raises(InvalidParameters, match="cannot be the name of a parameter"):
            prepare_parameters(bash, {name: 1}, kernel_name="bash")
