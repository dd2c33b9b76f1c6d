"""Whether a cell has enough to do for a task of its own, by its code alone."""

from __future__ import annotations

import ast
from typing import Final

#: Functions that take no time, and give a value.
_CHEAP: Final = frozenset("print len range str int float bool list dict tuple set type isinstance repr display".split())
#: What shows a value, or makes it fit to be shown.
_SHOWING: Final = _CHEAP | frozenset(
    "pprint Markdown HTML Image Latex Math SVG JSON Javascript Video Audio IFrame Code Pretty GeoJSON FileLink "
    "clear_output update_display sorted min max sum round abs zip enumerate any all hash id vars dir help format "
    "option_context printoptions".split()
)
#: Functions and methods that set something up: options, loggers, paths, times, devices, empty containers.
_SETTING_UP: Final = _CHEAP | frozenset(
    "basicConfig getLogger setLevel addHandler StreamHandler FileHandler NullHandler Formatter setFormatter disable "
    "filterwarnings simplefilter default_rng RandomState Random SeedSequence getenv Path PurePath cwd home expanduser "
    "resolve joinpath exists is_dir is_file getcwd abspath dirname basename is_available device device_count "
    "get_device_name defaultdict OrderedDict namedtuple timedelta date datetime now today utcnow time perf_counter "
    "monotonic TypeVar hasattr getattr extension use".split()
)


def only_shows(tree: ast.Module) -> bool:
    """Tell whether a cell, its imports aside, does nothing but show values.

    Any method of a value may make what is shown (``df.groupby("a").size()``), a function of a module or of the
    notebook's own is taken for work.
    """
    modules = _imported_names(tree)
    shown = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return bool(shown) and all(_is_show(node, modules) for node in shown)


def only_sets_up(tree: ast.Module) -> bool:
    """Tell whether a cell imports, or calls something that sets up, and else does nothing but give names to values."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    has_import = any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))
    if not calls and not has_import:
        return False
    return all(map(_sets_up, calls)) and not any(
        isinstance(node, ast.For | ast.While | ast.comprehension | ast.FunctionDef | ast.ClassDef | ast.Lambda)
        for node in ast.walk(tree)
    )


def is_cheap(node: ast.AST) -> bool:
    """Tell whether a node of a tree takes no time: no loop, and no call but of small built-in functions."""
    if isinstance(node, ast.For | ast.While | ast.With | ast.comprehension):
        return False
    return not isinstance(node, ast.Call) or (isinstance(node.func, ast.Name) and node.func.id in _CHEAP)


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


def _imported_names(tree: ast.Module) -> set[str]:
    return {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def _is_show(statement: ast.stmt, modules: set[str]) -> bool:
    match statement:
        case ast.Pass():
            return True
        case ast.Expr(value=value):
            return all(_shows(node, modules) for node in ast.walk(value) if isinstance(node, ast.Call))
        case ast.For(iter=made, body=body) | ast.If(test=made, body=body):
            parts = [*body, *statement.orelse]
        case ast.With(items=items, body=body):
            made, parts = ast.Tuple([item.context_expr for item in items], ast.Load()), body
        case _:
            return False
    calls = [node for node in ast.walk(made) if isinstance(node, ast.Call)]
    return all(_shows(call, modules) for call in calls) and all(_is_show(part, modules) for part in parts)


def _shows(call: ast.Call, modules: set[str]) -> bool:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id in _SHOWING
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr in _SHOWING:
        return True
    root: ast.expr = function
    while isinstance(root, ast.Attribute | ast.Subscript):
        root = root.value
    return not (isinstance(root, ast.Name) and root.id in modules)


def _sets_up(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id=name):
            return name in _SETTING_UP or name.startswith("set_")
        case ast.Attribute(attr=name):
            return name in _SETTING_UP or name.startswith(("set_", "enable_", "disable_"))
    return False
