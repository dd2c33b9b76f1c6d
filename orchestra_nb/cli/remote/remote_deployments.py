"""Deployments, as the commands see them over a server; a notebook of this machine is sent there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.cli.deployment_changes import DoneToDeployment
from orchestra_nb.cli.remote.whole_lists import whole_list
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.runs import Run
from orchestra_nb.model.sweeps import TypedText
from orchestra_nb.model.variables import check_name
from orchestra_nb.operations.deployment_files import FileSchedule
from orchestra_nb.operations.deployment_form import retry_form
from orchestra_nb.operations.deployment_request import DeploymentRequest, ScheduleRequest
from orchestra_nb.operations.deployment_run import tell_anew
from orchestra_nb.operations.deployment_versions import VersionList
from orchestra_nb.operations.notebook_deployment import snapshot_of
from orchestra_nb.operations.runs import is_suspended
from orchestra_nb.operations.schedule_request import days_off_of
from orchestra_nb.settings import Settings
from orchestra_nb.time_zones import machine_zone, zone_of

if TYPE_CHECKING:
    from orchestra_nb.client.http_client import Client
    from orchestra_nb.operations.backfill import Backfill
    from orchestra_nb.operations.deployment_views import DeploymentDetails, DeploymentSummary
    from orchestra_nb.operations.deployments import Outcome

_OUTCOMES: Final[Mapping[str, Outcome]] = {"create": "created", "change": "changed", "unchanged": "unchanged"}


def list_deployments(client: Client, now: datetime, notebook: Path | None = None) -> list[DeploymentSummary]:
    """Return all deployments by name; of one notebook, by its path below the server's root folder."""
    path = None if notebook is None else notebook.as_posix()
    return whole_list(client.list_deployments, "deployments", notebook=path)


def show_deployment(
    client: Client, name: str, now: datetime, *, most_times: int = 3, most_runs: int = 5
) -> DeploymentDetails:
    """Return a deployment with its schedules, its next times and its last runs."""
    return client.show_deployment(name)


def list_version_views(client: Client, name: str) -> VersionList:
    """Return the versions of a deployment."""
    versions = whole_list(client.list_versions, "versions", cursor="before", name=name)
    return VersionList(versions=tuple(versions), present=client.list_versions(name, limit=1).present)


def pause_deployment(client: Client, name: str, now: datetime) -> object:
    """Have the schedules of a deployment rest."""
    return client.pause_deployment(name)


def resume_deployment(client: Client, name: str, now: datetime) -> object:
    """Have the schedules of a deployment go on."""
    return client.resume_deployment(name)


def delete_deployment(client: Client, name: str, *, actor: str, now: datetime) -> int:
    """Delete a deployment; return how many of its runs were cancelled."""
    return client.delete_deployment(name).cancelled


def run_deployment(
    client: Client,
    name: str,
    settings: Settings,
    *,
    now: datetime,
    parameters: Mapping[str, object] | None = None,
    at: datetime | None = None,
) -> Run:
    """Have a run of a deployment wait to be started."""
    given = parameters or {}
    texts = {key: str(value) for key, value in given.items() if isinstance(value, TypedText)}
    values = {key: value for key, value in given.items() if key not in texts}
    return client.run_deployment(name, parameters=values, texts=texts, at=at)


def wait_for_run(client: Client, run_id: str, tell_asking: Callable[[Run], None] | None = None) -> Run:
    """Return a run when it has ended, and is not retried, or when it is suspended."""
    told = ""

    def is_enough(run: Run) -> bool:
        nonlocal told
        if is_suspended(run):
            return True
        told = tell_anew(run, told, tell_asking)
        return False

    return client.wait_for_run(run_id, is_enough=is_enough)


def backfill(
    client: Client,
    name: str,
    settings: Settings,
    *,
    begin: datetime,
    end: datetime,
    actor: str,
    now: datetime,
    limit: int | None = None,
    schedule: int | None = None,
) -> Backfill:
    """Make runs for what was due and has none."""
    return client.backfill_deployment(name, begin=begin, end=end, limit=limit, schedule=schedule)


def take_anew(
    client: Client,
    name: str,
    settings: Settings,
    *,
    actor: str,
    now: datetime,
    parameters: Mapping[str, object],
    parameter_texts: Mapping[str, str],
    note: str,
) -> DoneToDeployment:
    """Take the notebook of a deployment as it is now where the server is."""
    done = client.update_deployment(name, parameters=parameters, texts=parameter_texts, note=note)
    return DoneToDeployment(done.outcome, done.changes, client.show_deployment(name))


def take_back(client: Client, name: str, version: int | None, now: datetime) -> DoneToDeployment:
    """Have a deployment say again what an earlier version said."""
    done = client.roll_back(name, version=version)
    return DoneToDeployment(done.outcome, done.changes, client.show_deployment(name))


def make_deployment(
    client: Client, request: DeploymentRequest, settings: Settings, *, actor: str, now: datetime, findings: Findings
) -> DoneToDeployment:
    """Deploy a notebook of this machine, or a flow that the server can import."""
    said = findings.trying(lambda: _said_by(request))
    name = findings.trying(lambda: _name_of(request))
    findings.tell()
    assert said is not None
    assert name is not None
    made = client.deploy(name, **said)
    step = next(one for one in made.steps if one.kind == "deployment")
    return DoneToDeployment(_OUTCOMES[step.action], step.changes, client.show_deployment(name))


def _name_of(request: DeploymentRequest) -> str:
    if request.name is not None:
        return check_name(request.name, "deployment")
    if request.is_notebook:
        return check_name(Path(request.target).stem, "deployment")
    raise InvalidInput(f"The flow {request.target} is read where the server is: say by --name what it is called.")


def _said_by(request: DeploymentRequest) -> dict[str, Any]:
    """Return what a request says as the server takes it."""
    said: dict[str, Any] = {
        "description": request.description,
        "parameters": request.parameters,
        "parameter_texts": request.parameter_texts,
        "schedules": [_schedule_of(one) for one in request.schedules],
        "cwd": request.cwd,
        "import_folder": request.import_folder,
        "flow_name": request.flow_name,
        "kernel": request.kernel_name,
        "output": request.output_path,
        "cache": request.is_cached,
        "cluster": request.cluster,
        "pool": request.pool,
        "priority": request.priority,
        "concurrency": request.concurrency,
        "on_conflict": request.on_conflict,
        "timeout": request.timeout_seconds,
        "tags": request.tags,
        "limits": request.limits,
        "job_variables": request.job_variables,
        "paused": request.is_paused,
        "note": request.note,
        **{name: value for name, value in retry_form(request.retry).items() if value is not None},
    }
    if request.is_notebook:
        said["notebook"] = json.loads(snapshot_of(request.target if request.notebook is None else request.notebook))
        said["notebook_path"] = Path(request.target).name
    else:
        said["flow"] = request.target
    return said


def _schedule_of(request: ScheduleRequest) -> FileSchedule:
    timezone = request.timezone if request.timezone is not None else machine_zone()[0]
    zone = zone_of(timezone)
    today = datetime.now(UTC).astimezone(zone).date()
    return FileSchedule(
        cron=request.cron,
        every=request.every,
        rrule=request.rrule,
        timezone=timezone,
        start=request.start,
        end=request.end,
        days_off=sorted(days_off_of(request.exclude, zone, today).union(request.days_off)),
        jitter=request.jitter_seconds or None,
        catchup=request.catchup,
        max_late=request.max_late_seconds,
        parameters=request.parameters,
        active=request.is_active,
    )
