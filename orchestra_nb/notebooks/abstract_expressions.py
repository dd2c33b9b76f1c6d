"""What an expression of a notebook reads, changes and gives, with the objects of all cells before at hand."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from orchestra_nb.notebooks.abstract_objects import AbstractObjects
from orchestra_nb.notebooks.abstract_values import (
    NONE,
    NOTHING,
    NUMBER,
    TEXT,
    UNKNOWN,
    WILDCARD,
    Bound,
    Class,
    Function,
    Instance,
    Thing,
    Value,
    any_of,
    either,
    reachable,
    thing_value,
)
from orchestra_nb.notebooks.library_types import (
    ARRAYS,
    BUILTIN_CONTAINERS,
    PLAIN_KINDS,
    is_lazy_attribute,
)

#: Operator to the name in its special methods: ``__add__``, ``__radd__``, ``__iadd__``.
_OPERATORS: Final[dict[type[ast.AST], str]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.MatMult: "matmul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.BitAnd: "and",
}
_COMPARISONS: Final[dict[type[ast.AST], tuple[str, ...]]] = {
    ast.Eq: ("__eq__",),
    ast.NotEq: ("__ne__", "__eq__"),
    ast.Lt: ("__lt__", "__gt__"),
    ast.LtE: ("__le__", "__ge__"),
    ast.Gt: ("__gt__", "__lt__"),
    ast.GtE: ("__ge__", "__le__"),
    ast.In: ("__contains__", "__iter__", "__getitem__"),
    ast.NotIn: ("__contains__", "__iter__", "__getitem__"),
}
_UNARY: Final[dict[type[ast.AST], tuple[str, ...]]] = {
    ast.USub: ("__neg__",),
    ast.UAdd: ("__pos__",),
    ast.Invert: ("__invert__",),
    ast.Not: ("__bool__", "__len__"),
}


class TooLong(Exception):
    """A cell needs more steps than the analysis makes."""


class AbstractExpressions(AbstractObjects):
    """Evaluates expressions; the abstract methods are what it needs of the run around it."""

    # What the run around gives

    @abstractmethod
    def read(self, name: str) -> Value:
        """Read a name."""

    @abstractmethod
    def peek(self, name: str) -> Value:
        """Return what is known of a name without reading it."""

    @abstractmethod
    def bind(self, name: str, value: Value) -> None:
        """Bind a name."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Unbind a name."""

    @abstractmethod
    def call(self, node: ast.Call) -> Value:
        """Evaluate a call."""

    @abstractmethod
    def make_lambda(self, node: ast.Lambda) -> Value:
        """Return a lambda."""

    @abstractmethod
    def in_branches(self, branches: Sequence[Callable[[], Value]]) -> Value:
        """Evaluate alternatives, each from the present state, and go on with what they have in common."""

    @abstractmethod
    def within_comprehension(self, target: ast.expr, items: Value, inside: Callable[[], Value]) -> Value:
        """Return ``inside()`` while the target names stand for the items; it may run not at all."""

    @abstractmethod
    def give(self, value: Value) -> None:
        """Return or yield a value from the running function."""

    @abstractmethod
    def store_to_library(self, path: str, key: Value | None, value: Value) -> None:
        """Store to an attribute or item of a library."""

    @abstractmethod
    def names_in_namespace(self, node: ast.Subscript) -> str | None:
        """Return the name that ``globals()["name"]`` stands for."""

    @abstractmethod
    def whole_library_object(self, value: Value) -> None:
        """An object of a library, such as ``os.environ``, is looked at as a whole."""

    @abstractmethod
    def reckons_with_arrays(self) -> None:
        """An operator works on arrays."""

    @abstractmethod
    def stores_into_table(self) -> None:
        """Something is stored into a table of pandas."""

    @abstractmethod
    def touches_decimals(self) -> None:
        """Reckon with decimals."""

    @abstractmethod
    def item_of_results(self, node: ast.Subscript) -> Value | None:
        """Return ``Out[n]``; None for every other item."""

    # Evaluation

    def evaluate(self, node: ast.expr | None) -> Value:
        """Evaluate an expression."""
        if node is None:
            return NONE
        self.fuel -= 1
        if self.fuel < 0:
            raise TooLong
        method = _METHODS.get(type(node))
        if method is not None:
            return method(self, node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.evaluate(child)
        return NOTHING

    def _constant(self, node: ast.Constant) -> Value:
        value = node.value
        if isinstance(value, str):
            return Value(const=value, kind="str")
        if value is None:
            return NONE
        return Value(const=value, kind="number")

    def _name(self, node: ast.Name) -> Value:
        return self.read(node.id)

    def _attribute(self, node: ast.Attribute) -> Value:
        return self.attribute_of(self.evaluate(node.value), node.attr, node)

    def _subscript(self, node: ast.Subscript) -> Value:
        name = self.names_in_namespace(node)
        if name is not None:
            return self.read(name)
        result = self.item_of_results(node)
        if result is not None:
            return result
        value = self.evaluate(node.value)
        index = self.evaluate(node.slice)
        for path in value.paths:
            key = index.exact_text()
            self.library_attribute(f"{path}[{WILDCARD if key is None else key}]" if path == "os.environ" else path)
        return any_of([self._item_of(thing, node, index) for thing in value.things]) if value.things else (
            TEXT if value.kind == "str" else NOTHING
        )  # fmt: skip

    def _item_of(self, thing: Thing, node: ast.Subscript, index: Value) -> Value:
        if isinstance(thing, Instance):
            given = self.run_methods(thing, ("__getitem__", "__missing__", "__class_getitem__"), node, [index])
            return any_of([given, thing.inside]) if given is not None else thing.part()
        if isinstance(thing, Class):
            return thing_value(thing)  # Enum["name"], Generic[T]
        kind = thing.kind
        is_slice = isinstance(node.slice, ast.Slice)
        if kind in PLAIN_KINDS:
            return NOTHING
        if kind in ("list", "tuple") and is_slice:
            copied = self.new(kind, node, is_open=False)
            self.put(copied, None, thing.part())
            return thing_value(copied)
        if kind in BUILTIN_CONTAINERS:
            known = thing.at(index.const) if index.const is not UNKNOWN and isinstance(index.const, int | str) else None
            return known if known is not None else thing.part()
        if kind == "groups":  # some columns of the same table
            return thing_value(thing)
        if kind in ("pandas", "mask"):
            return thing_value(self.view(thing, "pandas", node))
        if self._selects_copy(node.slice, index):
            return thing_value(self.new(kind or "array", node))
        known = thing.at(index.const) if index.const is not UNKNOWN and isinstance(index.const, int | str) else None
        if known is not None:
            return any_of([known, thing_value(thing)]) if thing.is_open else known
        return thing.part()

    def _selects_copy(self, node: ast.expr, index: Value) -> bool:
        """Tell whether an index is a mask or a list of places: only arrays have such items, and they are copies."""
        return isinstance(node, ast.Compare | ast.List) or index.kinds() <= {"mask", "list", "pandas"}

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        kind = "tuple" if isinstance(node, ast.Tuple) else "list" if isinstance(node, ast.List) else "set"
        values = [self.evaluate(element) for element in node.elts]
        if kind == "tuple" and not any(value.things or value.paths for value in values):
            return Value(kind="number")
        thing = self.new(kind, node, is_open=False)
        for place, value in enumerate(values):
            is_placed = kind == "tuple" and not any(isinstance(element, ast.Starred) for element in node.elts)
            self.put(thing, place if is_placed else None, value)
        return thing_value(thing)

    def _dict(self, node: ast.Dict) -> Value:
        thing = self.new("dict", node, is_open=False)
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            key = self.evaluate(key_node) if key_node is not None else NOTHING
            value = self.evaluate(value_node)
            if key_node is None:
                value = any_of([other.part() for other in value.things])
            place = key.const if isinstance(key.const, str | int) and key_node is not None else None
            self.put(thing, place, value)
        return thing_value(thing)

    def _starred(self, node: ast.Starred) -> Value:
        return self.iterate(self.evaluate(node.value), node)

    def _await(self, node: ast.Await) -> Value:
        return self.evaluate(node.value)

    def _yield(self, node: ast.Yield) -> Value:
        self.give(self.evaluate(node.value))
        return NOTHING

    def _yield_from(self, node: ast.YieldFrom) -> Value:
        self.give(self.iterate(self.evaluate(node.value), node))
        return NOTHING

    def _choice(self, node: ast.IfExp) -> Value:
        self.truth(self.evaluate(node.test), node)
        return self.in_branches([lambda: self.evaluate(node.body), lambda: self.evaluate(node.orelse)])

    def truth(self, value: Value, node: ast.AST) -> None:
        """Ask a value whether it is true."""
        self.run_operators(value, node, ("__bool__", "__len__"))

    def _bool(self, node: ast.BoolOp) -> Value:
        value = self.evaluate(node.values[0])
        for later in node.values[1:]:
            self.truth(value, node)
            value = either(value, self.in_branches([lambda: NOTHING, lambda later=later: self.evaluate(later)]))  # type: ignore[misc]
        return value

    def _walrus(self, node: ast.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.bind(node.target.id, value)
        return value

    def _lambda(self, node: ast.Lambda) -> Value:
        return self.make_lambda(node)

    def _compare(self, node: ast.Compare) -> Value:
        last = node.comparators[-1]
        left = node.left
        if (
            len(node.ops) == 1
            and isinstance(left, ast.Constant)
            and isinstance(left.value, str)
            and isinstance(last, ast.Call)
            and self.names_in_namespace(ast.Subscript(value=last, slice=left, ctx=ast.Load())) is not None
        ):
            self.uncertain += 1
            self.read(left.value)  # "x" in globals()
            self.uncertain -= 1
            return NUMBER
        values = [self.evaluate(left), *(self.evaluate(comparator) for comparator in node.comparators)]
        for operator, one, other in zip(node.ops, values, values[1:], strict=False):
            names = _COMPARISONS.get(type(operator), ())
            self.run_operators(one, node, names, [other])
            self.run_operators(other, node, names, [one])
        if any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops):
            self.consume(values[-1], node)
            self.whole_library_object(values[-1])
        elif any(value.kinds() & ARRAYS for value in values):
            return thing_value(self.new("mask", node))
        return NUMBER

    def _binary(self, node: ast.BinOp) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        return self.operate(left, right, node.op, node)

    def operate(self, left: Value, right: Value, operator: ast.operator, node: ast.AST) -> Value:
        """Return what a binary operator gives."""
        kinds = left.kinds() | right.kinds()
        if "path" in kinds and isinstance(operator, ast.Div):
            return Value(const=f"{left.text() or WILDCARD}/{right.text() or WILDCARD}", kind="path")
        if "str" in kinds and isinstance(operator, ast.Add | ast.Mod):
            return self._text_of(left, right, operator, node)
        if isinstance(operator, ast.Mod) and left.kind == "str":
            self.as_text(right, node)
        name = _OPERATORS[type(operator)]
        names = (f"__{name}__", f"__i{name}__") if isinstance(node, ast.AugAssign) else (f"__{name}__",)
        given = [
            self.run_operators(left, node, names, [right]),
            self.run_operators(right, node, (f"__r{name}__",), [left]),
        ]
        if "instance" in kinds and any(value.things for value in given):
            return any_of(value for value in given if value.things)
        if not left.things and not right.things:
            return NUMBER if kinds <= {"number"} else NOTHING
        if kinds <= {"mask", "number", ""} and "mask" in kinds:
            return thing_value(self.new("mask", node))
        if "decimal" in kinds:
            self.touches_decimals()
        library = kinds & ARRAYS
        if library:
            self.reckons_with_arrays()
            kind = "pandas" if "pandas" in library else min(library)
            return thing_value(self.new(kind, node))
        parts = [thing.part() for value in (left, right) for thing in value.things]
        kind = "list" if "list" in kinds else "tuple" if "tuple" in kinds else "set" if "set" in kinds else min(kinds)
        made = self.new(kind if kind in BUILTIN_CONTAINERS else "", node, is_open=kind not in BUILTIN_CONTAINERS)
        if kind in BUILTIN_CONTAINERS or kind == "instance":
            self.put(made, None, any_of(parts))
        return thing_value(made)

    def _text_of(self, left: Value, right: Value, operator: ast.operator, node: ast.AST) -> Value:
        if isinstance(operator, ast.Mod):
            self.as_text(right, node)
            text = left.text()
            return Value(const=_with_gaps(text) if text is not None else UNKNOWN, kind="str")
        if left.text() is None and right.text() is None:
            return TEXT
        return Value(const=(left.text() or WILDCARD) + (right.text() or WILDCARD), kind="str")

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.evaluate(node.operand)
        self.run_operators(value, node, _UNARY[type(node.op)])
        if isinstance(node.op, ast.Not) or not value.things:
            return NUMBER
        kinds = value.kinds()
        return thing_value(self.new("mask" if "mask" in kinds else min(kinds), node))

    def _joined(self, node: ast.JoinedStr) -> Value:
        parts: list[str] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.evaluate(part.value)
                self.as_text(value, node)
                if part.format_spec is not None:
                    self.evaluate(part.format_spec)
                known = value.const
                is_known = part.format_spec is None and isinstance(known, str | int) and not isinstance(known, bool)
                parts.append(str(known) if is_known else WILDCARD)
            elif isinstance(part, ast.Constant):
                parts.append(str(part.value))
        return Value(const="".join(parts), kind="str")

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> Value:
        kind = "list" if isinstance(node, ast.ListComp) else "set" if isinstance(node, ast.SetComp) else "dict"
        thing = self.new(kind, node, is_open=False)
        self.put(thing, None, self._generators(node, node.generators, None))
        return thing_value(thing)

    def _generator(self, node: ast.GeneratorExp) -> Value:
        """Return the iterator: the first iterable is looked at now, all else when it is used."""
        first = self.evaluate(node.generators[0].iter)
        thing = self.new("iterator", node, is_open=False)
        self.put(thing, None, first)
        frame = self.present_frame()

        def resume(run: AbstractExpressions) -> Value:
            return run.in_frame(frame, lambda: run._generators(node, node.generators, first))

        thing.resume = resume
        return thing_value(thing)

    @abstractmethod
    def present_frame(self) -> object:
        """Return the frame that runs now."""

    @abstractmethod
    def in_frame(self, frame: object, inside: Callable[[], Value]) -> Value:
        """Return ``inside()``, run in a frame of before, with the names of the notebook as they are now."""

    def _generators(
        self,
        node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
        generators: Sequence[ast.comprehension],
        first_value: Value | None,
    ) -> Value:
        if not generators:
            if isinstance(node, ast.DictComp):
                self.evaluate(node.key)
                return self.evaluate(node.value)
            return self.evaluate(node.elt)
        first, *rest = generators
        source = self.evaluate(first.iter) if first_value is None else first_value
        items = self.iterate(source, first.iter)

        def inside() -> Value:
            for condition in first.ifs:
                self.truth(self.evaluate(condition), condition)
            return self._generators(node, rest, None)

        return self.within_comprehension(first.target, items, inside)

    def _call(self, node: ast.Call) -> Value:
        return self.call(node)

    # Storing

    def assign(self, target: ast.expr, value: Value, *, of_call: bool = False) -> None:
        """Store a value at a target; ``of_call``: it is what a call has just given."""
        if isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value, of_call=of_call)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, value)
        elif isinstance(target, ast.Attribute | ast.Subscript):
            self._store(target, value)

    def _unpack(self, target: ast.Tuple | ast.List, value: Value, *, of_call: bool) -> None:
        has_star = any(isinstance(element, ast.Starred) for element in target.elts)
        items: Value | None = None
        for place, element in enumerate(target.elts):
            known = None if has_star else self._at_place(value, place, target, of_call=of_call)
            if known is None:
                items = self.iterate(value, target) if items is None else items
                known = items
            if isinstance(element, ast.Starred):
                rest = self.new("list", element, is_open=False)
                self.put(rest, None, known)
                self.assign(element.value, thing_value(rest))
            else:
                self.assign(element, known)

    def _at_place(self, value: Value, place: int, node: ast.AST, *, of_call: bool) -> Value | None:
        """Return one element of what is unpacked, None where elements are not told apart."""
        found: list[Value] = []
        for thing in value.things:
            known = thing.at(place)
            if known is not None:
                found.append(known)
            elif of_call and thing.is_open and thing.born == self.cell and thing.kind in ("numpy", "pandas", "array"):
                found.append(
                    thing_value(self.new(thing.kind, node, use=(thing, place)))
                )  # arrays that a call has just made
            else:
                return None
        return any_of(found) if found else None

    def forget(self, target: ast.expr) -> None:
        """Delete a target."""
        if isinstance(target, ast.Name):
            self.delete(target.id)
        elif isinstance(target, ast.Tuple | ast.List):
            for element in target.elts:
                self.forget(element)
        elif isinstance(target, ast.Subscript) and (name := self.names_in_namespace(target)) is not None:
            self.delete(name)
        elif isinstance(target, ast.Attribute | ast.Subscript):
            self._store(target, NOTHING)

    def _store(self, target: ast.Attribute | ast.Subscript, value: Value) -> None:
        if isinstance(target, ast.Subscript):
            name = self.names_in_namespace(target)
            if name is not None:
                self.bind(name, value)
                return
        holder = self.evaluate(target.value)
        index = self.evaluate(target.slice) if isinstance(target, ast.Subscript) else None
        for path in holder.paths:
            where = f"{path}.{target.attr}" if isinstance(target, ast.Attribute) else path
            self.store_to_library(where, index, value)
        through_accessor = isinstance(target.value, ast.Attribute) and is_lazy_attribute(target.value.attr)
        for thing in holder.things:
            if isinstance(thing, Bound) and thing.function is None:
                thing = next(iter(thing.receiver.things), thing)
            elements = through_accessor or bool(thing.bases) or thing.kind != "pandas"
            if index is not None and not elements:
                elements = not (index.kind in ("str", "") and not index.things) and index.kinds() != {"list"}
            self.mutate([thing], elements=elements)
            if isinstance(thing, Instance) and index is not None:
                self.run_methods(thing, ("__setitem__", "__delitem__"), target, [index, value])
            if isinstance(thing, Instance) and isinstance(target, ast.Attribute):
                self._run_setter(thing, target.attr, value, target)
            if thing.kind == "pandas":
                self.stores_into_table()
            if thing.kind in ARRAYS:
                continue  # arrays and tables copy what is stored into them
            if isinstance(target, ast.Attribute):
                self.put(thing, "." + target.attr, value)
            else:
                key = index.const if index is not None and isinstance(index.const, str | int) else None
                self.put(thing, key if thing.kind == "dict" else None, value)

    def _run_setter(self, instance: Instance, name: str, value: Value, node: ast.AST) -> None:
        for candidate in (instance.of.find(name + ".setter"), instance.of.find("__setattr__")):
            for thing in candidate.things if candidate is not None else ():
                if isinstance(thing, Function):
                    self.call_function(thing, [thing_value(instance), value], node)


