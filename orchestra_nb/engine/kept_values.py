"""The values of replayed cells: which are in the store and not loaded, and what of a cell's values is worth keeping."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.model.cell_records import RESOURCE, CellRecord, KeptGroup
from orchestra_nb.notebooks.cell_values import pack_values

#: What is packed, signed and written, and later read, in a second; measured at 150 to 400 MB.
_BYTES_PER_SECOND = 150e6
#: Values up to this size are kept however quickly the cell ran.
_ALWAYS_KEPT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class PackedRecord:
    """What was kept of a cell.

    Parameters
    ----------
    group_of
        Name to the number of its group.
    why_not
        Name to the reason why it could not be kept.
    too_much
        Why nothing was kept: it takes longer than running the cell; "" where all was.
    """

    groups: tuple[KeptGroup, ...] = ()
    group_of: dict[str, int] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)
    too_much: str = ""
    size_bytes: int = 0

    def without_torn(self, partners: Mapping[str, frozenset[str]]) -> PackedRecord:
        """Return it without values that share something with one of another group: loaded, they would not any more."""
        torn = {
            name: min(apart)
            for name, group in self.group_of.items()
            if (apart := {other for other in partners[name] if self.group_of.get(other) != group})
        }
        if not torn:
            return self
        words = {
            name: f"`{name}` shares an object with `{other}` in a way that cannot be kept"
            for name, other in torn.items()
        }
        kept = {name: group for name, group in self.group_of.items() if name not in torn}
        return replace(self, group_of=kept, why_not={**self.why_not, **words})


def pack_for_record(
    store: CellRecordStore,
    values: Mapping[str, object],
    namespace: dict[str, Any],
    *,
    seconds: float,
    max_bytes: int,
    now: datetime,
) -> PackedRecord:
    """Keep what a cell gave, unless that costs more than running the cell again, or more than ``max_bytes``."""
    guess = sum(map(_size_of, values.values()))
    if too_much := _too_much(guess, seconds, max_bytes):
        return PackedRecord(too_much=too_much, size_bytes=guess)
    packed = pack_values(values, namespace)
    size = sum(group.size_bytes for group in packed.groups)
    if too_much := _too_much(size, seconds, max_bytes):
        return PackedRecord(too_much=too_much, size_bytes=size)
    groups = tuple(store.keep_group(group, values, now) for group in packed.groups)
    return PackedRecord(
        groups=groups,
        group_of={name: number for number, group in enumerate(groups) for name in group.names},
        why_not=dict(packed.not_portable),
        size_bytes=size,
    )


def _too_much(size: int, seconds: float, max_bytes: int) -> str:
    if size > max_bytes:
        return f"its values have {size / 1e6:,.0f} MB, more than may be kept"
    if size > _ALWAYS_KEPT_BYTES and size / _BYTES_PER_SECOND > seconds:
        return f"it runs in {seconds:.2g} s, less than keeping its {size / 1e6:,.0f} MB takes"
    return ""


def _size_of(value: object) -> int:
    """Return the size of what is large at first sight: arrays and tables."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    try:
        if package == "numpy":
            return int(getattr(value, "nbytes", 0))
        if package == "pandas" and hasattr(value, "memory_usage"):
            usage = value.memory_usage()
            return int(usage.sum() if hasattr(usage, "sum") else usage)
        if kind in (bytes, bytearray, str):
            return sys.getsizeof(value)
    except Exception:  # a subclass of the user's
        return 0
    return 0


class KeptValues:
    """Where the values are of names that are known, and loads them into the namespace when they are needed."""

    def __init__(self, store: CellRecordStore, namespace: dict[str, Any]) -> None:
        self._store = store
        self._namespace = namespace
        #: name to the group that has its value, of names that are not loaded
        self._unloaded: dict[str, KeptGroup] = {}

    def take(self, record: CellRecord) -> None:
        """Note where the values of a replayed cell are."""
        for name in (*record.deletes, *record.gives):
            self._unloaded.pop(name, None)
        for name, value in record.gives.items():
            if value.group is not None:
                self._unloaded[name] = record.groups[value.group]

    def note(self, record: CellRecord, namespace: Mapping[str, object]) -> None:
        """Note that a cell has run: what it gave is loaded."""
        for name in (*record.deletes, *record.gives):
            if name in namespace or name.startswith(RESOURCE):
                self._unloaded.pop(name, None)

    def drop(self, names: Collection[str]) -> None:
        """Forget values of names that are bound now."""
        for name in names:
            self._unloaded.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        self._unloaded.clear()

    def load(self, names: Collection[str] | None, small_bytes: int) -> dict[str, object]:
        """Load values of names (None: all), and all that are small; return them. Names of one group come together.

        Raises
        ------
        OrchestraError
            One cannot be loaded; the message names it.
        """
        # two groups of equal content have one file, and each is loaded for itself: their values are no aliases
        groups: dict[tuple[str, tuple[str, ...]], tuple[KeptGroup, list[str]]] = {}
        for name, group in self._unloaded.items():
            groups.setdefault((group.reference.url, group.names), (group, []))[1].append(name)
        loaded: dict[str, object] = {}
        for group, members in groups.values():
            is_needed = names is None or any(name in names or name.startswith(RESOURCE) for name in members)
            if is_needed or group.reference.size_bytes <= small_bytes:
                loaded.update(self._store.load_group(group, members, self._namespace))
                for name in members:
                    del self._unloaded[name]
        self._namespace.update({name: value for name, value in loaded.items() if not name.startswith(RESOURCE)})
        return loaded
