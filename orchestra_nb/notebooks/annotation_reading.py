"""Annotations as types: what ``Annotated[int, Field(ge=1)]``, ``Color | None`` and the like allow, from their text."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from orchestra_nb.notebooks.class_reading import constraint_words, read_class
from orchestra_nb.notebooks.notebook_scope import Aliased, Defined, Imported, Scope
from orchestra_nb.notebooks.parameter_types import (
    NONE,
    UNKNOWN,
    AnyType,
    DictType,
    EnumType,
    ForeignType,
    Kind,
    ListType,
    LiteralType,
    ParameterType,
    ScalarType,
    SecretForm,
    SecretType,
    TupleType,
    UnionType,
    constrained,
)
from orchestra_nb.notebooks.static_values import Member, static_value

_DEPTH: Final = 30
_PATHS: Final = frozenset(f"pathlib.{name}" for name in ("Path", "PurePath", "PosixPath", "PurePosixPath"))
_SCALARS: Final = {
    "builtins.int": Kind.INT,
    "builtins.float": Kind.FLOAT,
    "builtins.str": Kind.STR,
    "builtins.bool": Kind.BOOL,
    "datetime.date": Kind.DATE,
    "datetime.datetime": Kind.DATETIME,
    "datetime.time": Kind.TIME,
    "datetime.timedelta": Kind.TIMEDELTA,
    "decimal.Decimal": Kind.DECIMAL,
    "uuid.UUID": Kind.UUID,
    "typing.Text": Kind.STR,
    "pydantic.StrictInt": Kind.INT,
    "pydantic.StrictFloat": Kind.FLOAT,
    "pydantic.StrictStr": Kind.STR,
    "pydantic.StrictBool": Kind.BOOL,
} | dict.fromkeys(_PATHS, Kind.PATH)
_PYDANTIC_NUMBERS: Final[dict[str, dict[str, object]]] = {
    "Positive": {"gt": 0},
    "Negative": {"lt": 0},
    "NonNegative": {"ge": 0},
    "NonPositive": {"le": 0},
}
_PYDANTIC_CALLS: Final = {
    "pydantic.conint": Kind.INT,
    "pydantic.confloat": Kind.FLOAT,
    "pydantic.constr": Kind.STR,
    "pydantic.condecimal": Kind.DECIMAL,
    "pydantic.condate": Kind.DATE,
}
_CONTAINERS: Final = {
    "builtins.list": "list",
    "typing.List": "list",
    "typing.Sequence": "list",
    "typing.MutableSequence": "list",
    "typing.Iterable": "list",
    "typing.Collection": "list",
    "builtins.set": "set",
    "typing.Set": "set",
    "typing.MutableSet": "set",
    "typing.AbstractSet": "set",
    "builtins.frozenset": "frozenset",
    "typing.FrozenSet": "frozenset",
}
_TUPLES: Final = frozenset({"builtins.tuple", "typing.Tuple"})
_DICTS: Final = frozenset({"builtins.dict", "typing.Dict", "typing.Mapping", "typing.MutableMapping"})
#: Forms around a type that say nothing of its values.
_AROUND: Final = frozenset(
    f"typing.{name}" for name in ("Final", "ClassVar", "Required", "NotRequired", "ReadOnly")
) | {"dataclasses.InitVar"}
_SECRETS: Final = {
    "orchestra_nb.Secret": SecretForm.SECRET,
    "orchestra_nb.variables.Secret": SecretForm.SECRET,
    "orchestra_nb.model.secret_values.Secret": SecretForm.SECRET,
    "pydantic.SecretStr": SecretForm.SECRET_STR,
    "pydantic.types.SecretStr": SecretForm.SECRET_STR,
}
_ANNOTATED_TYPES: Final = {
    "annotated_types.Ge": ("ge",),
    "annotated_types.Gt": ("gt",),
    "annotated_types.Le": ("le",),
    "annotated_types.Lt": ("lt",),
    "annotated_types.MultipleOf": ("multiple_of",),
    "annotated_types.MinLen": ("min_length",),
    "annotated_types.MaxLen": ("max_length",),
    "annotated_types.Len": ("min_length", "max_length"),
}
#: What a name means that nothing in the notebook binds: in a type comment, after a star import.
_BARE: Final = {
    **{
        dotted.rpartition(".")[2]: dotted
        for dotted in (*_CONTAINERS, *_DICTS, *_TUPLES)
        if dotted.startswith("typing.")
    },
    **{dotted.rpartition(".")[2]: dotted for dotted in _SCALARS if not dotted.startswith("pydantic.")},
    **{name: f"typing.{name}" for name in ("Optional", "Union", "Literal", "Annotated", "Any", "Final")},
    **{dotted.rpartition(".")[2]: dotted for dotted in _ANNOTATED_TYPES},
    "SecretStr": "pydantic.SecretStr",
    "Secret": "orchestra_nb.variables.Secret",
}


def read_annotation(node: ast.expr, scope: Scope) -> ParameterType:
    """Return the type that an annotation names; what is not understood is a type that allows anything."""
    return _Reader().read(node, scope)


def read_annotation_text(text: str, scope: Scope | None = None) -> ParameterType:
    """Return the type that the text of an annotation or of a type comment names."""
    try:
        return read_annotation(ast.parse(text.strip(), mode="eval").body, scope or Scope())
    except (SyntaxError, ValueError, RecursionError):
        return AnyType()


class _Reader:
    """Reads one annotation; knows the classes that it is inside of, which may name themselves."""

    def __init__(self) -> None:
        self._depth = 0
        self._classes: list[ast.ClassDef] = []

    def read(self, node: ast.expr, scope: Scope) -> ParameterType:
        """Return the type of one part."""
        if self._depth == _DEPTH:
            return AnyType()
        self._depth += 1
        try:
            return self._read(node, scope)
        finally:
            self._depth -= 1

    def _read(self, node: ast.expr, scope: Scope) -> ParameterType:
        match node:
            case ast.Constant(value=None):
                return NONE
            case ast.Constant(value=str(text)):
                try:
                    return self.read(ast.parse(text.strip(), mode="eval").body, scope)
                except (SyntaxError, ValueError):
                    return AnyType()
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return _union([self.read(left, scope), self.read(right, scope)])
            case ast.Subscript(value=outer, slice=inside):
                parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
                return self._read_generic(_known_name(outer, scope), outer, parts, scope)
            case ast.Name() | ast.Attribute():
                return self._read_name(node, scope)
            case ast.Call(func=function, args=arguments):
                return self._read_call(node, _known_name(function, scope), arguments, scope)
        return AnyType()

    def _read_name(self, node: ast.Name | ast.Attribute, scope: Scope) -> ParameterType:
        spelled = ast.unparse(node)
        binding = scope.find(node.id) if isinstance(node, ast.Name) else None
        if isinstance(binding, Defined):
            if binding.node in self._classes:
                return AnyType()
            self._classes.append(binding.node)
            try:
                return read_class(binding.node, spelled, scope, self.read)
            finally:
                self._classes.pop()
        if isinstance(binding, Aliased):
            return self.read(binding.node, scope)
        dotted = _known_name(node, scope)
        if dotted is None:
            return AnyType()
        if (known := _read_dotted(dotted, spelled)) is not None:
            return known
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value  # type: ignore[assignment]
        is_imported = isinstance(root, ast.Name) and isinstance(scope.find(root.id), Imported)
        return ForeignType(dotted.rpartition(".")[2], spelled) if is_imported else AnyType()

    def _read_generic(
        self, dotted: str | None, outer: ast.expr, parts: Sequence[ast.expr], scope: Scope
    ) -> ParameterType:
        if dotted == "typing.Annotated":
            return self._read_annotated(parts, scope)
        if dotted == "typing.Literal":
            return _literal(parts, scope)
        if dotted == "typing.Optional":
            return _union([self.read(parts[0], scope), NONE])
        if dotted == "typing.Union":
            return _union([self.read(part, scope) for part in parts])
        if dotted in _AROUND:
            return self.read(parts[0], scope)
        if dotted in _CONTAINERS:
            return ListType(self.read(parts[0], scope), _CONTAINERS[dotted])
        if dotted in _TUPLES:
            if len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...:
                return ListType(self.read(parts[0], scope), "tuple")
            items = [] if len(parts) == 1 and isinstance(parts[0], ast.Tuple) else parts
            return TupleType(tuple(self.read(part, scope) for part in items))
        if dotted in _DICTS and len(parts) == 2:
            return DictType(self.read(parts[0], scope), self.read(parts[1], scope))
        return self.read(outer, scope)

    def _read_annotated(self, parts: Sequence[ast.expr], scope: Scope) -> ParameterType:
        kind = self.read(parts[0], scope)
        words: dict[str, object] = {}
        for part in parts[1:]:
            function = part.func if isinstance(part, ast.Call) else part
            dotted = _known_name(function, scope) or ""
            if dotted in _SECRETS:
                return SecretType(SecretForm.TEXT)
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                words.setdefault("description", part.value)  # as fastapi's Doc and many a notebook have it
            elif isinstance(part, ast.Call):
                words |= _metadata_words(part, dotted, scope)
        return constrained(kind, words)

    def _read_call(
        self, node: ast.Call, dotted: str | None, arguments: Sequence[ast.expr], scope: Scope
    ) -> ParameterType:
        if dotted in _PYDANTIC_CALLS:
            return constrained(ScalarType(_PYDANTIC_CALLS[dotted]), constraint_words(node, scope))
        if dotted == "typing.NewType" and len(arguments) == 2:
            return self.read(arguments[1], scope)
        if dotted in ("enum.Enum", "enum.IntEnum", "enum.StrEnum") and len(arguments) == 2:
            return _functional_enum(static_value(arguments[0], scope), static_value(arguments[1], scope), dotted)
        return AnyType()


def _read_dotted(dotted: str, spelled: str) -> ParameterType | None:
    if dotted in _SCALARS:
        kind = _SCALARS[dotted]
        return ScalarType(kind, "" if kind.is_plain else spelled, "path" if kind is Kind.PATH else "")
    if dotted in _SECRETS:
        return SecretType(_SECRETS[dotted], spelled)
    if dotted in _CONTAINERS:
        return ListType(container=_CONTAINERS[dotted])
    if dotted in _TUPLES:
        return ListType(container="tuple")
    if dotted in _DICTS:
        return DictType()
    if dotted in ("pydantic.FilePath", "pydantic.DirectoryPath"):
        return ScalarType(Kind.PATH, "", "file-path" if dotted.endswith("FilePath") else "directory-path")
    module, _, name = dotted.rpartition(".")
    if module == "pydantic":
        for sign, words in _PYDANTIC_NUMBERS.items():
            if name in (f"{sign}Int", f"{sign}Float"):
                return constrained(ScalarType(Kind.INT if name.endswith("Int") else Kind.FLOAT), words)
    if module in ("typing", "builtins", "types"):
        return AnyType()
    return None


def _known_name(node: ast.expr, scope: Scope) -> str | None:
    """Return the full name of a type; one that nothing binds has the name that it usually stands for."""
    dotted = scope.dotted(node)
    if dotted is None or "." in dotted or not isinstance(node, ast.Name):
        return dotted
    known = (name for name in scope.candidates(node.id) if name == _BARE.get(node.id))
    return next(known, _BARE.get(dotted, dotted))


def _union(options: Sequence[ParameterType]) -> ParameterType:
    flat: list[ParameterType] = []
    for option in options:
        flat.extend(option.options if isinstance(option, UnionType) else [option])
    unique = list(dict.fromkeys(flat)) if all(map(_is_hashable, flat)) else flat
    return unique[0] if len(unique) == 1 else UnionType(tuple(unique))


def _is_hashable(kind: ParameterType) -> bool:
    try:
        hash(kind)
    except TypeError:  # a field's default is a list
        return False
    return True


def _literal(parts: Sequence[ast.expr], scope: Scope) -> ParameterType:
    values = [static_value(part, scope) for part in parts]
    members = [value for value in values if isinstance(value, Member)]
    if members and len(members) == len(values):
        owner = read_annotation(ast.Name(members[0].owner, ast.Load()), scope)
        if isinstance(owner, EnumType):
            names = {member.name for member in members}
            return EnumType(owner.name, owner.spelled, tuple(each for each in owner.members if each[0] in names))
    if any(value is not None and not isinstance(value, str | int | bool) for value in values):
        return AnyType()
    return LiteralType(tuple(values))


def _metadata_words(call: ast.Call, dotted: str, scope: Scope) -> dict[str, object]:
    names = _ANNOTATED_TYPES.get(dotted, ())
    positional = dict(zip(names, (static_value(argument, scope) for argument in call.args), strict=False))
    words: dict[str, object] = {word: value for word, value in positional.items() if value is not UNKNOWN}
    if dotted.endswith((".Doc", "Doc")) and call.args:
        words["description"] = static_value(call.args[0], scope)
    return words | constraint_words(call, scope)


def _functional_enum(name: object, members: object, dotted: str) -> ParameterType:
    """Return what ``Enum("Color", ["RED", "GREEN"])`` makes."""
    if not isinstance(name, str):
        return AnyType()
    if isinstance(members, str):
        members = members.replace(",", " ").split()
    pairs: list[tuple[str, Any]] = []
    if isinstance(members, dict):
        pairs = list(members.items())
    elif isinstance(members, list | tuple) and all(isinstance(member, str) for member in members):
        is_text = dotted == "enum.StrEnum"
        pairs = [(member, member.lower() if is_text else number) for number, member in enumerate(members, 1)]
    return EnumType(name, name, tuple(pairs)) if pairs else AnyType()
