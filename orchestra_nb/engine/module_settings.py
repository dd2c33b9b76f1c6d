"""What a cell sets in libraries: ``Image.MAX_IMAGE_PIXELS = None``, ``sys.setrecursionlimit(5000)``.

Told by its source, since a library changes many of its own variables. Only what says all by itself is told of: a
statement at the top level, of constants and of what lies in libraries. Such a statement can be run again in place of
the cell. What is set by ``setattr``, by a function that the cell calls, or to a value of the notebook is not seen.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Final

from orchestra_nb.model.cell_records import ABSENT, RESOURCE
from orchestra_nb.model.code_encodings import is_users
from orchestra_nb.notebooks.ipython_syntax import parse_cell

#: The settings among the names of a notebook; their content is JSON of each place and its statement.
SETTINGS: Final = RESOURCE + "settings of libraries"
#: Names of functions that set up something, and change no argument.
_SETTING: Final = re.compile(
    r"^(_?set(?!p$)|reset|register|unregister|add_type$|enable|disable|config|init|install|update$|extension$)"
    r"|^(field_size_limit|umask|use)$"
)
#: What lies here is looked at, kept and put back as a state of the process.
_APART: Final = re.compile(
    r"^((numpy|pandas|sklearn|matplotlib|seaborn|locale|decimal|random|warnings)\b|os\.(?!umask\()"
    r"|sys\.(argv|path|stdout|stderr|stdin|displayhook)\b)"
)


def settings_made(source: str, namespace: Mapping[str, object]) -> dict[str, str]:
    """Return what a cell sets in libraries to the statement that sets it, in order.

    Parameters
    ----------
    namespace
        The names of the notebook after the cell, with their values.
    """
    try:
        tree = parse_cell(source)
    except (SyntaxError, ValueError):
        return {}
    return {place: text for statement in tree.body for place, text in _settings_of(statement, namespace)}


def settings_after(before: str, made: Mapping[str, str]) -> str:
    """Return the content of all settings after some were made.

    Examples
    --------
    >>> settings_after(settings_after("", {"b": "b = 1"}), {"a": "a = 2"})
    '{"a": "a = 2", "b": "b = 1"}'
    """
    if not made:
        return before
    return json.dumps({**(json.loads(before) if before != ABSENT else {}), **made}, sort_keys=True)


def _settings_of(statement: ast.stmt, namespace: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    match statement:
        case ast.Assign(targets=[ast.Attribute() as target], value=value):
            place, owner = _place(target, namespace), _value_of(target.value, namespace)
            now = getattr(owner, target.attr, None) if isinstance(owner, ModuleType) else value
            if place and not _is_closed(value, namespace):
                if not isinstance(now, bool | int | float | str | None):
                    return
                statement = ast.Assign([target], ast.Constant(now), lineno=0)
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name) as function) as call) if (
            _SETTING.search(name)
            and all(_is_closed(value, namespace) for value in (*call.args, *(word.value for word in call.keywords)))
        ):
            place = f"{_place(function, namespace)}("
            if name.startswith(("register", "unregister", "add", "update")):  # each is a setting of its own
                place = f"{place}{', '.join(ast.unparse(value) for value in call.args)}"
        case _:
            return
    if place[:1] not in ("", "(") and not _APART.match(place):
        yield place, ast.unparse(statement)


def _place(node: ast.expr, namespace: Mapping[str, object]) -> str:
    """Return the full name of what is in a library; "" for anything else."""
    if isinstance(node, ast.Attribute):
        owner = _place(node.value, namespace)
        return owner and f"{owner}.{node.attr}"
    if not isinstance(node, ast.Name):
        return ""
    value = namespace.get(node.id)
    if isinstance(value, ModuleType):
        return "" if value.__name__ == "__main__" or is_users(value.__name__) else value.__name__
    if isinstance(value, FunctionType | type) and not is_users(value.__module__):
        return f"{value.__module__}.{value.__qualname__}"
    return ""


def _value_of(node: ast.expr, namespace: Mapping[str, object]) -> object:
    """Return the module that a dotted name means; None for anything else."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id)
    owner = _value_of(node.value, namespace) if isinstance(node, ast.Attribute) else None
    return vars(owner).get(node.attr) if isinstance(owner, ModuleType) and isinstance(node, ast.Attribute) else None


def _is_closed(node: ast.expr, namespace: Mapping[str, object]) -> bool:
    """Tell whether an expression is made of constants and of what lies in libraries."""
    match node:
        case ast.Constant():
            return True
        case ast.Attribute() | ast.Name():
            return bool(_place(node, namespace))
        case ast.UnaryOp(operand=operand):
            return _is_closed(operand, namespace)
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return all(_is_closed(part, namespace) for part in parts)
        case ast.Dict(keys=keys, values=values):
            return all(part is not None and _is_closed(part, namespace) for part in (*keys, *values))
    return False
