"""What statements of a notebook do: branches, loops, exceptions, definitions, imports."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from orchestra_nb.notebooks.abstract_methods import Arguments
from orchestra_nb.notebooks.abstract_scopes import AbstractScopes
from orchestra_nb.notebooks.abstract_state import BOUND, Frame, Loop, Slot, Ways
from orchestra_nb.notebooks.abstract_values import (
    NOTHING,
    Class,
    Function,
    Thing,
    Value,
    any_of,
    either,
    thing_value,
)
from orchestra_nb.notebooks.binding_syntax import (
    always_matches,
    annotations_of,
    bound_names,
    declared_elsewhere,
    is_inert,
    is_never_empty,
    swallows_exceptions,
    type_parameters,
)
from orchestra_nb.notebooks.star_imports import names_of_module

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
#: Functions of library classes that only mark a function.
_BINDINGS: Final = {
    "staticmethod": "static",
    "classmethod": "class",
    "property": "property",
    "cached_property": "cached",
}


class AbstractStatements(AbstractScopes):
    """Runs statements abstractly."""

    # Functions

    def make_lambda(self, node: ast.Lambda) -> Value:
        """Return a lambda."""
        function = self._made_function(node, "lambda")
        function.body = [ast.Return(value=node.body)] if not function.body else function.body
        return thing_value(function)

    def _made_function(self, node: _FunctionNode | ast.Lambda, use: str) -> Function:
        key = (id(node), self.context, id(self.frame), use)
        known = self._made.get(key)
        if known is not None:
            assert isinstance(known, Function)
            return known
        function = Function(self.cell, node, self.frame, self._defaults(node.args))
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        parameters = {argument.arg for argument in every if argument is not None}
        if isinstance(node, ast.Lambda):
            function.names = frozenset(parameters)
            inside: list[ast.AST] = [node.body]
        else:
            function.body = node.body
            declared = declared_elsewhere(node.body)
            function.names = frozenset((bound_names(node.body) | parameters | type_parameters(node)) - declared)
            function.is_generator = _yields(node.body)
            inside = list(node.body)
        function.outer_names = (
            frozenset(inner.id for statement in inside for inner in ast.walk(statement) if isinstance(inner, ast.Name))
            - function.names
        )
        if self.frame.parent is not None:
            self.put(function, None, thing_value(self.frame.environment))
        self._made[key] = function
        return function

    def _defaults(self, arguments: ast.arguments) -> dict[str, Value]:
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs: list[tuple[ast.arg, ast.expr | None]] = [
            *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        return {name.arg: self.evaluate(default) for name, default in pairs if default is not None}

    def run_function(self, function: Function, given: dict[str, Value]) -> Value:
        """Run the body of a function."""
        parent = function.home
        frame = Frame(function.names, parent, self.cell, function)
        saved = (self.frame, self.local, self.alive)
        self.frame, self.local, self.alive = frame, {}, True
        for name, value in given.items():
            self.local[name] = Slot(BOUND, value)
            frame.remember(name, value)
        arguments = function.node.args
        ordered = [*arguments.posonlyargs, *arguments.args]
        if ordered:
            frame.first = given.get(ordered[0].arg, NOTHING)
        self.run(function.body)
        end = self._ways()
        ended = self._join([end, *frame.outcomes])
        self.frame, self.local, self.alive = saved
        if ended is not None:
            self.names = ended.notebook
        return frame.returns if frame.returns is not None else NOTHING

    def give(self, value: Value) -> None:
        """Return or yield a value from the running function."""
        before = self.frame.returns
        self.frame.returns = value if before is None else either(before, value)

    def super_method(self, name: str) -> tuple[Value, list[Thing]] | None:
        """Return what ``super()`` works on, and the methods of this name of the classes above."""
        frame: Frame | None = self.frame
        while frame is not None and (frame.function is None or frame.function.owner is None):
            frame = frame.parent
        if frame is None or frame.function is None or frame.function.owner is None:
            return None
        methods: list[Thing] = []
        for parent in frame.function.owner.parents:
            for thing in parent.things:
                if isinstance(thing, Class) and (found := thing.find(name)) is not None:
                    methods.extend(found.things)
        return frame.first, methods

    def run_code(self, trees: Sequence[ast.Module], *, is_local: bool) -> None:
        """Run statements in the present scope, or in one of their own."""
        for tree in trees:
            self._kept_trees.append(tree)
            if not is_local:
                self.run(tree.body)
                continue
            frame = Frame(frozenset(bound_names(tree.body)), self.home_frame, self.cell)
            saved = (self.frame, self.local)
            self.frame, self.local = frame, {}
            self.run(tree.body)
            self.frame, self.local = saved

    # Statements

    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Run statements in order, as far as a way leads."""
        for statement in statements:
            if not self.alive:
                return
            self.fuel -= 1
            _STATEMENTS[type(statement)](self, statement)
            if self._snapshots and self.alive and self.frame.parent is None:
                self._snapshots[-1].append(Ways(self.local, self.names).copy())

    def _expression(self, node: ast.Expr) -> None:
        value = self.evaluate(node.value)
        if self.frame.parent is None:
            self.result_shown(node, value)

    def result_shown(self, node: ast.Expr, value: Value) -> None:
        """A statement at the top of the cell is an expression."""

    def _assign(self, node: ast.Assign) -> None:
        of_call = isinstance(node.value, ast.Call)
        if isinstance(node.value, ast.Tuple) and len(node.targets) == 1 and _is_pairwise(node.targets[0], node.value):
            values = [self.evaluate(element) for element in node.value.elts]
            for element, value in zip(node.targets[0].elts, values, strict=True):  # type: ignore[attr-defined]
                self.assign(element, value)
            return
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target, value, of_call=of_call)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if self.frame.function is None or not isinstance(node.target, ast.Name):
            self.evaluate(node.annotation)
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value), of_call=isinstance(node.value, ast.Call))

    def _augmented(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Name):
            before = self.read(target.id)
            value = self.evaluate(node.value)
            self.consume(value, node)
            self.bind(target.id, self._in_place(before, value, node))
        else:
            holder = self.evaluate(target)
            value = self.evaluate(node.value)
            self.assign(target, self._in_place(holder, value, node))

    def _in_place(self, before: Value, value: Value, node: ast.AugAssign) -> Value:
        result = self.operate(before, value, node.op, node)
        if not before.things:
            return result
        kept = frozenset(thing for thing in before.things if thing.kind != "tuple")
        self.mutate(kept, elements=True)
        for thing in kept:
            if thing.kind in ("list", "set", "dict", ""):
                self.put(thing, None, any_of([item.part() for item in value.things]))
        return either(before, result)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.forget(target)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name == "__main__":
                self.say_opaque("`import __main__` gives access to any name")
            self.imports(alias.name)
            name, path = (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
            self.bind(name, Value(paths=(_canonical(path),)))

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        self.imports(module, [alias.name for alias in node.names])
        for alias in node.names:
            if alias.name == "*":
                self._import_all(module)
            else:
                self.bind(alias.asname or alias.name, Value(paths=(_canonical(f"{module}.{alias.name}"),)))

    def _import_all(self, module: str) -> None:
        names = names_of_module(module)
        if names is None:
            self.say_opaque(f"`from {module} import *` can bind any name")
            return
        for name, path in names.items():
            self.bind(name, Value(paths=(path,)))

    def _function(self, node: _FunctionNode) -> None:
        function = self._made_function(node, "def")
        names = type_parameters(node)
        for annotation in annotations_of(node):
            if not names:
                self.evaluate(annotation)
        value = thing_value(function)
        name = node.name
        for decorator in reversed(node.decorator_list):
            if isinstance(decorator, ast.Name) and decorator.id in _BINDINGS:
                self.evaluate(decorator)
                function.binding = _BINDINGS[decorator.id]
            elif isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "deleter", "getter"):
                name = f"{node.name}.setter"
            else:
                value = self._decorated(decorator, value, node)
        self.bind(name, value)

    def _decorated(self, decorator: ast.expr, value: Value, node: ast.AST) -> Value:
        wrapper = self.evaluate(decorator)
        if is_inert(decorator) and not any(isinstance(thing, Function) for thing in wrapper.things):
            if isinstance(decorator, ast.Attribute) and decorator.attr == "cached_property":
                next(iter(value.things)).binding = "cached"  # type: ignore[attr-defined]
            return value
        if not wrapper.things and not wrapper.paths:
            return value
        result = self.call_value(wrapper, Arguments((value,), (), False), node, None)
        if any(isinstance(thing, Function | Class) for thing in result.things) and not wrapper.paths:
            return result
        return either(value, Value(frozenset(t for t in result.things if isinstance(t, Function)), result.paths))

    def _class(self, node: ast.ClassDef) -> None:
        parents = tuple(self.evaluate(base) for base in node.bases)
        for keyword in node.keywords:
            self.evaluate(keyword.value)
        of = Class(self.cell, node.name, parents)
        key = (id(node), self.context, "class")
        made = self._made.setdefault(key, of)
        assert isinstance(made, Class)
        of = made
        own = frozenset(bound_names(node.body) - declared_elsewhere(node.body) | type_parameters(node))
        setters = {f"{statement.name}.setter" for statement in node.body if isinstance(statement, _FunctionNode)}
        frame = Frame(own | setters, self.frame, self.cell)
        frame.is_class = True
        saved = (self.frame, self.local)
        self.frame, self.local = frame, {}
        self.run(node.body)
        found = self.local
        self.frame, self.local = saved
        for name, slot in (found or {}).items():
            of.put("." + name, slot.value)
            for thing in slot.value.things:
                if isinstance(thing, Function) and thing.owner is None:
                    thing.owner = of
        of.fields = [
            statement.target.id
            for statement in node.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        ]
        value = thing_value(of)
        for decorator in reversed(node.decorator_list):
            value = either(value, self._decorated(decorator, value, node))
        for parent in parents:
            for thing in parent.things:
                if isinstance(thing, Class) and (hook := thing.find("__init_subclass__")) is not None:
                    for function in hook.things:
                        if isinstance(function, Function):
                            self.call_function(function, [value], node)
        self.bind(node.name, value)

    def _return(self, node: ast.Return) -> None:
        self.give(self.evaluate(node.value))
        self._leave()

    def _raise(self, node: ast.Raise) -> None:
        self.evaluate(node.exc)
        if node.cause is not None:
            self.evaluate(node.cause)
        self.may_end = True
        self._leave()

    def _leave(self) -> None:
        ways = self._ways()
        if ways is not None:
            self.frame.outcomes.append(ways)
        self.alive = False

    def _break(self, node: ast.Break) -> None:
        ways = self._ways()
        if self.frame.loops and ways is not None:
            self.frame.loops[-1].breaks.append(ways)
        self.alive = False

    def _continue(self, node: ast.Continue) -> None:
        ways = self._ways()
        if self.frame.loops and ways is not None:
            self.frame.loops[-1].continues.append(ways)
        self.alive = False

    def _pass(self, node: ast.stmt) -> None:
        """Do nothing: ``pass``, ``global``, ``nonlocal``."""

    def _if(self, node: ast.If) -> None:
        if _is_never(node.test):
            self.run(node.orelse)
            return
        self.truth(self.evaluate(node.test), node)
        start = self._ways()
        self.uncertain += 1
        self.run(node.body)
        body_end = self._ways()
        self._go_on(start)
        self.run(node.orelse)
        self.uncertain -= 1
        self._go_on(self._join([body_end, self._ways()]))

    def _assert(self, node: ast.Assert) -> None:
        self.truth(self.evaluate(node.test), node)
        if node.msg is not None:
            self.in_branches([lambda: NOTHING, lambda: self.evaluate(node.msg)])

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        items = self.iterate(self.evaluate(node.iter), node.iter)

        def begin() -> None:
            self.assign(node.target, items)

        self._loop(node.body, node.orelse, begin, runs_once=is_never_empty(node.iter), ends=True)

    def _while(self, node: ast.While) -> None:
        is_endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        self.evaluate(node.test)

        def begin() -> None:
            self.truth(self.evaluate(node.test), node)

        self._loop(node.body, node.orelse, begin, runs_once=is_endless, ends=not is_endless)

    def _loop(
        self,
        body: Sequence[ast.stmt],
        orelse: Sequence[ast.stmt],
        begin: Callable[[], None],
        *,
        runs_once: bool,
        ends: bool,
    ) -> None:
        """Run a loop's body until another round teaches nothing, at most twice."""
        entry = self._ways()
        loop = Loop()
        end: Ways | None = None
        self.uncertain += 0 if runs_once else 1
        # the second round of a loop around runs this one again
        for round_number in range(2 if len(self.frame.loops) < 2 else 1):
            before_epoch = self.epoch
            self._go_on(self._join([entry.copy() if entry else None, end.copy() if end else None]))
            begin()
            self.frame.loops.append(loop)
            self.run(body)
            self.frame.loops.pop()
            end = self._join([self._ways(), *loop.continues])
            if end is None or (round_number and self.epoch == before_epoch):
                break
        self.uncertain -= 0 if runs_once else 1
        self._go_on(self._join([None if runs_once else entry, end]) if ends else None)
        if self.alive:
            self.run(orelse)
        self._go_on(self._join([self._ways(), *loop.breaks]))

    def _try(self, node: ast.Try) -> None:
        start = self._ways()
        snapshots: list[Ways] = []
        catches = bool(node.handlers)
        self._snapshots.append(snapshots)
        self.uncertain += catches
        may_end = self.may_end
        outcomes = len(self.frame.outcomes)
        self.run(node.body)
        self._snapshots.pop()
        if catches:
            self.may_end = may_end
        raised_at = self.frame.outcomes[outcomes:]
        raised = self._join([start, *snapshots, *raised_at, self._ways()])
        self.run(node.orelse)
        ends = [self._ways()]
        self.uncertain += not catches
        for handler in node.handlers:
            self._go_on(raised.copy() if raised is not None else None)
            self.evaluate(handler.type)
            if handler.name:
                self.bind(handler.name, thing_value(self.new("exception", handler)))
            self.run(handler.body)
            if handler.name and self.alive:
                self._unbind(handler.name)
            ends.append(self._ways())
        self.uncertain -= 1
        if node.finalbody:
            self._go_on(self._join([raised, *ends]))
            self.run(node.finalbody)  # also on the way of an exception
        self._go_on(self._join(ends))
        if node.finalbody and self.alive:
            self.run(node.finalbody)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        swallows = False
        for item in node.items:
            value = self.evaluate(item.context_expr)
            entered = self._enter(value, item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, entered)
            swallows = swallows or swallows_exceptions(item.context_expr)
        start = self._ways() if swallows else None
        self.uncertain += swallows
        self.run(node.body)
        self.uncertain -= swallows
        self._go_on(self._join([start, self._ways()]))

    def _enter(self, value: Value, node: ast.AST) -> Value:
        from orchestra_nb.notebooks.abstract_values import Instance

        entered: list[Value] = []
        for thing in value.things:
            if isinstance(thing, Instance):
                given = self.run_methods(thing, ("__enter__", "__exit__", "__aenter__", "__aexit__"), node)
                entered.append(given if given is not None else thing_value(thing))
            elif thing.kind == "iterator" and thing.resume is not None:
                self.mutate([thing])
                entered.append(thing.resume(self))  # a function under @contextmanager
            else:
                if thing.kind not in ("file", "connection"):
                    self.mutate([thing])
                entered.append(thing_value(thing))
        return any_of([*entered, *([value._replace(things=_NO_THINGS)] if value.paths else [])])

    def _match(self, node: ast.Match) -> None:
        subject = self.evaluate(node.subject)
        ends: list[Ways | None] = []
        self.uncertain += 1
        for case in node.cases:
            before = self._ways()
            self._pattern(case.pattern, subject)
            if case.guard is not None:
                self.evaluate(case.guard)
            entered = self._ways()
            matches = case.guard is None and always_matches(case.pattern)
            self.run(case.body)
            ends.append(self._ways())
            self._go_on(None if matches else self._join([before, entered]))
        self.uncertain -= 1
        self._go_on(self._join([*ends, self._ways()]))

    def _pattern(self, pattern: ast.pattern, subject: Value) -> None:
        parts = any_of([thing.part() for thing in subject.things])
        for node in ast.walk(pattern):
            if isinstance(node, ast.MatchValue):
                self.evaluate(node.value)
            elif isinstance(node, ast.MatchClass):
                self.evaluate(node.cls)
            elif isinstance(node, ast.MatchMapping):
                for key in node.keys:
                    self.evaluate(key)
                if node.rest:
                    self.bind(node.rest, parts)
            elif isinstance(node, ast.MatchStar) and node.name:
                rest = self.new("list", node, is_open=False)
                self.put(rest, None, parts)
                self.bind(node.name, thing_value(rest))
            elif isinstance(node, ast.MatchAs) and node.name:
                self.bind(node.name, subject if node is pattern else parts)

    def _type_alias(self, node: Any) -> None:
        self.bind(node.name.id, NOTHING)


