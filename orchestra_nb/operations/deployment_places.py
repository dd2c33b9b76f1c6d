"""Whether the runs of a deployment can start where it says: its pool, its limits and its job variables."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from orchestra_nb.errors import LimitNotFound
from orchestra_nb.model.deployments import DeploymentSpec
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.variables import check_name
from orchestra_nb.model.work_pools import DEFAULT_POOL, WorkPool
from orchestra_nb.operations.deployment_request import DeploymentRequest
from orchestra_nb.operations.error_places import told_below
from orchestra_nb.operations.job_templates import read_job

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def check_places(store: RunStore, spec: DeploymentSpec, planned: Collection[WorkPool] = ()) -> None:
    """Refuse a deployment whose runs could not start.

    Parameters
    ----------
    planned
        Pools that will be there, beside those of the store and in their place.

    Raises
    ------
    PoolNotFound, LimitNotFound
        What it names is not there; the message says how to make it.
    InvalidInput
        Its job variables do not fit its pool.
    """
    findings = Findings()
    look_at_places(store, spec, spec.name, findings, planned)
    findings.tell()


def look_at_places(
    store: RunStore,
    places: DeploymentSpec | DeploymentRequest,
    name: str,
    findings: Findings,
    planned: Collection[WorkPool] = (),
) -> None:
    """Find all that :func:`check_places` refuses.

    Parameters
    ----------
    name
        Of the deployment, for messages.
    """
    findings.trying(lambda: _check_pool(store, places, name, planned))
    known = _known_limits(store) if places.limits else frozenset()
    for limit in places.limits:
        findings.trying(lambda limit=limit: _check_limit(limit, known))  # type: ignore[misc]


def _check_pool(
    store: RunStore, places: DeploymentSpec | DeploymentRequest, name: str, planned: Collection[WorkPool]
) -> None:
    check_name(places.pool, "pool")
    pool = next((one for one in planned if one.name == places.pool), None)
    if pool is None and (places.pool != DEFAULT_POOL or places.job_variables):
        from orchestra_nb.store.pool_store import PoolStore

        pool = PoolStore(store.database).get(places.pool)
    if pool is not None:
        with told_below("/job_variables"):
            read_job(pool, places.job_variables, f"Deployment {name} in the pool {pool.name}")


def _check_limit(limit: str, known: Collection[str]) -> None:
    check_name(limit, "concurrency limit")
    if limit not in known:
        raise LimitNotFound(
            f"No concurrency limit {limit!r}. Make it: `orchestra concurrency create {limit} --limit 1`."
        )


def _known_limits(store: RunStore) -> frozenset[str]:
    from orchestra_nb.store.slot_store import SlotStore

    return frozenset(SlotStore(store.database).names())
