"""Where a page of a list goes on: behind the row that the page before ended with, by its number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from orchestra_nb.errors import InvalidInput


def number_of(connection: Connection, number: ColumnElement[Any], id_: ColumnElement[str], value: str) -> int:
    """Return the number of the row with this id.

    Raises
    ------
    InvalidInput
        There is none, or none any more.
    """
    found = connection.execute(select(number).where(id_ == value)).scalar()
    if found is None:
        raise InvalidInput(f"Nothing in this list has the id {value[:80]!r} any more. Begin with its first page.")
    return int(found)
