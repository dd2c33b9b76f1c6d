"""One attempt on a worker: the function that Dask runs, and what it leaves.

:func:`run_attempt` asks the ledger, tells the sentinel, runs the body in a section that can be stopped, catches
whatever comes out of it, and answers with data. It raises nothing: an exception would be Dask's to judge, and Dask
repeats some.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from orchestra_nb.engine.executors import AttemptBody, AttemptContext, AttemptResult
from orchestra_nb.engine.packed_results import pack_result, unpack_result
from orchestra_nb.engine.stop_switch import StopSwitch
from orchestra_nb.errors import StopTask
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State

#: Results up to this size travel to the driver with the news of their end, so that no fetch is needed.
EMBEDDED_BYTES = 64 * 1024
#: Outcomes larger than this (a cell that showed megabytes) are fetched by the driver instead of being sent to it.
_SENT_BYTES = 4 * 1024 * 1024
_MESSAGE_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class AttemptTicket:
    """What a worker must know of an attempt beside its body.

    Parameters
    ----------
    client
        The Dask client of the driver, to which news are sent.
    upstream
        (task run id, attempt key) of each upstream, in the order of the results that are passed.
    attempt
        Its number, from 1.
    environment
        The digest of its driver's environment; None for that of the worker.
    """

    key: str
    client: str
    timeout_seconds: float | None
    upstream: tuple[tuple[str, str], ...] = ()
    attempt: int = 1
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class PackedBody:
    """A pickled body with its large buffers apart, so that Dask moves them without a copy."""

    data: bytes
    buffers: tuple[pickle.PickleBuffer, ...] = ()

    @classmethod
    def pack(cls, body: AttemptBody) -> PackedBody:
        """Pickle a body by value where it cannot be imported."""
        import cloudpickle

        buffers: list[pickle.PickleBuffer] = []
        data = cloudpickle.dumps(body, protocol=5, buffer_callback=buffers.append)
        return cls(data, tuple(buffers))

    def unpack(self) -> AttemptBody:
        """Return the body; may raise anything that the import of its parts raises."""
        body: AttemptBody = pickle.loads(self.data, buffers=self.buffers)
        return body

    @property
    def size_bytes(self) -> int:
        """What travels."""
        return len(self.data) + sum(buffer.raw().nbytes for buffer in self.buffers)

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return PackedBody, (self.data, self.buffers)


@dataclass(frozen=True, slots=True)
class PackedResult:
    """A small result of an upstream that the driver has in hand and sends along."""

    data: bytes

    def unpack(self) -> AttemptResult:
        """Return the result."""
        return unpack_result(self.data)


@dataclass(frozen=True, slots=True)
class NotRun:
    """What :func:`run_attempt` leaves in place of a result when user code was not run this time.

    Parameters
    ----------
    missing
        Attempt keys of upstreams whose values are gone.
    """

    key: str
    reason: str
    missing: tuple[str, ...] = ()


class AttemptHost(Protocol):
    """What the worker's process gives to an attempt; :class:`~orchestra_nb.engine.worker_plugin.WorkerHost`."""

    worker_name: str

    def may_begin(self, ticket: AttemptTicket, at: datetime) -> str | None:
        """Ask the ledger, and for an environment that lacks; return None if user code may run, else why not."""

    def enter(self, ticket: AttemptTicket, switch: StopSwitch) -> None:
        """Pass on stop orders to this switch from now on."""

    def begin(self, ticket: AttemptTicket, switch: StopSwitch) -> None:
        """Be in the driver's environment, tell the sentinel, and start the clock."""

    def end(self, ticket: AttemptTicket) -> None:
        """Undo :meth:`begin`."""

    def leave(self, ticket: AttemptTicket) -> None:
        """Undo :meth:`enter`."""

    def context(self, ticket: AttemptTicket) -> AttemptContext:
        """Return what the body may use."""

    def tell_end(self, ticket: AttemptTicket, packed: bytes | None, is_whole: bool) -> None:
        """Send the end to the ledger and to the driver, after all that was shown."""

    def tell_not_run(self, ticket: AttemptTicket, not_run: NotRun) -> None:
        """Send to the driver that it was not run."""


def label_of_worker(name: object) -> str:
    """Return what people call a Dask worker: its name, which many clusters make a mere number."""
    return f"worker-{name}" if isinstance(name, int) else str(name)


def run_attempt(
    ticket: AttemptTicket, body: PackedBody, *upstream: AttemptResult | PackedResult | NotRun
) -> AttemptResult | NotRun:
    """Run one attempt in this thread of a Dask worker. This is the function of its Dask task."""
    from orchestra_nb.engine.worker_plugin import current_host

    return perform(current_host(), ticket, body, upstream)


