"""Measures automations for :mod:`tests.benchmarks.automation_cost`; prints a line of JSON for each figure."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.automation_log import FiringState
from orchestra_nb.model.automations import Automation, EmitEvent, EventMatch, Happens, RunDeployment, RunMatch
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import RunCreated, RunStateChanged
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.opening import open_store
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore

_EVENTS = 100
_EACH_SECONDS = 0.2
_NOTEBOOK = json.dumps(
    {
        "cells": [
            {
                "cell_type": "code",
                "id": "a",
                "metadata": {"tags": ["parameters"]},
                "source": "n: int = 0",
                "outputs": [],
                "execution_count": None,
            }
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
)


def main() -> None:
    """Measure from the commit of an event, and of the end of a run, until its action is done."""
    store = open_store()
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "one.ipynb").write_text(_NOTEBOOK)
        # in a pool that nobody serves: what starting runs costs is another figure
        spec = DeploymentSpec(name="one", flow_name="one", target=NotebookTarget(path=str(path)), pool="nobody's")
        DeploymentStore(store.database).save(spec, notebook=_NOTEBOOK, actor="bench", at=datetime.now(UTC))
        automate(
            store,
            Automation(
                name="run",
                trigger=Happens(matches=(EventMatch(names=("bench",)),)),
                condition="event.payload.n >= 0",
                actions=(RunDeployment(deployment="one", parameters={"n": "{{ event.payload.n }}"}),),
            ),
        )
        automate(
            store,
            Automation(
                name="emit",
                trigger=Happens(matches=(RunMatch(states=(State.COMPLETED,)),)),
                actions=(EmitEvent(event="done", resource="{{ run.name }}"),),
            ),
        )
        service = subprocess.Popen(
            [sys.executable, "-m", "orchestra_nb", "serve", "--no-server", "--no-commands"],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert service.stderr is not None
        assert "Ready" in service.stderr.readline()
        begun = {**emit_events(store), **end_runs(store)}
        time.sleep(2)
        service.terminate()
        service.wait()
    for name in ("run", "emit"):
        times = latencies(store, name, begun)
        tell(f"automation_{name}", [statistics.median(times)])
        tell(f"automation_{name}_p95", [statistics.quantiles(times, n=20)[18]])


def automate(store: RunStore, automation: Automation) -> None:
    """Make an automation."""
    AutomationStore(store.database).save(automation, datetime.now(UTC), may_replace=False)


def emit_events(store: RunStore) -> dict[str, datetime]:
    """Emit events, and return name of each to when its commit began."""
    begun = {}
    for number in range(_EVENTS):
        now = datetime.now(UTC)
        event = CustomEvent(
            event_id=f"e{number}", event="bench", resource={"id": "x"}, occurred_at=now, payload={"n": number}
        )
        begun[f"event/e{number}"] = now
        CustomEventStore(store.database).add(event)
        time.sleep(_EACH_SECONDS)
    return begun


def end_runs(store: RunStore) -> dict[str, datetime]:
    """End runs, and return the id of each to when the commit of its end began."""
    begun = {}
    for number in range(_EVENTS):
        now = datetime.now(UTC)
        run_id = fresh_id(now)
        run = Run(
            run_id=run_id,
            name=f"run-{number}",
            flow_name="bench",
            kind=RunKind.NOTEBOOK,
            state=State.PENDING,
            created_at=now,
        )
        begun[run_id] = now
        store.apply([RunCreated(run=run), RunStateChanged(run_id=run_id, state=State.COMPLETED, at=now)])
        time.sleep(_EACH_SECONDS)
    return begun


def latencies(store: RunStore, automation: str, begun: dict[str, datetime]) -> list[float]:
    """Return the milliseconds until what an automation did was done and logged, for each event."""
    firings = AutomationStore(store.database).list_firings(automation, limit=2 * _EVENTS)
    assert [firing.state for firing in firings] == [FiringState.DONE] * _EVENTS
    return [
        1000 * (firing.closed_at - begun[firing.key if firing.key in begun else str(firing.run_id)]).total_seconds()
        for firing in firings
        if firing.closed_at is not None
    ]


def tell(name: str, ours: list[float]) -> None:
    """Print a figure."""
    print(json.dumps({"name": name, "ours": ours}), flush=True)


if __name__ == "__main__":
    main()
