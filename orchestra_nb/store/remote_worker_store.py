"""Workers that reach the store over the REST API alone: who they are, and what they tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from orchestra_nb.model.events import DriverStarted, Event
from orchestra_nb.model.runs import Driver, Run
from orchestra_nb.model.states import State
from orchestra_nb.model.told_events import KnownRun, admit, runs_told_of
from orchestra_nb.store.code_tables import artifacts
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_writer import EventWriter
from orchestra_nb.store.run_store import must_survive_power_loss
from orchestra_nb.store.run_tables import drivers, runs, task_runs
from orchestra_nb.store.service_tables import remote_workers
from orchestra_nb.store.stored_records import run_of_row

_ROWS_A_READ = 500


class RemoteWorker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker.

    Parameters
    ----------
    driver_id
        The driver that it is for the store.
    token_id
        The token that it came with: no other speaks for it.
    received_until
        The number of the last event of its that was taken.
    has_ended
        Whether it has said so, or was taken for dead.
    """

    driver_id: str
    token_id: str
    name: str
    pools: tuple[str, ...]
    received_until: int = 0
    has_ended: bool = False


class RemoteWorkerStore:
    """The remote workers of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, worker: RemoteWorker, driver: Driver) -> None:
        """Take a worker, and forget those that have ended."""
        values = msgspec.structs.asdict(worker) | {"pools": list(worker.pools)}
        del values["has_ended"]
        ended = select(drivers.c.driver_id).where(drivers.c.ended_at.is_not(None))
        with self._database.write() as connection:
            connection.execute(delete(remote_workers).where(remote_workers.c.driver_id.in_(ended)))
            EventWriter(connection, [DriverStarted(driver=driver)]).apply()
            connection.execute(insert(remote_workers).values(values))

    def find(self, driver_id: str) -> RemoteWorker | None:
        """Return a worker; None where there is none, or it has ended long ago."""
        with self._database.connect() as connection:
            return _worker(connection, driver_id)

    def runs_of(self, driver_id: str) -> list[Run]:
        """Return the runs that a worker has claimed and that have not ended, the oldest first, without their own."""
        query = (
            select(runs)
            .where(runs.c.driver_id == driver_id, runs.c.parent_run_id.is_(None))
            .where(runs.c.state.not_in([state.value for state in State if state.is_terminal]))
            .order_by(runs.c.run_id)
        )
        with self._database.connect() as connection:
            return [run_of_row(row) for row in connection.execute(query).mappings()]

    def owner_of(self, run_id: str) -> Run | None:
        """Return the run of a deployment that a run belongs to: itself, or what started it; None for no such run."""
        with self._database.connect() as connection:
            while True:
                row = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().first()
                if row is None:
                    return None
                if row["parent_run_id"] is None:
                    return run_of_row(row)
                run_id = row["parent_run_id"]

    def run_of_task(self, task_run_id: str) -> str | None:
        """Return the run of a task run; None where there is no such task run (yet)."""
        with self._database.connect() as connection:
            query = select(task_runs.c.run_id).where(task_runs.c.task_run_id == task_run_id)
            return connection.execute(query).scalar()

    def run_of_artifact(self, artifact_id: str) -> str | None:
        """Return the run that has made an artifact; None for one of no run, and where there is none."""
        with self._database.connect() as connection:
            return connection.execute(select(artifacts.c.run_id).where(artifacts.c.artifact_id == artifact_id)).scalar()

    def take(
        self, driver_id: str, numbers: Sequence[int], events: Sequence[Event]
    ) -> tuple[int, tuple[tuple[str, int], ...]] | None:
        """Write what a worker tells, as far as it is its to tell; what was taken before is passed over.

        Returns
        -------
        tuple or None
            The number of the last event that was taken, and (run id, epoch) of runs that are not the worker's (any
            more). None where the worker has ended.
        """
        with self._database.write(durable=any(map(must_survive_power_loss, events))) as connection:
            worker = _worker(connection, driver_id)
            if worker is None or worker.has_ended:
                return None
            new = [
                (number, event) for number, event in zip(numbers, events, strict=True) if number > worker.received_until
            ]
            if not new:
                return worker.received_until, ()
            told = [event for _, event in new]
            admitted = admit(told, driver_id, *_known(connection, told))
            EventWriter(connection, admitted.events).apply()
            until = new[-1][0]
            connection.execute(
                update(remote_workers).where(remote_workers.c.driver_id == driver_id).values(received_until=until)
            )
            return until, admitted.lost


def _worker(connection: Connection, driver_id: str) -> RemoteWorker | None:
    query = (
        select(remote_workers, drivers.c.ended_at)
        .join(drivers, drivers.c.driver_id == remote_workers.c.driver_id)
        .where(remote_workers.c.driver_id == driver_id)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return RemoteWorker(
        driver_id=driver_id,
        token_id=row["token_id"],
        name=row["name"],
        pools=tuple(row["pools"]),
        received_until=row["received_until"],
        has_ended=row["ended_at"] is not None,
    )


def _known(connection: Connection, events: Sequence[Event]) -> tuple[dict[str, KnownRun], dict[str, str]]:
    run_ids, task_run_ids = runs_told_of(events)
    known_runs: dict[str, KnownRun] = {}
    for some in _in_parts(run_ids):
        query = select(runs.c.run_id, runs.c.driver_id, runs.c.epoch).where(runs.c.run_id.in_(some))
        known_runs |= {row.run_id: KnownRun(row.driver_id, row.epoch) for row in connection.execute(query)}
    known_tasks: dict[str, str] = {}
    for some in _in_parts(task_run_ids):
        of_tasks: Any = select(task_runs.c.task_run_id, task_runs.c.run_id).where(task_runs.c.task_run_id.in_(some))
        known_tasks |= {row.task_run_id: row.run_id for row in connection.execute(of_tasks)}
    return known_runs, known_tasks


def _in_parts(ids: Iterable[str]) -> Iterable[list[str]]:
    wanted = sorted(ids)
    return (wanted[start : start + _ROWS_A_READ] for start in range(0, len(wanted), _ROWS_A_READ))
