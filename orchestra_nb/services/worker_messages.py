"""What a remote worker and the server say to each other, as JSON over HTTP.

The worker always begins: whoever is behind a firewall needs outgoing calls alone. Each call may be repeated when its
answer was lost: what it asks for is then done once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from orchestra_nb.model.events import Event
from orchestra_nb.services.work_source import ClaimedRun

#: Where the server has its routes for workers, after its base URL.
WORKERS_PATH: Final = "/orchestra/api/v1/workers"
#: The most bytes of a message, and of an executed notebook or a value.
MAX_MESSAGE_BYTES: Final = 16_000_000
MAX_FILE_BYTES: Final = 256_000_000
#: How long a call may wait for work; proxies cut calls that are silent for longer than about a minute.
MAX_WAIT_SECONDS: Final = 30.0


class WorkerHello(msgspec.Struct, frozen=True, kw_only=True):
    """A worker announces itself.

    Parameters
    ----------
    name
        What people call it.
    host, pid
        Where it is, for people: nothing is concluded from them.
    room
        How many runs go on there at a time; 0 where it does not say.
    """

    name: str
    pools: tuple[str, ...]
    host: str
    pid: int
    version: str
    room: int = 0


class WorkerWelcome(msgspec.Struct, frozen=True, kw_only=True):
    """The server has taken a worker.

    Parameters
    ----------
    lease_seconds
        After so long without a call it is taken for dead, and its runs are ended.
    """

    worker_id: str
    lease_seconds: float
    version: str


class HeldRun(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch of a run that a worker answers for."""

    run_id: str
    epoch: int


class WorkAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A worker says that it lives, and asks what there is to do.

    Parameters
    ----------
    room
        How many runs more it can take.
    held
        Those that it has, until the news of their end has arrived.
    heard
        The last request to cancel that it knows.
    told
        The number of the last event that the server has answered for, as of before ``held`` was read.
    wait_seconds
        How long the server waits where there is nothing.
    """

    room: int
    held: tuple[HeldRun, ...] = ()
    heard: int = 0
    told: int = 0
    wait_seconds: float = 0.0


class CancelAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks for the end of a run, or of a task in it."""

    sequence: int
    run_id: str
    task_run_id: str | None
    actor: str


class WorkGiven(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to do.

    Parameters
    ----------
    lost
        Runs that are not this worker's any more: it ends them.
    """

    claimed: tuple[ClaimedRun, ...] = ()
    cancels: tuple[CancelAsked, ...] = ()
    lost: tuple[HeldRun, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.claimed or self.cancels or self.lost)


class EventsTold(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the runs of a worker, in order.

    Parameters
    ----------
    numbers
        One for each event, rising; those up to the one that the server has are passed over.
    """

    numbers: tuple[int, ...]
    events: tuple[Event, ...]


class EventsTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The events are written.

    Parameters
    ----------
    until
        The number of the last one.
    lost
        Runs that are not this worker's any more; what was told of them was passed over.
    """

    until: int
    lost: tuple[HeldRun, ...] = ()


class FileTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A file has arrived.

    Parameters
    ----------
    url
        Where it stands at the server.
    """

    url: str
    at: datetime
