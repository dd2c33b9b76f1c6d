"""The process of one run of a deployed flow: ``python -m orchestra_nb.operations.deployed_flow RUN_ID CLAIMANT``.

It takes the run over from the service that claimed it, and is the run's driver from then on: it goes on when the
service is killed, and ends with one that is told to end. User code runs here and nowhere near the service.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import CodeNotFound, Conflict, OrchestraError
from orchestra_nb.model.deployments import DeploymentVersion, FlowTarget
from orchestra_nb.model.events import EventSink, RunCodeRecorded, RunStateChanged
from orchestra_nb.model.jsonable import from_stored
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.database_errors import StoreBusy

if TYPE_CHECKING:
    from orchestra_nb.operations.script_driver import ScriptDriver
    from orchestra_nb.store.run_store import RunStore

_FLUSH_SECONDS = 60.0
#: How long a store may be locked before the run begins.
_LOCKED_SECONDS = 60.0


def drive(run_id: str, claimant: str, version: DeploymentVersion | None = None) -> None:
    """Run the flow of a claimed run, to its end.

    Parameters
    ----------
    version
        What its deployment says here; None for what the store has.

    Raises
    ------
    Conflict
        The run is not the claimant's any more.
    """
    from orchestra_nb.engine.drivers import set_driver
    from orchestra_nb.engine.reruns import continuing
    from orchestra_nb.engine.run_codes import call_flow, load_code
    from orchestra_nb.operations.flow_of_worker import answers_of_worker
    from orchestra_nb.operations.opening import open_store
    from orchestra_nb.operations.script_driver import DEPLOYMENT_KIND, ScriptDriver
    from orchestra_nb.store.deployment_store import DeploymentStore

    driver = ScriptDriver(DEPLOYMENT_KIND, server=answers_of_worker(run_id))
    try:
        store = open_store(driver.settings)
        run = store.get_run(run_id)
        if not _take_over(driver, store, run, claimant):
            raise Conflict(f"Run {run.name} is not waiting for this process any more.")
        assert run.deployment is not None
        assert run.deployment_version is not None
        if version is None:
            version = DeploymentStore(store.database).version(run.deployment, run.deployment_version)
        spec = version.spec
        assert isinstance(spec.target, FlowTarget)
        code = _code_of(run, spec.target)
        try:
            flow, parameters = load_code(code)
            if spec.timeout_seconds is not None:
                flow = flow.with_options(timeout_seconds=spec.timeout_seconds)
        except CodeNotFound as error:
            _fail(driver.sink, run, str(error))
            return
        driver.sink.emit(RunCodeRecorded(code=code))  # for whoever runs it again, or resumes it
        set_driver(driver)
        ours = msgspec.structs.replace(run, driver_id=driver.known_driver_id, state=State.PENDING)
        with continuing(ours):
            call_flow(flow, parameters)
        driver.sink.flush(_FLUSH_SECONDS)
    finally:
        set_driver(None)
        driver.close()


def _take_over(driver: ScriptDriver, store: RunStore, run: Run, claimant: str) -> bool:
    """Become the run's driver; False when it is not the claimant's. A store that is locked is waited for.

    Raises
    ------
    StoreUnavailable
        It was locked for too long, or is away.
    """
    deadline = time.monotonic() + _LOCKED_SECONDS
    while True:
        try:
            return driver.take_over(store, run, claimant)
        except StoreBusy:
            if time.monotonic() > deadline:
                raise


def _fail(sink: EventSink, run: Run, message: str) -> None:
    now = datetime.now(UTC)
    sink.emit(RunStateChanged(run_id=run.run_id, state=State.FAILED, at=now, epoch=run.epoch, message=message))
    sink.flush(_FLUSH_SECONDS)


def _code_of(run: Run, target: FlowTarget) -> RunCode:
    parameters = {name: from_stored(value) for name, value in run.parameters.items()}
    return RunCode(
        run_id=run.run_id,
        entrypoint=target.entrypoint,
        parameters_json=json.dumps(parameters),
        pickle=None,
        working_folder=target.working_folder,
        import_folder=target.import_folder,
    )


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
