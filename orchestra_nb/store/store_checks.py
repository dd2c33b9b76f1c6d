"""What must hold between the rows of a store: a query for what breaks each rule, and what deletion can mend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, func, or_, select

from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.code_tables import run_codes, run_inputs
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import cell_runs, drivers, log_lines, recorded_values, runs, task_runs
from orchestra_nb.store.service_tables import deployment_versions, deployments, queued_runs, schedules

_ENDS: Final = [state.value for state in TERMINAL_STATES]
#: Records of a run may come before the run itself: only those count whose run should have come long ago.
_LONG_AGO: Final = timedelta(days=1)
#: How late a schedule may be before somebody should hear of it.
_LATE: Final = timedelta(minutes=10)
_ROWS_AT_ONCE: Final = 500

#: Tables with rows of runs.
_OF_RUNS: Final = (task_runs, cell_runs, log_lines, recorded_values, run_codes, run_inputs)


@dataclass(frozen=True, slots=True)
class Broken:
    """What breaks a rule: how much, and the names or ids of the first."""

    count: int
    examples: tuple[str, ...]


class StoreChecks:
    """The rules of a store. All methods may be called from any thread; each returns what breaks one rule."""

    def __init__(self, database: Database, now: datetime) -> None:
        self._database = database
        self._now = now

    def runs_without_driver(self) -> Broken:
        """Return the runs that have not ended, whose driver has, or is not known."""
        is_open = and_(runs.c.state.not_in(_ENDS), runs.c.driver_id.is_not(None))
        return self._broken(select(runs.c.name).where(is_open, ~_has_driver()), runs.c.run_id)

    def tasks_without_driver(self) -> Broken:
        """Return the tasks that have not ended although their run has, whose driver has, or is not known."""
        query = (
            select(task_runs.c.name)
            .join(runs, runs.c.run_id == task_runs.c.run_id)
            .where(task_runs.c.state.not_in(_ENDS), runs.c.state.in_(_ENDS), ~_has_driver())
        )
        return self._broken(query, task_runs.c.number)

    def drivers_to_end(self) -> list[str]:
        """Return the ids of the drivers of both."""
        is_unfinished = or_(
            runs.c.state.not_in(_ENDS),
            exists().where(task_runs.c.run_id == runs.c.run_id, task_runs.c.state.not_in(_ENDS)).correlate(runs),
        )
        query = select(runs.c.driver_id).where(runs.c.driver_id.is_not(None), is_unfinished, ~_has_driver()).distinct()
        with self._database.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def runs_that_nobody_starts(self) -> Broken:
        """Return the runs that wait and do not stand in the queue."""
        return self._broken(select(runs.c.name).where(_is_forgotten()), runs.c.run_id)

    def ids_that_nobody_starts(self) -> list[str]:
        """Return the ids of these."""
        with self._database.connect() as connection:
            return list(connection.execute(select(runs.c.run_id).where(_is_forgotten())).scalars())

    def queue_without_runs(self) -> Broken:
        """Return the places in the queue whose run does not wait, or is not there."""
        return self._broken(select(queued_runs.c.run_id).where(_is_queued_in_vain()), queued_runs.c.run_id)

    def schedules_without_deployment(self) -> Broken:
        """Return the schedules of deployments that are not there."""
        return self._broken(select(schedules.c.deployment).where(_has_no_deployment()), schedules.c.deployment)

    def deployments_without_version(self) -> Broken:
        """Return the deployments that do not say what they run."""
        return self._broken(select(deployments.c.name).where(_has_no_version()), deployments.c.name)

    def schedules_with_problems(self) -> Broken:
        """Return the deployments with schedules that cannot be worked off, and why."""
        query = select(schedules.c.deployment + ": " + schedules.c.problem).where(schedules.c.problem != "")
        return self._broken(query, schedules.c.deployment)

    def late_schedules(self) -> Broken:
        """Return the deployments with schedules that nobody has worked off for a while."""
        query = select(schedules.c.deployment).where(schedules.c.next_at < self._now - _LATE)
        return self._broken(query, schedules.c.next_at)

    def rows_without_runs(self) -> dict[str, Broken]:
        """Return table to rows of runs that are not there, with the ids of these; nothing for tables without any."""
        found: dict[str, Broken] = {}
        for table in _OF_RUNS:
            broken = self._broken(select(table.c.run_id).where(self._is_orphan(table)).distinct(), table.c.run_id)
            if broken.count:
                found[table.name] = broken
        return found

    def delete_what_is_void(self) -> int:
        """Delete places in the queue, schedules, deployments and rows of runs that mean nothing; return how many."""
        void: list[tuple[Table, ColumnElement[bool]]] = [
            (queued_runs, _is_queued_in_vain()),
            (deployments, _has_no_version()),
            (schedules, _has_no_deployment()),
        ]
        count = 0
        for table, condition in void:
            with self._database.write() as connection:
                count += connection.execute(delete(table).where(condition)).rowcount
        for table in _OF_RUNS:
            orphans = select(table.c.run_id).where(self._is_orphan(table)).distinct().limit(_ROWS_AT_ONCE)
            while ids := self._ids(orphans):
                with self._database.write() as connection:
                    count += connection.execute(delete(table).where(table.c.run_id.in_(ids))).rowcount
        return count

    def _ids(self, query: Select[Any]) -> Sequence[str]:
        with self._database.connect() as connection:
            return connection.execute(query).scalars().all()

    def _broken(self, query: Select[Any], order: ColumnElement[Any], examples: int = 3) -> Broken:
        with self._database.connect() as connection:
            count = int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())
            if not count:
                return Broken(0, ())
            first = connection.execute(query.order_by(order).limit(examples)).scalars()
            return Broken(count, tuple(dict.fromkeys(map(str, first))))

    def _is_orphan(self, table: Table) -> ColumnElement[bool]:
        has_run = exists().where(runs.c.run_id == table.c.run_id).correlate(table)
        return and_(table.c.run_id < new_id(self._now - _LONG_AGO, 0), ~has_run)


def _has_driver() -> ColumnElement[bool]:
    return exists().where(drivers.c.driver_id == runs.c.driver_id, drivers.c.ended_at.is_(None)).correlate(runs)


def _is_forgotten() -> ColumnElement[bool]:
    is_queued = exists().where(queued_runs.c.run_id == runs.c.run_id).correlate(runs)
    return and_(runs.c.state == State.SCHEDULED.value, runs.c.driver_id.is_(None), ~is_queued)


def _is_queued_in_vain() -> ColumnElement[bool]:
    waits = exists().where(runs.c.run_id == queued_runs.c.run_id, runs.c.state == State.SCHEDULED.value)
    return ~waits.correlate(queued_runs)


def _has_no_deployment() -> ColumnElement[bool]:
    return ~exists().where(deployments.c.name == schedules.c.deployment).correlate(schedules)


def _has_no_version() -> ColumnElement[bool]:
    versions = deployment_versions
    known = exists().where(versions.c.deployment == deployments.c.name, versions.c.version == deployments.c.version)
    return ~known.correlate(deployments)
