"""Assets: ``from orchestra_nb.assets import Asset``. Names only, and who answers outside of runs."""

from __future__ import annotations

from orchestra_nb.engine.asset_records import Asset, add_asset_metadata, record_materialization
from orchestra_nb.engine.materialization import MaterializingTask, materialize
from orchestra_nb.flows import flow as _flow  # noqa: F401  sets what drives tasks
from orchestra_nb.model.assets import AssetProperties
from orchestra_nb.operations.run_services import answer_from_configured_store

answer_from_configured_store()

__all__ = [
    "Asset",
    "AssetProperties",
    "MaterializingTask",
    "add_asset_metadata",
    "materialize",
    "record_materialization",
]
