"""The ledger of attempts: which one may run user code, which one began, and how it was lost.

It lives on the scheduler, the one process that all workers can ask, and makes "at most once for each key" true whatever
Dask does with a task: after a dead worker, a stolen task or a lost result it runs the wrapper again, and the ledger
refuses. Pure: no I/O, no clock, no Dask. One thread only.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestra_nb.model.states import State


@dataclass(frozen=True, slots=True)
class Loss:
    """An attempt that will give no outcome; the fields are those of ``AttemptLost``."""

    key: str
    client: str
    begun: bool
    state: str
    reason: str
    worker: str = ""
    exit_code: int | None = None


@dataclass(slots=True)
class _Entry:
    client: str
    worker: str = ""
    began_at: float | None = None
    timeout_seconds: float | None = None
    stopped_for: str | None = None
    is_over: bool = False
    loss: Loss | None = None

    @property
    def is_running(self) -> bool:
        return self.began_at is not None and not self.is_over

    def is_overdue(self, now: float) -> bool:
        if self.began_at is None or self.timeout_seconds is None:
            return False
        return now - self.began_at >= self.timeout_seconds


class AttemptLedger:
    """Remembers each attempt of each connected driver, from its begin or its stop until the driver has gone."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def begin(self, key: str, client: str, worker: str, timeout_seconds: float | None, now: float) -> str | None:
        """Return None if the attempt may run its user code now on this worker, else why not."""
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(client, worker, now, timeout_seconds)
            return None
        if entry.stopped_for is not None and entry.began_at is None:
            return "it was stopped before it began"
        return f"it began before, on {entry.worker}"

    def end(self, key: str) -> None:
        """Note that user code ended and its outcome was told."""
        if entry := self._entries.get(key):
            entry.is_over = True

    def stop(self, key: str, client: str, state: str) -> str | None:
        """Note that an attempt shall stop; return the worker that runs it, or None if it will never run again."""
        entry = self._entries.setdefault(key, _Entry(client))
        if entry.stopped_for is None:
            entry.stopped_for = state
        return entry.worker if entry.is_running else None

    def has_begun(self, key: str) -> bool:
        """Tell whether user code of this attempt began, whatever became of it."""
        entry = self._entries.get(key)
        return entry is not None and entry.began_at is not None

    def is_running(self, key: str) -> bool:
        """Tell whether user code of this attempt began and has neither ended nor been lost."""
        entry = self._entries.get(key)
        return entry is not None and entry.is_running

    def worker_of(self, key: str) -> str | None:
        """Return the worker that runs this attempt, None if none does."""
        entry = self._entries.get(key)
        return entry.worker if entry is not None and entry.is_running else None

    def loss_of(self, key: str) -> Loss | None:
        """Return how this attempt was lost, None if it was not."""
        entry = self._entries.get(key)
        return entry.loss if entry is not None else None

    def running_on(self, worker: str) -> list[str]:
        """Return the attempts that run on a worker."""
        return [key for key, entry in self._entries.items() if entry.is_running and entry.worker == worker]

    def running_of(self, client: str) -> list[str]:
        """Return the attempts of a driver that run."""
        return [key for key, entry in self._entries.items() if entry.is_running and entry.client == client]

    def lose_worker(self, worker: str, reason: str, exit_code: int | None, now: float) -> list[Loss]:
        """Note that a worker's process is gone, and return what it ran.

        What had been stopped, or had used up its time, is lost for that reason: its process was ended on purpose.
        """
        losses = []
        for key in self.running_on(worker):
            entry = self._entries[key]
            state, why = State.CRASHED.value, reason
            if entry.stopped_for is not None:
                state, why = entry.stopped_for, f"stopped; it did not give way, so its process was ended ({reason})"
            elif entry.is_overdue(now):
                state = State.TIMED_OUT.value
                why = f"ran longer than {entry.timeout_seconds:g} s; its process was ended ({reason})"
            entry.is_over = True
            entry.loss = Loss(key, entry.client, True, state, why, worker, exit_code)
            losses.append(entry.loss)
        return losses

    def forget_client(self, client: str) -> None:
        """Forget the attempts of a driver that has gone, but for those that still run."""
        for key in [key for key, entry in self._entries.items() if entry.client == client and not entry.is_running]:
            del self._entries[key]
