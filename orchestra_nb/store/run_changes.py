"""The states that runs entered, each with the run as it was then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection, RowMapping, select, tuple_

from orchestra_nb.model.deployments import AfterRun, DeploymentSpec, after_run, what_follows
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.run_tables import changes, runs
from orchestra_nb.store.service_tables import deployment_versions
from orchestra_nb.store.stored_records import run_of_row


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChange:
    """A run entered a state.

    Parameters
    ----------
    sequence
        Its place in the order of all changes.
    run
        As it was then, as far as that is known.
    is_retried
        Whether another try follows by itself.
    """

    sequence: int
    run: Run
    at: datetime
    is_retried: bool


def run_changes(connection: Connection, rows: Sequence[RowMapping]) -> list[RunChange]:
    """Return the changes of these rows of ``changes``, each of which has a state; without runs that were deleted."""
    ids = {row["run_id"] for row in rows}
    query = select(runs).where(runs.c.run_id.in_(ids))
    by_id = {row["run_id"]: run_of_row(row) for row in connection.execute(query).mappings()} if ids else {}
    policies = _retry_policies(connection, by_id.values())
    found = []
    for row in rows:
        run = by_id.get(row["run_id"])
        if run is None:
            continue
        state = State(row["to_state"])
        policy = policies.get((run.deployment, run.deployment_version))
        found.append(
            RunChange(
                sequence=row["sequence"],
                run=_run_then(run, state, row),
                at=row["at"],
                is_retried=policy is not None and _is_retried(connection, policy, state, row),
            )
        )
    return found


def _run_then(run: Run, state: State, row: RowMapping) -> Run:
    return msgspec.structs.replace(
        run,
        state=state,
        epoch=row["epoch"],
        message=row["message"] or "",
        started_at=run.started_at if run.epoch == row["epoch"] else None,
        ended_at=row["at"] if state.is_terminal else None,
    )


def _retry_policies(connection: Connection, of_runs: Iterable[Run]) -> dict[tuple[str | None, int | None], RetryPolicy]:
    wanted = {(run.deployment, run.deployment_version) for run in of_runs if run.deployment is not None}
    if not wanted:
        return {}
    key = (deployment_versions.c.deployment, deployment_versions.c.version)
    query = select(*key, deployment_versions.c.spec).where(tuple_(*key).in_(wanted))
    return {
        (name, version): msgspec.convert(spec, DeploymentSpec).retry
        for name, version, spec in connection.execute(query)
    }


def _is_retried(connection: Connection, policy: RetryPolicy, state: State, row: RowMapping) -> bool:
    if after_run(policy, state, 0, 0) is AfterRun.NOTHING:
        return False
    query = (
        select(changes.c.from_state, changes.c.to_state, changes.c.actor)
        .where(
            changes.c.run_id == row["run_id"],
            changes.c.subject == "run",
            changes.c.to_state.is_not(None),
            changes.c.sequence <= row["sequence"],
        )
        .order_by(changes.c.sequence)
    )
    history = [
        (None if before is None else State(before), State(after), actor)
        for before, after, actor in connection.execute(query)
    ]
    return what_follows(policy, history)[0] is not AfterRun.NOTHING
