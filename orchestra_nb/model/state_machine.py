"""Decides what happens to the tasks of a flow; performs nothing.

The machine is told what happened and answers with what to do: ``handle(event, now) -> commands``. It has no clock, no
I/O and no threads, so each decision (readiness, retry, timeout, cancellation, a dead worker) is one line of a table in
its tests. The idea is the worker state machine of distributed.

Cost: O(1) for each event plus O(dependents) when a task ends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestra_nb.model.events import TaskRunStateChanged
from orchestra_nb.model.machine_messages import (
    Announce,
    AttemptFinished,
    AttemptSeenRunning,
    AttemptVanished,
    CancelAsked,
    Command,
    MachineEvent,
    RetryDue,
    StartAttempt,
    StopAttempt,
    TaskPlan,
    TaskSubmitted,
    WakeAt,
)
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State, may_follow

#: A start that never reaches user code is repeated this often before the task is given up.
MAX_UNBEGUN_STARTS = 5
#: As much of a message is repeated by each task that could not run because of it.
_WHY_CHARACTERS = 300


@dataclass(slots=True)
class _Task:
    plan: TaskPlan
    may_start_ahead: bool = False
    state: State = State.PENDING
    #: attempts whose user code began
    attempt: int = 0
    failures: int = 0
    infrastructure_losses: int = 0
    unbegun_starts: int = 0
    starts: int = 0
    #: key of the attempt in flight
    key: str | None = None
    began: bool = False
    worker: str | None = None
    waits_for: set[str] = field(default_factory=set)
    cancel_reason: str = ""
    cancel_actor: str = "driver"
    #: says how it ended, if not well, and why: its own end, or that of the first one upstream
    end_words: str = ""


class StateMachine:
    """The tasks of one driver and what to do next for each."""

    def __init__(self) -> None:
        self._tasks: dict[str, _Task] = {}
        self._dependents: dict[str, list[str]] = {}
        self._keys: dict[str, str] = {}
        #: those that ended in this step, each with the time, and those that started: what follows comes after
        self._ended: deque[tuple[_Task, datetime]] = deque()
        self._started: deque[_Task] = deque()

    def handle(self, event: MachineEvent, now: datetime) -> list[Command]:
        """Take an event and return what to do, in order.

        Events about unknown or outdated keys, and anything that comes after a task's end, change nothing.
        """
        commands: list[Command] = []
        match event:
            case TaskSubmitted(plan, may_start_ahead):
                self._submit(plan, may_start_ahead, now, commands)
            case AttemptSeenRunning(key, worker, at):
                if (task := self._in_flight(key)) is not None and not task.began:
                    self._begin(task, worker, at, commands)
            case AttemptFinished(key, outcome, chance):
                if (task := self._in_flight(key)) is not None:
                    self._finish(task, outcome, chance, now, commands)
            case AttemptVanished():
                if (task := self._in_flight(event.key)) is not None:
                    self._vanish(task, event, now, commands)
            case RetryDue(task_run_id, failures):
                task = self._tasks.get(task_run_id)
                if task is not None and task.state is State.RETRYING and task.failures == failures and not task.key:
                    self._start(task, commands)
            case CancelAsked():
                self._cancel(event, now, commands)
        # in a loop, since a chain of tasks may be longer than Python's stack
        while self._ended or self._started:
            if self._ended:
                self._release_dependents(*self._ended.popleft(), commands)
            else:
                self._start_ahead_of(self._started.popleft(), commands)
        return commands

    def state_of(self, task_run_id: str) -> State:
        """Return where a task stands."""
        return self._tasks[task_run_id].state

    def waits_for(self, task_run_id: str) -> tuple[str, ...]:
        """Return the ids of the tasks that this one still waits for."""
        return tuple(sorted(self._tasks[task_run_id].waits_for))

    def open_tasks(self, run_id: str | None = None) -> list[str]:
        """Return the ids of the tasks (of a run) that have not ended, in order of submission."""
        return [
            task_run_id
            for task_run_id, task in self._tasks.items()
            if not task.state.is_terminal and run_id in (None, task.plan.run_id)
        ]

    def forget(self, task_run_id: str) -> None:
        """Drop an ended task that nothing will name any more."""
        if task_run_id in self._tasks and self._tasks[task_run_id].state.is_terminal:
            del self._tasks[task_run_id]
            self._dependents.pop(task_run_id, None)

    # --- readiness

    def _submit(self, plan: TaskPlan, may_start_ahead: bool, now: datetime, commands: list[Command]) -> None:
        if plan.task_run_id in self._tasks:
            return
        task = self._tasks[plan.task_run_id] = _Task(plan, may_start_ahead)
        for upstream_id in dict.fromkeys((*plan.upstream, *plan.after)):
            upstream = self._tasks.get(upstream_id)
            if upstream is None or upstream.state.is_terminal:
                continue
            task.waits_for.add(upstream_id)
            self._dependents.setdefault(upstream_id, []).append(plan.task_run_id)
        if (failed := self._failed_upstream(task)) is not None:
            self._end_upstream_failed(task, failed, now, commands)
        elif self._may_start(task):
            self._start(task, commands)

    def _may_start(self, task: _Task) -> bool:
        """Tell whether all that it waits for is over, or on its way where that is enough."""
        if not task.waits_for:
            return True
        return task.may_start_ahead and all(self._tasks[upstream_id].key for upstream_id in task.waits_for)

    def _failed_upstream(self, task: _Task) -> _Task | None:
        for upstream_id in task.plan.upstream:
            upstream = self._tasks.get(upstream_id)
            if upstream is not None and upstream.state.is_terminal and upstream.state is not State.COMPLETED:
                return upstream
        return None

    def _release_dependents(self, ended: _Task, now: datetime, commands: list[Command]) -> None:
        for dependent_id in self._dependents.pop(ended.plan.task_run_id, []):
            task = self._tasks.get(dependent_id)
            if task is None or task.state.is_terminal:
                continue
            task.waits_for.discard(ended.plan.task_run_id)
            if ended.plan.task_run_id in task.plan.upstream and ended.state is not State.COMPLETED:
                self._end_upstream_failed(task, ended, now, commands)
            elif not task.waits_for and task.key is None:
                self._start(task, commands)

    def _start_ahead_of(self, started: _Task, commands: list[Command]) -> None:
        """Start those that may follow at once where this one is."""
        for dependent_id in self._dependents.get(started.plan.task_run_id, ()):
            task = self._tasks.get(dependent_id)
            is_waiting = task is not None and task.key is None and task.state is State.PENDING
            if task is not None and is_waiting and task.may_start_ahead and self._may_start(task):
                self._start(task, commands)

    # --- one attempt

    def _start(self, task: _Task, commands: list[Command]) -> None:
        task.starts += 1
        task.began = False
        task.key = f"{task.plan.task_run_id}:{task.starts}"
        self._keys[task.key] = task.plan.task_run_id
        ahead_of = {upstream_id: self._tasks[upstream_id].key or "" for upstream_id in task.waits_for}
        commands.append(StartAttempt(task.plan.task_run_id, task.key, task.attempt + 1, ahead_of))
        self._started.append(task)

    def _in_flight(self, key: str) -> _Task | None:
        task = self._tasks.get(self._keys.get(key, ""))
        return task if task is not None and task.key == key and not task.state.is_terminal else None

    def _begin(self, task: _Task, worker: str, at: datetime, commands: list[Command]) -> None:
        task.began = True
        task.attempt += 1
        task.worker = worker or task.worker
        if task.state is not State.CANCELLING:
            self._enter(task, State.RUNNING, "", at, commands)

    def _finish(self, task: _Task, outcome: Outcome, chance: float, now: datetime, commands: list[Command]) -> None:
        if outcome.is_cached and not task.began:
            self._end(task, State.COMPLETED, "", outcome.ended_at, commands, is_cached=True)
            return
        if not task.began:  # the report that it ran may be lost; the outcome is not
            self._begin(task, outcome.worker, outcome.started_at, commands)
        self._drop_key(task)
        task.worker = outcome.worker or task.worker
        at = outcome.ended_at
        if outcome.state is State.COMPLETED:
            self._end(task, State.COMPLETED, outcome.message, at, commands, is_cached=outcome.is_cached)
        elif outcome.state is State.CANCELLED:
            self._end(task, State.CANCELLED, task.cancel_reason or outcome.message or "cancelled", at, commands)
        else:
            may_retry = outcome.may_retry
            self._fail(task, outcome.state, _message_of(outcome), outcome.error, now, commands, chance, may_retry)

    def _vanish(self, task: _Task, lost: AttemptVanished, now: datetime, commands: list[Command]) -> None:
        self._drop_key(task)
        begun = lost.begun or task.began
        if begun and not task.began:
            self._begin(task, lost.worker, now, commands)
        task.worker = lost.worker or task.worker
        if task.cancel_reason or lost.state is State.CANCELLED:
            self._end(task, State.CANCELLED, task.cancel_reason or lost.reason, now, commands)
        elif lost.state is State.TIMED_OUT:
            self._fail(task, State.TIMED_OUT, lost.reason, None, now, commands)
        elif begun:
            self._crash(task, lost, now, commands)
        elif task.waits_for:
            pass  # what it was to follow did not complete this time: it waits for the next
        elif not lost.is_final and task.unbegun_starts + 1 < MAX_UNBEGUN_STARTS:
            task.unbegun_starts += 1
            self._start(task, commands)
        else:
            self._end(task, State.CRASHED, f"could not be started: {lost.reason}", now, commands)

    def _crash(self, task: _Task, lost: AttemptVanished, now: datetime, commands: list[Command]) -> None:
        is_last = lost.is_final or lost.has_lost_cluster
        budget = 0 if is_last else task.plan.retry.infrastructure_retries
        if task.infrastructure_losses >= budget:
            self._end(task, State.CRASHED, f"{_loss_words(task, lost)}. {_remedy(lost)}", now, commands)
            return
        task.infrastructure_losses += 1
        again = f"run again on the infrastructure budget ({task.infrastructure_losses} of {budget})"
        self._enter(task, State.RETRYING, f"{_loss_words(task, lost)}; {again}", now, commands)
        self._start(task, commands)

    def _fail(
        self,
        task: _Task,
        state: State,
        message: str,
        error: ErrorInfo | None,
        now: datetime,
        commands: list[Command],
        chance: float = 0.0,
        may_retry: bool = True,
    ) -> None:
        if task.cancel_reason:
            self._end(task, State.CANCELLED, task.cancel_reason, now, commands)
            return
        task.failures += 1
        if task.failures > task.plan.retry.retries or not may_retry:
            self._end(task, state, message, now, commands, error)
            return
        delay = task.plan.retry.delay_seconds(task.failures, chance)
        self._enter(task, State.RETRYING, message, now, commands, error)
        commands.append(WakeAt(now + timedelta(seconds=delay), RetryDue(task.plan.task_run_id, task.failures)))

    def _drop_key(self, task: _Task) -> None:
        if task.key is not None:
            self._keys.pop(task.key, None)
            task.key = None

    # --- cancellation and ends

    def _cancel(self, event: CancelAsked, now: datetime, commands: list[Command]) -> None:
        asked = self._tasks if event.task_run_ids is None else event.task_run_ids
        tasks = [self._tasks[i] for i in asked if i in self._tasks and not self._tasks[i].state.is_terminal]
        for task in tasks:
            task.cancel_reason, task.cancel_actor = event.reason, event.actor
        for task in tasks:
            if task.state.is_terminal:
                continue
            if task.key is None:
                self._end(task, State.CANCELLED, event.reason, now, commands)
            elif task.state is not State.CANCELLING:
                self._enter(task, State.CANCELLING, event.reason, now, commands)
                commands.append(StopAttempt(task.key, State.CANCELLED))

    def _end_upstream_failed(self, task: _Task, upstream: _Task, now: datetime, commands: list[Command]) -> None:
        if task.cancel_reason:
            self._end(task, State.CANCELLED, task.cancel_reason, now, commands)
            return
        self._end(task, State.UPSTREAM_FAILED, upstream.end_words, now, commands)

    def _end(
        self,
        task: _Task,
        state: State,
        message: str,
        at: datetime,
        commands: list[Command],
        error: ErrorInfo | None = None,
        is_cached: bool = False,
    ) -> None:
        self._drop_key(task)
        self._enter(task, state, message, at, commands, error, is_cached)
        if state is not State.COMPLETED:
            task.end_words = message if state is State.UPSTREAM_FAILED else _end_words(task.plan.name, state, message)
        task.waits_for.clear()
        self._ended.append((task, at))

    def _enter(
        self,
        task: _Task,
        state: State,
        message: str,
        at: datetime,
        commands: list[Command],
        error: ErrorInfo | None = None,
        is_cached: bool = False,
    ) -> None:
        if not may_follow(task.state, state):
            raise AssertionError(f"{task.plan.name}: {task.state} -> {state} is no edge of the state graph")
        task.state = state
        actor = task.cancel_actor if task.cancel_reason else "driver"
        commands.append(
            Announce(
                TaskRunStateChanged(
                    run_id=task.plan.run_id,
                    task_run_id=task.plan.task_run_id,
                    state=state,
                    at=at,
                    attempt=task.attempt,
                    message=message[:2000],
                    error=error,
                    worker=task.worker,
                    actor=actor,
                    is_cached=is_cached,
                )
            )
        )


#: state to the words that follow the task's name
_ENDED = {
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.CRASHED: "crashed",
    State.CANCELLED: "was cancelled",
    State.SKIPPED: "was skipped",
    State.MISSED: "was missed",
}


def _end_words(name: str, state: State, message: str) -> str:
    """Say how a task ended, for those that cannot run without it: ``"load failed: OSError: no such file"``."""
    why = message.partition("\n")[0][:_WHY_CHARACTERS]
    return f"{name} {_ENDED[state]}: {why}" if why else f"{name} {_ENDED[state]}"


def _loss_words(task: _Task, lost: AttemptVanished) -> str:
    """Say what happened, and to which attempt: ``"worker died: killed by SIGKILL (attempt 2 of load on worker-3)"``."""
    is_worker = lost.exit_code is None and not lost.has_lost_cluster
    where = f" on {task.worker}" if task.worker else ""
    return f"{'worker died: ' if is_worker else ''}{lost.reason} (attempt {task.attempt} of {task.plan.name}{where})"


def _remedy(lost: AttemptVanished) -> str:
    if lost.has_lost_cluster:
        return "Run it again: a new cluster is started, or connected to."
    if lost.exit_code is not None:
        return "Raise an exception instead of ending the process."
    return "Its log has its last words; a worker that is killed each time may need more memory."


def _message_of(outcome: Outcome) -> str:
    if outcome.message:
        return outcome.message
    if outcome.error is None:
        return outcome.state.value.lower().replace("_", " ")
    return f"{outcome.error.type}: {outcome.error.message}" if outcome.error.message else outcome.error.type
