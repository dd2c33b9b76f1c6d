"""Runs a flow where it is called: its record, its attempts, its tasks, and what it ends in."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.caller_stop import stoppable
from orchestra_nb.engine.dead_flows import bury_flow
from orchestra_nb.engine.direct_call import DirectCall
from orchestra_nb.engine.drivers import Driver, current_driver
from orchestra_nb.engine.flow_suspension import SuspendFlow, leave_suspended
from orchestra_nb.engine.function_call import error_info
from orchestra_nb.engine.futures import TaskFuture
from orchestra_nb.engine.printed_lines import printing_to
from orchestra_nb.engine.reruns import take_continued_run
from orchestra_nb.engine.run_codes import record_code, stop_loading
from orchestra_nb.engine.run_context import (
    FlowRunContext,
    current_tags,
    entered,
    flow_run_context,
    task_run_context,
)
from orchestra_nb.engine.run_records import create_run, end_run
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.run_states import conclude_states, model_state_of, state_of
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.engine.tasks import make_run_name
from orchestra_nb.errors import InvalidParameters, StopTask
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.events import Event, LogsWritten, RunStateChanged, TaskRunStateChanged
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo, LogLine, Run, RunKind
from orchestra_nb.model.state_machine import TaskPlan
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.flows import Flow

#: How long the end of a flow waits for its events to be durable.
_FLUSH_SECONDS = 60.0
#: How long tasks that were stopped with their flow may take to end.
_STOP_SECONDS = 10.0


class FlowContextOfPrints:
    """What prints of a flow's body go to."""

    worker = "this process"

    def __init__(self, driver: Driver, run: Run) -> None:
        self._driver = driver
        self._run = run

    def show(self, message: Mapping[str, object]) -> None:
        """Do nothing: what is printed here is seen here."""

    def log(self, line: LogLine) -> None:
        """Record a line, and show it."""
        record = LogLine(
            run_id=self._run.run_id, at=line.at, message=line.message, level=line.level, logger=line.logger
        )
        self._driver.sink.emit(LogsWritten(lines=(record,)))
        self._driver.say(line.message, line.level)

    def emit(self, event: Event) -> None:
        """Pass on an event."""
        self._driver.sink.emit(event)

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        """Answer from this process, which is the driver's."""
        from orchestra_nb.engine.services import answer_here

        return answer_here(question)


