"""All services in one process: runs of schedules, what waits, what follows what ended or happened, what is too old."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from orchestra_nb.model.counted import counted
from orchestra_nb.operations.automation_actions import AutomationActions
from orchestra_nb.operations.deployed_runs import DeployedRuns
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.opening import Sweeper
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.service_presence import SERVICE_KIND
from orchestra_nb.operations.store_cleaning import horizon_of
from orchestra_nb.services.automation_service import AutomationService
from orchestra_nb.services.notification_service import NotificationService
from orchestra_nb.services.retention import RetentionService
from orchestra_nb.services.run_dispatcher import RunDispatcher
from orchestra_nb.services.run_follower import RunFollower
from orchestra_nb.services.schedule_service import ScheduleService
from orchestra_nb.services.supervisor import ServiceLoop, Supervisor
from orchestra_nb.settings import Settings
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.schedule_store import ScheduleStore
from orchestra_nb.store.service_problems import ServiceProblems
from orchestra_nb.store.work_queue import WorkQueue

#: What runs get to end by themselves when a service is told to end.
_GRACE_SECONDS: Final = 10.0
#: So often it looks whether it is to end.
_LOOK_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)


def serve_deployments(
    settings: Settings, stop: threading.Event, hurry: threading.Event, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Be a service until ``stop`` is set.

    Nothing is claimed then any more; what goes on gets ten seconds, or none when ``hurry`` is set, too.

    A service that others took for dead, since its machine slept or could not reach the store, ends what it drove and
    begins anew under another id: those others have ended its runs already, and would end each that it claims.

    Raises
    ------
    StoreUnavailable
        The store cannot be opened.
    """
    while not _serve_once(settings, stop, hurry, on_ready):
        _log.warning("This service was taken for dead: what it ran is CRASHED. It begins anew.")


def _serve_once(
    settings: Settings, stop: threading.Event, hurry: threading.Event, on_ready: Callable[[], None]
) -> bool:
    """Be one driver until ``stop`` is set; False where it was taken for dead before."""
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
        leases, is_over = Leases(database), threading.Event()

        def dispatch(now: datetime) -> datetime | None:
            driver = leases.find_driver(home.driver_id or "")
            if stop.is_set():  # this thread may see it before the one that waits for it
                return None
            if driver is None or driver.ended_at is not None:
                is_over.set()
                return None
            return dispatcher.step(now)

        dispatching = ServiceLoop("run dispatcher", dispatch, tell)
        schedules = ScheduleService(ScheduleStore(database), settings.cluster, on_runs=dispatching.wake)
        follower = RunFollower(home.store)
        notifications = NotificationService(home.store, settings.resolved_secret_key_file)
        stack.callback(notifications.close)
        automations = AutomationService(home.store, AutomationActions(home.store, settings))
        retention = RetentionService(database, lambda now: horizon_of(settings, now), attempts_folder())
        loops = (
            ServiceLoop("schedule service", schedules.step, tell),
            dispatching,
            ServiceLoop("run follower", _always(follower.step), tell),
            ServiceLoop("automation service", automations.step, tell),
            ServiceLoop("notification service", notifications.step, tell),
            ServiceLoop("retention service", retention.step, tell),
        )
        with Supervisor(database, loops):
            on_ready()
            # not in ``stop.wait``: the handler of a signal, in this thread, sets it, and could find its lock taken
            while not (stop.is_set() or is_over.is_set()):
                time.sleep(_LOOK_SECONDS)
            automations.close()
        if dispatcher.active and not is_over.is_set():
            runs = counted(dispatcher.active, "run")
            _log.warning("The service ends. Still going on, for %g s at most: %s.", _GRACE_SECONDS, runs)
        dispatcher.close(0.0 if hurry.is_set() or is_over.is_set() else _GRACE_SECONDS, hurry)
        return stop.is_set()


def pools_of(settings: Settings) -> tuple[str, ...]:
    """Return the pools that a service of these settings serves."""
    return tuple(name.strip() for name in settings.service_pools.split(",") if name.strip())


def _always(step: Callable[[datetime], None]) -> Callable[[datetime], datetime | None]:
    def wanted(now: datetime) -> datetime | None:
        step(now)
        return None

    return wanted
