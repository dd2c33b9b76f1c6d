"""Which stored result a cache key has, and single flight: of two runs that want one key, one computes, the other waits.

A claim is a lease. Whoever gets :class:`Claimed` computes, renews the claim while it does, and ends it by :meth:`put`
or :meth:`release`. Whoever gets :class:`Busy` asks again: it is told the result, or, once the lease has run out, takes
the claim over. A holder that lost its claim may still put its result: both are results of the same call.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, exists, insert, or_, select, update

from orchestra_nb.model.cache_claims import Busy, Claimed, Found
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import cache_claims, cached_results


class ResultIndex:
    """The results and the claims of a store's cache keys.

    All methods may be called from any thread, and by several processes at once; each is one transaction. Nothing is
    flushed for a loss of power: what a cache forgets is computed again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, cache_key: str, now: datetime, *, kept_since: datetime | None = None) -> ResultReference | None:
        """Return a key's result, None when there is none, it has expired or is older than this. Takes no lock."""
        with self._database.connect() as connection:
            return _find(connection, cache_key, now, kept_since)

    def put(self, cache_key: str, reference: ResultReference, *, task_name: str, holder: str | None = None) -> None:
        """Record a key's result, in place of an earlier one, and end the claim that ``holder`` has on the key."""
        with self._database.write(durable=False) as connection:
            put_result(connection, cache_key, reference, task_name)
            if holder is not None:
                connection.execute(delete(cache_claims).where(*_claim_of(cache_key, holder)))

    def claim(
        self,
        cache_key: str,
        holder: str,
        now: datetime,
        lease_seconds: float,
        *,
        refresh: bool = False,
        kept_since: datetime | None = None,
    ) -> Claimed | Found | Busy:
        """Return a key's result, or the right to compute it, or who has that right.

        A holder that claims a key again keeps it, with a new lease.

        Parameters
        ----------
        holder
            Names one attempt at computing the key; the same name is the same attempt.
        refresh
            Whether a result that is there already does not count.
        kept_since
            One that was kept before this does not count either; None for all that are there.
        """
        if not refresh and (reference := self.find(cache_key, now, kept_since=kept_since)) is not None:
            return Found(reference)  # without a lock, since most calls end here
        lease_until = now + timedelta(seconds=lease_seconds)
        with self._database.write(durable=False) as connection:
            # looked at again under the lock: its holder may have put it meanwhile
            if not refresh and (reference := _find(connection, cache_key, now, kept_since)) is not None:
                return Found(reference)
            take = (
                update(cache_claims)
                .where(
                    cache_claims.c.cache_key == cache_key,
                    or_(cache_claims.c.holder == holder, cache_claims.c.lease_until <= now),
                )
                .values(holder=holder, lease_until=lease_until)
            )
            if connection.execute(take).rowcount:
                return Claimed(lease_until)
            claim = connection.execute(select(cache_claims).where(cache_claims.c.cache_key == cache_key)).first()
            if claim is not None:
                return Busy(holder=claim.holder, lease_until=claim.lease_until)
            connection.execute(insert(cache_claims).values(cache_key=cache_key, holder=holder, lease_until=lease_until))
            return Claimed(lease_until)

    def renew(self, cache_key: str, holder: str, now: datetime, lease_seconds: float) -> bool:
        """Give a claim a new lease; False when it has been taken over, was released, or its result was put."""
        renewal = (
            update(cache_claims)
            .where(*_claim_of(cache_key, holder))
            .values(lease_until=now + timedelta(seconds=lease_seconds))
        )
        with self._database.write(durable=False) as connection:
            return connection.execute(renewal).rowcount == 1

    def release(self, cache_key: str, holder: str) -> bool:
        """End a claim without a result, so that the next one computes; False when the holder has none."""
        with self._database.write(durable=False) as connection:
            return connection.execute(delete(cache_claims).where(*_claim_of(cache_key, holder))).rowcount == 1

    def forget(self, cache_key: str, reference: ResultReference) -> bool:
        """Delete a key's result, for one whose file is gone; False when the key has another one by now."""
        query = select(cached_results.c.reference).where(cached_results.c.cache_key == cache_key)
        with self._database.write(durable=False) as connection:
            stored = connection.execute(query).scalar()
            if stored is None or _reference_of(stored) != reference:
                return False
            connection.execute(delete(cached_results).where(cached_results.c.cache_key == cache_key))
            return True

    def has_expired(self, now: datetime) -> bool:
        """Tell whether a result or a claim has expired; one read, without a lock."""
        query = select(
            or_(
                exists().where(cached_results.c.expires_at <= now),
                exists().where(cache_claims.c.lease_until <= now),
            )
        )
        with self._database.connect() as connection:
            return bool(connection.execute(query).scalar())

    def delete_expired(self, now: datetime) -> list[ResultReference]:
        """Delete the results and claims that have expired; return the results, whose files may be deleted.

        A result that another key has, too, is not among them. Runs that keep references of their own are not looked at.
        """
        expired = cached_results.c.expires_at <= now
        with self._database.write(durable=False) as connection:
            rows = connection.execute(select(cached_results.c.reference).where(expired)).scalars().all()
            connection.execute(delete(cached_results).where(expired))
            connection.execute(delete(cache_claims).where(cache_claims.c.lease_until <= now))
            if not rows:
                return []
            kept = {_reference_of(row).url for row in connection.execute(select(cached_results.c.reference)).scalars()}
        by_url = {reference.url: reference for reference in map(_reference_of, rows)}
        return [reference for url, reference in by_url.items() if url not in kept]


def put_result(connection: Connection, cache_key: str, reference: ResultReference, task_name: str) -> None:
    """Record a key's result, in place of an earlier one, within a transaction of the store."""
    values = {
        "task_name": task_name,
        "reference": msgspec.to_builtins(reference),
        "created_at": reference.created_at,
        "expires_at": reference.expires_at,
    }
    change = update(cached_results).where(cached_results.c.cache_key == cache_key).values(**values)
    if not connection.execute(change).rowcount:
        connection.execute(insert(cached_results).values(cache_key=cache_key, **values))


def _find(connection: Connection, cache_key: str, now: datetime, kept_since: datetime | None) -> ResultReference | None:
    query = select(cached_results.c.reference).where(
        cached_results.c.cache_key == cache_key,
        or_(cached_results.c.expires_at.is_(None), cached_results.c.expires_at > now),
    )
    if kept_since is not None:
        query = query.where(cached_results.c.created_at >= kept_since)
    stored = connection.execute(query).scalar()
    return None if stored is None else _reference_of(stored)


def _claim_of(cache_key: str, holder: str) -> tuple[ColumnElement[bool], ...]:
    return cache_claims.c.cache_key == cache_key, cache_claims.c.holder == holder


def _reference_of(stored: object) -> ResultReference:
    return msgspec.convert(stored, ResultReference)
