"""Parameter values on their way to the process that drives their run: exact, real objects and secrets included.

For pipes between processes of one user; :mod:`orchestra_nb.notebooks.parameter_preparation` says what is recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.notebooks.converted_values import CONTAINERS, fields_of, items_of, secret_in
from orchestra_nb.notebooks.parameter_scalars import kind_of, read_scalar, recorded_scalar, unwrapped
from orchestra_nb.notebooks.parameter_types import Kind

_SECRET: Final = "$secret_text"
_FLOAT: Final = "$float"
_KIND: Final = "$kind"
_ZONE: Final = "$zone"
_CONTAINER: Final = "$container"
_ESCAPED: Final = "$mapping"
_MARKS: Final = frozenset({_SECRET, _FLOAT, _KIND, _ZONE, _CONTAINER, _ESCAPED})


def sent_parameters(values: Mapping[str, object]) -> dict[str, object]:
    """Return parameter values as JSON.

    Raises
    ------
    InvalidParameters
        One of them cannot be sent.
    """
    return {name: _sent(value, name) for name, value in values.items()}


def received_parameters(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values that :func:`sent_parameters` was given; objects with fields are mappings now."""
    return {name: _received(value) for name, value in values.items()}


def _sent(value: object, name: str) -> object:
    value = unwrapped(value)
    secret = secret_in(value)
    if isinstance(secret, Secret):
        return {_SECRET: secret.get()}
    if isinstance(value, Enum):
        return value.name
    if (kind := kind_of(value)) is not None:
        if isinstance(value, float) and not math.isfinite(value):
            return {_FLOAT: repr(float(value))}
        if isinstance(value, datetime) and (zone := getattr(value.tzinfo, "key", None)) is not None:
            naive = value.replace(tzinfo=None)
            return {_ZONE: zone, "value": naive.isoformat(), "fold": value.fold}
        plain = recorded_scalar(value)
        return plain if kind.is_plain else {_KIND: kind.value, "value": plain}
    if isinstance(fields := fields_of(value), Mapping):
        value = fields
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise InvalidParameters(f"Parameter {name!r}: its key {wrong[0]!r} is no text.")
        sent = {str(key): _sent(item, name) for key, item in value.items()}
        return {_ESCAPED: sent} if _MARKS & sent.keys() else sent
    if isinstance(value, list):
        return [_sent(item, name) for item in value]
    for container in ("tuple", "set", "frozenset"):
        if isinstance(value, CONTAINERS[container]):
            return {_CONTAINER: container, "items": [_sent(item, name) for item in items_of(value, container)]}
    raise InvalidParameters(f"Parameter {name!r}: a value of type {type(value).__name__} cannot be passed.")


def _received(value: object) -> object:
    if isinstance(value, list):
        return [_received(item) for item in value]
    if not isinstance(value, dict):
        return value
    for mark in _MARKS & value.keys():
        return _UNPACKERS[mark](value)
    return {key: _received(item) for key, item in value.items()}


_UNPACKERS: Final[dict[str, Callable[[Mapping[str, Any]], object]]] = {
    _SECRET: lambda packed: Secret(str(packed[_SECRET])),
    _FLOAT: lambda packed: float(str(packed[_FLOAT])),
    _KIND: lambda packed: read_scalar(Kind(packed[_KIND]), packed["value"]),
    _ZONE: lambda packed: _zoned(packed),
    _CONTAINER: lambda packed: CONTAINERS[packed[_CONTAINER]](map(_received, packed["items"])),
    _ESCAPED: lambda packed: {key: _received(item) for key, item in packed[_ESCAPED].items()},
}


def _zoned(packed: Mapping[str, Any]) -> datetime:
    naive = datetime.fromisoformat(packed["value"])
    return naive.replace(tzinfo=ZoneInfo(packed[_ZONE]), fold=packed["fold"])
