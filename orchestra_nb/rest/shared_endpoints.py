"""What runs share: variables, secrets' names, limits, artifacts, assets, events, and the figures over all of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.assets import AssetState
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.limits import ConcurrencyLimit, LimitState
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import StoredSecret, StoredVariable
from orchestra_nb.operations import (
    concurrency_limits,
    emitted_events,
    kept_artifacts,
    run_statistics,
    shared_variables,
)
from orchestra_nb.operations.kept_artifacts import AssetDetails
from orchestra_nb.operations.run_statistics import StatisticsReport
from orchestra_nb.rest.common_answers import Deleted
from orchestra_nb.rest.endpoint import Area, Call, Instant, Limit, Role, Version
from orchestra_nb.rest.pages import Before, NamesQuery, page_by_name, page_of

area = Area("shared")


class VariablesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Variables, by name."""

    variables: tuple[StoredVariable, ...]
    next: str | None


class VariableValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a variable is set to."""

    value: Any
    tags: tuple[str, ...] = ()
    overwrite: Annotated[bool, Meta(description="Whether one that is there gets this value; else it is a 409.")] = True


class SecretsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Names of secrets."""

    secrets: tuple[StoredSecret, ...]
    next: str | None


class SecretValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a secret is set to."""

    value: str


class SecretSet(msgspec.Struct, frozen=True, kw_only=True):
    """The secret that was set, and whether it is new."""

    name: str
    is_new: bool


class LimitsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Concurrency limits by name, with who holds their slots."""

    limits: tuple[LimitState, ...]
    next: str | None


class LimitChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is changed of a limit; null for what stays."""

    limit: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    slot_decay_per_second: Annotated[float, Meta(ge=0)] | None = None
    is_active: bool | None = None


class LimitDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """How a limit is deleted."""

    force: Annotated[bool, Meta(description="Also where deployments name it.")] = False


class ArtifactsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which artifacts."""

    run: Annotated[str | None, Meta(description="Only those of this run.")] = None
    before: Before = None
    limit: Limit = 50


class ArtifactsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Artifacts, the newest first."""

    artifacts: tuple[StoredArtifact, ...]
    next: str | None


class ArtifactQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of an artifact."""

    version: Annotated[Version | None, Meta(description="Default: the newest.")] = None


class AssetsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Assets, by key."""

    assets: tuple[AssetState, ...]
    next: str | None


class AssetQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which asset, and how far its lineage is followed."""

    key: str
    depth: Annotated[int, Meta(ge=0, le=1_000)] | None = None


class EventsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events."""

    event: Annotated[str | None, Meta(description="Only those of this name; `*` stands for anything.")] = None
    resource: Annotated[str | None, Meta(description="Only those about this resource.")] = None
    run: Annotated[str | None, Meta(description="Only those of this run.")] = None
    since: Annotated[Instant | None, Meta(description="Only those since.")] = None
    before: Before = None
    limit: Limit = 50


class EventsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Events, the newest first."""

    events: tuple[CustomEvent, ...]
    next: str | None


class StatisticsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Over what."""

    name: Annotated[str | None, Meta(description="Only this flow, notebook or deployment.")] = None
    since: Annotated[Instant | None, Meta(description="Only runs made since.")] = None
    tasks: Annotated[bool, Meta(description="Also each task.")] = False


@area.get("/variables")
def list_variables(call: Call, query: NamesQuery) -> VariablesAnswer:
    """List the variables by name."""
    page, following = page_by_name(shared_variables.list_variables(call.store), query, lambda one: one.name)
    return VariablesAnswer(variables=page, next=following)


@area.get("/variables/{name}")
def get_variable(call: Call, name: str) -> StoredVariable:
    """Read a variable."""
    return shared_variables.get_variable(call.store, name)


@area.put("/variables/{name}")
def set_variable(call: Call, name: str, body: VariableValue) -> StoredVariable:
    """Set a variable."""
    return shared_variables.set_variable(
        call.store, name, body.value, tags=body.tags, may_overwrite=body.overwrite, now=call.now
    )


@area.delete("/variables/{name}")
def unset_variable(call: Call, name: str) -> Deleted:
    """Delete a variable."""
    shared_variables.get_variable(call.store, name)
    shared_variables.unset_variable(call.store, name)
    return Deleted(deleted=name)


@area.get("/secrets", Role.AUTHOR, own_role=Role.RUNNER)
def list_secrets(call: Call, query: NamesQuery) -> SecretsAnswer:
    """List the names of the secrets; no call answers what one holds.

    Where those who are no admins see only what is theirs, a runner is told of their own, with their owner, and an
    author of those for the runs of all, too.
    """
    found = shared_variables.list_secrets(
        call.store, _owner_of_secrets(call), has_shared=call.role.rank >= Role.AUTHOR.rank
    )
    # one's own and one for all may have one name
    page, following = page_by_name(found, query, lambda one: f"{one.name} {one.owner or ''}".rstrip())
    return SecretsAnswer(secrets=page, next=following)


@area.put("/secrets/{name}", Role.ADMIN, own_role=Role.RUNNER)
def set_secret(call: Call, name: str, body: SecretValue) -> SecretSet:
    """Set a secret: for the runs of all.

    Where those who are no admins see only what is theirs, a runner sets one for their own runs alone, which comes
    before that of all.
    """
    is_new = shared_variables.set_secret(
        call.store, name, Secret(body.value), call.settings.secret_key_place, call.now, _owner_of_secrets(call)
    )
    return SecretSet(name=name, is_new=is_new)


@area.delete("/secrets/{name}", Role.ADMIN, own_role=Role.RUNNER)
def unset_secret(call: Call, name: str) -> Deleted:
    """Delete a secret.

    Where those who are no admins see only what is theirs, a runner deletes one of their own.
    """
    shared_variables.unset_secret(call.store, name, _owner_of_secrets(call))
    return Deleted(deleted=name)


@area.get("/limits")
def list_limits(call: Call, query: NamesQuery) -> LimitsAnswer:
    """List the concurrency limits, with who holds their slots."""
    found = concurrency_limits.list_limits(call.store, call.now)
    page, following = page_by_name(found, query, lambda one: one.limit.name)
    return LimitsAnswer(limits=page, next=following)


@area.get("/limits/{name}")
def show_limit(call: Call, name: str) -> ConcurrencyLimit:
    """Show a concurrency limit."""
    return concurrency_limits.get_limit(call.store, name, call.now)


@area.post("/limits", status=201)
def create_limit(call: Call, body: ConcurrencyLimit) -> ConcurrencyLimit:
    """Make a concurrency limit."""
    concurrency_limits.create_limit(call.store, body, call.now)
    return body


@area.patch("/limits/{name}")
def update_limit(call: Call, name: str, body: LimitChange) -> ConcurrencyLimit:
    """Change a concurrency limit."""
    return concurrency_limits.update_limit(
        call.store,
        name,
        call.now,
        limit=body.limit,
        slot_decay_per_second=body.slot_decay_per_second,
        is_active=body.is_active,
    )


@area.delete("/limits/{name}")
def delete_limit(call: Call, name: str, query: LimitDeletion) -> Deleted:
    """Delete a concurrency limit."""
    concurrency_limits.delete_limit(call.store, name, is_forced=query.force)
    return Deleted(deleted=name)


@area.get("/artifacts")
def list_artifacts(call: Call, query: ArtifactsQuery) -> ArtifactsAnswer:
    """List artifacts, the newest first."""
    found = kept_artifacts.list_artifacts(call.store, run=query.run, before=query.before, limit=query.limit + 1)
    page, following = page_of(found, query.limit, lambda one: one.artifact_id)
    return ArtifactsAnswer(artifacts=page, next=following)


@area.get("/artifacts/{artifact}")
def show_artifact(call: Call, artifact: str, query: ArtifactQuery) -> StoredArtifact:
    """Show an artifact, by its id or its key."""
    return kept_artifacts.show_artifact(call.store, artifact, query.version)


@area.get("/assets")
def list_assets(call: Call, query: NamesQuery) -> AssetsAnswer:
    """List the assets by key."""
    page, following = page_by_name(kept_artifacts.list_assets(call.store), query, lambda one: one.key)
    return AssetsAnswer(assets=page, next=following)


@area.get("/asset")
def show_asset(call: Call, query: AssetQuery) -> AssetDetails:
    """Show an asset, by its key, which is a URL, with what it was made from and what was made from it."""
    return kept_artifacts.show_asset(call.store, query.key, query.depth)


@area.get("/events")
def list_events(call: Call, query: EventsQuery) -> EventsAnswer:
    """List events that were emitted, the newest first."""
    found = emitted_events.list_emitted_events(
        call.store,
        event=query.event,
        resource=query.resource,
        run=query.run,
        since=query.since,
        before=query.before,
        limit=query.limit + 1,
    )
    page, following = page_of(found, query.limit, lambda one: one.event_id)
    return EventsAnswer(events=page, next=following)


@area.get("/statistics")
def read_statistics(call: Call, query: StatisticsQuery) -> StatisticsReport:
    """Tell how flows, deployments and tasks have done: success rate, durations, lateness."""
    return run_statistics.run_statistics(call.store, query.name, now=call.now, since=query.since, has_tasks=query.tasks)


def _owner_of_secrets(call: Call) -> str | None:
    """Return whose secrets a call is about; None for those that are for the runs of all."""
    return None if call.owners is None else call.user
