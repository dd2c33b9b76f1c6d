"""Measures services for :mod:`tests.benchmarks.service_cost`; prints a line of JSON for each figure."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, NotebookTarget, deployed_run
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.schedules import CronSchedule, IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.operations.opening import open_store
from orchestra_nb.services.schedule_service import ScheduleService
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.schedule_store import ScheduleStore
from orchestra_nb.store.work_queue import WorkQueue

_OCCURRENCES = 60
_QUEUED = 2_000
_SCHEDULES = 10_000
_NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
)


def main() -> None:
    """Measure all, from what needs an empty store to what fills it."""
    store = open_store()
    started = due_to_started(store)
    tell("started", [statistics.median(started)])
    tell("started_p99", [statistics.quantiles(started, n=100)[98]])
    tell("queue", queue_times(store))
    tell("recorded", [seconds_to_record(store)])


def due_to_started(store: RunStore) -> list[float]:
    """Return the milliseconds from due to RUNNING of a notebook that a real service runs each second."""
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "one.ipynb").write_text(_NOTEBOOK)
        schedule = DeploymentSchedule(schedule=IntervalSchedule(every_seconds=1))
        spec = DeploymentSpec(
            name="each second", flow_name="one", target=NotebookTarget(path=str(path)), schedules=(schedule,)
        )
        service = subprocess.Popen(
            [sys.executable, "-m", "orchestra_nb", "serve", "--no-server", "--no-commands"],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert service.stderr is not None
        assert "Ready" in service.stderr.readline()
        deployments = DeploymentStore(store.database)
        deployments.save(spec, notebook=_NOTEBOOK, actor="bench", at=datetime.now(UTC))
        time.sleep(_OCCURRENCES + 5)
        deployments.delete(spec.name)
        service.terminate()
        service.wait()
    runs = [run for run in store.list_runs(limit=_OCCURRENCES + 5) if run.started_at and run.due_at]
    warm = sorted(runs, key=lambda run: run.run_id)[3:]  # the first kernels are cold
    return [1000 * (run.started_at - run.due_at).total_seconds() for run in warm if run.started_at and run.due_at]


def queue_times(store: RunStore) -> list[float]:
    """Return the milliseconds a run that 16 claims and ends at a time take, each commit durable."""
    queue, spec = WorkQueue(store.database), spec_of("queue")
    version = DeploymentStore(store.database).save(spec, notebook="{}", actor="bench", at=datetime.now(UTC)).version
    for _ in range(_QUEUED):
        now = datetime.now(UTC)
        queue.add(deployed_run(spec, version, run_id=fresh_id(now), now=now, due_at=now, cluster="local"))
    times = []
    begin = time.perf_counter()
    while claimed := queue.claim("bench", ("default",), 16, datetime.now(UTC)):
        store.apply([event for run in claimed for event in ends_of(run)])
        end = time.perf_counter()
        times.append(1000 * (end - begin) / len(claimed))
        begin = end
    return times


def seconds_to_record(store: RunStore) -> float:
    """Return how long the runs of many schedules take that are due at the same second."""
    deployments = DeploymentStore(store.database)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    schedules = (DeploymentSchedule(schedule=CronSchedule(expression="0 * * * *", timezone="Europe/Berlin")),)
    for number in range(_SCHEDULES):
        deployments.save(spec_of(f"d{number}", schedules=schedules), notebook="{}", actor="bench", at=now)
    service = ScheduleService(ScheduleStore(store.database), "local")
    due = now + timedelta(hours=1)
    while (look := service.step(now)) != due:  # it looks at some schedules at a time
        assert look is not None
    begin = time.perf_counter()
    while (look := service.step(due)) is not None and look <= due:
        pass
    seconds = time.perf_counter() - begin
    assert len(WorkQueue(store.database).waiting(limit=2 * _SCHEDULES)) == _SCHEDULES
    return seconds


def spec_of(name: str, **fields: object) -> DeploymentSpec:
    """Return a deployment that nobody runs."""
    return DeploymentSpec(name=name, flow_name="one", target=NotebookTarget(path=os.devnull), **fields)  # type: ignore[arg-type]


def ends_of(run: Run) -> list[RunStateChanged]:
    """Return what a claimed run goes through to its good end."""
    now = datetime.now(UTC)
    return [RunStateChanged(run_id=run.run_id, state=state, at=now) for state in (State.RUNNING, State.COMPLETED)]


def tell(name: str, ours: list[float]) -> None:
    """Print a figure."""
    print(json.dumps({"name": name, "ours": ours}), flush=True)


if __name__ == "__main__":
    main()
