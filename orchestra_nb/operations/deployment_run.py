"""A run of a deployment by hand: now or at another time, with parameters of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.acting_user import acting_as, acting_user
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import Conflict
from orchestra_nb.model.deployments import AfterRun, DeploymentSpec, deployed_run, what_follows
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.operations.deployment_preparation import check_parameters
from orchestra_nb.operations.deployments import deployment_store, find_deployment
from orchestra_nb.operations.run_waits import tell_waits
from orchestra_nb.operations.runs import is_suspended
from orchestra_nb.operations.service_presence import is_served
from orchestra_nb.settings import Settings

#: How long a service may take to decide what follows a run that failed.
DECISION_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 1.0
#: States in which the message of a run says for which people, if any, it waits.
ASKING_STATES: Final = frozenset({State.RUNNING, State.PAUSED})

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

    run, spec = new_run(store, name, settings, now=now, parameters=parameters, at=at)
    if not WorkQueue(store.database).add(run, spec.pool, spec.priority, spec.limits):
        raise Conflict(f"There is a run {run.run_id} already.")  # never: its id is new
    return run


def new_run(
    store: RunStore,
    name: str,
    settings: Settings,
    *,
    now: datetime,
    parameters: Mapping[str, object] | None = None,
    at: datetime | None = None,
) -> tuple[Run, DeploymentSpec]:
    """Return a run as :func:`run_deployment` has it wait, not stored, and what it is a run of."""
    deployment = find_deployment(store, name)
    spec = deployment.spec
    notebook = deployment_store(store).version(spec.name, deployment.version).notebook
    owner = acting_user() or deployment.owner
    with acting_as(owner):  # whose secrets it is given
        checked = check_parameters(spec, notebook, parameters or {}, settings)
    run = deployed_run(
        spec,
        deployment.version,
        run_id=fresh_id(now),
        now=now,
        due_at=now if at is None else at,
        cluster=settings.cluster,
        parameters=checked,
    )
    return msgspec.structs.replace(run, owner=owner), spec


def wait_for_run(store: RunStore, run_id: str, tell_asking: Callable[[Run], None] | None = None) -> Run:
    """Return a run of a deployment when it has ended, and is not retried; or when it is suspended: nothing drives it.

    Waits in this thread; wakes at each write to the store.

    Parameters
    ----------
    tell_asking
        Gets the run each time that it begins to wait for people where it is, or a run does that it has started; its
        message says for what. None where nobody wants to hear it.
    """
    from orchestra_nb.store.event_log import ChangeWatcher

    decided_by = 0.0
    told = ""
    with closing(ChangeWatcher(store.database)) as watcher:
        while True:
            run = store.get_run(run_id)
            if is_suspended(run):
                return run
            if tell_asking is not None and run.state in ASKING_STATES:
                told = tell_anew(tell_waits(store, [run])[0], told, tell_asking)
            if not run.state.is_terminal:
                decided_by = 0.0
            elif not may_follow(store, run):
                return run
            elif not decided_by:
                decided_by = time.monotonic() + DECISION_SECONDS
            elif time.monotonic() > decided_by:
                return run
            watcher.wait(_LOOK_SECONDS)


def tell_anew(run: Run, told: str, tell_asking: Callable[[Run], None] | None) -> str:
    """Tell what a run that goes on waits for, unless that was told; return what was, empty for nothing."""
    asking = run.message if run.state in ASKING_STATES else ""
    if tell_asking is not None and asking and asking != told:
        tell_asking(run)
    return asking


def may_follow(store: RunStore, run: Run) -> bool:
    """Tell whether a service may open a run again that has ended, within :data:`DECISION_SECONDS`."""
    if run.state not in FAILURE_STATES or run.deployment is None or run.deployment_version is None:
        return False
    retry = deployment_store(store).version(run.deployment, run.deployment_version).spec.retry
    changes = store.state_changes(run.run_id, with_tasks=False)
    follows, _ = what_follows(retry, [(change.from_state, change.to_state, change.actor) for change in changes])
    return follows is not AfterRun.NOTHING and is_served(store)
