"""How runs went, in figures: how many, how often they ended well, how long they took, how late they began."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import msgspec

from orchestra_nb.model.states import FAILURE_STATES, State


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Half of the values, and nineteen of twenty, are no larger: seconds, by nearest rank.

    https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method
    """

    p50: float
    p95: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Percentiles | None:
        """Return the percentiles of some values, None for none.

        Examples
        --------
        >>> Percentiles.of(range(1, 101))
        Percentiles(p50=50, p95=95)
        """
        ordered = sorted(values)
        if not ordered:
            return None
        p50, p95 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 95))
        return cls(p50=round(p50, 3), p95=round(p95, 3))


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How some runs went.

    Parameters
    ----------
    runs
        How many there were, in whatever state.
    completed, failed, missed, open
        Ended well; by an error, out of time or by a loss; never started in time; not ended. Others were cancelled or
        skipped.
    success_rate
        Those that ended well among these and the failed ones: from 0 to 1, None where there are neither.
    duration
        Of those that ended well, without a retry, and were computed; None where there are none.
    lateness
        How long after they were due they began for the first time; None where none was due at a time.
    last_run, last_failure
        The ids of the newest run that has begun or ended, and of the newest one that failed.
    """

    runs: int
    completed: int
    failed: int
    missed: int
    open: int
    success_rate: float | None
    duration: Percentiles | None
    lateness: Percentiles | None
    last_run: str | None
    last_failure: str | None


class Tally:
    """Counts runs, or task runs. Takes 8 bytes for each duration."""

    def __init__(self) -> None:
        self._runs = self._completed = self._failed = self._missed = self._ended = 0
        self._durations = array("d")
        self._lateness = array("d")
        self._last = self._last_failure = ""

    def add(self, run_id: str, state: State, duration: float | None, lateness: float | None = None) -> None:
        """Count one; ``duration`` is None where it says nothing, and so is ``lateness``."""
        self._runs += 1
        self._ended += state.is_terminal
        if state is not State.SCHEDULED:  # what waits tells nothing yet, and would hide what has been
            self._last = max(self._last, run_id)
        if state is State.COMPLETED:
            self._completed += 1
            if duration is not None:
                self._durations.append(max(0.0, duration))
        elif state in FAILURE_STATES:
            self._failed += 1
            self._last_failure = max(self._last_failure, run_id)
        elif state is State.MISSED:
            self._missed += 1
        if lateness is not None:
            self._lateness.append(max(0.0, lateness))

    def figures(self) -> Figures:
        """Return what was counted."""
        decided = self._completed + self._failed
        return Figures(
            runs=self._runs,
            completed=self._completed,
            failed=self._failed,
            missed=self._missed,
            open=self._runs - self._ended,
            success_rate=self._completed / decided if decided else None,
            duration=Percentiles.of(self._durations),
            lateness=Percentiles.of(self._lateness),
            last_run=self._last or None,
            last_failure=self._last_failure or None,
        )