@dataclass(slots=True)
class _FlowCall:
    """One call of a flow."""

    owner: Flow[Any, Any]
    bound: inspect.BoundArguments
    driver: Driver
    run: Run
    context: FlowRunContext
    state: RunState[Any] | None = None
    interrupt: BaseException | None = None
    switch: StopSwitch | None = None
    direct: DirectCall | None = None
    cancel_reason: str = ""
    last_change: RunStateChanged | None = None
    seen_running: bool = False
    hooked: list[str] = field(default_factory=list)

    def announce(self, change: TaskRunStateChanged) -> None:
        """Tell the world what the state machine says of the flow, but for its end, which comes after its tasks' ends."""
        self.last_change = RunStateChanged(
            run_id=self.run.run_id, state=change.state, at=change.at, message=change.message, actor=change.actor
        )
        if change.state is State.RUNNING and not self.seen_running:
            self.seen_running = True  # the run was created as RUNNING
        elif not change.state.is_terminal:
            self.driver.sink.emit(self.last_change)
        if change.state is State.RUNNING:
            self._call_hooks(self.owner.on_running_hooks, state_of(State.RUNNING))

    def cancel(self, reason: str) -> None:
        """Stop the body and all tasks of the run; in any thread."""
        self.cancel_reason = reason
        if self.direct is not None:
            self.direct.cancel(reason)
        self.cancel_tasks(reason)
        if self.switch is not None:
            self.switch.stop(State.CANCELLED.value)

    def cancel_tasks(self, reason: str) -> None:
        """Stop the submitted tasks that have not ended."""
        open_tasks = list(self.context.open_tasks)
        if open_tasks:
            self.driver.flow_runner(self.context.task_runner).cancel(open_tasks, reason)

    def wait_for_tasks(self, timeout_seconds: float | None = None) -> None:
        """Wait until all submitted tasks have ended."""
        while open_tasks := list(self.context.open_tasks):
            runner = self.driver.flow_runner(self.context.task_runner)
            if not runner.wait(open_tasks, timeout_seconds):
                return
            self.context.open_tasks.difference_update(open_tasks)

    def succeed(self, value: Any, started_at: datetime) -> AttemptResult:
        """Return the result of an attempt whose body returned: the rule of the final state."""
        state = _final_state(value)
        self.state = state
        ours = model_state_of(state)
        if ours is State.COMPLETED:
            return AttemptResult(self._outcome(State.COMPLETED, started_at))
        info = ErrorInfo(type=state.name, message=(state.message or "")[:2000])
        end = ours if ours in (State.FAILED, State.CANCELLED, State.TIMED_OUT) else State.FAILED
        return AttemptResult(self._outcome(end, started_at, error=info))

    def fail(self, error: BaseException, started_at: datetime) -> AttemptResult:
        """Return the result of an attempt whose body raised."""
        info = error_info(error, self.owner.fn, self.owner.name)
        message = f"Flow run encountered an exception: {info.type}: {info.message}"
        self.state = state_of(State.FAILED, message, error)
        return AttemptResult(self._outcome(State.FAILED, started_at, error=info))

    def stopped(self, switch: StopSwitch, error: StopTask, started_at: datetime) -> AttemptResult:
        """Return the result of an attempt that was stopped."""
        if switch.stopped_for is None:
            return self.fail(error, started_at)
        state = State(switch.stopped_for)
        if state is State.TIMED_OUT:
            message = f"ran longer than {self.owner.timeout_seconds:g} s"
            self.cancel_tasks(f"its flow {message}")
            self.state = state_of(state, f"Flow {self.run.name} {message}")
            info = ErrorInfo(type="TaskTimedOut", message=message)
            return AttemptResult(self._outcome(state, started_at, error=info))
        self.state = state_of(state, self.cancel_reason or "cancelled")
        return AttemptResult(self._outcome(state, started_at))

    def interrupted(self, error: BaseException, started_at: datetime) -> AttemptResult:
        """Return the result of an attempt that Ctrl-C ended: its tasks end, too."""
        self.interrupt = error
        self.cancel_tasks("the flow was interrupted")
        self.state = state_of(State.CANCELLED, "interrupted")
        return AttemptResult(self._outcome(State.CANCELLED, started_at))

    def _outcome(self, state: State, started_at: datetime, **fields: Any) -> Outcome:
        return Outcome(
            state=state, started_at=started_at, ended_at=datetime.now(UTC), worker="", pid=os.getpid(), **fields
        )

    def finish(self, return_state: bool) -> Any:
        """End the run, call its hooks, and return the value or the state, or raise."""
        assert self.last_change is not None
        is_stopped = self.interrupt is not None or self.last_change.state in (State.CANCELLED, State.TIMED_OUT)
        self.wait_for_tasks(_STOP_SECONDS if is_stopped else None)
        self.driver.forget_run(self.run.run_id)
        end, message = self.last_change.state, self.last_change.message
        state = self.state if self.state is not None else state_of(end, message)
        if end is State.CANCELLED and not state.is_cancelled():
            state = state_of(end, message)
        end_run(self.driver, self.run, end, message or self._message_of(state), datetime.now(UTC))
        error = state.data if isinstance(state.data, BaseException) else None
        bury_flow(self.owner, self.context, end, message or self._message_of(state), error)
        self._call_hooks(self._end_hooks(state), state)
        self.driver.finish_hooks()
        if self.run.parent_run_id is None:
            self.driver.sink.flush(_FLUSH_SECONDS)
        if self.interrupt is not None:
            raise self.interrupt
        return state if return_state else state.result()

    def suspend(self, signal: SuspendFlow, return_state: bool) -> Any:
        """Leave the run for somebody to resume, when its tasks have ended."""
        self.wait_for_tasks()
        self.driver.forget_run(self.run.run_id)
        return leave_suspended(self.context, signal, return_state)

    def _message_of(self, state: RunState[Any]) -> str:
        return "" if state.is_completed() and state.name == "Completed" else state.message or ""

    def _end_hooks(self, state: RunState[Any]) -> list[Any]:
        owner = self.owner
        if state.is_completed():
            return owner.on_completion_hooks
        if state.is_cancelled():
            return owner.on_cancellation_hooks
        return owner.on_crashed_hooks if state.is_crashed() else owner.on_failure_hooks

    def _call_hooks(self, hooks: list[Any], state: RunState[Any]) -> None:
        for hook in hooks:
            self.driver.call_hook(lambda hook=hook: hook(self.owner, self.run, state))  # type: ignore[misc]


