"""Whether a cell has enough to do for a task of its own."""

from __future__ import annotations

import ast


def is_trivial(tree: ast.Module) -> bool:
    """Whether a cell is too small for a task: a display, a setting, the assignment of a name."""
    statements = tree.body
    if len(statements) > 3:
        return False
    return all(map(_is_short, statements)) and (len(statements) == 1 or not any(map(_is_work, statements)))


def _is_work(statement: ast.stmt) -> bool:
    """Whether a statement calls something and keeps what it gives."""
    value = getattr(statement, "value", None)
    return (
        not isinstance(statement, ast.Expr)
        and value is not None
        and any(isinstance(node, ast.Call | ast.comprehension) for node in ast.walk(value))
    )


def _is_short(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass | ast.Delete | ast.Global):
        return True
    if isinstance(statement, ast.Expr):
        return (statement.end_lineno or 0) - statement.lineno < 2
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return not _is_work(statement)
    return False
