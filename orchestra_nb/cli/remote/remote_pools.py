"""Work pools and who serves them, as the commands see them over a server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.cli.remote.whole_lists import whole_list
from orchestra_nb.errors import ScopeMissing
from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.operations.pool_form import PoolForm, read_pool
from orchestra_nb.operations.work_pools import PoolDetails
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.client.http_client import Client
    from orchestra_nb.operations.work_pools import PoolSummary, ShownJob


def is_served(client: Client, pool: str | None = None) -> bool:
    """Tell whether somebody starts the runs that wait, of a pool or of any; so it seems to who may not look."""
    try:
        if pool is None:
            return any(service.is_up for service in client.health().services)
        return any(worker.is_up for worker in client.show_pool(pool).served_by)
    except ScopeMissing:
        return True


def list_pools(client: Client, now: datetime) -> list[PoolSummary]:
    """Return all pools by name."""
    return whole_list(client.list_pools, "pools")


def show_pool(client: Client, name: str, now: datetime) -> PoolDetails:
    """Return a pool with all that is known of it."""
    shown = client.show_pool(name)
    return PoolDetails(**{field: getattr(shown, field) for field in PoolDetails.__struct_fields__})


def create_pool(client: Client, form: PoolForm, now: datetime) -> WorkPool:
    """Make a pool."""
    return _pool_of(client.create_pool(**msgspec.structs.asdict(form)))


def update_pool(client: Client, name: str, changes: Mapping[str, object], now: datetime) -> WorkPool:
    """Change a pool."""
    return _pool_of(client.update_pool(name, changes))


def pause_pool(client: Client, name: str, now: datetime) -> WorkPool:
    """Have the runs of a pool wait."""
    return _pool_of(client.pause_pool(name))


def resume_pool(client: Client, name: str, now: datetime) -> WorkPool:
    """Have the runs of a pool start again."""
    return _pool_of(client.resume_pool(name))


def delete_pool(client: Client, name: str, *, is_forced: bool = False) -> None:
    """Delete a pool."""
    client.delete_pool(name, force=is_forced)


def warning_of_pool(client: Client, name: str, settings: Settings) -> str | None:
    """Return why runs of a pool cannot begin."""
    return client.show_pool(name).warning


def shown_job(client: Client, name: str, deployment: str | None, settings: Settings, now: datetime) -> ShownJob:
    """Return what would be submitted for a run in a pool."""
    return client.preview_job(name, deployment=deployment)


def _pool_of(details: PoolDetails) -> WorkPool:
    return read_pool(msgspec.convert(details.form, PoolForm))
