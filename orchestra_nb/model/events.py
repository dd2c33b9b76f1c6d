"""What happened, as records, and the contract of whoever takes them.

A driver says everything that happens to its runs as a sequence of these events. A sink writes them to the store, sends
them to another process, or collects them; the engine does not know which.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

import msgspec

from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import CellRun, Driver, ErrorInfo, LogLine, Run, TaskRun
from orchestra_nb.model.states import State, may_follow


class DriverStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A driver announces itself before its first run."""

    driver: Driver


class DriverEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A driver ended in good order."""

    driver_id: str
    at: datetime


class RunCreated(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run was accepted."""

    run: Run


class RunStateChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run entered a state. Sets ``started_at`` at the first RUNNING and ``ended_at`` at a terminal state."""

    run_id: str
    state: State
    at: datetime
    epoch: int = 1
    message: str = ""
    actor: str = "driver"


class RunCodeRecorded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It is known what a run executes; told after its creation, and kept once."""

    code: RunCode


#: Who has suspended a run that nobody has asked to.
ITSELF: Final = "the flow itself"


class RunSuspended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run is PAUSED and its process has left it: nobody drives it until it is reopened.

    Parameters
    ----------
    until
        When it fails because nobody resumed it; None for never.
    actor
        Who asked for it; empty where the flow suspends itself, of which the history says :data:`ITSELF`.
    """

    run_id: str
    at: datetime
    until: datetime | None = None
    epoch: int = 1
    message: str = ""
    actor: str = "driver"


class RunClaimed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run that waited is PENDING now, and this driver answers for it. Of several who claim it one succeeds.

    Parameters
    ----------
    from_driver_id
        Who has claimed it and hands it over before it begins; None where it waits.
    """

    run_id: str
    at: datetime
    driver_id: str
    epoch: int = 1
    from_driver_id: str | None = None


class RunGivenBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run that was claimed and has not begun is SCHEDULED again, in the same epoch: the driver that had it ends."""

    run_id: str
    at: datetime
    driver_id: str
    epoch: int
    message: str


class RunReopened(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run that ended otherwise than well, or is suspended, is SCHEDULED again in this epoch: one more than it had.

    The explicit way out of a terminal state. Of several who do it at once one succeeds, and drives it from then on;
    without a driver it waits to be claimed.

    Parameters
    ----------
    takes_missed
        Whether a run that was MISSED is opened, too: somebody asks for what had passed.
    fresh_from_index
        Which cell of its notebook runs, and all below it, whatever was kept of them; None for none.
    fresh_from_task
        Which task of its flow runs, and all that depends on it, whatever was kept of them before; None for the one that
        it was resumed from before, if any. A run that ended well is opened only with one of these.
    before
        Refused unless it is still in this state: by who decided on grounds of that. None for whatever it is in.
    """

    run_id: str
    at: datetime
    epoch: int
    driver_id: str | None
    actor: str
    message: str
    takes_missed: bool = False
    fresh_from_index: int | None = None
    fresh_from_task: str | None = None
    before: State | None = None


class RunStateSet(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody set the state of a run by hand, within its epoch, unless it stands otherwise by now.

    Parameters
    ----------
    before
        The state that they saw.
    """

    run_id: str
    at: datetime
    epoch: int
    before: State
    state: State
    actor: str
    message: str


class RunOutputWritten(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The executed notebook of a run stands at this path."""

    run_id: str
    output_path: str
    epoch: int = 1


class ValueRecorded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A notebook returned a value; a later one of the same name takes its place."""

    value: RecordedValue
    epoch: int = 1


class TaskRunCreated(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A task run was accepted."""

    task_run: TaskRun


class TaskRunStateChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A task run entered a state. ``None`` in a field leaves what the record has, and so does a false ``is_cached``.

    One of PENDING says of a task run that is PENDING what it waits for now: its message, and no step in its history.
    """

    run_id: str
    task_run_id: str
    state: State
    at: datetime
    epoch: int = 1
    attempt: int = 0
    message: str = ""
    error: ErrorInfo | None = None
    worker: str | None = None
    actor: str = "driver"
    is_cached: bool = False


class CellRunChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A cell of a notebook run is as this record says."""

    cell: CellRun


class LogsWritten(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Lines were logged, in order."""

    lines: tuple[LogLine, ...]


class DeadLetterAdded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A task run or a run used up its attempts; told after the change of state, and kept once for each epoch."""

    letter: DeadLetter


Event = (
    DriverStarted
    | DriverEnded
    | RunCreated
    | RunStateChanged
    | RunCodeRecorded
    | RunSuspended
    | RunClaimed
    | RunGivenBack
    | RunReopened
    | RunStateSet
    | RunOutputWritten
    | ValueRecorded
    | TaskRunCreated
    | TaskRunStateChanged
    | CellRunChanged
    | LogsWritten
    | DeadLetterAdded
)


class EventSink(Protocol):
    """Takes events of one driver, in order.

    Contract: ``emit`` never blocks on I/O and may be called from any thread; events of one thread keep their order.
    State changes are applied as a compare-and-set against the state graph within their epoch, so an event that comes
    late or twice changes nothing. Log lines may be dropped when a bound is reached, and the drop is said in the log;
    nothing else may be dropped.
    """

    def emit(self, event: Event) -> None:
        """Take one event."""

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted before is durable; False when the time was not enough."""

    def close(self) -> None:
        """Flush and let go of all resources. Later events are refused with ``RuntimeError``."""


def is_of_waiting(state: State, change: TaskRunStateChanged) -> bool:
    """Tell whether a change only says what a task run in this state waits for now."""
    return state is change.state is State.PENDING


def apply_to_task(task_run: TaskRun, change: TaskRunStateChanged) -> TaskRun:
    """Return the record after a change, or the same object when the change may not follow its state."""
    if change.epoch == task_run.epoch and is_of_waiting(task_run.state, change):
        return msgspec.structs.replace(task_run, message=change.message)
    if change.epoch != task_run.epoch or not may_follow(task_run.state, change.state):
        return task_run
    is_begin = change.state is State.RUNNING and task_run.started_at is None
    return msgspec.structs.replace(
        task_run,
        state=change.state,
        attempt=max(task_run.attempt, change.attempt),
        message=change.message,
        error=change.error if change.error is not None or change.state is State.RUNNING else task_run.error,
        worker=change.worker or task_run.worker,
        started_at=change.at if is_begin else task_run.started_at,
        ended_at=change.at if change.state.is_terminal else None,
        is_cached=change.is_cached or task_run.is_cached,
    )


def apply_to_run(run: Run, change: RunStateChanged) -> Run:
    """Return the record after a change, or the same object when the change may not follow its state."""
    if change.epoch != run.epoch or not may_follow(run.state, change.state):
        return run
    is_begin = change.state is State.RUNNING and run.started_at is None
    return msgspec.structs.replace(
        run,
        state=change.state,
        message=change.message,
        started_at=change.at if is_begin else run.started_at,
        ended_at=change.at if change.state.is_terminal else None,
    )


def encode_event(event: Event) -> bytes:
    """Return the event as one line of JSON without a newline."""
    return _ENCODER.encode(event)


def decode_event(data: bytes) -> Event:
    """Return the event that :func:`encode_event` wrote."""
    return _DECODER.decode(data)


_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
