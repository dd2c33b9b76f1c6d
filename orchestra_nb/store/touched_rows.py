"""Rows of one table that are read at once, changed in memory as dictionaries, and written at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, Table, bindparam, select, tuple_

from orchestra_nb.store.many_rows import insert_many, update_many

#: Databases limit the values of one statement.
_ROWS_A_READ = 500


@lru_cache(maxsize=64)
def _select_by_keys(table: Table, key: tuple[str, ...], columns: tuple[str, ...]) -> Select[Any]:
    """Return what reads the rows of ``:keys``; made once, because that takes longer than to execute it."""
    names = [table.c[name] for name in key]
    keys: BindParameter[Any] = bindparam("keys", expanding=True)
    where = names[0].in_(keys) if len(names) == 1 else tuple_(*names).in_(keys)
    return select(*(table.c[name] for name in columns)).where(where)


class TouchedRows:
    """The rows of one table that a batch touches.

    For one transaction that holds the store's write lock, and for one thread.

    Parameters
    ----------
    key
        The columns that name a row.
    changeable
        The columns that a batch may change in a row that exists.
    also_read
        Further columns that the decisions need.
    """

    def __init__(
        self,
        connection: Connection,
        table: Table,
        key: tuple[str, ...],
        changeable: tuple[str, ...],
        also_read: tuple[str, ...] = (),
    ) -> None:
        self._connection = connection
        self._table = table
        self._key = key
        self._changeable = changeable
        self._columns = tuple(dict.fromkeys((*key, *also_read, *changeable)))
        self._wanted: dict[tuple[object, ...], None] = {}
        self._rows: dict[tuple[object, ...], dict[str, Any]] = {}
        self._new: dict[tuple[object, ...], None] = {}
        self._changed: dict[tuple[object, ...], None] = {}

    def want(self, *key: object) -> None:
        """Name a row that the batch may touch."""
        self._wanted[key] = None

    def read(self) -> None:
        """Read the rows that were named and exist."""
        wanted = list(self._wanted)
        statement = _select_by_keys(self._table, self._key, self._columns)
        for start in range(0, len(wanted), _ROWS_A_READ):
            some = wanted[start : start + _ROWS_A_READ]
            keys: list[object] = [key[0] for key in some] if len(self._key) == 1 else list(some)
            # all at once: between two rows the interpreter could go to another thread, for milliseconds
            for found in self._connection.execute(statement, {"keys": keys}).all():
                row = dict(zip(self._columns, found, strict=True))
                self._rows[self._key_of(row)] = row

    def get(self, *key: object) -> dict[str, Any] | None:
        """Return a row as the batch has left it so far."""
        return self._rows.get(key)

    def insert(self, row: dict[str, Any]) -> bool:
        """Add a row; False when there is one with its key."""
        key = self._key_of(row)
        if key in self._rows:
            return False
        self._rows[key] = row
        self._new[key] = None
        return True

    def update(self, row: dict[str, Any], **values: object) -> None:
        """Change columns of a row that :meth:`get` returned."""
        row.update(values)
        key = self._key_of(row)
        if key not in self._new:
            self._changed[key] = None

    def write(self) -> None:
        """Write the new rows, in the order of their creation, and the changed ones."""
        if self._new:
            new = [self._rows[key] for key in self._new]
            insert_many(self._connection, self._table, tuple(new[0]), new)
        if self._changed:
            changed = [self._rows[key] for key in self._changed]
            update_many(self._connection, self._table, self._key, self._changeable, changed)

    def _key_of(self, row: dict[str, Any]) -> tuple[object, ...]:
        if len(self._key) == 1:
            return (row[self._key[0]],)
        return tuple([row[name] for name in self._key])
