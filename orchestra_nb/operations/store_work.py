"""The runs that wait in a store, for a worker that has the store open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from orchestra_nb.errors import NotFound
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.services.work_source import ClaimedRun
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.event_log import ChangeWatcher
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.work_queue import WorkQueue

_FLUSH_SECONDS: Final = 60.0


class StoreWork:
    """Implements :class:`~orchestra_nb.services.work_source.WorkSource`.

    Parameters
    ----------
    home
        Of the process that claims runs; announced.
    """

    def __init__(self, home: StoreHome) -> None:
        assert home.driver_id is not None
        self._home = home
        self._driver_id = home.driver_id
        database = home.store.database
        self._queue = WorkQueue(database)
        self._deployments = DeploymentStore(database)
        self._leases = Leases(database)
        self._pools = PoolStore(database)
        self._watcher = ChangeWatcher(database)

    def announce(self, pools: Sequence[str], *, name: str, room: int) -> None:
        """Note which pools are served, by whom, and how many runs go on there at a time: so it is shown.

        Raises
        ------
        PoolNotFound
            One of them is not there.
        """
        self._pools.serve(self._driver_id, pools, name, room)

    def claim(self, pools: Sequence[str], room: int, now: datetime) -> list[ClaimedRun]:
        """Take runs from the queue."""
        claimed = []
        for run in self._queue.claim(self._driver_id, pools, room, now):
            assert run.deployment is not None
            assert run.deployment_version is not None
            try:
                version = self._deployments.version(run.deployment, run.deployment_version)
                pool = self._pools.get(run.pool or version.spec.pool)
            except NotFound as error:  # deleted since
                self.end(run, State.CRASHED, str(error))
            else:
                claimed.append(ClaimedRun(run=run, version=version, pool=pool))
        return claimed

    def next_look(self, pools: Sequence[str], now: datetime) -> datetime | None:
        """Ask the queue."""
        return self._queue.next_look(pools, now)

    def is_alive(self) -> bool:
        """Ask for the driver that this process is."""
        driver = self._leases.find_driver(self._driver_id)
        return driver is not None and driver.ended_at is None

    def holds(self, run: Run) -> bool:
        """Ask for the run."""
        now = self._home.store.get_run(run.run_id)
        return now.epoch == run.epoch and now.driver_id == self._driver_id and not now.state.is_terminal

    def end(self, run: Run, state: State, message: str) -> None:
        """Write the change of state, if the epoch is still that of the claim."""
        now = datetime.now(UTC)
        self._home.emit(
            RunStateChanged(run_id=run.run_id, state=state, at=now, epoch=run.epoch, message=message, actor="service")
        )
        self._home.flush(_FLUSH_SECONDS)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for a change of the store."""
        return self._watcher.wait(timeout_seconds)

    def close(self) -> None:
        """Wake who waits."""
        self._watcher.close()
