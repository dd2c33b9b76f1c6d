"""All services in one process: runs of schedules, what waits, what follows what ended, notifications, what died."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from orchestra_nb.operations.deployed_runs import DeployedRuns
from orchestra_nb.operations.opening import Sweeper
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.service_presence import SERVICE_KIND
from orchestra_nb.services.notification_service import NotificationService
from orchestra_nb.services.run_dispatcher import RunDispatcher
from orchestra_nb.services.run_follower import RunFollower
from orchestra_nb.services.schedule_service import ScheduleService
from orchestra_nb.services.supervisor import ServiceLoop, Supervisor
from orchestra_nb.settings import Settings
from orchestra_nb.store.schedule_store import ScheduleStore
from orchestra_nb.store.service_problems import ServiceProblems
from orchestra_nb.store.work_queue import WorkQueue

#: What runs get to end by themselves when a service is told to end.
_GRACE_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


def serve_deployments(
    settings: Settings, stop: threading.Event, hurry: threading.Event, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Be a service until ``stop`` is set.

    Nothing is claimed then any more; what goes on gets ten seconds, or none when ``hurry`` is set, too.

    Raises
    ------
    StoreUnavailable
        The store cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        home = StoreHome(settings, SERVICE_KIND)
        stack.callback(home.close)
        home.announce()
        assert home.driver_id is not None
        driver_id, database = home.driver_id, home.store.database
        problems = ServiceProblems(database)

        def tell(service: str, problem: str) -> None:
            problems.set(driver_id, service, problem, datetime.now(UTC))

        stack.callback(Sweeper(home.store, settings.sweep_seconds).close)
        dispatcher = RunDispatcher(
            WorkQueue(database),
            DeployedRuns(home, settings),
            driver_id=driver_id,
            pools=pools_of(settings),
            room=settings.service_runs or 2 * (os.cpu_count() or 1),
            wake=lambda: dispatching.wake(),
        )
        dispatching = ServiceLoop("run dispatcher", dispatcher.step, tell)
        schedules = ScheduleService(ScheduleStore(database), settings.cluster, on_runs=dispatching.wake)
        follower = RunFollower(home.store)
        notifications = NotificationService(home.store, settings.resolved_secret_key_file)
        stack.callback(notifications.close)
        loops = (
            ServiceLoop("schedule service", schedules.step, tell),
            dispatching,
            ServiceLoop("run follower", _always(follower.step), tell),
            ServiceLoop("notification service", notifications.step, tell),
        )
        with Supervisor(database, loops):
            on_ready()
            stop.wait()
        if dispatcher.active:
            _log.warning("The service ends: %d runs have %g s.", dispatcher.active, _GRACE_SECONDS)
        dispatcher.close(0.0 if hurry.is_set() else _GRACE_SECONDS, hurry)


def pools_of(settings: Settings) -> tuple[str, ...]:
    """Return the pools that a service of these settings serves."""
    return tuple(name.strip() for name in settings.service_pools.split(",") if name.strip())


def _always(step: Callable[[datetime], None]) -> Callable[[datetime], datetime | None]:
    def wanted(now: datetime) -> datetime | None:
        step(now)
        return None

    return wanted
