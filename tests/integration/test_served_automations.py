"""Automations in real services: what one deployment returned starts another, and a circle of them comes to an end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestra_nb.model.automation_log import FiringState
from orchestra_nb.model.automations import MOST_HOPS, Automation, Happens, RunDeployment, RunMatch
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.recorded_value_store import RecordedValueStore
from tests.faults.invariants import assert_invariants
from tests.patience import eventually
from tests.services.deployed import Deployed

_FLOW = """
from orchestra_nb import flow

@flow
def {name}():
    return 1
"""


@pytest.fixture
def deployed(tmp_path: Path, sqlite_url: str) -> Iterator[Deployed]:
    deployed = Deployed(tmp_path, sqlite_url)
    yield deployed
    deployed.close()


def automate(deployed: Deployed, name: str, of: str, action: RunDeployment, condition: str = "") -> None:
    match = RunMatch(states=(State.COMPLETED,), deployments=(of,))
    one = Automation(name=name, trigger=Happens(matches=(match,)), actions=(action,), condition=condition)
    AutomationStore(deployed.store.database).save(one, datetime.now(UTC), may_replace=False)


def runs_of(deployed: Deployed, name: str) -> list[Run]:
    return [run for run in deployed.store.list_runs(limit=100) if run.deployment == name]


def test_a_notebook_that_found_no_rows_has_another_one_run_with_its_values(deployed: Deployed) -> None:
    returns = "from orchestra_nb import record; record(rows=rows, day={day})"
    load = deployed.deploy_notebook("load", returns.format(day="'mon'"), parameters_cell="rows = 1")
    deployed.deploy_notebook("refill", returns.format(day="day"), parameters_cell="day = 'sun'\nrows = 5")
    action = RunDeployment(deployment="refill", parameters={"day": "{{ day }}", "rows": "{{ rows + 10 }}"})
    automate(deployed, "refill-when-empty", "load", action, "rows == 0")
    deployed.serve()

    for rows in (2, 0):
        run = deployed.wait(deployed.ask(load, rows=rows))
        assert (run.state, run.message) == (State.COMPLETED, "")

    (started,) = eventually(lambda: runs_of(deployed, "refill") or None)
    ended = deployed.wait(started.run_id)
    assert (ended.state, ended.message) == (State.COMPLETED, "")
    values = RecordedValueStore(deployed.store.database).of_run(started.run_id)
    assert {value.name: value.readable for value in values} == {"day": "mon", "rows": 10}
    log = AutomationStore(deployed.store.database)
    eventually(lambda: {firing.state for firing in log.list_firings()} == {FiringState.DONE})
    (firing,) = log.list_firings()
    assert firing.hops == 1
    assert_invariants(deployed.store, started.run_id)


def test_two_flows_that_start_each_other_stop_after_ten_hops(deployed: Deployed) -> None:
    first = deployed.deploy_flow("ping", _FLOW.format(name="ping"))
    deployed.deploy_flow("pong", _FLOW.format(name="pong"))
    automate(deployed, "after-ping", "ping", RunDeployment(deployment="pong"))
    automate(deployed, "after-pong", "pong", RunDeployment(deployment="ping"))
    deployed.serve()
    deployed.serve()

    deployed.ask(first)
    log = AutomationStore(deployed.store.database)
    refused = eventually(
        lambda: next((firing for firing in log.list_firings() if firing.state is FiringState.REFUSED), None)
    )

    runs = deployed.store.list_runs(limit=100)
    assert {run.state for run in runs} == {State.COMPLETED}
    assert len(runs) == MOST_HOPS + 1
    assert "10 hops" in refused.message
    assert len(log.list_firings()) == MOST_HOPS + 1
