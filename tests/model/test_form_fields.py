"""JSON Schemas as fields of forms, and what people write into them as JSON."""

from __future__ import annotations

from datetime import date, datetime, time
from enum import Enum
from typing import Literal

import msgspec
import pytest
from pydantic import BaseModel, Field, SecretStr

from orchestra_nb.model.form_fields import MISSING, FieldKind, FormField, form_fields, shown_text, written_value


class Region(Enum):
    EUROPE = "EU"
    AMERICA = "US"


class Inner(BaseModel):
    low: float


class Order(BaseModel):
    rows: int = Field(description="How many?")
    share: float = 0.5
    region: Region = Region.EUROPE
    speed: Literal["slow", "fast"]
    fixed: Literal["only"] = "only"
    day: date = date(2026, 3, 1)
    at: datetime | None = None
    clock: time | None = None
    columns: list[str] = ["a"]
    limits: Inner | None = None
    is_final: bool = Field(default=False, title="The last")
    sure: bool | None = None
    word: SecretStr = SecretStr("")


def test_each_property_of_a_model_is_a_field_of_its_kind() -> None:
    fields = form_fields(Order.model_json_schema())

    assert [(field.name, field.kind, field.choices, field.is_required, field.is_nullable) for field in fields] == [
        ("rows", FieldKind.INTEGER, (), True, False),
        ("share", FieldKind.NUMBER, (), False, False),
        ("region", FieldKind.CHOICE, ("EU", "US"), False, False),
        ("speed", FieldKind.CHOICE, ("slow", "fast"), True, False),
        ("fixed", FieldKind.CHOICE, ("only",), False, False),
        ("day", FieldKind.DATE, (), False, False),
        ("at", FieldKind.DATETIME, (), False, True),
        ("clock", FieldKind.TIME, (), False, True),
        ("columns", FieldKind.LINES, (), False, False),
        ("limits", FieldKind.JSON, (), False, True),
        ("is_final", FieldKind.BOOLEAN, (), False, False),
        ("sure", FieldKind.CHOICE, (True, False), False, True),
        ("word", FieldKind.SECRET, (), False, False),
    ]
    assert [field.label for field in fields[:3]] == ["Rows", "Share", "Region"]
    assert fields[10].label == "The last"
    assert fields[0] == FormField(name="rows", label="Rows", kind=FieldKind.INTEGER, description="How many?")
    assert [fields[number].default for number in (0, 1, 2, 5, 6)] == [MISSING, 0.5, "EU", "2026-03-01", None]


class Share(msgspec.Struct):
    part_of: int
    region: Region | None = None


def test_a_struct_of_msgspec_is_a_form_too() -> None:
    fields = form_fields(msgspec.json.schema(Share))

    assert [(field.name, field.label, field.kind) for field in fields] == [
        ("part_of", "Part of", FieldKind.INTEGER),
        ("region", "Region", FieldKind.CHOICE),
    ]
    assert fields[1].choices == ("EU", "US")
    assert fields[1].is_nullable


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "integer"}, FieldKind.INTEGER),
        ({"type": "boolean"}, FieldKind.BOOLEAN),
        ({"enum": ["a", "b"]}, FieldKind.CHOICE),
        ({"type": "array", "items": {"type": "integer"}}, FieldKind.JSON),
        ({"type": "object"}, FieldKind.JSON),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, FieldKind.JSON),
        ({}, FieldKind.JSON),
    ],
    ids=str,
)
def test_what_is_no_object_with_properties_is_one_field(schema: dict[str, object], kind: FieldKind) -> None:
    assert form_fields(schema) == (
        FormField(name="", label="Answer", kind=kind, choices=tuple(schema.get("enum", ()))),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("kind", "options", "written", "value"),
    [
        (FieldKind.INTEGER, {}, " 12 ", 12),
        (FieldKind.INTEGER, {}, "", MISSING),
        (FieldKind.INTEGER, {"is_nullable": True}, "", None),
        (FieldKind.NUMBER, {}, "1e3", 1000.0),
        (FieldKind.BOOLEAN, {}, False, False),
        (FieldKind.CHOICE, {}, MISSING, MISSING),
        (FieldKind.TEXT, {}, "", MISSING),
        (FieldKind.TEXT, {"default": "a"}, "", ""),
        (FieldKind.TEXT, {}, " a ", " a "),
        (FieldKind.LINES, {}, "a\n\nb\n", ["a", "b"]),
        (FieldKind.JSON, {}, '{"a": [1]}', {"a": [1]}),
        (FieldKind.DATE, {}, "2026-03-01", "2026-03-01"),
    ],
)
def test_what_is_written_becomes_json(
    kind: FieldKind, options: dict[str, object], written: object, value: object
) -> None:
    field = FormField(name="x", label="X", kind=kind, **options)  # type: ignore[arg-type]

    assert written_value(field, written) == value


@pytest.mark.parametrize(
    ("kind", "written", "words"),
    [
        (FieldKind.INTEGER, "1.5", "Write a whole number."),
        (FieldKind.NUMBER, "many", "Write a number."),
        (FieldKind.JSON, "{", "This is no JSON"),
    ],
)
def test_what_is_no_value_of_the_kind_is_said_to_people(kind: FieldKind, written: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        written_value(FormField(name="x", label="X", kind=kind), written)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (FieldKind.TEXT, "a", "a"),
        (FieldKind.NUMBER, 0.5, "0.5"),
        (FieldKind.BOOLEAN, True, "yes"),
        (FieldKind.LINES, ["a", "b"], "a\nb"),
        (FieldKind.JSON, {"a": "ä"}, '{"a": "ä"}'),
        (FieldKind.DATE, None, ""),
        (FieldKind.INTEGER, MISSING, ""),
    ],
)
def test_a_value_is_shown_as_it_would_be_written(kind: FieldKind, value: object, text: str) -> None:
    assert shown_text(FormField(name="x", label="X", kind=kind), value) == text
