"""Where automations watch for files, what is known of the files there, and what is written of a look at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, insert, select, update

from orchestra_nb.model.automations import Automation, FileMatch, watched_files
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.file_arrivals import KnownFile, Look
from orchestra_nb.store import service_tables as tables
from orchestra_nb.store.custom_event_store import add_event
from orchestra_nb.store.database import Database
from orchestra_nb.store.many_rows import insert_many
from orchestra_nb.store.stored_records import short_message

_COLUMNS = KnownFile.__struct_fields__


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWatch:
    """Where an automation watches.

    Parameters
    ----------
    known_before
        Files of an earlier time do not arrive any more; None after the first look, or where all are to arrive.
    revision
        One higher after each look that has brought something new.
    problem
        Why the last look did not come about; empty where it did.
    owner
        Whose deployment it is whose trigger watches; None for other automations, and where it is nobody's.
    """

    automation: str
    match: FileMatch
    known_before: datetime | None
    revision: int
    next_look_at: datetime
    problem: str
    problem_since: datetime | None
    owner: str | None


class FileWatchStore:
    """The watches of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_watches(self, *, due_at: datetime | None = None) -> list[FileWatch]:
        """Return the watches of active automations; with a time those on which a look is due then."""
        watches, automations, deployments = tables.file_watches, tables.automations, tables.deployments
        query = (
            select(watches, automations.c.automation.label("record"), deployments.c.owner)
            .join(automations, automations.c.name == watches.c.automation)
            .outerjoin(deployments, deployments.c.name == automations.c.deployment)
            .where(automations.c.is_active)
            .order_by(watches.c.automation, watches.c.url)
        )
        if due_at is not None:
            query = query.where(watches.c.next_look_at <= due_at)
        found = []
        with self._database.connect() as connection:
            for row in connection.execute(query).mappings():
                matches = {one.url: one for one in watched_files(msgspec.convert(row["record"], Automation))}
                if row["url"] in matches:
                    fields = {name: row[name] for name in FileWatch.__slots__ if name != "match"}
                    found.append(FileWatch(match=matches[row["url"]], **fields))
        return found

    def next_look_at(self) -> datetime | None:
        """Return when the next look is due; None where nobody watches."""
        with self._database.connect() as connection:
            return connection.execute(select(func.min(tables.file_watches.c.next_look_at))).scalar()

    def claim(self, watch: FileWatch, next_look_at: datetime) -> bool:
        """Put off the look that is due, since the caller takes it; False where somebody else took it."""
        mine = (*_same(tables.file_watches, watch), tables.file_watches.c.next_look_at == watch.next_look_at)
        with self._database.write(durable=False) as connection:
            return (
                connection.execute(update(tables.file_watches).where(*mine).values(next_look_at=next_look_at)).rowcount
                == 1
            )

    def known_files(self, watch: FileWatch) -> dict[str, KnownFile]:
        """Return path to what is known of a file."""
        columns = [tables.watched_files.c[name] for name in _COLUMNS]
        query = select(*columns).where(*_same(tables.watched_files, watch))
        with self._database.connect() as connection:
            return {row["path"]: KnownFile(**row) for row in connection.execute(query).mappings()}

    def write(self, watch: FileWatch, look: Look, events: Sequence[CustomEvent]) -> bool:
        """Keep what a look gave, and emit the events of what has arrived; all or nothing.

        False where somebody else wrote what a look gave meanwhile, or the watch is no more: nothing is written then.
        """
        values: dict[str, object] = {"known_before": None, "revision": watch.revision + 1}
        values |= {"problem": "", "problem_since": None}
        columns = tables.file_watches.c
        before = columns.known_before
        is_same = before.is_(None) if watch.known_before is None else before == watch.known_before
        mine = (*_same(tables.file_watches, watch), columns.revision == watch.revision, is_same)
        with self._database.write() as connection:
            if not connection.execute(update(tables.file_watches).where(*mine).values(values)).rowcount:
                return False
            if look.next_at is not None:
                self._look_earlier(connection, watch, look.next_at)
            _delete_files(connection, watch, [*look.forgotten, *(file.path for file in look.changed)])
            if look.changed:
                rows = [
                    {"automation": watch.automation, "url": watch.match.url, **msgspec.structs.asdict(file)}
                    for file in look.changed
                ]
                insert_many(connection, tables.watched_files, ("automation", "url", *_COLUMNS), rows)
            for event in events:
                add_event(connection, event)
            return True

    def look_earlier(self, watch: FileWatch, at: datetime) -> None:
        """Have the next look be at a time, if it would be later."""
        with self._database.write(durable=False) as connection:
            self._look_earlier(connection, watch, at)

    def tell(self, watch: FileWatch, problem: str, at: datetime) -> None:
        """Note why a look did not come about."""
        values = {"problem": short_message(problem), "problem_since": watch.problem_since or at}
        with self._database.write(durable=False) as connection:
            connection.execute(update(tables.file_watches).where(*_same(tables.file_watches, watch)).values(values))

    def _look_earlier(self, connection: Connection, watch: FileWatch, at: datetime) -> None:
        later = (*_same(tables.file_watches, watch), tables.file_watches.c.next_look_at > at)
        connection.execute(update(tables.file_watches).where(*later).values(next_look_at=at))


def keep_watches(connection: Connection, automation: Automation, before: Automation | None, at: datetime) -> None:
    """Have an automation watch what it says from now on; what goes on to be watched knows what it knew.

    Parameters
    ----------
    before
        What it said so far; None where it is new.
    """
    wanted = _watches_of(automation)
    kept = {
        url: match
        for url, match in (_watches_of(before) if before is not None else {}).items()
        if url in wanted and wanted[url].has_existing == match.has_existing
    }
    end_watches(connection, automation.name, kept)
    ours = tables.file_watches.c.automation == automation.name
    connection.execute(update(tables.file_watches).where(ours).values(next_look_at=at, problem="", problem_since=None))
    for url, match in wanted.items():
        if url not in kept:
            connection.execute(
                insert(tables.file_watches).values(
                    automation=automation.name,
                    url=url,
                    known_before=None if match.has_existing else at,
                    revision=0,
                    next_look_at=at,
                    problem="",
                )
            )


def end_watches(connection: Connection, automation: str, kept: Mapping[str, FileMatch] = {}) -> None:
    """Forget what an automation watches, but these URLs."""
    for table in (tables.watched_files, tables.file_watches):
        connection.execute(delete(table).where(table.c.automation == automation, table.c.url.not_in(list(kept))))


def _watches_of(automation: Automation) -> dict[str, FileMatch]:
    return {one.url: one for one in watched_files(automation)} if automation.is_active else {}


def _same(table: Table, watch: FileWatch) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    columns = table.c
    return columns.automation == watch.automation, columns.url == watch.match.url


def _delete_files(connection: Connection, watch: FileWatch, paths: Sequence[str]) -> None:
    if paths:
        table = tables.watched_files
        statement = delete(table).where(*_same(table, watch), table.c.path == bindparam("one_path"))
        connection.execute(statement, [{"one_path": path} for path in paths])
