"""Whose runs and deployments are, on both kinds of database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestra_nb.acting_user import acting_as
from orchestra_nb.model.audit import AuditEntry, Outcome, Via
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.retention import Horizon
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.audit_store import AuditStore
from orchestra_nb.store.database import Database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.old_records import OldRecords
from orchestra_nb.store.run_store import RunStore

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def run_of(number: int, **fields: object) -> Run:
    base = Run(
        run_id=f"{number:032x}",
        name=f"fox-{number}",
        flow_name="train",
        kind=RunKind.FLOW,
        state=State.PENDING,
        created_at=NOON,
    )
    return msgspec.structs.replace(base, **fields)


def owner_of(store: RunStore, number: int) -> str | None:
    return store.get_run(run_of(number).run_id).owner


def test_a_run_is_its_parents_owners_who_asked_for_it_or_whose_its_deployment_is(store: RunStore) -> None:
    spec = DeploymentSpec(name="nightly", flow_name="f", target=FlowTarget(entrypoint="m:f", working_folder="/x"))
    deployments = DeploymentStore(store.database)
    with acting_as("alice"):
        deployments.save(spec, notebook=None, actor="user alice", at=NOON)
    with acting_as("bob"):
        deployments.save(msgspec.structs.replace(spec, description="new"), notebook=None, actor="user bob", at=NOON)

    store.apply([RunCreated(run=run_of(1, deployment="nightly"))])
    with acting_as("bob"):
        store.apply([RunCreated(run=run_of(2, deployment="nightly"))])
        child = run_of(4, parent_run_id=run_of(1).run_id, owner="service")
        store.apply([RunCreated(run=run_of(3, parent_run_id=run_of(2).run_id)), RunCreated(run=child)])
    store.apply([RunCreated(run=run_of(5, owner="carol")), RunCreated(run=run_of(6))])
    store.apply([RunCreated(run=run_of(7, owner="dora")), RunCreated(run=run_of(8, parent_run_id=run_of(7).run_id))])

    assert deployments.get("nightly").owner == "alice"  # whoever changes it later
    assert [owner_of(store, number) for number in range(1, 9)] == [
        *("alice", "bob", "bob", "alice"),
        *("carol", None, "dora", "dora"),
    ]
    assert [run.name for run in store.list_runs(owner="bob")] == ["fox-3", "fox-2"]


def test_the_trail_goes_by_its_own_age(store: RunStore) -> None:
    trail = AuditStore(store.database)
    for days in (800, 700, 1):
        trail.add(
            AuditEntry(
                at=NOON - timedelta(days=days),
                actor="me",
                via=Via.CLI,
                origin="",
                action="a",
                area="b",
                target=f"{days}",
                outcome=Outcome.DONE,
            )
        )

    def horizon(days: float) -> Horizon:
        return Horizon.of(NOON, runs_days=1, logs_days=1, results_days=1, audit_days=days)

    def delete(database: Database, days: float) -> tuple[int, int]:
        records = OldRecords(database, horizon(days))
        return records.count().audit_entries, sum(one.audit_entries for one in records.delete())

    assert [delete(store.database, days) for days in (0, 730, 730)] == [(0, 0), (1, 1), (0, 0)]
    assert [entry.target for entry in trail.list_entries()] == ["1", "700"]
