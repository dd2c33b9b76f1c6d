"""What a parameters cell declares: names, types, defaults and help, from its text alone."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from orchestra_nb.model.form_fields import FieldKind, form_fields
from orchestra_nb.notebooks.parameter_schemas import parameters_schema
from orchestra_nb.notebooks.parameter_types import UNKNOWN, Parameter
from orchestra_nb.notebooks.parameters import Declaration, declaration_in, read_declaration

SOURCE = """\
# Parameters
alpha = 0.1  # learning rate
beta: int = 3  # how many  # times
name = "a # b"
items: list[int] = [1, 2]
options = {"k": None}
today = datetime.now()
typed = 5  # type: float  # a number
commented = 5  # type: Dict[str, int] by region
ignored = 5  # type: ignore
negative = -1
many = (
    1,
    2,
)  # several
opened = [  # at the first line
    1,
]
no_value: str  # needed
print(alpha)
if alpha: hidden = 1
alpha_text = f"{alpha}"
first = second = 2
left, right = 1, "x"
größe = 1  # Größe in m
one = 1; two = "#2"  # both
megabyte = 1 << 20
kilobyte = 2**10
"""


def notebook(*sources: str, tag: int | None = -1, language: str = "python") -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "source": "# t", "metadata": {"tags": ["parameters"]}}]
    for index, source in enumerate(sources):
        metadata = {"tags": ["parameters"]} if tag is not None and index == tag % len(sources) else {}
        cells.append({"cell_type": "code", "source": source, "metadata": metadata})
    return {"cells": cells, "metadata": {"kernelspec": {"language": language}}}


def declared(*sources: str) -> Declaration:
    declaration = read_declaration(notebook(*sources))
    assert declaration is not None
    return declaration


def test_parameters_are_read_with_annotation_default_and_help() -> None:
    rows = [
        (each.name, each.annotation, str(each.type), each.default_source, each.default, each.help)
        for each in declared(SOURCE).parameters
    ]

    assert rows == [
        ("alpha", None, "float", "0.1", 0.1, "learning rate"),
        ("beta", "int", "int", "3", 3, "how many  # times"),
        ("name", None, "str", '"a # b"', "a # b", ""),
        ("items", "list[int]", "list[int]", "[1, 2]", [1, 2], ""),
        ("options", None, "dict", '{"k": None}', {"k": None}, ""),
        ("today", None, "", "datetime.now()", UNKNOWN, ""),
        ("typed", "float", "float", "5", 5.0, "a number"),
        ("commented", "Dict[str, int]", "dict[str, int]", "5", 5, "by region"),
        ("ignored", None, "int", "5", 5, ""),
        ("negative", None, "int", "-1", -1, ""),
        ("many", None, "tuple[int, ...]", "(\n    1,\n    2,\n)", [1, 2], "several"),
        ("opened", None, "list[int]", "[  # at the first line\n    1,\n]", [1], "at the first line"),
        ("no_value", "str", "str", "", UNKNOWN, "needed"),
        ("alpha_text", None, "", 'f"{alpha}"', UNKNOWN, ""),
        ("first", None, "int", "2", 2, ""),
        ("second", None, "int", "2", 2, ""),
        ("left", None, "int", "1", 1, ""),
        ("right", None, "str", '"x"', "x", ""),
        ("größe", None, "int", "1", 1, "Größe in m"),
        ("one", None, "int", "1", 1, "both"),
        ("two", None, "str", '"#2"', "#2", "both"),
        ("megabyte", None, "int", "1 << 20", 1 << 20, ""),
        ("kilobyte", None, "int", "2**10", 1024, ""),
    ]


def test_a_declared_name_without_a_default_is_needed() -> None:
    rows = [(each.name, each.is_required) for each in declared("x: int\ny: int\ny = 5\nz: int = 1\nz: int").parameters]

    assert rows == [("x", True), ("y", False), ("z", False)]


def test_a_notebook_without_the_tag_declares_nothing() -> None:
    assert read_declaration(notebook("x = 1", tag=None)) is None


def test_the_first_tagged_code_cell_counts() -> None:
    declaration = read_declaration(notebook("a = 1", "b = 2"))

    assert declaration is not None
    assert [parameter.name for parameter in declaration.parameters] == ["b"]


def test_magics_in_a_parameters_cell_are_no_obstacle() -> None:
    names = [each.name for each in declared("%matplotlib inline\n!ls\nx = 1\nif x:\n    %time y = 2\n").parameters]

    assert names == ["x"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [("", ""), ("%%bash\nx=1", ""), ("a = 1\nx = (", "line 2: '(' was never closed"), ("x = '\0'", "null bytes")],
)
def test_a_cell_that_is_no_python_declares_no_names_and_says_why(source: str, problem: str) -> None:
    declaration = declared(source)

    assert declaration.parameters == ()
    assert problem in declaration.problem


def test_a_name_that_is_assigned_twice_has_its_last_default() -> None:
    (parameter,) = declared("a: int = 1  # first\na = 2").parameters

    assert (parameter.default, parameter.annotation, parameter.help) == (2, "int", "first")


def test_other_languages_have_what_papermill_infers_of_them() -> None:
    of_bash, of_spark = (
        read_declaration(notebook("x=1  # count", language=language), kernel_name=kernel)
        for language, kernel in (("bash", "bash"), ("spark", "pysparkkernel"))
    )

    assert (of_bash, of_spark) == (
        Declaration((), of_bash.scope, is_complete=False) if of_bash else None,
        Declaration((Parameter(name="x", default_source="1", help="count"),), of_spark.scope, is_complete=False)
        if of_spark
        else None,
    )


ABOVE = """\
%load_ext autoreload
import datetime as dt
import enum
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Optional, TypedDict, Union
from uuid import UUID

