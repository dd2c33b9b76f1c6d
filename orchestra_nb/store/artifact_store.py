"""Artifacts, as they are kept: each creation under one key is a new version of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, func, insert, select, update

from orchestra_nb.errors import ArtifactNotFound, InvalidInput
from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.store.change_rows import record_news
from orchestra_nb.store.code_tables import artifacts
from orchestra_nb.store.database import Database
from orchestra_nb.store.keyset_pages import number_of


class ArtifactStore:
    """The artifacts of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, artifact: StoredArtifact) -> StoredArtifact:
        """Keep an artifact and return it with its version: one more than the last of its key."""
        with self._database.write() as connection:
            version = 1
            if artifact.key is not None:
                last = select(func.max(artifacts.c.version)).where(artifacts.c.key == artifact.key)
                version = (connection.execute(last).scalar() or 0) + 1
            values = {name: getattr(artifact, name) for name in StoredArtifact.__struct_fields__}
            connection.execute(insert(artifacts).values(values | {"version": version}))
            record_news(connection, "artifact", artifact.run_id, artifact.task_run_id, artifact.created_at)
            new = select(artifacts).where(artifacts.c.artifact_id == artifact.artifact_id)
            return _artifact_of_row(connection.execute(new).mappings().one())

    def update(
        self,
        artifact_id: str,
        at: datetime,
        *,
        data: object | None = None,
        description: str | None = None,
        only_type: str | None = None,
    ) -> StoredArtifact:
        """Replace what is not None, and return the artifact.

        Parameters
        ----------
        only_type
            Refuse an artifact of another type; None for any.

        Raises
        ------
        ArtifactNotFound
            There is none of this id.
        InvalidInput
            It is of another type.
        """
        same = artifacts.c.artifact_id == artifact_id
        values: dict[str, Any] = {"updated_at": at}
        if data is not None:
            values["data"] = data
        if description is not None:
            values["description"] = description
        with self._database.write(durable=False) as connection:
            kind = connection.execute(select(artifacts.c.type).where(same)).scalar()
            if kind is None:
                raise _not_found(artifact_id)
            if only_type is not None and kind != only_type:
                raise InvalidInput(f"The artifact {artifact_id} is of type {kind!r}, not {only_type!r}.")
            connection.execute(update(artifacts).where(same).values(values))
            changed = _artifact_of_row(connection.execute(select(artifacts).where(same)).mappings().one())
            record_news(connection, "artifact", changed.run_id, changed.task_run_id, at)
            return changed

    def get(self, id_or_key: str, version: int | None = None) -> StoredArtifact:
        """Return the artifact with this id, or a version of the one with this key; None means the newest.

        Raises
        ------
        ArtifactNotFound
            There is none.
        """
        by_id = select(artifacts).where(artifacts.c.artifact_id == id_or_key)
        by_key = select(artifacts).where(artifacts.c.key == id_or_key).order_by(artifacts.c.version.desc()).limit(1)
        if version is not None:
            by_id, by_key = by_id.where(artifacts.c.version == version), by_key.where(artifacts.c.version == version)
        with self._database.connect() as connection:
            row = connection.execute(by_id).mappings().first() or connection.execute(by_key).mappings().first()
        if row is None:
            raise _not_found(id_or_key if version is None else f"{id_or_key} of version {version}")
        return _artifact_of_row(row)

    def versions(self, key: str) -> list[StoredArtifact]:
        """Return all versions of a key, the newest first."""
        return self._read(select(artifacts).where(artifacts.c.key == key).order_by(artifacts.c.version.desc()))

    def list_artifacts(
        self,
        *,
        run_id: str | None = None,
        task_run_id: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[StoredArtifact]:
        """Return artifacts, the newest first; None for those of all runs, or of all tasks.

        Raises
        ------
        InvalidInput
            There is no artifact ``before``, the one with whose id the page before ended.
        """
        query = select(artifacts).order_by(artifacts.c.number.desc()).limit(limit)
        if run_id is not None:
            query = query.where(artifacts.c.run_id == run_id)
        if task_run_id is not None:
            query = query.where(artifacts.c.task_run_id == task_run_id)
        if before is not None:
            with self._database.connect() as connection:
                last = number_of(connection, artifacts.c.number, artifacts.c.artifact_id, before)
            query = query.where(artifacts.c.number < last)
        return self._read(query)

    def _read(self, query: Select[Any]) -> list[StoredArtifact]:
        with self._database.connect() as connection:
            return [_artifact_of_row(row) for row in connection.execute(query).mappings()]


def _artifact_of_row(row: RowMapping) -> StoredArtifact:
    return StoredArtifact(**{name: row[name] for name in StoredArtifact.__struct_fields__})


def _not_found(what: str) -> ArtifactNotFound:
    return ArtifactNotFound(f"No artifact {what}. `orchestra artifacts ls` lists them.")
