"""Asks the driver of a notebook run, from its kernel: over the socket of the run's runner, which passes it on.

The other end is :mod:`orchestra_nb.notebooks.child_events`. So a kernel needs no store, wherever it runs.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import socket
import threading

from orchestra_nb.engine.services import ANSWER_SECONDS
from orchestra_nb.model.questions import (
    Answer,
    AnswerError,
    Asker,
    Question,
    decode_answer,
    encode_answer,
    encode_question,
)

_log = logging.getLogger(__name__)


class _Waiting:
    """A question that has no answer yet."""

    def __init__(self) -> None:
        self.is_answered = threading.Event()
        self.answer: bytes | None = None


class QuestionRelay:
    """Answers what a kernel's code and its tasks ask, by asking on; an
    :class:`~orchestra_nb.engine.services.Answerer` and the services of a flow runner.

    All methods may be called from any thread, and from several at once. The socket is opened by the first question, and
    again when it broke.

    Parameters
    ----------
    path
        Where the runner listens.
    run_id
        The notebook run, for questions of code that belongs to no other.
    """

    def __init__(self, path: str, run_id: str) -> None:
        self._path = path
        self._run_id = run_id
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._last = 0

    def answer(self, question: Question, asker: Asker) -> Answer:
        """Ask the driver, and return its answer."""
        return decode_answer(self.answer_encoded(encode_question(question), asker))

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Ask the driver what came from a worker."""
        with self._lock:
            self._last += 1
            number, waiting = self._last, _Waiting()
            self._waiting[number] = waiting
        request = {
            "ask": number,
            "question": base64.b64encode(question).decode(),
            "run": asker.run_id or self._run_id,
            "task": asker.task_run_id,
        }
        if not self._send(request):
            return _nobody("The runner of this notebook run is gone.")
        waiting.is_answered.wait(ANSWER_SECONDS)
        with self._lock:
            self._waiting.pop(number, None)
        if waiting.answer is not None:
            return waiting.answer
        if waiting.is_answered.is_set():
            return _nobody("The runner of this notebook run is gone.")
        return _nobody(f"The driver of this notebook run did not answer within {ANSWER_SECONDS:g} s.")

    def attempt_ended(self, task_run_id: str) -> None:
        """Tell the driver that an attempt has ended: what it still holds is free."""
        with self._lock:
            has_asked = self._last > 0
        if has_asked:
            self._send({"attempt_ended": task_run_id})

    def close(self) -> None:
        """Let go of the socket; whoever waits is told that nobody answers."""
        self._break()

    def _send(self, request: dict[str, object]) -> bool:
        with self._lock:
            try:
                if self._socket is None:
                    self._socket = self._connect()
                self._socket.sendall(json.dumps(request, separators=(",", ":")).encode() + b"\n")
            except OSError as error:
                _log.debug("The runner cannot be asked: %s", error)
                return False
        return True

    def _connect(self) -> socket.socket:
        """Connect, and read answers in a thread; the lock is held."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        thread = threading.Thread(
            target=self._receive, args=(connection,), name="orchestra-question-answers", daemon=True
        )
        thread.start()
        return connection

    def _receive(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                answer = json.loads(line)
                if "answered" not in answer:
                    continue  # meant for the events of tasks
                with self._lock:
                    waiting = self._waiting.get(answer["answered"])
                if waiting is not None:
                    waiting.answer = base64.b64decode(answer["answer"])
                    waiting.is_answered.set()
        self._break()

    def _break(self) -> None:
        with self._lock:
            connection, self._socket = self._socket, None
            waiting = list(self._waiting.values())
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for one in waiting:
            one.is_answered.set()


def _nobody(message: str) -> bytes:
    return encode_answer(AnswerError(code="NobodyAnswers", message=message))