_NO_THINGS: Final[frozenset[Thing]] = frozenset()


def _canonical(path: str) -> str:
    """Return a path under which the tables know it: ``pylab`` is ``matplotlib.pyplot`` and more."""
    for other in ("matplotlib.pylab", "pylab"):
        if path == other or path.startswith(other + "."):
            return "matplotlib.pyplot" + path[len(other) :]
    return path


def _is_pairwise(target: ast.expr, value: ast.Tuple) -> bool:
    return (
        isinstance(target, ast.Tuple | ast.List)
        and len(target.elts) == len(value.elts)
        and not any(isinstance(element, ast.Starred) for element in (*target.elts, *value.elts))
    )


def _is_never(test: ast.expr) -> bool:
    """Tell whether a test is a constant that is false: the way to switch code off."""
    return isinstance(test, ast.Constant) and not test.value


def _yields(body: Iterable[ast.stmt]) -> bool:
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))
    return False


_STATEMENTS: Final[dict[type[ast.stmt], Callable[..., None]]] = {
    ast.Expr: AbstractStatements._expression,
    ast.Assign: AbstractStatements._assign,
    ast.AnnAssign: AbstractStatements._annotated,
    ast.AugAssign: AbstractStatements._augmented,
    ast.Delete: AbstractStatements._delete,
    ast.Import: AbstractStatements._import,
    ast.ImportFrom: AbstractStatements._import_from,
    ast.FunctionDef: AbstractStatements._function,
    ast.AsyncFunctionDef: AbstractStatements._function,
    ast.ClassDef: AbstractStatements._class,
    ast.Return: AbstractStatements._return,
    ast.Raise: AbstractStatements._raise,
    ast.Break: AbstractStatements._break,
    ast.Continue: AbstractStatements._continue,
    ast.Pass: AbstractStatements._pass,
    ast.Global: AbstractStatements._pass,
    ast.Nonlocal: AbstractStatements._pass,
    ast.If: AbstractStatements._if,
    ast.Assert: AbstractStatements._assert,
    ast.For: AbstractStatements._for,
    ast.AsyncFor: AbstractStatements._for,
    ast.While: AbstractStatements._while,
    ast.Try: AbstractStatements._try,
    ast.TryStar: AbstractStatements._try,
    ast.With: AbstractStatements._with,
    ast.AsyncWith: AbstractStatements._with,
    ast.Match: AbstractStatements._match,
}
if hasattr(ast, "TypeAlias"):  # Python 3.12
    _STATEMENTS[ast.TypeAlias] = AbstractStatements._type_alias
