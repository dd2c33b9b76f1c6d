"""What the conversion of a value works with: values that fit, misfits, and the shapes that values come in."""

from __future__ import annotations

import ast
import dataclasses
import json
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from orchestra_nb.model.secret_values import SECRET_KEY, Secret
from orchestra_nb.notebooks.parameter_scalars import plain_source
from orchestra_nb.notebooks.parameter_types import (
    AnyType,
    Constraints,
    EnumType,
    Kind,
    ListType,
    ParameterType,
    RecordType,
    ScalarType,
)
from orchestra_nb.notebooks.static_values import Instance, Member

_MOST_SHOWN: Final = 20
_PLAIN: Final = {Kind.BOOL: bool, Kind.INT: int, Kind.FLOAT: float, Kind.STR: str}
_PLAIN_TYPES: Final = frozenset(_PLAIN.values())
#: Name of a container to its class.
CONTAINERS: Final[dict[str, type]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


@dataclass(frozen=True, slots=True)
class Converted:
    """A value that fits.

    Parameters
    ----------
    value
        What constraints are checked on.
    recorded
        As JSON has it, secrets hidden.
    source
        Python that makes it; None where ``recorded`` is the value itself.
    secrets
        Texts that must not be seen.
    """

    value: object
    recorded: object
    source: str | None = None
    secrets: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the Python that makes it."""
        return plain_source(self.recorded) if self.source is None else self.source


class Misfit(Exception):
    """A value does not fit.

    Parameters
    ----------
    reason
        What is wrong, or how it is written; may be empty.
    place
        Where in the whole value: ``"[2]"``, ``".start"``.
    """

    def __init__(self, value: object, reason: str = "", place: str = "", *, is_secret: bool = False) -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason
        self.place = place
        self.is_secret = is_secret

    def inside(self, step: str) -> Misfit:
        """Return the same one level further out."""
        return Misfit(self.value, self.reason, step + self.place, is_secret=self.is_secret)


def secret_in(value: object) -> Secret | str | None:
    """Return the secret that a value is, or the name of the stored one that it refers to; None for other values."""
    if isinstance(value, Secret):
        return value
    if callable(reveal := getattr(type(value), "get_secret_value", None)):  # pydantic's
        return Secret(str(reveal(value)))
    if isinstance(value, Mapping) and set(value) == {SECRET_KEY} and isinstance(value[SECRET_KEY], str):
        return str(value[SECRET_KEY])
    return None


def literal(values: Sequence[object], value: object, *, is_text: bool) -> Converted:
    """Return a value that is one of these.

    Raises
    ------
    Misfit
        It is none of them.
    """
    for known in values:
        if type(known) is type(value) and known == value:
            return Converted(known, known)
    if is_text:
        for known in values:
            if str(known) == value:
                return Converted(known, known)
    raise Misfit(value, f"write one of {listed([plain_source(known) for known in values])}")


def member_name(kind: EnumType, value: object, is_text: bool) -> str | None:
    """Return the name of the member that a value stands for: by its value, by its name, or the member itself."""
    names = [name for name, _ in kind.members]
    if isinstance(value, Member | Enum):
        name = str(value.name)
        return name if name in names else None
    for name, known in kind.members:
        if (type(known) is type(value) and known == value) or (is_text and str(known) == value):
            return name
    return value if isinstance(value, str) and value in names else None


def container_of(container: str, items: Sequence[Converted]) -> Converted:
    """Return the list, tuple, set or frozenset of these items."""
    recorded = [item.recorded for item in items]
    secrets = tuple(text for item in items for text in item.secrets)
    if container == "list" and all(item.source is None for item in items):
        return Converted(recorded, recorded, None, secrets)
    texts = ", ".join(item.text for item in items)
    source = {
        "list": f"[{texts}]",
        "tuple": f"({texts}{',' if len(items) == 1 else ''})",
        "set": f"{{{texts}}}" if items else "set()",
        "frozenset": f"frozenset({{{texts}}})" if items else "frozenset()",
    }[container]
    return Converted(recorded, recorded, source, secrets)


def items_of(value: object, container: str) -> list[object]:
    """Return the items of a value that is to become a container.

    Raises
    ------
    Misfit
        It is no list, tuple or set.
    """
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, set | frozenset) and container in ("set", "frozenset"):
        return sorted(value, key=repr)  # the same record in every process
    raise Misfit(value)


def mapping_of(kind: RecordType, value: object) -> Mapping[Any, object] | None:
    """Return the fields of a value that is to become a record; None where it has none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Instance):
        if len(value.arguments) > len(kind.fields):
            return None
        named = zip((each.name for each in kind.fields), value.arguments, strict=False)
        return dict(named) | dict(value.keywords)
    return fields_of(value)


