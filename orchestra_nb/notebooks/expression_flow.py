"""What evaluating an expression reads, changes and gives: the half of the analysis that knows no statements."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from orchestra_nb.notebooks import mutations
from orchestra_nb.notebooks.known_values import NEW, Routine, Value, either, new_holder

#: Functions that hand out the namespace itself.
NAMESPACE_FUNCTIONS: Final = frozenset({"globals", "locals", "vars"})


class ExpressionFlow:
    """Evaluates expressions over names that a subclass keeps.

    The abstract methods are what it asks of the scope that the expressions stand in.
    """

    __slots__ = ("opaque",)

    def __init__(self) -> None:
        self.opaque: str | None = None

    @abstractmethod
    def read(self, name: str) -> Value:
        """Read a name."""

    @abstractmethod
    def peek(self, name: str) -> Value:
        """Return what is known of a name, without reading it."""

    @abstractmethod
    def bind(self, name: str, value: Value) -> None:
        """Bind a name for certain."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Unbind a name."""

    @abstractmethod
    def mutate(self, roots: frozenset[str]) -> None:
        """Change the objects of these names."""

    @abstractmethod
    def use(self, routines: Iterable[Routine]) -> None:
        """Functions may run from now on, with unknown arguments."""

    @abstractmethod
    def make_lambda(self, node: ast.Lambda) -> Routine:
        """Return the lambda as a routine; its defaults are evaluated."""

    @abstractmethod
    def within_comprehension(self, targets: Sequence[tuple[ast.expr, Value]], inside: Callable[[], Value]) -> Value:
        """Return ``inside()`` while the target names stand for these values."""

    @abstractmethod
    def is_namespace_function(self, name: str) -> bool:
        """Whether the builtin of this name hands out the notebook's namespace here."""

    def say_opaque(self, reason: str) -> None:
        """Note why the sets may be incomplete; the first reason stays."""
        self.opaque = self.opaque or reason

    def evaluate(self, node: ast.expr | None) -> Value:
        """Evaluate an expression."""
        if node is None or isinstance(node, ast.Constant):
            return NEW
        method = _METHODS.get(type(node))
        if method is not None:
            return method(self, node)
        for child in ast.iter_child_nodes(node):  # operators, comparisons, f-strings: their result is new
            if isinstance(child, ast.expr):
                self.evaluate(child)
        return NEW

    def assign(self, target: ast.expr, value: Value) -> None:
        """Store a value at a target: a name, a pattern of names, an attribute, an item."""
        if isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            part = value.part()
            for element in target.elts:
                inner = element.value if isinstance(element, ast.Starred) else element
                self.assign(inner, new_holder([part]) if isinstance(element, ast.Starred) else part)
        elif isinstance(target, ast.Attribute | ast.Subscript):
            self._store_into(target, value)

    def forget(self, target: ast.expr) -> None:
        """Delete a target."""
        if isinstance(target, ast.Name):
            self.delete(target.id)
        elif isinstance(target, ast.Tuple | ast.List):
            for element in target.elts:
                self.forget(element)
        elif isinstance(target, ast.Subscript) and (name := self._namespace_item(target)) is not None:
            self.delete(name)
        elif isinstance(target, ast.Attribute | ast.Subscript):
            self._store_into(target, NEW)

    def _store_into(self, target: ast.Attribute | ast.Subscript, value: Value) -> None:
        if isinstance(target, ast.Subscript) and (name := self._namespace_item(target)) is not None:
            self.bind(name, value)
            return
        holder = self.evaluate(target.value)
        if isinstance(target, ast.Subscript):
            self.evaluate(target.slice)
        self.mutate(holder.roots)
        self.put_into(target.value, [value])

    def put_into(self, holder: ast.expr, values: Iterable[Value]) -> None:
        """Remember that the name under ``holder`` now holds the values: to change its elements changes them."""
        while isinstance(holder, ast.Attribute | ast.Subscript):
            holder = holder.value
        if isinstance(holder, ast.Name):
            known = self.peek(holder.id)
            after = known.holding(values)
            if after is not known and known.path is None:
                self.bind_again(holder.id, after)

    @abstractmethod
    def bind_again(self, name: str, value: Value) -> None:
        """Say more about the object that a name has."""

    def _name(self, node: ast.Name) -> Value:
        return self.read(node.id)

    def _attribute(self, node: ast.Attribute) -> Value:
        return self.attribute_of(self.evaluate(node.value), node.attr)

    def attribute_of(self, value: Value, name: str) -> Value:
        """Return what is known of an attribute."""
        if value.path is not None:
            return Value(path=f"{value.path}.{name}")
        if value.instance_of is not None and (method := find_method(value.instance_of, name)) is not None:
            return Value(routines=(method,))
        if name in mutations.PLAIN_ATTRIBUTES:
            return NEW
        if name in mutations.ACCESSORS:
            return replace(value, routines=(), instance_of=None)
        return value.part()

    def _subscript(self, node: ast.Subscript) -> Value:
        name = self._namespace_item(node)
        if name is not None:
            return self.read(name)
        value = self.evaluate(node.value)
        self.evaluate(node.slice)
        # a slice of a new list holds the same elements
        return replace(value, routines=(), path=None) if isinstance(node.slice, ast.Slice) else value.part()

    def _namespace_item(self, node: ast.Subscript) -> str | None:
        """Return the name that ``globals()["name"]`` stands for."""
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return None
        if call.func.id not in NAMESPACE_FUNCTIONS or not self.is_namespace_function(call.func.id):
            return None
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None

    def _compare(self, node: ast.Compare) -> Value:
        last = node.comparators[-1]
        left = node.left
        if (
            len(node.ops) == 1
            and isinstance(left, ast.Constant)
            and isinstance(left.value, str)
            and self._namespace_item(ast.Subscript(value=last, slice=left, ctx=ast.Load())) is not None
        ):
            self.read(left.value)  # "x" in globals()
            return NEW
        self.evaluate(left)
        for comparator in node.comparators:
            self.evaluate(comparator)
        return NEW

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        return new_holder([self.evaluate(element) for element in node.elts])

    def _dict(self, node: ast.Dict) -> Value:
        keys = [self.evaluate(key) for key in node.keys if key is not None]
        return new_holder([*keys, *(self.evaluate(value) for value in node.values)])

    def _starred(self, node: ast.Starred) -> Value:
        return self.evaluate(node.value).part()

    def _await(self, node: ast.Await) -> Value:
        return self.evaluate(node.value)

    def _yield(self, node: ast.Yield | ast.YieldFrom) -> Value:
        self.give(self.evaluate(node.value))
        return NEW

    @abstractmethod
    def give(self, value: Value) -> None:
        """Return or yield a value from the function that this scope is."""

    def _choice(self, node: ast.IfExp) -> Value:
        self.evaluate(node.test)
        return self.in_branches([lambda: self.evaluate(node.body), lambda: self.evaluate(node.orelse)])

    @abstractmethod
    def in_branches(self, branches: Sequence[Callable[[], Value]]) -> Value:
        """Evaluate alternatives, each from the present state, and go on with what they have in common."""

    def _bool(self, node: ast.BoolOp) -> Value:
        value = self.evaluate(node.values[0])
        for later in node.values[1:]:  # a walrus on the right may not run
            value = either(value, self.in_branches([lambda: NEW, lambda later=later: self.evaluate(later)]))  # type: ignore[misc]
        return value

    def _walrus(self, node: ast.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.bind(node.target.id, value)
        return value

    def _lambda(self, node: ast.Lambda) -> Value:
        routine = self.make_lambda(node)
        self.use([routine])  # it is handed to somebody who may call it
        return Value(routines=(routine,))

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
        return new_holder([self._generators(node, node.generators)])

    def _generators(
        self,
        node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
        generators: Sequence[ast.comprehension],
    ) -> Value:
        if not generators:
            if isinstance(node, ast.DictComp):
                return new_holder([self.evaluate(node.key), self.evaluate(node.value)])
            return self.evaluate(node.elt)
        first, *rest = generators
        items = self.evaluate(first.iter).part()

        def inside() -> Value:
            for condition in first.ifs:
                self.evaluate(condition)
            return self._generators(node, rest)

        return self.within_comprehension([(first.target, items)], inside)

    def _call(self, node: ast.Call) -> Value:
        return self.call(node)

    @abstractmethod
    def call(self, node: ast.Call) -> Value:
        """Evaluate a call."""


def find_method(routine: Routine, name: str) -> Routine | None:
    """Return the method of a class of the notebook, its own or inherited from another one."""
    if name in routine.methods:
        return routine.methods[name]
    return next((method for base in routine.bases if (method := find_method(base, name)) is not None), None)


_METHODS: Final[dict[type[ast.expr], Callable[..., Value]]] = {
    ast.Name: ExpressionFlow._name,
    ast.Attribute: ExpressionFlow._attribute,
    ast.Subscript: ExpressionFlow._subscript,
    ast.Compare: ExpressionFlow._compare,
    ast.List: ExpressionFlow._display,
    ast.Tuple: ExpressionFlow._display,
    ast.Set: ExpressionFlow._display,
    ast.Dict: ExpressionFlow._dict,
    ast.Starred: ExpressionFlow._starred,
    ast.Await: ExpressionFlow._await,
    ast.Yield: ExpressionFlow._yield,
    ast.YieldFrom: ExpressionFlow._yield,
    ast.IfExp: ExpressionFlow._choice,
    ast.BoolOp: ExpressionFlow._bool,
    ast.NamedExpr: ExpressionFlow._walrus,
    ast.Lambda: ExpressionFlow._lambda,
    ast.ListComp: ExpressionFlow._comprehension,
    ast.SetComp: ExpressionFlow._comprehension,
    ast.GeneratorExp: ExpressionFlow._comprehension,
    ast.DictComp: ExpressionFlow._comprehension,
    ast.Call: ExpressionFlow._call,
}
