"""One call of a flow where it is called: its record, what its body may ask, and how its attempts end."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.asked_suspension import SuspendFlow, leave_where_asked
from orchestra_nb.engine.burials import bury_flow
from orchestra_nb.engine.direct_call import DirectCall
from orchestra_nb.engine.drivers import Driver, current_driver
from orchestra_nb.engine.flow_suspension import leave_suspended
from orchestra_nb.engine.fresh_tasks import FreshTasks
from orchestra_nb.engine.function_call import error_info
from orchestra_nb.engine.futures import TaskFuture, resolve_futures_to_states, wait_for_all, waited_for
from orchestra_nb.engine.life_lines import LifeLine, begin_line, end_line, repeated_line, tell_flow
from orchestra_nb.engine.printed_lines import printing_to
from orchestra_nb.engine.reruns import announce_continued, take_continued_run
from orchestra_nb.engine.run_codes import record_code, stop_loading
from orchestra_nb.engine.run_context import (
    FlowRunContext,
    TaskRunContext,
    current_tags,
    entered,
    flow_run_context,
    task_run_context,
)
from orchestra_nb.engine.run_hooks import call_hooks
from orchestra_nb.engine.run_names import make_run_name
from orchestra_nb.engine.run_records import announce_run, end_run, new_run
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.run_states import model_state_of, state_of, state_of_returned
from orchestra_nb.engine.services import asking_as
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.engine.trace_context import traced
from orchestra_nb.errors import InvalidParameters, StopTask, TaskTimedOut
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.events import Event, LogsWritten, RunStateChanged, TaskRunStateChanged, apply_to_run
from orchestra_nb.model.machine_messages import TaskPlan, cancelled_by
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import ErrorInfo, LogLine, Run, RunKind
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.flow_runner import FlowRunner
    from orchestra_nb.engine.flows import Flow

#: The logger of flow runs.
FLOW_RUNS = "orchestra.flow_runs"
#: How long the end of a flow waits for its events to be durable.
_FLUSH_SECONDS = 60.0
#: How long tasks that were stopped with their flow may take to end.
_STOP_SECONDS = 10.0


class FlowContextOfPrints:
    """What prints of a flow's body go to."""

    worker = "this process"
    attempt = 1

    def __init__(self, driver: Driver, run: Run) -> None:
        self._driver = driver
        self._run = run

    def show(self, message: Mapping[str, object]) -> None:
        """Do nothing: what is printed here is seen here."""

    def log(self, line: LogLine) -> None:
        """Record a line, and show it."""
        record = msgspec.structs.replace(line, run_id=self._run.run_id, logger=FLOW_RUNS)
        self._driver.sink.emit(LogsWritten(lines=(record,)))
        self._driver.say(f"Flow run {self._run.name!r} - {line.message}", line.level)

    def emit(self, event: Event) -> None:
        """Pass on an event."""
        self._driver.sink.emit(event)

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        """Answer from this process, which is the driver's."""
        from orchestra_nb.engine.services import answer_here

        return answer_here(question)

    def hear(self, take: Callable[[bytes], None] | None) -> None:
        """Do nothing: nothing is said here, where the driver calls what it wants."""


