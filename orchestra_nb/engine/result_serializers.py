"""How a task's result becomes bytes, and the same value again: JSON, Arrow or a pickle, each of them compressed or not.

A serializer never changes a value silently: JSON takes only what comes back exactly, Arrow only tables that do, and
what neither takes is pickled. ``"json"``, ``"pickle"`` and the same after ``"compressed/"`` are Prefect's names;
``"arrow"`` and ``"auto"`` are ours. A pickle is bytes that run code when they are loaded, so what :func:`runs_code` is
stored signed.
"""

from __future__ import annotations

import json
import math
import sys
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from orchestra_nb.errors import InvalidInput, InvalidSetting
from orchestra_nb.model.fingerprints import fingerprint

#: Bytes, or a view of them.
Buffer = bytes | memoryview

_COMPRESSED = "compressed/"

#: Metadata of an Arrow file that says what it was: the kind of table, and a series' name.
_KIND = b"orchestra"


class NotExact(Exception):
    """A serializer would give back another value than it was given; the message says why."""


@runtime_checkable
class Serializer(Protocol):
    """What makes bytes of a value. An object of the user's needs only the two methods."""

    def dumps(self, obj: Any) -> bytes:
        """Return the value as bytes; raise anything when it cannot be."""

    def loads(self, blob: Any) -> Any:
        """Return the value of what :meth:`dumps` returned; a serializer of the user's is given bytes."""


class JSONSerializer:
    """JSON, for what comes back exactly: None, bools, numbers, text, lists, and dicts with text for keys."""

    type: ClassVar[str] = "json"
    runs_code: ClassVar[bool] = False

    def dumps(self, obj: Any) -> bytes:
        """Return the value as JSON; raises :class:`NotExact` when it would come back as another one."""
        try:
            _check_json(obj, "")
            return json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        except UnicodeEncodeError:
            raise NotExact("some of its text is no valid Unicode") from None
        except RecursionError:
            raise NotExact("it is nested too deeply, or holds itself") from None

    def loads(self, blob: Buffer) -> Any:
        """Return the value."""
        return json.loads(bytes(blob))


class ArrowSerializer:
    """Arrow's IPC file with LZ4, for tables of pandas and pyarrow. Needs pyarrow."""

    type: ClassVar[str] = "arrow"
    runs_code: ClassVar[bool] = False

    def dumps(self, obj: Any) -> bytes:
        """Return the table as an Arrow file; raises :class:`NotExact` when it would come back as another one."""
        if not is_tabular(obj):
            raise NotExact("it is no table of pandas or pyarrow")
        pyarrow = _import_pyarrow()
        table, kind = _to_table(pyarrow, obj)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KIND: json.dumps(kind).encode()})
        sink = pyarrow.BufferOutputStream()
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with pyarrow.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table)
        blob = bytes(sink.getvalue())
        if kind["kind"] in ("frame", "series"):
            _check_same(obj, self.loads(blob))
        return blob

    def loads(self, blob: Buffer) -> Any:
        """Return the table, of the kind that it was."""
        pyarrow = _import_pyarrow()
        table = pyarrow.ipc.open_file(pyarrow.BufferReader(blob)).read_all()
        metadata = dict(table.schema.metadata)
        kind = json.loads(metadata.pop(_KIND))
        table = table.replace_schema_metadata(metadata or None)
        if kind["kind"] == "table":
            return table
        if kind["kind"] == "batch":
            batches = table.combine_chunks().to_batches()
            return batches[0] if batches else pyarrow.RecordBatch.from_pylist([], schema=table.schema)
        frame = table.to_pandas()
        return frame if kind["kind"] == "frame" else frame.iloc[:, 0].rename(kind["name"])


class PickleSerializer:
    """A pickle, of functions and classes of a notebook too."""

    type: ClassVar[str] = "pickle"
    runs_code: ClassVar[bool] = True

    def dumps(self, obj: Any) -> bytes:
        """Return the value as a pickle."""
        import cloudpickle

        return bytes(cloudpickle.dumps(obj, protocol=5))

    def loads(self, blob: Buffer) -> Any:
        """Return the value, and run what the pickle tells to run: only for bytes whose signature was checked."""
        import pickle

        return pickle.loads(blob)


class CompressedSerializer:
    """Another serializer's bytes, compressed with zlib."""

    def __init__(self, serializer: str | Serializer = "pickle") -> None:
        self.serializer = serializer_of(serializer)
        self.type = _COMPRESSED + name_of(self.serializer)
        self.runs_code = runs_code(self.serializer)

    def dumps(self, obj: Any) -> bytes:
        """Return the value's bytes, compressed."""
        return zlib.compress(self.serializer.dumps(obj))

    def loads(self, blob: Buffer) -> Any:
        """Return the value."""
        return self.serializer.loads(zlib.decompress(blob))


