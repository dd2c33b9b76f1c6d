"""One attempt to run a notebook, from the start of its runner's process until nothing of it is left.

Where its records go is somebody else's matter: a run of ours has a row in the store, a run of papermill's has none.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never

from orchestra_nb.engine.notebook_host import NotebookHost, RunnerEnded
from orchestra_nb.errors import StopTask
from orchestra_nb.model.ahead_plans import AheadPlan
from orchestra_nb.model.events import Event
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.output_notebook import close_abandoned
from orchestra_nb.notebooks.runner_messages import (
    Answered,
    AttemptEnded,
    Began,
    Begin,
    CancelTask,
    Finished,
    Flushed,
    FlushWanted,
    FromRunner,
    KernelGone,
    QuestionAsked,
    Reported,
    RunnerSpec,
    Shown,
    Stop,
)

if TYPE_CHECKING:
    from orchestra_nb.engine.remote_notebook_host import RemoteNotebookHost

#: What a kernel gets to end its cell after an interrupt.
GRACE_SECONDS = 5.0
#: What the runner gets beyond that to write the output notebook and end its kernel, before all is ended by force.
_EXTRA_SECONDS = 10.0
#: What a kernel gets to end in good order after its last cell.
_SHUTDOWN_SECONDS = 8.0
#: How often a driver looks up from its inbox: an exception that another thread raises in it comes only then.
_LOOK_UP_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody, or a deadline, wants the attempt to end; ``state`` is CANCELLED, TIMED_OUT, or CRASHED where it is
    what drives it that must end."""

    message: str
    actor: str
    grace_seconds: float = GRACE_SECONDS
    state: State = State.CANCELLED


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended.

    Parameters
    ----------
    finished
        What the runner said; made up of what is known where it was killed.
    lost
        How its process ended, where it was killed before it could say anything.
    """

    finished: Finished
    lost: RunnerEnded | None = None


class AttemptHome(Protocol):
    """Is told what becomes of an attempt. All but :meth:`answer_encoded` and :meth:`flush` in the attempt's thread."""

    def began(self, at: datetime) -> None:
        """Hear that the first cell is about to run."""

    def take(self, event: Event) -> None:
        """Take what happened."""

    def show(self, shown: Shown) -> None:
        """Take what a cell shows."""

    def stopping(self, asked: StopAsked) -> None:
        """Hear that the attempt is being stopped; once."""

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was taken before is durable; False when the time was not enough. In any thread."""

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Answer what code of the run asks. In any thread."""

    def attempt_ended(self, task_run_id: str) -> None:
        """Free what an attempt of a task still holds. In any thread."""


@dataclass(frozen=True, slots=True)
class _TimeIsUp:
    """What was to end by itself has not."""


_Message = FromRunner | RunnerEnded | StopAsked | _TimeIsUp | Flushed | Answered | CancelTask


