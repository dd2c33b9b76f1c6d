"""Which worker an attempt is meant for: one that this driver has given the least to, best one that holds its input.

Dask by itself sends a task to the worker that holds its input and moves it later: cells that read the same table would
begin one after another. An attempt is nowhere bound: where its worker is gone or busy, Dask still moves it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping


class Placement:
    """The attempts of one driver on the workers of one cluster. Not thread-safe."""

    def __init__(self) -> None:
        self._load: Counter[str] = Counter()
        self._worker_of: dict[str, str] = {}

    def place(self, key: str, slots: Mapping[str, int], holders: Collection[str]) -> str | None:
        """Return the worker for an attempt; None where there is none.

        Parameters
        ----------
        slots
            Worker to the number of attempts that it runs at a time.
        holders
            The workers that hold an input of it.
        """
        if not slots:
            return None
        worker = min(slots, key=lambda name: (self._load[name] // max(slots[name], 1), name not in holders, name))
        self._load[worker] += 1
        self._worker_of[key] = worker
        return worker

    def end(self, key: str) -> None:
        """Note that an attempt has ended; nothing if it was not placed."""
        worker = self._worker_of.pop(key, None)
        if worker is not None:
            self._load[worker] -= 1
            if not self._load[worker]:
                del self._load[worker]
