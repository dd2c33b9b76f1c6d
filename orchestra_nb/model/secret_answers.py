"""Answers of people without what their questions call a secret: pydantic's ``SecretStr``, ``format: password``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.secret_values import HIDDEN

#: So many references are followed from one place: a schema may lead round in a circle.
_MOST_STEPS: Final = 50

_Schema = Mapping[str, object]


def without_secrets(question: RunInput) -> RunInput:
    """Return a question as people may read it later.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> asked = RunInput(run_id="r", key="k", asked_at=datetime.now(UTC), schema={"format": "password"}, value="x")
    >>> without_secrets(asked).value
    '••••'
    """
    if question.schema is None or question.value is None:
        return question
    return msgspec.structs.replace(question, value=_shown(question.value, question.schema, question.schema))


def _shown(value: object, schema: object, root: _Schema) -> object:
    """Return a value without what any part of its schema that is about it calls a secret."""
    for part in _parts(schema, root):
        if value is not None and (part.get("writeOnly") is True or part.get("format") == "password"):
            return HIDDEN
        if isinstance(value, dict):
            named, others = part.get("properties"), part.get("additionalProperties")
            own = named if isinstance(named, Mapping) else {}
            value = {name: _shown(item, own.get(name, others), root) for name, item in value.items()}
        elif isinstance(value, list):
            first, others = part.get("prefixItems"), part.get("items")
            schemas = first if isinstance(first, list) else []
            value = [
                _shown(item, schemas[place] if place < len(schemas) else others, root)
                for place, item in enumerate(value)
            ]
    return value


def _parts(schema: object, root: _Schema) -> list[_Schema]:
    """Return a schema with those that it refers to, and those that it may be."""
    waiting: list[object] = [schema]
    found: list[_Schema] = []
    while waiting and len(found) < _MOST_STEPS:
        part = waiting.pop()
        if not isinstance(part, Mapping):
            continue
        found.append(part)
        for word in ("allOf", "anyOf", "oneOf"):
            choices = part.get(word)
            waiting += choices if isinstance(choices, list) else []
        if isinstance(reference := part.get("$ref"), str):
            waiting.append(_referred(reference, root))
    return found


def _referred(reference: str, root: _Schema) -> object:
    """Return what a reference within the schema names; None for any other."""
    if not reference.startswith("#"):
        return None
    place: object = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        place = place.get(name) if isinstance(place, Mapping) else None
    return place
