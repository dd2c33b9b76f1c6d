"""The audit trail as it is kept: entries are added and read, and none is ever changed."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict, Unpack

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, or_, select

from orchestra_nb.model.audit import PARTS, AuditEntry, Outcome, Via, part_of, short_name
from orchestra_nb.store.database import Database
from orchestra_nb.store.service_tables import audit_entries


class AuditFilter(TypedDict, total=False):
    """Which entries; what is absent, or None, means all."""

    actor: str | None
    action: str | None
    area: str | None
    target: str | None
    via: Via | None
    outcome: Outcome | None
    since: datetime | None
    until: datetime | None


class AuditStore:
    """The trail of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry) -> None:
        """Keep an entry; within ``Database.together`` it is kept with all else that is done there, or not at all."""
        with self._database.write() as connection:
            add_entry(connection, entry)

    def list_entries(
        self, *, before: int | None = None, limit: int = 50, **wanted: Unpack[AuditFilter]
    ) -> list[AuditEntry]:
        """Return entries, the newest first.

        Parameters
        ----------
        before
            Only those with a smaller number.
        wanted
            Those of a target are also those of its parts. Actors are found by an index, all else by reading on.
        """
        query = select(audit_entries).order_by(audit_entries.c.number.desc()).limit(limit)
        for name, value in wanted.items():
            if value is not None and name not in ("target", "since", "until"):
                query = query.where(audit_entries.c[name] == str(value))
        if (target := wanted.get("target")) is not None:
            query = query.where(
                or_(audit_entries.c.target == short_name(target), *(_is_part(kind, target) for kind in PARTS))
            )
        if (since := wanted.get("since")) is not None:
            query = query.where(audit_entries.c.at >= since)
        if (until := wanted.get("until")) is not None:
            query = query.where(audit_entries.c.at < until)
        if before is not None:
            query = query.where(audit_entries.c.number < before)
        with self._database.connect() as connection:
            return [_entry_of(row) for row in connection.execute(query).mappings()]


def add_entry(connection: Connection, entry: AuditEntry) -> None:
    """Keep an entry within a transaction."""
    row = msgspec.structs.asdict(entry)
    del row["number"]
    names = {name: short_name(row[name]) for name in ("actor", "origin", "action", "area", "target", "code")}
    connection.execute(
        insert(audit_entries).values(row | names | {"via": entry.via.value, "outcome": entry.outcome.value})
    )


def _is_part(kind: str, whole: str) -> ColumnElement[bool]:
    """Tell the entries of what is a part of something, of this kind: no LIKE, which takes a for A in SQLite."""
    target, (before, after) = audit_entries.c.target, part_of(kind, "*", whole).split("*", 1)
    length, longest = func.length(target), PARTS[kind]
    least = len(before) + len(after) + 1
    return and_(
        func.substr(target, 1, len(before)) == before,
        func.substr(target, length - len(after) + 1) == after,
        length >= least,
        *(() if longest is None else (length < least + longest,)),
    )


def _entry_of(row: RowMapping) -> AuditEntry:
    return AuditEntry(**{**row, "via": Via(row["via"]), "outcome": Outcome(row["outcome"])})
