"""Deletes what is too old by the settings, now rather than at the next hour."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.model.retention import Cleaned, Horizon
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def horizon_of(settings: Settings, now: datetime) -> Horizon:
    """Return what is too old by these settings."""
    return Horizon.of(
        now,
        runs_days=settings.keep_runs_days,
        logs_days=settings.keep_logs_days,
        results_days=settings.keep_results_days,
        audit_days=settings.keep_audit_days,
    )


def clean_store(store: RunStore, settings: Settings, now: datetime, *, is_dry_run: bool = False) -> Cleaned:
    """Delete what is too old, and return how much that was.

    Parameters
    ----------
    is_dry_run
        Only return how much it would be.

    Raises
    ------
    StoreUnavailable
        The store cannot be read, or not be written; what was deleted until then stays deleted.
    """
    from orchestra_nb.operations.expired_results import delete_expired_results
    from orchestra_nb.services.retention import Retention

    retention = Retention(store.database, horizon_of(settings, now), attempts_folder())
    if is_dry_run:
        return retention.count()
    delete_expired_results(store, now)
    return sum(retention.clean(now), Cleaned())
