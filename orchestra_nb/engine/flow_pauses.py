"""``pause_flow_run``: a flow that waits for people, and ``resume_flow_run``: the answer from code.

The question stands in the store (:mod:`orchestra_nb.engine.input_types`), so it can be answered from anywhere:
``orchestra runs resume RUN``, and in a notebook in a form under the cell. While it waits the run is PAUSED; its process
stays, and tasks that were submitted go on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from orchestra_nb.engine.asked_suspension import suspension_of
from orchestra_nb.engine.input_types import InputType, input_type_of
from orchestra_nb.engine.question_forms import QuestionForm, answer_command, show_question
from orchestra_nb.engine.run_context import FlowRunContext, MissingContext, flow_run_context, task_run_context
from orchestra_nb.engine.services import ask_for, asking_as, in_thread
from orchestra_nb.engine.told_before_asking import tell_before_asking, tell_before_asking_async
from orchestra_nb.errors import InvalidInput, OrchestraError, StoreUnavailable
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.questions import Asker, DoneAnswer, ResumeRun
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import typed_run

#: The longest sleep at once: an exception from another thread, such as a cancel, comes only between two.
_SLICE_SECONDS = 0.2


class FlowPauseTimedOut(OrchestraError, TimeoutError):
    """Nobody resumed a paused flow in time."""


def pause_flow_run(
    wait_for_input: Any = None,
    timeout: float = 3600,
    poll_interval: float = 1.0,
    key: str | None = None,
) -> Any:
    """Wait until somebody resumes this flow run, and return what they answered.

    In a flow of a coroutine function it returns an awaitable (:func:`apause_flow_run`).

    Parameters
    ----------
    wait_for_input
        What is asked for: a type such as ``int`` or ``list[str]``, a pydantic model, a
        :class:`~orchestra_nb.input.RunInput`, or a JSON Schema; None asks only to go on.
    timeout
        Seconds until the flow fails because nobody answered.
    poll_interval
        Seconds between two looks whether somebody has.
    key
        Names the question within the run. A run that is repeated finds the answer that was given under its key before.
        None counts the pauses: ``pause-1``, ``pause-2``.

    Raises
    ------
    FlowPauseTimedOut
        Nobody answered in time.
    MissingContext
        No flow runs here, or this is a task: tasks cannot pause.
    StoreUnavailable
        The question cannot be stored.
    """
    context = current_flow("pause")
    if context.flow is not None and context.flow.isasync:
        return apause_flow_run(wait_for_input, timeout, poll_interval, key)
    pause = _Pause(context, wait_for_input, timeout, poll_interval, key)
    tell_before_asking(context)
    if not pause.look():
        pause.begin()
        with pause.shown():
            while not pause.look():
                pause.leave_if_asked()
                pause.check_time()
                pause.wait(pause.pause_seconds())
        pause.end()
    return pause.value()


async def apause_flow_run(
    wait_for_input: Any = None,
    timeout: float = 3600,
    poll_interval: float = 1.0,
    key: str | None = None,
) -> Any:
    """:func:`pause_flow_run` for coroutines."""
    context = current_flow("pause")
    pause = _Pause(context, wait_for_input, timeout, poll_interval, key)
    await tell_before_asking_async(context)
    if not await in_thread(pause.look):
        pause.begin()
        with pause.shown():
            while not await in_thread(pause.look):
                pause.leave_if_asked()
                pause.check_time()
                await pause.wait_async(pause.pause_seconds())
        pause.end()
    return pause.value()


def resume_flow_run(flow_run_id: str, run_input: object = None) -> None:
    """Answer what a paused flow run waits for, so that it goes on.

    A suspended one is not started by this: ``orchestra runs resume`` starts it where the command runs.

    Parameters
    ----------
    flow_run_id
        Id or name of the run.
    run_input
        What it asks for, of JSON's types, or a pydantic model; None when it only asks to go on.

    Raises
    ------
    RunNotFound, Conflict
        There is no such run, or it waits for nothing.
    InvalidInput
        The value does not fit what it asks for.
    """
    dump = getattr(run_input, "model_dump", None)
    value = dump(mode="json") if callable(dump) else run_input
    if isinstance(value, Mapping):
        value = dict(value)
    text = None if value is None else to_json_text(value, "run_input")
    ask_for(DoneAnswer, ResumeRun(run=str(flow_run_id), value_json=text))


async def aresume_flow_run(flow_run_id: str, run_input: object = None) -> None:
    """:func:`resume_flow_run` for coroutines."""
    await in_thread(resume_flow_run, flow_run_id, run_input)


def current_flow(verb: str) -> FlowRunContext:
    """Return the flow run whose body calls this.

    Raises
    ------
    MissingContext
        No flow's body runs here.
    """
    if task_run_context.get() is not None:
        raise MissingContext(f"A task cannot {verb}, only the flow that it belongs to. Call this in the flow's body.")
    context = flow_run_context.get()
    if context is None:
        raise MissingContext(
            f"There is no flow to {verb}: only a flow waits for people, not a notebook's or a script's own run. Put the"
            " call into a function under @flow and call that, in one line:"
            f" flow(name='ask')(lambda: {verb}_flow_run(int))()"
        )
    if context.driver.driver_id is None and context.driver.parent_run_id is None:
        raise MissingContext(
            f"A flow that a task has called cannot {verb}: its worker would be kept waiting. Call it in the outer flow."
        )
    return context


def question_key(context: FlowRunContext, word: str, key: str | None) -> str:
    """Return the name of a question: the given one, or counted within this attempt, so that a repeat finds it again."""
    if key is None:
        return f"{word}-{context.number_of(f'{word} in attempt {context.run_count}') + 1}"
    if not isinstance(key, str) or not key:
        raise InvalidInput(f"key is {key!r}. Write a text that names the question within the run.")
    return key


class _Pause:
    """One pause of one flow run."""

    def __init__(
        self, context: FlowRunContext, wait_for_input: Any, timeout: float, poll_interval: float, key: str | None
    ) -> None:
        self._context = context
        self._key = question_key(context, "pause", key)
        self._asked: InputType = input_type_of(wait_for_input)
        self._timeout = check_seconds("timeout", timeout)
        self._poll = check_seconds("poll_interval", poll_interval)
        self._began = time.monotonic()
        self._is_paused = False
        self._answer: object = None
        self._form: QuestionForm | None = None

    def look(self) -> bool:
        """Tell whether somebody has answered; the first look asks. A store that is locked has no answer yet."""
        try:
            is_given, self._answer = ask_people(self._context, self._key, self._asked)
        except StoreUnavailable:
            if not self._is_paused:
                raise
            return False
        return is_given

    def begin(self) -> None:
        """Say that the run waits. The question is in the store by now."""
        self._is_paused = True
        announce(self._context, State.PAUSED, answer_words(self._context, self._key, self._asked))

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the question to people while the block runs: as a form, or as a line that says how to answer."""
        self._form = show_question(self._context, self._key, self._asked)
        if self._form is None:
            name, words = self._context.run.name, answer_words(self._context, self._key, self._asked)
            self._context.driver.say(f"Flow run {name} is paused: {words}", logging.INFO)
        words = "Cancelled"
        try:
            yield
            words = "Resumed"
        except FlowPauseTimedOut:
            words = "Timed out"
            raise
        finally:
            if self._form is not None:
                self._form.close(self._answer, words)
                self._form = None

    def wait(self, seconds: float) -> None:
        """Wait so long, or until somebody has used the form."""
        if self._form is None:
            _sleep(seconds)
        else:
            self._form.attend(seconds)

    async def wait_async(self, seconds: float) -> None:
        """:meth:`wait` for coroutines."""
        if self._form is None:
            await asyncio.sleep(seconds)
            return
        deadline = time.monotonic() + seconds
        while not self._form.attend(0) and (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _SLICE_SECONDS))

    def end(self) -> None:
        """Say that the run goes on."""
        announce(self._context, State.RUNNING, "")

    def leave_if_asked(self) -> None:
        """Leave the flow if somebody asked for it: the question stays, and whoever resumes the run answers it."""
        if (signal := suspension_of(self._context)) is not None:
            self.end()
            raise signal

    def check_time(self) -> None:
        """Raise when the time is over."""
        if time.monotonic() - self._began >= self._timeout:
            self.end()
            raise FlowPauseTimedOut(
                f"Flow run {self._context.run.name} was paused and nobody resumed it within {self._timeout:g} s "
                f"(question {self._key!r}). Give pause_flow_run a longer timeout, or answer sooner with `orchestra "
                f"runs resume {typed_run(self._context.run)}`."
            )

    def pause_seconds(self) -> float:
        """Return how long to wait before the next look."""
        return max(0.0, min(self._poll, self._timeout - (time.monotonic() - self._began)))

    def value(self) -> Any:
        """Return the answer as what was asked for."""
        return self._asked.value_of(self._answer)


def ask_people(context: FlowRunContext, key: str, asked: InputType) -> tuple[bool, object]:
    """Ask in the name of a flow run, and return (whether it is answered, the answer)."""
    with asking_as(Asker(run_id=context.run.run_id)):
        return asked.ask(key)


def answer_words(context: FlowRunContext, key: str, asked: InputType) -> str:
    """Return how to answer, in one line."""
    command = answer_command(context, asked)
    if asked.form is None:
        return f"waits for somebody to let it go on ({key}): {command}"
    schema = asked.form.schema
    what = asked.description or str(schema.get("title") or schema.get("type") or "input")
    return f"waits for {what} ({key}): {command}"


def announce(context: FlowRunContext, state: State, message: str) -> None:
    """Tell the world a state of a flow run."""
    context.driver.sink.emit(
        RunStateChanged(run_id=context.run.run_id, state=state, at=datetime.now(UTC), message=message)
    )


def check_seconds(option: str, value: object) -> float:
    """Return a number of seconds.

    Raises
    ------
    InvalidInput
        It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidInput(f"{option} is {value!r}. Write a positive number of seconds.")
    return float(value)


def _sleep(seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        sleep(min(left, _SLICE_SECONDS))
