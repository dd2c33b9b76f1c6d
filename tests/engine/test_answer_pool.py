"""Questions of attempts, answered in threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.engine.answer_pool import AnswerPool
from orchestra_nb.model.questions import Asker

ASKER = Asker(run_id="run", task_run_id="task")


@pytest.fixture
def answers() -> queue.Queue[bytes]:
    return queue.Queue()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_slow_answer_holds_up_neither_who_reports_nor_the_next(
    answers: queue.Queue[bytes], released: threading.Event
) -> None:
    def answer(question: bytes, asker: Asker) -> bytes:
        if question == b"slow":
            released.wait(PATIENCE_SECONDS)
        return question + str(asker.task_run_id).encode()

    pool = AnswerPool(answer)
    for question in (b"slow", b"quick"):
        pool.take(question, ASKER, answers.put)

    first = answers.get(timeout=PATIENCE_SECONDS)
    released.set()
    second = answers.get(timeout=PATIENCE_SECONDS)
    pool.close()

    assert (first, second) == (b"quicktask", b"slowtask")


def test_an_answer_that_fails_is_logged_and_the_next_is_given(
    answers: queue.Queue[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    def reply(answer: bytes) -> None:
        if answer == b"bad":
            raise ConnectionError("the worker is gone")
        answers.put(answer)

    pool = AnswerPool(lambda question, asker: question)
    for question in (b"bad", b"good"):
        pool.take(question, ASKER, reply)

    assert answers.get(timeout=PATIENCE_SECONDS) == b"good"
    pool.close()
    assert "An answer could not be given" in caplog.text


def test_after_the_end_nobody_is_answered_and_nothing_is_raised(answers: queue.Queue[bytes]) -> None:
    pool = AnswerPool(lambda question, asker: question)
    pool.close()
    pool.close()

    pool.take(b"late", ASKER, answers.put)

    assert answers.empty()
