"""Deployments of users, and a service that is up, for the tests of a server that several use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestra_nb.acting_user import acting_as
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import DriverStarted
from orchestra_nb.model.runs import Driver
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from tests.faults.notebook_command import notebook_of


def deploy(store: RunStore, name: str, owner: str | None, notebook: dict[str, Any] | None = None) -> None:
    """Make a deployment of a notebook, or a new version of one, as this user."""
    path = f"{store.database.path.parent}/n.ipynb" if store.database.path is not None else "/tmp/n.ipynb"
    spec = DeploymentSpec(name=name, flow_name=name, target=NotebookTarget(path=path))
    with acting_as(owner):
        text = json.dumps(notebook or notebook_of())
        DeploymentStore(store.database).save(spec, notebook=text, actor="test", at=datetime.now(UTC))


def service(store: RunStore) -> str:
    """Return the id of a service of another machine that was heard of just now."""
    now = datetime.now(UTC)
    driver = Driver(
        driver_id="a service",
        kind="service",
        host="elsewhere",
        boot_id="boot",
        pid=1234,
        process_started_at=10.25,
        heartbeat_at=now,
        lease_until=now + timedelta(hours=1),
    )
    store.apply([DriverStarted(driver=driver)])
    return driver.driver_id
