"""Examples of what a JSON Schema asks for fit the schema, and stay small."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter

from orchestra_nb.model.example_values import example_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    rows: int
    region: str = "EU"
    colour: Colour
    due: date
    share: float | None
    parts: list[Part]


class Part(BaseModel):
    name: str
    inner: Part | None = None


@pytest.mark.parametrize("asked", [int, str, bool, float, list[int], dict[str, int], Order, Part, Colour, date])
def test_an_example_fits_its_schema(asked: Any) -> None:
    schema = TypeAdapter(asked).json_schema()

    Draft202012Validator(schema).validate(example_of(schema))


def test_an_example_has_the_defaults_and_the_first_of_several_values() -> None:
    assert example_of(Order.model_json_schema()) == {
        "rows": 1,
        "region": "EU",
        "colour": "red",
        "due": "2026-01-31",
        "share": 1.5,
        "parts": [{"name": "text", "inner": None}],
    }


def test_a_schema_that_contains_itself_or_says_nothing_has_an_example() -> None:
    assert example_of({}) == "text"
    assert example_of({"$ref": "#"}) is None
    assert example_of({"$ref": "https://example.org/order"}) is None