@contextmanager
def _begun(owner: Flow[Any, Any], bound: inspect.BoundArguments, wait_for: Any) -> Iterator[_FlowCall]:
    """Make the record of a call, with its parameters resolved and validated."""
    stop_loading()
    around = flow_run_context.get()
    task_around = task_run_context.get()
    driver = around.driver if around is not None else current_driver()
    _resolve(bound, wait_for)
    parameters = {name: value for name, value in bound.arguments.items() if name not in ("self", "cls")}
    parent_run_id = around.run.run_id if around is not None else driver.parent_run_id
    if around is None and task_around is not None:
        parent_run_id = task_around.run_id
    tags = owner.tags | current_tags() | (around.tags if around is not None else frozenset())
    name = None
    if owner.flow_run_name is not None:
        name = make_run_name(f"Flow {owner.name!r}", owner.flow_run_name, owner.signature, bound.args, bound.kwargs)
    run = take_continued_run(driver)
    if run is None:
        run = create_run(
            driver,
            RunKind.FLOW,
            owner.name,
            name=name,
            parameters=parameters,
            tags=tags,
            parent_run_id=parent_run_id,
            parent_task_run_id=task_around.task_run_id if task_around is not None else None,
        )
        record_code(driver, run, owner, bound.arguments)
    try:
        bound.arguments.update(owner.validate(bound.arguments))
    except InvalidParameters as error:
        end_run(driver, run, State.FAILED, str(error)[:2000], datetime.now(UTC))
        raise
    task_runner = owner.task_runner or (around.task_runner if around is not None else driver.default_task_runner())
    context = FlowRunContext(
        run=run, driver=driver, task_runner=task_runner, flow=owner, parameters=dict(bound.arguments), tags=tags
    )
    call = _FlowCall(owner, bound, driver, run, context)
    driver.watch_run(run.run_id, call.cancel)
    try:
        yield call
    finally:
        driver.forget_run(run.run_id)


def call_sync(owner: Flow[Any, Any], bound: inspect.BoundArguments, return_state: bool, wait_for: Any) -> Any:
    """Run a flow of a plain function."""
    with _begun(owner, bound, wait_for) as call:
        call.direct = DirectCall(_plan(call), call.announce)
        try:
            call.direct.run(lambda attempt: _attempt(call, attempt))
        except SuspendFlow as signal:
            return call.suspend(signal, return_state)
        return call.finish(return_state)


def _attempt(call: _FlowCall, attempt: int) -> AttemptResult:
    started_at = datetime.now(UTC)
    call.context.run_count = attempt
    with stoppable(call.owner.timeout_seconds) as switch:
        call.switch = switch
        try:
            with _entered(call):
                value = switch.run(lambda: call.owner.fn(*call.bound.args, **call.bound.kwargs))
                call.wait_for_tasks()
            return call.succeed(value, started_at)
        except SuspendFlow:
            raise
        except StopTask as error:
            return call.stopped(switch, error, started_at)
        except KeyboardInterrupt as error:
            return call.interrupted(error, started_at)
        except BaseException as error:
            return call.fail(error, started_at)
        finally:
            call.switch = None


