"""Work pools: where runs of deployments go on, who serves them, what waits there."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.work_pools import POOL_KINDS, PoolKind
from orchestra_nb.operations import work_pools
from orchestra_nb.operations.pool_form import PoolFields, PoolForm
from orchestra_nb.operations.pool_schemas import pool_schema
from orchestra_nb.operations.work_pools import PoolDetails, PoolSummary, ShownJob
from orchestra_nb.rest.common_answers import Deleted
from orchestra_nb.rest.endpoint import Area, Call
from orchestra_nb.rest.pages import NamesQuery, page_by_name

area = Area("pools")


class PoolsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Pools, by name."""

    pools: tuple[PoolSummary, ...]
    next: str | None


class ShownPool(PoolDetails, frozen=True, kw_only=True):
    """A pool with all that is known of it; ``warning`` says why its runs cannot begin as it is."""

    warning: str | None


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Of which run."""

    deployment: Annotated[
        str | None, Meta(description="One of this deployment; null for one that says nothing of its own.")
    ] = None


class NamedPool(PoolFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pool as files say it; its name, where it is said, is that of the path."""

    name: str | None = None
    paused: Annotated[bool | None, Meta(description="Whether its runs wait; null for as it is.")] = None


class DeletionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool is deleted."""

    force: Annotated[bool, Meta(description="Also where deployments name it.")] = False


class PoolKindSchema(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of a pool of a kind may have, as JSON Schema, with titles, what fields are for, and defaults."""

    kind: PoolKind
    schema: dict[str, Any]


class PoolKindsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The kinds of pools."""

    kinds: tuple[PoolKindSchema, ...]


@area.get("/pool-kinds")
def list_pool_kinds(call: Call) -> PoolKindsAnswer:
    """List the kinds of pools, and what is said of a pool of each."""
    return PoolKindsAnswer(kinds=tuple(PoolKindSchema(kind=kind, schema=pool_schema(kind)) for kind in POOL_KINDS))


@area.get("/pools")
def list_pools(call: Call, query: NamesQuery) -> PoolsAnswer:
    """List the pools by name."""
    page, following = page_by_name(work_pools.list_pools(call.store, call.now), query, lambda one: one.name)
    return PoolsAnswer(pools=page, next=following)


@area.get("/pools/{name}")
def show_pool(call: Call, name: str) -> ShownPool:
    """Show a pool, who serves it, what waits in it and why, and what goes on."""
    return _shown(call, name)


@area.get("/pools/{name}/job")
def preview_job(call: Call, name: str, query: JobQuery) -> ShownJob:
    """Show what would be submitted for a run of a pool of the kind docker or kubernetes; nothing is submitted."""
    return work_pools.shown_job(call.store, name, query.deployment, call.settings, call.now)


@area.post("/pools", status=201, is_one_transaction=False)
def create_pool(call: Call, body: PoolForm) -> ShownPool:
    """Make a pool, described as in files."""
    return _shown(call, work_pools.create_pool(call.store, body, call.now).name)


@area.patch("/pools/{name}", is_one_transaction=False)
def update_pool(call: Call, name: str, body: dict[str, Any]) -> ShownPool:
    """Change fields of a pool, as files name them; null takes one away."""
    return _shown(call, work_pools.update_pool(call.store, name, body, call.now).name)


@area.put("/pools/{name}", is_one_transaction=False)
def replace_pool(call: Call, name: str, body: NamedPool) -> ShownPool:
    """Make a pool, or have the one of this name be like this; what goes on in it goes on as it began.

    Without `paused` one that is there stays paused, or not paused, as it is.
    """
    if body.name not in (None, name):
        message = f"The pool of this path is {name!r}, and the body names {body.name!r}."
        raise InvalidInput(message, {"/name": f"It is {name!r} in the path."})
    said = {field: getattr(body, field) for field in PoolFields.__struct_fields__}
    form = PoolForm(name=name, paused=bool(body.paused), **said)
    work_pools.replace_pool(call.store, form, call.now, keeps_pause=body.paused is None)
    return _shown(call, name)


@area.post("/pools/{name}/pause")
def pause_pool(call: Call, name: str) -> ShownPool:
    """Have the runs of a pool wait; what goes on goes on."""
    return _shown(call, work_pools.pause_pool(call.store, name, call.now).name)


@area.post("/pools/{name}/resume")
def resume_pool(call: Call, name: str) -> ShownPool:
    """Have the runs of a pool start again."""
    return _shown(call, work_pools.resume_pool(call.store, name, call.now).name)


@area.delete("/pools/{name}")
def delete_pool(call: Call, name: str, query: DeletionQuery) -> Deleted:
    """Delete a pool."""
    work_pools.delete_pool(call.store, name, is_forced=query.force)
    return Deleted(deleted=name)


def _shown(call: Call, name: str) -> ShownPool:
    details = work_pools.show_pool(call.store, name, call.now)
    warning = work_pools.warning_of_pool(call.store, name, call.settings)
    return ShownPool(**{name: getattr(details, name) for name in PoolDetails.__struct_fields__}, warning=warning)
