"""Makes the runs of schedules when they are due: one for each occurrence, however many services share the store.

A schedule that cannot be worked off says why in its row, is tried again later, and holds up no other.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.catch_up import passed_occurrences
from orchestra_nb.model.deployments import deployed_run, occurrence_key
from orchestra_nb.model.schedules import next_occurrence, starts_at
from orchestra_nb.store.schedule_store import ScheduleStep, ScheduleStore, StoredSchedule
from orchestra_nb.time_zones import zone_of

#: So many schedules are worked off in one transaction, and so many occurrences of one of them.
_SCHEDULES_AT_ONCE: Final = 500
_OCCURRENCES_AT_ONCE: Final = 500
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
        """Make all runs that are due; return when the next ones are.

        Raises
        ------
        StoreUnavailable
            The store cannot be read or written; nothing is lost.
        """
        while due := self._store.due(now, _SCHEDULES_AT_ONCE):
            if self._store.advance([self._step_of(schedule, now) for schedule in due]):
                self._on_runs()
        return self._store.next_look()

    def _step_of(self, stored: StoredSchedule, now: datetime) -> ScheduleStep:
        try:
            return self._worked_off(stored, now)
        except Exception as error:  # whatever is wrong with one of them, the others go on
            _log.warning("Schedule %d of %s cannot be worked off: %s", stored.number, stored.deployment, error)
            return ScheduleStep(
                schedule=stored,
                runs=(),
                done_until=stored.done_until,
                next_at=now + _TRY_AGAIN,
                problem=f"{type(error).__name__}: {error}",
            )

    def _worked_off(self, stored: StoredSchedule, now: datetime) -> ScheduleStep:
        wanted = stored.schedule
        schedule, zone = wanted.schedule, zone_of(wanted.schedule.timezone)
        passed = list(
            itertools.islice(passed_occurrences(schedule, zone, stored.done_until, now), _OCCURRENCES_AT_ONCE)
        )
        runs = tuple(
            deployed_run(
                stored.spec,
                stored.version,
                run_id=fresh_id(now),
                now=now,
                due_at=starts_at(schedule, one.at, stored.deployment),
                cluster=self._cluster,
                parameters=wanted.parameters,
                occurrence=occurrence_key(one.at, wanted.parameters),
                why_missed=one.why_missed,
            )
            for one in passed
        )
        if len(passed) == _OCCURRENCES_AT_ONCE:  # the rest follows at once
            return ScheduleStep(schedule=stored, runs=runs, done_until=passed[-1].at, next_at=passed[-1].at)
        done_until = max(now, stored.done_until).astimezone(UTC)
        return ScheduleStep(
            schedule=stored, runs=runs, done_until=done_until, next_at=next_occurrence(schedule, zone, done_until)
        )
