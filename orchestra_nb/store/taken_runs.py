"""The runs that a remote worker has taken, in its own store: as the server knows them, and driven from here."""

from __future__ import annotations

import msgspec
from sqlalchemy import delete, insert, select

from orchestra_nb.model.deployments import DeploymentVersion
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.runs import Run
from orchestra_nb.store.code_tables import dead_letters, run_codes
from orchestra_nb.store.database import Database
from orchestra_nb.store.event_writer import EventWriter
from orchestra_nb.store.run_tables import (
    cancel_requests,
    cell_runs,
    changes,
    log_lines,
    recorded_values,
    runs,
    task_runs,
)
from orchestra_nb.store.service_tables import deployment_versions

#: What is left of an earlier epoch that ran here, too: the server has it.
_OF_RUNS = (runs, task_runs, cell_runs, changes, log_lines, recorded_values, run_codes, dead_letters, cancel_requests)


def take_run(database: Database, run: Run, version: DeploymentVersion) -> None:
    """Have a run here as it was claimed, with what its deployment says; nothing of it is passed on."""
    with database.write() as connection:
        ids, found = [run.run_id], [run.run_id]
        while found:
            children = select(runs.c.run_id).where(runs.c.parent_run_id.in_(found))
            found = list(connection.execute(children).scalars())
            ids += found
        for table in _OF_RUNS:
            connection.execute(delete(table).where(table.c.run_id.in_(ids)))
        EventWriter(connection, [RunCreated(run=run)]).apply()
        key = (
            deployment_versions.c.deployment == version.spec.name,
            deployment_versions.c.version == version.version,
        )
        connection.execute(delete(deployment_versions).where(*key))
        connection.execute(
            insert(deployment_versions).values(
                deployment=version.spec.name,
                version=version.version,
                spec=msgspec.to_builtins(version.spec),
                notebook=version.notebook,
                created_at=version.created_at,
                created_by=version.created_by,
                note=version.note,
            )
        )
