"""Makes the runs of schedules when they are due: one for each occurrence, however many services share the store.

A schedule that cannot be worked off says why in its row, is tried again later, and holds up no other. After a long
absence the misses of a schedule that is often due share rows: one for so many, with their number.
"""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.catch_up import PassedOccurrence, passed_occurrences
from orchestra_nb.model.deployments import deployed_run, missed_range, occurrence_key
from orchestra_nb.model.runs import Run
from orchestra_nb.model.schedules import next_occurrence, starts_at
from orchestra_nb.model.states import State
from orchestra_nb.store.schedule_store import ScheduleStep, ScheduleStore, StoredSchedule
from orchestra_nb.time_zones import zone_of

#: So many schedules are worked off in one transaction, and so many occurrences of one of them.
_SCHEDULES_AT_ONCE: Final = 500
_OCCURRENCES_AT_ONCE: Final = 500
#: Of a schedule that missed more than that at a stretch, so many misses share a row.
_MISSES_A_ROW: Final = 50_000
#: After so many occurrences the others wait for the next transaction, and whoever has the service end is heard.
_OCCURRENCES_A_STEP: Final = 10_000
#: When a schedule with a problem is tried again: a zone may have come with an upgrade of the time-zone database.
_TRY_AGAIN: Final = timedelta(minutes=5)

_log = logging.getLogger(__name__)


class ScheduleService:
    """Works off the schedules of a store. For one thread.

    Parameters
    ----------
    cluster
        Where tasks run of deployments that name none.
    on_runs
        Called when runs have been made that may be due.
    """

    def __init__(self, store: ScheduleStore, cluster: str, on_runs: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._cluster = cluster
        self._on_runs = on_runs

    def step(self, now: datetime) -> datetime | None:
        """Make runs that are due, as many as one transaction should; return when the next ones are.

        That is a time that has passed where there is more to do. What is on time comes before what is long overdue.

        Raises
        ------
        StoreUnavailable
            The store cannot be read or written; nothing is lost.
        """
        steps: list[ScheduleStep] = []
        room = _OCCURRENCES_A_STEP
        for schedule in self._store.due(now, _SCHEDULES_AT_ONCE):
            step, number = self._step_of(schedule, now)
            steps.append(step)
            room -= number
            if room <= 0:
                break
        if steps and (made := self._store.advance(steps)):
            _tell_misses(made)
            self._on_runs()
        return self._store.next_look()

    def _step_of(self, stored: StoredSchedule, now: datetime) -> tuple[ScheduleStep, int]:
        """Return what becomes of a schedule, and how many occurrences that were."""
        try:
            return self._worked_off(stored, now)
        except Exception as error:  # whatever is wrong with one of them, the others go on
            _log.warning("Schedule %d of %s cannot be worked off: %s", stored.number, stored.deployment, error)
            problem = f"{type(error).__name__}: {error}"
            waits = ScheduleStep(
                schedule=stored, runs=(), done_until=stored.done_until, next_at=now + _TRY_AGAIN, problem=problem
            )
            return waits, 0

    def _worked_off(self, stored: StoredSchedule, now: datetime) -> tuple[ScheduleStep, int]:
        wanted = stored.schedule
        schedule, zone = wanted.schedule, zone_of(wanted.schedule.timezone)
        coming = passed_occurrences(schedule, zone, stored.done_until, now)
        passed = list(itertools.islice(coming, _OCCURRENCES_AT_ONCE))
        is_all = len(passed) < _OCCURRENCES_AT_ONCE

        def run_of(one: PassedOccurrence, occurrence: str, why_missed: str) -> Run:
            return deployed_run(
                stored.spec,
                stored.version,
                run_id=fresh_id(now),
                now=now,
                due_at=starts_at(schedule, one.at, stored.deployment),
                cluster=self._cluster,
                parameters=wanted.parameters,
                occurrence=occurrence,
                why_missed=why_missed,
            )

        if not is_all and all(one.is_missed for one in passed):
            more = itertools.takewhile(lambda one: one.is_missed, coming)
            passed += itertools.islice(more, _MISSES_A_ROW - len(passed))
            key, why = missed_range(passed[0].at, passed[-1].at, len(passed), wanted.parameters, passed[-1].why_missed)
            runs = [run_of(passed[0], key, why)]
        else:
            runs = [run_of(one, occurrence_key(one.at, wanted.parameters), one.why_missed) for one in passed]
        if not is_all:  # the rest follows at once
            done_until = passed[-1].at
            next_at: datetime | None = done_until
        else:
            done_until = max(now, stored.done_until).astimezone(UTC)
            next_at = next_occurrence(schedule, zone, done_until)
        step = ScheduleStep(schedule=stored, runs=runs, done_until=done_until, next_at=next_at)
        return step, len(passed)


def _tell_misses(made: Iterable[Run]) -> None:
    """Log what was missed: a line for each deployment."""
    missed: defaultdict[str | None, list[Run]] = defaultdict(list)
    for run in made:
        if run.state is State.MISSED:
            missed[run.deployment].append(run)
    for deployment, runs in missed.items():
        more = f" (and {len(runs) - 1:,} before it)" if len(runs) > 1 else ""
        _log.warning(
            "Deployment %s missed its run %s of %s%s: %s",
            *(deployment, runs[-1].name, f"{runs[-1].due_at:%Y-%m-%d %H:%M:%S} UTC", more, runs[-1].message),
        )
