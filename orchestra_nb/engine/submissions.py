"""What is handed to the flow runner to run, and what is said of how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestra_nb.engine.call_body import CallBody
from orchestra_nb.engine.driver_environment import DriverEnvironment
from orchestra_nb.engine.executors import AttemptBody, AttemptContext, AttemptResult
from orchestra_nb.model.machine_messages import TaskPlan
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import TaskRun, error_of
from orchestra_nb.model.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A task to run.

    Parameters
    ----------
    needs
        Upstream task run id to the names needed of it; None for all.
    allowed_failures
        Ids of upstream task runs (all of them in ``plan.after``) whose values are needed if they complete; where one
        ends otherwise, the body gets its outcome, or what stands for it, without values.
    earlier
        Ids of earlier runs of the same cell (all of them in ``plan.after``); for what is said of a task that waits.
    priority, resources, workers
        As :class:`~orchestra_nb.engine.executors.AttemptRequest` has them.
    holds
        Kept until the task has ended: the futures of its upstream tasks, whose values would be let go otherwise.
    family
        Whatever knows what is called, for whoever looks into a failure.
    keeps_outcome
        Whether somebody may ask for the outcome of the task when it has completed.
    environment
        As :class:`~orchestra_nb.engine.executors.AttemptRequest` has it.
    """

    task_run: TaskRun
    plan: TaskPlan
    body: AttemptBody
    needs: Mapping[str, Sequence[str] | None]
    timeout_seconds: float | None = None
    allowed_failures: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    priority: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    workers: tuple[str, ...] = ()
    holds: tuple[object, ...] = ()
    family: object = None
    keeps_outcome: bool = True
    environment: DriverEnvironment | None = None


@dataclass(frozen=True, slots=True)
class WithFailures:
    """A body that is also told how upstream tasks failed whose failure is allowed."""

    body: AttemptBody
    failures: Mapping[str, Outcome]

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        """Run the body."""
        failed = {task_run_id: AttemptResult(outcome) for task_run_id, outcome in self.failures.items()}
        return self.body.run({**upstream, **failed}, context)


def shared_part(submission: Submission) -> str | None:
    """Return the digest of what a submission shares with others of its function; None for other bodies."""
    return submission.body.shared.digest if isinstance(submission.body, CallBody) else None


def outcome_of(task_run: TaskRun) -> Outcome:
    """Return what stands for the outcome of a task that gave none: its process died, or it never started."""
    at = task_run.ended_at or task_run.created_at
    return Outcome(state=task_run.state, started_at=at, ended_at=at, error=error_of(task_run))


def failure_words(task_run: TaskRun) -> str:
    """Return how a task ended, in people's words: ``"failed: ValueError: … (cell 4, line 3)"``."""
    word = {
        State.FAILED: "failed",
        State.TIMED_OUT: "ran longer than its timeout",
        State.CRASHED: "crashed",
        State.CANCELLED: "was cancelled",
        State.UPSTREAM_FAILED: "did not run",
    }.get(task_run.state, task_run.state.value.lower())
    where = f" (line {task_run.error.line})" if task_run.error is not None and task_run.error.line else ""
    return f"{word}: {task_run.message}{where}" if task_run.message else word
