"""Deployments as they are kept: each change is a version, and their schedules go on where they stood."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Select, and_, delete, func, insert, select, update

from orchestra_nb.acting_user import acting_user
from orchestra_nb.errors import DeploymentNotFound, PreconditionFailed
from orchestra_nb.model.deployments import Deployment, DeploymentSchedule, DeploymentSpec, DeploymentVersion
from orchestra_nb.store.database import Database
from orchestra_nb.store.service_tables import deployment_versions, deployments, queued_runs, schedules
from orchestra_nb.store.stored_records import short_message


class DeploymentStore:
    """The deployments of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        spec: DeploymentSpec,
        *,
        notebook: str | None,
        actor: str,
        at: datetime,
        note: str = "",
        is_paused: bool = False,
        expected_version: int | None = None,
    ) -> Deployment:
        """Make a deployment, or a new version of the one of this name; nothing where it says the same already.

        A schedule that was there before goes on where it stood; a new one begins now.

        Parameters
        ----------
        is_paused
            Whether the schedules of a new deployment rest; one that is there stays as it is.
        expected_version
            Only in place of this one, 0 for none; None for whichever there is, or for none.

        Raises
        ------
        DeploymentNotFound
            A version is expected, and there is no deployment of this name.
        PreconditionFailed
            It has another version by now.
        """
        with self._database.write() as connection:
            present = connection.execute(_present(spec.name)).mappings().first()
            if expected_version is not None:
                _check_version(spec.name, present, expected_version)
            # a deployment that went back has later versions, and one that was deleted has left some
            version = 1 + (connection.execute(_newest_version(spec.name)).scalar_one() or 0)
            if present is None:
                connection.execute(
                    insert(deployments).values(
                        name=spec.name,
                        is_paused=is_paused,
                        created_at=at,
                        updated_at=at,
                        owner=acting_user(),
                        **_decisive(spec, version),
                    )
                )
            else:
                if _spec_of(present) == spec and present["notebook"] == notebook:
                    return _deployment_of(present)
                connection.execute(
                    update(deployments)
                    .where(deployments.c.name == spec.name)
                    .values(updated_at=at, **_decisive(spec, version))
                )
            connection.execute(
                insert(deployment_versions).values(
                    deployment=spec.name,
                    version=version,
                    spec=msgspec.to_builtins(spec),
                    notebook=notebook,
                    created_at=at,
                    created_by=actor,
                    note=short_message(note),
                )
            )
            rests = is_paused if present is None else present["is_paused"]
            _set_schedules(connection, spec.name, () if rests else spec.schedules, at)
            return _deployment_of(connection.execute(_present(spec.name)).mappings().one())

    def find(self, name: str) -> Deployment | None:
        """Return the deployment of this name; None where there is none."""
        with self._database.connect() as connection:
            row = connection.execute(_present(name)).mappings().first()
        return None if row is None else _deployment_of(row)

    def get(self, name: str) -> Deployment:
        """Return the deployment of this name.

        Raises
        ------
        DeploymentNotFound
            There is none.
        """
        deployment = self.find(name)
        if deployment is None:
            raise _not_found(name)
        return deployment

    def list_deployments(self) -> list[Deployment]:
        """Return all deployments by name."""
        with self._database.connect() as connection:
            rows = connection.execute(_present(None).order_by(deployments.c.name)).mappings().all()
        return [_deployment_of(row) for row in rows]

    def version(self, name: str, version: int) -> DeploymentVersion:
        """Return one version of a deployment, also of one that was deleted.

        Raises
        ------
        DeploymentNotFound
            There is none.
        """
        query = select(deployment_versions).where(
            deployment_versions.c.deployment == name, deployment_versions.c.version == version
        )
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise DeploymentNotFound(
                f"The deployment {name!r} has no version {version}. `orchestra deployments versions {name}` lists them."
            )
        return _version_of(row)

    def versions(self, name: str) -> list[DeploymentVersion]:
        """Return the versions of a deployment, the newest first."""
        query = (
            select(deployment_versions)
            .where(deployment_versions.c.deployment == name)
            .order_by(deployment_versions.c.version.desc())
        )
        with self._database.connect() as connection:
            return [_version_of(row) for row in connection.execute(query).mappings()]

    def go_back(self, name: str, version: int, at: datetime) -> Deployment:
        """Have a deployment say again what it said in an earlier version.

        Raises
        ------
        DeploymentNotFound
            There is no such version.
        """
        earlier = self.version(name, version)
        with self._database.write() as connection:
            present = _row_for_change(connection, name)
            connection.execute(
                update(deployments)
                .where(deployments.c.name == name)
                .values(updated_at=at, **_decisive(earlier.spec, version))
            )
            _set_schedules(connection, name, () if present["is_paused"] else earlier.spec.schedules, at)
        return self.get(name)

    def set_paused(self, name: str, is_paused: bool, at: datetime) -> Deployment:
        """Have the schedules of a deployment rest, or go on from now.

        Raises
        ------
        DeploymentNotFound
            There is none of this name.
        """
        with self._database.write() as connection:
            present = _row_for_change(connection, name)
            if present["is_paused"] != is_paused:
                connection.execute(
                    update(deployments).where(deployments.c.name == name).values(is_paused=is_paused, updated_at=at)
                )
                _set_schedules(connection, name, () if is_paused else _spec_of(present).schedules, at)
        return self.get(name)

    def delete(self, name: str) -> list[str]:
        """Delete a deployment; its runs and its versions stay. Return the runs that still wait.

        Raises
        ------
        DeploymentNotFound
            There is none of this name.
        """
        with self._database.write() as connection:
            _row_for_change(connection, name)
            connection.execute(delete(deployments).where(deployments.c.name == name))
            connection.execute(delete(schedules).where(schedules.c.deployment == name))
            waiting = select(queued_runs.c.run_id).where(queued_runs.c.deployment == name)
            return [run_id for (run_id,) in connection.execute(waiting)]


