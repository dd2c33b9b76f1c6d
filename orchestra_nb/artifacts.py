"""Artifacts: ``from orchestra_nb.artifacts import create_table_artifact``.

Names only, and who answers outside of runs.
"""

from __future__ import annotations

from orchestra_nb.engine.artifact_creation import (
    acreate_artifact,
    acreate_image_artifact,
    acreate_link_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
    create_artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from orchestra_nb.operations.artifact_objects import Artifact, LinkArtifact, MarkdownArtifact, TableArtifact
from orchestra_nb.operations.run_services import answer_from_configured_store

answer_from_configured_store()

__all__ = [
    "Artifact",
    "LinkArtifact",
    "MarkdownArtifact",
    "TableArtifact",
    "acreate_artifact",
    "acreate_image_artifact",
    "acreate_link_artifact",
    "acreate_markdown_artifact",
    "acreate_progress_artifact",
    "acreate_table_artifact",
    "aupdate_progress_artifact",
    "create_artifact",
    "create_image_artifact",
    "create_link_artifact",
    "create_markdown_artifact",
    "create_progress_artifact",
    "create_table_artifact",
    "update_progress_artifact",
]
