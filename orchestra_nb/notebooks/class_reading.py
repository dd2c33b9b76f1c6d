"""What class statements of a notebook say of their values: the members of an enumeration, the fields of a record.

Read from the text, so that no code of the notebook runs before the run does. What a base class adds that stands
elsewhere cannot be seen: then the class is open to fields that nobody here knows.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from orchestra_nb.notebooks.notebook_scope import Defined, Scope
from orchestra_nb.notebooks.parameter_types import (
    UNKNOWN,
    AnyType,
    Building,
    EnumType,
    ForeignType,
    ParameterType,
    RecordField,
    RecordType,
    constrained,
)
from orchestra_nb.notebooks.static_values import static_value

#: Reads an annotation: :func:`orchestra_nb.notebooks.annotation_reading.read_annotation`.
ReadAnnotation = Callable[[ast.expr, Scope], ParameterType]

_ENUMS: Final = frozenset(f"enum.{name}" for name in ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "ReprEnum"))
_FLAGS: Final = frozenset({"enum.Flag", "enum.IntFlag"})
_DATACLASSES: Final = frozenset(
    """
    dataclasses.dataclass pydantic.dataclasses.dataclass attr.s attr.attrs attr.dataclass attr.define attr.mutable
    attr.frozen attrs.define attrs.mutable attrs.frozen
    """.split()
)
_BASES: Final = {
    "msgspec.Struct": Building.KEYWORDS,
    "typing.NamedTuple": Building.KEYWORDS,
    "typing.TypedDict": Building.MAPPING,
    "pydantic.BaseModel": Building.MODEL,
    "pydantic_settings.BaseSettings": Building.MODEL,
}
#: Bases that add no fields.
_EMPTY_BASES: Final = frozenset({"builtins.object", "abc.ABC", "typing.Protocol"})
_FIELD_CALLS: Final = frozenset(
    "dataclasses.field pydantic.Field pydantic.fields.Field msgspec.field attr.ib attr.attrib attr.field".split()
) | {"attrs.field"}
#: Keyword of a field's call to that of :class:`~orchestra_nb.notebooks.parameter_types.Constraints`.
CONSTRAINT_WORDS: Final = {
    "ge": "ge",
    "gt": "gt",
    "le": "le",
    "lt": "lt",
    "multiple_of": "multiple_of",
    "min_length": "min_length",
    "max_length": "max_length",
    "pattern": "pattern",
    "regex": "pattern",
    "title": "title",
    "description": "description",
    "examples": "examples",
}


def read_class(node: ast.ClassDef, spelled: str, scope: Scope, read: ReadAnnotation) -> ParameterType:
    """Return the type of a class statement; :class:`ForeignType` for a class of which nothing is known."""
    bases = [scope.dotted(base) for base in node.bases]
    inherited = [
        read_class(binding.node, base.id, scope, read)
        for base in node.bases
        if isinstance(base, ast.Name)
        and isinstance(binding := scope.find(base.id), Defined)
        and binding.node is not node
    ]
    if _ENUMS & set(bases) or any(isinstance(base, EnumType) for base in inherited):
        return _read_enum(node, spelled, bases, scope)
    records = [base for base in inherited if isinstance(base, RecordType)]
    building = _building(node, bases, records, scope)
    if building is None:
        return _read_plain_class(node, spelled, scope, read)
    known = _EMPTY_BASES | set(_BASES) | {"typing.Generic"}
    is_open = any(base.is_open for base in records) or len(records) < sum(
        1
        for base in node.bases
        if scope.dotted(base if not isinstance(base, ast.Subscript) else base.value) not in known
    )
    fields: dict[str, RecordField] = {}
    for base in reversed(records):
        fields |= {field.name: field for field in base.fields}
    is_total = not any(word.arg == "total" and _is_false(word.value) for word in node.keywords)
    for field in _read_fields(node, scope, read):
        fields[field.name] = field if is_total else replace(field, is_required=False)
    return RecordType(
        name=node.name,
        spelled=spelled,
        building=building,
        fields=tuple(fields.values()),
        is_open=is_open or _allows_more(node, scope),
        description=_first_paragraph(node),
    )


def _building(
    node: ast.ClassDef, bases: Sequence[str | None], records: Sequence[RecordType], scope: Scope
) -> Building | None:
    decorators = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
    if any(scope.dotted(item) in _DATACLASSES for item in decorators):
        return Building.KEYWORDS
    found = next((_BASES[base] for base in bases if base in _BASES), None)
    return found or next((record.building for record in records), None)


def _read_enum(node: ast.ClassDef, spelled: str, bases: Sequence[str | None], scope: Scope) -> EnumType:
    members: list[tuple[str, object]] = []
    for statement in node.body:
        if not isinstance(statement, ast.Assign):
            continue
        for target in statement.targets:
            if isinstance(target, ast.Name) and not target.id.startswith("_"):
                members.append((target.id, _member_value(target.id, statement.value, bases, members, scope)))
    return EnumType(node.name, spelled, tuple(members), is_flag=bool(_FLAGS & set(bases)))


def _member_value(
    name: str, value: ast.expr, bases: Sequence[str | None], before: Sequence[tuple[str, object]], scope: Scope
) -> object:
    """Return a member's value, None being none that JSON could stand for."""
    if isinstance(value, ast.Call) and scope.dotted(value.func) in ("enum.auto", "auto"):
        if "enum.StrEnum" in bases:
            return name.lower()
        last = before[-1][1] if before else 0
        return last + 1 if isinstance(last, int) and not _FLAGS & set(bases) else UNKNOWN
    found = static_value(value, scope)
    return found if isinstance(found, str | int | float) else UNKNOWN


