"""The sentinel beside a driver: ``python -m orchestra_nb.services.driver_watch``, started by the driver's guard.

A small process that runs no user code. It renews the driver's lease, and when the driver dies without having said that
it ends, it ends what the driver left, at once and with what is known of the cause. It imports SQLAlchemy only at its
first heartbeat, so a driver that ends soon does not pay for it. The store's URL comes by environment.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.services.process_watch import ProcessEnd, ProcessWatch

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: How long a store may be away before the watcher gives up.
GIVE_UP_SECONDS = 300.0

_PAUSE_SECONDS = 1.0


class DriverWatch:
    """Watches one driver.

    The store is opened anew for each heartbeat: so a store that was deleted is noticed, and none is held open.
    """

    def __init__(
        self,
        driver_id: str,
        process: ProcessWatch,
        *,
        store_url: str,
        heartbeat_seconds: float,
        lease_seconds: float,
        give_up_seconds: float,
        ends_fenced: bool = False,
    ) -> None:
        self._driver_id = driver_id
        self._process = process
        self._store_url = store_url
        self._heartbeat_seconds = heartbeat_seconds
        self._lease_seconds = lease_seconds
        self._give_up_seconds = give_up_seconds
        self._ends_fenced = ends_fenced

    def run(self) -> None:
        """Watch until the driver has ended, or the store has been away for too long."""
        away_since: float | None = None
        pause = self._heartbeat_seconds
        while not self._process.wait(pause):
            try:
                if not self._renew_lease():
                    if self._ends_fenced:
                        self._end_fenced()
                    return
                away_since, pause = None, self._heartbeat_seconds
            except StoreUnavailable:
                pause = min(pause, _PAUSE_SECONDS)  # soon after the store is back, or others take the driver for dead
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > self._give_up_seconds:
                    return
        self._record_death(self._process.end())

    def _end_fenced(self) -> None:
        """Kill the driver, whose runs others have ended, if it does not end by itself; one that closes ends this."""
        if not self._process.wait(self._lease_seconds):
            self._process.kill()

    def _renew_lease(self) -> bool:
        from orchestra_nb.store.leases import Leases

        with self._opened_store() as store:
            now = datetime.now(UTC)
            lease_until = now + timedelta(seconds=self._lease_seconds)
            return Leases(store.database).heartbeat(self._driver_id, now, lease_until)

    def _record_death(self, end: ProcessEnd) -> None:
        from orchestra_nb.services.recovery import record_death

        deadline = time.monotonic() + self._give_up_seconds
        while True:
            try:
                with self._opened_store() as store:
                    record_death(store, self._driver_id, end, datetime.now(UTC))
                return
            except StoreUnavailable:
                if time.monotonic() > deadline:
                    return
            time.sleep(_PAUSE_SECONDS)

    @contextlib.contextmanager
    def _opened_store(self) -> Iterator[RunStore]:
        from orchestra_nb.store.database import open_database
        from orchestra_nb.store.run_store import RunStore

        database = open_database(self._store_url, may_create=False)
        try:
            yield RunStore(database)
        finally:
            database.close()


def main() -> None:
    """Read the command line and watch."""
    parser = argparse.ArgumentParser(prog="driver_watch", description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--driver", required=True, help="the driver's id")
    parser.add_argument("--pid", required=True, type=int)
    parser.add_argument("--started", required=True, type=float, help="when the process started, as its system tells it")
    parser.add_argument("--heartbeat", required=True, type=float, help="seconds between two heartbeats")
    parser.add_argument("--lease", required=True, type=float, help="seconds that a heartbeat holds")
    parser.add_argument("--give-up", type=float, default=GIVE_UP_SECONDS, help="seconds that the store may be away")
    parser.add_argument("--end-fenced", action="store_true", help="end a driver that was taken for dead")
    options = parser.parse_args()
    process = ProcessWatch(options.pid, options.started)
    os.chdir("/")  # the user may unmount or delete the folder
    try:
        DriverWatch(
            options.driver,
            process,
            store_url=os.environ["ORCHESTRA_STORE_URL"],
            heartbeat_seconds=options.heartbeat,
            lease_seconds=options.lease,
            give_up_seconds=options.give_up,
            ends_fenced=options.end_fenced,
        ).run()
    finally:
        process.close()


if __name__ == "__main__":
    main()
