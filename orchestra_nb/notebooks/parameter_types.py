"""The types that a notebook's parameters can have, as records: what annotations are read into.

They are read from text and never from live classes, so nothing of the notebook has run. Each says how people see it
(``str``), and those that are no plain JSON how the notebook spells the class that makes their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class _Unknown(Enum):
    UNKNOWN = "unknown"


#: What reading the text cannot tell. Apart from None, which is a value.
UNKNOWN: Final = _Unknown.UNKNOWN


class Kind(Enum):
    """A class of values without parts."""

    NONE = "None"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    STR = "str"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    TIMEDELTA = "timedelta"
    DECIMAL = "Decimal"
    PATH = "Path"
    UUID = "UUID"

    @property
    def is_plain(self) -> bool:
        """Whether JSON has its values, so that the notebook needs no class for them."""
        return self in (Kind.NONE, Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.STR)


class SecretForm(Enum):
    """As what a secret arrives in the notebook."""

    TEXT = "text"
    #: Orchestra's own class, ``orchestra_nb.variables.Secret``
    SECRET = "Secret"
    #: pydantic's class
    SECRET_STR = "SecretStr"


@dataclass(frozen=True, slots=True)
class AnyType:
    """Nothing is declared, so any value of JSON's types goes.

    ``hint`` is the type of the default where the parameter has no annotation: forms show it, and a text from a command
    line is read as it.
    """

    hint: ParameterType | None = None

    def __str__(self) -> str:
        return "" if self.hint is None else str(self.hint)


@dataclass(frozen=True, slots=True)
class ScalarType:
    """``spelled`` is how the notebook writes the class; empty where it has no name for it."""

    kind: Kind
    spelled: str = ""
    #: of a path: ``"path"``, ``"file-path"`` or ``"directory-path"``
    format: str = ""

    def __str__(self) -> str:
        return self.kind.value


@dataclass(frozen=True, slots=True)
class ListType:
    """Items of one type, in a list, tuple, set or frozenset."""

    item: ParameterType = AnyType()
    container: str = "list"

    def __str__(self) -> str:
        inside = str(self.item)
        if self.container == "tuple":
            return f"tuple[{inside or 'Any'}, ...]"
        return f"{self.container}[{inside}]" if inside else self.container


@dataclass(frozen=True, slots=True)
class TupleType:
    """So many items, each of a type of its own."""

    items: tuple[ParameterType, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(str(item) or 'Any' for item in self.items) or '()'}]"


@dataclass(frozen=True, slots=True)
class DictType:
    """Keys and values."""

    key: ParameterType = AnyType()
    value: ParameterType = AnyType()

    def __str__(self) -> str:
        inside = f"{str(self.key) or 'Any'}, {str(self.value) or 'Any'}"
        return "dict" if inside == "Any, Any" else f"dict[{inside}]"


@dataclass(frozen=True, slots=True)
class LiteralType:
    """One of these values."""

    values: tuple[object, ...]

    def __str__(self) -> str:
        return f"Literal[{', '.join(map(repr, self.values))}]"


@dataclass(frozen=True, slots=True)
class UnionType:
    """One of these types."""

    options: tuple[ParameterType, ...]

    def __str__(self) -> str:
        return " | ".join(str(option) or "Any" for option in self.options)


@dataclass(frozen=True, slots=True)
class Constraints:
    """What ``Annotated`` and ``Field`` say of a value beside its type. None: nothing is said.

    Bounds are Python values: those of a date are dates. ``examples``, ``title`` and ``description`` are for forms.
    """

    ge: object = None
    gt: object = None
    le: object = None
    lt: object = None
    multiple_of: object = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    title: str = ""
    description: str = ""
    examples: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class ConstrainedType:
    """A type with constraints."""

    inner: ParameterType
    constraints: Constraints

    def __str__(self) -> str:
        words = [
            f"{sign} {bound}"
            for sign, bound in (
                (">=", self.constraints.ge),
                (">", self.constraints.gt),
                ("<=", self.constraints.le),
                ("<", self.constraints.lt),
            )
            if bound is not None
        ]
        return f"{self.inner} {', '.join(words)}".rstrip()


@dataclass(frozen=True, slots=True)
class EnumType:
    """An enumeration of the notebook; a member's value is :data:`UNKNOWN` where it is no literal."""

    name: str
    spelled: str
    members: tuple[tuple[str, object], ...]
    is_flag: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def choices(self) -> dict[str, object]:
        """Return each member's name with what stands for it in JSON: its value, where that tells all members apart."""
        values = [value for _, value in self.members]
        kinds = {type(value) for value in values}
        is_told = kinds <= {str} or kinds <= {int}
        if is_told and len(set(values)) == len(values):
            return dict(self.members)
        return {name: name for name, _ in self.members}


