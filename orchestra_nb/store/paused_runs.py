"""Runs that wait for an answer of people, as whoever looks at a run above them wants to know."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import runs


@dataclass(frozen=True, slots=True)
class PausedRun:
    """A run that waits, with the words of its question."""

    name: str
    message: str


def paused_below(database: Database, run_ids: Collection[str]) -> dict[str, PausedRun]:
    """Return the id of each of these runs below which one is paused, at any depth, with the one paused first.

    Costs one read where nothing is paused: runs are found by their state, however many a run has started.
    """
    paused = (
        select(runs.c.parent_run_id, runs.c.name, runs.c.message)
        .where(runs.c.state == State.PAUSED.value, runs.c.parent_run_id.is_not(None))
        .order_by(runs.c.run_id)
    )
    found: dict[str, PausedRun] = {}
    with database.connect() as connection:
        above: dict[str, PausedRun] = {}
        for parent, name, message in connection.execute(paused):
            above.setdefault(parent, PausedRun(name, message))
        seen: set[str] = set()
        while above:
            for run_id in above.keys() & set(run_ids):
                found.setdefault(run_id, above[run_id])
            seen |= above.keys()
            parents = select(runs.c.run_id, runs.c.parent_run_id).where(
                runs.c.run_id.in_(sorted(above)), runs.c.parent_run_id.is_not(None)
            )
            higher: dict[str, PausedRun] = {}
            for run_id, parent in connection.execute(parents.order_by(runs.c.run_id)):
                if parent not in seen:
                    higher.setdefault(parent, above[run_id])
            above = higher
    return found
