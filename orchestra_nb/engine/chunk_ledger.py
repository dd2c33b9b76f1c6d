"""The ledger of chunks: which one may run, where it runs, and what of it shall not begin.

It stands beside :mod:`orchestra_nb.engine.attempt_ledger` on the scheduler. A chunk runs once, whatever Dask does with
its task; calls in it that did not begin are sent again by their driver in a chunk with another id. Pure: no I/O, no
clock, no Dask. One thread only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: Stands for the worker of a chunk that was closed before it began.
NOBODY = "nobody: it was given up"


@dataclass(frozen=True, slots=True)
class ChunkLoss:
    """A chunk whose worker is gone.

    Parameters
    ----------
    begun_until
        The highest number in the chunk that may have begun; -1 for none, None where nobody knows.
    running, running_since
        The number that ran when the process ended, and when it had begun.
    ended_for
        The state that the process was ended for, where that was because of the running one.
    outcomes
        Number to packed result of those that ended lately, as the sentinel has them.
    """

    chunk: str
    client: str
    worker: str
    reason: str
    exit_code: int | None = None
    begun_until: int | None = None
    running: int | None = None
    running_since: float = 0.0
    ended_for: str | None = None
    outcomes: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What a sentinel knows of the chunk that its process ran last; the fields are those of :class:`ChunkLoss`."""

    chunk: str
    begun_until: int
    running: int | None = None
    running_since: float = 0.0
    ended_for: str | None = None
    outcomes: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Entry:
    client: str
    worker: str | None = None
    stopped: set[int] = field(default_factory=set)
    is_over: bool = False
    loss: ChunkLoss | None = None

    @property
    def is_running(self) -> bool:
        return self.worker is not None and not self.is_over


class ChunkLedger:
    """Remembers each chunk of each connected driver: O(1) for a chunk, nothing for the calls in it."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def begin(self, chunk: str, client: str, worker: str) -> tuple[str | None, Sequence[int]]:
        """Return None and the numbers that shall not begin if the chunk may run now, else why it may not."""
        entry = self._entries.setdefault(chunk, _Entry(client))
        if entry.worker is not None:
            return f"it began before, on {entry.worker}", ()
        entry.worker = worker
        # grants of one worker are found in their order
        self._entries[chunk] = self._entries.pop(chunk)
        return None, sorted(entry.stopped)

    def close(self, chunk: str, client: str) -> bool:
        """Return whether the chunk began; if it did not, it never will."""
        entry = self._entries.setdefault(chunk, _Entry(client))
        if entry.worker is None:
            entry.worker, entry.is_over = NOBODY, True
        return entry.worker != NOBODY

    def end(self, chunk: str) -> None:
        """Note that all that a chunk had to tell was told."""
        if entry := self._entries.get(chunk):
            entry.is_over = True

    def stop(self, chunk: str, client: str, numbers: Sequence[int]) -> str | None:
        """Note that these calls shall not begin any more.

        Returns the worker that runs the chunk, and has to be told; None if they never will begin. A chunk that is over
        gives an empty name.
        """
        entry = self._entries.setdefault(chunk, _Entry(client))
        if entry.worker is None:
            entry.stopped.update(numbers)
            return None
        return entry.worker if entry.is_running else ""

    def is_running(self, chunk: str) -> bool:
        """Tell whether the chunk was let run, and is neither over nor lost."""
        entry = self._entries.get(chunk)
        return entry is not None and entry.is_running

    def client_of(self, chunk: str) -> str | None:
        """Return whose chunk it is, None if it is not known."""
        entry = self._entries.get(chunk)
        return entry.client if entry is not None else None

    def loss_of(self, chunk: str) -> ChunkLoss | None:
        """Return how the chunk was lost, None if it was not."""
        entry = self._entries.get(chunk)
        return entry.loss if entry is not None else None

    def running_on(self, worker: str) -> list[str]:
        """Return the chunks that run on a worker, in the order in which they began."""
        return [chunk for chunk, entry in self._entries.items() if entry.is_running and entry.worker == worker]

    def running_of(self, client: str) -> list[str]:
        """Return the chunks of a driver that run."""
        return [chunk for chunk, entry in self._entries.items() if entry.is_running and entry.client == client]

    def lose_worker(
        self, worker: str, reason: str, exit_code: int | None, report: ChunkReport | None, *, is_guarded: bool
    ) -> list[ChunkLoss]:
        """Note that a worker's process is gone, and return the chunks that it ran.

        Parameters
        ----------
        report
            What its sentinel says of its last chunk; None if it had none.
        is_guarded
            Whether a sentinel would have said so: then what it does not know of did not begin. Else anything may have.
        """
        losses = []
        running = self.running_on(worker)
        for chunk in running:
            entry = self._entries[chunk]
            entry.is_over = True
            loss = ChunkLoss(chunk, entry.client, worker, reason, exit_code)
            if report is not None and report.chunk == chunk:
                loss = ChunkLoss(
                    *(chunk, entry.client, worker, reason, exit_code),
                    begun_until=report.begun_until,
                    running=report.running,
                    running_since=report.running_since,
                    ended_for=report.ended_for,
                    outcomes=report.outcomes,
                )
            elif is_guarded and chunk == running[-1]:
                loss = ChunkLoss(chunk, entry.client, worker, reason, exit_code, begun_until=-1)
            entry.loss = loss
            losses.append(loss)
        return losses

    def forget_client(self, client: str) -> None:
        """Forget the chunks of a driver that has gone, but for those that still run."""
        for chunk in [name for name, entry in self._entries.items() if entry.client == client and not entry.is_running]:
            del self._entries[chunk]