@dataclass(slots=True)
class FlowCall:
    """One call of a flow."""

    owner: Flow[Any, Any]
    bound: inspect.BoundArguments
    driver: Driver
    context: FlowRunContext
    direct: DirectCall
    #: how the last attempt ended, as users see it
    state: RunState[Any] | None = None
    #: what ended it from outside and goes on to end what called it: Ctrl-C, or a stop of the flow around
    interrupt: BaseException | None = None
    #: stops the attempt that runs now
    switch: StopSwitch | None = None
    cancel_reason: str = ""
    last_change: RunStateChanged | None = None
    #: of the exception of the last attempt
    traceback: str | None = None

    @property
    def run(self) -> Run:
        """The newest record."""
        return self.context.run

    def announce(self, change: TaskRunStateChanged) -> None:
        """Tell the world what the state machine says, but for the flow's end, which comes after its tasks' ends."""
        is_first = self.last_change is None
        self.last_change = RunStateChanged(
            run_id=self.run.run_id, state=change.state, at=change.at, message=change.message, actor=change.actor
        )
        if change.state.is_terminal:
            return
        self._note(self.last_change)
        if change.state is State.RETRYING:
            tell_flow(
                self.driver, self.run, repeated_line(change.attempt, 1 + self.owner.retry.retries, change.message)
            )
        if not is_first:  # it was created as RUNNING
            self.driver.sink.emit(self.last_change)
        if change.state is State.RUNNING:
            self._call_hooks(self.owner.on_running_hooks, state_of(State.RUNNING))

    def cancel(self, reason: str) -> None:
        """Stop the body and all tasks of the run; in any thread."""
        self.cancel_reason = reason
        self.direct.cancel(reason)
        self.cancel_tasks(reason)
        if (switch := self.switch) is not None:
            switch.stop(State.CANCELLED.value)

    def ask_to_suspend(self, actor: str) -> None:
        """Have the body left at its next boundary; in any thread. A body that yields says why it is not."""
        function = inspect.unwrap(self.owner.fn)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            words = f"{actor} asked for it to be suspended, but it yields: it goes on. Cancel it to have it end."
            line = LogLine(run_id=self.run.run_id, at=datetime.now(UTC), message=words, level=logging.WARNING)
            FlowContextOfPrints(self.driver, self.run).log(line)
        else:
            self.context.suspend_asked_by = actor

    def begin_attempt(self, number: int) -> None:
        """Note that the body begins for this time, counted from 1."""
        self.context.run_count = number
        if self.context.fresh is not None:
            self.context.fresh.begin_body()

    def stop_by(self, switch: StopSwitch) -> None:
        """Let :meth:`cancel` stop the attempt that begins by this switch; at once, if it was called already."""
        self.switch = switch
        if self.direct.is_cancelled:
            switch.stop(State.CANCELLED.value)

    def cancel_tasks(self, reason: str) -> None:
        """Stop the submitted tasks that have not ended."""
        open_tasks = list(self.context.open_tasks)
        if open_tasks:
            for runner in self._runners():
                runner.cancel(open_tasks, reason)

    def _runners(self) -> list[FlowRunner]:
        """Return the loops that run its tasks; each passes over what is another one's."""
        return [self.driver.flow_runner(self.context.task_runner), *self.context.other_runners.values()]

    def wait_for_tasks(self, timeout_seconds: float | None = None) -> None:
        """Wait until all submitted tasks have ended."""
        while open_tasks := list(self.context.open_tasks):
            if not all(runner.wait(open_tasks, timeout_seconds) for runner in self._runners()):
                return
            self.context.open_tasks.difference_update(open_tasks)

    def end_of(self, value: Any) -> RunState[Any]:
        """Return the state that follows from what the body returned, when its tasks have ended."""
        self.wait_for_tasks()
        return state_of_returned(resolve_futures_to_states(value))

    def succeed(self, state: RunState[Any], started_at: datetime) -> AttemptResult:
        """Return the result of an attempt whose body returned."""
        self.state, self.traceback = state, None
        if state.is_completed():
            return AttemptResult(self._outcome(State.COMPLETED, started_at))
        ours = model_state_of(state)
        info = ErrorInfo(type=state.name, message=(state.message or "")[:2000])
        end = ours if ours in (State.CANCELLED, State.TIMED_OUT, State.CRASHED) else State.FAILED
        return AttemptResult(self._outcome(end, started_at, error=info))

    def fail(self, error: BaseException, started_at: datetime, is_final: bool = False) -> AttemptResult:
        """Return the result of an attempt whose body raised."""
        info = error_info(error, self.owner.fn, self.owner.name, "flow")
        self.traceback = info.traceback
        message = f"Flow run encountered an exception: {info.type}: {info.message}"
        self.state = state_of(State.FAILED, message, error)
        return AttemptResult(self._outcome(State.FAILED, started_at, error=info, may_retry=not is_final))

    def stopped(self, stopped_for: str | None, error: BaseException, started_at: datetime) -> AttemptResult:
        """Return the result of an attempt that was stopped: itself, or what called it, or by Ctrl-C."""
        self.traceback = None
        if stopped_for == State.TIMED_OUT.value:
            message = f"ran longer than {self.owner.timeout_seconds:g} s"
            self.cancel_tasks(f"its flow {message}")
            self.state = state_of(State.TIMED_OUT, message, TaskTimedOut(f"Flow run {self.run.name} {message}"))
            info = ErrorInfo(type="TaskTimedOut", message=message)
            return AttemptResult(self._outcome(State.TIMED_OUT, started_at, error=info))
        reason = self.cancel_reason or ("its flow was suspended" if isinstance(error, SuspendFlow) else "interrupted")
        if stopped_for is None:
            self.interrupt = error
            self.cancel_tasks(f"its flow was {reason}")
            self.direct.cancel(reason)
        self.state = state_of(State.CANCELLED, reason)
        return AttemptResult(self._outcome(State.CANCELLED, started_at))

    def _outcome(self, state: State, started_at: datetime, **fields: Any) -> Outcome:
        return Outcome(
            state=state, started_at=started_at, ended_at=datetime.now(UTC), worker="", pid=os.getpid(), **fields
        )

    def finish(self, return_state: bool) -> Any:
        """End the run, call its hooks, and return the value or the state, or raise."""
        assert self.last_change is not None
        self.interrupt = self.interrupt or self.direct.interrupt
        end, message = self.last_change.state, self.last_change.message
        self._wait_for_last_tasks(self.interrupt is not None or end in (State.CANCELLED, State.TIMED_OUT))
        fresh = self.context.fresh
        if end is State.COMPLETED and fresh is not None and (missed := fresh.why_missed()):
            end, message = State.FAILED, missed
            self.state = state_of(end, message)
        self.driver.forget_run(self.run.run_id)
        state = self.state.as_of_run() if self.state is not None else state_of(end, message)
        if end is State.CANCELLED and not state.is_cancelled():
            state = state_of(end, message)
        ended = RunStateChanged(
            run_id=self.run.run_id,
            state=end,
            at=datetime.now(UTC),
            message=message or self._message_of(state),
            actor=self.last_change.actor,
        )
        self._note(ended)
        self._end_resumption()
        tell_flow(self.driver, self.run, end_line(state, self.traceback), is_shown_whole=return_state)
        self.driver.sink.emit(ended)
        error = state.data if isinstance(state.data, BaseException) else None
        bury_flow(self.owner, self.context, ended, error)
        self._call_hooks(self._end_hooks(state), state)
        self.driver.finish_hooks()
        if self.run.parent_run_id is None:
            self.driver.sink.flush(_FLUSH_SECONDS)
        if self.interrupt is not None:
            raise self.interrupt
        return state if return_state else state.result()

    def suspend(self, signal: SuspendFlow, return_state: bool) -> Any:
        """Leave the run for somebody to resume, when its tasks have ended; one that is cancelled meanwhile ends."""
        self._wait_for_last_tasks(is_stopped=False)
        if self.interrupt is not None or self.direct.is_cancelled:
            message = self.cancel_reason or "interrupted"
            self.last_change = RunStateChanged(
                run_id=self.run.run_id, state=State.CANCELLED, at=datetime.now(UTC), message=message
            )
            return self.finish(return_state)
        self.driver.forget_run(self.run.run_id)
        return leave_suspended(self.context, signal, return_state)

    def _wait_for_last_tasks(self, is_stopped: bool) -> None:
        """Wait for tasks that the body left running, as long as it takes; for stopped ones only for a while."""
        try:
            self.wait_for_tasks(_STOP_SECONDS if is_stopped else None)
        except (KeyboardInterrupt, StopTask) as error:
            self.interrupt = error
            self.cancel_tasks("its flow was interrupted")
            self.wait_for_tasks(_STOP_SECONDS)

    def _end_resumption(self) -> None:
        """Say what there is to say where it was resumed from a task; what it gives the flow around depends on that."""
        fresh, caller = self.context.fresh, self.context.caller
        if fresh is None:
            return
        if caller is not None and caller.fresh is not None:
            caller.fresh.note_all_taken()
        if words := fresh.last_words():
            tell_flow(self.driver, self.run, LifeLine(logging.WARNING, words))

    def _note(self, change: RunStateChanged) -> None:
        self.context.run = apply_to_run(self.context.run, change)

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
        call_hooks(self.driver, hooks, self.owner, self.run, state, self.context)


