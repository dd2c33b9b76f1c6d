"""Opens the configured store, once for each process and URL.

Whoever opens the store also looks for runs whose driver died unseen: once at the opening, and every few seconds in a
process that lives on (a server, a kernel). So a lost run is found as long as anybody at all uses the store.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestra_nb.services.recovery import Suspects
    from orchestra_nb.store.run_store import RunStore

#: How long a process that lives on waits before it looks again for results that have expired.
_CLEAN_SECONDS = 3600.0
#: Who sweeps so many times too late was not there in between, and neither was what others call.
_SLEPT = 4

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_stores: dict[str, RunStore] = {}


def open_store(settings: Settings | None = None) -> RunStore:
    """Return the store of these settings, created or upgraded, and swept once by this process.

    The same object for the same URL as long as it is not closed. May be called from any thread; imports SQLAlchemy.

    Raises
    ------
    StoreUnavailable
        The store cannot be reached, or was written by a newer version.
    """
    settings = settings or load_settings()
    url = settings.resolved_store_url
    with _lock:
        store = _stores.get(url)
        if store is None:
            from orchestra_nb.store.database import open_database
            from orchestra_nb.store.run_store import RunStore

            store = _stores[url] = RunStore(open_database(url))
            _sweep_quietly(store)
        return store


def close_store(store: RunStore) -> None:
    """Close a store's connections; a later :func:`open_store` opens it again."""
    with _lock:
        for url, opened in list(_stores.items()):
            if opened is store:
                del _stores[url]
    store.database.close()


class Sweeper:
    """Looks for runs whose driver died, every few seconds, and now and then for results that have expired.

    It has a thread of its own, until it is closed.

    For processes that live on. A sweep that fails (the database is locked or read-only) is repeated at the next turn.

    Parameters
    ----------
    also
        What else is to be done, now and at each turn.
    """

    def __init__(
        self, store: RunStore, every_seconds: float, also: Callable[[RunStore], None] = lambda store: None
    ) -> None:
        self._store = store
        self._every_seconds = every_seconds
        self._also = also
        _do_quietly(also, store)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="orchestra-sweeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and wait for it. May be called twice."""
        self._closing.set()
        self._thread.join()

    def _loop(self) -> None:
        from orchestra_nb.services.recovery import Suspects

        cleaned_at, suspects = -math.inf, Suspects()
        swept_at = since = datetime.now(UTC)
        while not self._closing.wait(self._every_seconds):
            now = datetime.now(UTC)
            if now - swept_at > timedelta(seconds=_SLEPT * self._every_seconds):  # this machine has slept
                since, suspects = now, Suspects()
            swept_at = now
            _do_quietly(self._also, self._store)
            _sweep_quietly(self._store, suspects, watching_since=since)
            if time.monotonic() - cleaned_at >= _CLEAN_SECONDS:
                _clean_quietly(self._store)
                cleaned_at = time.monotonic()


def _do_quietly(what: Callable[[RunStore], None], store: RunStore) -> None:
    with contextlib.suppress(StoreUnavailable):
        what(store)


def _sweep_quietly(
    store: RunStore, suspects: Suspects | None = None, *, watching_since: datetime | None = None
) -> None:
    """Sweep; a store that cannot be written now is no reason to fail whoever only wants to read."""
    from orchestra_nb.services.recovery import sweep

    with contextlib.suppress(StoreUnavailable):
        for run in sweep(store, datetime.now(UTC), suspects, watching_since=watching_since):
            _log.info("Run %s of %s is %s: %s", run.name, run.flow_name, run.state, run.message)


def _clean_quietly(store: RunStore) -> None:
    from orchestra_nb.operations.expired_results import delete_expired_results

    with contextlib.suppress(StoreUnavailable):
        delete_expired_results(store, datetime.now(UTC))
