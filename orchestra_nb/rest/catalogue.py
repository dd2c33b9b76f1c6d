"""All endpoints, and how a request finds its own."""

from __future__ import annotations

from typing import Any

from orchestra_nb.rest import (
    audit_endpoints,
    automation_endpoints,
    channel_endpoints,
    dead_letter_endpoints,
    deploying_endpoints,
    deployment_endpoints,
    flow_endpoints,
    follow_up_endpoints,
    identity_endpoints,
    notebook_endpoints,
    overview_endpoints,
    pool_endpoints,
    rule_endpoints,
    run_endpoints,
    run_parts_endpoints,
    schedule_endpoints,
    shared_endpoints,
    task_cell_endpoints,
    token_endpoints,
    webhook_endpoints,
)
from orchestra_nb.rest.endpoint import Endpoint

_AREAS = (
    run_endpoints.area,
    run_parts_endpoints.area,
    flow_endpoints.area,
    notebook_endpoints.area,
    task_cell_endpoints.area,
    deployment_endpoints.area,
    deploying_endpoints.area,
    schedule_endpoints.area,
    pool_endpoints.area,
    follow_up_endpoints.area,
    overview_endpoints.area,
    dead_letter_endpoints.area,
    automation_endpoints.area,
    channel_endpoints.area,
    rule_endpoints.area,
    webhook_endpoints.area,
    shared_endpoints.area,
    token_endpoints.area,
    audit_endpoints.area,
    identity_endpoints.area,
)

ENDPOINTS: tuple[Endpoint[..., Any], ...] = tuple(endpoint for area in _AREAS for endpoint in area.endpoints)


def endpoints_at(path: str) -> dict[str, Endpoint[..., Any]]:
    """Return the endpoints of a path, whose parts are still quoted, by method.

    Examples
    --------
    >>> sorted(endpoints_at("/deployments/nightly"))
    ['DELETE', 'GET', 'PUT']
    >>> endpoints_at("/none")
    {}
    """
    return {endpoint.method: endpoint for endpoint in ENDPOINTS if endpoint.pattern.fullmatch(path)}
