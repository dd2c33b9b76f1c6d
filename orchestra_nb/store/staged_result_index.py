"""What transactions keep back: results that nobody outside finds until their transaction is committed.

A claim on a key that was staged stays its holder's, so that others wait for the end of the transaction rather than
compute the same; it is a lease like any other, and ends by itself when the process of the transaction dies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, and_, delete, exists, insert, or_, select, update

from orchestra_nb.model.staged_results import StagedResult
from orchestra_nb.store.database import Database
from orchestra_nb.store.result_index import put_result
from orchestra_nb.store.run_tables import cache_claims, staged_results

#: Older than this, what was staged belongs to a process that died: no transaction takes so long.
FORGOTTEN_AFTER = timedelta(days=30)


class StagedResultIndex:
    """The staged results of a store.

    All methods may be called from any thread, and by several processes at once; each is one transaction of the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, result: StagedResult, now: datetime) -> None:
        """Keep a result back, in place of an earlier one of the same transaction and key."""
        table = staged_results.c
        with self._database.write(durable=False) as connection:
            connection.execute(
                delete(staged_results).where(
                    or_(
                        and_(table.staging_id == result.staging_id, table.cache_key == result.key),
                        table.staged_at < now - FORGOTTEN_AFTER,
                    )
                )
            )
            connection.execute(
                insert(staged_results).values(
                    staging_id=result.staging_id,
                    cache_key=result.key,
                    result=msgspec.to_builtins(result),
                    holder=result.holder,
                    staged_at=now,
                )
            )

    def find(self, key: str, staging_ids: Sequence[str]) -> StagedResult | None:
        """Return what one of these transactions has staged for a key."""
        query = select(staged_results.c.result).where(
            staged_results.c.staging_id.in_(staging_ids), staged_results.c.cache_key == key
        )
        with self._database.connect() as connection:
            row = connection.execute(query).scalar()
        return None if row is None else _result_of(row)

    def find_all(self, staging_ids: Sequence[str]) -> list[StagedResult]:
        """Return all that these transactions have staged."""
        query = (
            select(staged_results.c.result)
            .where(staged_results.c.staging_id.in_(staging_ids))
            .order_by(staged_results.c.staged_at)
        )
        with self._database.connect() as connection:
            return [_result_of(row) for row in connection.execute(query).scalars()]

    def holds_claims(self, staging_ids: Sequence[str]) -> bool:
        """Tell whether others may be waiting for the end of these transactions."""
        query = select(staged_results.c.cache_key).where(
            staged_results.c.staging_id.in_(staging_ids), staged_results.c.holder.is_not(None)
        )
        with self._database.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def renew(self, staging_ids: Sequence[str], now: datetime, lease_seconds: float) -> None:
        """Give the claims of these transactions a new lease; those that somebody else took meanwhile are left."""
        claims = cache_claims.c
        renewal = (
            update(cache_claims)
            .where(_is_of_staged(staging_ids, claims.cache_key, claims.holder))
            .values(lease_until=now + timedelta(seconds=lease_seconds))
        )
        with self._database.write(durable=False) as connection:
            connection.execute(renewal)

    def commit(self, staging_ids: Sequence[str]) -> None:
        """Let everybody find what these transactions have staged, all at once, and give their claims back."""
        with self._database.write() as connection:
            rows = connection.execute(
                select(staged_results.c.result)
                .where(staged_results.c.staging_id.in_(staging_ids))
                .order_by(staged_results.c.staged_at)
            ).scalars()
            for result in [_result_of(row) for row in rows]:
                if result.key_storage is None:
                    put_result(connection, result.key, result.published, result.task_name)
            claims = cache_claims.c
            connection.execute(delete(cache_claims).where(_is_of_staged(staging_ids, claims.cache_key, claims.holder)))
            connection.execute(delete(staged_results).where(staged_results.c.staging_id.in_(staging_ids)))

    def drop(self, staging_id: str, keys: Iterable[str] | None = None) -> list[StagedResult]:
        """Forget what a transaction has staged, give its claims back, and return what it was.

        Parameters
        ----------
        keys
            Only these; None for all.
        """
        of_it = staged_results.c.staging_id == staging_id
        if keys is not None:
            of_it = and_(of_it, staged_results.c.cache_key.in_(list(keys)))
        with self._database.write(durable=False) as connection:
            rows = connection.execute(select(staged_results.c.result).where(of_it)).scalars().all()
            dropped = [_result_of(row) for row in rows]
            for result in dropped:
                if result.holder is not None:
                    connection.execute(
                        delete(cache_claims).where(
                            cache_claims.c.cache_key == result.key, cache_claims.c.holder == result.holder
                        )
                    )
            connection.execute(delete(staged_results).where(of_it))
        return dropped


def _is_of_staged(
    staging_ids: Sequence[str], key: ColumnElement[str], holder: ColumnElement[str]
) -> ColumnElement[bool]:
    return exists().where(
        staged_results.c.staging_id.in_(staging_ids),
        staged_results.c.cache_key == key,
        staged_results.c.holder == holder,
    )


def _result_of(stored: object) -> StagedResult:
    return msgspec.convert(stored, StagedResult)