@contextmanager
def begin_call(
    owner: Flow[Any, Any], bound: inspect.BoundArguments, wait_for: Any, taken: Sequence[TaskFuture[Any]] = ()
) -> Iterator[FlowCall]:
    """Make the record of a call, with its parameters resolved and validated.

    Parameters
    ----------
    taken
        The futures whose values were put into the parameters before.

    Raises
    ------
    InvalidParameters
        They do not fit; the run has failed.
    """
    stop_loading()
    leave_where_asked()
    around, task_around = flow_run_context.get(), task_run_context.get()
    driver = around.driver if around is not None else current_driver()
    taken = (*taken, *_futures_in(bound, wait_for))
    _resolve(bound, wait_for)
    as_called = dict(bound.arguments)
    invalid: InvalidParameters | None = None
    try:
        bound.arguments.update(owner.validate(bound.arguments))
    except InvalidParameters as error:
        invalid = error
    parameters = {name: value for name, value in bound.arguments.items() if name not in ("self", "cls")}
    parent_run_id = around.run.run_id if around is not None else driver.parent_run_id
    if around is None and task_around is not None:
        parent_run_id = task_around.flow.run_id
    outer = around.facts() if around is not None else task_around.flow if task_around is not None else None
    tags = owner.tags | current_tags() | (around.tags if around is not None else frozenset())
    continued = take_continued_run()
    run = continued or new_run(
        driver,
        RunKind.FLOW,
        owner.name,
        parameters=parameters,
        tags=tags,
        parent_run_id=parent_run_id,
        parent_task_run_id=task_around.task_run_id if task_around is not None else None,
    )
    context = FlowRunContext(
        run=run,
        driver=driver,
        task_runner=owner.task_runner or (around.task_runner if around else driver.default_task_runner()),
        flow=owner,
        parameters=parameters,
        tags=tags,
        root_run_id=driver.parent_run_id if outer is None else outer.root_run_id or outer.run_id,
        outer_trace=None if outer is None else outer.trace,
        log_prints=_logs_prints(around, task_around) if owner.log_prints is None else owner.log_prints,
        caller=around if task_around is None else None,
        fresh=_fresh_of_continued(continued) or _fresh_of_caller(around, task_around, taken),
    )
    if owner.flow_run_name is not None and invalid is None and continued is None:
        what = f"Flow {owner.name!r}"
        with entered(flow_run_context, context), entered(task_run_context, None):  # a callable may ask runtime.flow_run
            name = make_run_name(what, owner.flow_run_name, owner.signature, bound.args, bound.kwargs)
        context.run = msgspec.structs.replace(run, name=name)
    if continued is not None:
        announce_continued(driver, continued)
        tell_flow(driver, continued, begin_line(continued))
    else:
        announce_run(driver, context.run)
        tell_flow(driver, context.run, begin_line(context.run))
        record_code(driver, context.run, owner, as_called)
    if invalid is not None:
        tell_flow(driver, context.run, end_line(state_of(State.FAILED, str(invalid)), None))
        end_run(driver, run, State.FAILED, str(invalid)[:2000], datetime.now(UTC))
        raise invalid
    plan = TaskPlan(task_run_id=run.run_id, run_id=run.run_id, name=owner.name, retry=owner.retry)
    call = FlowCall(owner, bound, driver, context, DirectCall(plan, lambda change: call.announce(change)))
    context.cancel = call.cancel
    driver.watch_run(run.run_id, lambda actor: call.cancel(cancelled_by(actor)), suspend=call.ask_to_suspend)
    try:
        yield call
    finally:
        driver.forget_run(run.run_id)


