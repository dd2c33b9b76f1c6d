"""Deployments: make one, pause, resume, roll back, delete. What is seen of them: :mod:`.deployment_views`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from orchestra_nb.errors import Conflict, DeploymentNotFound, NameTaken, PreconditionFailed
from orchestra_nb.model.deployments import Deployment, DeploymentSpec, DeploymentVersion
from orchestra_nb.model.findings import Findings
from orchestra_nb.operations.deployment_form import FieldChange, changes_between
from orchestra_nb.operations.deployment_places import check_places, look_at_places
from orchestra_nb.operations.deployment_preparation import PreparedDeployment, look_at
from orchestra_nb.operations.deployment_request import DeploymentRequest
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.deployment_store import DeploymentStore
    from orchestra_nb.store.run_store import RunStore

Outcome = Literal["created", "changed", "unchanged"]

#: So often a change is begun anew that others come before: each time one of them has been made.
_MOST_TRIES: Final = 20


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request.

    Parameters
    ----------
    changes
        What the new version says otherwise than the one before.
    """

    deployment: Deployment
    outcome: Outcome
    changes: tuple[FieldChange, ...] = ()


def deploy(
    store: RunStore,
    request: DeploymentRequest,
    settings: Settings,
    *,
    actor: str,
    now: datetime,
    findings: Findings | None = None,
    version: int | None = None,
) -> Deployed:
    """Check what is asked for and store it: a new deployment, a new version of one, or nothing where it says the same.

    Parameters
    ----------
    findings
        What is known to be wrong with the request already, to be told with the rest; None for nothing.
    version
        As :func:`check_seen` has it.

    Raises
    ------
    InvalidInput, NotFound
        As :func:`~orchestra_nb.operations.deployment_preparation.prepare_deployment` and
        :func:`~orchestra_nb.operations.deployment_places.check_places`; nothing is stored then.
    Conflict
        As :func:`check_seen`.
    """
    prepared = prepare(store, request, settings, now, Findings() if findings is None else findings)
    return store_deployment(store, prepared, actor=actor, now=now, version=version)


def prepare(
    store: RunStore, request: DeploymentRequest, settings: Settings, now: datetime, findings: Findings
) -> PreparedDeployment:
    """Return what is to be stored; raise all that is wrong, with what is known to be already."""
    prepared = look_at(request, settings, now, findings)
    name = request.name or (request.target if prepared is None else prepared.spec.name)
    look_at_places(store, request, name, findings)
    findings.tell()
    assert prepared is not None
    return prepared


def store_deployment(
    store: RunStore, prepared: PreparedDeployment, *, actor: str, now: datetime, version: int | None = None
) -> Deployed:
    """Store what was prepared.

    Parameters
    ----------
    version
        As :func:`check_seen` has it.

    Raises
    ------
    DeploymentNotFound, Conflict
        As :func:`check_seen`.
    """
    deployments = deployment_store(store)
    outcome, changes = compare(store, prepared)
    try:
        deployment = deployments.save(
            prepared.spec,
            notebook=prepared.notebook,
            actor=actor,
            at=now,
            note=prepared.note,
            is_paused=bool(prepared.is_paused),
            expected_version=version,
        )
    except PreconditionFailed:
        check_seen(store, prepared.spec.name, version)
        raise
    if prepared.is_paused is not None and deployment.is_paused != prepared.is_paused:
        deployment = deployments.set_paused(deployment.name, prepared.is_paused, now)
    return Deployed(deployment=deployment, outcome=outcome, changes=changes)


def check_seen(store: RunStore, name: str, version: int | None) -> None:
    """See that a deployment is as the caller has seen it.

    Parameters
    ----------
    version
        The version that was seen, 0 for none; None where it does not matter.

    Raises
    ------
    DeploymentNotFound
        A version was seen, and there is no deployment of this name any more.
    NameTaken
        None was seen, and there is one.
    Conflict
        It has another version by now.
    """
    if version is None:
        return
    if version == 0:
        if deployment_store(store).find(name) is not None:
            raise NameTaken(f"There is a deployment {name!r} already. Choose another name, or change that one.")
        return
    _check_present(find_deployment(store, name), version)


def _check_present(present: Deployment, version: int | None) -> None:
    if version not in (None, present.version):
        raise Conflict(
            f"The deployment {present.name!r} has version {present.version} by now, not {version}. Look at it again."
        )


def change_deployment(
    store: RunStore,
    name: str,
    change: Callable[[DeploymentVersion], DeploymentSpec],
    note: str,
    *,
    actor: str,
    now: datetime,
    version: int | None = None,
) -> Deployed:
    """Have a deployment say something else of the same notebook or flow, in place of the version that was read for it.

    Parameters
    ----------
    change
        Gets the present version; called again where another change came between.
    version
        The version that the caller has seen; None for whichever there is.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    Conflict
        It has another version than the caller has seen, or others change it all the time.
    """
    deployments = deployment_store(store)
    for _ in range(_MOST_TRIES):
        present = find_deployment(store, name)
        _check_present(present, version)
        before = deployments.version(present.name, present.version)
        after = msgspec.structs.replace(before, spec=change(before))
        if after == before:
            return Deployed(deployment=present, outcome="unchanged")
        try:
            deployment = deployments.save(
                after.spec,
                notebook=before.notebook,
                actor=actor,
                at=now,
                note=note,
                expected_version=before.version,
            )
        except PreconditionFailed:
            continue
        return Deployed(deployment=deployment, outcome="changed", changes=changes_between(before, after))
    raise Conflict(f"The deployment {name!r} is being changed by others all the time. Try again.")


