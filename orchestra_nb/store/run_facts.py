"""The states that runs entered, in the order of all changes, as those who collect facts want them."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import select

from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import changes, runs


class RunFact(msgspec.Struct, frozen=True, kw_only=True):
    """A run entered a state.

    Parameters
    ----------
    from_state
        None for a run that is new.
    actor
        Who did it; None where that is not known.
    started_at
        When its code began, in the epoch of the run as it is now; None before.
    """

    sequence: int
    at: datetime
    run_id: str
    name: str
    flow_name: str
    kind: RunKind
    from_state: State | None
    state: State
    epoch: int
    actor: str | None
    owner: str | None
    deployment: str | None
    deployment_version: int | None
    pool: str | None
    parent_run_id: str | None
    started_at: datetime | None


class RunFacts:
    """Reads the facts of a store. All methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, sequence: int, until: int, limit: int) -> tuple[list[RunFact], int]:
        """Return facts behind a change and up to another one, and up to which change these are all."""
        query = (
            select(
                changes.c.sequence,
                changes.c.at,
                changes.c.from_state,
                changes.c.to_state.label("state"),
                changes.c.epoch,
                changes.c.actor,
                *(runs.c[name] for name in ("run_id", "name", "flow_name", "kind", "owner", "deployment")),
                *(runs.c[name] for name in ("deployment_version", "pool", "parent_run_id", "started_at")),
            )
            .join(runs, runs.c.run_id == changes.c.run_id)
            .where(
                changes.c.subject == "run",
                changes.c.to_state.is_not(None),
                changes.c.sequence > sequence,
                changes.c.sequence <= until,
            )
            .order_by(changes.c.sequence)
            .limit(limit)
        )
        with self._database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        facts = [
            RunFact(
                **{
                    **row,
                    "kind": RunKind(row["kind"]),
                    "state": State(row["state"]),
                    "from_state": None if row["from_state"] is None else State(row["from_state"]),
                    "epoch": row["epoch"] or 1,
                }
            )
            for row in rows
        ]
        return facts, facts[-1].sequence if len(facts) == limit else until
