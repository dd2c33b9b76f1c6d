"""Whom the flow runner tells of its tasks, and who answers what their code asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestra_nb.engine.executors import ClusterChanged
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import LogLine, TaskRun


class FlowListener(Protocol):
    """Told of what happens, in the runner's thread; must be quick and must not raise."""

    def task_changed(self, task_run: TaskRun) -> None:
        """A task run has a new state."""

    def task_showed(self, task_run_id: str, outputs: Sequence[Mapping[str, object]]) -> None:
        """A task showed something, in pieces (see :meth:`AttemptContext.show`)."""

    def task_logged(self, task_run: TaskRun, lines: Sequence[LogLine]) -> None:
        """A task logged lines, or printed lines that are logged."""

    def task_ended(self, task_run: TaskRun, outcome: Outcome | None) -> None:
        """A task run ended; the outcome is None when it never gave one."""

    def cluster_changed(self, change: ClusterChanged) -> None:
        """The cluster is starting, ready or lost."""

    def flush(self, timeout_seconds: float) -> None:
        """Return when what was told before has had its effect; called by whoever waits, not by the runner."""


class AttemptServices(Protocol):
    """Answers what the code of attempts asks; :class:`orchestra_nb.operations.run_services.RunServices`."""

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Answer a question; called in a thread of its own."""

    def attempt_ended(self, task_run_id: str) -> None:
        """Take back what an attempt held; called in the runner's thread, and quick where it held nothing."""
