"""Work pools: where runs of deployments go on, who serves them, what waits there."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from orchestra_nb.operations import work_pools
from orchestra_nb.operations.pool_form import PoolForm
from orchestra_nb.operations.work_pools import PoolDetails, PoolSummary
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


class DeletionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool is deleted."""

    force: Annotated[bool, Meta(description="Also where deployments name it.")] = False


@area.get("/pools")
def list_pools(call: Call, query: NamesQuery) -> PoolsAnswer:
    """List the pools by name."""
    page, following = page_by_name(work_pools.list_pools(call.store, call.now), query, lambda one: one.name)
    return PoolsAnswer(pools=page, next=following)


@area.get("/pools/{name}")
def show_pool(call: Call, name: str) -> ShownPool:
    """Show a pool, who serves it, what waits in it and why, and what goes on."""
    return _shown(call, name)


@area.post("/pools", status=201)
def create_pool(call: Call, body: PoolForm) -> ShownPool:
    """Make a pool, described as in files."""
    return _shown(call, work_pools.create_pool(call.store, body, call.now).name)


@area.patch("/pools/{name}")
def update_pool(call: Call, name: str, body: dict[str, Any]) -> ShownPool:
    """Change fields of a pool, as files name them; null takes one away."""
    return _shown(call, work_pools.update_pool(call.store, name, body, call.now).name)


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
