"""The runs of deployments: the newest, how many wait and go on, and which occurrences have one."""

from __future__ import annotations

from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.deployment_runs import DeploymentRuns, RunCounts
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import occurrence_run, spec_of, waiting_run
from tests.store.stored_examples import NOON, created, later, run_of


def test_each_deployment_has_its_newest_runs_and_counts(database: Database, store: RunStore) -> None:
    for name in ("daily", "weekly", "new"):
        DeploymentStore(database).save(spec_of(name), notebook=None, actor="ana", at=NOON)
    store.apply(
        created(
            waiting_run("1"),
            waiting_run("2", driver_id="service", state=State.RUNNING),
            waiting_run("3"),
            waiting_run("4", "weekly", state=State.FAILED),
            waiting_run("5", "deleted"),
            run_of("6"),
        )
    )

    found = DeploymentRuns(database)

    assert [run.run_id for run in found.newest("daily", 2)] == ["2"]
    assert {name: run.run_id for name, run in found.newest_of_each().items()} == {"daily": "2", "weekly": "4"}
    assert found.counts() == {"daily": RunCounts(waiting=2, running=1), "deleted": RunCounts(waiting=1, running=0)}


def test_what_waits_is_found_apart_with_when_the_first_is_due(database: Database, store: RunStore) -> None:
    queue = WorkQueue(database)
    for run_id, deployment, hours in (("1", "daily", 3), ("2", "daily", 2), ("3", "weekly", -1), ("4", "weekly", 5)):
        assert queue.add(waiting_run(run_id, deployment, due_at=later(hours)))
    assert queue.cancel("2", "ana", NOON)

    found = DeploymentRuns(database)

    assert [run.run_id for run in found.waiting("weekly", 5)] == ["3", "4"]
    assert found.due_after(NOON) == {"daily": later(3), "weekly": later(5)}


def test_occurrences_are_found_by_their_keys(database: Database, store: RunStore) -> None:
    runs = [occurrence_run(str(number), later(number)) for number in range(3)]
    store.apply(created(*runs, occurrence_run("other", NOON, deployment="weekly")))

    found = DeploymentRuns(database).of_occurrences("daily", [str(run.occurrence) for run in runs[1:]] + ["none"])

    assert {key: run.run_id for key, run in found.items()} == {runs[1].occurrence: "1", runs[2].occurrence: "2"}
