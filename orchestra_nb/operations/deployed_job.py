"""One run of a deployment in a container: ``python -m orchestra_nb.operations.deployed_job RUN_ID CLAIMANT``.

It takes the run over, through the store at ``ORCHESTRA_STORE_URL``, from the worker that claimed it and had this
submitted. Folders that the container does not have are its working folder.
"""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orchestra_nb.errors import Conflict, OrchestraError
from orchestra_nb.model.deployments import DeploymentVersion, FlowTarget
from orchestra_nb.model.events import RunClaimed
from orchestra_nb.model.runs import Run
from orchestra_nb.operations.folders_here import on_this_machine
from orchestra_nb.settings import Settings, load_settings

#: What a container's driver is called.
KIND = "container"


def drive(run_id: str, claimant: str) -> None:
    """Run what was claimed, to its end.

    Raises
    ------
    Conflict
        The run is not the claimant's any more.
    """
    from orchestra_nb.operations.opening import open_store
    from orchestra_nb.store.deployment_store import DeploymentStore

    settings = load_settings()
    store = open_store(settings)
    run = store.get_run(run_id)
    assert run.deployment is not None
    assert run.deployment_version is not None
    version = DeploymentStore(store.database).version(run.deployment, run.deployment_version)
    here = on_this_machine(version, Path.cwd())
    if isinstance(here.spec.target, FlowTarget):
        from orchestra_nb.operations.deployed_flow import drive as drive_flow

        drive_flow(run_id, claimant, here)
    else:
        _drive_notebook(run, claimant, here, settings)


def _drive_notebook(run: Run, claimant: str, version: DeploymentVersion, settings: Settings) -> None:
    from orchestra_nb.model.work_pools import WorkPool
    from orchestra_nb.operations.deployed_runs import DeployedRuns
    from orchestra_nb.operations.opening import Sweeper
    from orchestra_nb.operations.run_home import StoreHome
    from orchestra_nb.services.work_source import ClaimedRun

    home = StoreHome(settings, KIND)
    try:
        home.announce()
        assert home.driver_id is not None
        claimed = RunClaimed(
            run_id=run.run_id,
            at=datetime.now(UTC),
            driver_id=home.driver_id,
            epoch=run.epoch,
            from_driver_id=claimant,
        )
        if not home.store.apply([claimed])[0]:
            raise Conflict(f"Run {run.name} is not waiting for this container any more.")
        sweeper = Sweeper(home.store, settings.sweep_seconds)
        runs = DeployedRuns(home, settings)
        ours = msgspec.structs.replace(home.store.get_run(run.run_id), cluster=version.spec.cluster or settings.cluster)
        signal.signal(signal.SIGTERM, lambda number, frame: runs.stop(ours))
        try:
            runs.drive(ClaimedRun(run=ours, version=version, pool=WorkPool(name=run.pool or version.spec.pool)))
        finally:
            sweeper.close()
    finally:
        home.close()


def main() -> None:
    """Read the command line."""
    run_id, claimant = sys.argv[1:]
    sys.argv[1:] = []
    try:
        drive(run_id, claimant)
    except OrchestraError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
