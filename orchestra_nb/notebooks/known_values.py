"""What the analysis of a cell knows of a value without running anything.

A value is described by the *roots* it may share objects with: names of its scope whose object from before it may be,
or be part of. A new list of such objects has no roots of its own, its elements have (``elements``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from orchestra_nb.notebooks import mutations

_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(slots=True, eq=False)
class Routine:
    """A function, lambda or class of the notebook whose body runs when somebody uses it.

    Parameters
    ----------
    node
        Its definition; None where there is no source, then ``effects`` is set from the start.
    home
        The scope that its free names belong to.
    defaults
        Parameter to what its default value shares.
    methods
        Of a class: name to method.
    bases
        Of a class: the classes of the notebook that it derives from. Of a function: what else its call may run.
    is_exact
        Calls pass their arguments to it as they are: it is not wrapped by an unknown decorator.
    closure
        Names of an enclosing function that has ended, for a live function.
    """

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None
    home: Home
    defaults: Mapping[str, Value] = field(default_factory=dict)
    methods: dict[str, Routine] = field(default_factory=dict)
    bases: tuple[Routine, ...] = ()
    is_class: bool = False
    is_exact: bool = True
    closure: Mapping[str, Value] = field(default_factory=dict)
    effects: Effects | None = None
    is_being_read: bool = False

    def parameters(self) -> list[str]:
        """Return the names of all parameters in the order of positional arguments, then the keyword-only ones."""
        if self.node is None:
            return []
        arguments = self.node.args
        return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]

    def catch_all_parameters(self) -> list[str]:
        """Return the names of ``*args`` and ``**kwargs``."""
        if self.node is None:
            return []
        return [a.arg for a in (self.node.args.vararg, self.node.args.kwarg) if a is not None]

    def all_parameters(self) -> list[str]:
        """Return the names of all parameters."""
        return [*self.parameters(), *self.catch_all_parameters()]


@dataclass(frozen=True, slots=True)
class Effects:
    """What one call of a function does, in terms of its free names and parameters.

    Parameters
    ----------
    reads, binds, deletes
        Free names.
    mutates
        Free names and parameters whose object may be changed.
    returns
        What the result may share.
    uses
        Functions that belong to another scope and may run: their own free names are looked up there.
    changes_arguments
        All arguments may be changed: nothing is known of the parameters.
    """

    reads: frozenset[str] = _NOTHING
    binds: frozenset[str] = _NOTHING
    deletes: frozenset[str] = _NOTHING
    mutates: frozenset[str] = _NOTHING
    returns: frozenset[str] = _NOTHING
    uses: frozenset[Routine] = frozenset()
    changes_arguments: bool = False
    opaque: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of a value.

    Parameters
    ----------
    roots
        Names whose object from before this may be, or be a part of.
    elements
        Names whose objects it may hold, while it is new itself.
    routines
        Functions and classes of the notebook that it may be.
    path
        The dotted path of a module, function or class of a library.
    package
        The top-level package of its type, or of the function that made it.
    kind
        The top-level package of its type, where that is known or the code says it; ``"__main__"`` for a class of the
        notebook.
    instance_of
        The class of the notebook that it is an instance of.
    """

    roots: frozenset[str] = _NOTHING
    elements: frozenset[str] = _NOTHING
    routines: tuple[Routine, ...] = ()
    path: str | None = None
    package: str | None = None
    kind: str | None = None
    instance_of: Routine | None = None

    @property
    def all_roots(self) -> frozenset[str]:
        """The roots of the value and of what it holds."""
        return self.roots | self.elements if self.elements else self.roots

    def part(self) -> Value:
        """Return what is known of an element or attribute of it."""
        return Value(roots=self.all_roots, package=self.package, kind=mutations.kind_of_part(self.kind))

    def holding(self, others: Iterable[Value]) -> Value:
        """Return it after the others were put into it."""
        elements = self.elements.union(*(other.all_roots for other in others))
        return self if elements == self.elements else replace(self, elements=elements)


#: A new object, a number, a string: sharing nothing.
NEW: Final = Value()


def new_holder(values: Iterable[Value]) -> Value:
    """Return a new object that holds the values."""
    elements = _NOTHING.union(*(value.all_roots for value in values))
    return Value(elements=elements) if elements else NEW


def either(first: Value, second: Value) -> Value:
    """Return what is known of a value that is one of two."""
    if first is second or first == second:
        return first
    routines = first.routines + tuple(r for r in second.routines if r not in first.routines)
    return Value(
        roots=first.roots | second.roots,
        elements=first.elements | second.elements,
        routines=routines,
        path=first.path if first.path == second.path else None,
        package=first.package if first.package == second.package else None,
        kind=first.kind if first.kind == second.kind else None,
        instance_of=first.instance_of if first.instance_of is second.instance_of else None,
    )


class Home(Protocol):
    """What lies around a scope: another scope, or the notebook."""

    def outer_value(self, name: str) -> Value:
        """Return what is known now of a name that an inner scope leaves free; its root is the name itself."""
