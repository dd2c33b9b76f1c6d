"""Runs attempts in threads of this process: nothing is pickled, and nothing can be stopped by force.

Values stay the objects that they are. A task that does not give way when it is stopped is given up after its grace: its
thread goes on as long as it likes, and its end is no news.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from orchestra_nb.engine.attempts import groups_of, run_user_code, select_groups
from orchestra_nb.engine.executors import (
    AttemptAsked,
    AttemptBegan,
    AttemptEmitted,
    AttemptEnded,
    AttemptLost,
    AttemptRequest,
    AttemptResult,
    AttemptShowed,
    ClusterChanged,
    ExecutorEvent,
)
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.errors import ClusterUnavailable, Conflict, TaskCrashed
from orchestra_nb.model.events import Event
from orchestra_nb.model.runs import LogLine
from orchestra_nb.model.states import State

#: How long after the soft stop at its deadline an attempt is given up.
GIVE_UP_SECONDS = 1.0
#: Of so many attempts it is known that they were started.
_MOST_KEYS = 100_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Attempt:
    request: AttemptRequest
    switch: StopSwitch = field(default_factory=StopSwitch)
    has_begun: bool = False
    #: takes what the driver says to it
    hear: Callable[[bytes], None] | None = None


class ThreadExecutor:
    """Implements :class:`~orchestra_nb.engine.executors.Executor` with threads.

    Parameters
    ----------
    max_workers
        How many attempts run at a time; None for five more than there are cores.
    give_up_seconds
        How long after the soft stop an attempt is given up, at the least.
    """

    name = "threads of this process"

    def __init__(self, max_workers: int | None = None, *, give_up_seconds: float = GIVE_UP_SECONDS) -> None:
        self._give_up_seconds = give_up_seconds
        self._max_workers = max_workers or (os.cpu_count() or 1) + 5
        self._report_to: Callable[[ExecutorEvent], None] | None = None
        self._lock = threading.RLock()
        self._queue: queue.PriorityQueue[tuple[int, int, _Attempt | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        #: of attempts that were started, the latest
        self._keys: dict[str, None] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._results: dict[str, AttemptResult] = {}
        self._threads: list[threading.Thread] = []
        self._idle = 0
        #: attempts that no thread has taken; the queue itself forgets one before its thread has stopped being idle
        self._untaken = 0
        #: attempts that were given up: each keeps a thread, and another one takes its place
        self._given_up = 0
        self._clock = _Clock()
        self._answers: dict[tuple[str, int], tuple[threading.Event, list[bytes]]] = {}
        self._is_closed = False

    def open(self, report: Callable[[ExecutorEvent], None]) -> None:
        """Report to this function from now on; there is nothing to connect to."""
        self._report_to = report
        report(ClusterChanged(status="ready", detail=f"up to {self._max_workers} threads"))

    def start(self, request: AttemptRequest) -> None:
        """Start an attempt as soon as a thread is free.

        Raises
        ------
        Conflict
            An attempt with this key was started before.
        ClusterUnavailable
            The executor is not open.
        """
        if self._report_to is None or self._is_closed:
            raise ClusterUnavailable("The pool of threads is closed.")
        if request.resources or request.workers:
            self._report_to(_no_such_worker(request))
            return
        with self._lock:
            if request.key in self._keys:
                raise Conflict(f"The attempt {request.key} was started before; a new attempt needs a new key.")
            self._keys[request.key] = None
            if len(self._keys) > _MOST_KEYS:
                del self._keys[next(iter(self._keys))]
            attempt = self._attempts[request.key] = _Attempt(request)
            self._queue.put((-request.priority, next(self._numbers), attempt))
            self._untaken += 1
            if self._idle < self._untaken and len(self._threads) - self._given_up < self._max_workers:
                thread = threading.Thread(target=self._work, name="orchestra-task", daemon=True)
                self._threads.append(thread)
                thread.start()

    def stop(self, key: str, state: str, grace_seconds: float) -> None:
        """Stop an attempt softly, and give it up after the grace; nothing if it has ended."""
        with self._lock:
            attempt = self._attempts.get(key)
            if attempt is None:
                return
            attempt.switch.stop(state)
            if not attempt.has_begun:
                self._lose(attempt, begun=False, state=state, reason="stopped before it began")
                return
        # of the default only the grace counts, which may be shorter
        seconds = grace_seconds if self._give_up_seconds == GIVE_UP_SECONDS else self._give_up_seconds
        self._clock.call_later(seconds, lambda: self._give_up(attempt, state, "stopped"))

    def answer(self, key: str, number: int, answer: bytes) -> None:
        """Answer a question of an attempt; nothing if it does not wait any more."""
        waiting = self._answers.get((key, number))
        if waiting is not None:
            waiting[1].append(answer)
            waiting[0].set()

    def say(self, key: str, word: bytes) -> None:
        """Say something to an attempt that hears it, in the caller's thread."""
        attempt = self._attempts.get(key)
        if attempt is not None and (hear := attempt.hear) is not None:
            hear(word)

    def fetch(self, key: str, names: Sequence[str], timeout_seconds: float | None = None) -> AttemptResult:
        """Return the result of an ended attempt; it is here."""
        result = self._results.get(key)
        if result is None:
            raise TaskCrashed(f"The values of attempt {key} have been let go.")
        selected = select_groups(result, groups_of(result.outcome, names))
        assert isinstance(selected, AttemptResult)
        return selected

    def release(self, key: str) -> None:
        """Let the values of an ended attempt go."""
        self._results.pop(key, None)

    def close(self) -> None:
        """Stop all attempts that have not ended, and end the threads that give way."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            attempts = list(self._attempts.values())
        for attempt in attempts:
            self.stop(attempt.request.key, State.CANCELLED.value, self._give_up_seconds)
        deadline = time.monotonic() + 2 * self._give_up_seconds
        for _ in self._threads:
            self._queue.put((1 << 62, next(self._numbers), None))
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for attempt in attempts:
            self._give_up(attempt, State.CANCELLED.value, "the driver closed")
        self._clock.close()
        self._results.clear()

    # --- the threads

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            _, _, attempt = self._queue.get()
            with self._lock:
                self._idle -= 1
                if attempt is not None:
                    self._untaken -= 1
            if attempt is None:
                return
            if self._begin(attempt):
                self._end(attempt, self._run(attempt))

    def _begin(self, attempt: _Attempt) -> bool:
        request = attempt.request
        with self._lock:
            if self._attempts.get(request.key) is not attempt:
                return False  # stopped meanwhile
            missing = tuple(key for key, _ in request.upstream.values() if key not in self._results)
            if missing:
                reason = "values that it needs have been let go"
                self._lose(attempt, begun=False, state=State.CRASHED.value, reason=reason, missing=missing)
                return False
            attempt.has_begun = True
            self._report(AttemptBegan(key=request.key, worker=self._worker, at=datetime.now(UTC)))
        if request.timeout_seconds is not None:
            self._clock.call_later(request.timeout_seconds, lambda: self._time_out(attempt))
        return True

    @property
    def _worker(self) -> str:
        return threading.current_thread().name

    def _run(self, attempt: _Attempt) -> AttemptResult:
        request = attempt.request
        started_at = datetime.now(UTC)
        upstream = {
            task_run_id: select_groups(self._results[key], groups_of(self._results[key].outcome, names))
            for task_run_id, (key, names) in request.upstream.items()
            if key in self._results
        }
        results = {name: result for name, result in upstream.items() if isinstance(result, AttemptResult)}
        context = _ThreadContext(self, attempt, self._worker)
        return run_user_code(
            lambda: request.body.run(results, context), attempt.switch, started_at, self._worker, request.key
        )

    def _end(self, attempt: _Attempt, result: AttemptResult) -> None:
        with self._lock:
            if self._attempts.pop(attempt.request.key, None) is not attempt:
                self._given_up -= 1  # its thread is free again
                return
            if result.outcome.state is State.COMPLETED:
                self._results[attempt.request.key] = result
            self._report(AttemptEnded(key=attempt.request.key, outcome=result.outcome))

    def _time_out(self, attempt: _Attempt) -> None:
        attempt.switch.stop(State.TIMED_OUT.value)
        self._clock.call_later(
            self._give_up_seconds, lambda: self._give_up(attempt, State.TIMED_OUT.value, "ran longer than its timeout")
        )

    def _give_up(self, attempt: _Attempt, state: str, why: str) -> None:
        with self._lock:
            if self._attempts.get(attempt.request.key) is attempt:
                if attempt.has_begun:
                    self._given_up += 1
                reason = f"{why}; its thread did not give way and goes on: a thread cannot be ended by force"
                self._lose(attempt, begun=attempt.has_begun, state=state, reason=reason)

    def _lose(self, attempt: _Attempt, *, begun: bool, state: str, reason: str, missing: tuple[str, ...] = ()) -> None:
        self._attempts.pop(attempt.request.key, None)
        self._report(AttemptLost(key=attempt.request.key, begun=begun, state=state, reason=reason, missing=missing))

    def _report(self, event: ExecutorEvent) -> None:
        assert self._report_to is not None
        self._report_to(event)

    def ask(self, attempt: AttemptRequest, question: bytes, timeout_seconds: float) -> bytes:
        """Ask the driver, in the thread of an attempt."""
        number = next(self._numbers)
        asked = self._answers[attempt.key, number] = (threading.Event(), [])
        self._report(AttemptAsked(key=attempt.key, number=number, question=question))
        deadline = time.monotonic() + timeout_seconds
        try:
            while not asked[0].wait(0.1):  # in slices, so that a stop comes through
                if time.monotonic() > deadline:
                    raise TimeoutError(f"The driver gave no answer in {timeout_seconds:g} s.")
            return asked[1][0]
        finally:
            del self._answers[attempt.key, number]


class _ThreadContext:
    """Implements :class:`~orchestra_nb.engine.executors.AttemptContext`."""

    def __init__(self, executor: ThreadExecutor, attempt: _Attempt, worker: str) -> None:
        self.worker = worker
        self.attempt = attempt.request.attempt
        self._executor = executor
        self._attempt = attempt
        self._request = attempt.request

    def show(self, message: Mapping[str, object]) -> None:
        """Send something shown."""
        self._executor._report(AttemptShowed(key=self._request.key, outputs=(dict(message),)))

    def log(self, line: LogLine) -> None:
        """Send a log line."""
        self._executor._report(AttemptShowed(key=self._request.key, lines=(line,)))

    def emit(self, event: Event) -> None:
        """Pass on what happened to a child."""
        self._executor._report(AttemptEmitted(key=self._request.key, events=(event,)))

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        """Ask the driver."""
        return self._executor.ask(self._request, question, timeout_seconds)

    def hear(self, take: Callable[[bytes], None] | None) -> None:
        """Have what the driver says taken, in its own thread."""
        self._attempt.hear = take


class _Clock:
    """Calls functions later, in one thread that is started when first needed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], Any]]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def call_later(self, seconds: float, function: Callable[[], Any]) -> None:
        """Call a function after so many seconds."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), function))
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="orchestra-task-clock", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_closed and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._is_closed:
                    return
                function = heapq.heappop(self._due)[2]
            try:
                function()
            except Exception:  # the clock must outlive it
                _log.exception("A stop could not be carried out")


def _no_such_worker(request: AttemptRequest) -> AttemptLost:
    wanted = ", ".join(request.workers) or ", ".join(f"{name}={amount:g}" for name, amount in request.resources.items())
    return AttemptLost(
        key=request.key,
        begun=False,
        state=State.CRASHED.value,
        reason=f"threads have no workers and no resources, and it asks for {wanted}: use the Dask task runner",
    )
