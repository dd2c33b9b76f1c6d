"""Runs a task where it is called: recorded, retried and timed out like any other, on the caller's own objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.caller_stop import coroutine_switch, stoppable
from orchestra_nb.engine.direct_call import DirectCall
from orchestra_nb.engine.function_call import (
    cached_or_computed,
    read_async,
    read_generator,
)
from orchestra_nb.engine.run_context import TaskRunContext, entered, task_run_context
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.task_call import TaskCall, begin_call, own_words
from orchestra_nb.engine.task_transactions import join_completed, task_transaction
from orchestra_nb.engine.user_frames import HIDDEN_FRAMES
from orchestra_nb.errors import StopTask
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.tasks import Task


def call_sync(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], return_state: bool, wait_for: Any
) -> Any:
    """Run a task of a plain function."""
    with begin_call(owner, args, kwargs, wait_for) as call, task_transaction(owner, call.has_completed):
        call.resolve(wait_for)
        if call.ended.state.is_terminal:
            return call.finish(return_state)
        direct = call.direct()
        direct.run(lambda attempt: _attempt(call, direct, attempt))
        return call.finish(return_state, direct.interrupt)


def _attempt(call: TaskCall, direct: DirectCall, attempt: int) -> AttemptResult:
    context = call.context(attempt)
    with stoppable(call.owner.settings.timeout_seconds) as switch:
        try:
            with entered(task_run_context, context), own_words(call, context), call.stopped_by(switch, direct):
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
        begin_call(owner, args, kwargs, wait_for) as call,
        task_transaction(owner, call.has_completed),
    ):
        await call.resolve_async(wait_for)

        async def attempt(number: int) -> AttemptResult:
            context = call.context(number)
            limit = asyncio.timeout(owner.settings.timeout_seconds)
            switch = coroutine_switch()
            try:
                with entered(task_run_context, context), own_words(call, context), call.stopped_by(switch, direct):
                    async with limit:
                        is_cached, value = await _cached_or_awaited(call, context)
                return call.succeed(value, context, is_cached)
            except TimeoutError as error:
                if limit.expired():
                    return call.stop(State.TIMED_OUT.value, error, context)
                return call.fail(error, context)
            except (StopTask, KeyboardInterrupt, asyncio.CancelledError) as error:
                if switch.stopped_for is not None and (task := asyncio.current_task()) is not None:
                    task.uncancel()
                return call.stop(switch.stopped_for, error, context)
            except BaseException as error:
                return call.fail(error, context)

        if call.ended.state.is_terminal:
            return await asyncio.to_thread(call.finish, return_state)
        direct = call.direct()
        await direct.run_async(attempt)
        return await asyncio.to_thread(call.finish, return_state, direct.interrupt)


async def _cached_or_awaited(call: TaskCall, context: TaskRunContext) -> tuple[bool, Any]:
    """Do what :func:`cached_or_computed` does, for a coroutine function, without holding up the event loop."""
    cache = call.cache
    entry = cache.lookup(context) if cache is not None else None
    if entry is None:
        return False, await read_async(call.owner.body(*call.args, **call.kwargs))
    is_there, value = await asyncio.to_thread(entry.find)
    if is_there:
        return True, value
    with entry.computing():
        value = await read_async(call.owner.body(*call.args, **call.kwargs))
        if not isinstance(value, RunState):
            await asyncio.to_thread(entry.keep, value)
    return False, value


def call_generator(
    owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Any
) -> Generator[Any, Any, Any]:
    """Run a task of a generator function: it runs while somebody reads it, and is not repeated."""
    with begin_call(owner, args, kwargs, wait_for, is_read=True) as call:
        call.resolve(wait_for)
        if call.ended.state.is_terminal:
            return call.finish(return_state=False)
        call.scope.note_taken(call.record.task_run_id)  # what it yields comes before its end
        direct, context = call.direct(), call.context(1)
        started = direct.begin()
        generator = owner.body(*call.args, **call.kwargs)
        given: Any = None
        try:
            while True:
                with entered(task_run_context, context), own_words(call, context):
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
    with begin_call(owner, args, kwargs, wait_for, is_read=True) as call:
        await call.resolve_async(wait_for)
        if call.ended.state.is_terminal:
            await asyncio.to_thread(call.finish, False)
            return
        call.scope.note_taken(call.record.task_run_id)  # what it yields comes before its end
        direct, context = call.direct(), call.context(1)
        started = direct.begin()
        generator = owner.body(*call.args, **call.kwargs)
        given: Any = None
        try:
            while True:
                with entered(task_run_context, context), own_words(call, context):
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
        await asyncio.to_thread(call.finish, False)
