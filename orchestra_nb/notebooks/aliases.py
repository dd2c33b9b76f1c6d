"""Which values share something that can be changed, found from what the pickler met on its way through each of them."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import io
import logging
import pathlib
import pickle
import re
import sys
import types
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestra_nb.notebooks.value_pickler import ValuePickler, keep_large

#: Sharing one of these is no alias: nobody can change it, or it is the same object in every process anyway.
_IMMUTABLE = (
    str,
    bytes,
    int,
    float,
    complex,
    tuple,
    frozenset,
    range,
    slice,
    type,
    types.CodeType,
    types.ModuleType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.GenericAlias,
    types.UnionType,
    enum.Enum,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    pathlib.PurePath,
    re.Pattern,
    logging.Logger,
    property,
    staticmethod,
    classmethod,
    functools.partial,
    pickle.PickleBuffer,
)
#: More views of one array than this are not compared one by one.
_MAX_COMPARED_VIEWS = 16


@dataclass(slots=True)
class Pickled:
    """A pickle whose buffers still belong to the values.

    Parameters
    ----------
    met
        Id to (number, object) for each object that the pickler met; keeps them alive, so that no id is used twice.
    views, functions
        As in :class:`ValuePickler`.
    """

    data: bytes
    buffers: list[pickle.PickleBuffer]
    met: dict[int, tuple[int, Any]]
    views: list[tuple[Any, Any]]
    functions: set[int]

    @classmethod
    def of(
        cls,
        values: Mapping[str, object],
        namespace: dict[str, Any],
        used_names: Collection[str] | None,
        shared_roots: Collection[int] = frozenset(),
    ) -> Pickled:
        """Pickle values; raises what their classes raise."""
        file, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
        pickler = ValuePickler(
            file, namespace, buffer_callback=keep_large(buffers), used_names=used_names, shared_roots=shared_roots
        )
        pickler.dump(dict(values))
        return cls(file.getvalue(), buffers, pickler.memo.copy(), pickler.views, pickler.functions)


class Aliases:
    """Finds which names share something mutable; ``parts`` maps each name to its own pickle."""

    def __init__(self, parts: Mapping[str, Pickled]) -> None:
        self._leader = {name: name for name in parts}
        #: ids of the arrays of which several views were met that overlap
        self.shared_roots: set[int] = set()
        self._names_with_views: set[str] = set()
        if len(parts) > 1:
            self._join_by_identity(parts)
        self._join_by_memory(parts)

    def groups(self) -> list[list[str]]:
        """Return the names in groups, in the order of their first name."""
        groups: dict[str, list[str]] = {}
        for name in self._leader:
            groups.setdefault(self._leader_of(name), []).append(name)
        return list(groups.values())

    def has_views(self, name: str) -> bool:
        """Tell whether views within this one value have to be kept."""
        return name in self._names_with_views

    def _leader_of(self, name: str) -> str:
        while self._leader[name] != name:
            name = self._leader[name]
        return name

    def _join(self, one: str, other: str) -> None:
        self._leader[self._leader_of(other)] = self._leader_of(one)

    def _join_by_identity(self, parts: Mapping[str, Pickled]) -> None:
        first_met: dict[int, str] = {}
        for name, part in parts.items():
            for key in part.met.keys() & first_met.keys():
                if _can_be_shared(part.met[key][1], parts[first_met[key]].functions):
                    self._join(first_met[key], name)
            first_met.update(dict.fromkeys(part.met.keys() - first_met.keys(), name))

    def _join_by_memory(self, parts: Mapping[str, Pickled]) -> None:
        by_root: dict[int, dict[int, tuple[str, Any]]] = {}
        for name, part in parts.items():
            for array, root in part.views:
                by_root.setdefault(id(root), {}).setdefault(id(array), (name, array))
        for root_id, arrays in by_root.items():
            overlapping = _overlapping(list(arrays.values())) if len(arrays) > 1 else []
            for (name, _), (other, _) in overlapping:
                self._join(name, other)
                self._names_with_views.update((name, other))
                self.shared_roots.add(root_id)


def _can_be_shared(value: object, functions_by_value: Collection[int]) -> bool:
    if isinstance(value, types.FunctionType):
        return id(value) in functions_by_value
    if isinstance(value, _IMMUTABLE) or type(value).__module__ in ("typing", "numpy.dtypes", "zoneinfo"):
        return False
    numpy: Any = sys.modules.get("numpy")
    return not (numpy is not None and isinstance(value, numpy.generic | numpy.dtype | numpy.ufunc))


def _overlapping(arrays: Sequence[tuple[str, Any]]) -> list[tuple[tuple[str, Any], tuple[str, Any]]]:
    """Return the pairs of (name, array) that share memory; all that might when there are many.

    Arrays that only describe offsets into contiguous memory of plain numbers can be kept as views; others are left out.
    """
    import numpy  # loaded, or there would be no arrays

    root = arrays[0][1]
    while isinstance(root.base, numpy.ndarray):
        root = root.base
    if not root.flags.forc or root.dtype.hasobject:
        return []
    is_exact = len(arrays) <= _MAX_COMPARED_VIEWS
    ordered = sorted(((*numpy.lib.array_utils.byte_bounds(pair[1]), pair) for pair in arrays), key=lambda item: item[0])
    pairs = []
    for index, (_, end, one) in enumerate(ordered):
        for start, _, other in ordered[index + 1 :]:
            if start >= end:
                break
            if not is_exact:
                pairs.append((one, other))
                break
            if _share_memory(one[1], other[1]):
                pairs.append((one, other))
    return pairs


def _share_memory(one: Any, other: Any) -> bool:
    import numpy

    try:
        return bool(numpy.shares_memory(one, other, max_work=1000))  # type: ignore[arg-type]
    except numpy.exceptions.TooHardError:
        return True
