"""One call of a task where it is called: its record, what its code may ask, and how its attempts end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.engine.annotations import BaseAnnotation, allow_failure
from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.burials import bury_direct_task
from orchestra_nb.engine.direct_call import DirectCall
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.function_call import (
    LazyParameters,
    error_info,
    may_repeat,
    unquoted,
)
from orchestra_nb.engine.futures import TaskFuture, wait_for_all, waited_for
from orchestra_nb.engine.life_lines import tell_direct_task
from orchestra_nb.engine.printed_lines import printing_to, printing_unlogged
from orchestra_nb.engine.returned_values import LiveReturn, info_of
from orchestra_nb.engine.run_context import TaskRunContext
from orchestra_nb.engine.run_hooks import call_hooks
from orchestra_nb.engine.run_scope import RunScope, end_hooks, enter_scope
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.run_states import model_state_of, state_of
from orchestra_nb.engine.services import asking_as
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.engine.task_codes import CALLED, record_task_code
from orchestra_nb.engine.trace_context import traced
from orchestra_nb.engine.user_frames import without_own_frames
from orchestra_nb.errors import TaskTimedOut, UpstreamFailed
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.events import Event, LogsWritten, TaskRunCreated, TaskRunStateChanged, apply_to_task
from orchestra_nb.model.machine_messages import TaskPlan, cancelled_by
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import ErrorInfo, LogLine, TaskRun
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.task_cache import TaskCache
    from orchestra_nb.engine.tasks import Task


#: How long the end of a run of its own waits for its events to be durable.
_FLUSH_SECONDS = 30.0


class CallerContext:
    """What a task may use that runs in its caller's process; :class:`~orchestra_nb.model.attempts.AttemptContext`."""

    worker = "this process"

    def __init__(self, scope: RunScope, task_run: TaskRun, attempt: int) -> None:
        self._scope = scope
        self._task_run = task_run
        self.attempt = attempt

    def show(self, message: Mapping[str, object]) -> None:
        """Do nothing: what is printed here is seen here."""

    def log(self, line: LogLine) -> None:
        """Record a line of the run's log, and show it."""
        ids = {"run_id": self._scope.run_id, "task_run_id": self._task_run.task_run_id}
        self._scope.driver.sink.emit(LogsWritten(lines=(msgspec.structs.replace(line, **ids),)))
        self._scope.driver.say(f"Task run {self._task_run.name!r} - {line.message}", line.level)

    def emit(self, event: Event) -> None:
        """Pass on what happened to a child."""
        self._scope.driver.sink.emit(event)

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        """Answer from this process, which is the driver's."""
        from orchestra_nb.engine.services import answer_here

        return answer_here(question)

    def hear(self, take: Callable[[bytes], None] | None) -> None:
        """Do nothing: nothing is said here, where the driver calls what it wants."""


@dataclass(slots=True)
class Ended:
    """How a task ended, for whoever called it."""

    state: State = State.PENDING
    message: str = ""
    value: Any = None
    error: BaseException | None = None
    #: the state that its function made and returned
    returned: RunState[Any] | None = None
    #: what ended it from outside and goes on to end what called it: Ctrl-C, or a stop of the flow around
    interrupt: BaseException | None = None


