"""Whose runs and deployments are, on both kinds of database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestra_nb.acting_user import acting_as
from orchestra_nb.model.audit import AuditEntry, Outcome, Via
from orchestra_nb.model.automations import Automation, Happens, RunMatch
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.retention import Horizon
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.audit_store import AuditStore
from orchestra_nb.store.automation_store import AutomationStore
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


def test_a_trigger_hears_of_its_deployments_owners_runs_whoever_saved_it(store: RunStore) -> None:
    deployments, automations = DeploymentStore(store.database), AutomationStore(store.database)
    for owner in ("alice", "root", None):
        target = FlowTarget(entrypoint="m:f", working_folder="/x")
        spec = DeploymentSpec(name=f"of-{owner}", flow_name="f", target=target)
        with acting_as(owner):
            deployments.save(spec, notebook=None, actor="test", at=NOON)

    def save(deployment: str, name: str, user: str | None = None, is_alone: bool | None = None) -> list[str]:
        trigger = Happens(matches=(RunMatch(states=(State.COMPLETED,)),))
        one = Automation(name=name, trigger=trigger, actions=(), deployment=deployment)
        with acting_as(user, is_alone=is_alone):
            return [automations.compare(one), automations.save(one, NOON, may_replace=True)]

    def heard() -> dict[str, str | None]:
        return {one.automation.name: one.owner for one in automations.list_automations()}

    for number, deployment in enumerate(("of-alice", "of-root", "of-None", "")):
        save(deployment, f"old-{number}", "alice")
    save("of-alice", "shared", "bob", is_alone=True)
    save("of-alice", "by admin", "root", is_alone=False)
    save("of-root", "admins", "root", is_alone=False)
    alices = {"shared": "alice", "by admin": "alice"}
    others = {"old-1": None, "old-2": None, "old-3": None, "admins": None}

    assert heard() == {"old-0": None, **alices, **others}
    automations.decide_who_is_heard(lambda owner: owner == "root")
    assert heard() == {"old-0": "alice", **alices, **others}
    for deployment in ("of-alice", "of-root"):  # by a command, on a store whose users a server tells apart
        save(deployment, f"new {deployment}")
    assert (heard()["new of-alice"], heard()["new of-root"]) == ("alice", "root")
    automations.decide_who_is_heard(lambda owner: owner == "root")
    assert (heard()["new of-alice"], heard()["new of-root"]) == ("alice", None)
    automations.hear_all_again()
    save("of-alice", "later")
    assert (heard()["new of-alice"], heard()["later"]) == ("alice", None)
    for name in ("new of-alice", "new of-root", "later"):
        automations.delete(name)
    assert save("of-alice", "old-0", "root", is_alone=False) == ["unchanged"] * 2
    assert save("of-root", "admins", "other admin", is_alone=False) == ["unchanged"] * 2
    assert save("of-root", "admins", "bob", is_alone=True) == ["changed"] * 2
    assert save("of-root", "admins", "bob") == ["unchanged"] * 2
    assert heard() == {**alices, **others, "old-0": "alice", "admins": "root"}


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
