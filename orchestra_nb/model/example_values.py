"""An example of what fits a JSON Schema, to show people what to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_EXAMPLES: dict[str, object] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}
_FORMATS = {"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00", "email": "ada@example.org"}
#: A schema may contain itself.
_MOST_LEVELS = 5


def example_of(schema: Mapping[str, Any]) -> object:
    """Return a value that has the form that a schema asks for; limits of lengths and sizes are not looked at.

    Examples
    --------
    >>> example_of({"type": "object", "properties": {"region": {"type": "string"}, "rows": {"type": "integer"}}})
    {'region': 'text', 'rows': 1}
    """
    return _example(schema, schema, 0)


def _example(schema: Any, root: Mapping[str, Any], level: int) -> object:
    if not isinstance(schema, Mapping) or level > _MOST_LEVELS:
        return None
    if "$ref" in schema:
        return _example(_resolved(str(schema["$ref"]), root), root, level + 1)
    for name in ("default", "const"):
        if name in schema:
            found: object = schema[name]
            return found
    for name in ("examples", "enum"):
        if schema.get(name):
            first: object = schema[name][0]
            return first
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return _example(schema[name][0], root, level + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        return {name: _example(part, root, level + 1) for name, part in properties.items()}
    if kind == "array":
        return [_example(schema["items"], root, level + 1)] if "items" in schema else []
    if kind == "string":
        return _FORMATS.get(str(schema.get("format")), _EXAMPLES["string"])
    return _EXAMPLES.get(str(kind), _EXAMPLES["string"])


def _resolved(reference: str, root: Mapping[str, Any]) -> object:
    """Return what a reference within the schema means; None for one to elsewhere."""
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    result: object = found
    return result
