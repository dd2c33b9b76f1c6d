"""What a side bar shows beside runs and deployments: alerts, and the clusters that tasks run on."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.operations import alerts, cluster_views
from orchestra_nb.operations.alerts import MAX_ALERTS, Alerts
from orchestra_nb.operations.cluster_views import ClusterView
from orchestra_nb.rest.endpoint import Area, Call, Instant

area = Area("overview")


class AlertsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts."""

    since: Annotated[Instant | None, Meta(description="Since when failures count. Default: a day ago.")] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ALERTS, description="At most so many of each kind.")] = MAX_ALERTS


class ClustersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The clusters that tasks run on: the local one, and those at an address that the settings or pools name."""

    clusters: tuple[ClusterView, ...]


@area.get("/alerts")
def list_alerts(call: Call, query: AlertsQuery) -> Alerts:
    """List what somebody should look at: failures, late runs, dead letters, notifications and services that fail."""
    return alerts.find_alerts(call.store, call.now, since=query.since, limit=query.limit)


@area.get("/clusters", is_slow=True)
def list_clusters(call: Call) -> ClustersAnswer:
    """List the Dask clusters with their workers, how much memory these use, and the address of the dashboard.

    A scheduler that does not answer within a few seconds is listed with what went wrong.
    """
    return ClustersAnswer(clusters=cluster_views.list_clusters(call.store, call.settings))
