"""What changed in the store since a moment, and a way to wait for it, whichever process changed it.

The sequence numbers of changes become visible in their order, so who has read up to a number has missed nothing
below it: SQLite has one writer at a time, and in PostgreSQL writers hold one lock until their commit.
"""

from __future__ import annotations

import selectors
import socket
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy import Select, exists, func, make_url, select, union_all

from orchestra_nb.model.stream_views import EVERYTHING, StreamView
from orchestra_nb.store.database import CHANNEL, Database
from orchestra_nb.store.database_errors import telling_store_errors
from orchestra_nb.store.run_tables import changes, runs
from orchestra_nb.store.sqlite_file import connect_to_file
from orchestra_nb.store.store_fact_rows import CHANGES_DELETED_UNTIL, read_number

if TYPE_CHECKING:
    import psycopg

#: How often SQLite is asked whether somebody wrote: 5 µs each time.
POLL_SECONDS = 0.05

#: How long a wait that fails takes at least, so that a loop around it does not spin.
_PAUSE_SECONDS = 0.5


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, each thing once, in the order of its first change.

    Parameters
    ----------
    sequence
        The last change that is counted in: pass it to the next call.
    cells
        (run id, cell index) of each.
    logs
        The runs with new log lines.
    artifacts, inputs
        The runs whose artifacts, or whose questions to people, are new or have changed; ``""`` for artifacts of no run.
    """

    sequence: int
    runs: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    cells: tuple[tuple[str, int], ...] = ()
    logs: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


class EventLog:
    """Reads the order of changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_sequence(self) -> int:
        """Return the number of the newest change, 0 before the first."""
        # of all changes, whoever looks: where the stream is says nothing of anybody
        with self._database.seen_by(None), self._database.connect() as connection:
            newest: int | None = connection.execute(select(func.max(changes.c.sequence))).scalar()
        return newest or 0

    def deleted_until(self) -> int:
        """Return up to which change some are missing, since retention deleted them: 0 where all are there."""
        with self._database.connect() as connection:
            return read_number(connection, CHANGES_DELETED_UNTIL)

    def count_behind(self, sequence: int, limit: int, view: StreamView) -> int:
        """Return how many changes there are behind a number that a view has; ``limit`` where there are more."""
        some = _behind(select(changes.c.sequence), sequence, view).limit(limit).subquery()
        with self._database.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(some)).scalar_one())

    def changes_since(
        self, sequence: int, limit: int = 1000, *, until: int | None = None, view: StreamView = EVERYTHING
    ) -> Changes:
        """Return what the next ``limit`` changes behind a number touched.

        There may be more: whoever wants all calls again until the sequence stands still.

        Parameters
        ----------
        until
            Up to which number all are there: that is the sequence of the answer where there are no more of the view.
        """
        columns = (changes.c.sequence, changes.c.subject, changes.c.run_id, changes.c.task_run_id, changes.c.cell_index)
        query = _behind(select(*columns), sequence, view).order_by(changes.c.sequence).limit(limit)
        if until is not None:
            query = query.where(changes.c.sequence <= until)
        of_runs: dict[str, None] = {}
        tasks: dict[str, None] = {}
        cells: dict[tuple[str, int], None] = {}
        logs: dict[str, None] = {}
        artifacts: dict[str, None] = {}
        inputs: dict[str, None] = {}
        number_of_rows = 0
        with self._database.connect() as connection:
            for number, subject, run_id, task_run_id, cell_index in connection.execute(query):
                sequence = number
                number_of_rows += 1
                match subject:
                    case "run":
                        of_runs[run_id] = None
                    case "task":
                        tasks[task_run_id] = None
                    case "cell":
                        cells[run_id, cell_index] = None
                    case "logs":
                        logs[run_id] = None
                    case "artifact":
                        artifacts[run_id] = None
                    case "input":
                        inputs[run_id] = None
        if until is not None and number_of_rows < limit:
            sequence = max(sequence, until)
        return Changes(
            sequence=sequence,
            runs=tuple(of_runs),
            tasks=tuple(tasks),
            cells=tuple(cells),
            logs=tuple(logs),
            artifacts=tuple(artifacts),
            inputs=tuple(inputs),
        )


