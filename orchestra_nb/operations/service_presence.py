"""Whether somebody starts the runs that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: How a service is called among the drivers of a store.
SERVICE_KIND: Final = "service"


def is_served(store: RunStore) -> bool:
    """Tell whether a service is up that starts the runs of this store."""
    from orchestra_nb.store.leases import Leases

    return any(driver.kind == SERVICE_KIND for driver in Leases(store.database).drivers_without_end())
