"""Parameter values as JSON, in both directions, non-finite floats included.

JSON has no NaN and no infinities. In the store and in messages such a float is ``{"$float": "nan" | "inf" | "-inf"}``;
in what people and their scripts read it is the string ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

_TAG = "$float"
_NON_FINITE = ("nan", "inf", "-inf")


def to_stored(value: object) -> object:
    """Return ``value`` with non-finite floats tagged, so that JSON keeps them."""
    return _map_floats(value, lambda number: {_TAG: repr(number)})


def from_stored(value: object) -> object:
    """Undo :func:`to_stored`."""
    if isinstance(value, Mapping):
        if len(value) == 1 and value.get(_TAG) in _NON_FINITE:
            return float(str(value[_TAG]))
        return {key: from_stored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_stored(item) for item in value]
    return value


def to_readable(value: object) -> object:
    """Return ``value`` with non-finite floats as the words that people read."""
    return _map_floats(from_stored(value), _word)


def _word(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def _map_floats(value: object, replace: Callable[[float], object]) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return replace(value)
    if isinstance(value, Mapping):
        return {key: _map_floats(item, replace) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_map_floats(item, replace) for item in value]
    return value
