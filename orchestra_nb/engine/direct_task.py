"""Runs a task where it is called: recorded, retried and timed out like any other, on the caller's own objects."""

from __future__ import annotations

import asyncio
import inspect
import os
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.engine.annotations import BaseAnnotation
from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.caller_stop import stoppable
from orchestra_nb.engine.direct_call import DirectCall
from orchestra_nb.engine.function_call import LazyParameters, error_info
from orchestra_nb.engine.futures import TaskFuture
from orchestra_nb.engine.printed_lines import printing_to
from orchestra_nb.engine.returned_values import LiveReturn, info_of
from orchestra_nb.engine.run_context import TaskRunContext, entered, task_run_context
from orchestra_nb.engine.run_scope import RunScope, enter_scope
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.run_states import model_state_of, state_of
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.engine.task_transactions import join_completed, task_transaction
from orchestra_nb.errors import StopTask, UpstreamFailed
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.events import Event, LogsWritten, TaskRunCreated, TaskRunStateChanged, apply_to_task
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo, LogLine, TaskRun
from orchestra_nb.model.state_machine import TaskPlan
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.tasks import Task


class CallerContext:
    """What a task may use that runs in its caller's process; :class:`~orchestra_nb.model.attempts.AttemptContext`."""

    worker = "this process"

    def __init__(self, scope: RunScope, task_run_id: str, attempt: int) -> None:
        self._scope = scope
        self._task_run_id = task_run_id
        self.attempt = attempt

    def show(self, message: Mapping[str, object]) -> None:
        """Do nothing: what is printed here is seen here."""

    def log(self, line: LogLine) -> None:
        """Record a line of the run's log, and show it."""
        ids = {"run_id": self._scope.run_id, "task_run_id": self._task_run_id}
        self._scope.driver.sink.emit(LogsWritten(lines=(msgspec.structs.replace(line, **ids),)))
        self._scope.driver.say(line.message, line.level)

    def emit(self, event: Event) -> None:
        """Pass on what happened to a child."""
        self._scope.driver.sink.emit(event)

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        """Answer from this process, which is the driver's."""
        from orchestra_nb.engine.services import answer_here

        return answer_here(question)


@dataclass(slots=True)
class _Ended:
    """How a task ended, for whoever called it."""

    state: State = State.PENDING
    message: str = ""
    value: Any = None
    error: BaseException | None = None
    interrupt: BaseException | None = None


