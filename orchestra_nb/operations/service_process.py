"""All services in one process: runs of schedules, what waits, what follows what ended or happened, what is too old."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from orchestra_nb.operations.automation_actions import AutomationActions
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.opening import Sweeper
from orchestra_nb.operations.pool_runs import pool_runs
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.service_presence import SERVICE_KIND, pools_of
from orchestra_nb.operations.storage_options import storage_options
from orchestra_nb.operations.store_cleaning import horizon_of
from orchestra_nb.operations.store_work import StoreWork
from orchestra_nb.services.automation_service import AutomationService
from orchestra_nb.services.file_watch_service import FileWatchService
from orchestra_nb.services.notification_service import NotificationService
from orchestra_nb.services.retention import RetentionService
from orchestra_nb.services.run_follower import RunFollower
from orchestra_nb.services.schedule_service import ScheduleService
from orchestra_nb.services.supervisor import ServiceLoop
from orchestra_nb.services.upgrade_watch import UpgradeWatch
from orchestra_nb.services.worker import OnSteps, Worker
from orchestra_nb.settings import Settings
from orchestra_nb.store.schedule_store import ScheduleStore
from orchestra_nb.store.service_problems import ServiceProblems

_log = logging.getLogger(__name__)


def serve_deployments(
    settings: Settings,
    stop: threading.Event,
    hurry: threading.Event,
    on_ready: Callable[[], None] = lambda: None,
    on_steps: OnSteps = lambda steps: None,
) -> None:
    """Be a service until ``stop`` is set.

    Nothing is claimed then any more; what goes on gets ten seconds, or none when ``hurry`` is set, too.

    A service that others took for dead, since its machine slept or could not reach the store, ends what it drove and
    begins anew under another id: those others have ended its runs already, and would end each that it claims.

    Raises
    ------
    StoreUnavailable
        The store cannot be opened.
    PoolNotFound
        A pool of the settings is not there.
    StoreTooNew
        A newer version has upgraded the store meanwhile.
    """
    while not _serve_once(settings, stop, hurry, on_ready, on_steps):
        _log.warning("This service was taken for dead: what it ran is CRASHED. It begins anew.")


def _serve_once(
    settings: Settings,
    stop: threading.Event,
    hurry: threading.Event,
    on_ready: Callable[[], None],
    on_steps: OnSteps,
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
        pools, room = pools_of(settings), room_of(settings)
        source = StoreWork(home)
        stack.callback(source.close)
        source.announce(pools, name=socket.gethostname(), room=room)
        starter = pool_runs(home, settings)
        stack.callback(starter.close)
        worker = Worker(
            source,
            starter,
            pools=pools,
            room=room,
            stop=stop,
            hurry=hurry,
            tell=tell,
        )
        schedules = ScheduleService(ScheduleStore(database), settings.cluster, on_runs=worker.wake)
        follower = RunFollower(home.store)
        notifications = NotificationService(home.store, settings.secret_key_place, pages_url=settings.pages_url)
        stack.callback(notifications.close)
        automations = AutomationService(home.store, AutomationActions(home.store, settings))
        file_watches = FileWatchService(
            database, lambda storage, owner: storage_options(home.store, storage, settings, owner)
        )
        newer = UpgradeWatch(database, stop.set)
        retention = RetentionService(database, lambda now: horizon_of(settings, now), attempts_folder())
        loops = (
            ServiceLoop("schedule service", newer.before(schedules.step), tell),
            ServiceLoop("run follower", newer.before(_always(follower.step)), tell),
            ServiceLoop("automation service", newer.before(automations.step), tell),
            ServiceLoop("file watch service", newer.before(file_watches.step), tell),
            ServiceLoop("notification service", newer.before(notifications.step), tell),
            ServiceLoop("retention service", newer.before(retention.step), tell),
        )

        def close() -> None:
            automations.close()
            file_watches.close()

        has_stopped = worker.run(on_ready, beside=loops, on_stop=close, on_steps=on_steps)
        if newer.error is not None:
            raise newer.error
        return has_stopped


def room_of(settings: Settings) -> int:
    """Return how many runs a service or worker of these settings has going on at a time."""
    return settings.service_runs or 2 * (os.cpu_count() or 1)


def _always(step: Callable[[datetime], None]) -> Callable[[datetime], datetime | None]:
    def wanted(now: datetime) -> datetime | None:
        step(now)
        return None

    return wanted