def perform(
    host: AttemptHost,
    ticket: AttemptTicket,
    body: PackedBody,
    upstream: Sequence[AttemptResult | PackedResult | NotRun],
) -> AttemptResult | NotRun:
    """Run one attempt on this host."""
    missing = tuple(result.key for result in upstream if isinstance(result, NotRun))
    if missing:
        not_run = NotRun(ticket.key, "values that it needs are gone with their worker", missing)
        host.tell_not_run(ticket, not_run)
        return not_run
    switch = StopSwitch()
    host.enter(ticket, switch)
    try:
        started_at = datetime.now(UTC)
        refusal = host.may_begin(ticket, started_at)
        if refusal is not None:
            not_run = NotRun(ticket.key, refusal)
            host.tell_not_run(ticket, not_run)
            return not_run
        host.begin(ticket, switch)
        try:
            result = _run_body(host, ticket, body, upstream, switch, started_at)
        finally:
            host.end(ticket)
        result, packed, is_whole = pack_for_driver(result)
        host.tell_end(ticket, packed, is_whole)
        return result
    finally:
        host.leave(ticket)


def _run_body(
    host: AttemptHost,
    ticket: AttemptTicket,
    packed_body: PackedBody,
    upstream: Sequence[AttemptResult | PackedResult | NotRun],
    switch: StopSwitch,
    started_at: datetime,
) -> AttemptResult:
    def run() -> AttemptResult:
        results: dict[str, AttemptResult] = {}
        for (task_run_id, _), result in zip(ticket.upstream, upstream, strict=True):
            if not isinstance(result, NotRun):
                results[task_run_id] = result.unpack() if isinstance(result, PackedResult) else result
        return packed_body.unpack().run(results, host.context(ticket))

    return run_user_code(run, switch, started_at, host.worker_name, ticket.key)


def run_user_code(
    function: Callable[[], AttemptResult], switch: StopSwitch, started_at: datetime, worker_name: str, key: str
) -> AttemptResult:
    """Run user code of an attempt in this thread; whatever it raises becomes an outcome."""
    try:
        result = switch.run(function)
        if not isinstance(result, AttemptResult):
            raise TypeError(f"The body of {key} returned {type(result).__name__}, not an AttemptResult.")
    except BaseException as error:
        is_stop = isinstance(error, StopTask) and switch.stopped_for is not None
        outcome = Outcome(
            state=State.FAILED,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            worker=worker_name,
            pid=os.getpid(),
            error=None if is_stop else describe_error(error),
        )
        result = AttemptResult(outcome)
    if switch.stopped_for is not None and result.outcome.state is State.FAILED:
        # also where the body, or user code, turned StopTask into an ordinary failure
        stopped = msgspec.structs.replace(result.outcome, state=State(switch.stopped_for), error=None)
        result = AttemptResult(stopped, result.groups)
    return result


def describe_error(error: BaseException) -> ErrorInfo:
    """Return an error as data; never raises, whatever the error's own methods do."""
    try:
        message = str(error)
        if isinstance(error, SystemExit):
            message = f"task called sys.exit({'' if error.code is None else repr(error.code)})"
    except Exception:
        message = "(its message could not be made)"
    try:
        trace = "".join(traceback.format_exception(error))
    except Exception:
        trace = None
    return ErrorInfo(type=type(error).__name__, message=message[:_MESSAGE_LIMIT], traceback=trace)


def pack_for_driver(result: AttemptResult) -> tuple[AttemptResult, bytes | None, bool]:
    """Return the result to keep, what to send of it to the driver, and whether that is all of it.

    A result that cannot be pickled becomes a failure here, where it can still be told, instead of in Dask's hands.
    """
    is_whole = _size_of_groups(result) <= EMBEDDED_BYTES
    sent = result if is_whole else AttemptResult(result.outcome, (None,) * len(result.groups))
    try:
        packed = pack_result(sent)
    except Exception as error:
        reason = f"Its result cannot be stored: {type(error).__name__}: {error}"[:_MESSAGE_LIMIT]
        outcome = msgspec.structs.replace(
            result.outcome,
            state=State.FAILED,
            values={},
            exception=None,
            error=ErrorInfo(type="ValueNotPortable", message=reason),
        )
        result, is_whole = AttemptResult(outcome), True
        packed = pack_result(result)
    return result, packed if len(packed) <= _SENT_BYTES else None, is_whole


def _size_of_groups(result: AttemptResult) -> int:
    sizes = {info.group: info.size_bytes for info in result.outcome.values.values()}
    return sum(
        sizes[number] if number in sizes else sys.getsizeof(group)
        for number, group in enumerate(result.groups)
        if group is not None
    )


def select_groups(result: AttemptResult | NotRun, numbers: Sequence[int]) -> AttemptResult | NotRun:
    """Return a result with these groups only; the others are None."""
    if isinstance(result, NotRun):
        return result
    return AttemptResult(
        result.outcome, tuple(group if number in numbers else None for number, group in enumerate(result.groups))
    )


def groups_of(outcome: Outcome, names: Sequence[str] | None) -> tuple[int, ...]:
    """Return the numbers of the groups that hold these names (None: all values)."""
    values: Mapping[str, object] = outcome.values
    wanted = values if names is None else [name for name in names if name in values]
    return tuple(sorted({outcome.values[name].group for name in wanted}))