def serializer_of(serializer: str | Serializer) -> Serializer:
    """Return the serializer of a name; an object with ``dumps`` and ``loads`` is one already.

    Raises
    ------
    InvalidInput
        There is none of this name, or the object has no such methods.
    """
    if not isinstance(serializer, str):
        if isinstance(serializer, Serializer) and not isinstance(serializer, type):
            return serializer
        raise InvalidInput(f"{serializer!r} is no serializer: it needs dumps(value) and loads(bytes).")
    if serializer.startswith(_COMPRESSED):
        return CompressedSerializer(serializer.removeprefix(_COMPRESSED))
    if serializer not in _BY_NAME:
        names = ", ".join(["auto", *_BY_NAME, *(_COMPRESSED + name for name in _BY_NAME)])
        raise InvalidInput(f"There is no serializer {serializer!r}. Use one of: {names}; or an object of your own.")
    return _BY_NAME[serializer]


def name_of(serializer: Serializer) -> str:
    """Return what a reference calls a serializer: ``custom/`` and its class for one of the user's."""
    if isinstance(serializer, JSONSerializer | ArrowSerializer | PickleSerializer | CompressedSerializer):
        return serializer.type
    return f"custom/{type(serializer).__qualname__}"


def runs_code(serializer: Serializer) -> bool:
    """Tell whether loading may run code, so that only signed bytes may be loaded: also what we do not know."""
    if isinstance(serializer, JSONSerializer | ArrowSerializer | PickleSerializer | CompressedSerializer):
        return serializer.runs_code
    return True


def dumps_automatically(value: object, prefix: str = "", last: Serializer | None = None) -> tuple[Serializer, bytes]:
    """Return (serializer, bytes) of the first that takes a value: Arrow for a table, JSON, a pickle.

    Parameters
    ----------
    prefix
        ``"compressed/"`` or nothing.
    last
        What is used in place of a pickle.
    """
    first = "arrow" if is_tabular(value) and _has_pyarrow() else "json"
    for serializer in (serializer_of(prefix + first), last or serializer_of(f"{prefix}pickle")):
        try:
            return serializer, serializer.dumps(value)
        except NotExact:
            continue
    raise AssertionError("a pickle is exact")


def is_tabular(value: object) -> bool:
    """Tell whether a value is a table, or a column, of pandas or pyarrow itself."""
    pandas, pyarrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    kinds = [getattr(pandas, name, None) for name in ("DataFrame", "Series")]
    kinds += [getattr(pyarrow, name, None) for name in ("Table", "RecordBatch")]
    return type(value) in kinds


def _check_json(value: object, path: str) -> None:
    """Raise where JSON would give back another value than this one."""
    kind = type(value)
    if kind is list:
        for index, item in enumerate(value):  # type: ignore[arg-type,var-annotated]
            _check_json(item, f"{path}[{index}]")
    elif kind is dict and isinstance(value, Mapping):
        for key, item in value.items():
            if type(key) is not str:
                raise NotExact(f"{path or 'it'} has the key {key!r}, and JSON knows only text as keys")
            _check_json(item, f"{path}[{key!r}]")
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise NotExact(f"{path or 'it'} is {value!r}, which JSON does not know")
    elif kind is int:
        if value.bit_length() > 4_096:  # type: ignore[attr-defined]
            raise NotExact(f"{path or 'it'} is a number with more digits than Python reads")
    elif kind not in (str, bool, type(None)):
        raise NotExact(
            f"{path or 'it'} is of type {kind.__name__}, which would come back as something else, or not at all"
        )


def _to_table(pyarrow: Any, value: Any) -> tuple[Any, dict[str, object]]:
    """Return (table, what it was)."""
    if isinstance(value, pyarrow.Table):
        return value, {"kind": "table"}
    if isinstance(value, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([value]), {"kind": "batch"}
    kind: dict[str, object] = {"kind": "frame"}
    if isinstance(value, sys.modules["pandas"].Series):
        if value.name is not None and type(value.name) is not str:
            raise NotExact("its name is no text")
        kind, value = {"kind": "series", "name": value.name}, value.to_frame("value")
    if getattr(value.index, "freq", None) is not None:
        raise NotExact("Arrow does not keep its index's frequency")
    try:
        return pyarrow.Table.from_pandas(value), kind
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise NotExact(" ".join(str(error).split())[:200]) from None


def _check_same(value: Any, loaded: Any) -> None:
    """Raise unless pandas got back what it gave: types, index, names and content."""
    if fingerprint(loaded) != fingerprint(value):
        raise NotExact("Arrow would change the types, the index or the content of it")


def _import_pyarrow() -> Any:
    try:
        import pyarrow.ipc
    except ImportError:
        raise InvalidSetting("The serializer 'arrow' needs pyarrow: run `pip install 'orchestra-nb[arrow]'`.") from None
    return pyarrow


def _has_pyarrow() -> bool:
    import importlib.util

    return "pyarrow" in sys.modules or importlib.util.find_spec("pyarrow") is not None


_BY_NAME: dict[str, Serializer] = {"json": JSONSerializer(), "arrow": ArrowSerializer(), "pickle": PickleSerializer()}
