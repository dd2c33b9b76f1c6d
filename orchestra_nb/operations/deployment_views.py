"""What is seen of deployments: how they stand, when their schedules are due next, and their last runs."""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.errors import InvalidSchedule
from orchestra_nb.model.automations import is_trigger_of
from orchestra_nb.model.clock_changes import clock_note
from orchestra_nb.model.deployments import Deployment, DeploymentSchedule, DeploymentSpec, NotebookTarget
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.schedule_sentences import is_german, schedule_sentence, time_sentence
from orchestra_nb.model.schedules import AnySchedule, occurrences_after
from orchestra_nb.operations.automation_form import trigger_form
from orchestra_nb.operations.automation_words import condition_words, trigger_words
from orchestra_nb.operations.deployment_form import form_of
from orchestra_nb.operations.deployments import deployment_store, find_deployment
from orchestra_nb.operations.run_views import RunSummary, run_summaries
from orchestra_nb.operations.schedule_preview import FireTime
from orchestra_nb.reading_language import reading_language
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


class TriggerView(msgspec.Struct, frozen=True, kw_only=True):
    """An automation that belongs to a deployment and runs it.

    Parameters
    ----------
    words
        What it waits for.
    form
        What it says, as below its deployment in a file.
    """

    name: str
    words: str
    is_active: bool
    form: dict[str, Any]


class DeploymentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as lists show it.

    Parameters
    ----------
    schedules
        Each of its schedules in words.
    next_at
        When the first of them, or of its runs that wait for their time, is due next; None for never.
    waiting, running
        How many of its runs wait to be started, and how many go on.
    last_run
        The newest one that does not wait to be started; None before the first.
    """

    name: str
    flow_name: str
    kind: str
    version: int
    is_paused: bool
    owner: str | None
    schedules: tuple[str, ...]
    next_at: datetime | None
    waiting: int
    running: int
    last_run: RunSummary | None


class DeploymentDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment with all that is known of it.

    Parameters
    ----------
    spec
        In the form of files.
    runs
        The first of those that wait, and the last ones that have begun or ended, the newest first.
    """

    name: str
    flow_name: str
    kind: str
    version: int
    is_paused: bool
    owner: str | None
    created_at: datetime
    updated_at: datetime
    spec: dict[str, Any]
    schedules: tuple[ScheduleView, ...]
    triggers: tuple[TriggerView, ...]
    fire_times: tuple[FireTime, ...]
    waiting: int
    running: int
    runs: tuple[RunSummary, ...]


def list_deployments(store: RunStore, now: datetime, notebook: Path | None = None) -> list[DeploymentSummary]:
    """Return all deployments by name.

    Parameters
    ----------
    notebook
        Only those that run the notebook of this file.
    """
    from orchestra_nb.store.deployment_runs import DeploymentRuns, RunCounts

    of_deployments = DeploymentRuns(store.database)
    counts, newest = of_deployments.counts(), of_deployments.newest_of_each()
    due = next_due(store, now)
    summaries = {view.deployment: view for view in run_summaries(store, list(newest.values()))}
    found = []
    for deployment in deployment_store(store).list_deployments():
        if notebook is not None and not _is_of(deployment, notebook):
            continue
        counted = counts.get(deployment.name, RunCounts())
        found.append(
            DeploymentSummary(
                **_common(deployment),
                schedules=tuple(words_of(one) for one in deployment.spec.schedules),
                next_at=due.get(deployment.name),
                waiting=counted.waiting,
                running=counted.running,
                last_run=summaries.get(deployment.name),
            )
        )
    return found


def _is_of(deployment: Deployment, notebook: Path) -> bool:
    target = deployment.spec.target
    return isinstance(target, NotebookTarget) and os.path.realpath(target.path) == os.path.realpath(notebook)


def next_due(store: RunStore, now: datetime) -> dict[str, datetime]:
    """Return deployment to when it is due next, by a schedule or by a run that waits, for those that are."""
    from orchestra_nb.store.deployment_runs import DeploymentRuns

    waiting = DeploymentRuns(store.database).due_after(now)
    found = {}
    for deployment in deployment_store(store).list_deployments():
        first = next(_due(deployment, now), None)
        times = [time for time in (waiting.get(deployment.name), first and first[0]) if time is not None]
        if times:
            found[deployment.name] = min(times)
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
    from orchestra_nb.store.automation_store import AutomationStore
    from orchestra_nb.store.deployment_runs import DeploymentRuns, RunCounts
    from orchestra_nb.store.schedule_store import ScheduleStore

    deployment = find_deployment(store, name)
    owned = AutomationStore(store.database).of_deployment(deployment.name)
    triggers = [one for one in owned if is_trigger_of(one, deployment.name)]
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
        triggers=tuple(
            TriggerView(
                name=one.name,
                words=trigger_words(one.trigger) + condition_words(one.condition),
                is_active=one.is_active,
                form=trigger_form(one, number),
            )
            for number, one in enumerate(triggers, 1)
        ),
        fire_times=next_times(deployment, now, most_times),
        waiting=counts.waiting,
        running=counts.running,
        runs=run_summaries(
            store,
            sorted(
                of_deployments.waiting(deployment.name, most_runs) + of_deployments.newest(deployment.name, most_runs),
                key=lambda run: run.run_id,
                reverse=True,
            ),
        ),
    )


def next_times(deployment: Deployment, now: datetime, count: int) -> tuple[FireTime, ...]:
    """Return the next times at which one of the schedules is due, in order; none while the deployment is paused."""
    times = []
    language = reading_language()
    previous = [now.astimezone(UTC)] * len(deployment.spec.schedules)
    for occurrence, number in itertools.islice(_due(deployment, now), count):
        schedule = deployment.spec.schedules[number].schedule
        zone = zone_of(schedule.timezone)
        local = occurrence.astimezone(zone)
        notes = (
            clock_note(schedule, zone, occurrence, previous[number], language),
            _given_by(deployment.spec, number),
        )
        note = "  ".join(filter(None, notes))
        times.append(FireTime(at=local, words=time_sentence(local, language), note=note))
        previous[number] = occurrence
    return tuple(times)


def _given_by(spec: DeploymentSpec, number: int) -> str:
    """Return the parameters that tell one schedule of several from the others; empty where it gives none."""
    given = spec.schedules[number].parameters if len(spec.schedules) > 1 else {}
    return ", ".join(f"{name}={to_readable(value)}" for name, value in given.items())


def words_of(schedule: DeploymentSchedule) -> str:
    """Return when a schedule is due; a zone that is gone from the time-zone database is named as it is."""
    language = reading_language()
    try:
        words = _described(schedule.schedule, language)
    except InvalidSchedule as error:
        words = str(error)
    if schedule.is_active:
        return words
    return f"{words} ({'nicht aktiv' if is_german(language) else 'not active'})"


@lru_cache(maxsize=4096)  # half a millisecond each, and lists are asked for again and again
def _described(schedule: AnySchedule, language: str) -> str:
    return schedule_sentence(schedule, zone_of(schedule.timezone), language)


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
        "owner": deployment.owner,
    }
