"""What calls read, change and give: of functions of the notebook, of libraries, of magics, of the namespace itself."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from orchestra_nb.notebooks import mutations
from orchestra_nb.notebooks.expression_flow import NAMESPACE_FUNCTIONS, ExpressionFlow
from orchestra_nb.notebooks.ipython_syntax import MagicEffect, is_shell_call, shell_call_effect
from orchestra_nb.notebooks.known_values import NEW, Routine, Value, either, new_holder
from orchestra_nb.notebooks.library_types import method_effect

#: Calls that can do anything to the names of the notebook, unless their argument is a text in the cell.
_RUNNING_TEXT: Final = frozenset({"exec", "eval"})


@dataclass(frozen=True, slots=True)
class Arguments:
    """The evaluated arguments of a call."""

    positional: tuple[Value, ...]
    keywords: tuple[tuple[str | None, Value], ...]
    has_stars: bool

    def values(self) -> list[Value]:
        """Return all of them."""
        return [*self.positional, *(value for _, value in self.keywords)]


class CallFlow(ExpressionFlow):
    """Evaluates calls."""

    __slots__ = ()

    @abstractmethod
    def call_routine(self, routine: Routine, arguments: Arguments, receiver: Value | None) -> Value:
        """Call a function or class of the notebook."""

    @abstractmethod
    def run_code(self, trees: Sequence[ast.Module], is_local: bool) -> None:
        """Run statements in this scope, or in a function of their own."""

    def call(self, node: ast.Call) -> Value:
        """Evaluate a call."""
        if is_shell_call(node):
            return self._run_magic(shell_call_effect(node))
        if isinstance(node.func, ast.Name) and (value := self._special_call(node, node.func.id)) is not None:
            return value
        if isinstance(node.func, ast.Attribute):
            receiver = self.evaluate(node.func.value)
            callee = self.attribute_of(receiver, node.func.attr)
            if node.func.attr in ("query", "eval"):
                self._read_text_names(node)
            arguments = self._arguments(node, receiver)
            if callee.path is None and not callee.routines:
                return self._call_method(node.func, receiver, arguments)
            return self._call_function(callee, arguments, node.func.attr, receiver)
        callee = self.evaluate(node.func)
        arguments = self._arguments(node, NEW)
        name = node.func.id if isinstance(node.func, ast.Name) else None
        return self._call_function(callee, arguments, name, None)

    def _arguments(self, node: ast.Call, receiver: Value) -> Arguments:
        positional = tuple(self.evaluate(argument) for argument in node.args)
        keywords = tuple((keyword.arg, self.evaluate(keyword.value)) for keyword in node.keywords)
        has_stars = any(isinstance(argument, ast.Starred) for argument in node.args)
        for name, value in keywords:
            has_stars = has_stars or name is None
            if name in mutations.CHANGED_KEYWORDS:
                self.mutate(value.all_roots)
        if any(keyword.arg == "inplace" and not _is_false(keyword.value) for keyword in node.keywords):
            self.mutate(receiver.roots.union(*(value.roots for value in positional)))
        return Arguments(positional, keywords, has_stars)

    def _read_text_names(self, node: ast.Call) -> None:
        """Read ``limit`` of ``df.query("a > @limit")``."""
        for argument in node.args[:1]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                for word in argument.value.split("@")[1:]:
                    name = _leading_identifier(word)
                    if name:
                        self.read(name)

    def _call_method(self, function: ast.Attribute, receiver: Value, arguments: Arguments) -> Value:
        effect = mutations.method_effect(function.attr, receiver.package)
        keywords = [name for name, _ in arguments.keywords]
        is_of_plot = isinstance(function.value, ast.Attribute) and function.value.attr == "plot"
        if mutations.draws_receiver(function.attr, receiver.kind, bool(arguments.positional), keywords, is_of_plot):
            axes = [value for name, value in arguments.keywords if name == "ax"]
            return replace(_result(mutations.CallEffect(shares="all"), axes), kind="matplotlib")
        values = arguments.values()
        if effect.changes != "nothing":
            self.mutate(receiver.all_roots if not effect.stores or effect.changes == "all" else receiver.roots)
        if effect.changes == "all":
            self._change(values)
        if effect.stores:
            self.put_into(function.value, values)
        self._hand_over([receiver, *values])
        result = _result(effect, [receiver] if effect.changes != "all" else [receiver, *values])
        kind = _kind_of_result(receiver.kind, function.attr)
        return result if kind is None else replace(result, kind=kind)

    def _call_function(self, callee: Value, arguments: Arguments, name: str | None, receiver: Value | None) -> Value:
        values = arguments.values()
        if callee.routines:
            results = [self.call_routine(routine, arguments, receiver) for routine in callee.routines]
            self._hand_over(values)
            for result in results[1:]:
                results[0] = either(results[0], result)
            return results[0]
        if callee.path is not None:
            effect = mutations.function_effect(callee.path)
        elif callee.package is not None and mutations.is_trusted(callee.package):
            effect = mutations.CallEffect(shares="all")  # such as torch's ``model(x)``
        else:
            effect = mutations.named_function_effect(name or "")
        if effect.changes == "first":
            self._change(values[:1])
        elif effect.changes == "all":
            self._change(values)
        self._hand_over(values)
        result = _result(effect, values)
        package = callee.path.partition(".")[0] if callee.path else None
        if callee.path is None or package == "builtins":
            return result
        return replace(result, package=package, kind=mutations.kind_made_by(callee.path))

    def _change(self, values: Iterable[Value]) -> None:
        for value in values:
            self.mutate(value.all_roots)

    def _hand_over(self, values: Sequence[Value]) -> None:
        """Functions among the arguments are called by the callee with what else it was given."""
        if any(_changes_arguments(routine) for value in values for routine in value.routines):
            self._change(values)

    def _run_magic(self, effect: MagicEffect) -> Value:
        for expression in effect.expressions:
            self.evaluate(expression)
        if effect.code:
            self.run_code(effect.code, effect.is_local)
        for name in effect.binds:
            self.bind(name, NEW)
        for name in effect.deletes:
            self.delete(name)
        if effect.opaque:
            self.say_opaque(effect.opaque)
        return NEW

    def _special_call(self, node: ast.Call, name: str) -> Value | None:
        """Evaluate calls that reach the namespace itself; None for every other."""
        if name not in _RUNNING_TEXT and name not in NAMESPACE_FUNCTIONS and name not in ("super", "__import__"):
            return None
        if self.peek(name).path != f"builtins.{name}":
            return None
        if name in _RUNNING_TEXT:
            return self._run_text(node, name)
        if name in NAMESPACE_FUNCTIONS:
            if not node.args and not node.keywords and self.is_namespace_function(name):
                self.say_opaque(f"`{name}()` can read and bind any name")
                return NEW
            return None
        if name == "super" and not node.args:
            return self.first_parameter()
        if name == "__import__" and _is_main(node):
            self.say_opaque("`__import__('__main__')` can read and bind any name")
        return None

    @abstractmethod
    def first_parameter(self) -> Value:
        """Return what ``super()`` works on."""

    def _run_text(self, node: ast.Call, name: str) -> Value:
        argument = node.args[0] if len(node.args) == 1 and not node.keywords else None
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            try:
                tree = ast.parse(argument.value.strip())
            except (SyntaxError, ValueError):
                return NEW  # raises when it runs
            if name == "exec":
                self.run_code([tree], is_local=False)
                return NEW
            if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
                return self.evaluate(tree.body[0].value)
            return NEW
        for child in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.evaluate(child)
        if len(node.args) < 2 or name == "exec":
            self.say_opaque(f"`{name}(…)` can read and bind any name")
        return NEW


def _changes_arguments(routine: Routine) -> bool:
    """Tell whether a function that has been used may change a parameter."""
    effects = routine.effects
    return effects is not None and (
        effects.changes_arguments or not effects.mutates.isdisjoint(routine.all_parameters())
    )


def _result(effect: mutations.CallEffect, values: Sequence[Value]) -> Value:
    if effect.shares == "nothing":
        return NEW
    if effect.shares == "elements":
        return new_holder(values)
    roots = frozenset[str]().union(*(value.all_roots for value in values))
    package = values[0].package if values else None
    return Value(roots=roots, package=package) if roots or package else NEW


def _kind_of_result(kind: str | None, method: str) -> str | None:
    """Return the kind of what a method gives; None where it is not known."""
    if kind != "pandas":
        return mutations.kind_of_part(kind)
    effect = method_effect(kind, method)
    if effect.gives in ("text", "nothing"):
        return None
    return mutations.kind_of_part("pandas" if effect.kind == "groups" else effect.kind)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _is_main(node: ast.Call) -> bool:
    return any(isinstance(argument, ast.Constant) and argument.value == "__main__" for argument in node.args)


def _leading_identifier(text: str) -> str:
    length = 0
    while length < len(text) and text[: length + 1].isidentifier():
        length += 1
    return text[:length]