class NotebookAttempt:
    """Follows one runner. Belongs to one thread, but for :meth:`stop` and :meth:`cancel_task`.

    An exception from outside, such as Ctrl-C, stops the attempt; it is kept in :attr:`interrupt` until the attempt has
    ended.

    Parameters
    ----------
    host
        The runner's process. It has started, so that it is ready when the notebook has been read.

    Attributes
    ----------
    stopped
        Why it is being stopped; None if it is not.
    interrupt
        The exception that stopped it, to be raised when all is over.
    """

    def __init__(self, host: NotebookHost | RemoteNotebookHost) -> None:
        self._host = host
        self._spec: RunnerSpec | None = None
        self._timers: dict[str, threading.Timer] = {}
        self._is_kernel_gone = False
        self.stopped: StopAsked | None = None
        self.interrupt: BaseException | None = None

    def stop(self, asked: StopAsked) -> None:
        """Have it end; a second time: at once. Safe in a signal handler and in any thread."""
        self._host.inbox.put(asked)

    def cancel_task(self, task_run_id: str, actor: str) -> None:
        """Have one of its tasks cancelled. Safe in any thread."""
        self._host.inbox.put(CancelTask(task_run_id, actor))

    def prepare(self, spec: RunnerSpec) -> None:
        """Have the kernel started."""
        self._spec = spec
        self._host.prepare(spec)

    def begin(self, ahead: AheadPlan | None = None) -> None:
        """Let the first cell run; with a plan, cells run ahead of their turn."""
        self._host.send(Begin(ahead))

    @contextlib.contextmanager
    def stopped_by_interrupts(self) -> Iterator[None]:
        """Stop the attempt at whatever interrupts the block, in place of raising it."""
        try:
            yield
        except (KeyboardInterrupt, StopTask) as error:
            self.interrupt = error
            self.stop(StopAsked("Interrupted", "user"))

    def follow(self, home: AttemptHome, *, timeout_seconds: float | None = None) -> AttemptOutcome:
        """Tell the home what happens until the attempt has ended, and return how.

        Parameters
        ----------
        timeout_seconds
            After so long, counted from the first cell, it is stopped as TIMED_OUT; None for never.
        """
        while True:
            with self.stopped_by_interrupts():
                end = self._follow(home, timeout_seconds)
                return AttemptOutcome(end) if isinstance(end, Finished) else self._take_loss(end)

    def await_kernel(self) -> None:
        """Wait until nothing of the kernel is left; what does not end in time, or while somebody waits, is ended."""
        self._start_timer("end", _SHUTDOWN_SECONDS, _TimeIsUp())
        while True:
            with self.stopped_by_interrupts():
                message = self._host.inbox.get()
                if isinstance(message, RunnerEnded | KernelGone):
                    self._is_kernel_gone = isinstance(message, KernelGone)
                    return
                if isinstance(message, _TimeIsUp | StopAsked):
                    self._host.let_go()

    def close(self) -> None:
        """End all that has not ended, and let go of it. May be called twice."""
        for timer in self._timers.values():
            timer.cancel()
        if self._is_kernel_gone:
            self._host.leave()
        else:
            self._host.close()
        if self._spec is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._spec.socket_path)  # left by a runner that was killed

    def _follow(self, home: AttemptHome, timeout_seconds: float | None) -> Finished | RunnerEnded:
        while True:
            try:
                message: _Message = self._host.inbox.get(timeout=_LOOK_UP_SECONDS)  # type: ignore[assignment]
            except queue.Empty:
                continue
            match message:
                case Reported(event):
                    home.take(event)
                case Began(at):
                    home.began(at)
                    if timeout_seconds is not None:
                        late = StopAsked(f"Ran longer than {timeout_seconds:g} s", "driver", state=State.TIMED_OUT)
                        self._start_timer("deadline", timeout_seconds, late)
                case Shown():
                    home.show(message)
                case FlushWanted() | QuestionAsked() | AttemptEnded():
                    self._do_in_thread(home, message)
                case Flushed() | Answered() | CancelTask():
                    self._host.send(message)
                case StopAsked():
                    self._take_stop(home, message)
                case _TimeIsUp():
                    self._host.let_go()
                case Finished() | RunnerEnded():
                    return message
                case KernelGone():
                    pass  # comes after the end
                case _:
                    assert_never(message)

    def _do_in_thread(self, home: AttemptHome, asked: FlushWanted | QuestionAsked | AttemptEnded) -> None:
        """Do what may take its time in a thread, so that nothing else waits, and have the answer sent by ours."""
        work: Callable[[], None]
        match asked:
            case FlushWanted(token, seconds):
                name, work = "flush", lambda: self._host.inbox.put(Flushed(token, home.flush(seconds)))
            case QuestionAsked(token, question, run_id, task_run_id):
                asker = Asker(run_id=run_id, task_run_id=task_run_id)
                name = "answer"
                work = lambda: self._host.inbox.put(Answered(token, home.answer_encoded(question, asker)))  # noqa: E731
            case AttemptEnded(task_run_id):
                name, work = "slots", lambda: home.attempt_ended(task_run_id)
        threading.Thread(target=work, name=f"orchestra-{name}", daemon=True).start()

    def _take_stop(self, home: AttemptHome, asked: StopAsked) -> None:
        grace = asked.grace_seconds
        if self.stopped is None:
            self.stopped = asked
            home.stopping(asked)
        else:
            grace = 0.0
        self._host.send(Stop(asked.message, grace, asked.state))
        self._start_timer("end", grace + _EXTRA_SECONDS, _TimeIsUp())

    def _take_loss(self, end: RunnerEnded) -> AttemptOutcome:
        """Say what the runner could not say any more: it was killed."""
        assert self._spec is not None
        now = datetime.now(UTC)
        if self.stopped is not None:
            state, message = self.stopped.state, self.stopped.message
        else:
            state, message = State.CRASHED, f"The process that ran the notebook ended ({end.reason}). Run it again."
        source = json.loads(self._spec.notebook_json)
        close_abandoned(Path(self._spec.output_path), now, state, message, source)
        return AttemptOutcome(Finished(state, message, now), end)

    def _start_timer(self, name: str, seconds: float, message: _Message) -> None:
        if (before := self._timers.get(name)) is not None:
            before.cancel()
        timer = self._timers[name] = threading.Timer(seconds, self._host.inbox.put, [message])
        timer.daemon = True
        timer.start()
