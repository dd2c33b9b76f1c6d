"""What names a cluster, and what is said when it cannot be had."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import dask
import distributed  # noqa: F401  # its settings are there before some of them are set for a while
import pytest

from orchestra_nb.engine.clusters import ClusterSpec, parse_cluster
from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.executors import AttemptEnded, AttemptLost, ClusterChanged
from orchestra_nb.errors import InvalidSetting
from orchestra_nb.settings import load_settings
from tests.engine import attempt_bodies as bodies
from tests.engine.attempt_bodies import Body
from tests.engine.executor_probe import ExecutorProbe


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("local", ClusterSpec("local")),
        ("", ClusterSpec("local")),
        ("tcp://10.0.0.1:8786", ClusterSpec("address", "tcp://10.0.0.1:8786")),
        (" tls://host:1/ ", ClusterSpec("address", "tls://host:1")),
        ('{"class": "a.B", "n": 1}', ClusterSpec("class", "a.B", {"n": 1})),
        ("{class: a.B, n: 1}", ClusterSpec("class", "a.B", {"n": 1})),
        ("class: a.b.C\ncores: 4", ClusterSpec("class", "a.b.C", {"cores": 4})),
        ({"class": "a.B"}, ClusterSpec("class", "a.B")),
    ],
)
def test_a_cluster_is_read_from_its_forms(text: str | Mapping[str, object], spec: ClusterSpec) -> None:
    assert parse_cluster(text) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("locl", "'locl' names no cluster"),
        ("10.0.0.1:8786", "Did you mean tcp://10.0.0.1:8786"),
        ("http://host", "names no cluster"),
        ("{class: Cluster}", "needs a dotted path"),
        ("{n_workers: 1}", "needs a dotted path"),
        ("{class: [", "names no cluster"),
    ],
)
def test_what_names_no_cluster_is_refused_with_the_forms(text: str, message: str) -> None:
    with pytest.raises(InvalidSetting, match='Write "local"') as caught:
        parse_cluster(text)

    assert message in str(caught.value)


def unused_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


#: Classes that are no clusters.
CLASSES = "tests.engine.cluster_classes"


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (unused_address(), ["No Dask scheduler answered at tcp://127.0.0.1:", "Check that it runs", "cluster local"]),
        (unused_address().replace("tcp", "tls"), ["No Dask scheduler answered at tls://", "distributed.comm.tls"]),
        ({"class": "dask_nowhere.SLURMCluster"}, ["cannot be imported", "pip install dask-nowhere"]),
        ({"class": "distributed.NoCluster"}, ["distributed.NoCluster cannot be imported"]),
        (
            {"class": "distributed.LocalCluster", "dashboard_address": ":0", "colour": "red"},
            ["distributed.LocalCluster could not be started: it takes no 'colour'. It takes "],
        ),
        ({"class": f"{CLASSES}.NoCluster"}, [f"{CLASSES}.NoCluster makes no Dask cluster", "a NoCluster, has no"]),
        (
            {"class": f"{CLASSES}.Submitting", "password": "hunter2"},
            [f"{CLASSES}.Submitting could not be started: it starts the program 'sbatch-of-nobody'", "Install it"],
        ),
        (
            {"class": f"{CLASSES}.Wrapping"},
            ["RuntimeError: Cluster failed to start (ValueError: no queue is called 'longest'). Correct its arguments"],
        ),
        ({"class": f"{CLASSES}.NeedsPackage"}, ["Install it: pip install package-that-nobody-has."]),
        ({"class": f"{CLASSES}.Leaving"}, [f"{CLASSES}.Leaving could not be started: SystemExit: no licence."]),
        ({"class": "tests.engine.broken_cluster_class.Cluster"}, ["its module raised RuntimeError: no cell is set."]),
    ],
    ids=[
        *("no scheduler", "no certificates", "no package", "no class", "wrong argument", "no cluster", "no program"),
        *("hidden cause", "no package when made", "leaves", "its module raises"),
    ],
)
def test_a_cluster_that_cannot_be_had_loses_its_attempts_with_the_remedy(
    cluster: str | Mapping[str, object], words: list[str]
) -> None:
    with dask.config.set({"distributed.comm.timeouts.connect": "500ms"}):
        probe = ExecutorProbe(DaskExecutor(cluster)).open()

        key = probe.start(Body(bodies.add))
        lost = probe.end_of(key)

    assert isinstance(lost, AttemptLost)
    assert (lost.begun, lost.state, [word for word in words if word not in lost.reason]) == (False, "CRASHED", [])
    assert probe.wait_for_cluster("lost") == ClusterChanged(status="lost", detail=lost.reason)
    probe.executor.close()


@pytest.mark.parametrize("hands_on", [False, True], ids=["here", "in a process of a run"])
def test_the_setting_that_names_a_cluster_is_said_and_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hands_on: bool
) -> None:
    text = f"[profiles.gpu]\ncluster = '{{class: {CLASSES}.Submitting, password: hunter2}}'\n"
    (tmp_path / "orchestra.toml").write_text(text)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("ORCHESTRA_PROFILE", "gpu")
    cluster = load_settings().cluster
    if hands_on:
        monkeypatch.setenv("ORCHESTRA_CLUSTER", cluster)
    probe = ExecutorProbe(DaskExecutor(cluster)).open()

    lost = probe.wait_for_cluster("lost").detail
    probe.executor.close()

    where = f"{tmp_path / 'orchestra.toml'}, profile gpu,"
    assert lost.startswith(f"The cluster set by {where} cannot be made: {CLASSES}.Submitting could not be started: ")
    assert "hunter2" not in lost


def test_two_drivers_share_a_cluster_at_an_address() -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster:
        probes = [ExecutorProbe(DaskExecutor(cluster.scheduler_address)).open() for _ in range(2)]

        keys = [[probe.start(Body(bodies.add, (1,))) for _ in range(3)] for probe in probes]
        ends = [probe.end_of(key) for probe, own in zip(probes, keys, strict=True) for key in own]

        assert [type(end) for end in ends] == [AttemptEnded] * 6
        assert {probe.wait_for_cluster("ready").detail for probe in probes} == {"1 worker"}
        assert [len(probe.events_of(probes[0].events[-1].key)) for probe in probes[1:]] == [0]
        for probe in probes:
            probe.executor.close()


def test_a_cluster_made_of_a_class_ends_with_its_executor() -> None:
    arguments = {"class": "distributed.LocalCluster", "n_workers": 1, "processes": False, "dashboard_address": ":0"}
    probe = ExecutorProbe(DaskExecutor(arguments)).open()
    probe.run(Body(bodies.add))

    probe.executor.close()

    from distributed import LocalCluster

    assert [cluster for cluster in LocalCluster._instances if cluster.status.name != "closed"] == []
