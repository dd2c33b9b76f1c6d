"""The parameters of a notebook as a JSON Schema (draft 2020-12): what forms are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.notebooks.converted_values import Misfit
from orchestra_nb.notebooks.notebook_scope import Scope
from orchestra_nb.notebooks.parameter_conversion import Converter
from orchestra_nb.notebooks.parameter_scalars import recorded_scalar
from orchestra_nb.notebooks.parameter_types import (
    UNKNOWN,
    AnyType,
    ConstrainedType,
    Constraints,
    DictType,
    EnumType,
    ForeignType,
    Kind,
    ListType,
    LiteralType,
    Parameter,
    ParameterType,
    RecordField,
    RecordType,
    ScalarType,
    SecretType,
    TupleType,
    UnionType,
)

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: Final[dict[Kind, dict[str, object]]] = {
    Kind.NONE: {"type": "null"},
    Kind.BOOL: {"type": "boolean"},
    Kind.INT: {"type": "integer"},
    Kind.FLOAT: {"type": "number"},
    Kind.STR: {"type": "string"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.DATETIME: {"type": "string", "format": "date-time"},
    Kind.TIME: {"type": "string", "format": "time"},
    Kind.TIMEDELTA: {"type": "string", "format": "duration"},
    Kind.DECIMAL: {"type": "string", "format": "decimal"},
    Kind.PATH: {"type": "string", "format": "path"},
    Kind.UUID: {"type": "string", "format": "uuid"},
}


def parameters_schema(parameters: Sequence[Parameter], title: str, *, is_complete: bool = True) -> dict[str, object]:
    """Return the schema of a mapping of parameter names to values.

    Parameters
    ----------
    title
        Of the whole: the notebook's name.
    is_complete
        Whether other names than these are refused.
    """
    writer = _SchemaWriter()
    properties = {parameter.name: writer.property(parameter) for parameter in parameters}
    schema: dict[str, object] = {
        "$schema": _DIALECT,
        "title": title,
        "type": "object",
        "properties": properties,
        "required": [parameter.name for parameter in parameters if parameter.is_required],
        "additionalProperties": not is_complete,
    }
    if writer.definitions:
        schema["$defs"] = writer.definitions
    return schema


@dataclass(slots=True)
class _SchemaWriter:
    """Writes the schema of types; classes go into ``definitions`` and are referred to."""

    definitions: dict[str, object] = field(default_factory=dict)

    def property(self, parameter: Parameter) -> dict[str, object]:
        """Return the schema of one parameter."""
        schema = self.schema(parameter.type)
        said = {"title": _words(parameter.name), "description": parameter.help}
        schema = {**schema, **{word: text for word, text in said.items() if text and word not in schema}}
        if parameter.help:
            schema["description"] = parameter.help
        if parameter.default is not UNKNOWN:
            schema["default"] = to_readable(parameter.default)
        return schema

    def schema(self, kind: ParameterType) -> dict[str, object]:
        """Return the schema of a type."""
        match kind:
            case AnyType(hint=hint):
                return {} if hint is None else self.schema(hint)
            case ScalarType(kind=scalar, format=form):
                return {**_SCALARS[scalar], **({"format": form} if form else {})}
            case SecretType():
                return {"type": "string", "format": "password", "writeOnly": True}
            case LiteralType(values=values):
                return _one_of(values)
            case ConstrainedType(inner=inner, constraints=constraints):
                return {**self.schema(inner), **_constraint_words(constraints, inner)}
            case UnionType(options=options):
                return {"anyOf": [self.schema(option) for option in options]}
            case ListType(item=item, container=container):
                is_set = container in ("set", "frozenset")
                return {"type": "array", "items": self.schema(item), **({"uniqueItems": True} if is_set else {})}
            case TupleType(items=items):
                count = len(items)
                parts = {"prefixItems": [self.schema(item) for item in items]} if items else {}
                return {"type": "array", **parts, "minItems": count, "maxItems": count}
            case DictType(value=value):
                return {"type": "object", "additionalProperties": self.schema(value) or True}
            case EnumType():
                return self._defined(kind.name, {"title": kind.name, **_one_of(list(kind.choices.values()))})
            case ForeignType(name=name):
                return {"description": f"A {name}: a mapping of its fields, or what it is made of"}
            case RecordType():
                return self._record(kind)
        raise AssertionError(kind)

    def _record(self, kind: RecordType) -> dict[str, object]:
        return self._defined(
            kind.name,
            {
                "title": kind.name,
                "type": "object",
                **({"description": kind.description} if kind.description else {}),
                "properties": {each.key or each.name: self._field(each) for each in kind.fields},
                "required": [each.key or each.name for each in kind.fields if each.is_required],
                "additionalProperties": kind.is_open,
            },
        )

    def _field(self, each: RecordField) -> dict[str, object]:
        schema = {**self.schema(each.type), "title": _words(each.name)}
        if each.help:
            schema["description"] = each.help
        if each.default is not UNKNOWN:
            try:
                schema["default"] = to_readable(Converter(_AnyScope()).convert(each.type, each.default).recorded)
            except Misfit:
                pass
        return schema

    def _defined(self, name: str, schema: dict[str, object]) -> dict[str, object]:
        """Put a schema among the definitions and refer to it; two classes of one name stay apart."""
        known = self.definitions.get(name)
        if known is not None and known != schema:
            return schema
        self.definitions[name] = schema
        return {"$ref": f"#/$defs/{name}"}


class _AnyScope(Scope):
    """A scope in which every class has its name: only the record of a default is asked for."""

    def is_class(self, name: str) -> bool:
        """Whether the name may be that of a class."""
        return True


def _constraint_words(constraints: Constraints, kind: ParameterType) -> dict[str, object]:
    is_list = isinstance(kind, ListType | TupleType)
    unit = "Items" if is_list else "Properties" if isinstance(kind, DictType | RecordType) else "Length"
    words: dict[str, Any] = {
        "minimum": constraints.ge,
        "exclusiveMinimum": constraints.gt,
        "maximum": constraints.le,
        "exclusiveMaximum": constraints.lt,
        "multipleOf": constraints.multiple_of,
        f"min{unit}": constraints.min_length,
        f"max{unit}": constraints.max_length,
        "pattern": constraints.pattern,
        "title": constraints.title or None,
        "description": constraints.description or None,
        "examples": list(map(recorded_scalar, constraints.examples)) or None,
    }
    return {word: value for word, value in words.items() if value is not None and _is_json_word(value)}


def _one_of(values: Sequence[object]) -> dict[str, object]:
    kinds = {type(value) for value in values}
    name = {str: "string", int: "integer", bool: "boolean"}.get(kinds.pop()) if len(kinds) == 1 else None
    return {"enum": list(values), **({"type": name} if name else {})}


def _is_json_word(value: object) -> bool:
    """Whether a schema can say a bound: JSON Schema has none for dates."""
    return isinstance(value, str | list | int) or (isinstance(value, float) and math.isfinite(value))


def _words(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] or name
