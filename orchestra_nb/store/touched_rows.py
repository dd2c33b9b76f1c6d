"""Rows of one table that are read at once, changed in memory as dictionaries, and written at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, insert, select, tuple_, update

#: Databases limit the values of one statement.
_ROWS_A_READ = 500


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
        columns = [self._table.c[name] for name in self._columns]
        keys = [self._table.c[name] for name in self._key]
        for start in range(0, len(wanted), _ROWS_A_READ):
            some = wanted[start : start + _ROWS_A_READ]
            where = keys[0].in_([key[0] for key in some]) if len(keys) == 1 else tuple_(*keys).in_(some)
            for found in self._connection.execute(select(*columns).where(where)).mappings():
                row = dict(found)
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
            self._connection.execute(insert(self._table), [self._rows[key] for key in self._new])
        if self._changed:
            same_key = and_(*(self._table.c[name] == bindparam(f"key_{name}") for name in self._key))
            changed = [self._rows[key] for key in self._changed]
            self._connection.execute(
                update(self._table).where(same_key),
                [
                    {f"key_{name}": row[name] for name in self._key} | {name: row[name] for name in self._changeable}
                    for row in changed
                ],
            )

    def _key_of(self, row: dict[str, Any]) -> tuple[object, ...]:
        return tuple(row[name] for name in self._key)
