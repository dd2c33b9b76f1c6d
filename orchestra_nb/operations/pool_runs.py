"""Drives claimed runs where their pools say: here, on a shared cluster, in a container, in Kubernetes."""

from __future__ import annotations

import msgspec

from orchestra_nb.engine.pool_clusters import PoolClusters
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.runs import Run
from orchestra_nb.model.work_pools import DaskPlace, LocalPlace
from orchestra_nb.operations.container_runs import ContainerRuns
from orchestra_nb.operations.deployed_runs import DeployedRuns
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.services.work_source import ClaimedRun
from orchestra_nb.settings import Settings


class PoolRuns:
    """Implements :class:`~orchestra_nb.services.work_source.RunStarter` for pools of all kinds.

    Parameters
    ----------
    here
        Drives what goes on in processes of this machine.
    containers
        Drives what goes on elsewhere; None for a worker that does not reach the store, so that it cannot give it on.
    """

    def __init__(self, here: DeployedRuns, containers: ContainerRuns | None) -> None:
        self._here = here
        self._containers = containers
        self._clusters = PoolClusters()

    def drive(self, claimed: ClaimedRun) -> None:
        """Run it from its begin to its end.

        Raises
        ------
        ClusterUnavailable
            The cluster of its pool cannot be made.
        OrchestraError
            It cannot be run, and nothing of it ran.
        """
        place = claimed.pool.place
        if isinstance(place, LocalPlace):
            self._here.drive(claimed)
        elif isinstance(place, DaskPlace):
            self._drive_on_cluster(claimed, place)
        elif self._containers is None:
            raise InvalidInput(
                f"The pool {claimed.pool.name} is of the kind {claimed.pool.kind}: a worker that reaches the store "
                "serves it, not one that reaches a server."
            )
        else:
            self._containers.drive(claimed)

    def stop(self, run: Run) -> None:
        """Have a run end; one that goes on elsewhere, and has begun, is left alone."""
        self._here.stop(run)
        if self._containers is not None:
            self._containers.stop(run)

    def close(self) -> None:
        """Close the clusters. When all runs have ended."""
        self._clusters.close()

    def _drive_on_cluster(self, claimed: ClaimedRun, place: DaskPlace) -> None:
        if claimed.version.spec.cluster is not None:  # it names one of its own
            self._here.drive(claimed)
            return
        with self._clusters.using(claimed.pool.name, place) as address:
            run = msgspec.structs.replace(claimed.run, cluster=address)
            self._here.drive(msgspec.structs.replace(claimed, run=run))


def pool_runs(home: StoreHome, settings: Settings) -> PoolRuns:
    """Return what drives the runs that a process with the store open claims."""
    return PoolRuns(DeployedRuns(home, settings), ContainerRuns(home, settings))
