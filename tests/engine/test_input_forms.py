"""Types as forms: what people are asked for, and what their answer becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Literal, TypedDict

import msgspec
import pytest
from jsonschema import Draft202012Validator

from orchestra_nb.engine.input_forms import input_form
from orchestra_nb.errors import InvalidInput


class Colour(Enum):
    RED = "red"


@dataclass
class Order:
    rows: int
    day: date = date(2026, 3, 1)


class Limits(TypedDict):
    low: float


class Share(msgspec.Struct):
    of: list[str]


@pytest.mark.parametrize(
    ("kind", "answer", "value"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (str, "a", "a"),
        (list[int], [1, 2], [1, 2]),
        (int | None, None, None),
        (Literal["yes", "no"], "no", "no"),
        (Colour, "red", Colour.RED),
        (date, "2026-03-02", date(2026, 3, 2)),
        (Order, {"rows": 3}, Order(3)),
        (Order, {"rows": 3, "day": "2026-03-02"}, Order(3, date(2026, 3, 2))),
        (Limits, {"low": 0.5}, {"low": 0.5}),
        (Share, {"of": ["a"]}, Share(["a"])),
    ],
    ids=str,
)
def test_an_answer_that_fits_the_form_becomes_a_value_of_the_type(kind: object, answer: object, value: object) -> None:
    form = input_form(kind)

    Draft202012Validator.check_schema(form.schema)
    Draft202012Validator(form.schema).validate(answer)
    assert form.parse(answer) == value


@pytest.mark.parametrize(
    ("kind", "answer"), [(int, "3"), (int, True), (list[int], [1, "x"]), (Colour, "blue"), (date, "soon")], ids=str
)
def test_an_answer_of_another_type_is_refused(kind: object, answer: object) -> None:
    with pytest.raises(InvalidInput, match="The answer is no"):
        input_form(kind).parse(answer)


@pytest.mark.parametrize("kind", [3, object(), "int"], ids=["a number", "an object", "a text"])
def test_what_is_no_type_makes_no_form(kind: object) -> None:
    with pytest.raises(InvalidInput, match="is no type that people can be asked for"):
        input_form(kind)


def test_a_model_of_pydantic_is_a_form_with_its_own_checks() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Order", rows=(int, pydantic.Field(gt=0, description="How many?")))

    form = input_form(model)

    assert form.schema["properties"]["rows"]["description"] == "How many?"  # type: ignore[index]
    assert form.parse({"rows": 3}).rows == 3  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput, match="The answer is no Order"):
        form.parse({"rows": 0})