import annotated_types as at
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr, conint

from orchestra_nb.variables import Secret

try:
    from enum import StrEnum
except ImportError:
    from strenum import StrEnum

class Color(enum.Enum):
    RED = "red"
    GREEN = "green"

class Level(enum.IntEnum):
    LOW = enum.auto()
    HIGH = enum.auto()

class Shape(enum.Enum):
    ROUND = object()
    FLAT = (1, 2)

Mood = enum.Enum("Mood", "GOOD BAD")

@dataclass
class Point:
    "A place."
    x: int
    y: float = 0.0
    day: date = date(2026, 1, 1)
    tags: list[str] = field(default_factory=list)
    made: int = field(default=0, init=False)

@dataclass
class Point3(Point):
    z: int = 0

class Shop(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str
    rows: int = Field(3, ge=1, description="how many")
    parent: Optional["Shop"] = None

class Row(TypedDict):
    key: str

class Pair(NamedTuple):
    left: int
    right: int = 0

class Plain:
    def __init__(self, width: int, *, height=2):
        self.width = width

Region = Literal["EU", "US"]
"""


@pytest.mark.parametrize(
    ("line", "schema"),
    [
        ("x: int = 1", {"type": "integer", "default": 1}),
        ("x: float = float('nan')", {"type": "number", "default": "NaN"}),
        ("x: Optional[int] = None", {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
        ("x: Union[int, str] = 1", {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 1}),
        ("x: Literal['a', 'b'] = 'a'", {"enum": ["a", "b"], "type": "string", "default": "a"}),
        ("x: Literal['a', 1, None] = 1", {"enum": ["a", 1, None], "default": 1}),
        ("x: Region = 'EU'", {"enum": ["EU", "US"], "type": "string", "default": "EU"}),
        (
            "x: Annotated[int, Field(ge=1, le=10, description='rows')] = 5",
            {"type": "integer", "minimum": 1, "maximum": 10, "description": "rows", "default": 5},
        ),
        (
            "x: Annotated[float, at.Gt(0), at.Lt(1)] = .5",
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.5},
        ),
        (
            "x: Annotated[str, Field(min_length=2, max_length=3, pattern='^a')] = 'ab'",
            {"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^a", "default": "ab"},
        ),
        (
            "x: Annotated[list[int], at.MinLen(1)] = [1]",
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "default": [1]},
        ),
        ("x: PositiveInt = 1", {"type": "integer", "exclusiveMinimum": 0, "default": 1}),
        ("x: conint(ge=2) = 2", {"type": "integer", "minimum": 2, "default": 2}),
        ("x: date = date(2026, 1, 2)", {"type": "string", "format": "date", "default": "2026-01-02"}),
        ("x = dt.date(2026, 1, 2)", {"type": "string", "format": "date", "default": "2026-01-02"}),
        ("x: dt.datetime = dt.datetime.now()", {"type": "string", "format": "date-time"}),
        ("x: dt.time = dt.time(8)", {"type": "string", "format": "time", "default": "08:00:00"}),
        (
            "x: timedelta = timedelta(days=1, seconds=90)",
            {"type": "string", "format": "duration", "default": "P1DT1M30S"},
        ),
        ("x: Decimal = Decimal('1.10')", {"type": "string", "format": "decimal", "default": "1.10"}),
        ("x: Path = Path('a') / 'b'", {"type": "string", "format": "path", "default": "a/b"}),
        ("x: UUID", {"type": "string", "format": "uuid"}),
        ("x: 'date' = None", {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None}),
        (
            "x: tuple[int, str] = (1, 'a')",
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
                "default": [1, "a"],
            },
        ),
        ("x: set[str] = {'a'}", {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "default": ["a"]}),
        ("x: dict[str, int] = {}", {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}}),
        ("x: SecretStr = SecretStr('hunter2')", {"type": "string", "format": "password", "writeOnly": True}),
        ("x: Secret = Secret('hunter2')", {"type": "string", "format": "password", "writeOnly": True}),
        ("x: Annotated[str, Secret] = 'hunter2'", {"type": "string", "format": "password", "writeOnly": True}),
        ("x: Color = Color.RED", {"$ref": "Color", "default": "red"}),
        ("x = Color.RED", {"$ref": "Color", "default": "red"}),
        ("x: Level = Level.HIGH", {"$ref": "Level", "default": 2}),
        ("x: Shape = Shape.FLAT", {"$ref": "Shape", "default": "FLAT"}),
        ("x: Mood = Mood.GOOD", {"$ref": "Mood"}),
        ("x: Point = Point(1, y=2)", {"$ref": "Point", "default": {"x": 1, "y": 2.0}}),
        ("x: Shop", {"$ref": "Shop"}),
        ("x: Row = {'key': 'a'}", {"$ref": "Row", "default": {"key": "a"}}),
        ("x: Unheard = 1", {"default": 1}),
        ("Kind = Literal['a']\nx: Kind = 'a'", {"enum": ["a"], "type": "string", "default": "a"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_schema_says_what_the_text_tells(line: str, schema: dict[str, Any]) -> None:
    written = parameters_schema(declared(ABOVE, line).parameters, "report")

    jsonschema.Draft202012Validator.check_schema(written)
    if "$ref" in schema:
        schema = schema | {"$ref": f"#/$defs/{schema['$ref']}"}
    assert written["properties"] == {"x": {"title": "X", **schema}}
    assert "hunter2" not in repr(written)


def test_the_whole_schema_can_be_a_form() -> None:
    lines = "day: date  # the first\nrate = 0.1\nplace: Point = Point(1)\ncolor: Color = Color.RED\ntoken: Secret"

    schema = parameters_schema(declared(ABOVE, lines).parameters, "report")

    assert {key: schema[key] for key in ("$schema", "title", "type", "required", "additionalProperties")} == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "report",
        "type": "object",
        "required": ["day", "token"],
        "additionalProperties": False,
    }
    assert [(each.name, each.kind, each.description, each.is_required) for each in form_fields(schema)] == [
        ("day", FieldKind.DATE, "the first", True),
        ("rate", FieldKind.NUMBER, "", False),
        ("place", FieldKind.JSON, "", False),
        ("color", FieldKind.CHOICE, "", False),
        ("token", FieldKind.SECRET, "", True),
    ]


def test_the_fields_of_classes_are_among_the_definitions() -> None:
    schema = parameters_schema(declared(ABOVE, "x: Point3\ny: Shop\nz: Plain\np: Pair").parameters, "report")

    definitions: Any = schema["$defs"]
    assert {
        name: (list(each["properties"]), each["required"], each["additionalProperties"])
        for name, each in definitions.items()
    } == {
        "Point3": (["x", "y", "day", "tags", "z"], ["x"], False),
        "Shop": (["name", "rows", "parent"], ["name"], True),
        "Plain": (["width", "height"], ["width"], False),
        "Pair": (["left", "right"], ["left"], False),
    }
    assert definitions["Shop"]["properties"]["rows"] == {
        "type": "integer",
        "minimum": 1,
        "title": "Rows",
        "description": "how many",
        "default": 3,
    }


def test_reading_runs_nothing_of_the_notebook(tmp_path: Any) -> None:
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')"

    declared(f"{trap}\nclass A:\n    x: int = {trap}\n", f"a: A = A({trap})\nb: {trap} = {trap}  # type: {trap}")

    assert not (tmp_path / "ran").exists()


def test_a_hostile_default_costs_nothing() -> None:
    hard = ["9**9**9", "'a' * 10**9", "[0] * 10**9", "(" * 500 + "1" + ")" * 500, "-" * 5_000 + "1", "1 << 10**9"]

    found = [declaration_in(f"x = {each}").parameters for each in hard]

    assert [each[0].default if each else "" for each in found] == [UNKNOWN, UNKNOWN, UNKNOWN, "", "", UNKNOWN]