def _present(name: str | None) -> Select[Any]:
    """Return what reads a deployment with its present version; None for all of them."""
    query = select(deployments, deployment_versions.c.spec, deployment_versions.c.notebook).join(
        deployment_versions,
        and_(
            deployment_versions.c.deployment == deployments.c.name,
            deployment_versions.c.version == deployments.c.version,
        ),
    )
    return query if name is None else query.where(deployments.c.name == name)


def _newest_version(name: str) -> Select[Any]:
    return select(func.max(deployment_versions.c.version)).where(deployment_versions.c.deployment == name)


def _decisive(spec: DeploymentSpec, version: int) -> dict[str, object]:
    return {"version": version, "concurrency": spec.concurrency, "on_conflict": spec.on_conflict}


def _check_version(name: str, present: RowMapping | None, expected: int) -> None:
    if expected == 0:
        if present is not None:
            raise PreconditionFailed(f"There is a deployment {name!r} by now.")
        return
    if present is None:
        raise _not_found(name)
    if present["version"] != expected:
        raise PreconditionFailed(f"The deployment {name!r} has version {present['version']} by now, not {expected}.")


def _row_for_change(connection: Connection, name: str) -> RowMapping:
    row = connection.execute(_present(name)).mappings().first()
    if row is None:
        raise _not_found(name)
    return row


def _set_schedules(connection: Connection, name: str, wanted: Sequence[DeploymentSchedule], at: datetime) -> None:
    """Replace the schedules of a deployment; what was there before keeps how far it was worked off."""
    of_deployment = schedules.c.deployment == name
    known = [
        (msgspec.convert(row["schedule"], DeploymentSchedule), row["done_until"])
        for row in connection.execute(select(schedules).where(of_deployment)).mappings()
    ]
    connection.execute(delete(schedules).where(of_deployment))
    for number, schedule in enumerate(wanted, 1):
        done_until = next((done for other, done in known if other == schedule), at)
        connection.execute(
            insert(schedules).values(
                deployment=name,
                number=number,
                schedule=msgspec.to_builtins(schedule),
                done_until=done_until,
                next_at=done_until if schedule.is_active else None,  # to be found out at once
                problem="",
            )
        )


def _spec_of(row: RowMapping) -> DeploymentSpec:
    return msgspec.convert(row["spec"], DeploymentSpec)


def _deployment_of(row: RowMapping) -> Deployment:
    fields = ("version", "is_paused", "created_at", "updated_at", "owner")
    return Deployment(spec=_spec_of(row), **{name: row[name] for name in fields})


def _version_of(row: RowMapping) -> DeploymentVersion:
    fields = ("version", "created_at", "created_by", "note", "notebook")
    return DeploymentVersion(spec=_spec_of(row), **{name: row[name] for name in fields})


def _not_found(name: str) -> DeploymentNotFound:
    return DeploymentNotFound(f"No deployment {name!r}. `orchestra deployments ls` lists them.")
