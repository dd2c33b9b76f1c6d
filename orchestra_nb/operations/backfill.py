"""Runs for what a schedule was due in the past: one for each occurrence that has none, or whose run was MISSED.

An occurrence is known by its instant, so a backfill that was broken off is called again and goes on. Its runs are of
low priority: they delay nothing that is due now.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.deployments import Deployment, DeploymentSchedule, deployed_run, occurrence_key
from orchestra_nb.model.events import RunReopened
from orchestra_nb.model.runs import Run
from orchestra_nb.model.schedules import occurrences_between
from orchestra_nb.model.states import State
from orchestra_nb.operations.deployments import find_deployment
from orchestra_nb.settings import Settings
from orchestra_nb.time_zones import zone_of

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore
    from orchestra_nb.store.work_queue import WorkQueue

PRIORITY: Final = -10
#: More than this at once is asked for by a limit only.
MOST_UNASKED: Final = 10_000
_AT_ONCE: Final = 500
_INSTANT: Final = timedelta(microseconds=1)


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill did.

    Parameters
    ----------
    made, reopened
        How many runs are new, and how many had been MISSED and wait again.
    present
        How many occurrences had their run already, up to where it came.
    has_more
        Whether the limit was reached before the end of the range.
    until
        Up to when it looked: what is due later is the schedule's own affair.
    """

    deployment: str
    made: int
    reopened: int
    present: int
    has_more: bool
    until: datetime


@dataclass(frozen=True, slots=True)
class _Wanted:
    at: datetime
    schedule: DeploymentSchedule

    @property
    def key(self) -> str:
        return occurrence_key(self.at, self.schedule.parameters)


def backfill(
    store: RunStore,
    name: str,
    settings: Settings,
    *,
    begin: datetime,
    end: datetime,
    actor: str,
    now: datetime,
    limit: int | None = None,
    schedule: int | None = None,
) -> Backfill:
    """Make the runs of a range of time that are not there; the oldest first.

    Parameters
    ----------
    begin, end
        Both are in the range. What is due after now is left to the schedule.
    limit
        At most so many runs; None for all, where these are not very many.
    schedule
        The number of the schedule, from 1; None for all that are active.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    InvalidInput
        The range is empty, there is no such schedule, or there are too many runs to be made without a limit.
    """
    from orchestra_nb.store.deployment_runs import DeploymentRuns
    from orchestra_nb.store.work_queue import WorkQueue

    deployment = find_deployment(store, name)
    until = min(end, now)
    if begin > now:
        raise InvalidInput(
            f"The range begins at {begin.isoformat()}, which is still to come: a backfill makes runs of the past, and "
            "what is due later is the schedule's own affair."
        )
    if begin > until:
        raise InvalidInput(
            f"The range from {begin.isoformat()} to {until.isoformat()} is empty: nothing was due in it."
        )
    wanted = _wanted(_chosen(deployment, schedule), begin, until)
    of_deployments, queue = DeploymentRuns(store.database), WorkQueue(store.database)
    missing: list[_Wanted] = []
    missed: list[Run] = []
    present = 0
    most = MOST_UNASKED if limit is None else limit
    has_more = False
    while not has_more and (some := list(itertools.islice(wanted, _AT_ONCE))):
        known = of_deployments.of_occurrences(deployment.name, [one.key for one in some])
        for one in some:
            run = known.get(one.key)
            if run is not None and run.state is not State.MISSED:
                present += 1
            elif len(missing) + len(missed) == most:
                has_more = True
                break
            elif run is None:
                missing.append(one)
            else:
                missed.append(run)
    if has_more and limit is None:
        raise InvalidInput(
            f"More than {MOST_UNASKED:,} runs would be made. Give a limit, and call it again for those that follow, or "
            "a shorter range."
        )
    made = _make(queue, deployment, missing, settings, now)
    return Backfill(
        deployment=deployment.name,
        made=made,
        reopened=_reopen(queue, deployment, missed, actor, now),
        present=present + len(missing) - made,
        has_more=has_more,
        until=until,
    )


def _chosen(deployment: Deployment, number: int | None) -> list[DeploymentSchedule]:
    schedules = deployment.spec.schedules
    if not schedules:
        raise InvalidInput(f"The deployment {deployment.name!r} has no schedule: nothing was due.")
    if number is None:
        return [schedule for schedule in schedules if schedule.is_active]
    if not 1 <= number <= len(schedules):
        raise InvalidInput(f"The deployment {deployment.name!r} has no schedule {number}: it has {len(schedules)}.")
    return [schedules[number - 1]]


def _wanted(schedules: list[DeploymentSchedule], begin: datetime, until: datetime) -> Iterator[_Wanted]:
    """Return what was due, in order within each schedule; two schedules that ask for one run ask once."""
    seen: set[str] = set()
    before = begin - _INSTANT
    for schedule in schedules:
        zone = zone_of(schedule.schedule.timezone)
        for occurrence in occurrences_between(schedule.schedule, zone, before, until):
            wanted = _Wanted(occurrence, schedule)
            if len(schedules) > 1:
                if wanted.key in seen:
                    continue
                seen.add(wanted.key)
            yield wanted


def _make(queue: WorkQueue, deployment: Deployment, missing: list[_Wanted], settings: Settings, now: datetime) -> int:
    run_ids = sorted(fresh_id(now) for _ in missing)  # what was due later is the newer run
    runs = [
        deployed_run(
            deployment.spec,
            deployment.version,
            run_id=run_id,
            now=now,
            due_at=one.at,
            cluster=settings.cluster,
            parameters=one.schedule.parameters,
            occurrence=one.key,
            is_backfill=True,
        )
        for run_id, one in zip(run_ids, missing, strict=True)
    ]
    return sum(queue.add_all(runs, deployment.spec.pool, PRIORITY, deployment.spec.limits))


def _reopen(queue: WorkQueue, deployment: Deployment, missed: list[Run], actor: str, now: datetime) -> int:
    events = [
        RunReopened(
            run_id=run.run_id,
            at=now,
            epoch=run.epoch + 1,
            driver_id=None,
            actor=actor,
            message=f"backfilled by {actor}",
            takes_missed=True,
        )
        for run in missed
    ]
    return queue.add_all_again(events, deployment.spec.pool, PRIORITY, deployment.spec.limits)
