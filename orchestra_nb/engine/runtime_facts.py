"""The facts of the flow run and the task run that code belongs to, read from their contexts when asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra_nb.engine.run_context import flow_run_context, task_run_context


class FlowRunFacts:
    """The flow run that this code belongs to; None, or what is empty, outside of one."""

    @property
    def id(self) -> str | None:
        """Its id."""
        if (flow := flow_run_context.get()) is not None:
            return flow.run.run_id
        task = task_run_context.get()
        return task.run_id if task is not None else None

    @property
    def name(self) -> str | None:
        """Its name."""
        if (flow := flow_run_context.get()) is not None:
            return flow.run.name
        task = task_run_context.get()
        return task.flow_run_name or None if task is not None else None

    @property
    def flow_name(self) -> str | None:
        """The flow's name."""
        if (flow := flow_run_context.get()) is not None:
            return flow.run.flow_name
        task = task_run_context.get()
        return task.flow_name or None if task is not None else None

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was called with."""
        if (flow := flow_run_context.get()) is not None:
            return dict(flow.parameters)
        task = task_run_context.get()
        return dict(task.flow_parameters) if task is not None else {}

    @property
    def tags(self) -> list[str]:
        """Its tags, sorted."""
        flow = flow_run_context.get()
        return sorted(flow.tags) if flow is not None else []

    @property
    def run_count(self) -> int:
        """Which attempt of its body this is, from 1; 0 outside of one."""
        flow = flow_run_context.get()
        return flow.run_count if flow is not None else 0

    @property
    def parent_flow_run_id(self) -> str | None:
        """The run that started it as a subflow."""
        flow = flow_run_context.get()
        return flow.run.parent_run_id if flow is not None else None


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
