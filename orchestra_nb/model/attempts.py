"""One attempt as its worker sees it: what it runs, what that may use, and what it leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from orchestra_nb.model.events import Event
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import LogLine


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What one attempt leaves on its worker: its outcome, and its values in packed groups.

    ``groups[i]`` holds the values whose :attr:`ValueInfo.group` is ``i``, packed by
    :mod:`orchestra_nb.notebooks.cell_values`; a group that was not asked for is None.
    """

    outcome: Outcome
    groups: tuple[object | None, ...] = ()

    def __sizeof__(self) -> int:
        # what Dask asks for to weigh memory and transfers; the default does not look inside
        return object.__sizeof__(self) + sum(map(sys.getsizeof, self.groups))


class AttemptContext(Protocol):
    """What a body may use while it runs on a worker."""

    worker: str
    #: the number of the attempt, from 1
    attempt: int

    def show(self, message: Mapping[str, object]) -> None:
        """Send something shown while the body runs: an nbformat 4 output, or ``{"output_type": "clear_output",
        "wait": bool}``, or an ``update_display_data``. Streams may be sent in pieces; the driver merges them.
        """

    def log(self, line: LogLine) -> None:
        """Send a log line; the context fills in the run and the task where the line has none."""

    def emit(self, event: Event) -> None:
        """Pass on what happened to a child run or a child task of this attempt: in order, and never dropped."""

    def ask(self, question: bytes, timeout_seconds: float) -> bytes:
        """Ask the driver something and return its answer; both are encoded by :mod:`orchestra_nb.model.questions`.

        Raises
        ------
        TimeoutError
            No answer came in time.
        ConnectionError
            The driver is gone.
        """

    def hear(self, take: Callable[[bytes], None] | None) -> None:
        """Have each word that the driver says to this attempt taken by a function; None: by nobody any more.

        It is called in a thread that others need, so it must be quick.
        """


class AttemptBody(Protocol):
    """What a worker runs: a cell, or a function. It is cloudpickled once by the driver."""

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        """Run user code in this thread and return how it ended; raise nothing but :class:`StopTask`.

        ``upstream`` maps the *task run id* of each upstream to its result (at least the groups that hold the names
        which :attr:`AttemptRequest.upstream` asks for).
        """
