"""Whether lists have changed that have no change log: a short text for each, another one after each change.

Lists of deployments, failures and pools are small and change seldom, so who shows one reads it anew as a whole; all
that is missing is when.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Label, Select, String, cast, func, literal, select

from orchestra_nb.model.dead_letters import LetterState
from orchestra_nb.model.outbox import DeliveryState
from orchestra_nb.store.code_tables import dead_letters
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import drivers
from orchestra_nb.store.service_tables import (
    deployments,
    notifications,
    schedules,
    service_problems,
    work_pools,
)

#: Entries of a long list are counted up to here: a failure that lasts must not make each look at the store slow.
_COUNTED: Final = 1_000


class ListMarks:
    """Reads the marks of a store, in one query of less than a millisecond. May be used from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> dict[str, str]:
        """Return list to its mark: ``"deployments"``, ``"alerts"`` and ``"pools"``.

        Who sees only what is theirs is told of the newest entries of long lists alone: all others' could stand between.
        """
        columns: list[Label[Any]] = []
        with self._database.connect() as connection:
            known = _FACTS
            if self._database.seen_owners is not None:
                with self._database.seen_by(None):
                    since = {name: connection.execute(query).scalar() or 0 for name, query in _OLDEST.items()}
                known = _facts(since["letters"], since["deliveries"])
            for name, facts in known.items():
                columns += [
                    cast(fact.scalar_subquery(), String).label(f"{name}.{number}") for number, fact in enumerate(facts)
                ]
            row = connection.execute(select(*columns)).mappings().one()
        marks: dict[str, list[str]] = {name: [] for name in known}
        for column, value in row.items():
            marks[column.partition(".")[0]].append(value or "")
        return {name: " ".join(values) for name, values in marks.items()}


def _capped(query: Select[Any]) -> Select[Any]:
    return select(func.count()).select_from(query.limit(_COUNTED).subquery())


_OPEN: Final = dead_letters.c.state == LetterState.OPEN.value
_DEAD: Final = notifications.c.state == DeliveryState.DEAD.value

#: What finds the number of the last entry of those that are looked at; none where all are.
_OLDEST: Final[dict[str, Select[Any]]] = {
    name: select(table.c.number).where(which).order_by(table.c.number.desc()).offset(_COUNTED).limit(1)
    for name, table, which in (("letters", dead_letters, _OPEN), ("deliveries", notifications, _DEAD))
}


def _facts(letters_since: int = 0, deliveries_since: int = 0) -> dict[str, tuple[Select[Any], ...]]:
    """Return list to what its mark is made of; of letters and notifications only of those from these numbers on."""
    letters = (_OPEN, dead_letters.c.number >= letters_since) if letters_since else (_OPEN,)
    deliveries = (_DEAD, notifications.c.number >= deliveries_since) if deliveries_since else (_DEAD,)
    return {
        "deployments": (
            select(func.count()).select_from(deployments),
            select(func.max(deployments.c.updated_at)),
            select(func.sum(func.length(schedules.c.problem))),
        ),
        "alerts": (
            select(func.max(dead_letters.c.number)).where(*letters),
            select(func.min(dead_letters.c.number)).where(*letters),
            _capped(select(literal(1)).select_from(dead_letters).where(*letters)),
            select(func.max(notifications.c.next_try_at)).where(*deliveries),
            _capped(select(literal(1)).select_from(notifications).where(*deliveries)),
            select(func.count()).select_from(service_problems),
            select(func.max(service_problems.c.since)),
            # services that come and go
            select(func.count()).select_from(drivers).where(drivers.c.ended_at.is_(None), drivers.c.kind == "service"),
        ),
        "pools": (
            select(func.count()).select_from(work_pools),
            select(func.max(work_pools.c.updated_at)),
        ),
    }


_FACTS: Final = _facts()
