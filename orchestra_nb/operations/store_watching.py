"""Figures of a store over time: what is open now, and what has ended since somebody began to watch."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from orchestra_nb.model.histograms import Histogram
from orchestra_nb.model.states import State
from orchestra_nb.operations.service_health import ServiceState, service_health

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore
    from orchestra_nb.store.store_figures import PoolQueue, RunChange, StoreState

#: Seconds that runs take, from a cell to a night.
_DURATIONS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0)
#: Seconds from when a run was due to when it began.
_LATENESSES: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)
#: How many flows with their deployments are told apart; all others are counted under :data:`OTHERS`.
_MOST_SUBJECTS: Final = 200
#: How many pools are told apart.
_MOST_POOLS: Final = 200
#: The name of the flows, deployments and pools that are too many to be told apart.
OTHERS: Final = "(others)"
#: How many changes are looked at in one reading; what is left is for the next one.
_CHANGES_A_READING: Final = 20_000

_WAITED: Final = (State.SCHEDULED, State.PENDING)


class Subject(NamedTuple):
    """What figures are told apart by; an empty deployment for runs of none."""

    flow: str
    deployment: str


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Parameters
    ----------
    ended
        (subject, state) to how many runs ended so since the first reading.
    durations, latenesses
        Of runs since the first reading: how long they took, and how long after they were due they began.
    queues
        Pool to its queue.
    """

    at: datetime
    state: StoreState
    open_runs: dict[tuple[Subject, State], int]
    queues: dict[str, PoolQueue]
    services: tuple[ServiceState, ...]
    ended: dict[tuple[Subject, State], int]
    durations: dict[Subject, Histogram]
    latenesses: dict[Subject, Histogram]


class StoreWatch:
    """Reads a store again and again. :meth:`read` may be called from any thread; one at a time is let in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mark: int | None = None
        self._subjects: set[Subject] = set()
        self._pools: set[str] = set()
        self._ended: dict[tuple[Subject, State], int] = {}
        self._durations: dict[Subject, Histogram] = {}
        self._latenesses: dict[Subject, Histogram] = {}

    def read(self, store: RunStore, now: datetime) -> Watched:
        """Return the figures. What happened before the first reading is not counted: retention would take it back.

        Raises
        ------
        StoreUnavailable
            The store cannot be read.
        """
        from orchestra_nb.store.store_figures import StoreFigures

        figures = StoreFigures(store.database)
        with self._lock:
            if self._mark is None:
                self._mark = figures.newest_change()
            changes, self._mark = figures.changes_since(self._mark, _CHANGES_A_READING)
            for change in changes:
                self._count(change)
            state = figures.state(now)
            open_runs: dict[tuple[Subject, State], int] = {}
            for (word, flow, deployment), count in state.open_runs.items():
                key = (self._subject(flow, deployment), word)
                open_runs[key] = open_runs.get(key, 0) + count
            return Watched(
                at=now,
                state=state,
                open_runs=open_runs,
                queues=self._by_pool(state.queues),
                services=service_health(store, now).services,
                ended=dict(self._ended),
                durations=dict(self._durations),
                latenesses=dict(self._latenesses),
            )

    def _count(self, change: RunChange) -> None:
        subject = self._subject(change.flow_name, change.deployment)
        if change.to_state.is_terminal:
            if change.epoch != change.now_epoch:  # it has been opened again: that was no end
                return
            key = (subject, change.to_state)
            self._ended[key] = self._ended.get(key, 0) + 1
            if change.started_at is not None:
                taken = (change.at - change.started_at).total_seconds()
                self._durations.setdefault(subject, Histogram(_DURATIONS)).add(max(0.0, taken))
        elif change.due_at is not None and change.epoch == 1 and change.from_state in _WAITED:
            late = (change.at - change.due_at).total_seconds()
            self._latenesses.setdefault(subject, Histogram(_LATENESSES)).add(max(0.0, late))

    def _by_pool(self, queues: Mapping[str, PoolQueue]) -> dict[str, PoolQueue]:
        found: dict[str, PoolQueue] = {}
        for pool, queue in sorted(queues.items()):
            if pool not in self._pools and len(self._pools) < _MOST_POOLS:
                self._pools.add(pool)
            name = pool if pool in self._pools else OTHERS
            found[name] = queue if name not in found else found[name].with_(queue)
        return found

    def _subject(self, flow: str, deployment: str | None) -> Subject:
        subject = Subject(flow, deployment or "")
        if subject in self._subjects:
            return subject
        if len(self._subjects) >= _MOST_SUBJECTS:
            return Subject(OTHERS, OTHERS)
        self._subjects.add(subject)
        return subject
