"""A SQLite file as a file: made for one user alone, connected to, put into write-ahead mode."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from orchestra_nb.errors import StoreUnavailable

#: How long a write waits for another process's write.
BUSY_SECONDS = 5.0


def connect_to_file(path: Path, *, may_write: bool) -> sqlite3.Connection:
    """Return a plain connection to a SQLite file that must exist.

    A file in a folder that cannot be written needs ``immutable``, because SQLite cannot make the files there through
    which readers and writers see each other; unless a writer left them, and then they are used.
    """
    options = "mode=rw" if may_write else "mode=ro"
    if not may_write and not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
        options = "mode=ro&immutable=1"
    return sqlite3.connect(
        f"file:{quote(str(path))}?{options}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def create_file(path: Path) -> None:
    """Make an empty file for this user alone, and its folder.

    Raises
    ------
    StoreUnavailable
        The folder does not allow it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"The store {path} cannot be made: {error.strerror}. Make its folder writable, or set ORCHESTRA_STORE_URL "
            "to another store."
        ) from error


def copy_file(path: Path, copy: Path) -> None:
    """Copy a SQLite file as it is at one moment, for this user alone; whoever reads or writes it is not kept waiting.

    Raises
    ------
    FileExistsError
        The copy is there already.
    """
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(connect_to_file(path, may_write=False)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def is_writable(path: Path) -> bool:
    """Tell whether a file can be written, which needs its folder, too: the log stands beside the file."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of the same name; None when there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def use_write_ahead_log(path: Path) -> None:
    """Set the journal mode, which the file then keeps.

    Raises
    ------
    sqlite3.OperationalError
        Others have used the file without a pause for :data:`BUSY_SECONDS`.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    with closing(connect_to_file(path, may_write=True)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
                return
            except sqlite3.OperationalError as error:
                # two processes that change the mode at once are told BUSY without having waited
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
