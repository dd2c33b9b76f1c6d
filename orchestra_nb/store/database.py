"""The store's database: where it is, how it is opened, and the two kinds of transaction.

SQLite (https://www.sqlite.org/wal.html): write-ahead log, so readers never wait; one writing connection for each
process; every write transaction takes the lock at its start (``BEGIN IMMEDIATE``), because a transaction that reads
first and writes later fails at once when another process wrote between. PostgreSQL: writers take one advisory lock, so
that sequence numbers become visible in their order and a compare-and-set needs no retries.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from orchestra_nb.errors import InvalidSetting, StoreUnavailable
from orchestra_nb.store import schema_upgrade
from orchestra_nb.store.database_errors import read_only_error, telling_store_errors
from orchestra_nb.store.sqlite_file import BUSY_SECONDS, connect_to_file, create_file, file_identity, is_writable

#: Channel of PostgreSQL's NOTIFY: something changed.
CHANNEL = "orchestra_changes"

_WRITING = "orchestra_writing"
_ADVISORY_LOCK = 0x0_0C4E57A  # any number that other users of the database are unlikely to lock


class Database:
    """An open database; made by :func:`open_database`.

    May be used from all threads; write transactions of one process run one after the other. After a fork the child
    makes connections of its own.

    Parameters
    ----------
    url
        With an absolute path for SQLite.
    is_read_only
        Whether the file can only be read; writes are then refused before they begin.
    """

    def __init__(self, url: URL, *, is_read_only: bool = False) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.is_read_only = is_read_only
        #: the store as SQLAlchemy's URL, with its password: never show it
        self.url = url.render_as_string(hide_password=False)
        #: the store in people's words
        self.location = str(url.database) if self.is_sqlite else url.render_as_string(hide_password=True)
        self.path = Path(str(url.database)) if self.is_sqlite else None
        self._identity = file_identity(self.path) if self.path is not None else None
        self._engine = _sqlite_engine(self.path, is_read_only) if self.path is not None else _postgres_engine(url)
        self._write_lock = threading.RLock()
        self._writer: Connection | None = None
        self._writer_is_durable: bool | None = None
        _forget_connections_in_children(self)

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give a connection whose reads all see one moment.

        Raises
        ------
        StoreUnavailable
            The database cannot be read.
        """
        with telling_store_errors(self.location), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """Give a connection with the write lock; commit at the end, or roll back when the block raises.

        Parameters
        ----------
        durable
            Whether the commit must survive a loss of power. If not, only a death of this process: for logs and
            heartbeats.

        Raises
        ------
        StoreReadOnly
            The database can only be read.
        StoreBusy
            Another process holds the lock for longer than :data:`BUSY_SECONDS`.
        """
        if self.is_read_only:
            raise read_only_error(self.location)
        with telling_store_errors(self.location), self._write_lock:
            if self.is_sqlite:
                with self._sqlite_write(durable) as connection:
                    yield connection
            else:
                with self._engine.begin() as connection:
                    if not durable:
                        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                    connection.execute(_TAKE_LOCK)
                    yield connection
                    connection.execute(_NOTIFY)

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._write_lock:
            self._drop_writer()
            self._engine.dispose()

    @contextlib.contextmanager
    def _sqlite_write(self, durable: bool) -> Iterator[Connection]:
        if self.path is None or file_identity(self.path) != self._identity:
            # SQLite would go on writing into the file without a name
            raise StoreUnavailable(f"The store {self.location} was deleted or replaced. Start this program again.")
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(**{_WRITING: True})
            self._writer_is_durable = None
        writer = self._writer
        try:
            if durable is not self._writer_is_durable:
                # outside a transaction, where SQLAlchemy would begin one
                _cursor_execute(writer, f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._writer_is_durable = durable
            with writer.begin():
                yield writer
        except sqlite3.Error:
            self._drop_writer()
            raise
        finally:
            if writer.invalidated or writer.closed:
                self._writer = None

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _forget_connections(self) -> None:
        """Leave the parent's connections alone: called in a forked child."""
        self._write_lock = threading.RLock()
        self._writer = None
        self._engine.dispose(close=False)


def open_database(url: str, *, may_create: bool = True) -> Database:
    """Open a store, and create or upgrade its tables when they are not of this version.

    Parameters
    ----------
    url
        ``sqlite:///…`` or ``postgresql://…``.
    may_create
        Whether a missing SQLite file is made, and an older one upgraded.

    Raises
    ------
    InvalidSetting
        The URL cannot be used.
    StoreUnavailable
        The database cannot be reached, or holds something else.
    StoreReadOnly
        The tables must be upgraded and cannot be written.
    StoreTooNew
        A newer version of Orchestra wrote it; it was left untouched.
    """
    parsed = parse_store_url(url)
    path = Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None
    is_read_only = False
    if path is not None:
        if not path.exists():
            if not may_create:
                raise StoreUnavailable(f"There is no store at {path}. Start Orchestra again to make one.")
            create_file(path)
        is_read_only = not is_writable(path)
        is_current = schema_upgrade.is_current_file(path)
    database = Database(parsed, is_read_only=is_read_only)
    try:
        if path is None:
            is_current = schema_upgrade.is_current(database)
        if not is_current:
            if not may_create:
                raise StoreUnavailable(f"The store {database.location} is of an older version. Start Orchestra again.")
            schema_upgrade.upgrade(database)
    except BaseException:
        database.close()
        raise
    return database


def parse_store_url(text_: str) -> URL:
    """Return a store's URL, with psycopg as PostgreSQL's driver and an absolute path for SQLite.

    Raises
    ------
    InvalidSetting
        It is no URL, or one of a database that is not supported. The message does not repeat it: it may hold a
        password.
    """
    remedy = "Set ORCHESTRA_STORE_URL to sqlite:////folder/orchestra.db or postgresql://user@host/database."
    try:
        url = make_url(text_)
        backend = url.get_backend_name()
    except ArgumentError:
        raise InvalidSetting(f"The store's URL is no URL. {remedy}") from None
    if backend in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise InvalidSetting(f"The store cannot be in {backend}. {remedy}")
    if not url.database or url.database == ":memory:":
        raise InvalidSetting(f"The store cannot be in memory: other processes must see it. {remedy}")
    return URL.create("sqlite", database=os.path.abspath(os.path.expanduser(url.database)))


def _sqlite_engine(path: Path, is_read_only: bool) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: connect_to_file(path, may_write=not is_read_only),
        # a reader of an immutable file must look anew each time whether somebody writes it
        poolclass=NullPool if is_read_only else QueuePool,
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        """Begin in place of Python's driver, which begins late and never with the lock."""
        is_writing = connection.get_execution_options().get(_WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    return engine


def _postgres_engine(url: URL) -> Engine:
    options = f"-c timezone=UTC -c lock_timeout={int(BUSY_SECONDS * 1000)}"
    if "options" in url.query:
        options = f"{url.query['options']} {options}"
    try:
        return create_engine(
            url, pool_pre_ping=True, connect_args={"options": options, "application_name": "orchestra-nb"}
        )
    except ImportError as error:
        raise InvalidSetting(
            "A store in PostgreSQL needs psycopg: run `pip install 'orchestra-nb[postgres]'`."
        ) from error


def _cursor_execute(connection: Connection, statement: str) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()


def _forget_connections_in_children(database: Database) -> None:
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(database)

    def forget() -> None:
        if (alive := reference()) is not None:
            alive._forget_connections()

    os.register_at_fork(after_in_child=forget)


_TAKE_LOCK = text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
# only where something was written: who finds nothing to do under the lock would wake everybody, itself too
_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', '') WHERE txid_current_if_assigned() IS NOT NULL")
