"""The facts of the flow run and the task run that code belongs to, read from their contexts when asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestra_nb.engine.run_context import FlowFacts, flow_run_context, task_run_context


class FlowRunFacts:
    """The flow run that this code belongs to; None, or what is empty, outside of one."""

    @property
    def id(self) -> str | None:
        """Its id."""
        flow = _flow()
        return flow.run_id if flow is not None else None

    @property
    def name(self) -> str | None:
        """Its name."""
        flow = _flow()
        return flow.name or None if flow is not None else None

    @property
    def flow_name(self) -> str | None:
        """The flow's name."""
        flow = _flow()
        return flow.flow_name or None if flow is not None else None

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was called with; in a task on a worker, as the run's record has it."""
        flow = _flow()
        return dict(flow.parameters) if flow is not None else {}

    @property
    def tags(self) -> list[str]:
        """Its tags, sorted."""
        flow = _flow()
        return sorted(flow.tags) if flow is not None else []

    @property
    def run_count(self) -> int:
        """Which attempt of its body this is, from 1; 0 outside of one."""
        flow = _flow()
        return flow.run_count if flow is not None else 0

    @property
    def parent_flow_run_id(self) -> str | None:
        """The run that started it as a subflow."""
        flow = _flow()
        return flow.parent_run_id if flow is not None else None

    @property
    def root_flow_run_id(self) -> str | None:
        """The run that all began with: its own, where no other run started it."""
        flow = _flow()
        return flow.root_run_id or flow.run_id if flow is not None else None

    @property
    def flow_version(self) -> str | None:
        """The flow's ``version``."""
        flow = _flow()
        return flow.flow_version if flow is not None else None

    @property
    def scheduled_start_time(self) -> datetime | None:
        """When it was to start: for a run that somebody started by calling its flow, when that was."""
        flow = _flow()
        return flow.created_at if flow is not None else None


def _flow() -> FlowFacts | None:
    """Return the run around: of the flow whose body this is, else of the task that this belongs to."""
    if (flow := flow_run_context.get()) is not None:
        return flow.facts()
    task = task_run_context.get()
    return task.flow if task is not None else None


class TaskRunFacts:
    """The task run that this code belongs to; None, or what is empty, outside of one."""

    @property
    def id(self) -> str | None:
        """Its id."""
        task = task_run_context.get()
        return task.task_run_id if task is not None else None

    @property
    def name(self) -> str | None:
        """Its name."""
        task = task_run_context.get()
        return task.name if task is not None else None

    @property
    def task_name(self) -> str | None:
        """The task's name."""
        task = task_run_context.get()
        return task.task_name if task is not None else None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it was called with."""
        task = task_run_context.get()
        return task.parameters if task is not None else {}

    @property
    def tags(self) -> list[str]:
        """Its tags, sorted."""
        task = task_run_context.get()
        return sorted(task.tags) if task is not None else []

    @property
    def run_count(self) -> int:
        """Which attempt this is, from 1; 0 outside of one."""
        task = task_run_context.get()
        return task.run_count if task is not None else 0


class DeploymentFacts:
    """The deployment that started this run: empty for a run that somebody started by calling its flow."""

    id: str | None = None
    name: str | None = None
    version: str | None = None
    flow_run_id: str | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """What the deployment was given."""
        return {}
