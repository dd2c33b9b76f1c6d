"""Who drives runs: the drivers, their leases, and the runs that one of them has left unfinished."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import Connection, exists, or_, select, update

from orchestra_nb.model.runs import Driver, Run
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import cell_runs, drivers, runs, task_runs
from orchestra_nb.store.stored_records import driver_of_row, run_of_row

_UNFINISHED = [state.value for state in State if state not in TERMINAL_STATES]
#: Cells that were not reached stay PENDING when their run ends.
_BEGUN = [value for value in _UNFINISHED if value != State.PENDING.value]


def has_not_moved(driver: Driver) -> Callable[[Connection], bool]:
    """Return the condition that a driver has not renewed its lease since it was read, and not ended."""
    same = (
        drivers.c.driver_id == driver.driver_id,
        drivers.c.lease_until == driver.lease_until,
        drivers.c.ended_at.is_(None),
    )
    return lambda connection: connection.execute(select(drivers.c.driver_id).where(*same)).first() is not None


class Leases:
    """The drivers of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def heartbeat(self, driver_id: str, at: datetime, lease_until: datetime) -> bool:
        """Renew a driver's lease; False when the driver has ended, or was never there."""
        renewal = (
            update(drivers)
            .where(drivers.c.driver_id == driver_id, drivers.c.ended_at.is_(None))
            .values(heartbeat_at=at, lease_until=lease_until)
        )
        with self._database.write(durable=False) as connection:
            return connection.execute(renewal).rowcount == 1

    def check_writable(self) -> None:
        """Return when a heartbeat could be written now, without writing one.

        Raises
        ------
        StoreUnavailable
            It could not.
        """
        nobody = update(drivers).where(drivers.c.driver_id == "").values(driver_id="")
        with self._database.write(durable=False) as connection:
            connection.execute(nobody)

    def find_driver(self, driver_id: str) -> Driver | None:
        """Return a driver, None when there is none."""
        with self._database.connect() as connection:
            row = connection.execute(select(drivers).where(drivers.c.driver_id == driver_id)).mappings().first()
        return None if row is None else driver_of_row(row)

    def find_drivers(self, driver_ids: Collection[str]) -> dict[str, Driver]:
        """Return id to driver, of those of these that there are."""
        query = select(drivers).where(drivers.c.driver_id.in_(driver_ids))
        with self._database.connect() as connection:
            return {row["driver_id"]: driver_of_row(row) for row in connection.execute(query).mappings()}

    def drivers_without_end(self) -> list[Driver]:
        """Return the drivers that have not ended in good order and were not yet found dead."""
        query = select(drivers).where(drivers.c.ended_at.is_(None)).order_by(drivers.c.driver_id)
        with self._database.connect() as connection:
            return [driver_of_row(row) for row in connection.execute(query).mappings()]

    def ended_drivers_with_unfinished_runs(self) -> list[Driver]:
        """Return the drivers that have ended while a run of theirs had not."""
        unfinished = select(runs.c.driver_id).where(runs.c.state.in_(_UNFINISHED), runs.c.driver_id.is_not(None))
        query = select(drivers).where(drivers.c.ended_at.is_not(None), drivers.c.driver_id.in_(unfinished))
        with self._database.connect() as connection:
            return [driver_of_row(row) for row in connection.execute(query).mappings()]

    def unfinished_runs_of(self, driver_id: str) -> list[Run]:
        """Return the runs of a driver that have not ended, or of which a task or a cell has not, the oldest first."""
        query = (
            select(runs)
            .where(
                runs.c.driver_id == driver_id,
                or_(
                    runs.c.state.in_(_UNFINISHED),
                    exists().where(task_runs.c.run_id == runs.c.run_id, task_runs.c.state.in_(_UNFINISHED)),
                    exists().where(cell_runs.c.run_id == runs.c.run_id, cell_runs.c.state.in_(_BEGUN)),
                ),
            )
            .order_by(runs.c.run_id)
        )
        with self._database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]
