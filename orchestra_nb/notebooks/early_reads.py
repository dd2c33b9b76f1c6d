"""Whether a cell may read what only later cells bind: told at a glance, so that most notebooks need no analysis."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Final

#: Functions and methods through which code reads names that its tree does not show, or ends its cell.
_ROUNDABOUT: Final = frozenset(
    "eval exec get_ipython globals locals query run_cell vars exit quit _exit abort kill skip".split()
)
#: What runs in a scope of its own, or not at all: what it binds is not certain to be bound in the notebook.
_UNCERTAIN: Final = (
    *(ast.If, ast.While, ast.Match, ast.IfExp, ast.BoolOp, ast.ExceptHandler, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ENDS: Final = (ast.Return, ast.Raise, ast.Break, ast.Continue)


def may_read_early(notebook: Mapping[str, Any]) -> bool:
    """Tell whether some code cell may read a name that no cell up to it binds, and a later one does.

    False is certain. True may be wrong: also for what is no plain Python, where names are reached in other ways, and
    for names that are bound in branches only.
    """
    bound: set[str] = set()
    missing: set[str] = set()
    for cell in notebook["cells"]:
        if cell.get("cell_type") != "code":
            continue
        try:
            read, may_bind, binds = _names(cell["source"])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return True
        if read & _ROUNDABOUT or may_bind & missing:
            return True
        bound |= binds
        missing |= read - bound
    return False


def _names(source: str) -> tuple[set[str], set[str], set[str]]:
    """Return the names that a cell may read, those that it may bind, and those that it is certain to leave bound."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    deleted = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)}
    return (
        {name for node in nodes for name in _read_by(node)},
        {name for node in nodes for name in _bound_by(node)},
        {name for node in _certain(tree) for name in _bound_by(node)} - deleted,
    )


def _read_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Load() | ast.Del()) | ast.AugAssign(target=ast.Name(id=name)):
            yield name
        case ast.Attribute(attr=name) if name in _ROUNDABOUT:
            yield name


def _bound_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=aliases):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
        case ast.ImportFrom(names=aliases):
            yield from (alias.asname or alias.name for alias in aliases)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name


def _certain(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes in and below a node that are certain to be come to, in the notebook's own scope."""
    yield node
    if isinstance(node, _DEFINITIONS):
        return
    for _, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, _ENDS):
                break  # nothing of this block comes behind it
            if isinstance(child, ast.AST) and not _is_uncertain(child):
                yield from _certain(child)


def _is_uncertain(node: ast.AST) -> bool:
    match node:
        case ast.AnnAssign(value=None):
            return True
        case ast.For(iter=iterated) | ast.AsyncFor(iter=iterated):
            return isinstance(iterated, (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Constant))  # it may be empty
    return isinstance(node, _UNCERTAIN)