@dataclass(slots=True)
class TaskCall:
    """One direct call of a task."""

    owner: Task[Any, Any]
    scope: RunScope
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    record: TaskRun
    asset_lineage: tuple[str, ...] = ()
    #: a result that was kept before this does not count; None for any
    kept_since: datetime | None = None
    ended: Ended = field(default_factory=Ended)
    #: stops the attempt that runs now
    switch: StopSwitch | None = None

    def direct(self) -> DirectCall:
        """Return what decides for it."""
        plan = TaskPlan(
            task_run_id=self.record.task_run_id,
            run_id=self.record.run_id,
            name=self.record.name,
            retry=self.owner.settings.retry,
        )
        direct = DirectCall(plan, self.announce, CallerContext.worker)
        if self.scope.own_run is not None:
            self.scope.driver.watch_run(self.scope.run_id, lambda actor: self._cancel(direct, cancelled_by(actor)))
        return direct

    def _cancel(self, direct: DirectCall, reason: str) -> None:
        direct.cancel(reason)
        if (switch := self.switch) is not None:
            switch.stop(State.CANCELLED.value)

    @contextmanager
    def stopped_by(self, switch: StopSwitch, direct: DirectCall) -> Iterator[None]:
        """Let a cancel of its own run stop the attempt that runs inside; at once, if it came before."""
        self.switch = switch
        try:
            if direct.is_cancelled:
                switch.stop(State.CANCELLED.value)
            yield
        finally:
            self.switch = None
            switch.close()

    def has_completed(self) -> bool:
        """Tell whether it ended well."""
        return self.ended.state is State.COMPLETED

    def announce(self, change: TaskRunStateChanged) -> None:
        """Tell the world, and note how it ended."""
        self.scope.driver.sink.emit(change)
        self.record = apply_to_task(self.record, change)
        self.ended.state, self.ended.message = self.record.state, self.record.message
        tell_direct_task(self.scope.driver, self.record)
        bury_direct_task(self.owner, self.scope, self.record, self.args, self.kwargs)
        if change.state is State.RUNNING:
            self._call_hooks(self.owner.on_running_hooks, state_of(State.RUNNING))

    def resolve(self, wait_for: Any) -> None:
        """Wait for the futures in the arguments, and put their values in.

        Where one of them did not complete, the call has ended: its code is not run.
        """
        try:
            self.args, self.kwargs = _resolve(self.args, self.kwargs, wait_for)
        except BaseException as error:
            self.not_ready(error)

    async def resolve_async(self, wait_for: Any) -> None:
        """Do what :meth:`resolve` does, without holding up the event loop."""
        try:
            futures = _futures_in((self.args, self.kwargs, wait_for), allow_failure)
            await wait_for_all(futures)
        except BaseException as error:
            self.not_ready(error)
        else:
            if futures:
                await asyncio.to_thread(self.resolve, wait_for)  # fetches values
            else:
                self.resolve(wait_for)

    def context(self, attempt: int) -> TaskRunContext:
        """Return what the task's code may ask of itself."""
        return TaskRunContext(
            task=self.owner.facts,
            task_run_id=self.record.task_run_id,
            name=self.record.name,
            flow=self.scope.flow,
            run_count=attempt,
            tags=frozenset(self.record.tags),
            parameters=LazyParameters(self.owner.fn, self.args, self.kwargs),
            started_at=datetime.now(UTC),
            attempt_context=CallerContext(self.scope, self.record, attempt),
            asset_lineage=self.asset_lineage,
            log_prints=self.scope.log_prints if self.owner.log_prints is None else self.owner.log_prints,
            kept_since=self.kept_since,
        )

    def not_ready(self, error: BaseException) -> None:
        """End it because something that it needs did not complete, or the wait for it was broken off."""
        is_upstream = isinstance(error, Exception)
        self.ended.error = error if is_upstream else None
        self.ended.interrupt = None if is_upstream else error
        self.announce(
            TaskRunStateChanged(
                run_id=self.scope.run_id,
                task_run_id=self.record.task_run_id,
                state=State.UPSTREAM_FAILED if is_upstream else State.CANCELLED,
                at=datetime.now(UTC),
                message=(str(error) if isinstance(error, UpstreamFailed) else describe(error))[:2000],
            )
        )

    def end_broken(self, error: BaseException) -> None:
        """End it, if it has not, because this came between its attempts: a Ctrl-C may come upon any line."""
        if self.ended.state.is_terminal:
            return
        is_defect = isinstance(error, Exception)
        self.announce(
            TaskRunStateChanged(
                run_id=self.scope.run_id,
                task_run_id=self.record.task_run_id,
                state=State.CRASHED if is_defect else State.CANCELLED,
                at=datetime.now(UTC),
                message=describe(error)[:2000] if is_defect else "interrupted",
            )
        )

    @property
    def cache(self) -> TaskCache | None:
        """Where the results of this task are kept."""
        return self.owner.cache(self.scope)

    def succeed(self, value: Any, context: TaskRunContext, is_cached: bool = False) -> AttemptResult:
        """Return the result of an attempt whose function returned."""
        message = ""
        if isinstance(value, RunState):
            if not value.is_completed():
                ours = model_state_of(value)
                end = ours if ours in (State.CANCELLED, State.TIMED_OUT, State.CRASHED) else State.FAILED
                return self.fail(value.exception(), context, end, value.message)
            self.ended.returned = value
            message, value = (value.message or "")[:2000], value.data
        self.ended.value, self.ended.error = value, None
        if (flow := self.scope.flow_context) is not None:
            flow.made_assets.note(value, self.owner.asset_keys(self.asset_lineage))
        live = LiveReturn(value)
        values = info_of(value, live)
        return AttemptResult(
            self._outcome(State.COMPLETED, context, values=values, is_cached=is_cached, message=message), (live,)
        )

    def fail(
        self,
        error: BaseException,
        context: TaskRunContext,
        state: State = State.FAILED,
        message: str | None = None,
        is_final: bool = False,
    ) -> AttemptResult:
        """Return the result of an attempt whose function raised, or returned the state of a failure."""
        self.ended.error = error
        may_retry = not is_final and may_repeat(self.owner.retry_condition(), error, context)
        info = error_info(error, self.owner.fn, self.record.name)
        if message:
            message = message[:2000]
            info = msgspec.structs.replace(info, message=message)
        return AttemptResult(self._outcome(state, context, error=info, may_retry=may_retry, message=message or ""))

    def stop(self, stopped_for: str | None, error: BaseException, context: TaskRunContext) -> AttemptResult:
        """Return the result of an attempt that was stopped: itself, or what called it."""
        self.ended.error = None
        if stopped_for != State.TIMED_OUT.value:
            if stopped_for is None:
                self.ended.interrupt = error
            return AttemptResult(self._outcome(State.CANCELLED, context))
        message = f"ran longer than {self.owner.settings.timeout_seconds:g} s"
        self.ended.error = TaskTimedOut(f"Task {self.record.name} {message}")
        info = ErrorInfo(type="TaskTimedOut", message=message)
        return AttemptResult(self._outcome(State.TIMED_OUT, context, error=info))

    def _outcome(self, state: State, context: TaskRunContext, **fields: Any) -> Outcome:
        return Outcome(
            state=state,
            started_at=context.started_at,
            ended_at=datetime.now(UTC),
            worker=CallerContext.worker,
            pid=os.getpid(),
            **fields,
        )

    def finish(self, return_state: bool, interrupt: BaseException | None = None) -> Any:
        """Call hooks, and return the value or the state, or raise."""
        state = self.final_state()
        self.scope.note_taken(self.record.task_run_id)
        self._call_hooks(end_hooks(self.owner, state), state)
        self.scope.driver.finish_hooks()
        if self.scope.own_run is not None:
            self.scope.own_run.end([self.record])
            self.scope.driver.sink.flush(_FLUSH_SECONDS)
        interrupt = self.ended.interrupt or interrupt
        if interrupt is not None:
            raise interrupt
        return state if return_state else state.result()

    def final_state(self) -> RunState[Any]:
        """Return the state as users see it."""
        message, at = self.ended.message, self.record.ended_at
        if self.ended.state is State.COMPLETED:
            if self.ended.returned is not None:
                return self.ended.returned.as_of_run()
            return state_of(State.COMPLETED, message, self.ended.value, is_cached=self.record.is_cached, at=at)
        if self.ended.error is not None:
            return state_of(self.ended.state, message, self.ended.error, at=at)
        words = f"Task {self.record.name}: {message}"
        return state_of(self.ended.state, message, state_of(self.ended.state, words).exception(), at=at)

    def _call_hooks(self, hooks: list[Any], state: RunState[Any]) -> None:
        if hooks:
            call_hooks(self.scope.driver, hooks, self.owner, self.record, state, self.scope.flow_context)


