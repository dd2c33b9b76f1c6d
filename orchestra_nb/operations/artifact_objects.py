"""Artifacts as objects, as Prefect's users know them: made, created, found by their key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestra_nb.engine.artifact_creation import (
    create_artifact_of_type,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from orchestra_nb.engine.services import in_thread
from orchestra_nb.errors import ArtifactNotFound, InvalidInput
from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.operations.kept_artifacts import show_artifact
from orchestra_nb.operations.run_waiting import store_at_hand


class Artifact:
    """Something that a run leaves for people to look at.

    Parameters
    ----------
    type
        A word for the kind, such as ``"markdown"`` or one of yours.
    key
        Lower-case letters, digits and dashes; each artifact of one key is a new version of it. None for one without
        history.
    data
        Of JSON's types.
    """

    def __init__(
        self, type: str | None = None, key: str | None = None, description: str | None = None, data: object = None
    ) -> None:
        self.type = type
        self.key = key
        self.description = description
        self.data = data
        #: given when it is created
        self.id: str | None = None
        self.version: int | None = None
        self.created: datetime | None = None
        self.flow_run_id: str | None = None
        self.task_run_id: str | None = None

    def create(self) -> Artifact:
        """Keep it, for the run that this code belongs to, and return it with its id."""
        self.id = self._create()
        return self

    async def acreate(self) -> Artifact:
        """:meth:`create` for coroutines."""
        return await in_thread(self.create)

    def _create(self) -> str:
        if not isinstance(self.type, str) or not self.type:
            raise InvalidInput(f"An artifact needs a type, and this one has {self.type!r}. Write a word for its kind.")
        return create_artifact_of_type(self.type, self.data, self.key, self.description)

    @classmethod
    def get(cls, key: str) -> Artifact | None:
        """Return the newest version of the artifact with this key; None when there is none.

        Raises
        ------
        MissingContext
            This is called in a submitted task, where no store is at hand.
        """
        try:
            return _of_stored(show_artifact(store_at_hand("Artifact.get"), key))
        except ArtifactNotFound:
            return None

    @classmethod
    async def aget(cls, key: str) -> Artifact | None:
        """:meth:`get` for coroutines."""
        return await in_thread(cls.get, key)

    @classmethod
    def get_or_create(
        cls, key: str, description: str | None = None, data: object = None, **fields: Any
    ) -> tuple[Artifact, bool]:
        """Return (the artifact with this key, whether it was created now)."""
        found = cls.get(key)
        if found is not None:
            return found, False
        if data is not None:
            fields["data"] = data
        return cls(key=key, description=description, **fields).create(), True

    def __repr__(self) -> str:
        return f"{type(self).__name__}(type={self.type!r}, key={self.key!r}, id={self.id!r})"


class LinkArtifact(Artifact):
    """A link."""

    def __init__(
        self, link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
    ) -> None:
        super().__init__("markdown", key, description, link)
        self.link = link
        self.link_text = link_text

    def _create(self) -> str:
        return create_link_artifact(self.link, self.link_text, self.key, self.description)


class MarkdownArtifact(Artifact):
    """A text in Markdown."""

    def __init__(self, markdown: str, key: str | None = None, description: str | None = None) -> None:
        super().__init__("markdown", key, description, markdown)
        self.markdown = markdown

    def _create(self) -> str:
        return create_markdown_artifact(self.markdown, self.key, self.description)


class TableArtifact(Artifact):
    """A table."""

    def __init__(self, table: Any, key: str | None = None, description: str | None = None) -> None:
        super().__init__("table", key, description, table)
        self.table = table

    def _create(self) -> str:
        return create_table_artifact(self.table, self.key, self.description)


def _of_stored(stored: StoredArtifact) -> Artifact:
    found = Artifact(stored.type, stored.key, stored.description, stored.data)
    found.id = stored.artifact_id
    found.version = stored.version
    found.created = stored.created_at
    found.flow_run_id, found.task_run_id = stored.run_id, stored.task_run_id
    return found
