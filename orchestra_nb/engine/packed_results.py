"""How a small result travels and is kept: without the names of classes and fields, which are larger than most values.

The sizes matter where results are many: a pickle of an :class:`AttemptResult` takes 500 bytes, this about 150.
"""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import msgspec

from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.outcomes import Outcome, ValueInfo
from orchestra_nb.model.states import State

_NAMES = tuple(field.name for field in msgspec.structs.fields(Outcome))
_TIMES = ("started_at", "ended_at")
_DEFAULTS = {
    field.name: field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    for field in msgspec.structs.fields(Outcome)
    if field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT
}
_NONE = object()


def pack_result(result: AttemptResult) -> bytes:
    """Return the result as bytes; raises whatever the pickling of its groups raises."""
    fields: dict[int, object] = {}
    for number, name in enumerate(_NAMES):
        value = getattr(result.outcome, name)
        if value == _DEFAULTS.get(name, _NONE):
            continue
        if name == "state":
            value = value.value
        elif name in _TIMES:
            value = value.timestamp()
        elif name == "values":
            value = {key: (info.type, info.group, info.size_bytes) for key, info in value.items()}
        fields[number] = value
    return pickle.dumps((fields, result.groups), protocol=5)


def unpack_result(packed: bytes) -> AttemptResult:
    """Return what :func:`pack_result` packed; runs the code of the groups' classes."""
    fields, groups = pickle.loads(packed)
    values = {_NAMES[number]: value for number, value in fields.items()}
    values["state"] = State(values["state"])
    for name in _TIMES:
        values[name] = datetime.fromtimestamp(values[name], UTC)
    if "values" in values:
        values["values"] = {
            key: ValueInfo(type=kind, group=group, size_bytes=size)
            for key, (kind, group, size) in values["values"].items()
        }
    return AttemptResult(Outcome(**values), groups)
