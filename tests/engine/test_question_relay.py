"""Questions from the kernel of a notebook run, where the runner is gone."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestra_nb.engine.question_relay import QuestionRelay
from orchestra_nb.model.questions import AnswerError, Asker, GetVariable

QUESTION = GetVariable(name="x")
GONE = AnswerError(code="NobodyAnswers", message="The runner of this notebook run is gone.")


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has a limit
        yield str(Path(folder) / "run.sock")


def test_without_a_runner_nobody_answers(path: str) -> None:
    assert QuestionRelay(path, "run").answer(QUESTION, Asker()) == GONE


def test_who_waits_is_told_when_the_runner_goes(path: str) -> None:
    relay = QuestionRelay(path, "run")

    def hear_and_go(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(10_000)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        runner = threading.Thread(target=hear_and_go, args=(server,))
        runner.start()
        answer = relay.answer(QUESTION, Asker())
        runner.join()

    assert answer == GONE
    relay.attempt_ended("task")  # nobody hears it, and nothing is raised
    relay.close()
