"""The Dask clusters as they are seen: their workers, how much memory these use, and where the dashboard is."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from orchestra_nb.engine.clusters import parse_cluster
from orchestra_nb.engine.local_cluster import LocalCluster, local_cluster_status
from orchestra_nb.errors import ClusterUnavailable, InvalidSetting
from orchestra_nb.model.work_pools import DaskPlace
from orchestra_nb.operations.recent_answers import RecentAnswers
from orchestra_nb.settings import Settings, known_profiles

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Clusters that are asked at a time.
_ASKED_AT_ONCE: Final = 8


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker of a cluster.

    Parameters
    ----------
    memory_bytes
        What its process uses.
    memory_limit_bytes
        What it may use; 0 where that is not known, or not limited.
    """

    name: str
    host: str
    threads: int
    memory_bytes: int
    memory_limit_bytes: int


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster.

    Parameters
    ----------
    name
        ``"local"``, or the address of its scheduler.
    dashboard_url
        The address of its dashboard; empty where it has none.
    idle_seconds
        After how long without use it ends; None where it does not.
    problem
        Why nothing can be said of it; empty where all is well.
    used_by
        Who names it: ``"settings"``, and pools as ``"pool NAME"``.
    """

    name: str
    kind: Literal["local", "address"]
    is_running: bool
    address: str
    dashboard_url: str
    idle_seconds: float | None
    problem: str
    used_by: tuple[str, ...]
    workers: tuple[WorkerView, ...]


#: What schedulers said a moment ago: side bars of many people ask all the time.
_LOOKS: Final[RecentAnswers[str, ClusterView]] = RecentAnswers(seconds=5.0, most=64)


def list_clusters(store: RunStore, settings: Settings) -> tuple[ClusterView, ...]:
    """Return the local cluster of this user and environment, and those at an address that settings and pools name.

    What a pool makes of a class is known to the service that makes it alone. Those at an address are asked side by
    side, for at most some seconds; what one said, or that it did not, holds for five seconds.
    """
    users = _users(store, settings)
    local = _local_view(tuple(users.pop("local", ())))
    if not users:
        return (local,)
    with ThreadPoolExecutor(min(_ASKED_AT_ONCE, len(users)), thread_name_prefix="orchestra-cluster-look") as threads:
        others = threads.map(lambda one: _view_at(one[0], tuple(one[1])), users.items())
        return (local, *others)


def is_known_address(store: RunStore, settings: Settings, address: str) -> bool:
    """Tell whether the settings, one of their profiles or a pool names the cluster at this address."""
    named = set(_users(store, settings))
    for files in known_profiles().values():
        for said in files.values():
            with contextlib.suppress(InvalidSetting):
                named.add(parse_cluster(str(said.get("cluster", "local"))).target)
    return address.rstrip("/") in named


def _users(store: RunStore, settings: Settings) -> dict[str, list[str]]:
    """Return cluster to who names it."""
    from orchestra_nb.operations.work_pools import pool_store

    users: dict[str, list[str]] = {}
    try:
        spec = parse_cluster(settings.cluster)
    except InvalidSetting:  # told to whoever uses it
        spec = None
    if spec is not None and spec.kind != "class":
        users.setdefault(spec.target or "local", []).append("settings")
    for pool in pool_store(store).list_pools():
        place = pool.place
        if isinstance(place, DaskPlace) and "://" in place.cluster:
            users.setdefault(place.cluster.rstrip("/"), []).append(f"pool {pool.name}")
    return users


def _local_view(used_by: tuple[str, ...]) -> ClusterView:
    found = local_cluster_status()
    return ClusterView(
        name="local",
        kind="local",
        is_running=found is not None,
        address="" if found is None else found.address,
        dashboard_url="",
        idle_seconds=None if found is None else found.idle_seconds,
        problem="",
        used_by=used_by,
        workers=() if found is None else _local_workers(found),
    )


def _local_workers(cluster: LocalCluster) -> tuple[WorkerView, ...]:
    import psutil

    views = []
    for worker in cluster.workers:
        try:
            used = int(psutil.Process(worker.pid).memory_info().rss) if worker.pid else 0
        except psutil.Error:  # it has just died, and is being replaced
            used = 0
        views.append(
            WorkerView(
                name=worker.name,
                host="localhost",
                threads=1,
                memory_bytes=used,
                memory_limit_bytes=cluster.memory_limit_bytes,
            )
        )
    return tuple(views)


def _view_at(address: str, used_by: tuple[str, ...]) -> ClusterView:
    return msgspec.structs.replace(_LOOKS.answer(address, lambda: _look_at(address)), used_by=used_by)


def _look_at(address: str) -> ClusterView:
    from orchestra_nb.engine.scheduler_look import look_at_scheduler

    problem, dashboard = "", ""
    workers: tuple[WorkerView, ...] = ()
    try:
        seen = look_at_scheduler(address)
    except ClusterUnavailable as error:
        problem = str(error)
    else:
        dashboard = seen.dashboard_url
        workers = tuple(
            WorkerView(
                name=worker.name,
                host=worker.host,
                threads=worker.threads,
                memory_bytes=worker.memory_bytes,
                memory_limit_bytes=worker.memory_limit_bytes,
            )
            for worker in seen.workers
        )
    return ClusterView(
        name=address,
        kind="address",
        is_running=not problem,
        address=address,
        dashboard_url=dashboard,
        idle_seconds=None,
        problem=problem,
        used_by=(),
        workers=workers,
    )
