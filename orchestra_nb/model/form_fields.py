"""A JSON Schema as the fields of a form: what to ask, and what people wrote as JSON again.

Only what a form can show well becomes a field of its own kind; anything else is asked for as JSON, so that every schema
has a form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class FieldKind(Enum):
    """How a field is written."""

    #: one line of text
    TEXT = "text"
    #: text that nobody may read over a shoulder
    SECRET = "secret"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    #: one of :attr:`FormField.choices`
    CHOICE = "choice"
    #: a date, a time, or both, as ISO 8601 writes them
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    #: a list of texts, one a line
    LINES = "lines"
    JSON = "json"


class _Missing(Enum):
    MISSING = "missing"


#: No value: nothing was written, or there is no default. Apart from None, which is a value.
MISSING: Final = _Missing.MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field.

    Parameters
    ----------
    name
        Its key in the answer; empty where the field is the whole answer.
    choices
        The values of a CHOICE, in order.
    default
        As JSON has it; :data:`MISSING` for none.
    is_required
        Whether the answer must have it.
    is_nullable
        Whether null is an answer.
    """

    name: str
    label: str
    kind: FieldKind
    description: str = ""
    choices: tuple[object, ...] = ()
    default: object = MISSING
    is_required: bool = True
    is_nullable: bool = False


def form_fields(schema: Mapping[str, object]) -> tuple[FormField, ...]:
    """Return the fields of a schema: one for each property of an object, else one for the whole answer.

    Examples
    --------
    >>> [(field.name, field.kind.value) for field in form_fields({"type": "integer"})]
    [('', 'integer')]
    """
    definitions = _mapping(schema.get("$defs"))
    whole = _resolved(schema, definitions)
    properties = _mapping(whole.get("properties"))
    if whole.get("type") != "object" or not properties:
        return (_field("", whole, definitions, is_required=True),)
    required = whole.get("required")
    names = required if isinstance(required, list) else []
    return tuple(
        _field(name, _mapping(part), definitions, is_required=name in names) for name, part in properties.items()
    )


def written_value(field: FormField, written: object) -> object:
    """Return what was written into a field as JSON has it; :data:`MISSING` where nothing was.

    Parameters
    ----------
    written
        Text, or a value of JSON's types where the field offers such: a truth value, a choice.

    Raises
    ------
    ValueError
        It is no value of this kind; the message is for people.
    """
    if written is MISSING or not isinstance(written, str):
        return written
    if field.kind in (FieldKind.TEXT, FieldKind.SECRET):
        return written if written or isinstance(field.default, str) else _blank(field)
    if field.kind is FieldKind.LINES:
        return [line for line in written.splitlines() if line.strip()] if written.strip() else _blank(field)
    if not written.strip():
        return _blank(field)
    if field.kind is FieldKind.INTEGER:
        return _number(written, int, "Write a whole number.")
    if field.kind is FieldKind.NUMBER:
        return _number(written, float, "Write a number.")
    if field.kind is FieldKind.JSON:
        try:
            return json.loads(written)
        except ValueError as error:
            raise ValueError(f"This is no JSON: {error}") from None
    return written


def shown_text(field: FormField, value: object) -> str:
    """Return a value as text: as it stands in a field, and in what is shown of an answer."""
    if value is MISSING or value is None:
        return ""
    if field.kind is FieldKind.BOOLEAN:
        return "yes" if value else "no"
    if field.kind is FieldKind.LINES and isinstance(value, list):
        return "\n".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _field(name: str, part: Mapping[str, object], definitions: Mapping[str, object], *, is_required: bool) -> FormField:
    inner, is_nullable = _without_null(part, definitions)
    kind, choices = _kind(inner, definitions)
    if kind is FieldKind.BOOLEAN and is_nullable:
        kind, choices = FieldKind.CHOICE, (True, False)
    title = part.get("title") or (inner.get("title") if "$ref" not in part else None) or name or "Answer"
    return FormField(
        name=name,
        label=_words(name) if title == name else str(title),
        kind=kind,
        description=str(part.get("description") or ""),
        choices=choices,
        default=part.get("default", MISSING),
        is_required=is_required,
        is_nullable=is_nullable,
    )


def _kind(part: Mapping[str, object], definitions: Mapping[str, object]) -> tuple[FieldKind, tuple[object, ...]]:
    if isinstance(choices := part.get("enum"), list):
        return FieldKind.CHOICE, tuple(choices)
    if "const" in part:
        return FieldKind.CHOICE, (part["const"],)
    match part.get("type"):
        case "boolean":
            return FieldKind.BOOLEAN, ()
        case "integer":
            return FieldKind.INTEGER, ()
        case "number":
            return FieldKind.NUMBER, ()
        case "string":
            return _TEXT_KINDS.get(str(part.get("format")), FieldKind.TEXT), ()
        case "array":
            item = _resolved(_mapping(part.get("items")), definitions)
            is_text = item.get("type") == "string" and "enum" not in item and "format" not in item
            return FieldKind.LINES if is_text else FieldKind.JSON, ()
    return FieldKind.JSON, ()


_TEXT_KINDS = {
    "date": FieldKind.DATE,
    "time": FieldKind.TIME,
    "date-time": FieldKind.DATETIME,
    "password": FieldKind.SECRET,
}


def _without_null(part: Mapping[str, object], definitions: Mapping[str, object]) -> tuple[Mapping[str, object], bool]:
    """Return a schema without the null that it allows, and whether it does."""
    part = _resolved(part, definitions)
    for word in ("anyOf", "oneOf"):
        if isinstance(options := part.get(word), list):
            others = [option for option in options if option != {"type": "null"}]
            if len(others) == 1:
                return _resolved(_mapping(others[0]), definitions), len(others) < len(options)
            return part, len(others) < len(options)
    if isinstance(kinds := part.get("type"), list) and "null" in kinds and len(kinds) == 2:
        return {**part, "type": next(kind for kind in kinds if kind != "null")}, True
    if isinstance(choices := part.get("enum"), list) and None in choices:
        return {**part, "enum": [choice for choice in choices if choice is not None]}, True
    return part, part.get("type") == "null"


def _resolved(part: Mapping[str, object], definitions: Mapping[str, object]) -> Mapping[str, object]:
    """Return what a schema refers to within itself."""
    for _ in definitions:
        reference = part.get("$ref")
        if not isinstance(reference, str):
            if isinstance(one := part.get("allOf"), list) and len(one) == 1:
                part = {**_mapping(one[0]), **{key: value for key, value in part.items() if key != "allOf"}}
                continue
            break
        target = _mapping(definitions.get(reference.removeprefix("#/$defs/")))
        part = {**target, **{key: value for key, value in part.items() if key != "$ref"}}
    return part


def _blank(field: FormField) -> object:
    return None if field.is_nullable else MISSING


def _number(text: str, kind: type[int] | type[float], words: str) -> int | float:
    try:
        return kind(text.strip())
    except ValueError:
        raise ValueError(words) from None


def _words(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
