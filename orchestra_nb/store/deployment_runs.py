"""What is read of the runs of deployments: the newest, how many wait and go on, and which occurrences have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select

from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import runs
from orchestra_nb.store.service_tables import deployments, queued_runs
from orchestra_nb.store.stored_records import run_of_row

_OPEN = [state.value for state in State if state not in TERMINAL_STATES]
_ROWS_A_READ = 500


@dataclass(frozen=True, slots=True)
class RunCounts:
    """How many runs of a deployment wait to be started, and how many go on."""

    waiting: int = 0
    running: int = 0


class DeploymentRuns:
    """The runs of the deployments of a store. All methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, deployment: str, limit: int) -> list[Run]:
        """Return the newest runs of a deployment that do not wait to be started, the newest first."""
        mine = (runs.c.deployment == deployment, runs.c.state != State.SCHEDULED.value)
        query = select(runs).where(*mine).order_by(runs.c.run_id.desc()).limit(limit)
        with self._database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]

    def waiting(self, deployment: str, limit: int) -> list[Run]:
        """Return the runs of a deployment that wait to be started, the first that is due first."""
        query = (
            select(runs)
            .join(queued_runs, queued_runs.c.run_id == runs.c.run_id)
            .where(queued_runs.c.deployment == deployment, runs.c.state == State.SCHEDULED.value)
            .order_by(queued_runs.c.due_at, queued_runs.c.run_id)
            .limit(limit)
        )
        with self._database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]

    def due_after(self, now: datetime) -> dict[str, datetime]:
        """Return deployment to when the first of its runs is due that waits for its time, for those that have one."""
        query = (
            select(queued_runs.c.deployment, func.min(queued_runs.c.due_at))
            .where(queued_runs.c.due_at > now, queued_runs.c.deployment.is_not(None))
            .group_by(queued_runs.c.deployment)
        )
        with self._database.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def newest_of_each(self) -> dict[str, Run]:
        """Return deployment to its newest run that does not wait to be started, for those that have one.

        O(deployments + runs that wait).
        """
        newest = (
            select(runs.c.run_id)
            .where(runs.c.deployment == deployments.c.name, runs.c.state != State.SCHEDULED.value)
            .order_by(runs.c.run_id.desc())
            .limit(1)
            .correlate(deployments)
            .scalar_subquery()
        )
        query = select(runs).select_from(deployments.join(runs, runs.c.run_id == newest))
        with self._database.connect() as connection:
            return {row["deployment"]: run_of_row(row) for row in connection.execute(query).mappings()}

    def counts(self) -> dict[str, RunCounts]:
        """Return deployment to how many of its runs have not ended, for those that have such runs."""
        waits = case((runs.c.driver_id.is_(None), 1), else_=0)
        query = (
            select(runs.c.deployment, func.sum(waits), func.count())
            .where(runs.c.state.in_(_OPEN), runs.c.deployment.is_not(None))
            .group_by(runs.c.deployment)
        )
        with self._database.connect() as connection:
            return {name: RunCounts(waiting, open_ - waiting) for name, waiting, open_ in connection.execute(query)}

    def of_occurrences(self, deployment: str, occurrences: Sequence[str]) -> dict[str, Run]:
        """Return occurrence to its run, for those of these that have one."""
        found: dict[str, Run] = {}
        for start in range(0, len(occurrences), _ROWS_A_READ):
            some = occurrences[start : start + _ROWS_A_READ]
            query = select(runs).where(runs.c.deployment == deployment, runs.c.occurrence.in_(some))
            with self._database.connect() as connection:
                for row in connection.execute(query).mappings():
                    found[row["occurrence"]] = run_of_row(row)
        return found
