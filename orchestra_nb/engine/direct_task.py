"""Runs a task where it is called: recorded, retried and timed out like any other, on the caller's own objects."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.engine.annotations import BaseAnnotation, allow_failure
from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.caller_stop import stoppable
from orchestra_nb.engine.direct_call import DirectCall
from orchestra_nb.engine.function_call import (
    LazyParameters,
    cached_or_computed,
    error_info,
    may_repeat,
    read_generator,
    unquoted,
)
from orchestra_nb.engine.futures import TaskFuture
from orchestra_nb.engine.life_lines import tell_direct_task
from orchestra_nb.engine.printed_lines import printing_to, printing_unlogged
from orchestra_nb.engine.returned_values import LiveReturn, info_of
from orchestra_nb.engine.run_context import TaskRunContext, entered, task_run_context
from orchestra_nb.engine.run_hooks import call_hooks
from orchestra_nb.engine.run_scope import RunScope, end_hooks, enter_scope
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.run_states import model_state_of, state_of
from orchestra_nb.engine.services import asking_as
from orchestra_nb.engine.task_transactions import join_completed, task_transaction
from orchestra_nb.engine.user_frames import HIDDEN_FRAMES, without_own_frames
from orchestra_nb.errors import StopTask, TaskTimedOut, UpstreamFailed
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.events import Event, LogsWritten, TaskRunCreated, TaskRunStateChanged, apply_to_task
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import ErrorInfo, LogLine, TaskRun
from orchestra_nb.model.state_machine import TaskPlan
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


@dataclass(slots=True)
class _Ended:
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
class _Call:
    """One direct call of a task."""

    owner: Task[Any, Any]
    scope: RunScope
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    record: TaskRun
    asset_lineage: tuple[str, ...] = ()
    ended: _Ended = field(default_factory=_Ended)

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
            self.scope.driver.watch_run(self.scope.run_id, direct.cancel)
        return direct

    def has_completed(self) -> bool:
        """Tell whether it ended well."""
        return self.ended.state is State.COMPLETED

    def announce(self, change: TaskRunStateChanged) -> None:
        """Tell the world, and note how it ended."""
        self.scope.driver.sink.emit(change)
        self.record = apply_to_task(self.record, change)
        self.ended.state, self.ended.message = self.record.state, self.record.message
        tell_direct_task(self.scope.driver, self.record)
        if change.state is State.RUNNING:
            self._call_hooks(self.owner.on_running_hooks, state_of(State.RUNNING))

    def context(self, attempt: int) -> TaskRunContext:
        """Return what the task's code may ask of itself."""
        return TaskRunContext(
            task_name=self.owner.name,
            task_run_id=self.record.task_run_id,
            name=self.record.name,
            flow=self.scope.flow,
            run_count=attempt,
            tags=frozenset(self.record.tags),
            parameters=LazyParameters(self.owner.fn, self.args, self.kwargs),
            started_at=datetime.now(UTC),
            attempt_context=CallerContext(self.scope, self.record, attempt),
            asset_lineage=self.asset_lineage,
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

    @property
    def cache(self) -> TaskCache | None:
        """Where the results of this task are kept."""
        return self.owner.cache(self.scope)

    def succeed(self, value: Any, context: TaskRunContext, is_cached: bool = False) -> AttemptResult:
        """Return the result of an attempt whose function returned."""
        if isinstance(value, RunState):
            if not value.is_completed():
                ours = model_state_of(value)
                end = ours if ours in (State.CANCELLED, State.TIMED_OUT) else State.FAILED
                return self.fail(value.exception(), context, end, value.message)
            self.ended.returned = value
            value = value.data
        self.ended.value, self.ended.error = value, None
        if (flow := self.scope.flow_context) is not None:
            flow.made_assets.note(value, self.owner.asset_keys(self.asset_lineage))
        live = LiveReturn(value)
        values = info_of(value, live)
        return AttemptResult(self._outcome(State.COMPLETED, context, values=values, is_cached=is_cached), (live,))

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
            info = msgspec.structs.replace(info, message=message[:2000])
        return AttemptResult(self._outcome(state, context, error=info, may_retry=may_retry))

    def stop(self, stopped_for: str | None, error: BaseException, context: TaskRunContext) -> AttemptResult:
        """Return the result of an attempt that was stopped: itself, or what called it."""
        self.ended.error = None
        if stopped_for != State.TIMED_OUT.value:
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
def _begun(owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Any) -> Iterator[_Call]:
    """Make the record of a call, and wait for the futures in its arguments.

    Where one of them did not complete, the call has ended: its code is not run.
    """
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
        call = _Call(owner, scope, args, kwargs, record, owner.asset_lineage(scope, args, kwargs, wait_for))
        try:
            call.args, call.kwargs = _resolve(args, kwargs, wait_for)
        except BaseException as error:
            call.not_ready(error)
        yield call


def call_sync(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], return_state: bool, wait_for: Any
) -> Any:
    """Run a task of a plain function."""
    with _begun(owner, args, kwargs, wait_for) as call, task_transaction(owner, call.has_completed):
        if call.ended.state.is_terminal:
            return call.finish(return_state)
        direct = call.direct()
        direct.run(lambda attempt: _attempt(call, attempt))
        return call.finish(return_state, direct.interrupt)


