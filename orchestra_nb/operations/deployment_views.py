"""What is seen of deployments: how they stand, when their schedules are due next, and their last runs."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.clock_changes import clock_note
from orchestra_nb.model.deployments import Deployment, DeploymentSchedule, DeploymentSpec
from orchestra_nb.model.schedule_words import describe_schedule, describe_time
from orchestra_nb.model.schedules import AnySchedule, occurrences_after
from orchestra_nb.operations.deployment_form import form_of
from orchestra_nb.operations.deployments import deployment_store, find_deployment
from orchestra_nb.operations.run_views import RunSummary, run_summaries
from orchestra_nb.operations.schedule_preview import FireTime
from orchestra_nb.time_zones import zone_of

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule of a deployment.

    Parameters
    ----------
    words
        When it is due.
    done_until
        All occurrences up to then have their run; None while its deployment is paused.
    next_at
        When it is due next; None for never.
    problem
        Why it cannot be worked off; empty where it can.
    """

    number: int
    words: str
    is_active: bool
    parameters: dict[str, object]
    done_until: datetime | None
    next_at: datetime | None
    problem: str


class DeploymentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as lists show it.

    Parameters
    ----------
    schedules
        Each of its schedules in words.
    next_at
        When the first of them is due next; None for never.
    waiting, running
        How many of its runs wait to be started, and how many go on.
    last_run
        The newest one; None before the first.
    """

    name: str
    flow_name: str
    kind: str
    version: int
    is_paused: bool
    schedules: tuple[str, ...]
    next_at: datetime | None
    waiting: int
    running: int
    last_run: RunSummary | None


class DeploymentDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment with all that is known of it; ``spec`` is in the form of files."""

    name: str
    flow_name: str
    kind: str
    version: int
    is_paused: bool
    created_at: datetime
    updated_at: datetime
    spec: dict[str, Any]
    schedules: tuple[ScheduleView, ...]
    fire_times: tuple[FireTime, ...]
    waiting: int
    running: int
    runs: tuple[RunSummary, ...]


def list_deployments(store: RunStore, now: datetime) -> list[DeploymentSummary]:
    """Return all deployments by name."""
    from orchestra_nb.store.deployment_runs import DeploymentRuns, RunCounts

    of_deployments = DeploymentRuns(store.database)
    counts, newest = of_deployments.counts(), of_deployments.newest_of_each()
    summaries = {view.deployment: view for view in run_summaries(store, list(newest.values()))}
    found = []
    for deployment in deployment_store(store).list_deployments():
        counted = counts.get(deployment.name, RunCounts())
        first = next(_due(deployment, now), None)
        found.append(
            DeploymentSummary(
                **_common(deployment),
                schedules=tuple(words_of(one) for one in deployment.spec.schedules),
                next_at=None if first is None else first[0],
                waiting=counted.waiting,
                running=counted.running,
                last_run=summaries.get(deployment.name),
            )
        )
    return found


def show_deployment(
    store: RunStore, name: str, now: datetime, *, most_times: int = 3, most_runs: int = 5
) -> DeploymentDetails:
    """Return one deployment with its schedules, its next times and its last runs.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    """
    from orchestra_nb.store.deployment_runs import DeploymentRuns, RunCounts
    from orchestra_nb.store.schedule_store import ScheduleStore

    deployment = find_deployment(store, name)
    stored = {one.number: one for one in ScheduleStore(store.database).of_deployment(deployment.name)}
    of_deployments = DeploymentRuns(store.database)
    counts = of_deployments.counts().get(deployment.name, RunCounts())
    schedules = []
    for number, schedule in enumerate(deployment.spec.schedules, 1):
        standing = stored.get(number)
        schedules.append(
            ScheduleView(
                number=number,
                words=words_of(schedule),
                is_active=schedule.is_active,
                parameters=schedule.parameters,
                done_until=None if standing is None else standing.done_until,
                next_at=None if deployment.is_paused else next(_occurrences(schedule, now), None),
                problem="" if standing is None else standing.problem,
            )
        )
    return DeploymentDetails(
        **_common(deployment),
        created_at=deployment.created_at,
        updated_at=deployment.updated_at,
        spec=form_of(deployment.spec),
        schedules=tuple(schedules),
        fire_times=next_times(deployment, now, most_times),
        waiting=counts.waiting,
        running=counts.running,
        runs=run_summaries(store, of_deployments.newest(deployment.name, most_runs)),
    )


def next_times(deployment: Deployment, now: datetime, count: int) -> tuple[FireTime, ...]:
    """Return the next times at which one of the schedules is due, in order; none while the deployment is paused."""
    times = []
    previous = [now.astimezone(UTC)] * len(deployment.spec.schedules)
    for occurrence, number in itertools.islice(_due(deployment, now), count):
        schedule = deployment.spec.schedules[number].schedule
        zone = zone_of(schedule.timezone)
        local = occurrence.astimezone(zone)
        note = clock_note(schedule, zone, occurrence, previous[number])
        times.append(FireTime(at=local, words=describe_time(local), note=note))
        previous[number] = occurrence
    return tuple(times)


def words_of(schedule: DeploymentSchedule) -> str:
    """Return when a schedule is due; a zone that is gone from the time-zone database is named as it is."""
    try:
        words = _described(schedule.schedule)
    except InvalidSchedule as error:
        words = str(error)
    return words if schedule.is_active else f"{words} (not active)"


@lru_cache(maxsize=4096)  # half a millisecond each, and lists are asked for again and again
def _described(schedule: AnySchedule) -> str:
    return describe_schedule(schedule, zone_of(schedule.timezone))


def schedule_words(spec: DeploymentSpec) -> str:
    """Return all schedules of a deployment in one line."""
    return "; ".join(map(words_of, spec.schedules)) or "no schedule"


def _due(deployment: Deployment, now: datetime) -> Iterator[tuple[datetime, int]]:
    """Return what is due, in order, each with the place of its schedule."""
    if deployment.is_paused:
        return iter(())
    streams = [
        zip(_occurrences(schedule, now), itertools.repeat(number), strict=False)
        for number, schedule in enumerate(deployment.spec.schedules)
    ]
    return heapq.merge(*streams)


def _occurrences(schedule: DeploymentSchedule, now: datetime) -> Iterator[datetime]:
    if not schedule.is_active:
        return
    try:
        yield from occurrences_after(schedule.schedule, zone_of(schedule.schedule.timezone), now)
    except InvalidSchedule:  # told where it is listed
        return


def _common(deployment: Deployment) -> dict[str, Any]:
    return {
        "name": deployment.name,
        "flow_name": deployment.spec.flow_name,
        "kind": deployment.spec.target.kind,
        "version": deployment.version,
        "is_paused": deployment.is_paused,
    }
