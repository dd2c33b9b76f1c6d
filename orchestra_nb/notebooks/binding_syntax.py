"""What the form of a statement says about names before any flow is followed: what a scope owns, which loops run."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from orchestra_nb.notebooks import mutations


def bound_names(statements: Iterable[ast.stmt]) -> set[str]:
    """Return the names that statements bind in their own scope: not those in functions, classes, comprehensions."""
    names: set[str] = set()
    pending: list[ast.AST] = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                names.add(node.id)
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            pending.extend(node.decorator_list)
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            names.update(_walrus_names(node))
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.add(node.rest)
        pending.extend(ast.iter_child_nodes(node))
    return names


def _walrus_names(comprehension: ast.expr) -> set[str]:
    return {node.target.id for node in ast.walk(comprehension) if isinstance(node, ast.NamedExpr)}


def declared_elsewhere(statements: Iterable[ast.stmt]) -> set[str]:
    """Return the names that a function declares ``global`` or ``nonlocal``."""
    names: set[str] = set()
    pending: list[ast.AST] = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Global | ast.Nonlocal):
            names.update(node.names)
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case) and not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ):
            pending.extend(ast.iter_child_nodes(node))
    return names


def type_parameters(node: ast.AST) -> set[str]:
    """Return the names in the brackets of ``def f[T]`` (from Python 3.12)."""
    return {parameter.name for parameter in getattr(node, "type_params", ())}


def is_inert(decorator: ast.expr) -> bool:
    """Tell whether a decorator neither calls a function nor keeps it."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in mutations.INERT_DECORATORS


def annotations_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """Return the annotations of a function, which are evaluated where it is defined."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found = [argument.annotation for argument in every if argument is not None and argument.annotation is not None]
    return [*found, node.returns] if node.returns is not None else found


def swallows_exceptions(node: ast.expr) -> bool:
    """Tell whether a context manager may end its body early without ending what follows."""
    function = node.func if isinstance(node, ast.Call) else node
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    return name in mutations.SWALLOWING_CONTEXTS


def is_never_empty(node: ast.expr) -> bool:
    """Tell whether a loop over this runs at least once."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return any(not isinstance(element, ast.Starred) for element in node.elts)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes) and bool(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
        if node.func.id == "range" and len(node.args) == 1:
            stop = node.args[0]
            return isinstance(stop, ast.Constant) and isinstance(stop.value, int) and stop.value > 0
        if node.func.id in ("enumerate", "reversed", "sorted", "tqdm"):
            return is_never_empty(node.args[0])
    return False


def always_matches(pattern: ast.pattern) -> bool:
    """Tell whether a pattern matches whatever there is."""
    return isinstance(pattern, ast.MatchAs) and (pattern.pattern is None or always_matches(pattern.pattern))
