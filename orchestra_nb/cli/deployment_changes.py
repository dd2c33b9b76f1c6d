"""What becomes of a deployment that is made, taken anew or taken back, done and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from orchestra_nb.cli.deployment_tables import change_lines, print_fire_times
from orchestra_nb.cli.run_tables import printable
from orchestra_nb.model.findings import Findings
from orchestra_nb.operations.deployment_form import FieldChange
from orchestra_nb.operations.deployment_request import DeploymentRequest
from orchestra_nb.operations.deployment_update import update_deployment
from orchestra_nb.operations.deployment_views import DeploymentDetails, show_deployment
from orchestra_nb.operations.deployments import Deployed, Outcome, deploy, roll_back
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


@dataclass(frozen=True, slots=True)
class DoneToDeployment:
    """What was done to a deployment, and how it stands then."""

    outcome: Outcome
    changes: tuple[FieldChange, ...]
    details: DeploymentDetails


def make_deployment(
    store: RunStore, request: DeploymentRequest, settings: Settings, *, actor: str, now: datetime, findings: Findings
) -> DoneToDeployment:
    """Deploy what is asked for."""
    return _done(store, deploy(store, request, settings, actor=actor, now=now, findings=findings), now)


def take_anew(
    store: RunStore,
    name: str,
    settings: Settings,
    *,
    actor: str,
    now: datetime,
    parameters: Mapping[str, object],
    parameter_texts: Mapping[str, str],
    note: str,
) -> DoneToDeployment:
    """Take the notebook of a deployment as it is now."""
    done = update_deployment(
        store,
        name,
        settings,
        actor=actor,
        now=now,
        parameters=parameters,
        parameter_texts=parameter_texts,
        note=note,
    )
    return _done(store, done, now)


def take_back(store: RunStore, name: str, version: int | None, now: datetime) -> DoneToDeployment:
    """Have a deployment say again what an earlier version said."""
    return _done(store, roll_back(store, name, version, now), now)


def _done(store: RunStore, done: Deployed, now: datetime) -> DoneToDeployment:
    return DoneToDeployment(done.outcome, done.changes, show_deployment(store, done.deployment.name, now))


def deployed_document(done: DoneToDeployment) -> dict[str, object]:
    """Return what became of a deployment as ``--json`` prints it."""
    details = done.details
    return {
        "name": details.name,
        "outcome": done.outcome,
        "version": details.version,
        "is_paused": details.is_paused,
        "changes": done.changes,
        "spec": details.spec,
        "fire_times": [time.at.isoformat() for time in details.fire_times],
    }


def tell_deployed(done: DoneToDeployment) -> None:
    """Say what became of a deployment, and when something is due."""
    details, name = done.details, printable(done.details.name)
    if done.outcome == "created":
        click.echo(f"Created the deployment {name} of {printable(details.flow_name)}.")
    elif done.outcome == "unchanged":
        click.echo(f"The deployment {name} is unchanged: version {details.version}.")
    else:
        click.echo(f"Changed the deployment {name}, now version {details.version}:")
        click.echo("\n".join(change_lines(done.changes)))
        if not details.schedules and any(change.field == "schedules" for change in done.changes):
            click.echo(
                f"It has no schedule any more, as none was given. `orchestra deployments rollback {name}` brings it "
                f"back; `orchestra deployments update {name}` takes the notebook anew and leaves all else.",
                err=True,
            )
    if details.schedules:
        words = "; ".join(schedule.words for schedule in details.schedules)
        click.echo(f"{printable(words[:1].upper() + words[1:])}.")
    else:
        click.echo(f"It has no schedule: `orchestra deployments run {name}` runs it.")
    print_fire_times(details.fire_times, is_paused=details.is_paused, has_schedules=bool(details.schedules))
