"""Which calls share a task of the cluster: pending calls by family, and how many of them make a chunk.

A family is what may share a chunk. Its first calls go one by one, one for each slot, and show how long a call takes;
then a chunk holds about :data:`TARGET_SECONDS` of work, and a few chunks for each slot are on their way, so that none
waits for the driver and little has to be taken back. Long calls go alone by the same rule. Pure: no clock, no Dask.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

#: The work in a chunk of short calls.
TARGET_SECONDS = 0.1
#: Calls are not spread over more slots than give each so much work: a chunk costs some milliseconds itself.
LEAST_SECONDS = 0.01
#: Whatever they take, a chunk has no more calls and no more bytes of arguments than this.
MOST_CALLS = 1000
MOST_BYTES = 1_000_000
#: Chunks of one family on their way for each slot.
CHUNKS_PER_SLOT = 2
#: How much a new measurement counts: more when calls turn out shorter, since the first ones also import and compile.
_SHORTER_WEIGHT = 0.8
_LONGER_WEIGHT = 0.5


@dataclass(slots=True)
class _Family:
    #: key to bytes of arguments, in order
    pending: dict[str, int] = field(default_factory=dict)
    returned: dict[str, int] = field(default_factory=dict)
    on_their_way: int = 0
    seconds: float | None = None


class CallQueue:
    """The calls of one driver that wait to be sent. Each operation costs O(1) for each call. Not thread-safe."""

    def __init__(self) -> None:
        self._families: dict[Hashable, _Family] = {}
        self._family_of: dict[str, Hashable] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._family_of

    def __len__(self) -> int:
        return len(self._family_of)

    def add(self, family: Hashable, key: str, size_bytes: int, *, is_returned: bool = False) -> None:
        """Take a call; one that was sent before and did not begin goes before all others."""
        known = self._families.setdefault(family, _Family())
        (known.returned if is_returned else known.pending)[key] = size_bytes
        self._family_of[key] = family

    def discard(self, key: str) -> bool:
        """Let a call go; return whether it was here."""
        family = self._family_of.pop(key, None)
        if family is None:
            return False
        known = self._families[family]
        if known.returned.pop(key, None) is None:
            del known.pending[key]
        return True

    def clear(self) -> None:
        """Forget all calls, and all chunks on their way."""
        self._families.clear()
        self._family_of.clear()

    def take(self, slots: int) -> Iterator[tuple[Hashable, Sequence[str]]]:
        """Take what is to be sent now, chunk by chunk, with as many slots in the cluster."""
        for family, known in self._families.items():
            most = slots if known.seconds is None else CHUNKS_PER_SLOT * slots
            while self._has_any(known) and known.on_their_way < most:
                known.on_their_way += 1
                yield family, self._take_chunk(known, slots)

    def room(self, family: Hashable, *, is_shared_out: bool) -> int:
        """Return how many calls a chunk of this family may have; 0 when it is not known how long one takes.

        ``is_shared_out`` says that some of them could run at the same time: so many as are not worth another slot.
        """
        known = self._families.get(family)
        if known is None or known.seconds is None:
            return 0
        seconds = max(known.seconds, TARGET_SECONDS / MOST_CALLS)
        return max(round((LEAST_SECONDS if is_shared_out else TARGET_SECONDS) / seconds), 1)

    def end_chunk(self, family: Hashable) -> None:
        """Note that a chunk is no longer on its way."""
        if known := self._families.get(family):
            known.on_their_way = max(0, known.on_their_way - 1)

    def is_measured(self, family: Hashable) -> bool:
        """Tell whether it is known how long the calls of a family take."""
        known = self._families.get(family)
        return known is not None and known.seconds is not None

    def learn(self, family: Hashable, seconds: Sequence[float]) -> None:
        """Note how long some calls took."""
        known = self._families.get(family)
        if known is None or not seconds:
            return
        measured = sum(seconds) / len(seconds)
        if known.seconds is None:
            known.seconds = measured
        else:
            weight = _SHORTER_WEIGHT if measured < known.seconds else _LONGER_WEIGHT
            known.seconds += weight * (measured - known.seconds)

    def _has_any(self, known: _Family) -> bool:
        return bool(known.pending or known.returned)

    def _take_chunk(self, known: _Family, slots: int) -> list[str]:
        number = chunk_length(known.seconds, len(known.pending) + len(known.returned), slots)
        keys: list[str] = []
        size = 0
        for source in (known.returned, known.pending):
            for key in _fitting(source, number - len(keys), MOST_BYTES - size, is_first=not keys):
                keys.append(key)
                size += source.pop(key)
        for key in keys:
            del self._family_of[key]
        return keys


def chunk_length(seconds: float | None, pending: int, slots: int) -> int:
    """Return how many of the pending calls make a chunk when one takes so long; None: not known yet.

    Examples
    --------
    >>> [chunk_length(seconds, 10_000, 2) for seconds in (None, 0.001, 0.02, 0.051, 60.0, 0.0)]
    [1, 100, 5, 2, 1, 1000]
    >>> chunk_length(0.001, 100, 2), chunk_length(0.001, 4, 2)  # shared out to the slots, unless that is not worth it
    (50, 4)
    """
    if seconds is None:
        return 1
    seconds = max(seconds, TARGET_SECONDS / MOST_CALLS)
    shared_out = max(math.ceil(pending / max(slots, 1)), int(LEAST_SECONDS / seconds), 1)
    return min(max(round(TARGET_SECONDS / seconds), 1), shared_out, pending)


def _fitting(source: dict[str, int], number: int, size: int, *, is_first: bool) -> Iterable[str]:
    """Return the first keys that fit; one always does in an empty chunk."""
    fitting: list[str] = []
    for key, key_bytes in islice(source.items(), max(number, 0)):
        if key_bytes > size and (fitting or not is_first):
            break
        size -= key_bytes
        fitting.append(key)
    return fitting
