"""Runs that somebody should look at: those that ended badly lately, and those that are due and do not start."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from orchestra_nb.model.dead_letters import DEAD_STATES
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_pages import unindexed
from orchestra_nb.store.run_tables import drivers, runs
from orchestra_nb.store.service_tables import queued_runs, schedules
from orchestra_nb.store.stored_records import run_of_row


class AlertRows:
    """Reads them from a store. May be used from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def failed_since(self, since: datetime, limit: int) -> list[Run]:
        """Return runs that ended badly after ``since``, the last that ended first; by the index of their ends.

        Neither those inside of another run, which tells of them, nor what somebody ran in an open notebook and saw: its
        cells, and the flows that they called.
        """
        of_kernel = select(drivers.c.driver_id).where(
            drivers.c.driver_id == runs.c.driver_id, drivers.c.kind == "kernel"
        )
        # SQLite would rather read all that ever ended badly; PostgreSQL knows how many these are
        column_of = unindexed if self._database.is_sqlite else _as_it_is
        query = (
            select(runs)
            .where(
                runs.c.ended_at > since,
                column_of(runs.c.state).in_(sorted(state.value for state in DEAD_STATES)),
                column_of(runs.c.kind) != RunKind.INTERACTIVE.value,
                column_of(runs.c.parent_run_id).is_(None),
                ~of_kernel.exists(),
            )
            .order_by(runs.c.ended_at.desc(), runs.c.run_id.desc())
            .limit(limit)
        )
        with self._database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]

    def due_before(self, moment: datetime, limit: int) -> list[Run]:
        """Return runs that were due before ``moment`` and were not started, the one that waits for longest first."""
        query = (
            select(runs)
            .join(queued_runs, queued_runs.c.run_id == runs.c.run_id)
            .where(queued_runs.c.due_at <= moment)
            .order_by(queued_runs.c.due_at, queued_runs.c.run_id)
            .limit(limit)
        )
        with self._database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]

    def next_due(self) -> datetime | None:
        """Return when the first schedule is due; None where none ever is."""
        with self._database.connect() as connection:
            first: datetime | None = connection.execute(select(func.min(schedules.c.next_at))).scalar_one()
        return first


def _as_it_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column
