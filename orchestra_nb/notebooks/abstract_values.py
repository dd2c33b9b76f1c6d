"""What the analysis of a whole notebook knows of values: which objects they may be, and what those hold.

The analysis runs a notebook abstractly. Each place where an object is made stands for one :class:`Thing`; things live
longer than the cell that made them, so that other names for the same object, what was put into containers, attributes
and closures are known in later cells. What a thing holds only grows: a way that was not taken costs precision, never
truth.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from orchestra_nb.notebooks.abstract_state import Frame

#: The unknown part of a text that is known otherwise: ``f"out/{name}.csv"``.
WILDCARD: Final = "\0"
_NO_THINGS: Final[frozenset[Thing]] = frozenset()


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


#: A constant that is not known; None is a constant.
UNKNOWN: Final = _Unknown()


class Thing:
    """An object, or all objects that are made at one place.

    Parameters
    ----------
    kind
        The type in short: ``"list"``, ``"instance"``, ``"iterator"``, the top-level package of a library's object;
        empty where it is unknown.
    born
        The cell that made it.
    is_open
        What it holds is not all known: a part of it may be anything that counts as itself.

    Attributes
    ----------
    inside
        What it holds at places that are not told apart.
    named
        Attribute (``".a"``), key or position to value.
    changed_in
        Cells after the one that made it that may have changed it.
    bases
        Things whose content it shows: to change its elements changes theirs; ``views`` is the other direction.
    resume
        Of an iterator: runs what its next step runs, in the run that it is given, and returns what that gives.
    """

    __slots__ = (
        "bases", "born", "changed_in", "draws", "file", "inside", "is_open", "kind", "named", "origin", "resume",
        "views", "writes_file",
    )  # fmt: skip

    def __init__(self, kind: str, born: int, *, is_open: bool = True) -> None:
        self.kind = kind
        self.born = born
        self.is_open = is_open
        self.inside: Value = NOTHING
        self.named: dict[object, Value] | None = None
        self.changed_in: list[int] = []
        self.bases: tuple[Thing, ...] = ()
        self.views: list[Thing] | None = None
        self.resume: Callable[[Any], Value] | None = None
        #: the file or database that it reads or writes, as a pattern
        self.file: str | None = None
        self.writes_file = False
        #: the path of the function or class of a library that made it
        self.origin = ""
        #: it draws from NumPy's random state when it is fitted
        self.draws = False

    def put(self, key: object, value: Value) -> None:
        """Put a value in; ``key`` is None where the place is not known."""
        if key is None:
            self.inside = either(self.inside, value) if self.inside is not NOTHING else value
            return
        if self.named is None:
            self.named = {}
        before = self.named.get(key)
        self.named[key] = value if before is None else either(before, value)

    def part(self) -> Value:
        """Return what may be found somewhere in it."""
        value = self.inside
        if self.named:
            for other in self.named.values():
                value = other if value is NOTHING else either(value, other)
        if self.is_open:
            own = Value(frozenset((self,)))
            value = own if value is NOTHING else either(value, own)
        return value

    def at(self, key: object) -> Value | None:
        """Return what is at a known place, None where nothing is known of it."""
        if not self.named or key not in self.named:
            return None
        value = self.named[key]
        return value if self.inside is NOTHING else either(value, self.inside)


class Function(Thing):
    """A function or lambda of the notebook.

    Parameters
    ----------
    home
        The frame in which it is defined: where its free names are looked up.
    owner
        The class in whose body it is defined.
    binding
        ``"static"``, ``"class"``, ``"property"`` or empty.
    """

    __slots__ = ("binding", "body", "defaults", "home", "is_generator", "names", "node", "outer_names", "owner")

    def __init__(
        self,
        born: int,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        home: Frame,
        defaults: dict[str, Value],
    ) -> None:
        super().__init__("function", born, is_open=False)
        self.node = node
        self.home = home
        self.defaults = defaults
        self.owner: Class | None = None
        self.binding = ""
        self.is_generator = False
        self.names: frozenset[str] = frozenset()
        self.outer_names: frozenset[str] = frozenset()
        self.body: list[ast.stmt] = []
        for name, value in defaults.items():
            self.put(name, value)


class Class(Thing):
    """A class of the notebook; its attributes are in ``named``, methods among them."""

    __slots__ = ("fields", "name", "parents")

    def __init__(self, born: int, name: str, parents: tuple[Value, ...]) -> None:
        super().__init__("class", born, is_open=False)
        self.name = name
        self.parents = parents
        #: annotated names of the body, in order: the parameters of a dataclass
        self.fields: list[str] = []

    def find(self, attribute: str) -> Value | None:
        """Return an attribute of the class or of the classes of the notebook that it derives from."""
        own = self.at("." + attribute)
        if own is not None:
            return own
        for parent in self.parents:
            for thing in parent.things:
                if isinstance(thing, Class) and thing is not self and (found := thing.find(attribute)) is not None:
                    return found
        return None

    def library_parent(self) -> str | None:
        """Return the path of a class of a library that it derives from, ``""`` for one of which nothing is known."""
        for parent in self.parents:
            if parent.paths:
                if parent.paths[0] not in ("builtins.object", "builtins.Exception"):
                    return parent.paths[0]
                continue
            for thing in parent.things:
                if not isinstance(thing, Class):
                    return ""
                found = thing.library_parent() if thing is not self else None
                if found is not None:
                    return found
        return None


class Instance(Thing):
    """An object of a class of the notebook."""

    __slots__ = ("of",)

    def __init__(self, born: int, of: Class) -> None:
        library = of.library_parent()
        super().__init__("instance", born, is_open=library is not None)
        self.of = of


class Bound(Thing):
    """A method together with its receiver: ``f = items.append``."""

    __slots__ = ("attribute", "function", "receiver")

    def __init__(self, born: int, receiver: Value, attribute: str, function: Function | None = None) -> None:
        super().__init__("function", born, is_open=False)
        self.receiver = receiver
        self.attribute = attribute
        self.function = function
        self.inside = receiver


class Value(NamedTuple):
    """What is known of a value.

    Parameters
    ----------
    things
        The objects that it may be, as far as they can change; empty for a number or a text.
    paths
        Dotted paths of what it may be in a library: a module, function or class.
    const
        The constant that it is, or UNKNOWN; texts may have gaps (``WILDCARD``).
    kind
        The type of a value that cannot change: ``"number"``, ``"str"``, ``"path"``, or empty.
    """

    things: frozenset[Thing] = _NO_THINGS
    paths: tuple[str, ...] = ()
    const: Any = UNKNOWN
    kind: str = ""

    def kinds(self) -> set[str]:
        """Return the types that it may have."""
        return {thing.kind for thing in self.things} or {self.kind}

    def text(self) -> str | None:
        """Return the text that it is, perhaps with gaps."""
        return self.const if isinstance(self.const, str) else None

    def exact_text(self) -> str | None:
        """Return the text that it is, None where any part of it is unknown."""
        return self.const if isinstance(self.const, str) and WILDCARD not in self.const else None


#: A value that shares nothing with any other and of which nothing else is known.
NOTHING: Final = Value()
NUMBER: Final = Value(kind="number")
TEXT: Final = Value(kind="str")
NONE: Final = Value(const=None, kind="none")


def thing_value(thing: Thing) -> Value:
    """Return the value that is this thing."""
    return Value(frozenset((thing,)))


def either(first: Value, second: Value) -> Value:
    """Return what is known of a value that is one of two."""
    if first is second or first == second:
        return first
    paths = first.paths
    if second.paths != paths:
        paths += tuple(path for path in second.paths if path not in paths)
    return Value(
        first.things | second.things,
        paths,
        first.const if type(first.const) is type(second.const) and first.const == second.const else UNKNOWN,
        first.kind if first.kind == second.kind else "",
    )


def any_of(values: Iterable[Value]) -> Value:
    """Return what is known of a value that is one of these."""
    result: Value | None = None
    for value in values:
        result = value if result is None else either(result, value)
    return NOTHING if result is None else result


def reachable(things: Iterable[Thing], *, with_classes: bool = True) -> set[Thing]:
    """Return these things and all that they hold: of a function its defaults and closure, not what it calls.

    ``with_classes``: the classes of instances, too.
    """
    found: set[Thing] = set()
    pending = list(things)
    while pending:
        thing = pending.pop()
        if thing in found:
            continue
        found.add(thing)
        pending.extend(thing.inside.things)
        if thing.named:
            for value in thing.named.values():
                pending.extend(value.things)
        if with_classes and isinstance(thing, Instance):
            pending.append(thing.of)
    return found
