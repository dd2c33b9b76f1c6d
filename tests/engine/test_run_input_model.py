"""``RunInput.with_initial_data``: first values, and what stays as the model says it."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError, field_validator

from orchestra_nb.engine.input_forms import input_form
from orchestra_nb.engine.run_input_model import RunInput


class Review(RunInput):
    rows: int = Field(gt=0, description="How many rows to take")
    tags: list[str] = Field(default_factory=list, title="Labels", max_length=2)
    word: str = "none"

    @field_validator("word")
    @classmethod
    def _has_no_space(cls, word: str) -> str:
        if " " in word:
            raise ValueError("one word only")
        return word


def test_a_first_value_leaves_the_rules_and_the_help_of_its_field() -> None:
    asked = Review.with_initial_data(rows=5, tags=["a"], word="yes")

    assert asked.model_json_schema()["properties"] == {
        "rows": {
            "title": "Rows",
            "description": "How many rows to take",
            "type": "integer",
            "exclusiveMinimum": 0,
            "default": 5,
        },
        "tags": {"title": "Labels", "type": "array", "items": {"type": "string"}, "maxItems": 2, "default": ["a"]},
        "word": {"title": "Word", "type": "string", "default": "yes"},
    }
    assert asked.model_validate({}).model_dump() == {"rows": 5, "tags": ["a"], "word": "yes"}


@pytest.mark.parametrize(
    ("answer", "place"),
    [({"rows": -5}, ("rows",)), ({"tags": ["a", "b", "c"]}, ("tags",)), ({"word": "a b"}, ("word",))],
    ids=["a bound", "a length", "a validator"],
)
def test_an_answer_against_the_rules_of_a_field_with_a_first_value_is_refused(
    answer: dict[str, object], place: tuple[str, ...]
) -> None:
    asked = Review.with_initial_data(rows=5, tags=["a"], word="yes")

    assert [problem.place for problem in input_form(asked).problems(answer)] == [place]


def test_a_first_value_that_breaks_the_rules_is_not_taken_as_an_answer() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Review.with_initial_data(rows=-5).model_validate({})


def test_the_model_itself_stays_as_it_is_and_first_values_can_be_changed_again() -> None:
    again = Review.with_initial_data(rows=5, word="yes").with_initial_data(rows=6)

    assert Review.model_fields["rows"].is_required()
    assert again.model_validate({}).model_dump() == {"rows": 6, "tags": [], "word": "yes"}
    with pytest.raises(ValidationError):
        again(rows=-1)
