"""Performs what the state machine decides for one task or flow, in the caller's own thread.

A task that is called directly, and the body of a flow, run where they are called: in the debugger, with the caller's
objects. The decisions are those of :class:`~orchestra_nb.model.state_machine.StateMachine`, as for every other attempt.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from orchestra_nb.errors import StopTask
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.events import TaskRunStateChanged
from orchestra_nb.model.machine_messages import (
    Announce,
    AttemptFinished,
    AttemptSeenRunning,
    AttemptVanished,
    CancelAsked,
    Command,
    RetryDue,
    StartAttempt,
    TaskPlan,
    TaskSubmitted,
    WakeAt,
)
from orchestra_nb.model.state_machine import StateMachine
from orchestra_nb.model.states import State

#: Its own, since the code of users may have seeded that of the process.
_chance = random.Random()

_SLICE_SECONDS = 0.2

#: Runs one attempt (its number from 1) and returns how it ended; raises nothing.
RunAttempt = Callable[[int], AttemptResult]


class DirectCall:
    """One task or flow run in its caller's thread.

    Parameters
    ----------
    announce
        Told of each change of state, in order.
    """

    def __init__(self, plan: TaskPlan, announce: Callable[[TaskRunStateChanged], None], worker: str = "") -> None:
        self._plan = plan
        self._announce = announce
        self._worker = worker
        self._machine = StateMachine()
        self._commands: deque[Command] = deque()
        self._cancel_reason = ""
        self._is_cancelled = threading.Event()
        self._pieces: Iterator[StartAttempt | WakeAt] = iter(())
        #: the Ctrl-C, or the end of what is around, that ended a wait before an attempt
        self.interrupt: BaseException | None = None

    def cancel(self, reason: str) -> None:
        """Let no further attempt begin, and end a wait before one; from any thread. The running one is not stopped."""
        self._cancel_reason = reason
        self._is_cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._is_cancelled.is_set()

    def run(self, run_attempt: RunAttempt) -> AttemptResult | None:
        """Run attempts until one is the last, and return what it left; None when it was cancelled before one."""
        last: AttemptResult | None = None
        for step in self._steps():
            if isinstance(step, StartAttempt):
                last = run_attempt(step.attempt)
                self._finish(step, last)
            else:
                try:
                    self._wait_until(step.at)
                except (KeyboardInterrupt, StopTask) as error:
                    self.interrupt = error
                    self.cancel("interrupted")
                self._wake(step)
        return last

    def _wait_until(self, at: datetime) -> None:
        deadline = time.monotonic() + _seconds_until(at)
        while (left := deadline - time.monotonic()) > 0:
            # in slices, since an exception from another thread comes only between them; and a signal, too, where it
            # comes just before the wait
            if self._is_cancelled.wait(min(left, _SLICE_SECONDS)):
                return

    async def run_async(self, run_attempt: Callable[[int], Awaitable[AttemptResult]]) -> AttemptResult | None:
        """Do what :meth:`run` does, for coroutines."""
        last: AttemptResult | None = None
        for step in self._steps():
            if isinstance(step, StartAttempt):
                last = await run_attempt(step.attempt)
                self._finish(step, last)
            else:
                deadline = time.monotonic() + _seconds_until(step.at)
                try:
                    while not self._is_cancelled.is_set() and (left := deadline - time.monotonic()) > 0:
                        await asyncio.sleep(min(left, _SLICE_SECONDS))
                except asyncio.CancelledError as error:
                    self.interrupt = error
                    self.cancel("interrupted")
                self._wake(step)
        return last

    def begin(self) -> StartAttempt:
        """Announce the one attempt of a caller that runs it in pieces, as a generator, and ends it by :meth:`end`."""
        self._pieces = self._steps(is_begun=True)
        started = next(self._pieces)
        assert isinstance(started, StartAttempt)
        return started

    def end(self, started: StartAttempt, result: AttemptResult) -> None:
        """Announce how that attempt ended, which must be one that is not repeated."""
        self._finish(started, result)
        for step in self._pieces:
            raise AssertionError(f"an attempt in pieces is not followed by {step}")

    def _steps(self, is_begun: bool = False) -> Iterator[StartAttempt | WakeAt]:
        """Yield what takes time; announce all else.

        Parameters
        ----------
        is_begun
            Whether a cancel comes too late for the attempt: whoever runs it in pieces has begun.
        """
        self._handle(TaskSubmitted(self._plan))
        while self._commands:
            match command := self._commands.popleft():
                case Announce(change):
                    self._announce(change)
                case StartAttempt(key=key) if self._is_cancelled.is_set() and not is_begun:
                    self._handle(CancelAsked(None, self._cancel_reason))
                    self._handle(AttemptVanished(key, False, State.CANCELLED, self._cancel_reason))
                case StartAttempt(key=key):
                    self._commands.extend(
                        self._machine.handle(
                            AttemptSeenRunning(key, self._worker, datetime.now(UTC)), datetime.now(UTC)
                        )
                    )
                    while self._commands and isinstance(self._commands[0], Announce):
                        self._announce(self._commands.popleft().change)  # type: ignore[union-attr]
                    yield command
                case WakeAt():
                    yield command

    def _handle(self, event: TaskSubmitted | AttemptFinished | AttemptVanished | RetryDue | CancelAsked) -> None:
        self._commands.extend(self._machine.handle(event, datetime.now(UTC)))

    def _finish(self, started: StartAttempt, result: AttemptResult) -> None:
        if self._is_cancelled.is_set() and result.outcome.state is not State.COMPLETED:
            asked = self._machine.handle(CancelAsked(None, self._cancel_reason), datetime.now(UTC))
            # what is to be stopped has ended already
            self._commands.extend(command for command in asked if isinstance(command, Announce))
        self._handle(AttemptFinished(started.key, result.outcome, _chance.random()))

    def _wake(self, wake: WakeAt) -> None:
        if self._is_cancelled.is_set():
            self._handle(CancelAsked(None, self._cancel_reason))
        else:
            self._handle(wake.event)


def _seconds_until(at: datetime) -> float:
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
