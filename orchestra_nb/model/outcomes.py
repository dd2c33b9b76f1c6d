"""How an attempt ended, as data: what a worker answers instead of raising."""

from __future__ import annotations

from datetime import datetime

import msgspec

from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State


class ValueInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a task's value without fetching it.

    Parameters
    ----------
    group
        Number of the group of values that share objects and travel together.
    size_bytes
        Size of the whole group when packed.
    """

    type: str
    group: int
    size_bytes: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one attempt.

    Parameters
    ----------
    state
        COMPLETED, FAILED, TIMED_OUT or CANCELLED; a process that dies gives no outcome.
    values
        Name to what is known of the value; the values stay on the worker.
    not_portable
        Name to the reason why its value cannot leave the worker.
    deleted
        Names that the cell deleted.
    outputs
        What the cell showed, as a list of nbformat 4 outputs, in order, streams merged.
    exception
        The pickled exception, when it could be pickled.
    message
        What the state says that user code returned; empty where it returned none.
    is_cached
        Whether the values were there already: user code did not run.
    may_retry
        False where another attempt would be in vain, or the task's own condition says so.
    """

    state: State
    started_at: datetime
    ended_at: datetime
    worker: str = ""
    pid: int = 0
    error: ErrorInfo | None = None
    values: dict[str, ValueInfo] = {}
    not_portable: dict[str, str] = {}
    deleted: tuple[str, ...] = ()
    outputs: list[dict[str, object]] = []
    exception: bytes | None = None
    is_cached: bool = False
    may_retry: bool = True
    message: str = ""
