"""What a database driver's error means for whoever uses the store. Told by error codes, never by message texts.

Imports no SQLAlchemy, so that the sink can be made before the store is opened.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from orchestra_nb.errors import StoreReadOnly, StoreUnavailable

_ELSEWHERE = "or set ORCHESTRA_STORE_URL to another store"

#: SQLSTATEs of PostgreSQL, and the first two characters of whole classes of them.
_POSTGRES_BUSY = frozenset({"55P03", "57014", "40001", "40P01"})
_POSTGRES_READ_ONLY = frozenset({"25006", "42501"})
_POSTGRES_UNAVAILABLE_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58"})


class StoreBusy(StoreUnavailable):
    """Another process has held the store's write lock for too long: try again."""


@contextlib.contextmanager
def telling_store_errors(location: str) -> Iterator[None]:
    """Turn what says that the database is away, locked, read-only or damaged into :class:`StoreUnavailable`.

    Errors that are our own fault (wrong SQL, a broken constraint) pass unchanged.

    Parameters
    ----------
    location
        The store in people's words: a path, or a URL without its password.
    """
    try:
        yield
    except Exception as error:
        told = store_error(getattr(error, "orig", error), location)  # SQLAlchemy wraps the driver's error
        if told is None:
            raise
        raise told from error


def store_error(error: object, location: str) -> StoreUnavailable | None:
    """Return the driver's error as one of the store, or None when it is another kind of error."""
    if isinstance(error, sqlite3.Error):
        return _sqlite_error(error, location)
    if hasattr(error, "sqlstate"):
        return _postgres_error(error, location)
    return None


def _sqlite_error(error: sqlite3.Error, location: str) -> StoreUnavailable | None:
    # the low byte is the primary code: https://www.sqlite.org/rescode.html#extrc
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"The store {location} is locked by another process. Try again when it has ended.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return read_only_error(location)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreUnavailable(
            f"The store {location} cannot be read: {error}. Move the file away (a new store is then made), put back a "
            f"copy of it, {_ELSEWHERE}."
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreUnavailable(f"The disk that holds the store {location} is full. Make room on it, {_ELSEWHERE}.")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_PROTOCOL):
        return StoreUnavailable(
            f"The store {location} cannot be used: {error}. See that its folder exists and is yours, {_ELSEWHERE}."
        )
    return None


def _postgres_error(error: object, location: str) -> StoreUnavailable | None:
    import psycopg  # loaded already, since the error is its own

    state = getattr(error, "sqlstate", None) or ""
    if state in _POSTGRES_BUSY:
        return StoreBusy(f"The store {location} is locked by another process. Try again when it has ended.")
    if state in _POSTGRES_READ_ONLY:
        return read_only_error(location)
    is_behind_another = isinstance(error, psycopg.errors.PipelineAborted)  # which has said more
    is_connection_lost = isinstance(error, psycopg.OperationalError) and not state and not is_behind_another
    if is_connection_lost or state[:2] in _POSTGRES_UNAVAILABLE_CLASSES:
        detail = str(error).strip() or "the connection was lost"
        return StoreUnavailable(f"The store {location} cannot be reached: {detail}. See that it is up, {_ELSEWHERE}.")
    return None


def read_only_error(location: str) -> StoreReadOnly:
    """Return the error of a write to a store that can only be read."""
    return StoreReadOnly(
        f"The store {location} is read-only: nothing can be recorded. Give yourself write access, {_ELSEWHERE}."
    )
