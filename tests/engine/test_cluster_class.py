"""Classes of clusters that a pool names: those that are not there, and arguments that they do not take, are refused."""

from __future__ import annotations

import pytest

from orchestra_nb.engine.cluster_class import check_cluster, make_cluster
from orchestra_nb.engine.clusters import ClusterSpec, parse_cluster
from orchestra_nb.errors import ClusterUnavailable, InvalidInput, InvalidSetting

CLASSES = "tests.engine.cluster_classes"
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


def why_not(name: str, **arguments: object) -> str:
    with pytest.raises(ClusterUnavailable) as refusal:
        make_cluster(ClusterSpec("class", f"{CLASSES}.{name}", arguments))
    begin = f"{CLASSES}.{name} could not be started: "
    message = str(refusal.value)
    assert message.startswith(begin)
    return message.removeprefix(begin)


def test_what_a_class_says_of_its_arguments_is_hidden() -> None:
    options = {"env": {"USER_PASSWORD": "it's"}, "directives": [("--account=ab --token=hunter2",)], "key": b"c3po-r2d2"}

    message = why_not("Telling", pin="s3cret", options=options, port=80517, tries=12)

    said = "invalid literal for int() with base 10: '••••'"
    assert f"(ValueError: {said}). Correct its arguments" in message
    assert "'--token=••••'" in message
    assert "after 12" in message  # what is short, and no text, tells what is wrong
    shown = [one for one in ("hunter2", "s3cret", "it's", "it\\'s", "ab ", "80517", "c3po") if one in message]
    assert shown == []
    with pytest.raises(InvalidSetting, match="A mapping of cores, token names no cluster") as refusal:
        parse_cluster({"cores": 4, "token": "hunter2"})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("NeedsFile", {}, "FileNotFoundError: [Errno 2] No such file or directory: 'config-of-nobody'. "),
        ("NeedsFolder", {}, "FileNotFoundError: [Errno 2] No such file or directory: 'folder-of-nobody'. "),
        ("NeedsFolder", {"program": "x" * 9}, "FileNotFoundError: [Errno 2] No such file or directory: '••••'. "),
        ("Leading", {}, "ValueError: no partition is set. "),
    ],
    ids=["file", "folder", "folder called as the program", "error that stands for itself"],
)
def test_what_is_no_missing_program_is_not_told_as_one(name: str, arguments: dict[str, object], said: str) -> None:
    assert why_not(name, **arguments) == f"{said}Correct its arguments, or what it needs."
