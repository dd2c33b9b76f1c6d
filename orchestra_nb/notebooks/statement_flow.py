"""What statements do to names: assignments, branches, loops, exceptions, definitions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

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
from orchestra_nb.notebooks.known_values import NEW, Effects, Home, Routine, Value, new_holder
from orchestra_nb.notebooks.name_flow import NameFlow, State, copy_state, join_slots

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class _Loop:
    """The states at the ``break`` and ``continue`` of one loop."""

    __slots__ = ("breaks", "continues")

    def __init__(self) -> None:
        self.breaks: list[State] = []
        self.continues: list[State] = []


class Scope(NameFlow):
    """One run through the statements of a cell, a function body or a class body."""

    __slots__ = ("_loops", "_outcomes")

    def __init__(
        self, own_names: Collection[str], home: Home, *, is_function: bool = False, routine: Routine | None = None
    ) -> None:
        super().__init__(own_names, home, is_function=is_function, routine=routine)
        self._loops: list[_Loop] = []
        #: the states where a way ends: at ``raise`` and ``return``
        self._outcomes: list[State] = []

    def run_code(self, trees: Sequence[ast.Module], is_local: bool) -> None:
        """Run statements in this scope, or in a function of their own."""
        for tree in trees:
            if not is_local:
                self.run(tree.body)
                continue
            inner = Scope(bound_names(tree.body), self, is_function=True)
            inner.run(tree.body)
            self._perform_outside(inner.effects())

    def run_routine(self, routine: Routine) -> Effects:
        """Run through the body of a function."""
        node = routine.node
        assert node is not None
        parameters = routine.all_parameters()
        body: list[ast.stmt] = node.body if not isinstance(node, ast.Lambda) else [ast.Return(value=node.body)]
        names = bound_names(body).union(parameters, routine.closure) | type_parameters(node)
        scope = Scope(names - declared_elsewhere(body), routine.home, is_function=True, routine=routine)
        for name, value in routine.closure.items():
            scope.bind(name, value)
        for name in parameters:
            scope.bind(name, Value(roots=frozenset((name,))))
        if parameters:
            scope._first_parameter = scope.peek(parameters[0])
        scope.run(body)
        return scope.effects()

    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Run statements in order, as far as a way leads."""
        for statement in statements:
            if self.state is None:
                return
            _STATEMENTS[type(statement)](self, statement)

    def finish(self) -> State:
        """Return the state at the end; where every way raises, that at the last place before."""
        if self.state is None:
            self.state = self._join(self._outcomes) or {}
        return self.state

    def _expression(self, node: ast.Expr) -> None:
        self.evaluate(node.value)

    def _assign(self, node: ast.Assign) -> None:
        value = self._assigned(node.value, node.targets)
        for target in node.targets:
            self._assign_pairwise(target, node.value, value)

    def _assigned(self, node: ast.expr | None, targets: Sequence[ast.expr]) -> Value:
        if isinstance(node, ast.Lambda) and all(isinstance(target, ast.Name) for target in targets):
            return Value(routines=(self.make_lambda(node),))  # its body counts where the name is used
        return self.evaluate(node)

    def _assign_pairwise(self, target: ast.expr, node: ast.expr, value: Value) -> None:
        """Assign ``a, b = x, y`` element by element, so that ``a`` does not stand for ``y`` too."""
        both = (ast.Tuple, ast.List)
        if (
            isinstance(target, both)
            and isinstance(node, both)
            and len(target.elts) == len(node.elts)
            and not any(isinstance(element, ast.Starred) for element in (*target.elts, *node.elts))
        ):
            values = [self._known_again(element) for element in node.elts]
            for element, known in zip(target.elts, values, strict=True):
                self.assign(element, known)
        else:
            self.assign(target, value)

    def _known_again(self, node: ast.expr) -> Value:
        return self.peek(node.id) if isinstance(node, ast.Name) else self.evaluate(node)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if not self._is_function or not isinstance(node.target, ast.Name):
            self.evaluate(node.annotation)  # annotations of local variables are not evaluated
        if node.value is not None:
            self.assign(node.target, self._assigned(node.value, [node.target]))

    def _augmented(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Name):
            before = self.read(target.id)
            value = self.evaluate(node.value)
            self.mutate(before.roots)
            self.bind(target.id, replace(before, path=None).holding([value]))
        else:
            value = self.evaluate(node.value)
            self.assign(target, value)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.forget(target)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name == "__main__":
                self.say_opaque("`import __main__` gives access to any name")
            name, path = (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
            self.bind(name, Value(path=path))

    def _import_from(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.say_opaque(f"`from {'.' * node.level}{node.module or ''} import *` can bind any name")
            else:
                module = "." * node.level + (node.module or "")
                self.bind(alias.asname or alias.name, Value(path=f"{module}.{alias.name}"))

    def _function(self, node: _FunctionNode) -> None:
        self.bind(node.name, Value(routines=(self._define(node),)))

    def _define(self, node: _FunctionNode) -> Routine:
        for decorator in node.decorator_list:
            self.evaluate(decorator)
        names = type_parameters(node)
        for annotation in annotations_of(node):
            if not names or not (isinstance(annotation, ast.Name) and annotation.id in names):
                self.evaluate(annotation)
        is_exact = all(is_inert(decorator) for decorator in node.decorator_list)
        routine = Routine(node.name, node, self._function_home(), defaults=self._defaults(node.args), is_exact=is_exact)
        if not is_exact:
            self.use((routine,))  # the decorator may call it, or hand it to somebody who does
        return routine

    def _class(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.evaluate(decorator)
        values = [self.evaluate(base) for base in node.bases]
        values += [self.evaluate(keyword.value) for keyword in node.keywords]
        own_names = bound_names(node.body) - declared_elsewhere(node.body) | type_parameters(node)
        inner = ClassScope(own_names, self)
        inner.run(node.body)
        self._perform_outside(inner.effects())
        bases = tuple(routine for value in values for routine in value.routines)
        routine = Routine(node.name, None, self, methods=inner.methods(), bases=bases, is_class=True)
        if node.keywords or bases or not all(is_inert(decorator) for decorator in node.decorator_list):
            self.use((routine,))  # a metaclass, __init_subclass__ or the decorator may call methods
        self.bind(node.name, Value(routines=(routine,)))

    def _return(self, node: ast.Return) -> None:
        self.give(self.evaluate(node.value))
        self._leave()

    def _raise(self, node: ast.Raise) -> None:
        self.evaluate(node.exc)
        self.evaluate(node.cause)
        self._leave()

    def _leave(self) -> None:
        if self.state is not None:
            self._outcomes.append(self.state)
        self.state = None

    def _break(self, node: ast.Break) -> None:
        if self._loops and self.state is not None:
            self._loops[-1].breaks.append(self.state)
        self.state = None

    def _continue(self, node: ast.Continue) -> None:
        if self._loops and self.state is not None:
            self._loops[-1].continues.append(self.state)
        self.state = None

    def _pass(self, node: ast.stmt) -> None:
        """Do nothing: ``pass``, ``global``, ``nonlocal``."""

    def _if(self, node: ast.If) -> None:
        self.evaluate(node.test)
        start = copy_state(self.state)
        self.run(node.body)
        body_end, self.state = self.state, start
        self.run(node.orelse)
        self.state = self._join([body_end, self.state])

    def _assert(self, node: ast.Assert) -> None:
        self.evaluate(node.test)
        if node.msg is not None:
            self.in_branches([lambda: NEW, lambda: self.evaluate(node.msg)])

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        items = self.evaluate(node.iter).part()

        def begin() -> None:
            self.assign(node.target, items)

        self._loop(node.body, node.orelse, begin, runs_once=is_never_empty(node.iter), ends=True)

    def _while(self, node: ast.While) -> None:
        is_endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        self.evaluate(node.test)  # also before a loop whose body never runs

        def begin() -> None:
            self.evaluate(node.test)

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
        entry = copy_state(self.state)
        loop = _Loop()
        end: State | None = None
        for _ in range(2):
            self.state = self._join([copy_state(entry), copy_state(end)])
            before = copy_state(self.state)
            begin()
            self._loops.append(loop)
            self.run(body)
            self._loops.pop()
            end = self._join([self.state, *loop.continues])
            if end is None or self._join([before, copy_state(end)]) == before:
                break
        self.state = self._join([None if runs_once else entry, end]) if ends else None
        if self.state is not None:
            self.run(orelse)
        self.state = self._join([self.state, *loop.breaks])

    def _try(self, node: ast.Try) -> None:
        raised = dict(self.state or {})
        seen: State = {}
        self._tries.append(seen)
        self.run(node.body)
        self._tries.pop()
        for name, slot in seen.items():  # an exception may come anywhere: each name is as it was at some time
            raised[name] = join_slots(raised.get(name) or self._incoming(name), slot)
        self.run(node.orelse)
        ends = [self.state]
        for handler in node.handlers:
            self.state = copy_state(raised)
            self.evaluate(handler.type)
            if handler.name:
                self.bind(handler.name, NEW)
            self.run(handler.body)
            if handler.name:
                self._unbind(handler.name)
            ends.append(self.state)
        self._finally(node.finalbody, raised, ends)

    def _finally(self, statements: Sequence[ast.stmt], raised: State, ends: Sequence[State | None]) -> None:
        if statements:
            self.state = self._join([copy_state(raised), *(copy_state(end) for end in ends)])
            self.run(statements)  # also on the way of an exception
        self.state = self._join(ends)
        if statements and self.state is not None:
            self.run(statements)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        swallows = False
        for item in node.items:
            value = self.evaluate(item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value)
            swallows = swallows or swallows_exceptions(item.context_expr)
        start = copy_state(self.state) if swallows else None
        self.run(node.body)
        self.state = self._join([start, self.state])

    def _match(self, node: ast.Match) -> None:
        subject = self.evaluate(node.subject)
        ends: list[State | None] = []
        for case in node.cases:
            before = copy_state(self.state)
            self._pattern(case.pattern, subject)
            self.evaluate(case.guard)
            entered = self.state
            # a pattern may bind names before it fails to match
            failed = (
                None
                if case.guard is None and always_matches(case.pattern)
                else self._join([before, copy_state(entered)])
            )
            self.run(case.body)
            ends.append(self.state)
            self.state = failed
        self.state = self._join([*ends, self.state])

    def _pattern(self, pattern: ast.pattern, subject: Value) -> None:
        for node in ast.walk(pattern):
            if isinstance(node, ast.MatchValue):
                self.evaluate(node.value)
            elif isinstance(node, ast.MatchClass):
                self.evaluate(node.cls)
            elif isinstance(node, ast.MatchMapping):
                for key in node.keys:
                    self.evaluate(key)
                if node.rest:
                    self.bind(node.rest, new_holder([subject.part()]))
            elif isinstance(node, ast.MatchStar | ast.MatchAs) and node.name:
                self.bind(node.name, subject if node is pattern else subject.part())

    def _type_alias(self, node: ast.stmt) -> None:
        target = getattr(node, "name", None)  # ast.TypeAlias, from Python 3.12
        if isinstance(target, ast.Name):
            self.bind(target.id, NEW)


class ClassScope(Scope):
    """The body of a class: it runs at once, and its names are not seen by its methods."""

    __slots__ = ("_outer",)

    def __init__(self, own_names: Collection[str], outer: Scope) -> None:
        super().__init__(own_names, outer, is_function=False)
        self._outer = outer

    def _function_home(self) -> Home:
        return self._outer._function_home()

    def is_namespace_function(self, name: str) -> bool:
        """``locals()`` in a class body is the class's own namespace."""
        return name == "globals" and super().is_namespace_function(name)

    def methods(self) -> dict[str, Routine]:
        """Return name to method (the last one, where a name has several: getter and setter are all used)."""
        found: dict[str, Routine] = {}
        for name, slot in self.finish().items():
            for routine in slot.value.routines:
                found[name] = routine
        return found


_STATEMENTS: Final[dict[type[ast.stmt], Callable[..., None]]] = {
    ast.Expr: Scope._expression,
    ast.Assign: Scope._assign,
    ast.AnnAssign: Scope._annotated,
    ast.AugAssign: Scope._augmented,
    ast.Delete: Scope._delete,
    ast.Import: Scope._import,
    ast.ImportFrom: Scope._import_from,
    ast.FunctionDef: Scope._function,
    ast.AsyncFunctionDef: Scope._function,
    ast.ClassDef: Scope._class,
    ast.Return: Scope._return,
    ast.Raise: Scope._raise,
    ast.Break: Scope._break,
    ast.Continue: Scope._continue,
    ast.Pass: Scope._pass,
    ast.Global: Scope._pass,
    ast.Nonlocal: Scope._pass,
    ast.If: Scope._if,
    ast.Assert: Scope._assert,
    ast.For: Scope._for,
    ast.AsyncFor: Scope._for,
    ast.While: Scope._while,
    ast.Try: Scope._try,
    ast.TryStar: Scope._try,
    ast.With: Scope._with,
    ast.AsyncWith: Scope._with,
    ast.Match: Scope._match,
}
if hasattr(ast, "TypeAlias"):  # Python 3.12
    _STATEMENTS[ast.TypeAlias] = Scope._type_alias
