"""Brings a store's tables to this version: makes those of a new store at once, and migrates an older one's.

Alembic is imported only for an older store: a new one is there some hundred milliseconds sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, inspect, text

from orchestra_nb.errors import StoreReadOnly, StoreTooNew, StoreUnavailable
from orchestra_nb.store.database_errors import telling_store_errors
from orchestra_nb.store.run_tables import store_facts
from orchestra_nb.store.schema_revision import (
    CREATE_VERSION_TABLE,
    HEAD,
    REVISIONS,
    SELECT_REVISION,
    SELECT_WRITER,
    VERSION_TABLE,
)
from orchestra_nb.store.sqlite_file import connect_to_file, copy_file, use_write_ahead_log
from orchestra_nb.store.tables import metadata
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from orchestra_nb.store.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"


def is_current_file(path: Path) -> bool:
    """Tell whether a SQLite file has the tables of this version, without writing a byte of it.

    Raises
    ------
    StoreTooNew
        A newer version wrote it.
    StoreUnavailable
        It holds something else.
    """
    with telling_store_errors(str(path)), closing(connect_to_file(path, may_write=False)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

        def scalar(statement: str) -> str | None:
            row = connection.execute(statement).fetchone()
            return None if row is None else str(row[0])

        return _check(str(path), names, scalar) == HEAD


def is_current(database: Database) -> bool:
    """Tell whether an open database has the tables of this version; raises as :func:`is_current_file`."""
    with database.connect() as connection:
        return _stored_revision(database, connection) == HEAD


def stored_revision(database: Database) -> str | None:
    """Return the revision of an open database, None where it has no tables yet; raises as :func:`is_current_file`."""
    with database.connect() as connection:
        return _stored_revision(database, connection)


def upgrade(database: Database) -> Path | None:
    """Create the tables, or bring them to this version, in one transaction; a SQLite file is copied first.

    Return where the copy is; None where none was needed.

    Safe when several processes do it at once: one does it, the others find it done.

    Raises
    ------
    StoreReadOnly
        The database cannot be written.
    """
    if database.is_read_only:
        raise StoreReadOnly(
            f"The store {database.location} must be upgraded and is read-only. Open it once with write access."
        )
    if database.path is not None:
        with telling_store_errors(database.location):
            use_write_ahead_log(database.path)
    with database.write() as connection:
        revision = _stored_revision(database, connection)
        if revision == HEAD:
            return None
        if revision is None:
            _make(connection)
            return None
        copy = None if database.path is None else _back_up(database.path, revision)
        _migrate(connection)
        return copy


def _stored_revision(database: Database, connection: Connection) -> str | None:
    names = inspect(connection).get_table_names()
    return _check(database.location, names, lambda statement: connection.execute(text(statement)).scalar())


def _check(location: str, names: Collection[str], scalar: Callable[[str], str | None]) -> str | None:
    """Return the revision of a database with these tables, None for one without ours.

    ``scalar`` returns the first value that a SELECT gives.
    """
    if VERSION_TABLE not in names:
        foreign = sorted(set(metadata.tables) & set(names))
        if foreign:
            raise StoreUnavailable(
                f"{location} is the database of something else: its table {foreign[0]!r} is not ours. Set "
                "ORCHESTRA_STORE_URL to a database of Orchestra's own."
            )
        return None
    revision = scalar(SELECT_REVISION)
    if revision is not None and revision not in REVISIONS:
        writer = (scalar(SELECT_WRITER) if store_facts.name in names else None) or "unknown"
        raise StoreTooNew(
            f"The store {location} was written by Orchestra {writer} (tables of revision {revision}). This is "
            f"Orchestra {__version__} (revision {HEAD}), which left it untouched. Run "
            "`pip install --upgrade orchestra-nb`, or set ORCHESTRA_STORE_URL to another store."
        )
    return revision


def _make(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text(CREATE_VERSION_TABLE))
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} (version_num) VALUES (:revision)"), {"revision": HEAD})
    _write_version(connection)


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
    _write_version(connection)


def _write_version(connection: Connection) -> None:
    connection.execute(delete(store_facts).where(store_facts.c.name == "orchestra_version"))
    connection.execute(insert(store_facts).values(name="orchestra_version", value=__version__))


def _back_up(path: Path, revision: str) -> Path:
    """Copy a file beside itself, as it is now, for this user alone. The caller holds the write lock."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    copy = path.with_name(f"{path.name}.revision-{revision}-{now}.backup")
    copy_file(path, copy)
    return copy
