"""Whether there is a reason to keep a machine's Jupyter server although nobody uses it."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: A schedule that is due within this time is a reason to stay.
SOON: Final = timedelta(hours=1)
_SERVICE_KIND: Final = "service"
_SQLITE: Final = "sqlite:///"


def reasons_to_stay(store: RunStore, now: datetime) -> tuple[str, ...]:
    """Return why this machine is needed, in people's words; empty where it is not.

    Runs count that a process of this machine drives, and those that are due soon where a service of this machine would
    start them: in a store that many share nobody is kept by the runs of others.

    Raises
    ------
    StoreUnavailable
        The store cannot be read.
    """
    from orchestra_nb.store.expected_work import ExpectedWork

    work = ExpectedWork(store.database, socket.gethostname())
    reasons = [f"run {name} goes on" for name in work.active_runs()]
    due_at = work.next_due_at(now - SOON)  # what waits for longer may wait for ever
    if due_at is not None and due_at <= now + SOON and work.has_driver(_SERVICE_KIND):
        reasons.append(f"a run is due at {due_at:%Y-%m-%d %H:%M} UTC")
    return tuple(reasons)


def may_have_store(settings: Settings) -> bool:
    """Tell whether there may be a store, without opening it or importing what that needs."""
    url = settings.resolved_store_url
    return not url.startswith(_SQLITE) or Path(url.removeprefix(_SQLITE)).expanduser().exists()
