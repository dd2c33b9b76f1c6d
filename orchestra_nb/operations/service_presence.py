"""Whether somebody starts the runs that wait, and which runs a service starts."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from orchestra_nb.model.work_pools import DEFAULT_POOL
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: How a service is called among the drivers of a store.
SERVICE_KIND: Final = "service"
#: How a worker is called there, which does nothing but start runs of its pools.
WORKER_KIND: Final = "worker"


def is_served(store: RunStore, pool: str | None = None) -> bool:
    """Tell whether a service is up that starts the runs of this store; of one pool, a service or a worker."""
    if pool is not None:
        from orchestra_nb.store.pool_store import PoolStore

        return bool(PoolStore(store.database).workers([pool]))
    from orchestra_nb.store.leases import Leases

    return any(driver.kind == SERVICE_KIND for driver in Leases(store.database).drivers_without_end())


def how_to_serve(pool: str) -> str:
    """Return the command that starts the runs of a pool."""
    return "orchestra serve" if pool == DEFAULT_POOL else f"orchestra worker --pool {shlex.quote(pool)}"


def pools_of(settings: Settings) -> tuple[str, ...]:
    """Return the pools that a service of these settings serves."""
    return tuple(name.strip() for name in settings.service_pools.split(",") if name.strip())
