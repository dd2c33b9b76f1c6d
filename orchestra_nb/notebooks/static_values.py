"""Values of expressions that their text tells: literals, well-known constructors, small arithmetic.

Nothing is run: an expression that calls anything else has no value here.
"""

from __future__ import annotations

import ast
import math
import operator
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final

from orchestra_nb.notebooks.notebook_scope import Aliased, Defined, Imported, Scope
from orchestra_nb.notebooks.parameter_types import UNKNOWN

_MOST_DIGITS: Final = 4_000
_DEPTH: Final = 50


@dataclass(frozen=True, slots=True)
class Member:
    """``Color.RED`` of an enumeration in the notebook."""

    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Instance:
    """``Point(1, y=2)`` of a class in the notebook."""

    owner: str
    arguments: tuple[object, ...]
    keywords: Mapping[str, object]


class _NotStatic(Exception):
    """The text does not tell the value."""


def static_value(node: ast.expr, scope: Scope) -> object:
    """Return the value of an expression; :data:`~orchestra_nb.notebooks.parameter_types.UNKNOWN` where it is not told.

    Of classes in the notebook the values are :class:`Member` and :class:`Instance`, paths are ``PurePath``.
    """
    try:
        return _value(node, scope, _DEPTH)
    except (_NotStatic, ArithmeticError, ValueError, TypeError, KeyError, RecursionError, MemoryError):
        return UNKNOWN


def _value(node: ast.expr, scope: Scope, depth: int) -> object:
    if depth == 0:
        raise _NotStatic

    def inside(part: ast.expr) -> object:
        return _value(part, scope, depth - 1)

    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return [inside(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(inside(item) for item in items)
        case ast.Set(elts=items):
            return {inside(item) for item in items}
        case ast.Dict(keys=keys, values=values):
            if None in keys:
                raise _NotStatic
            return {inside(key): inside(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](inside(operand))
        case ast.BinOp(op=op, left=left, right=right):
            return _calculated(op, inside(left), inside(right))
        case ast.Call(func=function, args=arguments, keywords=keywords):
            return _called(function, tuple(map(inside, arguments)), _named(keywords, inside), scope)
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if isinstance(scope.find(owner), Defined):
            return Member(owner, name)
        case ast.Attribute() if (dotted := scope.dotted(node)) in _CONSTANTS:
            return _CONSTANTS[str(dotted)]
        case ast.Name(id=name):
            return _named_value(name, node, scope, depth)
        case ast.JoinedStr(values=parts) if all(isinstance(part, ast.Constant) for part in parts):
            return "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
    raise _NotStatic


def _named(keywords: list[ast.keyword], inside: Callable[[ast.expr], object]) -> dict[str, object]:
    if any(keyword.arg is None for keyword in keywords):
        raise _NotStatic
    return {str(keyword.arg): inside(keyword.value) for keyword in keywords}


def _named_value(name: str, node: ast.Name, scope: Scope, depth: int) -> object:
    match scope.find(name):
        case Aliased(node=value):
            return _value(value, scope, depth - 1)
        case Imported():
            return _CONSTANTS[str(scope.dotted(node))]
    raise _NotStatic


def _called(function: ast.expr, arguments: tuple[object, ...], keywords: Mapping[str, object], scope: Scope) -> object:
    if isinstance(function, ast.Name) and isinstance(scope.find(function.id), Defined):
        return Instance(function.id, arguments, keywords)
    dotted = scope.dotted(function) or ""
    make = _CONSTRUCTORS.get(dotted)
    if make is None and isinstance(function, ast.Name):
        make = next((_CONSTRUCTORS[name] for name in scope.candidates(function.id) if name in _CONSTRUCTORS), None)
    if make is None:
        raise _NotStatic
    return make(*arguments, **keywords)


def _calculated(op: ast.operator, left: object, right: object) -> object:
    if isinstance(op, ast.Div) and isinstance(left, PurePath) and isinstance(right, str | PurePath):
        return left / right
    is_text = isinstance(left, str | list | tuple) and type(left) is type(right) and isinstance(op, ast.Add)
    is_time = isinstance(left, date | timedelta) and isinstance(right, date | timedelta | int | float)
    numbers = int | float | Decimal
    if not (is_text or is_time or (isinstance(left, numbers) and isinstance(right, numbers | timedelta))):
        raise _NotStatic
    if isinstance(op, ast.Pow | ast.LShift) and not (isinstance(right, int | float) and abs(right) <= 1_000):
        raise _NotStatic
    value = _BINARY[type(op)](left, right)
    if isinstance(value, int) and value.bit_length() > _MOST_DIGITS:
        raise _NotStatic
    return value


_UNARY: Final[dict[type[ast.unaryop], Callable[[Any], object]]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_BINARY: Final[dict[type[ast.operator], Callable[[Any, Any], object]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}
_CONSTRUCTORS: Final[dict[str, Callable[..., object]]] = {
    "datetime.date": date,
    "datetime.date.fromisoformat": date.fromisoformat,
    "datetime.datetime": datetime,
    "datetime.datetime.fromisoformat": datetime.fromisoformat,
    "datetime.time": time,
    "datetime.time.fromisoformat": time.fromisoformat,
    "datetime.timedelta": timedelta,
    "datetime.timezone": timezone,
    "decimal.Decimal": Decimal,
    "uuid.UUID": uuid.UUID,
    "builtins.float": float,
    "builtins.int": int,
    "builtins.str": str,
    "builtins.bool": bool,
    "builtins.list": list,
    "builtins.dict": dict,
    "builtins.tuple": tuple,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "pathlib.Path": PurePath,
    "pathlib.PurePath": PurePath,
    "pathlib.PosixPath": PurePath,
    "pathlib.PurePosixPath": PurePath,
}
_CONSTANTS: Final[dict[str, object]] = {
    "math.nan": math.nan,
    "math.inf": math.inf,
    "math.pi": math.pi,
    "math.e": math.e,
    "numpy.nan": math.nan,
    "numpy.inf": math.inf,
    "numpy.pi": math.pi,
    "datetime.UTC": UTC,
    "datetime.timezone.utc": UTC,
}
