"""Values of a notebook on their way between kernel and workers: packed by copy, unpacked fresh, aliases kept.

``pack_values`` copies, so what is packed never changes with the original; ``unpack_values`` builds anew each time, so
nothing that is unpacked is shared with anything else. Names that share something mutable travel in one
:class:`PackedGroup` and share it again on the other side; all others travel alone, so that one can be fetched without
the rest. Large buffers (arrays, columns) stay out of the pickle and are copied once on each side (pickle protocol 5,
PEP 574).
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestra_nb.errors import ValueNotPortable
from orchestra_nb.model.outcomes import ValueInfo
from orchestra_nb.notebooks.aliases import Aliases, Pickled
from orchestra_nb.notebooks.portability import explain_not_portable
from orchestra_nb.notebooks.portable_exceptions import pickle_exception
from orchestra_nb.notebooks.value_pickler import ValuePickler
from orchestra_nb.notebooks.value_unpickler import load_value, receiving


@dataclass(frozen=True, slots=True)
class PackedGroup:
    """The packed values of names that share something; immutable, and cheap to move.

    Parameters
    ----------
    names
        The names whose values are inside.
    data
        A pickle of the mapping from these names to their values.
    buffers
        The large buffers that the pickle refers to, in its order.
    readonly
        For each buffer, whether its array may not be written.
    """

    names: tuple[str, ...]
    data: Any
    buffers: tuple[Any, ...] = ()
    readonly: tuple[bool, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Size of the packed values."""
        return len(self.data) + sum(len(buffer) for buffer in self.buffers)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.size_bytes

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # as buffers, so that protocol 5 hands them on without a copy
        wrap = pickle.PickleBuffer if protocol >= 5 else bytes
        return PackedGroup, (self.names, wrap(self.data), tuple(map(wrap, self.buffers)), self.readonly)


@dataclass(frozen=True, slots=True)
class PackResult:
    """What :func:`pack_values` made.

    Parameters
    ----------
    infos
        Name to what is known of its value; ``infos[name].group`` counts into ``groups``.
    not_portable
        Name to the reason why it was not packed, with the remedy.
    """

    groups: tuple[PackedGroup, ...]
    infos: dict[str, ValueInfo] = field(default_factory=dict)
    not_portable: dict[str, str] = field(default_factory=dict)


def pack_values(
    values: Mapping[str, object], namespace: dict[str, Any], used_names: Collection[str] | None = None
) -> PackResult:
    """Pack values by copy, in as many groups as they share nothing.

    Parameters
    ----------
    namespace
        The globals of the functions and classes that the notebook (or the task cell) defines.
    used_names
        Identifiers in the code that will use the values, to tell which imported submodules it needs; None if unknown.

    Notes
    -----
    Runs code of the values' classes (``__reduce__``), whose ``Exception`` becomes an entry of ``not_portable``.
    """
    parts: dict[str, Pickled] = {}
    not_portable: dict[str, str] = {}
    for name, value in values.items():
        try:
            parts[name] = Pickled.of({name: value}, namespace, used_names)
        except Exception as error:  # pickling runs code of any class
            not_portable[name] = explain_not_portable(
                name, value, error, lambda part: Pickled.of({"": part}, namespace, used_names)
            )
    aliases = Aliases(parts)
    groups: list[PackedGroup] = []
    infos: dict[str, ValueInfo] = {}
    for names in aliases.groups():
        packed = parts[names[0]]
        if len(names) > 1 or aliases.has_views(names[0]):
            packed = Pickled.of({name: values[name] for name in names}, namespace, used_names, aliases.shared_roots)
        group = _copied(packed, tuple(names))
        for name in names:
            infos[name] = ValueInfo(type=type(values[name]).__name__, group=len(groups), size_bytes=group.size_bytes)
        groups.append(group)
    return PackResult(tuple(groups), infos, not_portable)


def _copied(pickled: Pickled, names: tuple[str, ...]) -> PackedGroup:
    raw = [buffer.raw() for buffer in pickled.buffers]
    return PackedGroup(names, pickled.data, tuple(map(bytes, raw)), tuple(view.readonly for view in raw))


def unpack_values(
    groups: Iterable[PackedGroup],
    names: Collection[str] | None,
    namespace: dict[str, Any],
    used_names: Collection[str] | None = None,
) -> dict[str, object]:
    """Return fresh, writable copies of packed values, with ``namespace`` as the globals of notebook functions.

    Parameters
    ----------
    names
        The names wanted; None for all. Groups that hold none of them are not touched.
    used_names
        Identifiers in the code that will use the values, to import the submodules it needs; None if unknown.

    Raises
    ------
    ValueNotPortable
        A value cannot be rebuilt in this process: the message names it and what is missing.
    """
    values: dict[str, object] = {}
    for group in groups:
        wanted = [name for name in group.names if names is None or name in names]
        if not wanted:
            continue
        buffers = (
            bytes(buffer) if is_readonly else bytearray(buffer)
            for buffer, is_readonly in zip(group.buffers, group.readonly, strict=True)
        )
        try:
            with receiving(namespace, used_names):
                content = load_value(group.data, buffers)
        except Exception as error:  # unpickling runs code of any class
            listed = ", ".join(f"`{name}`" for name in wanted)
            reason = str(error) if isinstance(error, ValueNotPortable) else f"{type(error).__name__}: {error}"
            raise ValueNotPortable(f"{listed} cannot be rebuilt here: {reason}.") from error
        values.update((name, content[name]) for name in wanted)
    return values


def fingerprint(value: object, namespace: dict[str, Any]) -> bytes | None:
    """Return a digest that changes when the value, or anything in it, is changed in place; None if it cannot be packed.

    Holds within one process, for one object: equal values of two objects may differ.
    """
    try:
        packed = Pickled.of({"": value}, namespace, None)
    except Exception:  # pickling runs code of any class
        return None
    digest = hashlib.blake2b(packed.data)
    for buffer in packed.buffers:
        digest.update(buffer.raw())
    return digest.digest()


def pack_exception(error: BaseException, namespace: dict[str, Any]) -> bytes | None:
    """Return a pickle of an exception that is known to load again, or None."""

    def dump(value: object) -> bytes:
        file = io.BytesIO()
        ValuePickler(file, namespace).dump(value)
        return file.getvalue()

    def load(packed: bytes) -> object:
        with receiving(dict(namespace)):
            return load_value(packed)

    return pickle_exception(error, dump, load)


def unpack_exception(packed: bytes, namespace: dict[str, Any]) -> BaseException | None:
    """Return the exception of :func:`pack_exception`, or None where this process cannot build it."""
    try:
        with receiving(namespace):
            error = load_value(packed)
    except Exception:  # unpickling runs code of any class
        return None
    return error if isinstance(error, BaseException) else None
