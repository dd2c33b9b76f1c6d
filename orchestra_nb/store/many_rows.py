"""Executes one statement for many rows, several times faster than SQLAlchemy's own way.

SQLAlchemy prepares the parameters of each row by itself; here each column is converted as a whole, and the rows go to
the database's driver as tuples. Statements, names and types are still SQLAlchemy's.

New rows go to SQLite in groups: its driver lets other threads run at each statement, and in a busy process has to wait
for its next turn then, which takes a thousand times as long as the row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, and_, bindparam, insert, update
from sqlalchemy.engine import Dialect

from orchestra_nb.store.column_types import AnyText, UtcTime, storable_text

#: So many rows go to SQLite in one statement: few different numbers, since a prepared statement is large.
_GROUP_SIZES = (512, 128, 32, 8)

#: The most parameters of one of its statements: https://www.sqlite.org/limits.html
_MOST_PARAMETERS = 32766 if sqlite3.sqlite_version_info >= (3, 32) else 999

_Convert = Callable[[list[Any]], list[Any]]


def insert_many(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows.

    Parameters
    ----------
    names
        The columns to fill; each row has all of them.
    """
    _execute(connection, _insert_plan(table, names, connection.dialect), rows)


def update_many(
    connection: Connection,
    table: Table,
    key: tuple[str, ...],
    names: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Set columns of the rows that have these keys; each row has all columns of both."""
    _execute(connection, _update_plan(table, key, names, connection.dialect), rows)


class _Plan:
    """A compiled statement, and how each of its parameters is made from a row.

    ``groups`` are (number, statement for so many rows at once), the largest first.
    """

    def __init__(self, statement: Insert | Update, sources: Mapping[str, tuple[str, Any]], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(sources))
        self.text = str(compiled)
        self.order: list[str] | None = list(compiled.positiontup) if compiled.positional else None
        self.parameters = {
            name: (source, _converter(kind, dialect))
            for name, (source, kind) in sources.items()
            if name in compiled.binds
        }
        self.groups: list[tuple[int, str]] = []
        if isinstance(statement, Insert) and dialect.name == "sqlite" and self.order:
            row = f"({', '.join('?' * len(self.order))})"
            head = self.text.removesuffix(row)
            sizes = [size for size in _GROUP_SIZES if size * len(self.order) <= _MOST_PARAMETERS]
            self.groups = [(size, head + ", ".join([row] * size)) for size in sizes]


@lru_cache(maxsize=64)
def _insert_plan(table: Table, names: tuple[str, ...], dialect: Dialect) -> _Plan:
    return _Plan(insert(table), {name: (name, table.c[name].type) for name in names}, dialect)


@lru_cache(maxsize=64)
def _update_plan(table: Table, key: tuple[str, ...], names: tuple[str, ...], dialect: Dialect) -> _Plan:
    same_key = and_(*(table.c[name] == bindparam(f"key_{name}", type_=table.c[name].type) for name in key))
    values = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    sources = {f"key_{name}": (name, table.c[name].type) for name in key}
    sources |= {f"new_{name}": (name, table.c[name].type) for name in names}
    return _Plan(update(table).where(same_key).values(values), sources, dialect)


def _execute(connection: Connection, plan: _Plan, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = {name: convert([row[source] for row in rows]) for name, (source, convert) in plan.parameters.items()}
    if plan.order is not None:
        values = list(zip(*(columns[name] for name in plan.order), strict=True))
        start = 0
        for size, text in plan.groups:
            while len(values) - start >= size:
                connection.exec_driver_sql(text, tuple(chain.from_iterable(values[start : start + size])))
                start += size
        if start < len(values):
            connection.exec_driver_sql(plan.text, values[start:])
    else:
        names = list(columns)
        connection.exec_driver_sql(
            plan.text, [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        )


def _converter(kind: Any, dialect: Dialect) -> _Convert:
    if isinstance(kind, AnyText):
        return _texts
    if isinstance(kind, UtcTime) and dialect.name == "sqlite":
        return _sqlite_times
    process = kind.dialect_impl(dialect).bind_processor(dialect)
    if process is None:
        return lambda values: values

    def convert(values: list[Any]) -> list[Any]:
        converted = []
        last, last_converted = None, process(None)
        # neighbours often share one object: a time, an empty mapping
        for value in values:
            if value is not last:
                last, last_converted = value, process(value)
            converted.append(last_converted)
        return converted

    return convert


def _texts(values: list[Any]) -> list[Any]:
    return [
        value if value is None or (value.isascii() and "\0" not in value) else storable_text(value) for value in values
    ]


def _sqlite_times(values: list[Any]) -> list[Any]:
    """Return what :class:`UtcTime` makes of each time, many times faster where they are in UTC."""
    return [
        value.isoformat(" ", "microseconds")[:26] if value is not None and value.tzinfo is UTC else _sqlite_time(value)
        for value in values
    ]


def _sqlite_time(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone.")
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26]
