"""Work pools as they are kept, and who serves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Select, delete, exists, func, insert, literal, or_, select, update

from orchestra_nb.errors import Conflict, NameTaken, PoolNotFound
from orchestra_nb.model.work_pools import DEFAULT_POOL, Place, WorkPool
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_rooms import GOING_ON
from orchestra_nb.store.run_tables import drivers, runs
from orchestra_nb.store.service_tables import (
    deployment_versions,
    deployments,
    pool_workers,
    queued_runs,
    work_pools,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWorker:
    """A worker or service that has not ended in good order, and one pool that it serves.

    Parameters
    ----------
    room
        How many runs go on there at a time, of all its pools.
    """

    driver_id: str
    pool: str
    name: str
    room: int
    kind: str
    host: str
    pid: int
    heartbeat_at: datetime
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCounts:
    """How many runs of a pool wait, of these how many are due, and how many go on."""

    waiting: int = 0
    due: int = 0
    running: int = 0


class PoolStore:
    """The pools of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check_free(self, name: str) -> None:
        """Raise NameTaken where there is one of this name."""
        with self._database.connect() as connection:
            _check_free(connection, name)

    def create(self, pool: WorkPool, at: datetime) -> None:
        """Add a pool.

        Raises
        ------
        NameTaken
            There is one of this name.
        """
        with self._database.write() as connection:
            _check_free(connection, pool.name)
            connection.execute(insert(work_pools).values(created_at=at, updated_at=at, **_values(pool)))

    def save(self, pool: WorkPool, at: datetime) -> None:
        """Have the pool of this name be like this; what goes on in it goes on as it began."""
        with self._database.write() as connection:
            changed = update(work_pools).where(work_pools.c.name == pool.name).values(updated_at=at, **_values(pool))
            if not connection.execute(changed).rowcount:
                connection.execute(insert(work_pools).values(created_at=at, updated_at=at, **_values(pool)))

    def delete(self, name: str, *, is_forced: bool) -> None:
        """Delete a pool. What goes on in it goes on; what waits in it waits until there is a pool of this name again.

        Raises
        ------
        PoolNotFound
            There is none of this name.
        Conflict
            Deployments name it or runs wait in it, and it is not forced; or it is the one of whatever names none.
        """
        if name == DEFAULT_POOL:
            raise Conflict(f"The pool {name!r} cannot be deleted: it is that of every deployment that names none.")
        with self._database.write() as connection:
            if _find(connection, name) is None:
                raise _not_found(name, _names(connection))
            users = _deployments_of(connection, name)
            if users and not is_forced:
                raise Conflict(
                    f"The pool {name!r} is that of {_list(users)}. Have them name another, or force it (`--force`, "
                    "over HTTP `force=true`): then their runs wait until there is a pool of this name again."
                )
            connection.execute(delete(work_pools).where(work_pools.c.name == name))

    def find(self, name: str) -> WorkPool | None:
        """Return the pool of this name; None where there is none."""
        with self._database.connect() as connection:
            return _find(connection, name)

    def get(self, name: str) -> WorkPool:
        """Return the pool of this name.

        Raises
        ------
        PoolNotFound
            There is none; the message has the names of those that are there, and how to make it.
        """
        with self._database.connect() as connection:
            pool = _find(connection, name)
            if pool is None:
                raise _not_found(name, _names(connection))
        return pool

    def list_pools(self) -> list[WorkPool]:
        """Return all pools by name."""
        with self._database.connect() as connection:
            found = {row["name"]: _pool_of(row) for row in connection.execute(select(work_pools)).mappings()}
        found.setdefault(DEFAULT_POOL, WorkPool(name=DEFAULT_POOL))
        return [found[name] for name in sorted(found)]

    def deployments_of(self, name: str) -> list[str]:
        """Return the deployments that name a pool. O(deployments)."""
        with self._database.connect() as connection:
            return _deployments_of(connection, name)

    def counts(self, now: datetime) -> dict[str, PoolCounts]:
        """Return pool to how many of its runs have not ended, for those that have such runs."""
        waits = select(queued_runs.c.pool, func.count()).group_by(queued_runs.c.pool)
        active = (
            select(runs.c.pool, func.count())
            .where(runs.c.state.in_(GOING_ON), runs.c.driver_id.is_not(None), runs.c.pool.is_not(None))
            .group_by(runs.c.pool)
        )
        with self._database.connect() as connection:
            waiting = _numbers(connection, waits)
            due = _numbers(connection, waits.where(queued_runs.c.due_at <= now))
            running = _numbers(connection, active)
        return {
            name: PoolCounts(waiting=waiting.get(name, 0), due=due.get(name, 0), running=running.get(name, 0))
            for name in waiting.keys() | running.keys()
        }

    def run_ids(self, name: str, limit: int) -> tuple[list[str], list[str]]:
        """Return the runs of a pool that wait, in their order, and those that go on, the oldest first; so many each."""
        waiting = (
            select(queued_runs.c.run_id)
            .where(queued_runs.c.pool == name)
            .order_by(queued_runs.c.turn, queued_runs.c.due_at, queued_runs.c.run_id)
            .limit(limit)
        )
        going_on = (
            select(runs.c.run_id)
            .where(func.coalesce(runs.c.pool, "") == name, runs.c.state.in_(GOING_ON), runs.c.driver_id.is_not(None))
            .order_by(runs.c.run_id)
            .limit(limit)
        )
        with self._database.connect() as connection:
            return list(connection.execute(waiting).scalars()), list(connection.execute(going_on).scalars())

    def serve(self, driver_id: str, pools: Sequence[str], name: str, room: int) -> None:
        """Note which pools a driver serves; what is noted of drivers that are gone is forgotten.

        Raises
        ------
        PoolNotFound
            One of them is not there.
        """
        with self._database.write() as connection:
            for pool in pools:
                if _find(connection, pool) is None:
                    raise _not_found(pool, _names(connection))
            lives = exists().where(drivers.c.driver_id == pool_workers.c.driver_id, drivers.c.ended_at.is_(None))
            connection.execute(delete(pool_workers).where(or_(~lives, pool_workers.c.driver_id == driver_id)))
            rows = [{"driver_id": driver_id, "pool": pool, "name": name, "room": room} for pool in dict.fromkeys(pools)]
            connection.execute(insert(pool_workers), rows)

    def workers(self, pools: Sequence[str] | None = None) -> list[PoolWorker]:
        """Return who serves these pools, or any, of those who have not ended in good order and were not found dead."""
        query = (
            select(
                pool_workers,
                *(drivers.c[name] for name in ("kind", "host", "pid", "heartbeat_at", "lease_until")),
            )
            .join(drivers, drivers.c.driver_id == pool_workers.c.driver_id)
            .where(drivers.c.ended_at.is_(None), literal(True) if pools is None else pool_workers.c.pool.in_(pools))
            .order_by(pool_workers.c.pool, pool_workers.c.driver_id)
        )
        with self._database.connect() as connection:
            return [PoolWorker(**row) for row in connection.execute(query).mappings()]