class Building(Enum):
    """How a value with named fields is made of a mapping."""

    #: ``Class(a=1, b=2)``
    KEYWORDS = "keywords"
    #: ``Class.model_validate({"a": 1})``: pydantic's own conversion and validators
    MODEL = "model"
    #: the mapping itself
    MAPPING = "mapping"


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field of a class.

    ``key`` is its name in what people write, where that is another than its attribute (pydantic's alias).
    """

    name: str
    type: ParameterType
    key: str = ""
    is_required: bool = True
    default: object = UNKNOWN
    help: str = ""


@dataclass(frozen=True, slots=True)
class RecordType:
    """A class of the notebook with named fields: a dataclass, a pydantic model, a TypedDict, a NamedTuple and so on.

    ``is_open`` where it may have fields that the text does not show, such as those of an imported base class.
    """

    name: str
    spelled: str
    building: Building
    fields: tuple[RecordField, ...]
    is_open: bool = False
    description: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ForeignType:
    """A class whose text is not at hand: a mapping becomes its keywords, anything else is left as it is.

    ``is_enum`` where the default is a member (``Color.RED``): a text or number is looked up when the notebook runs.
    """

    name: str
    spelled: str
    is_enum: bool = False
    #: its values are made of one text, as those of ``pandas.Timestamp``
    is_of_text: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class SecretType:
    """A text that is written nowhere."""

    form: SecretForm
    spelled: str = ""

    def __str__(self) -> str:
        return "Secret" if self.form is SecretForm.TEXT else self.form.value


ParameterType = (
    AnyType
    | ScalarType
    | ListType
    | TupleType
    | DictType
    | LiteralType
    | UnionType
    | ConstrainedType
    | EnumType
    | RecordType
    | ForeignType
    | SecretType
)

NONE: Final = ScalarType(Kind.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter that a notebook declares.

    Parameters
    ----------
    annotation
        The text of its annotation (``"float | None"``), or of its type comment.
    default_source
        The text of its default; empty without one.
    default
        The default as JSON has it, where the text tells it; else :data:`UNKNOWN`.
    is_required
        It is declared without a default (``x: int``), so each run must give it.
    help
        The comment at the end of its line.
    """

    name: str
    annotation: str | None = None
    type: ParameterType = field(default_factory=AnyType)
    default_source: str = ""
    default: object = UNKNOWN
    is_required: bool = False
    help: str = ""

    @property
    def is_secret(self) -> bool:
        """Whether some of its value is a secret."""
        return holds_secret(self.type)


def parts_of(kind: ParameterType) -> Iterator[ParameterType]:
    """Yield the types that a type is made of."""
    match kind:
        case ConstrainedType(inner=inner):
            yield inner
        case ListType(item=item):
            yield item
        case TupleType(items=items):
            yield from items
        case DictType(key=key, value=value):
            yield key
            yield value
        case UnionType(options=options):
            yield from options
        case RecordType(fields=fields):
            for each in fields:
                yield each.type
        case AnyType(hint=hint) if hint is not None:
            yield hint


def holds_secret(kind: ParameterType) -> bool:
    """Whether a value of this type has a secret in it."""
    return isinstance(kind, SecretType) or any(map(holds_secret, parts_of(kind)))


def is_nullable(kind: ParameterType) -> bool:
    """Whether None is a value of this type that it names."""
    match kind:
        case ScalarType(kind=Kind.NONE):
            return True
        case UnionType(options=options):
            return any(map(is_nullable, options))
        case ConstrainedType(inner=inner):
            return is_nullable(inner)
        case LiteralType(values=values):
            return None in values
    return False


def with_none(kind: ParameterType) -> ParameterType:
    """Return a type that None is a value of: ``x: int = None`` means what its default says, too."""
    return kind if isinstance(kind, AnyType | ForeignType) or is_nullable(kind) else UnionType((kind, NONE))


def constrained(kind: ParameterType, words: Mapping[str, object]) -> ParameterType:
    """Return a type with what these words say; the type itself when they say nothing."""
    said = {word: value for word, value in words.items() if value not in (None, "", ())}
    return ConstrainedType(kind, Constraints(**said)) if said else kind  # type: ignore[arg-type]  # by their names
