"""Deployments that tests put into a store."""

from __future__ import annotations

from datetime import datetime

from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, NotebookTarget, occurrence_key
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.schedules import CronSchedule
from orchestra_nb.model.states import State
from tests.store.stored_examples import NOON, run_of


def spec_of(name: str = "daily", **fields: object) -> DeploymentSpec:
    """Return the specification of a deployment."""
    defaults: dict[str, object] = {"flow_name": "train", "target": NotebookTarget(path="/home/ana/train.ipynb")}
    return DeploymentSpec(name=name, **{**defaults, **fields})  # type: ignore[arg-type]


def hourly(**fields: object) -> DeploymentSchedule:
    """Return a schedule that is due at each full hour."""
    return DeploymentSchedule(schedule=CronSchedule(expression="0 * * * *"), **fields)  # type: ignore[arg-type]


def waiting_run(run_id: str, deployment: str | None = "daily", due_at: datetime = NOON, **fields: object) -> Run:
    """Return a run that waits for its time."""
    defaults: dict[str, object] = {"state": State.SCHEDULED, "driver_id": None, "kind": RunKind.NOTEBOOK}
    return run_of(run_id, deployment=deployment, due_at=due_at, **{**defaults, **fields})


def occurrence_run(run_id: str, at: datetime, **fields: object) -> Run:
    """Return the run of an occurrence."""
    return waiting_run(run_id, due_at=at, occurrence=occurrence_key(at, {}), **fields)
