"""A process that starts the runs of work pools: what a service does, without schedules and automations."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from orchestra_nb.operations.opening import Sweeper
from orchestra_nb.operations.pool_runs import pool_runs
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.service_presence import WORKER_KIND
from orchestra_nb.operations.store_work import StoreWork
from orchestra_nb.services.worker import Worker
from orchestra_nb.settings import Settings

_log = logging.getLogger(__name__)


def serve_pools(
    settings: Settings,
    *,
    pools: tuple[str, ...],
    name: str,
    room: int,
    stop: threading.Event,
    hurry: threading.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Be a worker over the store until ``stop`` is set.

    Nothing is claimed then any more; what goes on gets ten seconds, or none when ``hurry`` is set, too. A worker that
    others took for dead ends what it drove and begins anew.

    Parameters
    ----------
    name
        What people call it.

    Raises
    ------
    StoreUnavailable
        The store cannot be opened.
    PoolNotFound
        One of the pools is not there.
    """
    while not _serve_once(settings, pools, name, room, stop, hurry, on_ready):
        _log.warning("This worker was taken for dead: what it ran is CRASHED. It begins anew.")


def _serve_once(
    settings: Settings,
    pools: tuple[str, ...],
    name: str,
    room: int,
    stop: threading.Event,
    hurry: threading.Event,
    on_ready: Callable[[], None],
) -> bool:
    """Be one driver until ``stop`` is set; False where it was taken for dead before."""
    with contextlib.ExitStack() as stack:
        home = StoreHome(settings, WORKER_KIND)
        stack.callback(home.close)
        home.announce()
        stack.callback(Sweeper(home.store, settings.sweep_seconds).close)
        source = StoreWork(home)
        stack.callback(source.close)
        source.announce(pools, name=name, room=room)
        starter = pool_runs(home, settings)
        stack.callback(starter.close)
        worker = Worker(source, starter, pools=pools, room=room, stop=stop, hurry=hurry, tells_runs=True)
        return worker.run(on_ready)