def _attempt(call: _Call, attempt: int) -> AttemptResult:
    context = call.context(attempt)
    with stoppable(call.owner.settings.timeout_seconds) as switch:
        try:
            with entered(task_run_context, context), _own_words(call, context):
                is_cached, value = switch.run(
                    lambda: cached_or_computed(
                        call.cache, context, lambda: read_generator(call.owner.body(*call.args, **call.kwargs))
                    )
                )
            return call.succeed(value, context, is_cached)
        except (StopTask, KeyboardInterrupt) as error:
            return call.stop(switch.stopped_for, error, context)
        except BaseException as error:
            return call.fail(error, context)


async def call_async(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], return_state: bool, wait_for: Any
) -> Any:
    """Run a task of a coroutine function."""
    with (
        HIDDEN_FRAMES,
        _begun(owner, args, kwargs, wait_for) as call,
        task_transaction(owner, call.has_completed),
    ):

        async def attempt(number: int) -> AttemptResult:
            context = call.context(number)
            limit = asyncio.timeout(owner.settings.timeout_seconds)
            try:
                with entered(task_run_context, context), _own_words(call, context):
                    async with limit:
                        is_cached, value = await _cached_or_awaited(call, context)
                return call.succeed(value, context, is_cached)
            except TimeoutError as error:
                if limit.expired():
                    return call.stop(State.TIMED_OUT.value, error, context)
                return call.fail(error, context)
            except (StopTask, KeyboardInterrupt, asyncio.CancelledError) as error:
                return call.stop(None, error, context)
            except BaseException as error:
                return call.fail(error, context)

        if call.ended.state.is_terminal:
            return call.finish(return_state)
        direct = call.direct()
        await direct.run_async(attempt)
        return call.finish(return_state, direct.interrupt)


async def _cached_or_awaited(call: _Call, context: TaskRunContext) -> tuple[bool, Any]:
    """Do what :func:`cached_or_computed` does, for a coroutine function, without holding up the event loop."""
    cache = call.cache
    entry = cache.lookup(context) if cache is not None else None
    if entry is None:
        return False, await call.owner.body(*call.args, **call.kwargs)
    is_there, value = await asyncio.to_thread(entry.find)
    if is_there:
        return True, value
    with entry.computing():
        value = await call.owner.body(*call.args, **call.kwargs)
        if not isinstance(value, RunState):
            await asyncio.to_thread(entry.keep, value)
    return False, value


def call_generator(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Any
) -> Generator[Any, Any, Any]:
    """Run a task of a generator function: it runs while somebody reads it, and is not repeated."""
    with _begun(owner, args, kwargs, wait_for) as call:
        if call.ended.state.is_terminal:
            return call.finish(return_state=False)
        direct, context = call.direct(), call.context(1)
        started = direct.begin()
        generator = owner.body(*call.args, **call.kwargs)
        given: Any = None
        try:
            while True:
                with entered(task_run_context, context), _own_words(call, context):
                    try:
                        value = generator.send(given)
                    except StopIteration as end:
                        result = call.succeed(end.value, context)
                        break
                given = yield value
        except GeneratorExit as error:  # whoever read it has enough
            generator.close()
            direct.end(started, call.stop(None, error, context))
            call.finish(return_state=True)
        except (StopTask, KeyboardInterrupt) as error:
            result = call.stop(None, error, context)
        except BaseException as error:
            result = call.fail(error, context, is_final=True)
        direct.end(started, result)
        if call.has_completed():
            join_completed(owner)
        return call.finish(return_state=False)


async def call_async_generator(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Any
) -> AsyncGenerator[Any, Any]:
    """Run a task of an asynchronous generator function: it runs while somebody reads it, and is not repeated."""
    with _begun(owner, args, kwargs, wait_for) as call:
        if call.ended.state.is_terminal:
            call.finish(return_state=False)
            return
        direct, context = call.direct(), call.context(1)
        started = direct.begin()
        generator = owner.body(*call.args, **call.kwargs)
        given: Any = None
        try:
            while True:
                with entered(task_run_context, context), _own_words(call, context):
                    try:
                        value = await generator.asend(given)
                    except StopAsyncIteration:
                        result = call.succeed(None, context)
                        break
                given = yield value
        except GeneratorExit as error:
            await generator.aclose()
            direct.end(started, call.stop(None, error, context))
            call.finish(return_state=True)
        except (StopTask, KeyboardInterrupt, asyncio.CancelledError) as error:
            result = call.stop(None, error, context)
        except BaseException as error:
            result = call.fail(error, context, is_final=True)
        direct.end(started, result)
        if call.has_completed():
            join_completed(owner)
        call.finish(return_state=False)


@contextmanager
def _own_words(call: _Call, context: TaskRunContext) -> Iterator[None]:
    """Let what is printed and asked inside be the task's."""
    is_logged = call.scope.log_prints if call.owner.log_prints is None else call.owner.log_prints
    with asking_as(Asker(run_id=call.record.run_id, task_run_id=call.record.task_run_id)):
        if is_logged and context.attempt_context is not None:
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
        replace_leaves([wait_for] if isinstance(wait_for, TaskFuture) else list(wait_for), _awaited)
    args, kwargs = replace_leaves((args, dict(kwargs)), _awaited)
    return unquoted(args, kwargs)


def _awaited(leaf: Any, is_failure_allowed: bool = False) -> Any:
    """Return the value of a future or a state; anything else as it is."""
    if isinstance(leaf, allow_failure):
        return replace_leaves(leaf.value, lambda inner: _awaited(inner, is_failure_allowed=True))
    if isinstance(leaf, TaskFuture):
        leaf.wait()
        return _value_of(leaf.state, leaf.task_run.name, is_failure_allowed)
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


def describe(error: BaseException) -> str:
    """Return an exception in one line."""
    return f"{type(error).__name__}: {error}"