@contextmanager
def begin_call(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Any, is_read: bool = False
) -> Iterator[TaskCall]:
    """Make the record of a call, whose arguments are to be resolved next.

    Parameters
    ----------
    is_read
        Whether its caller reads what it yields: then nothing is kept of it.
    """
    with enter_scope(owner.name) as scope:
        now = datetime.now(UTC)
        record = TaskRun(
            task_run_id=fresh_id(now),
            run_id=scope.run_id,
            name=owner.run_name(scope, args, kwargs),
            state=State.PENDING,
            created_at=now,
            max_attempts=1 + owner.settings.retry.retries,
            upstream=tuple(future.task_run_id for future in _futures_in((args, kwargs, wait_for), BaseAnnotation)),
            tags=dict.fromkeys(sorted(owner.tags_now(scope)), ""),
            task_name=owner.recorded_name,
            keeps_result=scope.keeps_result(owner) and not is_read,
        )
        scope.driver.sink.emit(TaskRunCreated(task_run=record))
        record_task_code(scope, owner, CALLED, args, kwargs)
        lineage = owner.asset_lineage(scope, args, kwargs, wait_for)
        since = scope.kept_since(owner, record.name, record.task_run_id, record.upstream)
        call = TaskCall(owner, scope, args, kwargs, record, lineage, since)
        try:
            yield call
        except BaseException as error:
            call.end_broken(error)
            raise