def compare(store: RunStore, prepared: PreparedDeployment) -> tuple[Outcome, tuple[FieldChange, ...]]:
    """Return what storing this would do."""
    deployments = deployment_store(store)
    present = deployments.find(prepared.spec.name)
    if present is None:
        return "created", ()
    before = deployments.version(present.name, present.version)
    after = msgspec.structs.replace(before, spec=prepared.spec, notebook=prepared.notebook)
    changes = list(changes_between(before, after))
    if prepared.is_paused is not None and prepared.is_paused != present.is_paused:
        changes.append(FieldChange(field="paused", before=present.is_paused, after=prepared.is_paused))
    is_same = not changes and before.spec == prepared.spec and before.notebook == prepared.notebook
    return ("unchanged" if is_same else "changed"), tuple(changes)


def find_deployment(store: RunStore, name: str) -> Deployment:
    """Return the deployment of this name.

    Raises
    ------
    DeploymentNotFound
        There is none; the message names similar ones.
    """
    deployments = deployment_store(store)
    is_text = 0 < len(name) <= 255 and name.isprintable()  # a database refuses NUL
    found = deployments.find(name) if is_text else None
    if found is not None:
        return found
    names = {one.name.lower(): one.name for one in deployments.list_deployments()}
    near = [names[match] for match in difflib.get_close_matches(name.lower(), names, n=3)]
    shown = repr(name if len(name) <= 100 else f"{name[:99]}…")
    if near:
        raise DeploymentNotFound(f"There is no deployment {shown}. Did you mean {' or '.join(near)}?")
    if not names:
        raise DeploymentNotFound(f"There is no deployment {shown}, and no other. `orchestra deploy` makes one.")
    raise DeploymentNotFound(f"There is no deployment {shown}. `orchestra deployments ls` lists them.")


def list_versions(store: RunStore, name: str) -> list[DeploymentVersion]:
    """Return the versions of a deployment, the newest first; also of one that was deleted.

    Raises
    ------
    DeploymentNotFound
        There never was one of this name.
    """
    found = deployment_store(store).versions(name) if name.isprintable() else []
    if not found:
        find_deployment(store, name)
    return found


def pause_deployment(store: RunStore, name: str, now: datetime) -> Deployment:
    """Have the schedules of a deployment rest; its runs that wait still start.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    """
    return deployment_store(store).set_paused(find_deployment(store, name).name, True, now)


def resume_deployment(store: RunStore, name: str, now: datetime) -> Deployment:
    """Have the schedules of a deployment go on from now: what was due meanwhile is not made up for.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    """
    return deployment_store(store).set_paused(find_deployment(store, name).name, False, now)


def move_deployment(store: RunStore, name: str, pool: str, *, actor: str, now: datetime) -> int:
    """Have a deployment be run by another pool, as a new version of it; return how many runs that wait move, too.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    PoolNotFound
        There is no such pool.
    Conflict
        Others change it all the time.
    """
    from orchestra_nb.store.pool_store import PoolStore
    from orchestra_nb.store.work_queue import WorkQueue

    PoolStore(store.database).get(pool)
    moved = change_deployment(
        store,
        name,
        lambda before: msgspec.structs.replace(before.spec, pool=pool),
        f"moved to pool {pool}",
        actor=actor,
        now=now,
    )
    return WorkQueue(store.database).move(moved.deployment.name, pool)


def roll_back(store: RunStore, name: str, version: int | None, now: datetime) -> Deployed:
    """Have a deployment say again what it said in an earlier version.

    Parameters
    ----------
    version
        None for the one before the present one.

    Raises
    ------
    DeploymentNotFound
        There is no such deployment, or no such version of it.
    PoolNotFound, LimitNotFound
        What that version names is not there any more.
    """
    deployments = deployment_store(store)
    present = find_deployment(store, name)
    before = deployments.version(present.name, present.version)
    if version is None:
        earlier = [one.version for one in deployments.versions(present.name) if one.version < present.version]
        if not earlier:
            raise DeploymentNotFound(f"The deployment {present.name!r} has no version before {present.version}.")
        version = earlier[0]
    changes = changes_between(before, deployments.version(present.name, version))
    if version == present.version:
        return Deployed(deployment=present, outcome="unchanged")
    check_places(store, deployments.version(present.name, version).spec)
    return Deployed(deployment=deployments.go_back(present.name, version, now), outcome="changed", changes=changes)


def delete_deployment(store: RunStore, name: str, *, actor: str, now: datetime) -> int:
    """Delete a deployment with the automations that belong to it, and cancel its runs that wait; return how many.

    Its other runs stay.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    """
    from orchestra_nb.store.automation_store import AutomationStore
    from orchestra_nb.store.work_queue import WorkQueue

    found = find_deployment(store, name)
    AutomationStore(store.database).delete_of_deployment(found.name)
    waiting = deployment_store(store).delete(found.name)
    return WorkQueue(store.database).cancel_all(waiting, actor, now)


def deployment_store(store: RunStore) -> DeploymentStore:
    """Return the deployments of a store."""
    from orchestra_nb.store.deployment_store import DeploymentStore

    return DeploymentStore(store.database)
