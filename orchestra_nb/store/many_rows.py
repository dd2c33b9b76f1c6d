"""Executes one statement for many rows, several times faster than SQLAlchemy's own way.

SQLAlchemy prepares the parameters of each row by itself; here each column is converted as a whole, and the rows go to
the database's driver as tuples. Statements, names and types are still SQLAlchemy's.

New rows go to SQLite in groups: its driver lets other threads run at each statement, and in a busy process has to wait
for its next turn then, which takes a thousand times as long as the row. To PostgreSQL all go as one JSON document,
which it parses faster than its driver converts values, in one prepared statement for any number of rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Connection, Insert, Table, Update, and_, bindparam, insert, update
from sqlalchemy.engine import Dialect

from orchestra_nb.store.column_types import AnyText, UtcTime, storable_text
from orchestra_nb.store.pipelines import SENT

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
    _insert_plan(table, names, connection.dialect).execute(connection, rows)


def update_many(
    connection: Connection,
    table: Table,
    key: tuple[str, ...],
    names: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Set columns of the rows that have these keys; each row has all columns of both."""
    _update_plan(table, key, names, connection.dialect).execute(connection, rows)


class _Plan:
    """A compiled statement for one row, and how each of its parameters is made from a row.

    ``groups`` are (number, statement for so many rows at once), the largest first.
    """

    def __init__(self, statement: Insert | Update, sources: Mapping[str, tuple[str, Any]], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(sources))
        self.text = str(compiled)
        self.order: list[str] = list(compiled.positiontup)
        self.parameters = {name: (source, _converter(kind, dialect)) for name, (source, kind) in sources.items()}
        self.groups: list[tuple[int, str]] = []
        if isinstance(statement, Insert):
            row = f"({', '.join('?' * len(self.order))})"
            head = self.text.removesuffix(row)
            sizes = [size for size in _GROUP_SIZES if size * len(self.order) <= _MOST_PARAMETERS]
            self.groups = [(size, head + ", ".join([row] * size)) for size in sizes]

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = {name: convert([row[source] for row in rows]) for name, (source, convert) in self.parameters.items()}
        values = list(zip(*(columns[name] for name in self.order), strict=True))
        start = 0
        for size, text in self.groups:
            while len(values) - start >= size:
                connection.exec_driver_sql(text, tuple(chain.from_iterable(values[start : start + size])))
                start += size
        if start < len(values):
            connection.exec_driver_sql(self.text, values[start:])


class _DocumentPlan:
    """A statement for any number of rows, whose one parameter has them all."""

    def __init__(self, text: str, table: Table, names: tuple[str, ...], dialect: Dialect) -> None:
        kinds = {name: table.c[name].type for name in names}
        columns = ", ".join(f"{name} {kind.compile(dialect)}" for name, kind in kinds.items())
        document = f"ROWS FROM (json_to_recordset(%(rows)s::json) AS ({columns})) WITH ORDINALITY AS row"
        self.text = text.format(table=table.name, document=document, names=", ".join(names))
        self.converters = {name: _converter(kind, dialect) for name, kind in kinds.items()}

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = [convert([row[name] for row in rows]) for name, convert in self.converters.items()]
        names = list(self.converters)
        document = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        rows_text = msgspec.json.encode(document).decode()
        connection.exec_driver_sql(self.text, {"rows": rows_text}, execution_options=SENT)


@lru_cache(maxsize=64)
def _insert_plan(table: Table, names: tuple[str, ...], dialect: Dialect) -> _Plan | _DocumentPlan:
    if dialect.name == "sqlite":
        return _Plan(insert(table), {name: (name, table.c[name].type) for name in names}, dialect)
    # in the order of the rows: they are numbered in it
    text = "INSERT INTO {table} ({names}) SELECT {names} FROM {document} ORDER BY ordinality"
    return _DocumentPlan(text, table, names, dialect)


@lru_cache(maxsize=64)
def _update_plan(table: Table, key: tuple[str, ...], names: tuple[str, ...], dialect: Dialect) -> _Plan | _DocumentPlan:
    if dialect.name == "sqlite":
        same_key = and_(*(table.c[name] == bindparam(f"key_{name}", type_=table.c[name].type) for name in key))
        values = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
        sources = {f"key_{name}": (name, table.c[name].type) for name in key}
        sources |= {f"new_{name}": (name, table.c[name].type) for name in names}
        return _Plan(update(table).where(same_key).values(values), sources, dialect)
    changes = ", ".join(f"{name} = row.{name}" for name in names)
    same = " AND ".join(f"{{table}}.{name} = row.{name}" for name in key)
    text = f"UPDATE {{table}} SET {changes} FROM {{document}} WHERE {same}"
    return _DocumentPlan(text, table, (*key, *names), dialect)


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
