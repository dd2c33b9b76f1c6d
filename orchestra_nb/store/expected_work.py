"""What goes on in a store on one machine, and what will soon: read by indexes, a few rows at most."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import func, select, union_all

from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import drivers, runs
from orchestra_nb.store.service_tables import queued_runs, schedules

_OPEN: Final = [state.value for state in State if state not in TERMINAL_STATES]
_MOST: Final = 5


class ExpectedWork:
    """Reads what goes on and what is due. All methods may be called from any thread.

    Parameters
    ----------
    host
        The machine whose work counts.
    """

    def __init__(self, database: Database, host: str) -> None:
        self._database = database
        self._host = host

    def active_runs(self) -> list[str]:
        """Return names of runs that have not ended and are driven by this machine, the newest few."""
        query = (
            select(runs.c.name)
            .join(drivers, drivers.c.driver_id == runs.c.driver_id)
            .where(runs.c.state.in_(_OPEN), drivers.c.host == self._host, drivers.c.ended_at.is_(None))
            .order_by(runs.c.run_id.desc())
            .limit(_MOST)
        )
        with self._database.connect() as connection:
            return list(connection.execute(query).scalars())

    def has_driver(self, kind: str) -> bool:
        """Tell whether a driver of this kind lives on this machine."""
        query = select(func.count()).where(
            drivers.c.kind == kind, drivers.c.host == self._host, drivers.c.ended_at.is_(None)
        )
        with self._database.connect() as connection:
            return bool(connection.execute(query).scalar_one())

    def next_due_at(self, since: datetime) -> datetime | None:
        """Return when the next run is due, of a schedule or one that waits already; None for none since then."""
        due = union_all(
            select(func.min(schedules.c.next_at).label("at")).where(schedules.c.next_at >= since),
            select(func.min(queued_runs.c.due_at).label("at")).where(queued_runs.c.due_at >= since),
        )
        with self._database.connect() as connection:
            times = [at for at in connection.execute(due).scalars() if at is not None]
        return min(times, default=None)
