"""The contract of an executor: it starts attempts somewhere, stops them, and says what becomes of them.

An executor decides nothing: it never repeats an attempt, and it answers everything, also a dead process, as an event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from orchestra_nb.engine.driver_environment import DriverEnvironment
from orchestra_nb.model.attempts import AttemptBody, AttemptContext, AttemptResult
from orchestra_nb.model.events import Event
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import LogLine

__all__ = [
    "AttemptAsked",
    "AttemptBegan",
    "AttemptBody",
    "AttemptContext",
    "AttemptEmitted",
    "AttemptEnded",
    "AttemptLost",
    "AttemptRequest",
    "AttemptResult",
    "AttemptSent",
    "AttemptShowed",
    "ClusterChanged",
    "Executor",
    "ExecutorEvent",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRequest:
    """One attempt to start.

    Parameters
    ----------
    key
        Names this attempt for ever, in every process and on the cluster: a second start with it is refused.
    upstream
        Upstream task run id to (its attempt key, the names needed of it; None for all). These attempts have completed;
        but a call may name calls of the same shared part that are on their way: it begins when they have completed, and
        is lost, not begun, when one of them ends otherwise.
    timeout_seconds
        From the start of user code to its end by force; None for no limit.
    priority
        Attempts of a greater one start first.
    resources
        What it takes of its worker while it runs, by the cluster's own names (``{"GPU": 1}``).
    workers
        Names or addresses of the workers that may run it; empty for all.
    environment
        The variables that its code is to see where they may travel: on a cluster that we started on this machine. None
        for those of wherever it runs.
    """

    key: str
    run_id: str
    task_run_id: str
    name: str
    attempt: int
    body: AttemptBody
    upstream: Mapping[str, tuple[str, Sequence[str] | None]] = field(default_factory=dict)
    timeout_seconds: float | None = None
    priority: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    workers: tuple[str, ...] = ()
    environment: DriverEnvironment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChanged:
    """The cluster is ``"starting"``, ``"ready"`` or ``"lost"``; ``detail`` in people's words ("2 workers")."""

    status: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptBegan:
    """User code of this attempt is about to run on ``worker``."""

    key: str
    worker: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptShowed:
    """The attempt showed something (see :meth:`AttemptContext.show`) or logged; for display, may be lost."""

    key: str
    outputs: tuple[Mapping[str, object], ...] = ()
    lines: tuple[LogLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEmitted:
    """Something happened to child runs or child tasks of the attempt (:meth:`AttemptContext.emit`)."""

    key: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptAsked:
    """The attempt waits for :meth:`Executor.answer` with this number (:meth:`AttemptContext.ask`)."""

    key: str
    number: int
    question: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSent:
    """The attempt said something to its driver over a channel (:mod:`orchestra_nb.engine.worker_channels`)."""

    key: str
    words: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """The attempt ended; its values can be fetched with :meth:`Executor.fetch`."""

    key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLost:
    """The attempt will give no outcome.

    Parameters
    ----------
    begun
        Whether user code had begun. If not, it was no attempt: it may be started again under a new key.
    state
        What the attempt ended in: CRASHED, or TIMED_OUT or CANCELLED when its process was ended for that.
    reason
        In people's words, with the exit code or the signal where known: ``"process exited with 3"``.
    exit_code
        Of a process that exited by itself; None when a signal ended it, or nobody knows.
    missing
        Attempt keys of upstreams whose values are gone, where that is why it did not begin.
    has_lost_cluster
        Whether the whole cluster is gone, and not only a worker: what had begun may run on there, unheard.
    """

    key: str
    begun: bool
    state: str
    reason: str
    worker: str = ""
    exit_code: int | None = None
    missing: tuple[str, ...] = ()
    has_lost_cluster: bool = False


ExecutorEvent = (
    ClusterChanged
    | AttemptBegan
    | AttemptShowed
    | AttemptEmitted
    | AttemptAsked
    | AttemptSent
    | AttemptEnded
    | AttemptLost
)


class Executor(Protocol):
    """Runs attempts.

    Contract: no method but ``fetch`` and ``close`` blocks on the network. Events are reported from threads of the
    executor's own, in order for each attempt: at most one ``AttemptBegan``, then exactly one ``AttemptEnded`` or
    ``AttemptLost``, whatever happens to workers, scheduler or connection.
    """

    #: where it runs, in people's words: ``"local cluster"``, ``"tcp://10.0.0.1:8786"``
    name: str

    def open(self, report: Callable[[ExecutorEvent], None]) -> None:
        """Begin to connect (starting the cluster if needed) and report to this function from now on."""

    def start(self, request: AttemptRequest) -> None:
        """Start an attempt as soon as the cluster is there and has a free slot."""

    def stop(self, key: str, state: str, grace_seconds: float) -> None:
        """Stop an attempt: before it begins, or by :class:`StopTask` in its thread, or by force after the grace.

        ``state`` is CANCELLED or TIMED_OUT and comes back in the attempt's end.
        """

    def answer(self, key: str, number: int, answer: bytes) -> None:
        """Answer an :class:`AttemptAsked`; nothing if the attempt has ended."""

    def say(self, key: str, word: bytes) -> None:
        """Say something to an attempt that hears it (:meth:`AttemptContext.hear`); nothing if it does not, or ended."""

    def fetch(self, key: str, names: Sequence[str], timeout_seconds: float | None = None) -> AttemptResult:
        """Return the result of an ended attempt with the groups that hold these names (the others are None).

        Raises
        ------
        TaskCrashed
            The values are gone with their worker.
        """

    def release(self, key: str) -> None:
        """Let the values of an ended attempt go."""

    def close(self) -> None:
        """Stop all attempts that have not ended and let go of the cluster (without ending a shared one)."""
