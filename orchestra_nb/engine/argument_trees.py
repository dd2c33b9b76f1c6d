"""Walks through arguments: finds what stands for a value that is yet to come, and puts the value in its place.

Lists, tuples (named ones too), sets, dicts and dataclass instances are walked through; all else is taken as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from orchestra_nb.engine.annotations import BaseAnnotation, quote

#: Types that hold nothing that could stand for a value: looked up first, since most arguments are of these.
_PLAIN = frozenset({int, float, str, bytes, bool, type(None), complex})


def replace_leaves(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return the value with each leaf replaced; the same object where nothing in it changed.

    Parameters
    ----------
    replace
        Called with each leaf, and with each annotation but ``quote``; returns the same object to leave it.
    """
    kind = type(value)
    if kind in _PLAIN or kind is quote:
        return value
    if kind is list:
        return _changed(value, [replace_leaves(item, replace) for item in value])
    if kind is dict:
        new = {replace_leaves(key, replace): replace_leaves(item, replace) for key, item in value.items()}
        is_same = all(a is b and c is d for (a, c), (b, d) in zip(value.items(), new.items(), strict=False))
        return value if is_same and len(new) == len(value) else new
    if kind is tuple:
        return _changed(value, tuple(replace_leaves(item, replace) for item in value))
    if kind in (set, frozenset):
        items = list(value)
        new_items = [replace_leaves(item, replace) for item in items]
        return value if _is_same(items, new_items) else kind(new_items)
    if isinstance(value, tuple) and hasattr(kind, "_make"):
        return _changed(value, kind._make(replace_leaves(item, replace) for item in value))
    if isinstance(value, BaseAnnotation):
        return replace(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _replace_in_dataclass(value, replace)
    return replace(value)


def _replace_in_dataclass(value: Any, replace: Callable[[Any], Any]) -> Any:
    replaced = replace(value)
    if replaced is not value:
        return replaced
    changes = {}
    for field in dataclasses.fields(value):
        if field.init and hasattr(value, field.name):
            old = getattr(value, field.name)
            new = replace_leaves(old, replace)
            if new is not old:
                changes[field.name] = new
    return dataclasses.replace(value, **changes) if changes else value


def _changed(old: Any, new: Any) -> Any:
    return old if _is_same(old, new) else new


def _is_same(old: Any, new: Any) -> bool:
    return all(a is b for a, b in zip(old, new, strict=True))
