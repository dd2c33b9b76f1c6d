"""What was written to the store of a remote worker, in its order, until it is passed on to the server.

A store is such a spool when it says so by a fact of its own. Then each process that writes events to it keeps them here
too, in the transaction that applies them: so nothing is passed on that was not written, and nothing is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, select

from orchestra_nb.model.events import Event, encode_event
from orchestra_nb.store.database import Database
from orchestra_nb.store.many_rows import insert_many
from orchestra_nb.store.service_tables import spooled_events
from orchestra_nb.store.store_fact_rows import read_fact, write_fact

_FACT: Final = "is_spool"


@dataclass(frozen=True, slots=True)
class SpooledEvent:
    """An event, as its JSON, and its place in the order."""

    number: int
    text: str


class EventSpool:
    """The spool of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self) -> None:
        """Have events kept from now on; what was left from before is thrown away."""
        with self._database.write() as connection:
            write_fact(connection, _FACT, "yes")
            connection.execute(delete(spooled_events))

    def read(self, most_events: int, most_characters: int) -> list[SpooledEvent]:
        """Return the oldest events: at least one where there is any, and no more than these bounds allow."""
        query = select(spooled_events).order_by(spooled_events.c.number).limit(most_events)
        found: list[SpooledEvent] = []
        characters = 0
        with self._database.connect() as connection:
            for row in connection.execute(query):
                characters += len(row.event)
                if found and characters > most_characters:
                    break
                found.append(SpooledEvent(row.number, row.event))
        return found

    def forget(self, until: int) -> None:
        """Delete the events up to this number: they have arrived."""
        with self._database.write(durable=False) as connection:
            connection.execute(delete(spooled_events).where(spooled_events.c.number <= until))

    @property
    def is_empty(self) -> bool:
        """Whether all has been passed on."""
        with self._database.connect() as connection:
            return connection.execute(select(spooled_events.c.number).limit(1)).first() is None


def is_spool(connection: Connection) -> bool:
    """Tell whether a store is a spool."""
    return read_fact(connection, _FACT) is not None


def spool_events(connection: Connection, events: Iterable[Event]) -> None:
    """Keep events within the transaction that applied them."""
    rows: list[dict[str, object]] = [{"event": event_text(event)} for event in events]
    if rows:
        insert_many(connection, spooled_events, ("event",), rows)


def event_text(event: Event) -> str:
    r"""Return an event as JSON that any reader takes; lone surrogates, which stand for undecodable bytes, are replaced.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> from orchestra_nb.model.events import DriverEnded
    >>> event_text(DriverEnded(driver_id="a\udc80", at=datetime(2026, 1, 1, tzinfo=UTC)))
    '{"type": "DriverEnded", "driver_id": "a�", "at": "2026-01-01T00:00:00Z"}'
    """
    try:
        return encode_event(event).decode()
    except UnicodeEncodeError:
        return json.dumps(_readable(msgspec.to_builtins(event)), ensure_ascii=False)


def _readable(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_readable(key): _readable(item) for key, item in value.items()}
        case list() | tuple():
            return [_readable(item) for item in value]
    return value
