"""Turns a value that a notebook returns into its record, and a record back into the value.

Small values that are exact as JSON or Arrow stand in the record itself; all others are stored as results
(:mod:`orchestra_nb.engine.results`), pickles signed, and the record says where.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Final, cast

from orchestra_nb.engine.function_pickling import pickle_value
from orchestra_nb.engine.readable_tables import is_pandas, readable_pandas
from orchestra_nb.engine.result_serializers import (
    JSONSerializer,
    NotExact,
    PickleSerializer,
    dumps_automatically,
    name_of,
    serializer_of,
)
from orchestra_nb.engine.results import ResultStore, default_results_url
from orchestra_nb.engine.shipped_results import ShippedResults
from orchestra_nb.errors import InvalidInput, ResultNotFound, ValueNotPortable
from orchestra_nb.model.counted import counted
from orchestra_nb.model.jsonable import from_stored, to_stored
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.notebooks.portability import find_culprit

#: A value up to this size stands in the notebook itself.
INLINE_BYTES: Final = 64 * 1024
_SUMMARY_CHARACTERS: Final = 80
_READABLE_BYTES: Final = 16 * 1024
_READABLE_DEPTH: Final = 6
_READABLE_ELEMENTS: Final = 500
_JSON_WITH_FLOATS: Final = "json+floats"
#: Parts of a class's name to what is recorded in place of its objects.
_REMEDIES: Final = (
    (
        ("connection", "cursor", "engine", "session", "client", "socket"),
        "Record what you read through it, or the address that it is connected to.",
    ),
    (
        ("lock", "condition", "semaphore", "thread", "executor", "pool", "event"),
        "Record the values that it guards or makes.",
    ),
)


def encode_value(
    name: str,
    value: object,
    now: datetime,
    *,
    run_id: str = "",
    store: Callable[[], ResultStore | ShippedResults] | None,
) -> RecordedValue:
    """Return the record of a value.

    Parameters
    ----------
    store
        Called for a value that does not stand in the record itself; None where nothing is to be kept elsewhere, as in
        a notebook that nobody runs: the record then says so.

    Raises
    ------
    InvalidInput
        The name is no identifier, or the value is a secret.
    ValueNotPortable
        The value cannot be kept; the message says why and what to do.
    """
    if not name.isidentifier():
        raise InvalidInput(f"{name!r} cannot be the name of a returned value. Write letters, digits and _ only.")
    if isinstance(value, Secret):
        raise InvalidInput(
            f"record({name}=…) would write a secret into the notebook. Keep it with `orchestra secrets`, and "
            "return its name."
        )
    kind, value = type(value).__name__, _without_numpy(value)
    serializer, blob = _dumps(name, value)
    is_text = serializer.startswith("json")
    record = RecordedValue(
        run_id=run_id,
        name=name,
        type=kind,
        recorded_at=now,
        serializer=serializer,
        size_bytes=len(blob),
        summary=summary_of(value),
        readable_json=None if is_text and len(blob) <= INLINE_BYTES else _readable_json(value),
    )
    if len(blob) <= INLINE_BYTES and serializer != "pickle":
        return _with(record, data=blob.decode("utf-8") if is_text else base64.b64encode(blob).decode())
    if store is None:
        why = "too large for the notebook" if serializer != "pickle" else "kept only as a pickle"
        return _with(record, unreadable=f"it is {why}, and was recorded outside of a run: `orchestra run` keeps it")
    if serializer == _JSON_WITH_FLOATS:
        value = to_stored(value)
    return _with(record, reference=store().write(value, name=f"record({name}=…)", now=now))


def load_value(record: RecordedValue) -> Any:
    """Return the value of a record.

    Raises
    ------
    ResultNotFound
        It was not kept, or what kept it is gone.
    ResultNotTrusted
        What is stored was altered, or signed by nobody that this user trusts.
    """
    if record.unreadable:
        raise ResultNotFound(f"The value {record.name!r} cannot be read: {record.unreadable}.")
    if record.reference is not None:
        value = result_store().read(record.reference)
        return from_stored(value) if record.serializer == _JSON_WITH_FLOATS else value
    if record.data is None:
        raise ResultNotFound(f"The value {record.name!r} is not in its record. Run the notebook again.")
    if record.serializer.startswith("json"):
        value = json.loads(record.data)
        return from_stored(value) if record.serializer == _JSON_WITH_FLOATS else value
    if record.serializer != "arrow":
        raise ResultNotFound(
            f"The value {record.name!r} was written by {record.serializer!r}, which is not known here."
        )
    return serializer_of("arrow").loads(base64.b64decode(record.data))


def result_store() -> ResultStore | ShippedResults:
    """Return where large values stand: with the results of tasks, those of the driver where the run is far from it."""
    from orchestra_nb.engine.signing_key import load_signing_key

    if (shipped := ShippedResults.of_process()) is not None:
        return shipped
    return ResultStore(default_results_url(), load_signing_key())


def summary_of(value: object) -> str:
    """Return a value in one line."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2 and hasattr(value, "columns"):
        return f"table, {counted(shape[0], 'row')} × {counted(shape[1], 'column')}"
    if isinstance(shape, tuple) and hasattr(value, "dtype"):
        what = "array" if not hasattr(value, "index") else "column"
        return f"{what} of {value.dtype}, {' × '.join(f'{length:,}' for length in shape) or '1'}"
    if isinstance(value, str | list | dict | bytes) and len(value) > 10_000:
        return f"{type(value).__name__}, {len(value):,} {'characters' if isinstance(value, str) else 'items'}"
    try:
        text = " ".join(repr(value).split())
    except Exception as error:  # the repr of a user's class
        text = f"{type(value).__name__} (its repr raised {type(error).__name__})"
    return text if len(text) <= _SUMMARY_CHARACTERS else text[: _SUMMARY_CHARACTERS - 1] + "…"


