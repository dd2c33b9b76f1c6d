"""Runs as a user's code sees them in hooks and contexts: Prefect's attributes, over our records.

What has no attribute here is the record's own (``epoch``, ``notebook_path``, ``worker``, …).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.run_states import StateType, state_of
from orchestra_nb.model import runs as model

if TYPE_CHECKING:
    from orchestra_nb.engine.run_states import State


class _UserRun:
    """What runs of flows and of tasks have in common."""

    __slots__ = ()

    record: Any
    state: State[Any]

    @property
    def state_name(self) -> str:
        """The name of its state, such as ``"Completed"``."""
        return self.state.name

    @property
    def state_type(self) -> StateType:
        """The type of its state."""
        return self.state.type

    @property
    def tags(self) -> list[str]:
        """Its tags, sorted."""
        return sorted(self.record.tags)

    @property
    def created(self) -> datetime:
        """When it was made."""
        created_at: datetime = self.record.created_at
        return created_at

    @property
    def expected_start_time(self) -> datetime:
        """When it was to start: runs that are called start at once."""
        return self.created

    @property
    def start_time(self) -> datetime | None:
        """When its code was first run; None if it never was."""
        started_at: datetime | None = self.record.started_at
        return started_at

    @property
    def end_time(self) -> datetime | None:
        """When it ended; None before."""
        ended_at: datetime | None = self.record.ended_at
        return ended_at

    @property
    def total_run_time(self) -> timedelta:
        """How long it ran, from its start to its end; nothing before it has ended."""
        if self.start_time is None or self.end_time is None:
            return timedelta(0)
        return self.end_time - self.start_time

    @property
    def estimated_run_time(self) -> timedelta:
        """How long it ran, until now if it has not ended."""
        if self.start_time is None:
            return timedelta(0)
        return (self.end_time or datetime.now(UTC)) - self.start_time

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "record":  # asked for while it is being copied or unpickled
            raise AttributeError(name)
        try:
            return getattr(self.record, name)
        except AttributeError:
            hint = _NOT_KEPT.get(name, "")
            raise AttributeError(f"A {type(self).__name__} has no {name!r}.{hint}") from None


_NOT_KEPT = {
    "task_inputs": " What it was given is not kept by argument; `upstream` has the ids of the runs it waited for."
}


@dataclass(frozen=True, slots=True)
class FlowRun(_UserRun):
    """A run of a flow.

    Parameters
    ----------
    record
        What the store keeps of it.
    run_count
        The attempts of its body that have begun.
    flow_version
        As the flow's option ``version`` says.
    """

    record: model.Run
    state: State[Any]
    run_count: int = 0
    flow_version: str | None = None

    #: runs of deployments come later
    deployment_id = None

    @property
    def flow_id(self) -> str:
        """A text that all runs of flows of this name have in common."""
        return hashlib.blake2b(self.record.flow_name.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class TaskRun(_UserRun):
    """A run of a task.

    Parameters
    ----------
    record
        What the store keeps of it.
    task_key
        Module and name of the task's function; ``""`` where the task is not known.
    task_version
        As the task's option ``version`` says.
    """

    record: model.TaskRun
    state: State[Any]
    task_key: str = ""
    task_version: str | None = None

    @property
    def dynamic_key(self) -> str:
        """What tells it from the other runs of its task."""
        return self.record.task_run_id


def seen_run(
    record: model.Run | model.TaskRun, state: State[Any] | None = None, owner: Any = None, run_count: int = 0
) -> FlowRun | TaskRun:
    """Return a record as users see it; see :func:`seen_flow_run` and :func:`seen_task_run`."""
    if isinstance(record, model.TaskRun):
        return seen_task_run(record, state, owner)
    return seen_flow_run(record, state, owner, run_count)


def seen_flow_run(record: model.Run, state: State[Any] | None = None, owner: Any = None, run_count: int = 0) -> FlowRun:
    """Return the record of a flow's run as users see it.

    Parameters
    ----------
    state
        None for the record's own.
    owner
        The flow, where it is known.
    run_count
        The attempts of its body that have begun.
    """
    state = state or state_of(record.state, record.message)
    return FlowRun(record, state, run_count, getattr(owner, "version", None))


def seen_task_run(record: model.TaskRun, state: State[Any] | None = None, owner: Any = None) -> TaskRun:
    """Return the record of a task's run as users see it, in this state (None: the record's own)."""
    state = state or state_of(record.state, record.message, is_cached=record.is_cached)
    return TaskRun(record, state, getattr(owner, "task_key", ""), getattr(owner, "version", None))
