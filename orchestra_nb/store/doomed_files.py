"""Files to be deleted on each machine that has them, recorded in the transaction that deletes what leads there.

Machines that share a store have folders of their own: what one of them cleaned, the others find here. A service that
dies between the rows and the files finds them again, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select

from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.store.database import Database
from orchestra_nb.store.service_tables import doomed_files

#: So long a machine may be off, or without a service, and still find what is to be deleted there.
KEPT: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class OldRun:
    """A run that may be deleted, and where its user sees its output."""

    run_id: str
    output_path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoomedFile:
    """The files of a run in the folder of outputs, or the file of a value.

    Parameters
    ----------
    number
        In the order in which they were recorded.
    at
        When it was.
    """

    number: int
    at: datetime
    run: OldRun | None = None
    value: ResultReference | None = None


class DoomedFiles:
    """The list of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_after(self, number: int, limit: int) -> list[DoomedFile]:
        """Return those that were recorded after one of them, in order."""
        query = select(doomed_files).where(doomed_files.c.number > number).order_by(doomed_files.c.number).limit(limit)
        with self._database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            DoomedFile(
                number=row["number"],
                at=row["at"],
                run=None if row["run_id"] is None else OldRun(row["run_id"], row["output_path"]),
                value=None if row["reference"] is None else msgspec.convert(row["reference"], ResultReference),
            )
            for row in rows
        ]

    def forget(self, numbers: Sequence[int]) -> None:
        """Take out what is nowhere any more."""
        with self._database.write(durable=False) as connection:
            connection.execute(delete(doomed_files).where(doomed_files.c.number.in_(numbers)))

    def forget_old(self, now: datetime, limit: int = 1_000) -> bool:
        """Take out some of what was there for long enough; False where there is no more of it."""
        old = select(doomed_files.c.number).where(doomed_files.c.at < now - KEPT).limit(limit)
        with self._database.connect() as connection:
            numbers = connection.execute(old).scalars().all()
        if numbers:
            self.forget(numbers)
        return len(numbers) == limit


def doom(
    connection: Connection, at: datetime, *, runs: Sequence[OldRun] = (), values: Sequence[ResultReference] = ()
) -> None:
    """Record files in the transaction of a connection."""
    none = {"run_id": None, "output_path": None, "reference": None, "at": at}
    rows: list[dict[str, object]] = [{**none, "run_id": run.run_id, "output_path": run.output_path} for run in runs]
    rows += [{**none, "reference": msgspec.to_builtins(value)} for value in values]
    if rows:
        connection.execute(insert(doomed_files), rows)
