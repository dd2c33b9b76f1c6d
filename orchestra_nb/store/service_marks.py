"""Up to which change of the store each service has worked off what happened, and the ends of runs behind that.

Services of several versions may share a mark, as long as their tables are the same: an older one that finds them
upgraded stops (:mod:`orchestra_nb.services.upgrade_watch`). So whoever adds a kind of run, a state or a policy that an
older follower would decide about wrongly adds a migration with it, if only an empty one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, insert, select, update

from orchestra_nb.model.states import TERMINAL_STATES
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import changes
from orchestra_nb.store.service_tables import service_marks

_TERMINAL = [state.value for state in TERMINAL_STATES]


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run entered a terminal state in this epoch."""

    run_id: str
    epoch: int


class ServiceMarks:
    """The marks of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, name: str) -> int:
        """Return the mark of a service; the first time the number of the newest change: it begins with what is new."""
        with self._database.connect() as connection:
            known = connection.execute(_mark_of(name)).scalar()
        if known is not None:
            return int(known)
        with self._database.write() as connection:
            known = connection.execute(_mark_of(name)).scalar()
            if known is None:
                known = connection.execute(select(func.max(changes.c.sequence))).scalar() or 0
                connection.execute(insert(service_marks).values(name=name, sequence=known))
        return int(known)

    def move(self, name: str, sequence: int) -> None:
        """Note that a service has worked off all up to a change; never back."""
        forward = (
            update(service_marks)
            .where(service_marks.c.name == name, service_marks.c.sequence < sequence)
            .values(sequence=sequence)
        )
        with self._database.write(durable=False) as connection:
            connection.execute(forward)

    def ends_since(self, sequence: int, limit: int = 1_000) -> tuple[list[EndedRun], int]:
        """Return the ends of runs behind a change, in order, and up to which change they were looked for."""
        with self._database.connect() as connection:
            newest = connection.execute(select(func.max(changes.c.sequence))).scalar() or 0
            query = (
                select(changes.c.sequence, changes.c.run_id, changes.c.epoch)
                .where(
                    changes.c.sequence > sequence,
                    changes.c.sequence <= newest,
                    changes.c.subject == "run",
                    changes.c.to_state.in_(_TERMINAL),
                )
                .order_by(changes.c.sequence)
                .limit(limit)
            )
            rows = connection.execute(query).all()
        until = rows[-1][0] if len(rows) == limit else newest
        return [EndedRun(run_id, epoch) for _, run_id, epoch in rows], int(until)


def _mark_of(name: str) -> Select[Any]:
    return select(service_marks.c.sequence).where(service_marks.c.name == name)
