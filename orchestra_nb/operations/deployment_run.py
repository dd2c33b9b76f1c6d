"""A run of a deployment by hand: now or at another time, with parameters of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import Conflict
from orchestra_nb.model.deployments import deployed_run
from orchestra_nb.model.runs import Run
from orchestra_nb.operations.deployment_preparation import check_parameters
from orchestra_nb.operations.deployments import deployment_store, find_deployment
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def run_deployment(
    store: RunStore,
    name: str,
    settings: Settings,
    *,
    now: datetime,
    parameters: Mapping[str, object] | None = None,
    at: datetime | None = None,
) -> Run:
    """Have a run of a deployment wait to be started; also of one that is paused. Return it as it waits.

    Parameters
    ----------
    parameters
        In place of the deployment's own. A value that is a :class:`~orchestra_nb.model.sweeps.TypedText` is given its
        meaning by the declaration.
    at
        When it is to start; None for now.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    InvalidInput, NotFound
        A parameter does not fit, or refers to a secret that is not stored.
    """
    from orchestra_nb.store.work_queue import WorkQueue

    deployment = find_deployment(store, name)
    spec = deployment.spec
    notebook = deployment_store(store).version(spec.name, deployment.version).notebook
    run = deployed_run(
        spec,
        deployment.version,
        run_id=fresh_id(now),
        now=now,
        due_at=now if at is None else at,
        cluster=settings.cluster,
        parameters=check_parameters(spec, notebook, parameters or {}, settings),
    )
    if not WorkQueue(store.database).add(run, spec.pool, spec.priority):
        raise Conflict(f"There is a run {run.run_id} already.")  # never: its id is new
    return run
