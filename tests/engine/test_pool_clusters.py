"""What is said when the cluster of a pool cannot be made: the pool, the class, why, and what to do."""

from __future__ import annotations

from contextlib import closing

import pytest

from orchestra_nb.engine.pool_clusters import PoolClusters
from orchestra_nb.errors import ClusterUnavailable
from orchestra_nb.model.work_pools import DaskPlace

_CLASSES = "tests.engine.cluster_classes"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (DaskPlace(cluster=f"{_CLASSES}.NoCluster"), [f"{_CLASSES}.NoCluster makes no Dask cluster that runs"]),
        (DaskPlace(cluster=f"{_CLASSES}.Submitting"), ["it starts the program 'sbatch-of-nobody'", "Install it"]),
        (
            DaskPlace(cluster="distributed.LocalCluster", arguments={"dashboard_address": None, "n_worker": 1}),
            ["distributed.LocalCluster could not be started: it takes no 'n_worker'. Did you mean 'n_workers'?"],
        ),
        (DaskPlace(cluster=f"{_CLASSES}.Dying"), [f"{_CLASSES}.Dying ended its own process", "exited with 3"]),
        (
            DaskPlace(cluster=f"{_CLASSES}.unscalable", maximum=2),
            [f"{_CLASSES}.unscalable could not be scaled: it starts the program 'scancel-of-nobody'"],
        ),
    ],
    ids=["no cluster", "no program", "wrong argument", "dies", "cannot scale"],
)
def test_why_the_cluster_of_a_pool_cannot_be_made_is_said(place: DaskPlace, words: list[str]) -> None:
    with (
        closing(PoolClusters()) as clusters,
        pytest.raises(ClusterUnavailable) as caught,
        clusters.using("gpu", place),
    ):
        pass

    message = str(caught.value)
    assert message.startswith("The cluster of pool gpu cannot be made: ")
    assert message.endswith(" `orchestra pools update gpu` changes what the pool says.")
    assert [word for word in words if word not in message] == []
