"""What is read of the runs of deployments: the newest, how many wait and go on, and which occurrences have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select

from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.database import Database
from orchestra_nb.store.stored_records import run_of_row
from orchestra_nb.store.tables import deployments, runs

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
        """Return the newest runs of a deployment, the newest first."""
        query = select(runs).where(runs.c.deployment == deployment).order_by(runs.c.run_id.desc()).limit(limit)
        with self._database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]

    def newest_of_each(self) -> dict[str, Run]:
        """Return deployment to its newest run, for those that have one. O(deployments)."""
        newest = (
            select(runs.c.run_id)
            .where(runs.c.deployment == deployments.c.name)
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
