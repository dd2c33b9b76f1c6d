"""Walks through arguments: finds what stands for a value that is yet to come, and puts the value in its place.

Lists, tuples (named ones too), sets, dicts and dataclass instances are walked through; all else (arrays, tables,
objects) is taken as it is. Cost: a large list or dict of plain values is looked at once, by the types of its items, and
not copied.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from orchestra_nb.engine.annotations import BaseAnnotation, quote

#: Types that hold nothing that could stand for a value: looked up first, since most arguments are of these.
_PLAIN = frozenset({int, float, str, bytes, bool, type(None), complex})

Replace = Callable[[Any], Any]


def replace_leaves(value: Any, replace: Replace) -> Any:
    """Return the value with each leaf replaced; the same object where nothing in it changed.

    Parameters
    ----------
    replace
        Called with each leaf, and with each annotation but ``quote``; returns the same object to leave it. Leaves of
        plain types (numbers, texts, bytes, None) are not asked about.
    """
    return _replaced(value, replace, ())


def _replaced(value: Any, replace: Replace, above: tuple[int, ...]) -> Any:
    """Return what :func:`replace_leaves` returns; ``above`` has the ids of the containers around."""
    kind = type(value)
    if kind in _PLAIN or kind is quote:
        return value
    if isinstance(value, BaseAnnotation):
        return replace(value)
    if isinstance(value, list | tuple | set | frozenset | dict):
        if id(value) in above:  # it holds itself
            return value
        return _replace_in_container(value, replace, (*above, id(value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _replace_in_dataclass(value, replace, above)
    return replace(value)


def _replace_in_container(value: Any, replace: Replace, above: tuple[int, ...]) -> Any:
    kind = type(value)
    if isinstance(value, dict):
        return _replace_in_dict(value, replace, above)
    if _PLAIN.issuperset(map(type, value)):
        return value
    items = list(value)
    new = [_replaced(item, replace, above) for item in items]
    if all(a is b for a, b in zip(items, new, strict=True)):
        return value
    if isinstance(value, tuple):
        return kind._make(new) if hasattr(kind, "_make") else tuple(new)
    if isinstance(value, list):
        return new
    return frozenset(new) if isinstance(value, frozenset) else set(new)


def _replace_in_dict(value: dict[Any, Any], replace: Replace, above: tuple[int, ...]) -> dict[Any, Any]:
    if _PLAIN.issuperset(map(type, value.values())) and _PLAIN.issuperset(map(type, value)):
        return value
    items = list(value.items())
    new = [(_replaced(key, replace, above), _replaced(item, replace, above)) for key, item in items]
    if all(a is b and c is d for (a, c), (b, d) in zip(items, new, strict=True)):
        return value
    if type(value) is dict:
        return dict(new)
    changed = copy.copy(value)  # keeps what a subclass knows beside its items, such as a default
    changed.clear()
    changed.update(new)
    return changed


def _replace_in_dataclass(value: Any, replace: Replace, above: tuple[int, ...]) -> Any:
    replaced = replace(value)
    if replaced is not value or id(value) in above:
        return replaced
    changes = {}
    for field in dataclasses.fields(value):
        if field.init and hasattr(value, field.name):
            old = getattr(value, field.name)
            new = _replaced(old, replace, (*above, id(value)))
            if new is not old:
                changes[field.name] = new
    return dataclasses.replace(value, **changes) if changes else value