def fields_of(value: object) -> dict[str, object] | None:
    """Return the fields of a real object of a class with named fields; None for any other value."""
    kind = type(value)
    if isinstance(value, Member | Instance):
        return None
    if dataclasses.is_dataclass(kind):
        names = [each.name for each in dataclasses.fields(kind) if each.init]
    elif isinstance(models := getattr(kind, "model_fields", None), dict):  # pydantic
        names = list(models)
    elif isinstance(structs := getattr(kind, "__struct_fields__", None), tuple):  # msgspec
        names = list(structs)
    elif isinstance(value, tuple) and isinstance(fields := getattr(kind, "_fields", None), tuple):
        names = list(fields)
    elif (attributes := getattr(kind, "__attrs_attrs__", None)) is not None:
        names = [each.name for each in attributes if each.init]
    else:
        return None
    return {name: getattr(value, name) for name in names}


def parsed_text(text: str) -> object:
    """Return the list or mapping that a text on a command line means: JSON, Python or YAML.

    Raises
    ------
    Misfit
        It is none.
    """
    text = text.strip()
    if text[:1] not in ("[", "{", "("):
        raise Misfit(text, 'write it as JSON, such as [1, 2] or {"name": 1}')
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    import yaml  # the notebook's parameters are mostly JSON

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Misfit(text, "it is neither JSON nor YAML") from None


def broken_constraint(constraints: Constraints, value: Any) -> str | None:
    """Return what a value breaks, in words; None when it keeps all."""
    if value is None:
        return None
    bounds: tuple[tuple[object, Callable[[Any, Any], bool], str], ...] = (
        (constraints.ge, operator.ge, "at least"),
        (constraints.gt, operator.gt, "greater than"),
        (constraints.le, operator.le, "at most"),
        (constraints.lt, operator.lt, "less than"),
    )
    try:
        for bound, holds, words in bounds:
            if bound is not None and not holds(value, bound):
                return f"it must be {words} {bound}"
        if (step := constraints.multiple_of) is not None and not _is_multiple(value, step):
            return f"it must be a multiple of {step}"
    except TypeError:  # a bound of another type: the notebook's own class knows better
        return None
    if hasattr(value, "__len__"):
        if constraints.min_length is not None and len(value) < constraints.min_length:
            return f"its length must be at least {constraints.min_length}"
        if constraints.max_length is not None and len(value) > constraints.max_length:
            return f"its length must be at most {constraints.max_length}"
    if constraints.pattern is not None and isinstance(value, str) and not _matches(constraints.pattern, value):
        return f"it must match {constraints.pattern}"
    return None


def _is_multiple(value: Any, step: Any) -> bool:
    if isinstance(value, float) or isinstance(step, float):
        if not math.isfinite(value / step):  # nan and inf are multiples of nothing; nor is what is too large to tell
            return False
        return math.isclose(value / step, round(value / step), abs_tol=1e-9)
    return bool(value % step == type(value % step)(0))


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # pydantic's expressions are Rust's
        return True


def is_exact(kind: ParameterType, value: object, depth: int) -> bool:
    """Whether a value is of a plain type already, so that there is nothing to convert: a short way for long lists."""
    if depth < 0:
        return False
    match kind:
        case ScalarType(kind=scalar):
            return type(value) is _PLAIN.get(scalar)
        case AnyType(hint=None) if not isinstance(value, list | dict):
            return value is None or type(value) in _PLAIN_TYPES
        case AnyType(hint=None) if isinstance(value, dict):
            return SECRET_KEY not in value and all(
                type(key) is str and is_exact(kind, item, depth - 1) for key, item in value.items()
            )
        case AnyType(hint=None):
            item_kind: ParameterType = kind
        case ListType(item=item_kind, container="list"):
            pass
        case _:
            return False
    return isinstance(value, list) and all(is_exact(item_kind, item, depth - 1) for item in value)


def is_json(value: object) -> bool:
    """Whether a value is of JSON's types, at its top."""
    return value is None or isinstance(value, bool | int | float | str | list | dict)


def listed(words: Sequence[str]) -> str:
    """Return words as a list for people."""
    shown = ", ".join(words[:_MOST_SHOWN])
    return f"{shown}, …" if len(words) > _MOST_SHOWN else shown or "none"
