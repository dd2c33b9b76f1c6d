"""Deployments: make one, pause, resume, roll back, delete. What is seen of them: :mod:`.deployment_views`."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from orchestra_nb.errors import DeploymentNotFound
from orchestra_nb.model.deployments import Deployment, DeploymentVersion
from orchestra_nb.operations.deployment_form import FieldChange, changes_between
from orchestra_nb.operations.deployment_preparation import PreparedDeployment, prepare_deployment
from orchestra_nb.operations.deployment_request import DeploymentRequest
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.deployment_store import DeploymentStore
    from orchestra_nb.store.run_store import RunStore

Outcome = Literal["created", "changed", "unchanged"]


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


def deploy(store: RunStore, request: DeploymentRequest, settings: Settings, *, actor: str, now: datetime) -> Deployed:
    """Check what is asked for and store it: a new deployment, a new version of one, or nothing where it says the same.

    Raises
    ------
    InvalidInput, NotFound
        As :func:`~orchestra_nb.operations.deployment_preparation.prepare_deployment`; nothing is stored then.
    """
    return store_deployment(store, prepare_deployment(request, settings, now), actor=actor, now=now)


def store_deployment(store: RunStore, prepared: PreparedDeployment, *, actor: str, now: datetime) -> Deployed:
    """Store what was prepared."""
    deployments = deployment_store(store)
    outcome, changes = compare(store, prepared)
    deployment = deployments.save(
        prepared.spec,
        notebook=prepared.notebook,
        actor=actor,
        at=now,
        note=prepared.note,
        is_paused=bool(prepared.is_paused),
    )
    if prepared.is_paused is not None and deployment.is_paused != prepared.is_paused:
        deployment = deployments.set_paused(deployment.name, prepared.is_paused, now)
    return Deployed(deployment=deployment, outcome=outcome, changes=changes)


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
    return Deployed(deployment=deployments.go_back(present.name, version, now), outcome="changed", changes=changes)


def delete_deployment(store: RunStore, name: str, *, actor: str, now: datetime) -> int:
    """Delete a deployment and cancel its runs that wait; return how many these were. Its other runs stay.

    Raises
    ------
    DeploymentNotFound
        There is none of this name.
    """
    from orchestra_nb.store.work_queue import WorkQueue

    waiting = deployment_store(store).delete(find_deployment(store, name).name)
    return WorkQueue(store.database).cancel_all(waiting, actor, now)


def deployment_store(store: RunStore) -> DeploymentStore:
    """Return the deployments of a store."""
    from orchestra_nb.store.deployment_store import DeploymentStore

    return DeploymentStore(store.database)
