"""A type of Python's as the form of an input: what people are shown, and what their answer becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from orchestra_nb.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class AnswerProblem:
    """What is wrong with an answer.

    Parameters
    ----------
    place
        Keys and indices that lead to the part that is wrong; empty for the whole.
    """

    place: tuple[str | int, ...]
    message: str


@dataclass(frozen=True, slots=True)
class InputForm:
    """What to ask for.

    Parameters
    ----------
    schema
        A JSON Schema that the answer must fit.
    parse
        Makes the answer, which fits the schema, a value of the type; raises :class:`InvalidInput` if it still cannot.
    own_problems
        Finds what the type itself has against an answer, in its own words; None where only the schema knows.
    """

    schema: dict[str, object]
    parse: Callable[[object], object]
    own_problems: Callable[[object], Sequence[AnswerProblem]] | None = None

    def problems(self, value: object) -> Sequence[AnswerProblem]:
        """Return all that is wrong with an answer, place by place; nothing when it fits.

        Loads jsonschema.
        """
        if self.own_problems is not None and (problems := self.own_problems(value)):
            return problems
        from jsonschema import Draft202012Validator

        problems = [
            AnswerProblem(tuple(error.absolute_path), error.message)
            for error in Draft202012Validator(self.schema).iter_errors(value)
        ]
        if not problems:
            try:
                self.parse(value)
            except InvalidInput as error:
                problems = [AnswerProblem((), str(error))]
        return problems


def input_form(kind: Any) -> InputForm:
    """Return the form for a type.

    Parameters
    ----------
    kind
        A model of pydantic's, or what msgspec knows: ``int``, ``str``, ``list[int]``, ``Literal["a", "b"]``,
        ``datetime``, an ``Enum``, a dataclass, a ``TypedDict``, a ``Struct`` and so on.

    Raises
    ------
    InvalidInput
        No form can be made of it.

    Examples
    --------
    >>> input_form(int).schema
    {'type': 'integer'}
    """
    if callable(getattr(kind, "model_json_schema", None)) and callable(getattr(kind, "model_validate", None)):
        return InputForm(
            kind.model_json_schema(),
            lambda value: _parse_model(kind, value),
            lambda value: _model_problems(kind, value),
        )
    try:
        schema: dict[str, object] = msgspec.json.schema(kind)
    except TypeError as error:
        raise InvalidInput(f"{kind!r} is no type that people can be asked for: {error}") from None
    return InputForm(schema, lambda value: _parse_value(kind, value))


def _parse_model(kind: Any, value: object) -> object:
    try:
        return kind.model_validate(value)
    except ValueError as error:  # pydantic's ValidationError is one
        raise InvalidInput(f"The answer is no {kind.__name__}: {error}") from None


def _model_problems(kind: Any, value: object) -> list[AnswerProblem]:
    """Return pydantic's own errors; it knows validators that no schema can say."""
    try:
        kind.model_validate(value)
    except ValueError as error:
        errors = getattr(error, "errors", None)
        if callable(errors):
            return [AnswerProblem(tuple(item["loc"]), _own_words(item)) for item in errors()]
        return [AnswerProblem((), str(error))]
    return []


def _own_words(error: dict[str, Any]) -> str:
    """Return what an error of pydantic's says, without its "Value error, " before what a validator raised."""
    return str(error.get("ctx", {}).get("error") or error["msg"])


def _parse_value(kind: Any, value: object) -> object:
    try:
        # as from JSON: a date is text, and a dataclass a dictionary
        return msgspec.convert(value, kind, strict=True, builtin_types=())
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The answer is no {kind!r}: {error}") from None