def everything_in(values: Iterable[Value]) -> set[Thing]:
    """Return all that values are or hold."""
    return reachable(thing for value in values for thing in value.things)


def _with_gaps(text: str) -> str:
    """Return a format string with gaps at its places."""
    import re

    return re.sub(r"%(?:\(\w+\))?[-+ #0]*[\d.]*[a-zA-Z]", WILDCARD, text)


_METHODS: Final[dict[type[ast.expr], Callable[..., Value]]] = {
    ast.Constant: AbstractExpressions._constant,
    ast.Name: AbstractExpressions._name,
    ast.Attribute: AbstractExpressions._attribute,
    ast.Subscript: AbstractExpressions._subscript,
    ast.Compare: AbstractExpressions._compare,
    ast.BinOp: AbstractExpressions._binary,
    ast.UnaryOp: AbstractExpressions._unary,
    ast.JoinedStr: AbstractExpressions._joined,
    ast.List: AbstractExpressions._display,
    ast.Tuple: AbstractExpressions._display,
    ast.Set: AbstractExpressions._display,
    ast.Dict: AbstractExpressions._dict,
    ast.Starred: AbstractExpressions._starred,
    ast.Await: AbstractExpressions._await,
    ast.Yield: AbstractExpressions._yield,
    ast.YieldFrom: AbstractExpressions._yield_from,
    ast.IfExp: AbstractExpressions._choice,
    ast.BoolOp: AbstractExpressions._bool,
    ast.NamedExpr: AbstractExpressions._walrus,
    ast.Lambda: AbstractExpressions._lambda,
    ast.ListComp: AbstractExpressions._comprehension,
    ast.SetComp: AbstractExpressions._comprehension,
    ast.DictComp: AbstractExpressions._comprehension,
    ast.GeneratorExp: AbstractExpressions._generator,
    ast.Call: AbstractExpressions._call,
}