async def call_async(owner: Flow[Any, Any], bound: inspect.BoundArguments, return_state: bool, wait_for: Any) -> Any:
    """Run a flow of a coroutine function."""
    with _begun(owner, bound, wait_for) as call:

        async def attempt(number: int) -> AttemptResult:
            started_at = datetime.now(UTC)
            call.context.run_count = number
            task = asyncio.current_task()
            assert task is not None
            loop = asyncio.get_running_loop()
            switch = call.switch = StopSwitch(lambda thread: loop.call_soon_threadsafe(task.cancel) and None)
            switch._thread = 0  # it stops the coroutine, whatever thread asks
            try:
                with _entered(call):
                    async with asyncio.timeout(owner.timeout_seconds) as limit:
                        value = await owner.fn(*bound.args, **bound.kwargs)
                        await asyncio.to_thread(call.wait_for_tasks)
                return call.succeed(value, started_at)
            except SuspendFlow:
                raise
            except TimeoutError as error:
                if not limit.expired():
                    return call.fail(error, started_at)
                switch.stopped_for = State.TIMED_OUT.value
                return call.stopped(switch, StopTask(), started_at)
            except asyncio.CancelledError as error:
                if switch.stopped_for is not None:
                    task.uncancel()
                    return call.stopped(switch, StopTask(), started_at)
                return call.interrupted(error, started_at)
            except KeyboardInterrupt as error:
                return call.interrupted(error, started_at)
            except BaseException as error:
                return call.fail(error, started_at)
            finally:
                call.switch = None

        call.direct = DirectCall(_plan(call), call.announce)
        try:
            await call.direct.run_async(attempt)
        except SuspendFlow as signal:
            return await asyncio.to_thread(call.suspend, signal, return_state)
        return await asyncio.to_thread(call.finish, return_state)


@contextmanager
def _entered(call: _FlowCall) -> Iterator[None]:
    with entered(flow_run_context, call.context), entered(task_run_context, None):
        if call.owner.log_prints:
            with printing_to(FlowContextOfPrints(call.driver, call.run), is_logged=True):
                yield
        else:
            yield


def _plan(call: _FlowCall) -> TaskPlan:
    return TaskPlan(
        task_run_id=call.run.run_id, run_id=call.run.run_id, name=call.run.flow_name, retry=call.owner.retry
    )


def _final_state(value: Any) -> RunState[Any]:
    """Return the state of a flow whose body returned this: by its states and futures, if it returned such."""
    if isinstance(value, RunState):
        return value
    found: list[RunState[Any]] = []

    def note(leaf: Any) -> Any:
        if isinstance(leaf, TaskFuture):
            leaf.wait()
            found.append(leaf.state)
            return found[-1]
        if isinstance(leaf, RunState):
            found.append(leaf)
        return leaf

    replaced = replace_leaves(value, note) if _may_hold_states(value) else value
    if not found:
        return state_of(State.COMPLETED, data=value)
    concluded = conclude_states(found)
    if concluded.is_completed():
        return state_of(State.COMPLETED, "All states completed.", _values_of(replaced))
    return RunState(concluded.type, concluded.name, concluded.message, data=found)


def _may_hold_states(value: Any) -> bool:
    return isinstance(value, TaskFuture | list | tuple | set | dict)


def _values_of(value: Any) -> Any:
    return replace_leaves(value, lambda leaf: leaf.result() if isinstance(leaf, RunState) else leaf)


def _resolve(bound: inspect.BoundArguments, wait_for: Any) -> None:
    """Wait for the futures in the parameters, and put their values in."""

    def value_of(leaf: Any) -> Any:
        if isinstance(leaf, TaskFuture):
            return leaf.result()
        return leaf.result() if isinstance(leaf, RunState) else leaf

    if wait_for is not None:
        replace_leaves([wait_for] if isinstance(wait_for, TaskFuture) else list(wait_for), value_of)
    for name, value in list(bound.arguments.items()):
        bound.arguments[name] = replace_leaves(value, value_of)
