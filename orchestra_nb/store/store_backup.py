"""A copy of a store in SQLite, made while it is in use; for PostgreSQL the command that makes one."""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from orchestra_nb.errors import InvalidInput, StoreUnavailable
from orchestra_nb.store.database_errors import telling_store_errors
from orchestra_nb.store.sqlite_file import connect_to_file, copy_file


def back_up_file(path: Path, copy: Path, *, is_replacing: bool = False) -> None:
    """Write a whole and checked copy of a SQLite store, which appears at once.

    The store may be of an older version: it is not upgraded.

    Raises
    ------
    InvalidInput
        The copy is there already and not to be replaced, is the store itself, or its folder cannot be written.
    StoreUnavailable
        There is no store, it cannot be read, or its copy is damaged as it is itself.
    """
    if not path.exists():
        raise StoreUnavailable(f"There is no store at {path} to copy.")
    if copy.exists() and copy.samefile(path):
        raise InvalidInput(f"{copy} is the store itself. Choose another file.")
    if copy.is_dir() or (copy.exists() and not is_replacing):
        raise InvalidInput(f"{copy} is there already. Choose another file, or replace it with --force.")
    temporary = copy.with_name(f".{copy.name}.{secrets.token_hex(6)}.part")
    try:
        with telling_store_errors(str(path)):
            copy_file(path, temporary)
            damage = damage_of(temporary)
            if damage:
                raise StoreUnavailable(f"The store {path} is damaged: {damage}. No copy was made.")
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, copy)
    except OSError as error:
        raise InvalidInput(f"{copy} cannot be written: {error.strerror or error}. Choose another file.") from None
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            temporary.with_name(temporary.name + ending).unlink(missing_ok=True)


def damage_of(path: Path) -> str:
    """Return what is wrong with a SQLite file as a file; empty where nothing is."""
    with closing(connect_to_file(path, may_write=os.access(path, os.W_OK))) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    return "" if found == ["ok"] else "; ".join(found)


def dump_command(url: URL, copy: Path) -> list[str]:
    """Return the command that writes a copy of a database in PostgreSQL; a password is not in it."""
    query = {name: value for name, value in url.query.items() if "password" not in name.lower()}
    named = URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=query
    )
    return ["pg_dump", "--format=custom", f"--file={copy}", f"--dbname={named.render_as_string()}"]
