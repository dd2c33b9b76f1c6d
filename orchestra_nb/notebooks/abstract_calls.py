"""What calls in a notebook do: its own functions and classes are followed into what they do."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

from orchestra_nb.notebooks import hidden_state, mutations
from orchestra_nb.notebooks.abstract_expressions import everything_in
from orchestra_nb.notebooks.abstract_methods import AbstractMethods, Arguments
from orchestra_nb.notebooks.abstract_values import (
    NOTHING,
    TEXT,
    WILDCARD,
    Bound,
    Class,
    Function,
    Instance,
    Thing,
    Value,
    any_of,
    reachable,
    thing_value,
)
from orchestra_nb.notebooks.library_types import PLAIN_KINDS, method_effect

#: So many calls of the notebook's functions are followed in one cell.
_MOST_CALLS: Final = 1500
_DEEPEST: Final = 24
_CHANGING_KEYWORDS: Final = mutations.CHANGED_KEYWORDS | {"cax"}


class AbstractCalls(AbstractMethods):
    """Evaluates calls."""

    @abstractmethod
    def special_call(self, node: ast.Call, name: str) -> Value | None:
        """Evaluate a builtin that reaches names or code itself; None for every other."""

    @abstractmethod
    def shell_call(self, node: ast.Call) -> Value:
        """Evaluate ``get_ipython().something(…)``."""

    @abstractmethod
    def super_method(self, name: str) -> tuple[Value, list[Thing]] | None:
        """Return what ``super()`` works on, and the methods of this name of the classes above."""

    def call(self, node: ast.Call) -> Value:
        """Evaluate a call."""
        function = node.func
        if isinstance(function, ast.Attribute):
            if _is_super(function.value):
                return self._call_super(function.attr, node)
            receiver = self.evaluate(function.value)
            if receiver.kind == "shell":
                return self.shell_call(node)
            if function.attr in ("query", "eval"):
                self.read_names_in_text(node, function.attr, receiver)
            arguments = self._arguments(node, receiver)
            return self.call_attribute(receiver, function.attr, arguments, node)
        if isinstance(function, ast.Name) and (value := self.special_call(node, function.id)) is not None:
            return value
        callee = self.evaluate(function)
        arguments = self._arguments(node, None)
        return self.call_value(callee, arguments, node, function.id if isinstance(function, ast.Name) else None)

    @abstractmethod
    def read_names_in_text(self, node: ast.Call, method: str, receiver: Value) -> None:
        """Read the names in ``df.query("a > @limit")``."""

    def _arguments(self, node: ast.Call, receiver: Value | None) -> Arguments:
        positional = tuple(self.evaluate(argument) for argument in node.args)
        keywords = tuple((keyword.arg, self.evaluate(keyword.value)) for keyword in node.keywords)
        has_stars = any(isinstance(argument, ast.Starred) for argument in node.args)
        for name, value in keywords:
            if name is None:
                has_stars = True
                value = any_of([thing.part() for thing in value.things])
            if name in _CHANGING_KEYWORDS:
                self.mutate(value.things, elements=True)
            if name == "inplace" and value.const is not False:
                changed = receiver if receiver is not None else any_of(positional)
                self.mutate(changed.things)
        for value in positional:
            self.whole_library_object(value)
        for _, value in keywords:
            self.whole_library_object(value)
        return Arguments(positional, keywords, has_stars)

    def _call_super(self, name: str, node: ast.Call) -> Value:
        arguments = self._arguments(node, None)
        found = self.super_method(name)
        if found is None:
            return NOTHING
        receiver, methods = found
        functions = [thing for thing in methods if isinstance(thing, Function)]
        if not functions:
            self.mutate(receiver.things)
            for thing in receiver.things:
                for value in arguments.values():
                    self.put(thing, None, value)
            return any_of([receiver, *arguments.values()])
        return any_of([self._call_given(function, receiver, arguments, node) for function in functions])

    # Whatever is called

    def call_value(self, callee: Value, arguments: Arguments, node: ast.AST, name: str | None) -> Value:
        """Call a value."""
        results = [self.call_path(path, arguments, node) for path in callee.paths]
        unknown = not callee.paths and not callee.things
        for thing in callee.things:
            if isinstance(thing, Function):
                results.append(self._call_given(thing, None, arguments, node))
            elif isinstance(thing, Class):
                results.append(self._instantiate(thing, arguments, node))
            elif isinstance(thing, Bound):
                results.append(self._call_bound(thing, arguments, node))
            elif isinstance(thing, Instance):
                results.append(self._call_instance(thing, arguments, node))
            elif thing.kind and mutations.is_trusted(thing.kind):
                results.append(self._call_library_object(thing, arguments, node))
            else:
                self.mutate([thing]) if thing.kind != "unknown" else None
                self.calls_unknown(thing)
                unknown = True
        if unknown:
            results.append(self._call_unknown(name, arguments, node))
        return any_of(results)

    def calls_unknown(self, thing: Thing) -> None:
        """A thing of which nothing is known is called."""

    def _call_bound(self, bound: Bound, arguments: Arguments, node: ast.AST) -> Value:
        if bound.function is not None:
            return self._call_given(bound.function, bound.receiver, arguments, node)
        return self.call_attribute(bound.receiver, bound.attribute, arguments, node)

    def _call_instance(self, instance: Instance, arguments: Arguments, node: ast.AST) -> Value:
        found = instance.of.find("__call__")
        if found is None and instance.is_open:
            found = instance.of.find("forward") or instance.of.find("call")
            self.mutate([instance])
        functions = [thing for thing in found.things if isinstance(thing, Function)] if found is not None else []
        if not functions:
            self.mutate([instance])
            return self._call_unknown(None, arguments, node)
        return any_of([self._call_given(function, thing_value(instance), arguments, node) for function in functions])

    def _call_library_object(self, thing: Thing, arguments: Arguments, node: ast.AST) -> Value:
        """Call an object of a library, such as a model of PyTorch."""
        self.hand_over(arguments.values(), node, thing_value(thing))
        if thing.kind in ("torch", "tensorflow", "keras"):
            self.draw(hidden_state.TORCH_RANDOM if thing.kind == "torch" else hidden_state.TENSORFLOW_RANDOM)
        made = self.new(thing.kind, node)
        self.put(made, None, any_of([thing_value(thing), *arguments.values()]))
        return thing_value(made)

    def _call_unknown(self, name: str | None, arguments: Arguments, node: ast.AST) -> Value:
        """Call a function of which at most the name is known: it may change all that it is given."""
        values = arguments.values()
        effect = mutations.named_function_effect(name or "")
        if name is not None and effect.changes == "nothing":
            self.hand_over(values, node)
            made = self.new("", node)
            if effect.shares != "nothing":
                self.put(made, None, any_of(values))
            return thing_value(made)
        for value in values:
            self.consume(value, node)
        self.mutate(everything_in(values), elements=True)
        self.hand_over(values, node)
        made = self.new("", node)
        self.put(made, None, any_of(values))
        return thing_value(made)

    # Functions and classes of the notebook

    def call_function(self, function: Function, positional: Sequence[Value], node: ast.AST) -> Value:
        """Call a function of the notebook with these arguments; others are not known."""
        return self._call_given(function, None, Arguments(tuple(positional), (), False), node)

    def _call_given(self, function: Function, receiver: Value | None, arguments: Arguments, node: ast.AST) -> Value:
        given = _given(function, receiver, arguments, self, node)
        if function.is_generator:
            thing = self.new("iterator", node, is_open=False, use=function)
            self.put(thing, None, any_of([thing_value(function), *given.values()]))
            thing.resume = lambda run: run.follow(function, given, node)
            return thing_value(thing)
        return self.follow(function, given, node)

    def follow(self, function: Function, given: dict[str, Value], node: ast.AST) -> Value:
        """Run a function, unless it runs already with these arguments, or did and nothing has changed since."""
        for active, arguments in self._active:
            if active is function and arguments == given:
                return NOTHING
        key = (function, tuple(given.items()))
        known = self._known_calls.get(key)
        if known is not None and known[0] == self.epoch:
            return known[1]
        depth = sum(active is function for active, _ in self._active)
        self._calls += 1
        if self._calls > _MOST_CALLS or depth > 3 or len(self._active) > _DEEPEST:
            return self._too_deep(function, given)
        context = self.context
        self.context = (*context[-3:], id(node))
        self._active.append((function, given))
        try:
            result = self.run_function(function, given)
        finally:
            self._active.pop()
            self.context = context
        self._known_calls[key] = (self.epoch, result)
        return result

    def _too_deep(self, function: Function, given: dict[str, Value]) -> Value:
        """Take a call to change all that it is given and all that the names in the function stand for."""
        values = list(given.values())
        if self._calls > _MOST_CALLS:
            for name in function.outer_names:
                values.append(self.read(name))
        self.mutate(everything_in(values), elements=True)
        return any_of(values)

    def _instantiate(self, made_of: Class, arguments: Arguments, node: ast.AST) -> Value:
        key = (id(node), self.context, made_of, "instance")
        instance = self._made.setdefault(key, Instance(self.cell, made_of))
        assert isinstance(instance, Instance)
        value = thing_value(instance)
        ran = False
        for name in ("__new__", "__init__", "__post_init__"):
            found = made_of.find(name)
            for thing in found.things if found is not None else ():
                if isinstance(thing, Function):
                    ran = ran or name != "__post_init__"
                    given = arguments if name != "__post_init__" else Arguments((), (), False)
                    self._call_given(thing, value, given, node)
        self._make_fields(instance, node)
        if not ran:
            for place, argument in enumerate(arguments.positional):
                fields = made_of.fields
                self.put(instance, "." + fields[place] if place < len(fields) else None, argument)
            for keyword, argument in arguments.keywords:
                self.put(instance, None if keyword is None else "." + keyword, argument)
        if instance.is_open:
            self.hand_over([*arguments.values()], node)
            library = made_of.library_parent() or ""
            if library.partition(".")[0] == "torch":
                self.draw(hidden_state.TORCH_RANDOM)
        return value

    def _make_fields(self, instance: Instance, node: ast.AST) -> None:
        """Make the default values of a dataclass's fields (``field(default_factory=list)``), anew for each instance."""
        for name in instance.of.fields:
            default = instance.of.find(name)
            for thing in default.things if default is not None else ():
                if thing.origin == "dataclasses.field":
                    context = self.context
                    self.context = (*context, id(node), id(thing))
                    made = self.call_value(thing.inside, Arguments((), (), False), node, None)
                    self.context = context
                    self.put(instance, "." + name, made)

    def hand_over(self, values: Sequence[Value], node: ast.AST, receiver: Value | None = None) -> None:
        """A library may call the functions among the arguments, with parts of what else it was given."""
        callables: list[Thing] = []
        for value in (*values, *([receiver] if receiver is not None else [])):
            for thing in value.things:
                if isinstance(thing, Function | Class | Bound | Instance):
                    callables.append(thing)
                elif thing.kind not in PLAIN_KINDS and (thing.inside.things or thing.named):
                    callables.extend(
                        held for held in reachable([thing]) if isinstance(held, Function | Bound | Instance)
                    )
        if not callables:
            return
        others = [*values, *([receiver] if receiver is not None else [])]
        anything = any_of(
            [
                thing.part()
                for value in others
                for thing in value.things
                if not isinstance(thing, Function | Class | Bound)
            ]
        )
        if anything.things and all(thing.kind in ("pandas", "mask", "array", "numpy") for thing in anything.things):
            anything = thing_value(self.new("array", node, use="handed over"))
        self.uncertain += 1
        for thing in dict.fromkeys(callables):
            if thing not in self.handed_over:
                self.handed_over.add(thing)
                self._may_be_called(thing, anything, node)
                self.handed_over.discard(thing)
        self.uncertain -= 1

    def _may_be_called(self, thing: Thing, anything: Value, node: ast.AST) -> None:
        if isinstance(thing, Function):
            names = _parameters(thing)
            self.follow(thing, {name: thing.defaults.get(name, anything) for name in names}, node)
        elif isinstance(thing, Bound):
            if thing.function is not None:
                names = _parameters(thing.function)
                given = dict.fromkeys(names, anything)
                if names:
                    given[names[0]] = thing.receiver
                self.follow(thing.function, given, node)
            else:
                self.call_attribute(thing.receiver, thing.attribute, Arguments((anything,), (), False), node)
        elif isinstance(thing, Instance):
            self._methods_may_be_called(thing, anything)

    def _methods_may_be_called(self, instance: Instance, anything: Value) -> None:
        seen: set[Function] = set()
        pending = [instance.of]
        while pending:
            of = pending.pop()
            pending.extend(thing for parent in of.parents for thing in parent.things if isinstance(thing, Class))
            for value in (of.named or {}).values():
                for thing in value.things:
                    if isinstance(thing, Function) and thing not in seen and not thing.is_generator:
                        seen.add(thing)
                        names = _parameters(thing)
                        given = dict.fromkeys(names, anything)
                        if names:
                            given[names[0]] = thing_value(instance)
                        self.follow(thing, given, instance.of)  # type: ignore[arg-type]

    # Methods

    def call_attribute(self, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a method, or a function of a module."""
        results = [self.call_path(f"{path}.{name}", arguments, node) for path in receiver.paths]
        self.attribute_needs(name, receiver)
        patched = self.resources.patches.get(name)
        if patched is not None and receiver.things:
            results.append(
                self.call_value(patched, Arguments((receiver, *arguments.positional), *arguments[1:]), node, None)
            )
        if name == "pipe" and arguments.positional:
            piped = Arguments((receiver, *arguments.positional[1:]), arguments.keywords, arguments.has_stars)
            results.append(self.call_value(arguments.positional[0], piped, node, None))
        by_kind: dict[str, list[Thing]] = {}
        for thing in receiver.things:
            if isinstance(thing, Instance):
                results.append(self._call_method_of_instance(thing, name, arguments, node))
            elif isinstance(thing, Class):
                results.append(self._call_through_class(thing, name, arguments, node))
            elif isinstance(thing, Function | Bound):
                if name in ("cache_clear", "register"):
                    self.mutate([thing])
                    for value in arguments.values():
                        self.put(thing, None, value)
                results.append(thing_value(thing))
            elif (stored := thing.at("." + name)) is not None:
                results.append(self.call_value(stored, arguments, node, None))
            else:
                by_kind.setdefault(thing.kind, []).append(thing)
        for kind, things in by_kind.items():
            results.append(self._call_method(kind, things, name, arguments, node))
        if not receiver.things and not receiver.paths:
            results.append(self._call_method_of_plain(receiver, name, arguments, node))
        return any_of(results)

    def _call_method_of_instance(self, instance: Instance, name: str, arguments: Arguments, node: ast.AST) -> Value:
        method = self._attribute_of_instance(instance, name, node)
        known = [thing for thing in method.things if thing is not instance]
        if known or method.paths:
            return self.call_value(method._replace(things=frozenset(known)), arguments, node, None)
        library = instance.of.library_parent()
        kind = library.partition(".")[0] if library else ""
        return self._call_method(kind if kind != "builtins" else "", [instance], name, arguments, node)

    def _call_through_class(self, of: Class, name: str, arguments: Arguments, node: ast.AST) -> Value:
        found = of.find(name)
        if found is None:
            if of.library_parent() is not None:
                self.hand_over([thing_value(of), *arguments.values()], node)
            return any_of([thing_value(of), *arguments.values()])
        results = [self.call_path(path, arguments, node) for path in found.paths]
        for thing in found.things:
            if isinstance(thing, Function):
                receiver = thing_value(of) if thing.binding == "class" else None
                results.append(self._call_given(thing, receiver, arguments, node))
            else:
                results.append(self.call_value(thing_value(thing), arguments, node, None))
        return any_of(results)

    def _call_method_of_plain(self, receiver: Value, name: str, arguments: Arguments, node: ast.AST) -> Value:
        """Call a method of a number, a text, a path, or of something of which nothing is known but that it is new."""
        values = arguments.values()
        for value in values:
            self.consume(value, node)
            self.as_text(value, node)
        if receiver.kind == "path":
            return self.path_method(receiver, name, arguments, node)
        if receiver.kind == "":
            self._touch_by_method("", [], name, arguments)
        if name == "format" and receiver.text() is not None:
            import re

            return Value(const=re.sub(r"\{[^{}]*\}", WILDCARD, receiver.const), kind="str")
        if name in ("split", "rsplit", "splitlines", "partition", "findall"):
            return thing_value(self.new("list", node, is_open=False))
        effect = method_effect(receiver.kind, name)
        if effect.changes == "all" and receiver.kind == "":
            self.mutate(everything_in(values), elements=True)
            self.hand_over(values, node)
            made = self.new("", node)
            self.put(made, None, any_of(values))
            return thing_value(made)
        return TEXT if receiver.kind == "str" else NOTHING


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _parameters(function: Function) -> list[str]:
    arguments = function.node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    rest = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [argument.arg for argument in (*every, *rest)]


def _given(
    function: Function, receiver: Value | None, arguments: Arguments, run: AbstractCalls, node: ast.AST
) -> dict[str, Value]:
    """Return parameter to value."""
    positional = arguments.positional if receiver is None else (receiver, *arguments.positional)
    signature = function.node.args
    names = [argument.arg for argument in (*signature.posonlyargs, *signature.args)]
    keyword_names = {*names, *(argument.arg for argument in signature.kwonlyargs)}
    given: dict[str, Value] = dict(function.defaults)
    if arguments.has_stars:
        anything = any_of(
            [
                *(value for value in arguments.positional),
                *(value for name, value in arguments.keywords if name is not None),
                *(thing.part() for name, value in arguments.keywords if name is None for thing in value.things),
            ]
        )
        given.update(dict.fromkeys(_parameters(function), anything))
        for parameter, kind in ((signature.vararg, "tuple"), (signature.kwarg, "dict")):
            if parameter is not None:
                made = run.new(kind, node, is_open=False, use=(function, kind))
                run.put(made, None, anything)
                given[parameter.arg] = thing_value(made)
        if receiver is not None and names:
            given[names[0]] = receiver
        return given
    given.update(zip(names, positional, strict=False))
    given.update({name: value for name, value in arguments.keywords if name in keyword_names and name is not None})
    if signature.vararg is not None:
        rest = run.new("tuple", node, is_open=False, use=(function, "*"))
        for place, value in enumerate(positional[len(names) :]):
            run.put(rest, place, value)
        given[signature.vararg.arg] = thing_value(rest)
    if signature.kwarg is not None:
        rest = run.new("dict", node, is_open=False, use=(function, "**"))
        for name, value in arguments.keywords:
            if name not in keyword_names:
                run.put(rest, name, value)
        given[signature.kwarg.arg] = thing_value(rest)
    return given
