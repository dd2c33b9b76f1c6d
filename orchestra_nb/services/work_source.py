"""Where a worker gets the runs that it drives, and who has them driven: the store, or a server that stands before it.

A worker knows no more than this of either. The store is one implementation
(:class:`~orchestra_nb.operations.store_work.StoreWork`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from orchestra_nb.model.deployments import DeploymentVersion
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.model.work_pools import WorkPool


class ClaimedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that a worker answers for, with all that it takes to start it.

    Parameters
    ----------
    version
        What its deployment said when the run was made, with the notebook.
    pool
        Where it is to go on.
    """

    run: Run
    version: DeploymentVersion
    pool: WorkPool


class WorkSource(Protocol):
    """Hands out runs. An implementation serves one worker; all methods may be called from any thread.

    All but :meth:`close` raise :class:`~orchestra_nb.errors.StoreUnavailable` where it cannot be reached now. Then
    nothing was claimed, or what was is CRASHED by the lease of the worker.
    """

    def claim(self, pools: Sequence[str], room: int, now: datetime) -> list[ClaimedRun]:
        """Take up to so many runs of these pools that are due, and answer for them; also called without room."""

    def next_look(self, pools: Sequence[str], now: datetime) -> datetime | None:
        """Return when the first run of these pools is due that is not due yet; None where none waits for its time."""

    def is_alive(self) -> bool:
        """Tell whether this worker is not taken for dead: when it is, its runs were ended, and it claims no more."""

    def holds(self, run: Run) -> bool:
        """Tell whether this worker still answers for a run that it claimed: it goes on, and in the same epoch."""

    def end(self, run: Run, state: State, message: str) -> None:
        """Record how a claimed run ended, durably; nothing where it has ended, or is somebody else's by now."""

    def wait(self, timeout_seconds: float) -> bool:
        """Return True when there may be something to claim since the last call; False after the time or when closed.

        The first call returns True at once. For one thread.
        """

    def close(self) -> None:
        """Wake who waits. May be called twice."""


class RunStarter(Protocol):
    """Drives claimed runs, and records how each ends."""

    def drive(self, claimed: ClaimedRun) -> None:
        """Run it from its begin to its end, in the calling thread. What is raised makes it CRASHED."""

    def stop(self, run: Run) -> None:
        """Have a run that is driven end soon, since its worker does; from any thread. Nothing where it has ended."""
