"""Artifacts and assets that runs left: list and show.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.assets import AssetState, Lineage, Materialization
from orchestra_nb.operations.runs import listed_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: The most artifacts that one call returns.
MAX_ARTIFACTS = 500


class AssetDetails(msgspec.Struct, frozen=True, kw_only=True):
    """An asset with its lineage and its last materializations, the newest first."""

    asset: AssetState
    lineage: Lineage
    materializations: tuple[Materialization, ...]


def list_artifacts(
    store: RunStore, *, run: str | None = None, before: str | None = None, limit: int = 50
) -> list[StoredArtifact]:
    """Return artifacts, the newest first.

    Parameters
    ----------
    run
        Id or name of a run; None for those of all.
    before
        Only those older than the one with this id, the last of the page before.

    Raises
    ------
    RunNotFound
        There is no such run.
    """
    from orchestra_nb.store.artifact_store import ArtifactStore

    run_id = listed_run(store, run, limit, MAX_ARTIFACTS)
    return ArtifactStore(store.database).list_artifacts(run_id=run_id, before=before, limit=limit)


def show_artifact(store: RunStore, id_or_key: str, version: int | None = None) -> StoredArtifact:
    """Return the artifact with this id, or a version of the one with this key; None means the newest.

    Raises
    ------
    ArtifactNotFound
        There is none.
    """
    from orchestra_nb.store.artifact_store import ArtifactStore

    return ArtifactStore(store.database).get(id_or_key, version)


def list_assets(store: RunStore) -> list[AssetState]:
    """Return all assets by key."""
    from orchestra_nb.store.asset_store import AssetStore

    return AssetStore(store.database).list_assets()


def show_asset(store: RunStore, key: str, depth: int | None = None) -> AssetDetails:
    """Return an asset, with its lineage as far as ``depth`` steps (None: all).

    Raises
    ------
    AssetNotFound
        No task has made it, or anything from it.
    """
    from orchestra_nb.store.asset_store import AssetStore

    assets = AssetStore(store.database)
    return AssetDetails(
        asset=assets.get(key),
        lineage=assets.lineage(key, depth),
        materializations=tuple(assets.materializations(key)),
    )
