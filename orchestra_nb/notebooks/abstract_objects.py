"""Objects of a notebook that runs abstractly: what is made, held, changed, viewed and gone through."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Final

from orchestra_nb.notebooks import mutations
from orchestra_nb.notebooks.abstract_values import (
    NOTHING,
    NUMBER,
    TEXT,
    UNKNOWN,
    Bound,
    Class,
    Function,
    Instance,
    Thing,
    Value,
    any_of,
    either,
    thing_value,
)
from orchestra_nb.notebooks.library_types import (
    BUILTIN_CONTAINERS,
    ITERATORS,
    attribute_kind,
    is_lazy_attribute,
)

#: More evaluations than this in one cell, and it is not followed further.
FUEL: Final = 60_000
_ITERATION: Final = ("__iter__", "__next__", "__getitem__", "__len__")
_TEXT_METHODS: Final = ("__str__", "__repr__", "__format__", "_repr_html_", "_repr_mimebundle_", "_ipython_display_")


class AbstractObjects:
    """What expressions do with objects; the abstract methods are what it needs of the run around it."""

    def __init__(self, cell: int, shares_frames: bool) -> None:
        self.cell = cell
        #: whether a part of a pandas object may show changes of the whole (before pandas 3)
        self.shares_frames = shares_frames
        self.mutated: set[Thing] = set()
        self.opaque: str | None = None
        #: above 0 where the code may not run
        self.uncertain = 0
        #: what a library may be calling at this moment: it may hold itself
        self.handed_over: set[Thing] = set()
        self.fuel = FUEL
        #: what was made at (expression, calls around it, what for)
        self._made: dict[tuple[object, ...], Thing] = {}
        self.context: tuple[int, ...] = ()
        #: counts changes of names and of what things hold
        self.epoch = 0

    @abstractmethod
    def call_function(self, function: Function, positional: Sequence[Value], node: ast.AST) -> Value:
        """Call a function of the notebook."""

    @abstractmethod
    def library_attribute(self, path: str) -> None:
        """Look at an attribute or item of a library."""

    @abstractmethod
    def attribute_needs(self, name: str, value: Value) -> None:
        """Note the resources that an attribute of this name needs, of whatever object."""

    @abstractmethod
    def touch_file_of(self, thing: Thing) -> None:
        """A thing with a file behind it is changed: so is the file."""

    @abstractmethod
    def shared_thing_changed(self, thing: Thing) -> None:
        """An object that a library hands out to everybody is changed."""

    @abstractmethod
    def shell_attribute(self, name: str) -> Value:
        """Return an attribute of ``get_ipython()``."""

    @abstractmethod
    def shown_within_text(self, value: Value) -> None:
        """A value is turned into a text."""

    def new(self, kind: str, node: object, *, is_open: bool = True, use: object = None) -> Thing:
        """Return the thing that is made at a place of the code."""
        key = (id(node), self.context, use, kind)
        thing = self._made.get(key)
        if thing is None:
            thing = self._made[key] = Thing(kind, self.cell, is_open=is_open)
        return thing

    def put(self, thing: Thing, key: object, value: Value) -> None:
        """Put a value into a thing."""
        if value.things or value.paths or value.const is not UNKNOWN or key is not None:
            thing.put(key, value)
            self.epoch += 1

    def mutate(self, things: Iterable[Thing], *, elements: bool = False) -> None:
        """Change things in place; ``elements``: what others show of them, too."""
        pending = list(things)
        while pending:
            thing = pending.pop()
            if thing in self.mutated and not (elements and (thing.bases or thing.views)):
                continue
            self.mutated.add(thing)
            if thing.file is not None:
                self.touch_file_of(thing)
            elif thing.born < 0:
                self.shared_thing_changed(thing)
            if elements:
                pending.extend(base for base in thing.bases if base not in self.mutated)
                if thing.views:
                    pending.extend(view for view in thing.views if view not in self.mutated)
            elif thing.kind in ("numpy", "cursor", "index"):
                pending.extend(thing.bases)

    def view(self, thing: Thing, kind: str, node: object) -> Thing:
        """Return a thing that shows the elements of another one."""
        made = self.new(kind, node, use=thing)
        if self.shares_frames and not made.bases:
            made.bases = (thing,)
            thing.views = [*(thing.views or ()), made]
        return made

    def iterate(self, value: Value, node: object) -> Value:
        """Return what a loop over a value gives; iterators are used up."""
        items: list[Value] = []
        for thing in value.things:
            items.append(self._items_of(thing, node))
        return any_of(items) if items else (TEXT if value.kind == "str" else NOTHING)

    def _items_of(self, thing: Thing, node: object) -> Value:
        if thing.kind in ITERATORS:
            self.mutate([thing])
            if thing.resume is not None:
                return thing.resume(self)
            return TEXT if thing.kind == "file" else thing.part()
        if thing.resume is not None:
            return thing.resume(self)
        if isinstance(thing, Instance):
            return self.run_methods(thing, _ITERATION, node) or thing.part()
        if isinstance(thing, Class):
            return any_of([thing.part(), thing_value(thing)])  # an Enum
        if thing.kind == "groups":
            pair = self.new("tuple", node, is_open=False, use="group")
            self.put(pair, 0, NOTHING)
            self.put(pair, 1, thing_value(self.new("pandas", node, use="group")))
            return thing_value(pair)
        if thing.kind in ("dict", "pandas", "mask"):
            return TEXT if thing.kind == "dict" else NOTHING
        return thing.part()

    def consume(self, value: Value, node: object) -> None:
        """Whoever is given iterators uses them up."""
        for thing in value.things:
            if thing.kind in ITERATORS:
                self._items_of(thing, node)

    def run_methods(
        self, instance: Instance, names: Iterable[str], node: object, arguments: Sequence[Value] = ()
    ) -> Value | None:
        """Run those of these methods that the class of the notebook has; return what they give."""
        results: list[Value] = []
        for name in names:
            found = instance.of.find(name)
            for thing in found.things if found is not None else ():
                if isinstance(thing, Function):
                    self.uncertain += 1
                    result = self.call_function(thing, [thing_value(instance), *arguments], thing.node)
                    self.uncertain -= 1
                    items = [
                        self._items_of(item, node) if item.kind in ITERATORS else thing_value(item)
                        for item in result.things
                    ]
                    results.append(any_of(items))
        return any_of(results) if results else None

    def run_operators(self, value: Value, node: object, names: Sequence[str], other: Sequence[Value] = ()) -> Value:
        """An operator works on a value: instances of classes of the notebook have methods for that."""
        results: list[Value] = []
        for thing in value.things:
            if isinstance(thing, Instance) and (given := self.run_methods(thing, names, node, other)) is not None:
                results.append(given)
        return any_of(results)

    def as_text(self, value: Value, node: object) -> None:
        """Turn a value into a text."""
        self.shown_within_text(value)
        self.run_operators(value, node, _TEXT_METHODS)

    def say_opaque(self, reason: str) -> None:
        """Note why nothing can be proven of the cell; the first reason stays."""
        self.opaque = self.opaque or reason

    def attribute_of(self, value: Value, name: str, node: ast.AST) -> Value:
        """Return an attribute of a value."""
        self.attribute_needs(name, value)
        if value.kind == "shell":
            return self.shell_attribute(name)
        found: list[Value] = []
        for path in value.paths:
            self.library_attribute(f"{path}.{name}")
            found.append(Value(paths=(f"{path}.{name}",)))
        found.extend(self._attribute_of_thing(thing, name, node) for thing in value.things)
        if not found:
            return TEXT if value.kind == "path" else NOTHING
        return any_of(found)

    def _attribute_of_thing(self, thing: Thing, name: str, node: ast.AST) -> Value:
        if isinstance(thing, Instance):
            return self._attribute_of_instance(thing, name, node)
        if isinstance(thing, Class):
            found = thing.find(name)
            return found if found is not None else Value(thing.inside.things)
        if name in ("__dict__", "__self__"):
            return thing_value(thing)
        stored = thing.at("." + name)
        if thing.kind == "tuple" and name not in ("count", "index"):
            return thing.part() if stored is None else stored  # the fields of a named tuple
        if thing.kind in BUILTIN_CONTAINERS or thing.kind == "function":
            bound = Bound(self.cell, thing_value(thing), name)
            return thing_value(bound) if stored is None else stored
        if name in mutations.PLAIN_ATTRIBUTES:
            return NUMBER if stored is None else stored
        if thing.kind == "groups":
            value = thing_value(thing)
        elif thing.kind == "pandas" and name in ("index", "columns"):
            made = self.new("index", node, use=thing)
            made.bases = (thing,)
            value = thing_value(made)
        elif thing.kind in ("pandas", "mask") and (name == "T" or not is_lazy_attribute(name)):
            value = thing_value(self.view(thing, attribute_kind(name), node))
        else:
            value = thing_value(thing)
        return value if stored is None else either(value, stored)

    def _attribute_of_instance(self, instance: Instance, name: str, node: ast.AST) -> Value:
        if name == "__dict__":
            return thing_value(instance)
        if name == "__class__":
            return thing_value(instance.of)
        found: list[Value] = []
        own = instance.at("." + name)
        if own is not None:
            found.append(own)
        of_class = instance.of.find(name) if own is None or not _is_cached(instance, name) else None
        if of_class is not None and any(thing.origin == "dataclasses.field" for thing in of_class.things):
            of_class = None
        if of_class is not None:
            found.extend(self._bound(thing, instance, name, node) for thing in of_class.things)
            found.append(of_class._replace(things=frozenset()))
        if not found:
            getter = instance.of.find("__getattr__")
            if getter is not None:
                given = self.run_methods(instance, ("__getattr__",), node, [Value(const=name, kind="str")])
                found.append(given if given is not None else NOTHING)
            found.append(Value(instance.inside.things, instance.inside.paths))
            if instance.is_open:
                found.append(thing_value(instance))
        return any_of(found)

    def _bound(self, thing: Thing, instance: Instance, name: str, node: ast.AST) -> Value:
        if not isinstance(thing, Function) or thing.binding == "static":
            return thing_value(thing)
        if thing.binding == "property":
            return self.call_function(thing, [thing_value(instance)], node)
        if thing.binding == "cached":
            value = self.call_function(thing, [thing_value(instance)], node)
            self.mutate([instance])
            self.put(instance, "." + name, value)
            return value
        receiver = thing_value(instance.of if thing.binding == "class" else instance)
        return thing_value(Bound(self.cell, receiver, name, thing))


def _is_cached(instance: Instance, name: str) -> bool:
    of_class = instance.of.find(name)
    things = of_class.things if of_class is not None else frozenset()
    return bool(things) and all(isinstance(thing, Function) and thing.binding == "cached" for thing in things)
