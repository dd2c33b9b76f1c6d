"""``suspend_flow_run``: a flow that waits for people and lets its process go.

What was asked stands in the store. When it is answered the flow is run again from its beginning, in a process of
whoever resumes it; where it had suspended itself it goes on with the answer. So what comes before should be tasks whose
results are persisted: they are not run again.
"""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestra_nb.engine.asked_suspension import SuspendFlow
from orchestra_nb.engine.flow_pauses import (
    answer_words,
    ask_people,
    check_seconds,
    current_flow,
    question_key,
)
from orchestra_nb.engine.input_types import InputType, input_type_of
from orchestra_nb.engine.question_forms import show_question
from orchestra_nb.engine.run_codes import code_of
from orchestra_nb.engine.run_context import FlowRunContext, MissingContext
from orchestra_nb.engine.run_states import State, StateType, UnfinishedRun
from orchestra_nb.engine.services import in_thread
from orchestra_nb.engine.told_before_asking import tell_before_asking, tell_before_asking_async
from orchestra_nb.errors import CodeNotFound, InvalidInput
from orchestra_nb.model.events import RunSuspended


class PausedRun(UnfinishedRun):
    """The result of a run that is suspended was asked for."""


def suspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: str | None = None,
    timeout: float | None = 3600,
    key: str | None = None,
) -> Any:
    """Leave this flow until somebody resumes it; in the run that is resumed, return what they answered.

    In a flow of a coroutine function it returns an awaitable (:func:`asuspend_flow_run`).

    Parameters
    ----------
    wait_for_input, key
        As :func:`~orchestra_nb.engine.flow_pauses.pause_flow_run` has them.
    timeout
        Seconds until the run fails because nobody answered; None for no limit.
    flow_run_id
        Only the id of the run that calls this, or None.

    Raises
    ------
    CodeNotFound
        The flow could not be started again: it, or one of its parameters, cannot be kept. It goes on.
    MissingContext
        No flow runs here, or this is a task or a subflow.
    StoreUnavailable
        The question cannot be stored.
    """
    context = _checked_flow(flow_run_id)
    if context.flow is not None and context.flow.isasync:
        return asuspend_flow_run(wait_for_input, flow_run_id, timeout, key)
    asking = _Asking(context, wait_for_input, timeout, key)
    tell_before_asking(context)
    return asking.ask()


async def asuspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: str | None = None,
    timeout: float | None = 3600,
    key: str | None = None,
) -> Any:
    """:func:`suspend_flow_run` for coroutines."""
    context = _checked_flow(flow_run_id)
    asking = await in_thread(_Asking, context, wait_for_input, timeout, key)
    await tell_before_asking_async(context)
    return await in_thread(asking.ask)


def leave_suspended(context: FlowRunContext, signal: SuspendFlow, return_state: bool) -> State[Any]:
    """Announce that a flow was left, and return its state, or raise that there is no result yet."""
    driver, run = context.driver, context.run
    driver.sink.emit(
        RunSuspended(
            run_id=run.run_id, at=datetime.now(UTC), until=signal.until, message=signal.message, actor=signal.actor
        )
    )
    driver.finish_hooks()
    driver.sink.flush(60.0)
    if not return_state:
        raise PausedRun(f"Flow run {run.name} is suspended: {signal.message}")
    return State(StateType.PAUSED, "Suspended", signal.message)


def _checked_flow(flow_run_id: str | None) -> FlowRunContext:
    context = current_flow("suspend")
    if flow_run_id is not None and str(flow_run_id) != context.run.run_id:
        raise InvalidInput(f"A flow suspends itself only, not {flow_run_id!r}. Call this in the flow that shall wait.")
    if context.flow is not None and inspect.isgeneratorfunction(inspect.unwrap(context.flow.fn)):
        raise InvalidInput(f"Flow {context.flow.name!r} yields: it cannot be suspended, only paused.")
    if context.run.parent_run_id is not None:
        raise MissingContext("A subflow cannot be suspended without the flow that called it. Suspend the outermost.")
    return context


class _Asking:
    """What is asked before a flow is left."""

    def __init__(self, context: FlowRunContext, wait_for_input: Any, timeout: float | None, key: str | None) -> None:
        self._context = context
        self._asked: InputType = input_type_of(wait_for_input)
        self._seconds = None if timeout is None else check_seconds("timeout", timeout)
        self._key = question_key(context, "suspend", key)
        assert context.flow is not None
        code = code_of(context.run.run_id, context.flow, context.parameters)
        if code.missing:
            raise CodeNotFound(
                f"Flow run {context.run.name} cannot be suspended, since it could not be started again: "
                f"{code.missing}. Use pause_flow_run, or put the flow into a file."
            )

    def ask(self) -> Any:
        """Return what was answered, or leave the flow."""
        context, key, asked = self._context, self._key, self._asked
        is_given, answer = ask_people(context, key, asked)
        if is_given:
            return asked.value_of(answer)
        show_question(context, key, asked, is_suspended=True)
        until = None if self._seconds is None else datetime.now(UTC) + timedelta(seconds=self._seconds)
        raise SuspendFlow(context.run.run_id, answer_words(context, key, asked), until)