@contextmanager
def own_words(call: TaskCall, context: TaskRunContext) -> Iterator[None]:
    """Let what is printed and asked inside be the task's."""
    asker = Asker(run_id=call.record.run_id, task_run_id=call.record.task_run_id)
    with asking_as(asker), traced(context.flow.trace, context.task_run_id):
        if context.log_prints and context.attempt_context is not None:
            with printing_to(context.attempt_context, is_logged=True):
                yield
        else:
            with printing_unlogged():
                yield


def _resolve(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Any
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Wait for the futures in the arguments and put their values in.

    Raises
    ------
    UpstreamFailed
        One of them did not complete, and its failure is not allowed.
    """
    if wait_for is not None:
        replace_leaves(waited_for(wait_for), _awaited)
    args, kwargs = replace_leaves((args, dict(kwargs)), _awaited)
    return unquoted(args, kwargs)


def _awaited(leaf: Any, is_failure_allowed: bool = False) -> Any:
    """Return the value of a future or a state; anything else as it is."""
    if isinstance(leaf, allow_failure):
        return replace_leaves(leaf.value, lambda inner: _awaited(inner, is_failure_allowed=True))
    if isinstance(leaf, TaskFuture):
        return _value_of(leaf.state_for_call(), leaf.task_run.name, is_failure_allowed)
    return _value_of(leaf, "An upstream task", is_failure_allowed) if isinstance(leaf, RunState) else leaf


def _value_of(state: RunState[Any], name: str, is_failure_allowed: bool) -> Any:
    if state.is_completed():
        return state.result()
    if is_failure_allowed:
        return state.exception()
    error = state.exception()
    if isinstance(error, UpstreamFailed):  # one further up is to blame
        raise UpstreamFailed(f"{name} did not run: {state.message}") from error.__cause__ or error
    error = error.with_traceback(without_own_frames(error.__traceback__))
    raise UpstreamFailed(f"{name} did not complete: {state}") from error


def _futures_in(arguments: Any, annotations: type[BaseAnnotation[Any]]) -> list[TaskFuture[Any]]:
    """Return the futures in the arguments, and in annotations of this kind."""
    found: dict[TaskFuture[Any], None] = {}

    def note(leaf: Any) -> Any:
        if isinstance(leaf, TaskFuture):
            found[leaf] = None
        elif isinstance(leaf, annotations):
            replace_leaves(leaf.value, note)
        return leaf

    replace_leaves(arguments, note)
    return list(found)


def describe(error: BaseException) -> str:
    """Return an exception in one line."""
    return f"{type(error).__name__}: {error}"