def _behind(query: Select[Any], sequence: int, view: StreamView) -> Select[Any]:
    """Return what reads the changes behind a number that a view has."""
    query = query.where(changes.c.sequence > sequence)
    if len(view.subjects) < len(EVERYTHING.subjects):
        query = query.where(changes.c.subject.in_(sorted(view.subjects)))
    if view.runs:  # found by an index, however much else has changed
        started = select(runs.c.run_id).where(runs.c.parent_run_id.in_(view.runs))
        themselves = select(runs.c.run_id).where(runs.c.run_id.in_(view.runs))
        query = query.where(changes.c.run_id.in_(union_all(themselves, started)))
    kind = None if view.kind is None else view.kind.value
    said = {"flow_name": view.flow, "deployment": view.deployment, "kind": kind, "owner": view.owner}
    wanted = [runs.c[name] == value for name, value in said.items() if value is not None]
    if wanted:
        query = query.where(exists().where(runs.c.run_id == changes.c.run_id, *wanted))
    return query


class ChangeWatcher:
    """Waits until somebody, in any process, has written to the store.

    Holds a connection of its own. One thread waits; any thread may close.
    """

    def __init__(self, database: Database) -> None:
        self._signal: _Signal = _DataVersion(database) if database.is_sqlite else _Notifications(database)

    def wait(self, timeout_seconds: float) -> bool:
        """Return True when something may have changed since the last call, False after the time or when closed.

        What changes between two calls is not missed. The first call returns True at once.

        Raises
        ------
        StoreUnavailable
            The store cannot be read now. The next call tries again.
        """
        return self._signal.wait(timeout_seconds)

    def close(self) -> None:
        """Wake the waiting thread and let go of the connection. May be called twice."""
        self._signal.close()


class _Signal(Protocol):
    def wait(self, timeout_seconds: float) -> bool: ...

    def close(self) -> None: ...


class _DataVersion:
    """SQLite's counter of other connections' commits: https://www.sqlite.org/pragma.html#pragma_data_version."""

    def __init__(self, database: Database) -> None:
        assert database.path is not None
        self._path = database.path
        self._location = database.location
        self._may_write = not database.is_read_only
        self._closing = threading.Event()
        self._waiting = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None

    def wait(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        with self._waiting:
            while not self._closing.is_set():
                version = self._version()
                if version != self._seen:
                    self._seen = version
                    return True
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._closing.wait(min(POLL_SECONDS, remaining))
            return False

    def close(self) -> None:
        self._closing.set()
        with self._waiting:
            self._drop_connection()

    def _version(self) -> int:
        with telling_store_errors(self._location):
            try:
                if self._connection is None:
                    self._connection = connect_to_file(self._path, may_write=self._may_write)
                    self._seen = None  # the counter is the connection's own
                return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            except Exception:
                self._drop_connection()
                self._closing.wait(_PAUSE_SECONDS)
                raise

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Notifications:
    """PostgreSQL's NOTIFY: https://www.postgresql.org/docs/current/sql-notify.html."""

    def __init__(self, database: Database) -> None:
        self._url = make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._location = database.location
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._closing = threading.Event()
        self._waiting = threading.Lock()
        self._woken, self._waker = socket.socketpair()

    def wait(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        with self._waiting:
            while not self._closing.is_set():
                if self._has_news():
                    return True
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._sleep_until_readable(remaining)
            return False

    def close(self) -> None:
        self._closing.set()
        self._waker.close()  # the other end becomes readable
        with self._waiting:
            self._drop_connection()
            self._woken.close()

    def _has_news(self) -> bool:
        try:
            with telling_store_errors(self._location):
                if self._connection is None:
                    self._connection = self._connect()
                    return True  # whatever happened before this connection listened
                self._connection.pgconn.consume_input()
                count = 0
                while self._connection.pgconn.notifies() is not None:
                    count += 1
                return count > 0
        except Exception:
            self._drop_connection()
            self._closing.wait(_PAUSE_SECONDS)
            raise

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        import psycopg

        connection = psycopg.connect(self._url, autocommit=True, application_name="orchestra-nb changes")
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _sleep_until_readable(self, seconds: float) -> None:
        assert self._connection is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            selector.select(seconds)

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
