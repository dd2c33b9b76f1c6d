"""Threads that run attempts: as many at once as there may be."""

from __future__ import annotations

import threading

from orchestra_nb.engine.executors import AttemptEnded
from orchestra_nb.engine.thread_executor import ThreadExecutor
from orchestra_nb.model.states import State
from tests.engine.attempt_bodies import Body, add
from tests.engine.executor_probe import ExecutorProbe
from tests.patience import PATIENCE_SECONDS, eventually


def meet(barrier: threading.Barrier) -> int:
    return barrier.wait(PATIENCE_SECONDS)


def test_an_attempt_that_comes_while_a_thread_takes_another_gets_a_thread_of_its_own() -> None:
    executor = ThreadExecutor(max_workers=2)
    probe = ExecutorProbe(executor).open()
    try:
        probe.end_of(probe.start(Body(add, (1, 2))))
        eventually(lambda: True if executor._idle == 1 else None)
        barrier = threading.Barrier(2)

        with executor._lock:  # the thread that waits can take an attempt, and say so only afterwards
            first = probe.start(Body(meet, (barrier,)))
            eventually(lambda: True if executor._queue.empty() else None)
            second = probe.start(Body(meet, (barrier,)))

        for key in (first, second):
            ended = probe.end_of(key)
            assert isinstance(ended, AttemptEnded)
            assert ended.outcome.state is State.COMPLETED
    finally:
        executor.close()