def _with(record: RecordedValue, **fields: Any) -> RecordedValue:
    import msgspec

    return msgspec.structs.replace(record, **fields)


def _without_numpy(value: object) -> object:
    """Return one of numpy's numbers as Python's: it is what people return most, and what JSON knows."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        plain: object = value.item()
        if type(plain) in (int, float, bool, str):
            return plain
    return value


def _dumps(name: str, value: object) -> tuple[str, bytes]:
    """Return (serializer, bytes)."""
    try:
        with_floats = _with_tagged_floats(value)
        if with_floats is not value:
            return _JSON_WITH_FLOATS, JSONSerializer().dumps(with_floats)
    except NotExact:
        pass
    pickled = _StrictPickle()
    try:
        serializer, blob = dumps_automatically(value, last=pickled)
    except Exception as error:  # pickling runs code of any class
        raise ValueNotPortable(_refusal(name, value, error, pickled.dumps)) from None
    return name_of(serializer), blob


class _StrictPickle(PickleSerializer):
    """A pickle of what is a value: no module, which is only a name, and no open file, of which a copy would be kept."""

    def dumps(self, obj: Any) -> bytes:
        """Return the value as a pickle."""
        if _holds_module(obj):
            raise TypeError("a module is no value")
        return pickle_value(obj)


def _holds_module(value: object, depth: int = 20) -> bool:
    """Whether a value is a module, or a list, dict and so on with one in it; what objects hold is their own affair."""
    if isinstance(value, types.ModuleType):
        return True
    if depth == 0 or type(value) not in (list, tuple, set, dict):
        return False
    parts = value.values() if isinstance(value, dict) else cast("Iterable[object]", value)
    return any(_holds_module(part, depth - 1) for part in parts)


def _refusal(name: str, value: object, error: BaseException, try_pickle: Callable[[object], object]) -> str:
    """Say why a value cannot be recorded, where in it the cause is, and what to record in its place."""
    path, culprit, error = find_culprit(value, error, try_pickle)
    refused = f"record({name}=…): a value of type {type(value).__name__} cannot be kept"
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        return f"{refused}: it is nested too deeply. Record what you need of it."
    kind = "file" if isinstance(culprit, io.IOBase) else type(culprit).__name__
    place = f"{name}{''.join(path)} is a {kind}: " if path else ""
    reason = " ".join(str(error).split())[:200].rstrip(".")
    return f"{refused}: {place}{reason}. {_remedy_for(culprit, '' if path else name)}"


def _remedy_for(culprit: object, name: str) -> str:
    """Return what to record in place of something; ``name`` is empty where it is only a part of the value."""
    if isinstance(culprit, types.ModuleType):
        top = culprit.__name__.partition(".")[0]
        return f"Record its name, or its version: record({top}_version={top}.__version__)."
    if isinstance(culprit, types.GeneratorType):
        return f"Record a list of what it gives: record({name}=list({name}))." if name else "Put a list in its place."
    if isinstance(culprit, types.CoroutineType | types.AsyncGeneratorType):
        return "Await it, and record what it gives."
    word = type(culprit).__name__.lower()
    if isinstance(culprit, io.IOBase):
        path = getattr(culprit, "name", None)
        return "Record its path" + (f" ({path!r})" if isinstance(path, str) else "") + ", or what it holds."
    for words, remedy in _REMEDIES:
        if any(part in word for part in words):
            return remedy
    return "Record what it is made of, or write it to a file and record the path."


def _with_tagged_floats(value: object, depth: int = 100) -> object:
    """Return the value with non-finite floats tagged; the same object where there are none, or it is no JSON."""
    if type(value) is float:
        return value if math.isfinite(value) else to_stored(value)
    if depth == 0:
        raise NotExact("it is nested too deeply, or holds itself")
    if type(value) is list:
        items = [_with_tagged_floats(item, depth - 1) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if type(value) is dict:
        if "$float" in value:
            raise NotExact("it has a key that tags floats")
        fields = {key: _with_tagged_floats(item, depth - 1) for key, item in value.items()}
        return fields if any(fields[key] is not value[key] for key in value) else value
    return value


def _readable_json(value: object) -> str | None:
    """Return what people read in place of a value that is no JSON, or is large; None where the summary says as much."""
    try:
        text = json.dumps(_readable(value, _READABLE_DEPTH), ensure_ascii=False)
        is_small = len(text.encode()) <= _READABLE_BYTES
    except (TypeError, ValueError, RecursionError):
        return None
    return text if is_small else None


def _readable(value: object, depth: int) -> object:
    value = _without_numpy(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return to_stored(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if depth == 0:
        return summary_of(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _readable(getattr(value, field.name), depth - 1) for field in dataclasses.fields(value)}
    fields = getattr(type(value), "model_fields", None)  # pydantic's
    if isinstance(fields, Mapping):
        return {name: _readable(getattr(value, name), depth - 1) for name in fields}
    if isinstance(value, Mapping):
        return {str(key): _readable(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_readable(item, depth - 1) for item in value]
    return _readable_elements(value, depth)


def _readable_elements(value: Any, depth: int) -> object:
    """Return the rows of a small table, and the elements of a small array."""
    size = getattr(value, "size", None)
    if isinstance(size, int) and size <= _READABLE_ELEMENTS:
        numpy = sys.modules.get("numpy")
        if is_pandas(value):
            return readable_pandas(value, lambda cell: _readable(cell, depth - 1))
        if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype.kind in "biufU":
            return to_stored(value.tolist())
    return summary_of(value)
