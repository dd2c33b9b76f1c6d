"""How large a store is, and how it is made smaller."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select, text

from orchestra_nb.store.database import Database
from orchestra_nb.store.database_errors import telling_store_errors
from orchestra_nb.store.sqlite_file import connect_to_file
from orchestra_nb.store.tables import metadata


def row_counts(database: Database) -> dict[str, int]:
    """Return table to the number of its rows, the largest first."""
    with database.connect() as connection:
        counts = {
            name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for name, table in metadata.tables.items()
        }
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def size_bytes(database: Database) -> int:
    """Return what a store takes on the disk: a file with its log, or our tables with their indexes."""
    if database.path is not None:
        return sum(path.stat().st_size for path in (database.path, _log_of(database.path)) if path.exists())
    with database.connect() as connection:
        sizes = (
            connection.execute(text("SELECT pg_total_relation_size(to_regclass(:name))"), {"name": name}).scalar() or 0
            for name in metadata.tables
        )
        return sum(int(size) for size in sizes)


def free_bytes(database: Database) -> int | None:
    """Return how much of a SQLite file is unused; None for PostgreSQL, which looks after that by itself."""
    if database.path is None:
        return None
    with (
        telling_store_errors(database.location),
        closing(connect_to_file(database.path, may_write=False)) as connection,
    ):
        pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
    return int(pages) * int(size)


def vacuum(database: Database) -> None:
    """Give back what is unused, and count anew what the database plans its reads by.

    A SQLite file is written again, which takes as much room beside it for a while, and writers wait meanwhile.

    Raises
    ------
    StoreUnavailable
        Somebody else uses the store without a pause, or the disk is full.
    """
    if database.path is not None:
        with telling_store_errors(database.location), closing(connect_to_file(database.path, may_write=True)) as file:
            file.execute("VACUUM")
            file.execute("ANALYZE")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return
    with database.outside_transactions() as connection:
        for name in metadata.tables:
            connection.execute(text(f'VACUUM (ANALYZE) "{name}"'))


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
