"""Facts of a store by their names, within a transaction of their reader or writer."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, select

from orchestra_nb.store.run_tables import store_facts

#: Up to this change some are missing, since they were deleted: whoever is behind it must read anew.
CHANGES_DELETED_UNTIL: Final = "changes_deleted_until"
#: Up to this change those were looked at that were only news.
NEWS_DELETED_UNTIL: Final = "news_deleted_until"
#: When somebody last began to delete what is too old.
CLEANED_AT: Final = "cleaned_at"


def read_fact(connection: Connection, name: str) -> str | None:
    """Return a fact, None where it was never written."""
    value: str | None = connection.execute(select(store_facts.c.value).where(store_facts.c.name == name)).scalar()
    return value


def write_fact(connection: Connection, name: str, value: str) -> None:
    """Write a fact in place of what it was."""
    connection.execute(delete(store_facts).where(store_facts.c.name == name))
    connection.execute(insert(store_facts).values(name=name, value=value))


def read_number(connection: Connection, name: str) -> int:
    """Return a fact that is a number, 0 where it was never written."""
    return int(read_fact(connection, name) or 0)


def raise_number(connection: Connection, name: str, value: int) -> None:
    """Write a number where it is higher than what was written."""
    if value > read_number(connection, name):
        write_fact(connection, name, str(value))
