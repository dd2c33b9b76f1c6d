"""Answers the questions of attempts in threads of its own, so that a slow store does not hold up who reports them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from orchestra_nb.model.questions import Asker

_log = logging.getLogger(__name__)

#: No question waits for anything but the store, which writes one after the other anyway.
_THREADS = 4


class AnswerPool:
    """Takes questions and gives their answers back, in any order. All methods may be called from any thread.

    Parameters
    ----------
    answer
        Answers in bytes, such as :meth:`orchestra_nb.operations.run_services.RunServices.answer_encoded`.
    """

    def __init__(self, answer: Callable[[bytes, Asker], bytes]) -> None:
        self._answer = answer
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="orchestra-answer")

    def take(self, question: bytes, asker: Asker, reply: Callable[[bytes], None]) -> None:
        """Answer a question soon; starts a thread for the first ones. After :meth:`close` nobody is answered.

        Parameters
        ----------
        reply
            Called with the answer in one of the threads, such as ``partial(executor.answer, key, number)``.
        """
        try:
            self._threads.submit(self._answer_one, question, asker, reply)
        except RuntimeError:
            _log.debug("A question came after the end.")  # its attempt is being stopped, too

    def close(self) -> None:
        """Answer nothing more, and wait for the answers under way. May be called twice."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _answer_one(self, question: bytes, asker: Asker, reply: Callable[[bytes], None]) -> None:
        try:
            reply(self._answer(question, asker))
        except Exception:  # the asker's own time limit ends its wait
            _log.exception("An answer could not be given")
