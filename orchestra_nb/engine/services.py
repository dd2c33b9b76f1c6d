"""Asking whoever drives: the way from running code to the store, whatever process the code is in.

While an attempt runs on a worker, its questions travel to the driver (:meth:`AttemptContext.ask`). In the driver's own
process, where flows run and notebooks' cells, the answerer that it registered answers. A process that drives nothing,
such as a script that only reads a variable, is answered by the default: the public modules register the configured
store for it. All of it may be called from any thread.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Final, ParamSpec, Protocol, TypeVar

from orchestra_nb.errors import NobodyAnswers
from orchestra_nb.model.attempts import AttemptContext
from orchestra_nb.model.questions import (
    Answer,
    AnswerError,
    Asker,
    Question,
    decode_answer,
    decode_question,
    encode_answer,
    encode_inside,
    encode_question,
    error_of_answer,
)

#: How long a worker waits for its driver's answer, which may itself wait for the store.
ANSWER_SECONDS: Final = 30.0

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


class Answerer(Protocol):
    """Answers questions, such as :class:`orchestra_nb.operations.run_services.RunServices`."""

    def answer(self, question: Question, asker: Asker) -> Answer:
        """Answer; a question that cannot be answered is an :class:`AnswerError`, never an exception.

        Called from any thread, and from several at once.
        """


class _FirstUse:
    """An answerer that is made when it is first asked."""

    def __init__(self, make: Callable[[], Answerer]) -> None:
        self.make = make
        self._lock = threading.Lock()
        self._made: Answerer | None = None

    def answer(self, question: Question, asker: Asker) -> Answer:
        with self._lock:
            if self._made is None:
                self._made = self.make()
        return self._made.answer(question, asker)


_attempt: contextvars.ContextVar[AttemptContext | None] = contextvars.ContextVar("orchestra_attempt", default=None)
_asker: contextvars.ContextVar[Asker] = contextvars.ContextVar("orchestra_asker", default=Asker())  # noqa: B039
_lock = threading.Lock()
_attempts_here: list[AttemptContext] = []
_answerer: _FirstUse | None = None
_default: _FirstUse | None = None


def set_answerer(make: Callable[[], Answerer] | None) -> Callable[[], Answerer] | None:
    """Let this answer what code in this process asks; return the one before, for whoever drives only for a while.

    Parameters
    ----------
    make
        Called when something is first asked, so that nothing is opened for code that asks nothing. What it raises
        reaches whoever asked, and it is called again for the next question. None when this process drives no more.
    """
    global _answerer
    with _lock:
        before, _answerer = _answerer, None if make is None else _FirstUse(make)
    return None if before is None else before.make


def set_default_answerer(make: Callable[[], Answerer]) -> None:
    """Let this answer in a process that neither drives nor runs attempts. The first one set stays."""
    global _default
    with _lock:
        _default = _default or _FirstUse(make)


@contextlib.contextmanager
def asking_through(context: AttemptContext) -> Iterator[None]:
    """Send what is asked in this block to the driver of an attempt: around user code on a worker."""
    token = _attempt.set(context)
    with _lock:
        _attempts_here.append(context)
    try:
        with asking_as(Asker()):  # the attempt's own; what it calls directly says who it is
            yield
    finally:
        with _lock:
            _attempts_here.remove(context)
        _attempt.reset(token)


@contextlib.contextmanager
def asking_as(asker: Asker) -> Iterator[None]:
    """Say for which run and task run is asked in this block: around a flow's body, and a task called directly."""
    token = _asker.set(asker)
    try:
        yield
    finally:
        _asker.reset(token)


def ask(question: Question, timeout_seconds: float | None = None) -> Answer:
    """Ask, wait, and return the answer.

    Parameters
    ----------
    timeout_seconds
        For the way from a worker to its driver; None means :data:`ANSWER_SECONDS`. In the driver's process the answer
        takes as long as the store does.

    Raises
    ------
    NobodyAnswers
        No driver answers, or not in time.
    OrchestraError
        What the answer says: the leaf that was raised where it could not be answered.
    """
    context = _attempt.get() or _only_attempt_here()
    if context is not None:
        answer = _ask_driver(context, question, ANSWER_SECONDS if timeout_seconds is None else timeout_seconds)
    else:
        answerer = _answerer or _default
        if answerer is None:
            raise NobodyAnswers(
                "Nothing answers here: this process drives no run. Call it in a task, in a flow or in a notebook, or "
                "import it from orchestra_nb."
            )
        answer = answerer.answer(question, _asker.get())
    if isinstance(answer, AnswerError):
        raise error_of_answer(answer)
    return answer


def answer_here(question: bytes) -> bytes:
    """Answer an encoded question in the driver's own process, for code that asks through an attempt all the same."""
    answerer = _answerer or _default
    if answerer is None:
        answer: Answer = AnswerError(code="NobodyAnswers", message="This process drives no run that could answer.")
    else:
        answer = answerer.answer(decode_question(question), _asker.get())
    return encode_answer(answer)


def ask_for(kind: type[A], question: Question, timeout_seconds: float | None = None) -> A:
    """Ask as :func:`ask` for an answer of one kind."""
    answer = ask(question, timeout_seconds)
    if not isinstance(answer, kind):
        raise TypeError(f"{type(question).__name__} was answered by {type(answer).__name__}")
    return answer


async def in_thread(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Call a function that asks, in another thread with this one's context, so that the event loop goes on."""
    import asyncio  # loaded already in any program with coroutines, and not needed by the others

    return await asyncio.to_thread(function, *arguments, **named)


def _ask_driver(context: AttemptContext, question: Question, timeout_seconds: float) -> Answer:
    name = type(question).__name__
    asked = encode_question(question)
    if (asker := _asker.get()).run_id is not None:
        asked = encode_inside(asked, asker)
    try:
        return decode_answer(context.ask(asked, timeout_seconds))
    except TimeoutError:
        raise NobodyAnswers(f"The driver did not answer {name} within {timeout_seconds:g} s.") from None
    except ConnectionError as error:
        raise NobodyAnswers(f"The driver that {name} was for is gone: {error}") from error


def _only_attempt_here() -> AttemptContext | None:
    """Return the attempt that a thread without a context of its own must belong to.

    User code that starts a thread does not pass its context on to it (before Python 3.14).

    Raises
    ------
    NobodyAnswers
        It may belong to several.
    """
    if _answerer is not None:
        return None  # a driver: its own threads run no attempt
    with _lock:
        if len(_attempts_here) > 1:
            raise NobodyAnswers(
                f"This thread may belong to any of {len(_attempts_here)} tasks. Start it with "
                "contextvars.copy_context().run, or ask in the task's own thread."
            )
        return _attempts_here[0] if _attempts_here else None
