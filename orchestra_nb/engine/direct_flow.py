"""Runs a flow where it is called: its attempts, its tasks, and what it ends in."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Generator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.asked_suspension import SuspendFlow
from orchestra_nb.engine.caller_stop import coroutine_switch, stoppable
from orchestra_nb.engine.flow_call import FlowCall, begin_call, entered_call, resolve_async
from orchestra_nb.engine.function_call import read_async, read_generator
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.user_frames import HIDDEN_FRAMES
from orchestra_nb.errors import StopTask
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.flows import Flow


def call_sync(owner: Flow[Any, Any], bound: inspect.BoundArguments, return_state: bool, wait_for: Any) -> Any:
    """Run a flow of a plain function."""
    with begin_call(owner, bound, wait_for) as call:
        suspended: SuspendFlow | None = None
        try:
            call.direct.run(lambda attempt: _attempt(call, attempt))
        except SuspendFlow as signal:
            suspended = signal
        # outside of the handler: what is raised now has nothing to do with how the body was left
        return call.finish(return_state) if suspended is None else call.suspend(suspended, return_state)


def _attempt(call: FlowCall, attempt: int) -> AttemptResult:
    started_at = datetime.now(UTC)
    call.begin_attempt(attempt)

    def body() -> RunState[Any]:
        try:
            value = read_generator(call.owner.fn(*call.bound.args, **call.bound.kwargs))
        except Exception:
            call.wait_for_tasks()  # they belong to this attempt, not to the next one
            raise
        return call.end_of(value)

    with stoppable(call.owner.timeout_seconds) as switch:
        call.stop_by(switch)
        try:
            with entered_call(call):
                state = switch.run(body)
            return call.succeed(state, started_at)
        except SuspendFlow as signal:
            if signal.run_id == call.run.run_id:
                raise
            call.wait_for_tasks()
            return call.stopped(None, signal, started_at)
        except (StopTask, KeyboardInterrupt) as error:
            return call.stopped(switch.stopped_for, error, started_at)
        except BaseException as error:
            return call.fail(error, started_at)
        finally:
            call.switch = None


async def call_async(owner: Flow[Any, Any], bound: inspect.BoundArguments, return_state: bool, wait_for: Any) -> Any:
    """Run a flow of a coroutine function."""
    taken = await resolve_async(bound, wait_for)
    with HIDDEN_FRAMES, begin_call(owner, bound, None, taken) as call:

        async def attempt(number: int) -> AttemptResult:
            started_at = datetime.now(UTC)
            call.begin_attempt(number)
            limit = asyncio.timeout(owner.timeout_seconds)
            switch = coroutine_switch()
            call.stop_by(switch)
            try:
                with entered_call(call), closing(switch):
                    async with limit:
                        try:
                            value = await read_async(owner.fn(*bound.args, **bound.kwargs))
                        except Exception:
                            await asyncio.to_thread(call.wait_for_tasks)
                            raise
                        state = await asyncio.to_thread(call.end_of, value)
                return call.succeed(state, started_at)
            except SuspendFlow as signal:
                if signal.run_id == call.run.run_id:
                    raise
                await asyncio.to_thread(call.wait_for_tasks)
                return call.stopped(None, signal, started_at)
            except TimeoutError as error:
                if limit.expired():
                    return call.stopped(State.TIMED_OUT.value, error, started_at)
                return call.fail(error, started_at)
            except (asyncio.CancelledError, KeyboardInterrupt, StopTask) as error:
                if switch.stopped_for is not None and (task := asyncio.current_task()) is not None:
                    task.uncancel()
                return call.stopped(switch.stopped_for, error, started_at)
            except BaseException as error:
                return call.fail(error, started_at)
            finally:
                call.switch = None

        suspended: SuspendFlow | None = None
        try:
            await call.direct.run_async(attempt)
        except SuspendFlow as signal:
            suspended = signal
        if suspended is not None:
            return await asyncio.to_thread(call.suspend, suspended, return_state)
        return await asyncio.to_thread(call.finish, return_state)


def call_generator(owner: Flow[Any, Any], bound: inspect.BoundArguments, wait_for: Any) -> Generator[Any, Any, Any]:
    """Run a flow of a generator function: it runs while somebody reads it, and is not repeated."""
    with begin_call(owner, bound, wait_for) as call:
        started_at = datetime.now(UTC)
        started = call.direct.begin()
        generator = owner.fn(*bound.args, **bound.kwargs)
        given: Any = None
        try:
            while True:
                with entered_call(call):
                    try:
                        value = generator.send(given)
                    except StopIteration as end:
                        result = call.succeed(call.end_of(end.value), started_at)
                        break
                given = yield value
        except GeneratorExit as error:  # whoever read it has enough
            generator.close()
            result = call.stopped(None, error, started_at)
        except (StopTask, KeyboardInterrupt, SuspendFlow) as error:
            result = call.stopped(None, error, started_at)
        except BaseException as error:
            result = call.fail(error, started_at, is_final=True)
        call.direct.end(started, result)
        return call.finish(return_state=False)


async def call_async_generator(
    owner: Flow[Any, Any], bound: inspect.BoundArguments, wait_for: Any
) -> AsyncGenerator[Any, Any]:
    """Run a flow of an asynchronous generator function: it runs while somebody reads it, and is not repeated."""
    taken = await resolve_async(bound, wait_for)
    with begin_call(owner, bound, None, taken) as call:
        started_at = datetime.now(UTC)
        started = call.direct.begin()
        generator = owner.fn(*bound.args, **bound.kwargs)
        given: Any = None
        try:
            while True:
                with entered_call(call):
                    try:
                        value = await generator.asend(given)
                    except StopAsyncIteration:
                        result = call.succeed(await asyncio.to_thread(call.end_of, None), started_at)
                        break
                given = yield value
        except GeneratorExit as error:
            await generator.aclose()
            result = call.stopped(None, error, started_at)
        except (StopTask, KeyboardInterrupt, asyncio.CancelledError, SuspendFlow) as error:
            result = call.stopped(None, error, started_at)
        except BaseException as error:
            result = call.fail(error, started_at, is_final=True)
        call.direct.end(started, result)
        await asyncio.to_thread(call.finish, False)
