"""What code of a remote worker's runs asks, answered by the server: in the worker, and for its flows over a socket.

The other end of the socket is :mod:`orchestra_nb.operations.flow_of_worker`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from orchestra_nb.errors import NotFound, NotThisWorkers, OrchestraError
from orchestra_nb.model.questions import (
    Answer,
    AnswerError,
    Asker,
    CreateArtifact,
    Question,
    SetVariable,
    TakeRate,
    answer_of_error,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
)
from orchestra_nb.services.worker_api import ServerUnreachable, WorkerApi

#: How long a question is asked again while the server is away; whoever asks gives up some seconds later.
_PATIENCE_SECONDS: Final = 20.0
#: How long a run that another one has just started may be unknown to the server.
_UNKNOWN_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.2
_THREADS: Final = 16


class ServerAnswers:
    """Has the server answer; an :class:`~orchestra_nb.engine.services.Answerer`. For any thread."""

    def __init__(self, api: WorkerApi, worker_id: str) -> None:
        self._api = api
        self._worker_id = worker_id

    def answer(self, question: Question, asker: Asker) -> Answer:
        """Ask, and ask again while the server is away, where asking twice does what asking once does."""
        try:
            may_repeat = not _does_more_when_repeated(question)
            return decode_answer(self._ask(encode_question(question), asker, may_repeat=may_repeat))
        except (OrchestraError, msgspec.DecodeError) as error:
            return _as_answer(error)

    def _ask(self, question: bytes, asker: Asker, *, may_repeat: bool) -> bytes:
        began = time.monotonic()
        while True:
            try:
                return self._api.ask(self._worker_id, asker, question)
            except ServerUnreachable as error:
                waited = time.monotonic() - began
                if waited > _PATIENCE_SECONDS or (error.was_sent and not may_repeat):
                    raise
            except (NotThisWorkers, NotFound):  # what it was started by is told a moment later
                if time.monotonic() - began > _UNKNOWN_SECONDS:
                    raise
            time.sleep(_PAUSE_SECONDS)


class QuestionSocket:
    """Listens for what flows of this worker ask, until it is closed.

    The lines are those of :mod:`orchestra_nb.engine.question_relay`.
    """

    def __init__(self, path: Path, answers: ServerAnswers) -> None:
        self._path = path
        self._answers = answers
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="orchestra-questions")
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept, name="orchestra-question-socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more, and let go of whoever asks. May be called twice."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it is closed
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(connection,), name="orchestra-question-lines", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        sending = threading.Lock()
        try:
            with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError, ValueError):
                for line in lines:
                    request = json.loads(line)
                    if "ask" in request:
                        with contextlib.suppress(RuntimeError):  # it is being closed
                            self._threads.submit(self._answer, connection, sending, request)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _answer(self, connection: socket.socket, sending: threading.Lock, request: dict[str, Any]) -> None:
        asker = Asker(run_id=request["run"], task_run_id=request["task"])
        try:
            answer = self._answers.answer(decode_question(base64.b64decode(request["question"])), asker)
        except msgspec.DecodeError as error:
            answer = _as_answer(error)
        line = {"answered": request["ask"], "answer": base64.b64encode(encode_answer(answer)).decode()}
        with contextlib.suppress(OSError), sending:
            connection.sendall(json.dumps(line).encode() + b"\n")


def _does_more_when_repeated(question: Question) -> bool:
    """Tell whether asking twice does more than asking once."""
    return isinstance(question, CreateArtifact | TakeRate) or (
        isinstance(question, SetVariable) and not question.may_overwrite
    )


def _as_answer(error: Exception) -> AnswerError:
    if isinstance(error, ServerUnreachable):
        return AnswerError(code="NobodyAnswers", message=str(error))
    if isinstance(error, OrchestraError):
        return answer_of_error(error)
    return AnswerError(code="NobodyAnswers", message=f"What was asked, or answered, is not understood: {error}")
