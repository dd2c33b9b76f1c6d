"""What the local cluster holds, asked of its scheduler itself."""

from __future__ import annotations

from typing import Any

from orchestra_nb.engine.local_certificates import security_of
from orchestra_nb.engine.local_cluster import LocalCluster, local_cluster_status
from tests.faults.invariants import is_running
from tests.patience import eventually


def running_cluster() -> LocalCluster:
    """Return the record of the local cluster."""
    cluster = local_cluster_status()
    assert cluster is not None
    return cluster


def wait_for_workers(count: int) -> set[str]:
    """Wait until so many workers, and no others, live and are members of the cluster; return their names."""

    def look() -> set[str] | None:
        workers = running_cluster().workers
        alive = {worker.name for worker in workers if worker.pid and is_running(worker.pid)}
        return alive if len(alive) == len(workers) == count and _members() == alive else None

    return eventually(look)


def wait_until_no_key_is_held() -> None:
    """Wait until the scheduler knows no task any more, and no worker has anything to do."""
    eventually(lambda: True if _ask(_task_keys) == [] else None)


def _members() -> set[str]:
    members: set[str] = _ask(_worker_names)
    return members


def _ask(question: Any) -> Any:
    from distributed import Client

    cluster = running_cluster()
    security = security_of(cluster.certificate, cluster.key)
    make_client: Any = Client
    with make_client(cluster.address, security=security, set_as_default=False) as client:
        return client.run_on_scheduler(question)


def _task_keys(dask_scheduler: Any) -> list[str]:
    return [str(key) for key in dask_scheduler.tasks]


def _worker_names(dask_scheduler: Any) -> set[str]:
    return {str(worker.name) for worker in dask_scheduler.workers.values()}
