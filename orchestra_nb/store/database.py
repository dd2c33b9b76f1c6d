"""The store's database: where it is, how it is opened, and the two kinds of transaction.

SQLite (https://www.sqlite.org/wal.html): write-ahead log, so readers never wait; one writing connection for each
process; every write transaction takes the lock at its start (``BEGIN IMMEDIATE``), because a transaction that reads
first and writes later fails at once when another process wrote between. PostgreSQL: writers take one advisory lock, so
that sequence numbers become visible in their order and a compare-and-set needs no retries.
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, GenerativeSelect, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from orchestra_nb.errors import InvalidSetting, StoreUnavailable
from orchestra_nb.store import schema_upgrade
from orchestra_nb.store.database_errors import read_only_error, telling_store_errors
from orchestra_nb.store.pipelines import SENT, end_pipeline, leave_pipeline, use_pipelines
from orchestra_nb.store.sqlite_file import BUSY_SECONDS, connect_to_file, create_file, file_identity, is_writable

#: Channel of PostgreSQL's NOTIFY: something changed.
CHANNEL = "orchestra_changes"

#: A connection to PostgreSQL that was used within so long is taken to be there.
_TRUSTED_SECONDS = 1.0
_USED_AT = "orchestra_used_at"

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
        self._joined = threading.local()
        self._hides = False
        self._hiding_lock = threading.Lock()
        _forget_connections_in_children(self)

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give a connection whose reads all see one moment.

        Raises
        ------
        StoreUnavailable
            The database cannot be read.
        """
        if (joined := self._joined_connection) is not None:
            yield joined
            return
        with telling_store_errors(self.location):
            if self.is_sqlite:
                with self._engine.connect() as connection:
                    yield connection
            else:
                with self._postgres_transaction(_BEGIN_READ) as connection:
                    yield connection
                    connection.commit()  # after a ROLLBACK psycopg would forget all prepared statements

    @contextlib.contextmanager
    def outside_transactions(self) -> Iterator[Connection]:
        """Give a connection to PostgreSQL on which each statement stands by itself: some can be in no transaction."""
        with telling_store_errors(self.location), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level=_NO_TRANSACTION)

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
        if (joined := self._joined_connection) is not None:
            with joined.begin_nested():
                yield joined
            return
        with telling_store_errors(self.location), self._write_lock:
            write = self._sqlite_write if self.is_sqlite else self._postgres_write
            with write(durable) as connection:
                self._begin(connection)
                yield connection

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make all that this thread reads and writes in the block one write transaction: all of it is kept, or nothing.

        A write in the block that raises is undone by itself, as ever. All other writes wait for its end, those of this
        process's other threads, too: what goes on in it must be short, and wait for none of them.

        Raises
        ------
        StoreReadOnly, StoreBusy
            As :meth:`write`.
        """
        with self.write() as connection:
            if self._joined_connection is not None:  # inside of another one
                yield
                return
            self._joined.connection = connection
            try:
                yield
            finally:
                self._joined.connection = None

    @contextlib.contextmanager
    def beginning_with(self, first: Callable[[], None]) -> Iterator[None]:
        """Have each write transaction of this thread in the block begin with this, and be undone where it raises.

        Where the block is part of a transaction already, it is done now. What ``first`` reads and writes is part of the
        transaction.
        """
        if self._joined_connection is not None:
            first()
            yield
            return
        before: tuple[Callable[[], None], ...] = getattr(self._joined, "firsts", ())
        self._joined.firsts = (*before, first)
        try:
            yield
        finally:
            self._joined.firsts = before

    @contextlib.contextmanager
    def seen_by(self, owners: frozenset[str] | None) -> Iterator[None]:
        """Have what this thread reads in the block be only what is of these users; None for everything.

        What it writes is written as ever, and what a write asks by itself in the database is asked of everything.
        """
        if owners is not None:
            self._hide_what_is_not_seen()
        before = self.seen_owners
        self._joined.owners = owners
        try:
            yield
        finally:
            self._joined.owners = before

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._write_lock:
            self._drop_writer()
            self._engine.dispose()

    @property
    def _joined_connection(self) -> Connection | None:
        """The connection that this thread's transactions are part of at present; None where each is its own."""
        return getattr(self._joined, "connection", None)

    @property
    def seen_owners(self) -> frozenset[str] | None:
        """Whose things this thread reads, as :meth:`seen_by` says; None for those of all."""
        return getattr(self._joined, "owners", None)

    def _hide_what_is_not_seen(self) -> None:
        """Have queries changed before they are executed, from the first time that somebody is not to see everything."""
        if self._hides:
            return
        from orchestra_nb.store.seen_rows import only_seen

        def hide(
            _connection: Connection, statement: Any, many: Any, parameters: Any, _options: Any
        ) -> tuple[Any, Any, Any]:
            owners = self.seen_owners
            if owners is not None and isinstance(statement, GenerativeSelect):
                statement = only_seen(statement, owners, is_sqlite=self.is_sqlite)
            return statement, many, parameters

        with self._hiding_lock:  # nobody who is not to see everything reads before
            if not self._hides:
                event.listen(self._engine, "before_execute", hide, retval=True)
                self._hides = True

    def _begin(self, connection: Connection) -> None:
        firsts: tuple[Callable[[], None], ...] = getattr(self._joined, "firsts", ())
        if not firsts:
            return
        self._joined.connection = connection
        try:
            for first in firsts:
                first()
        finally:
            self._joined.connection = None

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

    @contextlib.contextmanager
    def _postgres_write(self, durable: bool) -> Iterator[Connection]:
        with self._postgres_transaction(_BEGIN_DURABLE_WRITE if durable else _BEGIN_WRITE) as connection:
            try:
                yield connection
                connection.exec_driver_sql(_NOTIFY, execution_options=SENT)
                connection.exec_driver_sql("COMMIT", execution_options=SENT)
            except BaseException:
                leave_pipeline(connection)
                raise
            end_pipeline(connection)
            connection.commit()  # for SQLAlchemy: PostgreSQL has done it

    @contextlib.contextmanager
    def _postgres_transaction(self, begin: str) -> Iterator[Connection]:
        """Give a connection on which this statement has begun a transaction; what is not committed is undone.

        One that was lost since it was last used is replaced: nothing has been done on it yet.
        """
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(self._engine.connect().execution_options(**{_BEGIN: begin}))
            try:
                connection.begin()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                connection = stack.enter_context(self._engine.connect().execution_options(**{_BEGIN: begin}))
                connection.begin()
            yield connection

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _forget_connections(self) -> None:
        """Leave the parent's connections alone: called in a forked child."""
        self._write_lock = threading.RLock()
        self._hiding_lock = threading.Lock()
        self._joined = threading.local()
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
    # a plan that was kept from when a table was small would read all of it for ever
    options = f"-c timezone=UTC -c plan_cache_mode=force_custom_plan -c lock_timeout={int(BUSY_SECONDS * 1000)}"
    if "options" in url.query:
        options = f"{url.query['options']} {options}"
    arguments = {"options": options, "application_name": "orchestra-nb"}
    try:
        # the driver would spend a round trip on each BEGIN
        engine = create_engine(url, connect_args=arguments, isolation_level=_NO_TRANSACTION)
    except ImportError as error:
        raise InvalidSetting(
            "A store in PostgreSQL needs psycopg: run `pip install 'orchestra-nb[postgres]'`."
        ) from error

    use_pipelines(engine)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") != _NO_TRANSACTION:
            connection.exec_driver_sql(options.get(_BEGIN, _BEGIN_READ))

    @event.listens_for(engine, "checkin")
    def remember(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        """Have a connection replaced that was lost while nobody used it; one that was just used needs no asking."""
        if time.monotonic() - record.info.get(_USED_AT, math.inf) > _TRUSTED_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]  # it is psycopg
                raise DisconnectionError from error

    return engine


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


_BEGIN = "orchestra_begin"
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"
# not in a snapshot, which would be taken before the lock is waited for, whatever the server's default is
_BEGIN_DURABLE_WRITE = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"
_BEGIN_WRITE = f"{_BEGIN_DURABLE_WRITE}; SET LOCAL synchronous_commit = off"
_NO_TRANSACTION = "AUTOCOMMIT"
# only where something was written: who finds nothing to do under the lock would wake everybody, itself too
_NOTIFY = f"SELECT pg_notify('{CHANNEL}', '') WHERE txid_current_if_assigned() IS NOT NULL"
