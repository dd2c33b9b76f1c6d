"""Deployments and their schedules: list, look at, run by hand, rest, go back."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.deployments import Deployment
from orchestra_nb.model.runs import Run
from orchestra_nb.model.sweeps import TypedText
from orchestra_nb.operations import (
    backfill,
    deployed_parameters,
    deployment_run,
    deployment_update,
    deployment_versions,
    deployment_views,
    deployments,
    schedule_preview,
)
from orchestra_nb.operations.backfill import Backfill
from orchestra_nb.operations.deployment_form import FieldChange
from orchestra_nb.operations.deployment_versions import VersionView
from orchestra_nb.operations.deployment_views import DeploymentDetails, DeploymentSummary
from orchestra_nb.operations.schedule_preview import SchedulePreview
from orchestra_nb.rest.endpoint import Area, Call, Instant, Limit, Role, Version
from orchestra_nb.rest.notebook_endpoints import ParametersAnswer
from orchestra_nb.rest.pages import BeforeNumber, NamesQuery, page_by_name, page_of

area = Area("deployments")


_TEXTS: Final = "Further ones as text, as on a command line: the declaration of each says what it means."


class DeploymentsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Deployments, by name."""

    deployments: tuple[DeploymentSummary, ...]
    next: str | None


class DeploymentsQuery(NamesQuery, frozen=True, kw_only=True):
    """Which deployments."""

    notebook: Annotated[
        str | None,
        Meta(description="Only those of this notebook, relative to the server's root folder: `reports/sales.ipynb`."),
    ] = None


class VersionsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of the versions."""

    before: BeforeNumber = None
    limit: Limit = 100


class VersionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of a deployment, the newest first."""

    versions: tuple[VersionView, ...]
    next: int | None
    present: Annotated[int | None, Meta(description="Which one holds; null where the deployment was deleted.")]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a deployment stands now."""

    name: str
    version: int
    is_paused: bool


class RolledBack(msgspec.Struct, frozen=True, kw_only=True):
    """What going back changed."""

    name: str
    version: int
    outcome: Literal["created", "changed", "unchanged"]
    changes: tuple[FieldChange, ...]


class DeletedDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted, and how many of its runs waited and are CANCELLED."""

    deleted: str
    cancelled: int


class ToVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version; null for the one before the present one."""

    version: Version | None = None


class UpdateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new version has in place of what the one before had."""

    parameters: Annotated[dict[str, Any], Meta(description="In place of those of the same name.")] = {}
    texts: Annotated[dict[str, str], Meta(description=_TEXTS)] = {}
    note: Annotated[str, Meta(description="Why this version is made.")] = ""


class Updated(msgspec.Struct, frozen=True, kw_only=True):
    """What taking the notebook anew changed."""

    name: str
    version: int
    outcome: Literal["created", "changed", "unchanged"]
    changes: tuple[FieldChange, ...]


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run by hand."""

    parameters: Annotated[dict[str, Any], Meta(description="In place of the deployment's own, by name.")] = {}
    texts: Annotated[dict[str, str], Meta(description=_TEXTS)] = {}
    at: Annotated[Instant | None, Meta(description="When it is to start; null for now.")] = None


class BackfillRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which time is made up for: from `begin` up to but without `end`."""

    begin: Instant
    end: Instant
    limit: Annotated[int, Meta(ge=1, le=2**31 - 1, description="At most so many runs.")] | None = None
    schedule: Annotated[int, Meta(ge=1, le=2**31 - 1, description="Only this schedule, from 1.")] | None = None


class PreviewQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule: one of `cron`, `every` and `rrule`, and what narrows it."""

    cron: str | None = None
    every: str | None = None
    rrule: str | None = None
    timezone: Annotated[str | None, Meta(description="Default: that of the server.")] = None
    after: Annotated[str | None, Meta(description="Look from this time on, not from now.")] = None
    start: str | None = None
    end: str | None = None
    days_off: Annotated[tuple[date, ...], Meta(description="It is not due on these days.")] = ()
    count: Annotated[int, Meta(ge=1, le=1_000, description="So many times.")] = 5


@area.get("/deployments")
def list_deployments(call: Call, query: DeploymentsQuery) -> DeploymentsAnswer:
    """List the deployments by name."""
    notebook = None if query.notebook is None else call.notebook_at(query.notebook)
    found = deployment_views.list_deployments(call.store, call.now, notebook)
    page, following = page_by_name(found, query, lambda one: one.name)
    return DeploymentsAnswer(deployments=page, next=following)


@area.get("/deployments/{name}")
def show_deployment(call: Call, name: str) -> DeploymentDetails:
    """Show a deployment, its schedules, when they are due next and its last runs."""
    return deployment_views.show_deployment(call.store, name, call.now)


@area.get("/deployments/{name}/parameters")
def show_deployed_parameters(call: Call, name: str) -> ParametersAnswer:
    """Show the parameters that a run of a deployment can be given, with a JSON Schema; nothing of it runs.

    They are what its notebook declared when it was deployed, and the deployment's own values are the defaults. What a
    flow takes is not known before it runs: any name may be given.
    """
    found = deployed_parameters.deployed_parameters(call.store, name)
    return msgspec.convert(found.as_document(), ParametersAnswer)


@area.get("/deployments/{name}/versions")
def list_versions(call: Call, name: str, query: VersionsQuery) -> VersionsAnswer:
    """List the versions of a deployment, the newest first, with what each changed."""
    found = deployment_versions.list_version_views(call.store, name)
    older = [one for one in found.versions if query.before is None or one.version < query.before]
    page, last = page_of(older, query.limit, lambda one: one.version)
    return VersionsAnswer(versions=page, next=last, present=found.present)


@area.post("/deployments/{name}/runs", Role.RUNNER, status=201, is_one_transaction=False)
def run_deployment(call: Call, name: str, body: RunRequest) -> Run:
    """Have a run of a deployment wait to be started, also of one that is paused."""
    texts = {parameter: TypedText(text) for parameter, text in body.texts.items()}
    return deployment_run.run_deployment(
        call.store, name, call.settings, now=call.now, parameters={**body.parameters, **texts}, at=body.at
    )


@area.post("/deployments/{name}/update", keeps_answer=False, is_one_transaction=False)
def update_deployment(call: Call, name: str, body: UpdateRequest) -> Updated:
    """Take the notebook of a deployment as it is now where the server is, and leave all else as it is."""
    done = deployment_update.update_deployment(
        call.store,
        name,
        call.settings,
        actor=call.actor,
        now=call.now,
        parameters=body.parameters,
        parameter_texts=body.texts,
        note=body.note,
    )
    return Updated(
        name=done.deployment.name, version=done.deployment.version, outcome=done.outcome, changes=done.changes
    )


@area.post("/deployments/{name}/pause")
def pause_deployment(call: Call, name: str) -> Standing:
    """Let the schedules of a deployment rest."""
    return _standing(deployments.pause_deployment(call.store, name, call.now))


@area.post("/deployments/{name}/resume")
def resume_deployment(call: Call, name: str) -> Standing:
    """Have the schedules of a deployment looked at again."""
    return _standing(deployments.resume_deployment(call.store, name, call.now))


@area.post("/deployments/{name}/rollback")
def roll_back(call: Call, name: str, body: ToVersion) -> RolledBack:
    """Make a new version of a deployment that says what an earlier one said."""
    done = deployments.roll_back(call.store, name, body.version, call.now)
    return RolledBack(
        name=done.deployment.name, version=done.deployment.version, outcome=done.outcome, changes=done.changes
    )


@area.post("/deployments/{name}/backfill", Role.RUNNER, is_one_transaction=False)
def backfill_deployment(call: Call, name: str, body: BackfillRequest) -> Backfill:
    """Make runs for what was due in the past and has none, or was missed."""
    if body.end <= body.begin:
        raise InvalidInput(f"The end of the backfill, {body.end.isoformat()}, is not after its begin.")
    return backfill.backfill(
        call.store,
        name,
        call.settings,
        begin=body.begin,
        end=body.end,
        actor=call.actor,
        now=call.now,
        limit=body.limit,
        schedule=body.schedule,
    )


@area.delete("/deployments/{name}")
def delete_deployment(call: Call, name: str) -> DeletedDeployment:
    """Delete a deployment; its runs of the past stay, those that wait are cancelled."""
    found = deployments.find_deployment(call.store, name)
    return DeletedDeployment(
        deleted=found.name,
        cancelled=deployments.delete_deployment(call.store, found.name, actor=call.actor, now=call.now),
    )


@area.get("/schedules/preview")
def preview_schedule(call: Call, query: PreviewQuery) -> SchedulePreview:
    """Show when a schedule is due next, in words and as instants, with what changes of the clock do."""
    return schedule_preview.preview_schedule(
        now=call.now,
        count=query.count,
        cron=query.cron,
        every=query.every,
        rrule=query.rrule,
        timezone=query.timezone,
        after=query.after,
        start=query.start,
        end=query.end,
        days_off=query.days_off,
    )


def _standing(deployment: Deployment) -> Standing:
    return Standing(name=deployment.name, version=deployment.version, is_paused=deployment.is_paused)
