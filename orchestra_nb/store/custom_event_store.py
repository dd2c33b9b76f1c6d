"""Events that users emit, as they are kept, in the order of their arrival."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, RowMapping, func, insert, select

from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.store.code_tables import custom_events
from orchestra_nb.store.database import Database
from orchestra_nb.store.keyset_pages import number_of


class CustomEventStore:
    """The users' events of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: CustomEvent) -> bool:
        """Keep an event; False when one with its id is there already."""
        with self._database.write() as connection:
            return add_event(connection, event)

    def list_events(
        self, *, after: int = 0, event: str | None = None, run_id: str | None = None, limit: int = 1000
    ) -> list[tuple[int, CustomEvent]]:
        """Return (sequence, event) behind a sequence number, in order; None for all names, or all runs."""
        query = select(custom_events).where(custom_events.c.sequence > after)
        if event is not None:
            query = query.where(custom_events.c.event == event)
        if run_id is not None:
            query = query.where(custom_events.c.run_id == run_id)
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(custom_events.c.sequence).limit(limit)).mappings()
            return [(row["sequence"], event_of_row(row)) for row in rows]

    def newest_events(
        self,
        *,
        event: str | None = None,
        resource: str | None = None,
        run_id: str | None = None,
        since: datetime | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[CustomEvent]:
        """Return events, the newest first; None for all.

        Parameters
        ----------
        event
            A name; with ``*`` at its end all names that begin so.
        resource
            The ``id`` of what they are about, found by reading on: there is no index of it.
        since
            When the oldest occurred.
        before
            Only those older than the one with this id.

        Raises
        ------
        InvalidInput
            There is no event ``before``.
        """
        query = select(custom_events)
        if event is not None and event.endswith("*"):
            start = event.removesuffix("*")
            query = query.where(func.substr(custom_events.c.event, 1, len(start)) == start)
        elif event is not None:
            query = query.where(custom_events.c.event == event)
        if run_id is not None:
            query = query.where(custom_events.c.run_id == run_id)
        if since is not None:
            query = query.where(custom_events.c.occurred_at >= since)
        if resource is None:
            query = query.limit(limit)
        found: list[CustomEvent] = []
        with self._database.connect() as connection:
            if before is not None:
                last = number_of(connection, custom_events.c.sequence, custom_events.c.event_id, before)
                query = query.where(custom_events.c.sequence < last)
            for row in connection.execute(query.order_by(custom_events.c.sequence.desc())).mappings():
                if resource is None or row["resource"].get("id") == resource:
                    found.append(event_of_row(row))
                if len(found) == limit:
                    break
        return found


def add_event(connection: Connection, event: CustomEvent) -> bool:
    """Keep an event within a transaction; False when one with its id is there already."""
    same = select(custom_events.c.sequence).where(custom_events.c.event_id == event.event_id)
    if connection.execute(same).first() is not None:
        return False
    values = msgspec.structs.asdict(event) | {"related": list(event.related)}
    connection.execute(insert(custom_events).values(values))
    return True


def event_of_row(row: RowMapping) -> CustomEvent:
    """Return the event of a row."""
    names = CustomEvent.__struct_fields__
    return CustomEvent(**{name: row[name] for name in names} | {"related": tuple(row["related"])})
