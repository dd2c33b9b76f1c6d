"""Counts of values by their size, as Prometheus keeps them (https://prometheus.io/docs/concepts/metric_types)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """How many values were at most so large, and their sum. For one thread.

    Parameters
    ----------
    bounds
        The upper bounds of the buckets, growing; one more bucket has what is larger.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value; O(log buckets)."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def buckets(self) -> tuple[tuple[float, int], ...]:
        """Upper bound and how many values were at most so large, growing; the last bound is infinite.

        Examples
        --------
        >>> histogram = Histogram([1, 10])
        >>> for value in (0.5, 1, 7, 99):
        ...     histogram.add(value)
        >>> histogram.buckets
        ((1, 2), (10, 3), (inf, 4))
        """
        total, buckets = 0, []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        return tuple(buckets)
