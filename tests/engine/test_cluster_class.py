"""Classes of clusters that a pool names: those that are not there, and arguments that they do not take, are refused."""

from __future__ import annotations

import pytest

from orchestra_nb.engine.cluster_class import check_cluster
from orchestra_nb.errors import InvalidInput

LOCAL = "dask.distributed.LocalCluster"


class Strict:
    """A class that takes what it names."""

    def __init__(self, cores: int) -> None:
        self.cores = cores


class Passing:
    """A class that passes on what it does not know, to something that nobody else knows."""

    def __init__(self, cores: int, **others: object) -> None:
        self.cores, self.others = cores, others


@pytest.mark.parametrize(
    ("path", "arguments", "message"),
    [
        (LOCAL, {"n_worker": 1}, "takes no 'n_worker'. Did you mean 'n_workers'?"),
        (LOCAL, {"colour": 1}, "takes no 'colour'. It takes "),
        ("dask.distributed.LokalCluster", {}, "dask.distributed has no class 'LokalCluster'"),
        ("dask.nothing.Cluster", {}, "dask.nothing cannot be imported"),
        (f"{__name__}.Strict", {"memory": 1}, "takes no 'memory'. It takes cores."),
        (f"{__name__}.Passing", {"core": 1}, "takes no 'core'. Did you mean 'cores'?"),
        (f"{__name__}.NOON", {}, "has no class 'NOON'"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(path: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_cluster(path, arguments)

    assert message in str(refusal.value)


def test_what_a_class_passes_on_counts_and_what_is_not_installed_is_left_to_the_worker() -> None:
    assert check_cluster(LOCAL, {"n_workers": 1, "memory_limit": "1GB", "dashboard_address": None})
    assert check_cluster(f"{__name__}.Passing", {"queue": "long"})
    assert not check_cluster("package_that_nobody_has.Cluster", {"queue": "long"})
