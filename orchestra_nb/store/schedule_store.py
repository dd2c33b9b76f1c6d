"""How far each schedule was worked off, and the runs that come of it: each occurrence has one, and is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection, and_, func, select, update

from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_writer import EventWriter
from orchestra_nb.store.service_tables import deployment_versions, deployments, schedules
from orchestra_nb.store.work_queue import QueuedRun, enqueue, known_occurrences

_ROWS_A_READ = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSchedule:
    """A schedule of a deployment, and how far it was worked off.

    Parameters
    ----------
    done_until
        All occurrences up to then have their run.
    next_at
        The first occurrence after that, or a time before it; None where there is none.
    problem
        Why it cannot be worked off; empty where it can.
    """

    deployment: str
    number: int
    version: int
    spec: DeploymentSpec
    schedule: DeploymentSchedule
    done_until: datetime
    next_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStep:
    """What becomes of a schedule that was due.

    Parameters
    ----------
    runs
        SCHEDULED, or MISSED.
    """

    schedule: StoredSchedule
    runs: Sequence[Run]
    done_until: datetime
    next_at: datetime | None
    problem: str = ""


class ScheduleStore:
    """The schedules of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_look(self) -> datetime | None:
        """Return when the first schedule is due; None where none ever is."""
        with self._database.connect() as connection:
            first: datetime | None = connection.execute(select(func.min(schedules.c.next_at))).scalar_one()
        return first

    def due(self, now: datetime, limit: int) -> list[StoredSchedule]:
        """Return schedules that are due, the latest first: what is on time does not wait for what is long overdue."""
        return self._list(schedules.c.next_at <= now, limit)

    def of_deployment(self, name: str) -> list[StoredSchedule]:
        """Return the schedules of a deployment by number; none where it is paused."""
        return sorted(self._list(schedules.c.deployment == name, None), key=lambda schedule: schedule.number)

    def _list(self, where: object, limit: int | None) -> list[StoredSchedule]:
        query = (
            select(schedules, deployments.c.version, deployment_versions.c.spec)
            .join(deployments, deployments.c.name == schedules.c.deployment)
            .join(
                deployment_versions,
                and_(
                    deployment_versions.c.deployment == deployments.c.name,
                    deployment_versions.c.version == deployments.c.version,
                ),
            )
            .where(where)  # type: ignore[arg-type]
            .order_by(schedules.c.next_at.desc(), schedules.c.deployment, schedules.c.number)
            .limit(limit)
        )
        with self._database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            StoredSchedule(
                deployment=row["deployment"],
                number=row["number"],
                version=row["version"],
                spec=msgspec.convert(row["spec"], DeploymentSpec),
                schedule=msgspec.convert(row["schedule"], DeploymentSchedule),
                done_until=row["done_until"],
                next_at=row["next_at"],
                problem=row["problem"],
            )
            for row in rows
        ]

    def advance(self, steps: Sequence[ScheduleStep]) -> list[Run]:
        """Write what became of schedules, all or nothing, and return the runs that this made.

        A step is left out where somebody else has worked the schedule off meanwhile, or changed its deployment. An
        occurrence that has its run gets no other.
        """
        with self._database.write() as connection:
            valid = _still_valid(connection, steps)
            known = known_occurrences(connection, [run for step in valid for run in step.runs])
            new: dict[tuple[str | None, str | None], Run] = {}
            queued = []
            for step in valid:
                for run in step.runs:
                    key = (run.deployment, run.occurrence)
                    if key in known or key in new:
                        continue
                    new[key] = run
                    if run.state is State.SCHEDULED:
                        spec = step.schedule.spec
                        queued.append(QueuedRun.of(run, spec.pool, spec.priority, spec.limits))
            if new:
                EventWriter(connection, [RunCreated(run=run) for run in new.values()]).apply()
            enqueue(connection, queued)
            for step in valid:
                connection.execute(
                    update(schedules)
                    .where(
                        schedules.c.deployment == step.schedule.deployment,
                        schedules.c.number == step.schedule.number,
                    )
                    .values(done_until=step.done_until, next_at=step.next_at, problem=step.problem)
                )
        return list(new.values())


def _still_valid(connection: Connection, steps: Sequence[ScheduleStep]) -> list[ScheduleStep]:
    found: dict[tuple[str, int], tuple[datetime, int]] = {}
    for start in range(0, len(steps), _ROWS_A_READ):
        names = {step.schedule.deployment for step in steps[start : start + _ROWS_A_READ]}
        query = (
            select(schedules.c.deployment, schedules.c.number, schedules.c.done_until, deployments.c.version)
            .join(deployments, deployments.c.name == schedules.c.deployment)
            .where(schedules.c.deployment.in_(names))
        )
        for deployment, number, done_until, version in connection.execute(query):
            found[deployment, number] = (done_until, version)
    return [
        step
        for step in steps
        if found.get((step.schedule.deployment, step.schedule.number))
        == (step.schedule.done_until, step.schedule.version)
    ]