def _read_fields(node: ast.ClassDef, scope: Scope, read: ReadAnnotation) -> list[RecordField]:
    fields = []
    for statement in node.body:
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        annotation = statement.annotation
        outer = scope.dotted(annotation.value if isinstance(annotation, ast.Subscript) else annotation)
        if outer in ("typing.ClassVar", "dataclasses.KW_ONLY") or statement.target.id.startswith("__"):
            continue
        kind = read(annotation, scope)
        is_optional_key = outer == "typing.NotRequired"
        field = _field(statement.target.id, kind, statement.value, scope)
        if field is not None:
            fields.append(replace(field, is_required=False) if is_optional_key else field)
    return fields


def _field(name: str, kind: ParameterType, value: ast.expr | None, scope: Scope) -> RecordField | None:
    """Return a field; None for one that is not given when a value is made."""
    if value is None:
        return RecordField(name, kind)
    if not (isinstance(value, ast.Call) and scope.dotted(value.func) in _FIELD_CALLS):
        return RecordField(name, kind, is_required=False, default=static_value(value, scope))
    words = {str(keyword.arg): keyword.value for keyword in value.keywords}
    if "init" in words and _is_false(words["init"]):
        return None
    first = value.args[0] if value.args else words.get("default")
    has_default = first is not None and not (isinstance(first, ast.Constant) and first.value is ...)
    default = static_value(first, scope) if first is not None and has_default else UNKNOWN
    is_required = not has_default and "default_factory" not in words and "factory" not in words
    alias = static_value(words["alias"], scope) if "alias" in words else ""
    said = constraint_words(value, scope)
    return RecordField(
        name,
        constrained(kind, {word: text for word, text in said.items() if word not in ("title", "description")}),
        key=alias if isinstance(alias, str) else "",
        is_required=is_required,
        default=default,
        help=str(said.get("description", "")),
    )


def constraint_words(call: ast.Call, scope: Scope) -> dict[str, object]:
    """Return what the keywords of a ``Field`` say of a value."""
    said: dict[str, object] = {}
    for keyword in call.keywords:
        word = CONSTRAINT_WORDS.get(str(keyword.arg))
        value = static_value(keyword.value, scope) if word else UNKNOWN
        if word and value is not UNKNOWN and value is not None:
            said[word] = tuple(value) if isinstance(value, list) else value
    return said


def _read_plain_class(node: ast.ClassDef, spelled: str, scope: Scope, read: ReadAnnotation) -> ParameterType:
    """Return what a class of no known kind takes: what its ``__init__`` names."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            given = statement.args
            if given.kwarg is not None or given.posonlyargs:
                break
            named = given.args[1:]
            first_default = len(named) - len(given.defaults)
            defaults = [None] * max(0, first_default) + list(given.defaults[-len(named) or len(given.defaults) :])
            pairs = [*zip(named, defaults, strict=False), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
            fields = [
                RecordField(
                    each.arg,
                    AnyType() if each.annotation is None else read(each.annotation, scope),
                    is_required=default is None,
                    default=UNKNOWN if default is None else static_value(default, scope),
                )
                for each, default in pairs
            ]
            return RecordType(node.name, spelled, Building.KEYWORDS, tuple(fields), description=_first_paragraph(node))
    return ForeignType(node.name, spelled)


def _allows_more(node: ast.ClassDef, scope: Scope) -> bool:
    """Whether a pydantic model keeps fields that it does not name."""
    for keyword in node.keywords:
        if keyword.arg == "extra" and static_value(keyword.value, scope) == "allow":
            return True
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call | ast.Dict):
            names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            if names == ["model_config"] and "'allow'" in ast.unparse(statement.value):
                return True
    return False


def _first_paragraph(node: ast.ClassDef) -> str:
    return " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