def _numbers(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _find(connection: Connection, name: str) -> WorkPool | None:
    row = connection.execute(select(work_pools).where(work_pools.c.name == name)).mappings().first()
    if row is not None:
        return _pool_of(row)
    return WorkPool(name=name) if name == DEFAULT_POOL else None


def _check_free(connection: Connection, name: str) -> None:
    if _find(connection, name) is not None:
        raise NameTaken(f"There is a pool {name!r} already. `orchestra pools update {name}` changes it.")


def _names(connection: Connection) -> list[str]:
    return sorted({DEFAULT_POOL, *connection.execute(select(work_pools.c.name)).scalars()})


def _deployments_of(connection: Connection, name: str) -> list[str]:
    query = select(deployments.c.name, deployment_versions.c.spec).join(
        deployment_versions,
        (deployment_versions.c.deployment == deployments.c.name)
        & (deployment_versions.c.version == deployments.c.version),
    )
    specs: list[tuple[str, Any]] = [(deployment, spec) for deployment, spec in connection.execute(query)]
    return sorted(deployment for deployment, spec in specs if spec.get("pool", DEFAULT_POOL) == name)


def _values(pool: WorkPool) -> dict[str, object]:
    return {
        "name": pool.name,
        "place": msgspec.to_builtins(pool.place),
        "description": pool.description,
        "concurrency": pool.concurrency,
        "is_paused": pool.is_paused,
    }


def _pool_of(row: RowMapping) -> WorkPool:
    place: Place = msgspec.convert(row["place"], Place)
    return WorkPool(
        name=row["name"],
        place=place,
        description=row["description"],
        concurrency=row["concurrency"],
        is_paused=row["is_paused"],
    )


def _not_found(name: str, known: Sequence[str]) -> PoolNotFound:
    return PoolNotFound(
        f"There is no pool {name!r}; there is {', '.join(known)}. `orchestra pools create {name}` makes it."
    )


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"deployment{'' if len(names) == 1 else 's'} {shown}{more}"
