"""A given value as the type that a notebook declares: checked, as JSON for the record, and as text that makes it.

What goes in is a value of JSON's types, a text from a command line, or a real object. What comes out can be recorded
(what was recorded goes in again and gives the same) and, where JSON's types do not hold it, has an expression in Python
that the notebook evaluates: no class of the notebook is needed here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from orchestra_nb.model.counted import counted
from orchestra_nb.model.secret_values import HIDDEN, SECRET_KEY, Secret
from orchestra_nb.notebooks.annotation_reading import read_annotation_text
from orchestra_nb.notebooks.converted_values import (
    CONTAINERS,
    Converted,
    Misfit,
    broken_constraint,
    container_of,
    fields_of,
    is_exact,
    is_json,
    items_of,
    listed,
    literal,
    mapping_of,
    member_name,
    parsed_text,
    secret_in,
)
from orchestra_nb.notebooks.notebook_scope import Scope
from orchestra_nb.notebooks.parameter_scalars import (
    CONSTANTS,
    NotOfKind,
    kind_of,
    plain_source,
    quoted,
    read_scalar,
    recorded_scalar,
    resolve_type,
    scalar_source,
    unwrapped,
)
from orchestra_nb.notebooks.parameter_types import (
    AnyType,
    Building,
    ConstrainedType,
    DictType,
    EnumType,
    ForeignType,
    Kind,
    ListType,
    LiteralType,
    ParameterType,
    RecordType,
    ScalarType,
    SecretForm,
    SecretType,
    TupleType,
    UnionType,
)

#: How deep a value may be nested.
LIMIT_DEPTH: Final = 100
_NO_JSON: Final = "Values are None, True, False, numbers, texts, dates, lists and dicts of these with texts as keys"
#: How the class of a secret is written where the notebook has no name for it.
_SECRET_CLASSES: Final = {
    SecretForm.SECRET: '__import__("orchestra_nb.variables", fromlist=["Secret"]).Secret',
    SecretForm.SECRET_STR: '__import__("pydantic").SecretStr',
}


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts values for one notebook.

    Parameters
    ----------
    scope
        What its names stand for after its parameters cell.
    find_secret
        Returns a stored secret by its name; None where secrets are only checked for their form.
    is_strict
        Refuse fields that a class does not name.
    """

    scope: Scope = field(default_factory=Scope)
    find_secret: Callable[[str], Secret] | None = None
    is_strict: bool = True

    def convert(self, kind: ParameterType, value: object, *, is_text: bool = False, depth: int = 0) -> Converted:
        """Return a value as this type.

        Parameters
        ----------
        is_text
            It was written on a command line.

        Raises
        ------
        Misfit
            It does not fit.
        """
        if depth > LIMIT_DEPTH:
            raise Misfit(value, f"it is nested more than {LIMIT_DEPTH} deep")
        value = unwrapped(value)
        if isinstance(value, str) and value == HIDDEN:
            raise Misfit(value, "it was hidden where you have it from: give the secret itself", is_secret=True)
        if isinstance(value, list) and is_exact(kind, value, LIMIT_DEPTH - depth):
            return Converted(value, value)
        if secret_in(value) is not None:
            return self._secret(_secret_type_in(kind), value)
        match kind:
            case AnyType():
                return self._any(kind, value, is_text, depth)
            case ScalarType():
                return self._scalar(kind, value, is_text)
            case SecretType():
                return self._secret(kind, value)
            case ConstrainedType(inner=inner, constraints=constraints):
                converted = self.convert(inner, value, is_text=is_text, depth=depth + 1)
                if (broken := broken_constraint(constraints, converted.value)) is not None:
                    raise Misfit(value, broken, is_secret=bool(converted.secrets))
                return converted
            case UnionType(options=options):
                return self._union(options, value, is_text, depth)
            case LiteralType(values=values):
                return literal(values, value, is_text=is_text)
            case EnumType():
                return self._enum(kind, value, is_text)
            case ForeignType():
                return self._foreign(kind, value, is_text, depth)
        if is_text and isinstance(value, str):
            value = parsed_text(value)
        match kind:
            case ListType(item=item, container=container):
                items = [
                    self._inside(f"[{number}]", item, each, depth)
                    for number, each in enumerate(items_of(value, container))
                ]
                return container_of(container, items)
            case TupleType(items=kinds):
                given = items_of(value, "tuple")
                if len(given) != len(kinds):
                    raise Misfit(value, f"it has {counted(len(given), 'item')}, and {len(kinds)} are needed")
                pairs = zip(kinds, given, strict=True)
                parts = [self._inside(f"[{number}]", *pair, depth) for number, pair in enumerate(pairs)]
                return container_of("tuple", parts)
            case DictType(key=key_kind, value=value_kind):
                return self._dict(key_kind, value_kind, value, depth)
            case RecordType():
                return self._record(kind, value, depth)
        raise AssertionError(kind)

    def _inside(self, step: str, kind: ParameterType, value: object, depth: int, *, is_text: bool = False) -> Converted:
        try:
            return self.convert(kind, value, is_text=is_text, depth=depth + 1)
        except Misfit as misfit:
            raise misfit.inside(step) from None

    def _scalar(self, kind: ScalarType, value: object, is_text: bool) -> Converted:
        try:
            read = read_scalar(kind.kind, value, is_text=is_text)
        except NotOfKind as error:
            raise Misfit(value, str(error)) from None
        recorded = recorded_scalar(read)
        if kind.kind.is_plain:
            return Converted(read, recorded)
        return Converted(read, recorded, scalar_source(kind.kind, read, self._checked_spelling(kind)))

    def _checked_spelling(self, kind: ScalarType) -> str:
        """Return the notebook's own name for a class, where the name still means it after the parameters cell."""
        root = kind.spelled.partition(".")[0]
        if not root or not self.scope.has(root):
            return ""
        same = read_annotation_text(kind.spelled, self.scope)
        return kind.spelled if isinstance(same, ScalarType) and same.kind is kind.kind else ""

    def _any(self, kind: AnyType, value: object, is_text: bool, depth: int) -> Converted:
        hint = kind.hint
        if hint is not None and is_text and isinstance(value, str) and value not in CONSTANTS:
            return self._like_default(hint, value, depth)
        if hint is not None and not is_text and not _is_plain(hint):
            try:
                return self.convert(hint, value, depth=depth + 1)
            except Misfit:
                if not is_json(value):
                    raise
        if is_text and isinstance(value, str):
            value = resolve_type(value)
        scalar = kind_of(value)
        if isinstance(value, Enum) or fields_of(value) is not None:
            raise Misfit(
                value, "the class of its value is not known here: write a type for it into the parameters cell"
            )
        if scalar is not None:
            return self._scalar(ScalarType(scalar), value, is_text=False)
        if isinstance(value, Mapping):
            return self._dict(AnyType(), AnyType(), value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            container = next(name for name in CONTAINERS if isinstance(value, CONTAINERS[name]))
            items = [
                self._inside(f"[{number}]", AnyType(), each, depth)
                for number, each in enumerate(items_of(value, container))
            ]
            return container_of(container, items)
        raise Misfit(value, _NO_JSON)

    def _like_default(self, hint: ParameterType, text: str, depth: int) -> Converted:
        """Return a text of a command line as the type of a default, where nothing else is declared."""
        misfits: list[Misfit] = []
        for kind in _near(hint):
            try:
                return self.convert(kind, text, is_text=True, depth=depth + 1)
            except Misfit as misfit:
                misfits.append(misfit)
        if self.is_strict:
            raise misfits[0]
        return self._any(AnyType(), text, True, depth)

    def _dict(self, key_kind: ParameterType, value_kind: ParameterType, value: object, depth: int) -> Converted:
        if not isinstance(value, Mapping):
            raise Misfit(value)
        parts: dict[str, tuple[Converted, Converted]] = {}
        for key, item in value.items():
            if not isinstance(key, str) and isinstance(key_kind, AnyType):
                raise Misfit(value, f"its key {key!r} is no text")
            made_key = self._inside(f"[{key!r}]", key_kind, key, depth, is_text=isinstance(key, str))
            if isinstance(key_kind, AnyType):
                made_key = Converted(key, key)
            shown = made_key.recorded if isinstance(made_key.recorded, str) else json.dumps(made_key.recorded)
            parts[shown] = (made_key, self._inside(f"[{key!r}]", value_kind, item, depth))
        recorded = {key: part.recorded for key, (_, part) in parts.items()}
        secrets = tuple(text for _, part in parts.values() for text in part.secrets)
        if all(part.source is None and isinstance(made.value, str) for made, part in parts.values()):
            return Converted(recorded, recorded, None, secrets)
        inside = ", ".join(f"{made.text}: {part.text}" for made, part in parts.values())
        return Converted(recorded, recorded, f"{{{inside}}}", secrets)

    def _union(self, options: tuple[ParameterType, ...], value: object, is_text: bool, depth: int) -> Converted:
        if is_text:  # a number is meant as one, and text is what is left
            options = tuple(sorted(options, key=_takes_any_text))
        is_first_best = is_text or isinstance(value, str)
        fitting: list[Converted] = []
        nearest: Misfit | None = None
        for option in options:
            try:
                fitting.append(self.convert(option, value, is_text=is_text, depth=depth + 1))
            except Misfit as misfit:
                if misfit.place or (misfit.reason and nearest is None):
                    nearest = misfit
                continue
            if is_first_best or type(fitting[-1].value) is type(value):
                return fitting[-1]
        if fitting:
            return fitting[0]
        raise nearest or Misfit(value)

    def _enum(self, kind: EnumType, value: object, is_text: bool) -> Converted:
        choices = kind.choices
        name = member_name(kind, value, is_text)
        if name is None and kind.is_flag and isinstance(value, int) and not isinstance(value, bool):
            return Converted(value, value, f"{self._class_name(kind)}({value})")
        if name is None:
            shown = [plain_source(choice) for choice in choices.values()]
            raise Misfit(value, f"write one of {listed(shown)}")
        return Converted(choices[name], choices[name], f"{self._class_name(kind)}.{name}")

    def _record(self, kind: RecordType, value: object, depth: int) -> Converted:
        given = mapping_of(kind, value)
        if given is None:
            raise Misfit(value, f"write its fields as a mapping: {', '.join(each.name for each in kind.fields)}")
        keys = {each.key or each.name: each for each in kind.fields} | {each.name: each for each in kind.fields}
        unknown = [key for key in given if key not in keys]
        if unknown and self.is_strict and not kind.is_open:
            raise Misfit(value, f"{kind.name} has no field {unknown[0]!r}; its fields are {listed(list(keys))}")
        parts: list[tuple[str, Converted]] = []
        for each in kind.fields:
            names = [name for name in (each.key, each.name) if name in given]
            if names:
                part = self._inside(f".{each.name}", each.type, given[names[0]], depth)
                parts.append((each.key or each.name, part))
            elif each.is_required:
                raise Misfit(value, f"{kind.name} needs a value for its field {each.name!r}")
        parts.extend((str(key), self._inside(f".{key}", AnyType(), given[key], depth)) for key in unknown)
        recorded = {name: part.recorded for name, part in parts}
        secrets = tuple(text for _, part in parts for text in part.secrets)
        return Converted(recorded, recorded, self._made(kind, parts), secrets)

    def _made(self, kind: RecordType, parts: list[tuple[str, Converted]]) -> str | None:
        mapping = "{" + ", ".join(f"{quoted(name)}: {part.text}" for name, part in parts) + "}"
        if kind.building is Building.MAPPING:
            return None if all(part.source is None for _, part in parts) else mapping
        name = self._class_name(kind)
        if kind.building is Building.MODEL:
            return f"{name}.model_validate({mapping})"
        if not all(key.isidentifier() for key, _ in parts):
            return f"{name}(**{mapping})"
        return f"{name}({', '.join(f'{key}={part.text}' for key, part in parts)})"

    def _foreign(self, kind: ForeignType, value: object, is_text: bool, depth: int) -> Converted:
        if isinstance(value, Enum):
            return Converted(value, value.name, f"{self._class_name(kind)}[{quoted(value.name)}]")
        fields = fields_of(value)
        if kind.is_enum and isinstance(value, str | int):
            name, text = self._class_name(kind), plain_source(value)
            found = f"{name}[{text}] if {text} in {name}.__members__ else {name}({text})"
            return Converted(value, value, found if isinstance(value, str) else f"{name}({text})")
        if kind.is_of_text and not isinstance(value, Mapping) and value is not None:
            text = str(recorded_scalar(value))
            return Converted(value, text, f"{self._class_name(kind)}({quoted(text)})")
        if is_text and isinstance(value, str) and value.lstrip().startswith("{"):
            value = parsed_text(value)
        given = fields if fields is not None else value
        if not isinstance(given, Mapping):
            return self._any(AnyType(), value, is_text, depth)
        made = self._dict(AnyType(), AnyType(), given, depth)
        return Converted(made.value, made.recorded, f"{self._class_name(kind)}(**{made.text})", made.secrets)

    def _class_name(self, kind: EnumType | RecordType | ForeignType) -> str:
        root = kind.spelled.partition(".")[0]
        if not self.scope.is_class(root):
            raise Misfit(None, f"the notebook has no class {kind.spelled} any more where its parameters are set")
        return kind.spelled

    def _secret(self, kind: SecretType | None, value: object) -> Converted:
        if kind is None:
            raise Misfit(value, "a secret is text", is_secret=True)
        found = secret_in(value)
        if isinstance(found, str):
            reference = found
            secret = Secret("") if self.find_secret is None else self.find_secret(reference)
            recorded: object = {SECRET_KEY: reference}
        elif found is not None or isinstance(value, str):
            secret = found if found is not None else Secret(str(value))
            recorded = HIDDEN
        else:
            raise Misfit(value, "a secret is text", is_secret=True)
        text = quoted(secret.get())
        if kind.form is not SecretForm.TEXT:
            root = kind.spelled.partition(".")[0]
            text = f"{kind.spelled if self.scope.has(root) else _SECRET_CLASSES[kind.form]}({text})"
        return Converted(secret, recorded, text, (secret.get(),))


def _secret_type_in(kind: ParameterType) -> SecretType | None:
    """Return as what a secret arrives where this type is declared; None where it cannot."""
    match kind:
        case SecretType():
            return kind
        case AnyType() | ForeignType() | ScalarType(kind=Kind.STR):
            return SecretType(SecretForm.TEXT)
        case ConstrainedType(inner=inner):
            return _secret_type_in(inner)
        case UnionType(options=options):
            return next((found for option in options if (found := _secret_type_in(option)) is not None), None)
    return None


def _takes_any_text(kind: ParameterType) -> int:
    match kind:
        case ConstrainedType(inner=inner):
            return _takes_any_text(inner)
        case ScalarType(kind=Kind.STR) | AnyType() | ForeignType() | SecretType():
            return 2
        case ScalarType(kind=Kind.PATH):
            return 1
    return 0


def _near(hint: ParameterType) -> Iterator[ParameterType]:
    """Yield what a default of this type lets expect, the nearest first: a number may be whole or not."""
    yield hint
    match hint:
        case ScalarType(kind=Kind.BOOL):
            yield from (ScalarType(Kind.INT), ScalarType(Kind.FLOAT))
        case ScalarType(kind=Kind.INT):
            yield ScalarType(Kind.FLOAT)
        case ListType(container=container):
            yield ListType(AnyType(), container)


def _is_plain(kind: ParameterType) -> bool:
    """Whether a default of this type says no more than JSON can."""
    match kind:
        case ScalarType(kind=scalar):
            return scalar.is_plain
        case ListType(item=item, container="list"):
            return _is_plain(item)
        case DictType(key=key, value=value):
            return _is_plain(key) and _is_plain(value)
        case AnyType(hint=hint):
            return hint is None or _is_plain(hint)
    return False