@dataclass(slots=True)
class _Call:
    """One direct call of a task."""

    owner: Task[Any, Any]
    scope: RunScope
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    record: TaskRun
    ended: _Ended = field(default_factory=_Ended)

    @property
    def plan(self) -> TaskPlan:
        """What the state machine has to know."""
        return TaskPlan(
            task_run_id=self.record.task_run_id,
            run_id=self.record.run_id,
            name=self.record.name,
            retry=self.owner.settings.retry,
        )

    def has_completed(self) -> bool:
        """Tell whether it ended well."""
        return self.ended.state is State.COMPLETED

    def announce(self, change: TaskRunStateChanged) -> None:
        """Tell the world, and note how it ended."""
        self.scope.driver.sink.emit(change)
        self.record = apply_to_task(self.record, change)
        self.ended.state, self.ended.message = self.record.state, self.record.message
        if change.state is State.RUNNING:
            for hook in self.owner.on_running_hooks:
                state = state_of(State.RUNNING)
                self.scope.driver.call_hook(lambda hook=hook, state=state: hook(self.owner, self.record, state))  # type: ignore[misc]

    def context(self, attempt: int) -> TaskRunContext:
        """Return what the task's code may ask of itself."""
        return TaskRunContext(
            task_name=self.owner.name,
            task_run_id=self.record.task_run_id,
            name=self.record.name,
            run_id=self.scope.run_id,
            flow_name=self.scope.flow_name,
            flow_run_name=self.scope.run_name,
            run_count=attempt,
            tags=frozenset(self.record.tags),
            parameters=LazyParameters(self.owner.fn, self.args, self.kwargs),
            started_at=datetime.now(UTC),
            attempt_context=CallerContext(self.scope, self.record.task_run_id, attempt),
            flow_parameters=self.scope.flow_parameters,
        )

    def succeed(self, value: Any, started_at: datetime) -> AttemptResult:
        """Return the result of an attempt whose function returned."""
        if isinstance(value, RunState):
            ours = model_state_of(value)
            if ours is not State.COMPLETED:
                error = value.result(raise_on_failure=False)
                return self.fail(error, started_at, may_retry=True, message=value.message)
            value = value.data
        self.ended.value, self.ended.error = value, None
        live = LiveReturn(value)
        return AttemptResult(self._outcome(State.COMPLETED, started_at, values=info_of(value, live)), (live,))

    def fail(
        self, error: BaseException, started_at: datetime, may_retry: bool | None = None, message: str | None = None
    ) -> AttemptResult:
        """Return the result of an attempt whose function raised."""
        self.ended.error = error
        if may_retry is None:
            condition = self.owner._retry_condition()
            may_retry = condition is None or condition(error)
        info = error_info(error, self.owner.fn, self.record.name)
        if message:
            info = ErrorInfo(type=info.type, message=message[:2000], cell=info.cell)
        return AttemptResult(self._outcome(State.FAILED, started_at, error=info, may_retry=may_retry))

    def stop(self, switch: StopSwitch, error: StopTask, started_at: datetime) -> AttemptResult:
        """Return the result of an attempt that was stopped."""
        self.ended.error = None
        if switch.stopped_for is None:
            return self.fail(error, started_at)
        state = State(switch.stopped_for)
        message = None
        if state is State.TIMED_OUT:
            seconds = self.owner.settings.timeout_seconds
            message = ErrorInfo(type="TaskTimedOut", message=f"ran longer than {seconds:g} s")
        return AttemptResult(self._outcome(state, started_at, error=message))

    def interrupted(self, error: BaseException, started_at: datetime) -> AttemptResult:
        """Return the result of an attempt that Ctrl-C ended."""
        self.ended.interrupt = error
        return AttemptResult(self._outcome(State.CANCELLED, started_at))

    def _outcome(self, state: State, started_at: datetime, **fields: Any) -> Outcome:
        return Outcome(
            state=state,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            worker=CallerContext.worker,
            pid=os.getpid(),
            **fields,
        )

    def finish(self, return_state: bool) -> Any:
        """Call hooks, and return the value or the state, or raise."""
        state = self.final_state()
        self._call_hooks(state)
        if self.scope.own_run is not None:
            self.scope.own_run.end([self.record])
            self.scope.driver.sink.flush(30.0)
        if self.ended.interrupt is not None:
            raise self.ended.interrupt
        if return_state:
            return state
        return state.result()

    def final_state(self) -> RunState[Any]:
        """Return the state as users see it."""
        message = self.ended.message
        if self.ended.state is State.COMPLETED:
            return state_of(State.COMPLETED, message, self.ended.value, is_cached=self.record.is_cached)
        if self.ended.error is not None:
            return state_of(self.ended.state, message, self.ended.error)
        return state_of(self.ended.state, f"Task {self.record.name}: {message}")

    def _call_hooks(self, state: RunState[Any]) -> None:
        hooks = self.owner.on_completion_hooks if state.is_completed() else self.owner.on_failure_hooks
        if state.is_cancelled() or not hooks:
            return
        for hook in hooks:
            self.scope.driver.call_hook(lambda hook=hook: hook(self.owner, self.record, state))  # type: ignore[misc]
        self.scope.driver.finish_hooks()


@contextmanager
def _begun(owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Any) -> Iterator[_Call]:
    """Make the record of a call, with its arguments resolved."""
    with enter_scope(owner.name) as scope:
        now = datetime.now(UTC)
        record = TaskRun(
            task_run_id=new_id(now, secrets.randbits(74)),
            run_id=scope.run_id,
            name=owner.run_name(scope, args, kwargs),
            state=State.PENDING,
            created_at=now,
            max_attempts=1 + owner.settings.retry.retries,
            upstream=tuple(_upstream_ids((args, kwargs, wait_for))),
            tags=dict.fromkeys(sorted(owner.tags_now(scope)), ""),
        )
        scope.driver.sink.emit(TaskRunCreated(task_run=record))
        call = _Call(owner, scope, args, kwargs, record)
        try:
            call.args, call.kwargs = _resolve(args, kwargs, wait_for)
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"[:2000]
            call.announce(
                TaskRunStateChanged(
                    run_id=scope.run_id,
                    task_run_id=record.task_run_id,
                    state=State.UPSTREAM_FAILED if isinstance(error, Exception) else State.CANCELLED,
                    at=datetime.now(UTC),
                    message=message,
                )
            )
            raise
        yield call


def call_sync(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], return_state: bool, wait_for: Any
) -> Any:
    """Run a task of a plain function."""
    with _begun(owner, args, kwargs, wait_for) as call, task_transaction(owner, call.has_completed):
        DirectCall(call.plan, call.announce, CallerContext.worker).run(lambda attempt: _attempt(call, attempt))
        return call.finish(return_state)


def _attempt(call: _Call, attempt: int) -> AttemptResult:
    started_at = datetime.now(UTC)
    context = call.context(attempt)
    with stoppable(call.owner.settings.timeout_seconds) as switch:
        try:
            with entered(task_run_context, context), _prints(call, context):
                return call.succeed(switch.run(lambda: call.owner.fn(*call.args, **call.kwargs)), started_at)
        except StopTask as error:
            return call.stop(switch, error, started_at)
        except (KeyboardInterrupt, GeneratorExit) as error:
            return call.interrupted(error, started_at)
        except BaseException as error:
            return call.fail(error, started_at)


