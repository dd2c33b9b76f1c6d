"""The one loop that performs what the state machine decides.

A thread takes what happens (submissions, reports of the executor, timers, requests to cancel) one at a time, asks the
machine, and does what it says: start, stop, wake up later, announce. All else in the engine only puts events into its
queue or reads its snapshots.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from orchestra_nb.engine.attempt_children import AttemptChildren
from orchestra_nb.engine.executors import (
    AttemptAsked,
    AttemptBegan,
    AttemptEmitted,
    AttemptEnded,
    AttemptLost,
    AttemptRequest,
    AttemptResult,
    AttemptShowed,
    ClusterChanged,
    Executor,
    ExecutorEvent,
)
from orchestra_nb.engine.flow_listener import AttemptServices, FlowListener
from orchestra_nb.engine.inner_cancels import CancelInside, encode_cancel
from orchestra_nb.engine.runner_executors import ExecutorNews, RunnerExecutors
from orchestra_nb.engine.runner_inbox import RunnerInbox
from orchestra_nb.engine.submissions import Submission, WithFailures, outcome_of, shared_part
from orchestra_nb.engine.task_book import TaskBook
from orchestra_nb.engine.task_log import TaskLog
from orchestra_nb.errors import OrchestraError, TaskCrashed
from orchestra_nb.model.events import (
    EventSink,
    TaskRunCreated,
    TaskRunStateChanged,
    apply_to_task,
)
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
    TaskSubmitted,
    WakeAt,
)
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import ErrorInfo, TaskRun
from orchestra_nb.model.state_machine import StateMachine
from orchestra_nb.model.states import State
from orchestra_nb.model.waiting_words import (
    EARLIER_RUN,
    MOST_NAMED,
    WAITS_FOR_WORKER,
    waits_for_tasks,
    waits_for_worker,
)

#: Its own, since the code of users may have seeded that of the process.
_chance = random.Random()

#: How long a stopped attempt may take to end by itself before its process is killed.
STOP_GRACE_SECONDS = 1.5

_SLICE_SECONDS = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Forget:
    """A task that ended is of no use to the machine any more."""

    task_run_id: str


class _ChangeExecutor:
    pass


class _Close:
    pass


_Item = Submission | MachineEvent | ExecutorNews | CancelInside | _Forget | _ChangeExecutor | _Close


class FlowRunner:
    """Runs tasks on an executor.

    Thread safety: every method may be called from any thread. The executor is made when the first task comes;
    it connects anew by itself when its cluster was lost and another task comes.
    """

    def __init__(
        self,
        make_executor: Callable[[], Executor],
        sink: EventSink,
        listener: FlowListener,
        services: AttemptServices | None = None,
    ) -> None:
        self._services = services
        self._sink = sink
        self._listener = listener
        #: told, in the loop's thread, of a task that failed for good, before the listener is told of its end
        self.on_failure: Callable[[TaskRun, Submission], None] | None = None
        self._machine = StateMachine()
        self._inbox: RunnerInbox[_Item] = RunnerInbox()
        self._timers: list[tuple[datetime, int, RetryDue]] = []
        self._timer_numbers = itertools.count()
        self._changed = threading.Condition()
        self._book = TaskBook()
        #: task run id of one that did not run to the name of the task that it is due to, and how that one ended
        self._causes: dict[str, tuple[str, Outcome]] = {}
        self._submissions: dict[str, Submission] = {}
        self._logs: dict[str, TaskLog] = {}
        #: task run id to what is set when it has ended
        self._waiters: dict[str, list[threading.Event]] = {}
        self._callbacks: dict[str, list[Callable[[], None]]] = {}
        #: task run id to what is called when an attempt of it begins
        self._running_callbacks: dict[str, Callable[[TaskRun], None]] = {}
        #: ids of tasks that nobody will ask for any more, but that have not ended
        self._unwanted: set[str] = set()
        #: task run id to the ids of the tasks that wait for it
        self._waiting_on: dict[str, list[str]] = {}
        #: task run id to those that it still waits for, in the order of its plan; for what is said of it
        self._waits: dict[str, dict[str, None]] = {}
        self._executors = RunnerExecutors(make_executor, self._inbox.put_news)
        self._keys: dict[str, str] = {}
        self._children = AttemptChildren(sink.emit)
        self._thread: threading.Thread | None = None
        self._is_closed = False

    # --- called from outside

    def submit(self, submission: Submission) -> None:
        """Accept a task. Returns at once."""
        if self._is_closed:
            raise RuntimeError("The flow runner is closed.")
        with self._changed:
            self._book.add(submission.task_run)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="orchestra-flow-runner", daemon=True)
                self._thread.start()
        self._sink.emit(TaskRunCreated(task_run=submission.task_run))
        self._inbox.put(submission)

    def cancel(self, task_run_ids: Collection[str] | None, reason: str, actor: str = "user") -> None:
        """Ask to cancel these tasks, or all (None). Returns at once; the tasks end when their code has stopped."""
        self._inbox.put(CancelAsked(task_run_ids, reason, actor))

    def cancel_inside(self, asked: CancelInside) -> None:
        """Ask for the end of a run that a task has started, or of a task of it. Returns at once."""
        self._inbox.put(asked)

    def task(self, task_run_id: str) -> TaskRun:
        """Return the newest record of a task run."""
        return self._book[task_run_id]

    def waiting_words(self, name: str, task_run_ids: Iterable[str], for_worker: str = WAITS_FOR_WORKER) -> str:
        """Return what a task of this name that needs these waits for now, in people's words.

        Parameters
        ----------
        for_worker
            What is said when all of these have ended.
        """
        waiting = [one for one in task_run_ids if (known := self._book.get(one)) and not known.state.is_terminal]
        return self._waiting_words(name, waiting) or for_worker

    def _waiting_words(self, name: str, waiting: Collection[str]) -> str:
        """Return what is said of a task that waits for these; empty for none. O(1)."""
        names = [self._book[one].name for one in itertools.islice(waiting, MOST_NAMED)]
        told = [EARLIER_RUN if upstream == name else upstream for upstream in names]
        return waits_for_tasks(told, len(waiting) - len(told)) if told else ""

    def tasks_of(self, run_id: str) -> list[TaskRun]:
        """Return the newest records of all tasks of a run, in order of submission."""
        with self._changed:
            return self._book.records_of(run_id)

    def outcome(self, task_run_id: str) -> Outcome | None:
        """Return the outcome of the last attempt, if it gave one that is kept (:class:`Submission`)."""
        return self._book.outcome(task_run_id)

    def cause(self, task_run_id: str) -> tuple[str, Outcome] | None:
        """Return the name and the outcome of the task that is to blame for one that could not run."""
        return self._causes.get(task_run_id)

    def open_tasks(self, run_id: str | None = None) -> list[TaskRun]:
        """Return the records of the tasks (of a run) that have not ended."""
        with self._changed:
            return self._book.open_records(run_id)

    def wait(self, task_run_ids: Collection[str], timeout_seconds: float | None = None) -> bool:
        """Wait until all of these tasks have ended, and the listener was told; False when the time was not enough.

        Can be interrupted. Costs no memory for each task: it waits for one after the other, the last one first, since
        most others have then ended, too.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        return all(self._wait_for(task_run_id, deadline) for task_run_id in reversed(tuple(task_run_ids)))

    def _wait_for(self, task_run_id: str, deadline: float | None) -> bool:
        if self._book.has_ended(task_run_id):
            return True
        waiter = threading.Event()
        with self._changed:
            if self._book.has_ended(task_run_id):
                return True
            self._waiters.setdefault(task_run_id, []).append(waiter)
        try:
            # in slices, since an exception from another thread comes only between them
            while not waiter.wait(_slice(deadline)):
                if deadline is not None and time.monotonic() >= deadline:
                    return False
            return True
        finally:
            with self._changed:
                waiters = self._waiters.get(task_run_id, [])
                if waiter in waiters:
                    waiters.remove(waiter)

    def call_when_ended(self, task_run_id: str, callback: Callable[[], None]) -> None:
        """Call a function when a task has ended: in the runner's thread, or now if it has. It must be quick."""
        with self._changed:
            if not self._book.has_ended(task_run_id):
                self._callbacks.setdefault(task_run_id, []).append(callback)
                return
        callback()

    def call_when_running(self, task_run_id: str, callback: Callable[[TaskRun], None]) -> None:
        """Call a function when an attempt of a task begins, in the runner's thread; for a task not yet submitted."""
        self._running_callbacks[task_run_id] = callback

    def has_ended(self, task_run_id: str) -> bool:
        """Tell whether a task has ended, and the listener was told; also where it is known no more."""
        return self._book.has_ended(task_run_id)

    def fetch(self, task_run_id: str, names: Sequence[str]) -> AttemptResult:
        """Return the packed values of a completed task.

        Raises
        ------
        TaskCrashed
            The values are gone with the worker or the cluster that held them.
        """
        holder = self._book.holder(task_run_id)
        if holder is None:
            raise TaskCrashed(f"The values of task {self._book[task_run_id].name!r} are gone. Run it again.")
        key, executor = holder
        return executor.fetch(key, names)

    def release(self, task_run_id: str) -> None:
        """Let go of a task's values on the cluster."""
        with self._changed:
            held = self._book.take_holder(task_run_id)
        if held is not None:
            held[1].release(held[0])
            self._close_unneeded()

    def forget(self, task_run_id: str) -> None:
        """Let go of all that is known of a task, as soon as it has ended: nobody will ask for it any more."""
        with self._changed:
            if not self._book.has_ended(task_run_id):
                self._unwanted.add(task_run_id)
                return
        self._drop(task_run_id)

    def _drop(self, task_run_id: str) -> None:
        with self._changed:
            holder = self._book.holder(task_run_id)
            self._unwanted.discard(task_run_id)
            record = self._book.get(task_run_id)
            self._book.forget(task_run_id)
            self._causes.pop(task_run_id, None)
        if record is not None and record.state is not State.COMPLETED:
            self._inbox.put(_Forget(task_run_id))
        if holder is not None:
            holder[1].release(holder[0])
            self._close_unneeded()

    def forget_outcome(self, task_run_id: str) -> None:
        """Let go of the outcome of an ended task, with all that it showed: nothing will ask for it any more."""
        with self._changed:
            self._book.set_outcome(task_run_id, None)

    def change_executor(self) -> None:
        """Make a new executor for the next task; values that completed tasks left on the old one stay there."""
        self._inbox.put(_ChangeExecutor())

    def record(self, task_run: TaskRun) -> None:
        """Note a task that the caller runs itself, in this process, and announces by :meth:`announce`."""
        with self._changed:
            self._book.add(task_run)
        self._sink.emit(TaskRunCreated(task_run=task_run))

    def announce(self, change: TaskRunStateChanged, outcome: Outcome | None = None) -> None:
        """Pass on a change of a task that the caller runs itself."""
        if outcome is not None:
            with self._changed:
                self._book.set_outcome(change.task_run_id, outcome)
        self._announce(change)

    def close(self, reason: str = "the driver ended", timeout_seconds: float = 10.0) -> None:
        """Cancel what has not ended, wait for it, and let go of the cluster. Later submissions are refused."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._thread is None:
            return
        open_ids = [record.task_run_id for record in self.open_tasks()]
        if open_ids:
            self.cancel(open_ids, reason, "driver")
            self.wait(open_ids, timeout_seconds)
        self._inbox.put(_Close())
        self._thread.join(timeout_seconds)
        self._executors.close(timeout_seconds)

    # --- the loop

    def _run(self) -> None:
        while True:
            item = self._next_item()
            if isinstance(item, _Close):
                return
            try:
                if item is not None:
                    self._take(item)
                self._fire_timers()
            except Exception:  # the loop must outlive a defect in one step: a dead loop would be a silent hang
                _log.exception("The flow runner could not handle %r", item)

    def _next_item(self) -> _Item | None:
        timeout = None
        if self._timers:
            timeout = max(0.0, (self._timers[0][0] - datetime.now(UTC)).total_seconds())
        return self._inbox.get(timeout)

    def _fire_timers(self) -> None:
        now = datetime.now(UTC)
        while self._timers and self._timers[0][0] <= now:
            self._decide(heapq.heappop(self._timers)[2])

    def _take(self, item: _Item) -> None:
        match item:
            case Submission(plan=plan):
                self._submissions[plan.task_run_id] = item
                waits_for = [one for one in (*plan.upstream, *plan.after) if not self._book.has_ended(one)]
                for upstream_id in waits_for:
                    self._waiting_on.setdefault(upstream_id, []).append(plan.task_run_id)
                if waits_for:
                    self._waits[plan.task_run_id] = dict.fromkeys(waits_for)
                self._decide(TaskSubmitted(plan, bool(waits_for) and self._may_start_ahead(item, waits_for)))
                if (plan.upstream or plan.after) and plan.task_run_id in self._submissions:
                    self._renew_words(plan.task_run_id)  # others have ended since its words were made, perhaps
            case ExecutorNews(executor, event):
                self._take_report(executor, event)
            case _Forget(task_run_id):
                self._machine.forget(task_run_id)
            case CancelInside(run_id=run_id):
                key, current = self._children.attempt_of(run_id), self._executors.current
                if key is not None and current is not None:
                    current.say(key, encode_cancel(item))
            case _ChangeExecutor():
                self._executors.retire()
                self._close_unneeded()
            case _Close():
                raise AssertionError("handled by the loop")
            case _:
                self._decide(item)

    def _may_start_ahead(self, submission: Submission, waits_for: Sequence[str]) -> bool:
        """Tell whether it can run right behind those that it waits for: all are calls of one function."""
        shared = shared_part(submission)
        return shared is not None and all(
            upstream_id in submission.needs
            and upstream_id not in submission.allowed_failures
            and (upstream := self._submissions.get(upstream_id)) is not None
            and shared_part(upstream) == shared
            for upstream_id in waits_for
        )

    def _take_report(self, executor: Executor, event: ExecutorEvent) -> None:
        match event:
            case AttemptBegan(key=key, worker=worker, at=at):
                self._decide(AttemptSeenRunning(key, worker, at))
            case AttemptShowed(key=key, outputs=outputs, lines=lines):
                task_run_id = self._keys.get(key)
                if task_run_id is not None:
                    self._log_of(task_run_id).take(outputs, lines)
                    if outputs:
                        self._listener.task_showed(task_run_id, outputs)
                    if lines:
                        self._listener.task_logged(self._book[task_run_id], lines)
            case AttemptEnded(key=key, outcome=outcome):
                task_run_id = self._keys.pop(key, None)
                self._give_back(task_run_id)
                if task_run_id is not None:
                    self._end_children(key, task_run_id, outcome.state)
                    outcome = self._with_timeout_words(task_run_id, outcome)
                    with self._changed:
                        self._book.set_outcome(task_run_id, outcome)
                        is_held = outcome.state is State.COMPLETED and self._book.hold(task_run_id, key, executor)
                    if not is_held:
                        executor.release(key)
                self._decide(AttemptFinished(key, outcome, _chance.random()))
            case AttemptEmitted(key=key, events=events):
                for emitted in events:
                    self._sink.emit(emitted)
                if key in self._keys:
                    self._children.note(key, events)
            case AttemptAsked():
                threading.Thread(
                    target=self._answer_question, args=(executor, event), name="orchestra-answer", daemon=True
                ).start()
            case AttemptLost():
                task_run_id = self._keys.pop(event.key, None)
                self._give_back(task_run_id)
                if task_run_id is not None:
                    self._end_children(event.key, task_run_id, State(event.state), event.reason)
                self._decide(
                    AttemptVanished(
                        event.key,
                        event.begun,
                        State(event.state),
                        event.reason,
                        event.worker,
                        # a cluster that could not be reached is not tried again and again
                        is_final=event.exit_code is not None
                        or (self._executors.is_connecting and executor is self._executors.current and not event.begun),
                        exit_code=event.exit_code,
                        has_lost_cluster=event.has_lost_cluster,
                    )
                )
            case ClusterChanged(status=status):
                if executor is not self._executors.current:
                    return  # one that gets no new tasks: where they run has not changed
                self._executors.is_connecting = status == "starting"
                if status == "lost":
                    # the executor stays: what is run again was handed to it already, and it connects anew by itself
                    self._lose_values(executor)
                self._listener.cluster_changed(event)

    def _end_children(self, key: str, task_run_id: str, state: State, reason: str = "") -> None:
        if key in self._children:
            self._children.attempt_ended(key, self._book[task_run_id].name, state, reason, datetime.now(UTC))

    def _give_back(self, task_run_id: str | None) -> None:
        if self._services is not None and task_run_id is not None:
            self._services.attempt_ended(task_run_id)

    def _with_timeout_words(self, task_run_id: str, outcome: Outcome) -> Outcome:
        """Say how long an attempt was allowed to run that was stopped at its deadline."""
        submission = self._submissions.get(task_run_id)
        if outcome.state is not State.TIMED_OUT or outcome.error is not None or submission is None:
            return outcome
        message = f"ran longer than {submission.timeout_seconds:g} s"
        return msgspec.structs.replace(outcome, error=ErrorInfo(type="TaskTimedOut", message=message))

    def _answer_question(self, executor: Executor, asked: AttemptAsked) -> None:
        """Answer in a thread of its own: an answer may take as long as somebody else holds a slot."""
        assert self._services is not None, "a driver whose tasks ask questions answers them"
        task_run_id = self._keys.get(asked.key)
        record = self._book.get(task_run_id or "")
        if record is not None:
            asker = Asker(run_id=record.run_id, task_run_id=task_run_id)
            executor.answer(asked.key, asked.number, self._services.answer_encoded(asked.question, asker))

    def _log_of(self, task_run_id: str) -> TaskLog:
        if task_run_id not in self._logs:
            self._logs[task_run_id] = TaskLog(self._book[task_run_id], self._sink.emit)
        return self._logs[task_run_id]

    def _lose_values(self, lost: Executor) -> None:
        with self._changed:
            held = [self._book.take_holder(task_run_id) for task_run_id in self._book.held_by(lost)]
        for holder in held:
            if holder is not None:
                lost.release(holder[0])

    def _close_unneeded(self) -> None:
        if self._executors.has_retired:
            with self._changed:
                holding = self._book.holders()
            self._executors.close_retired_but(holding)

    # --- performing

    def _decide(self, event: MachineEvent) -> None:
        for command in self._machine.handle(event, datetime.now(UTC)):
            self._perform(command)

    def _perform(self, command: Command) -> None:
        match command:
            case StartAttempt():
                self._start(command)
            case StopAttempt(key, state):
                if self._executors.current is not None:
                    self._executors.current.stop(key, state.value, STOP_GRACE_SECONDS)
            case WakeAt(at, event):
                heapq.heappush(self._timers, (at, next(self._timer_numbers), event))
            case Announce(change):
                self._announce(change)

    def _announce(self, change: TaskRunStateChanged) -> None:
        self._sink.emit(change)
        with self._changed:
            record = apply_to_task(self._book[change.task_run_id], change)
            self._book.change(record)
        if not record.state.is_terminal:
            self._listener.task_changed(record)
            if record.state is State.RUNNING and (begun := self._running_callbacks.get(change.task_run_id)):
                begun(record)
            return
        submission = self._submissions.pop(change.task_run_id, None)
        self._waits.pop(change.task_run_id, None)
        try:
            self._running_callbacks.pop(change.task_run_id, None)
            if record.state is State.UPSTREAM_FAILED and submission is not None:
                self._note_cause(submission)
            if self.on_failure is not None and submission is not None and record.state is not State.COMPLETED:
                self.on_failure(record, submission)
            log = self._logs.pop(change.task_run_id, None)
            if log is not None:
                log.end()
            self._renew_waiting_words(change.task_run_id)
            self._listener.task_ended(record, self._book.outcome(change.task_run_id))
        finally:
            self._conclude(record, submission is None or submission.keeps_outcome)

    def _note_cause(self, submission: Submission) -> None:
        """Keep how the first failed task upstream ended: nobody may hold that one any more when this one is asked."""
        for upstream_id in submission.plan.upstream:
            record = self._book.get(upstream_id)
            if record is not None and record.state.is_terminal and record.state is not State.COMPLETED:
                outcome = self._book.outcome(upstream_id) or outcome_of(record)
                self._causes[submission.plan.task_run_id] = self._causes.get(upstream_id) or (record.name, outcome)
                return

    def _conclude(self, record: TaskRun, keeps_outcome: bool) -> None:
        """Wake up whoever waits for the end of a task."""
        task_run_id = record.task_run_id
        if record.state is State.COMPLETED:
            self._machine.forget(task_run_id)
        with self._changed:
            self._book.end(task_run_id, keeps_outcome=keeps_outcome)
            for waiter in self._waiters.pop(task_run_id, ()):
                waiter.set()
            callbacks = self._callbacks.pop(task_run_id, ())
            is_unwanted = task_run_id in self._unwanted
        for callback in callbacks:
            callback()
        if is_unwanted:
            self._drop(task_run_id)

    def _renew_waiting_words(self, ended: str) -> None:
        """Say of the tasks that waited for this one what they wait for now."""
        for task_run_id in self._waiting_on.pop(ended, ()):
            if (waits := self._waits.get(task_run_id)) is not None:
                waits.pop(ended, None)
                if not waits:
                    del self._waits[task_run_id]
                self._renew_words(task_run_id)

    def _renew_words(self, task_run_id: str) -> None:
        submission, record = self._submissions[task_run_id], self._book[task_run_id]
        if record.state is not State.PENDING or self._machine.state_of(task_run_id) is not State.PENDING:
            return  # what ended took it along: that is told next
        waits = self._waits.get(task_run_id, ())
        words = self._waiting_words(record.name, waits) or waits_for_worker(submission.resources, submission.workers)
        if words != record.message:
            self._announce(
                TaskRunStateChanged(
                    run_id=record.run_id,
                    task_run_id=task_run_id,
                    state=State.PENDING,
                    at=datetime.now(UTC),
                    epoch=record.epoch,
                    message=words,
                )
            )

    def _start(self, command: StartAttempt) -> None:
        task_run_id, key = command.task_run_id, command.key
        submission = self._submissions[task_run_id]
        try:
            executor = self._executors.open()
        except OrchestraError as error:  # the setting names no cluster
            self._decide(AttemptVanished(key, False, State.CRASHED, str(error), is_final=True))
            return
        needs = dict(submission.needs)
        body = submission.body
        failures: dict[str, Outcome] = {}
        for upstream_id in submission.allowed_failures:
            upstream = self._book[upstream_id]
            if upstream.state is State.COMPLETED:
                needs[upstream_id] = None
            else:
                failures[upstream_id] = self._book.outcome(upstream_id) or outcome_of(upstream)
        if failures:
            body = WithFailures(body, failures)
        ahead_of = command.ahead_of
        holders = {item: self._book.holder(item) or ("", None) for item in needs}
        missing = [item for item, holder in holders.items() if item not in ahead_of and holder[1] is not executor]
        if missing:
            names = ", ".join(self._book[item].name for item in missing)
            reason = f"the values of {names} are not on this cluster: run {names} again"
            self._decide(AttemptVanished(key, False, State.CRASHED, reason, is_final=True))
            return
        self._keys[key] = task_run_id
        request = AttemptRequest(
            key=key,
            run_id=submission.plan.run_id,
            task_run_id=task_run_id,
            name=submission.plan.name,
            attempt=command.attempt,
            body=body,
            upstream={item: (ahead_of.get(item) or holders[item][0], names) for item, names in needs.items()},
            timeout_seconds=submission.timeout_seconds,
            priority=submission.priority,
            resources=submission.resources,
            workers=submission.workers,
            environment=submission.environment,
        )
        try:
            executor.start(request)
        except Exception as error:  # such as a body that cannot be pickled
            self._keys.pop(key, None)
            reason = f"{type(error).__name__}: {error}"
            self._decide(AttemptVanished(key, False, State.CRASHED, reason, is_final=True))


def _slice(deadline: float | None) -> float:
    return _SLICE_SECONDS if deadline is None else min(_SLICE_SECONDS, max(0.0, deadline - time.monotonic()))
