"""The versions of a deployment as people see them: what each says, and what it changed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.model.deployments import DeploymentVersion
from orchestra_nb.operations.deployment_form import FieldChange, changes_between, form_of
from orchestra_nb.operations.deployments import deployment_store, list_versions

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a deployment: what it says, in the form of files, and otherwise than the version before."""

    version: int
    created_at: datetime
    created_by: str
    note: str
    spec: dict[str, Any]
    changes: tuple[FieldChange, ...]


class VersionList(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of a deployment, the newest first; ``present`` is the one that holds, None where it was deleted."""

    versions: tuple[VersionView, ...]
    present: int | None


def list_version_views(store: RunStore, name: str) -> VersionList:
    """Return the versions of a deployment, also of one that was deleted.

    Raises
    ------
    DeploymentNotFound
        There never was one of this name.
    """
    versions = list_versions(store, name)
    present = deployment_store(store).find(name)
    return VersionList(
        versions=tuple(_view_of(one, before) for one, before in zip(versions, [*versions[1:], None], strict=True)),
        present=None if present is None else present.version,
    )


def _view_of(version: DeploymentVersion, before: DeploymentVersion | None) -> VersionView:
    return VersionView(
        version=version.version,
        created_at=version.created_at,
        created_by=version.created_by,
        note=version.note,
        spec=form_of(version.spec),
        changes=() if before is None else changes_between(before, version),
    )