async def call_async(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], return_state: bool, wait_for: Any
) -> Any:
    """Run a task of a coroutine function."""
    with _begun(owner, args, kwargs, wait_for) as call, task_transaction(owner, call.has_completed):

        async def attempt(number: int) -> AttemptResult:
            started_at = datetime.now(UTC)
            context = call.context(number)
            seconds = owner.settings.timeout_seconds
            try:
                with entered(task_run_context, context), _prints(call, context):
                    async with asyncio.timeout(seconds) as limit:
                        value = await owner.fn(*call.args, **call.kwargs)
                    return call.succeed(value, started_at)
            except TimeoutError as error:
                if limit.expired():
                    switch = StopSwitch()
                    switch.stop(State.TIMED_OUT.value)
                    return call.stop(switch, StopTask(), started_at)
                return call.fail(error, started_at)
            except (KeyboardInterrupt, asyncio.CancelledError) as error:
                return call.interrupted(error, started_at)
            except BaseException as error:
                return call.fail(error, started_at)

        await DirectCall(call.plan, call.announce, CallerContext.worker).run_async(attempt)
        return call.finish(return_state)


def call_generator(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Any
) -> Generator[Any, Any, Any]:
    """Run a task of a generator function: it runs while somebody reads it, and is not repeated."""
    with _begun(owner, args, kwargs, wait_for) as call:
        started_at = datetime.now(UTC)
        context = call.context(1)
        values: list[Any] = []
        run = DirectCall(call.plan, call.announce, CallerContext.worker)
        steps = run._steps()
        start = next(steps)
        generator = owner.fn(*call.args, **call.kwargs)
        result: AttemptResult
        try:
            while True:
                with entered(task_run_context, context), _prints(call, context):
                    try:
                        value = next(generator)
                    except StopIteration as end:
                        result = call.succeed(end.value, started_at)
                        break
                values.append(None)
                yield value
        except GeneratorExit as error:
            generator.close()
            result = call.interrupted(error, started_at)
        except BaseException as error:
            result = call.fail(error, started_at, may_retry=False)
        run._finish(start, result)  # type: ignore[arg-type]
        for _ in steps:
            break
        call.ended.interrupt = None if isinstance(call.ended.interrupt, GeneratorExit) else call.ended.interrupt
        if call.has_completed():
            join_completed(owner)
        if call.ended.state is State.CANCELLED and call.ended.error is None:
            call.finish(return_state=True)
            return None
        return call.finish(return_state=False)


@contextmanager
def _prints(call: _Call, context: TaskRunContext) -> Iterator[None]:
    is_logged = call.scope.log_prints if call.owner.log_prints is None else call.owner.log_prints
    if is_logged and context.attempt_context is not None:
        with printing_to(context.attempt_context, is_logged=True):
            yield
    else:
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
    from orchestra_nb.engine.annotations import allow_failure, quote

    def value_of(leaf: Any, is_allowed: bool) -> Any:
        if isinstance(leaf, allow_failure):
            return replace_leaves(leaf.value, lambda inner: value_of(inner, True))
        if isinstance(leaf, BaseAnnotation):
            return leaf
        if isinstance(leaf, TaskFuture):
            return _result_of(leaf, is_allowed)
        if isinstance(leaf, RunState):
            return leaf.result(raise_on_failure=not is_allowed)
        return leaf

    if wait_for is not None:
        replace_leaves(
            [wait_for] if isinstance(wait_for, TaskFuture) else list(wait_for), lambda leaf: value_of(leaf, False)
        )
    args, kwargs = replace_leaves((args, dict(kwargs)), lambda leaf: value_of(leaf, False))
    args = tuple(value.value if isinstance(value, quote) else value for value in args)
    kwargs = {name: value.value if isinstance(value, quote) else value for name, value in kwargs.items()}
    return args, kwargs


def _result_of(future: TaskFuture[Any], is_allowed: bool) -> Any:
    future.wait()
    state = future.state
    if state.is_completed() or is_allowed:
        return future.result(raise_on_failure=False)
    raise UpstreamFailed(f"{future.task_run.name} did not complete: {state}") from state.result(raise_on_failure=False)


def _upstream_ids(arguments: Any) -> list[str]:
    ids: dict[str, None] = {}

    def note(leaf: Any) -> Any:
        if isinstance(leaf, TaskFuture):
            ids[leaf.task_run_id] = None
        elif isinstance(leaf, BaseAnnotation):
            replace_leaves(leaf.value, note)
        return leaf

    replace_leaves(arguments, note)
    return list(ids)


#: For type checkers: the kinds of function that a task may have.
FunctionKinds = Callable[..., Any] | inspect.Signature
