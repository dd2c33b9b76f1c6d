"""Starts a new run of a flow of no deployment, with the code and the parameters that an earlier run had."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import CodeNotFound, Conflict, StoreUnavailable
from orchestra_nb.model.deployments import FlowTarget
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.run_again import notebook_command, way_without_code
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.model.run_code import RunCode
    from orchestra_nb.store.run_store import RunStore

#: How long the end of a run waits for what happened to be durable.
_FLUSH_SECONDS = 60.0


class WayToNewRun(msgspec.Struct, frozen=True, kw_only=True):
    """How a flow of no deployment is run anew, as it was run then.

    Parameters
    ----------
    deployment
        The deployment of the same flow, which any server can run; None for none.
    command
        What does it where its code is, with the parameters that the run had; empty where its code was not kept.
    """

    deployment: str | None = None
    command: str = ""


NO_WAY = WayToNewRun()


def way_to_new_run(store: RunStore, run: Run) -> WayToNewRun:
    """Return how the flow of a run is run anew; nothing where that is no flow, or of a deployment."""
    if run.kind is not RunKind.FLOW or run.deployment is not None:
        return NO_WAY
    code = _kept_code(store, run)
    if code is None:
        return NO_WAY
    return WayToNewRun(deployment=_deployment_of(store, code), command=f"orchestra runs again {typed_run(run)}")


def start_anew(store: RunStore, id_or_name: str) -> Run:
    """Run the flow of a run anew in this process, with the parameters that it had, and return the new run as it ended.

    Raises
    ------
    RunNotFound
        There is no such run.
    Conflict
        It is no run of a flow, or of a deployment; the message says how such a one is run.
    CodeNotFound
        Its code or its parameters are not to be found.
    StoreUnavailable
        It ran, and what it did could not be stored.
    """
    from orchestra_nb.engine.drivers import set_driver
    from orchestra_nb.engine.run_codes import call_flow, load_code
    from orchestra_nb.operations.script_driver import ScriptDriver

    run = find_run(store, id_or_name)
    if run.deployment is not None:
        raise Conflict(
            f"Run {run.name} is of a deployment. Run that: orchestra deployments run {shlex.quote(run.deployment)}"
        )
    if run.kind is not RunKind.FLOW:
        raise Conflict(f"Run {run.name} is no run of a flow in Python. {_way_of_others(run)}")
    code = _kept_code(store, run)
    if code is None:
        raise CodeNotFound(f"What run {run.name} executed was not kept. {way_without_code(store, run)}")
    flow, parameters = load_code(code)
    driver = ScriptDriver("shell")
    set_driver(driver)
    try:
        call_flow(flow, parameters)
        driver.sink.flush(_FLUSH_SECONDS)
    finally:
        set_driver(None)
        driver.close()
    new = store.first_run_of(driver.known_driver_id)
    if new is None:
        raise StoreUnavailable(f"Flow {run.flow_name} ran again, but its new run could not be stored.")
    return new


def _kept_code(store: RunStore, run: Run) -> RunCode | None:
    from orchestra_nb.store.run_code_store import RunCodeStore

    code = RunCodeStore(store.database).find(run.run_id)
    return None if code is None or code.missing or code.call else code


def _deployment_of(store: RunStore, code: RunCode) -> str | None:
    """Return the deployment whose runs execute the same flow."""
    from orchestra_nb.store.deployment_store import DeploymentStore

    for deployment in DeploymentStore(store.database).list_deployments():
        target = deployment.spec.target
        if not isinstance(target, FlowTarget) or target.entrypoint != code.entrypoint:
            continue
        # the name of a module means what the folder has
        if ".py:" in target.entrypoint or target.working_folder == code.working_folder:
            return deployment.spec.name
    return None


def _way_of_others(run: Run) -> str:
    if run.kind is RunKind.NOTEBOOK:
        return f"It ran a notebook: {notebook_command(run)}"
    if run.kind is RunKind.INTERACTIVE:
        return "Its tasks are cells of a notebook: run them again there."
    return "Call what it ran again where it was called."
