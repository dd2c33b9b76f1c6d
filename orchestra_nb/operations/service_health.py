"""Whether deployments run: the store, the services that are up and what is wrong with them, and what waits."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.operations.service_presence import SERVICE_KIND

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


_UNTOLD: Final = "Something is wrong with it: an admin sees what."


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """A service that has not ended in good order.

    Parameters
    ----------
    is_up
        Whether it was heard of lately.
    problems
        Loop to what is wrong with it; empty when all go well. Who sees only what is theirs is not told what.
    """

    driver_id: str
    host: str
    pid: int
    heartbeat_at: datetime
    is_up: bool
    problems: dict[str, str]


class WaitingRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is due and was not started."""

    run_id: str
    name: str
    deployment: str | None
    due_at: datetime
    waiting_seconds: float


class ServiceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands.

    Parameters
    ----------
    oldest_waiting
        The run that is due for longest and was not started; None where none waits.
    """

    schema_revision: str | None
    services: tuple[ServiceState, ...]
    oldest_waiting: WaitingRun | None


class ServerHealth(ServiceHealth, frozen=True, kw_only=True):
    """How a server stands.

    Parameters
    ----------
    store
        "ok", or the code of what is wrong with it, which ``message`` tells.
    own_service
        How the service process of this server is.
    own_loops
        When the last step of each of its loops ended well; null before the first.
    """

    version: str
    store: str
    message: str
    own_service: str
    own_loops: dict[str, datetime | None]


class StorePresence(msgspec.Struct, frozen=True, kw_only=True):
    """Whether there is a store of runs; true also where that can only be told by connecting to a database."""

    has_store: bool


def service_health(store: RunStore, now: datetime) -> ServiceHealth:
    """Return how it stands.

    Raises
    ------
    StoreUnavailable
        The store cannot be read.
    """
    from orchestra_nb.store.leases import Leases
    from orchestra_nb.store.schema_upgrade import stored_revision
    from orchestra_nb.store.service_problems import ServiceProblems
    from orchestra_nb.store.work_queue import WorkQueue

    database = store.database
    problems = ServiceProblems(database).list_problems()
    if database.seen_owners is not None:  # it may be about anybody's
        problems = {driver: dict.fromkeys(loops, _UNTOLD) for driver, loops in problems.items()}
    services = tuple(
        ServiceState(
            driver_id=driver.driver_id,
            host=driver.host,
            pid=driver.pid,
            heartbeat_at=driver.heartbeat_at,
            is_up=driver.lease_until >= now,
            problems=problems.get(driver.driver_id, {}),
        )
        for driver in Leases(database).drivers_without_end()
        if driver.kind == SERVICE_KIND
    )
    run = WorkQueue(database).oldest_due(now)
    waiting = None
    if run is not None:
        due_at = run.due_at or run.created_at
        waiting = WaitingRun(
            run_id=run.run_id,
            name=run.name,
            deployment=run.deployment,
            due_at=due_at,
            waiting_seconds=(now - due_at).total_seconds(),
        )
    return ServiceHealth(schema_revision=stored_revision(database), services=services, oldest_waiting=waiting)
