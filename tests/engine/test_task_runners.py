"""Task runners: which cluster they mean, and what they refuse."""

from __future__ import annotations

import copy
import pickle

import pytest

from orchestra_nb.engine.task_settings import InvalidOption
from orchestra_nb.task_runners import DaskTaskRunner, ThreadPoolTaskRunner


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        (DaskTaskRunner("local"), "local"),
        (DaskTaskRunner("tcp://10.0.0.1:8786"), "tcp://10.0.0.1:8786"),
        (DaskTaskRunner(address="tcp://10.0.0.1:8786"), "tcp://10.0.0.1:8786"),
        (
            DaskTaskRunner(cluster_class="dask_jobqueue.SLURMCluster", cluster_kwargs={"cores": 4}),
            {"class": "dask_jobqueue.SLURMCluster", "cores": 4},
        ),
        (
            DaskTaskRunner(cluster_kwargs={"n_workers": 1}),
            {"class": "dask.distributed.LocalCluster", "n_workers": 1},
        ),
    ],
    ids=["local", "an address", "an address by its name", "a class", "arguments alone"],
)
def test_a_runner_means_the_cluster_that_it_names(runner: DaskTaskRunner, expected: object) -> None:
    assert runner.spec == expected


@pytest.mark.parametrize(
    "options",
    [
        {"address": "tcp://10.0.0.1:8786", "cluster_kwargs": {"n_workers": 1}},
        {"cluster": "local", "cluster_class": "dask_jobqueue.SLURMCluster"},
    ],
    ids=["an address and arguments", "a name and a class"],
)
def test_a_runner_that_names_two_clusters_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidOption, match=f"{' and '.join(options)} name two clusters"):
        DaskTaskRunner(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_pool_without_threads_is_refused(count: object) -> None:
    with pytest.raises(InvalidOption, match="max_workers is .* Write a whole number from 1"):
        ThreadPoolTaskRunner(max_workers=count)  # type: ignore[arg-type]


def test_an_option_that_a_runner_has_not_is_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidOption, match=r"no option 'n_workers'. Write cluster_kwargs=\{'n_workers': 3\}"):
        DaskTaskRunner(n_workers=3)  # type: ignore[call-arg]
    with pytest.raises(InvalidOption, match="no option 'threads'. The options are: max_workers."):
        ThreadPoolTaskRunner(threads=3)  # type: ignore[call-arg]
    assert copy.deepcopy(DaskTaskRunner("local")) == DaskTaskRunner("local")
    assert pickle.loads(pickle.dumps(ThreadPoolTaskRunner(2))) == ThreadPoolTaskRunner(2)
