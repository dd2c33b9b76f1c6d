"""How a small result travels and is kept: without the names of classes and fields, which are larger than most values.

The sizes matter where results are many: a pickle of an :class:`AttemptResult` takes 500 bytes. A small value that a
function returned takes about 60 beside itself, as MessagePack; what is anything else is a pickle of 150.
"""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import msgspec

from orchestra_nb.engine.returned_values import PackedReturn
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

#: The first byte of a pickle, which no :class:`_Plain` has.
_PICKLE = 0x80


class _Plain(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The usual result: a function completed and returned something small, and nothing else is to be said."""

    started_at: float
    ended_at: float
    worker: str
    pid: int
    is_cached: bool
    may_retry: bool
    values: dict[str, tuple[str, int, int]]
    data: bytes


#: The fields of an outcome that a :class:`_Plain` has.
_PLAIN_FIELDS = frozenset({"state", "values", *_Plain.__struct_fields__})
_OTHER_DEFAULTS = tuple((name, default) for name, default in _DEFAULTS.items() if name not in _PLAIN_FIELDS)
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Plain)


def pack_result(result: AttemptResult) -> bytes:
    """Return the result as bytes; raises whatever the pickling of its groups raises."""
    plain = _plain_of(result)
    if plain is not None:
        try:
            return _ENCODER.encode(plain)
        except UnicodeEncodeError:  # a name with a lone surrogate, which a pickle keeps
            pass
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
    if packed[0] != _PICKLE:
        return _result_of(_DECODER.decode(packed))
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


def _plain_of(result: AttemptResult) -> _Plain | None:
    outcome = result.outcome
    if type(outcome) is not Outcome or outcome.state is not State.COMPLETED or len(result.groups) != 1:
        return None
    group = result.groups[0]
    if not isinstance(group, PackedReturn) or group.buffers or not isinstance(group.data, bytes):
        return None
    if any(getattr(outcome, name) != default for name, default in _OTHER_DEFAULTS):
        return None
    return _Plain(
        outcome.started_at.timestamp(),
        outcome.ended_at.timestamp(),
        outcome.worker,
        outcome.pid,
        outcome.is_cached,
        outcome.may_retry,
        {name: (info.type, info.group, info.size_bytes) for name, info in outcome.values.items()},
        group.data,
    )


def _result_of(plain: _Plain) -> AttemptResult:
    outcome = Outcome(
        state=State.COMPLETED,
        started_at=datetime.fromtimestamp(plain.started_at, UTC),
        ended_at=datetime.fromtimestamp(plain.ended_at, UTC),
        worker=plain.worker,
        pid=plain.pid,
        is_cached=plain.is_cached,
        may_retry=plain.may_retry,
        values={
            name: ValueInfo(type=kind, group=group, size_bytes=size)
            for name, (kind, group, size) in plain.values.items()
        },
    )
    return AttemptResult(outcome, (PackedReturn(plain.data),))