def _fresh_of_continued(run: Run | None) -> FreshTasks | None:
    """Return which tasks of a run that goes on run whatever was kept; None where it was resumed from none."""
    if run is None or run.fresh_from_task is None or run.fresh_since is None:
        return None
    return FreshTasks(run.fresh_since, run.fresh_from_task)


def _fresh_of_caller(
    around: FlowRunContext | None, task_around: TaskRunContext | None, taken: Sequence[TaskFuture[Any]]
) -> FreshTasks | None:
    """Return which tasks of a subflow run whatever was kept: all, where it depends on the task that was named."""
    if task_around is not None:
        return None if task_around.kept_since is None else FreshTasks(task_around.kept_since, None)
    fresh = None if around is None else around.fresh
    if fresh is None or not fresh.depends([future.task_run_id for future in taken]):
        return None
    return FreshTasks(fresh.since, None)


def _logs_prints(around: FlowRunContext | None, task_around: TaskRunContext | None) -> bool:
    """Tell whether what calls the flow logs what it prints: the task around, or else the flow."""
    outer = task_around or around
    return outer is not None and outer.log_prints


@contextmanager
def entered_call(call: FlowCall) -> Iterator[None]:
    """Let what is called, printed and asked inside be the flow's."""
    asker = Asker(run_id=call.run.run_id)
    with (
        asking_as(asker),
        entered(flow_run_context, call.context),
        entered(task_run_context, None),
        traced(call.context.trace, call.run.run_id),
    ):
        if call.context.log_prints:
            with printing_to(FlowContextOfPrints(call.driver, call.run), is_logged=True):
                yield
        else:
            yield


def _resolve(bound: inspect.BoundArguments, wait_for: Any) -> None:
    """Wait for the futures in the parameters, and put their values in."""

    def value_of(leaf: Any) -> Any:
        if isinstance(leaf, TaskFuture):
            return leaf.result_for_call()
        return leaf.result() if isinstance(leaf, RunState) else leaf

    if wait_for is not None:
        replace_leaves(waited_for(wait_for), value_of)
    for name, value in list(bound.arguments.items()):
        bound.arguments[name] = replace_leaves(value, value_of)


def _futures_in(bound: inspect.BoundArguments, wait_for: Any) -> list[TaskFuture[Any]]:
    futures: list[TaskFuture[Any]] = []

    def note(leaf: Any) -> Any:
        if isinstance(leaf, TaskFuture):
            futures.append(leaf)
        return leaf

    replace_leaves((dict(bound.arguments), wait_for), note)
    return futures


async def resolve_async(bound: inspect.BoundArguments, wait_for: Any) -> list[TaskFuture[Any]]:
    """Do what :func:`_resolve` does, without holding up the event loop; return the futures whose values it put in."""
    futures = _futures_in(bound, wait_for)
    if futures:
        await wait_for_all(futures)
        await asyncio.to_thread(_resolve, bound, wait_for)  # fetches values
    else:
        _resolve(bound, wait_for)
    return futures
