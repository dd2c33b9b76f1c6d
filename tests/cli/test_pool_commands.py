"""``orchestra pools``: made, shown, changed, paused and deleted; in files; and what a run of one would submit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed_files import PIPELINE, document, orchestra, printed, refusal, write_notebook

from orchestra_nb.store.database import open_database
from orchestra_nb.store.pool_store import PoolStore


@pytest.fixture
def pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PoolStore]:
    """An empty store, and a folder with a flow."""
    url = f"sqlite:///{tmp_path / 'orchestra.db'}"
    monkeypatch.setenv("ORCHESTRA_STORE_URL", url)
    monkeypatch.chdir(tmp_path)
    Path("pipeline.py").write_text(PIPELINE)
    database = open_database(url)
    yield PoolStore(database)
    database.close()


def test_a_pool_is_made_changed_paused_and_deleted(pools: PoolStore) -> None:
    made = orchestra("pools", "create", "gpu", "--concurrency", "2", "--description", "Two cards")
    assert made.stdout == "The pool gpu is there, of the kind local.\n"
    assert made.stderr == "Nobody serves it yet: `orchestra worker --pool gpu` does.\n"
    printed("pools", "update", "gpu", "--concurrency", "3")
    printed("pools", "pause", "gpu")
    printed("deploy", "pipeline.py:load", "--name", "load", "-p", "region", "EU", "--pool", "gpu")
    printed("deployments", "run", "load")
    Path("full.yaml").write_text("automations: [{name: rest, when: {event: full}, do: [{pause_pool: gpu}]}]")
    printed("automations", "create", "-f", "full.yaml")

    (_, listed) = document("pools", "ls")["pools"]
    shown = document("pools", "show", "gpu")

    assert listed == {
        "name": "gpu",
        "kind": "local",
        "description": "Two cards",
        "concurrency": 3,
        "is_paused": True,
        "waiting": 1,
        "due": 1,
        "running": 0,
        "workers": 0,
    }
    assert shown["deployments"] == ["load"]
    assert shown["waiting"][0]["reason"].startswith("waits for the pool gpu, which is paused")
    assert "Served by nobody: `orchestra worker --pool gpu` serves it." in printed("pools", "show", "gpu")
    assert "Deployments: load\nAutomations: rest\n" in printed("pools", "show", "gpu")
    assert refusal("pools", "delete", "gpu")[:2] == (1, "conflict")
    printed("pools", "resume", "gpu")
    printed("pools", "update", "gpu", "--concurrency", "-1")
    assert pools.get("gpu").concurrency is None
    printed("pools", "delete", "gpu", "--force")
    assert pools.find("gpu") is None
    waits = document("runs", "ls")["runs"][0]["message"]
    assert waits == "waits for the pool gpu, which is not there: `orchestra pools create gpu` makes it"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x --cluster tcp://a:1", "cluster: a pool of the kind local has none, but one of the kind dask."),
        ("x --image a:1", "job: a pool of the kind local has none"),
        ("x --kind dask", "cluster: it is missing. Name a class"),
        ("x --kind dask --cluster nothing", "cluster: 'nothing' is no dotted path of a class, and no address."),
        ("x --kind dask --cluster tcp://a:1 --minimum 1", "minimum: the cluster at tcp://a:1 is made, and scaled, by"),
        ("x --kind dask --cluster none.Such --maximum 0", "minimum, maximum: None to 0 is no number of workers"),
        ("x --kind dask --cluster none.Such --idle soon", "idle: 'soon' is no duration"),
        ("x --kind docker --image UP", "Pool x: image: 'UP' names none."),
        ("x --kind docker --job-variable mem_limit=lots", "Pool x: mem_limit: 'lots' is no size."),
        (
            "x --kind kubernetes --image a:1 --job-variable namespace=N",
            "Pool x: namespace: 'N' is no name in Kubernetes",
        ),
        ("x --concurrency -2", "concurrency: 1 to 1,000,000 runs go on at a time, not -2."),
        ("a,b", "'a,b' is no name of a pool"),
        ("a/b", "'a/b' is no name of a pool: it may not have control characters"),
        ("a\x07b", "is no name of a pool: it may not have control characters"),
        ("x --kind docker", "Pool x: image: it is missing. Name the image that has orchestra-nb: image=NAME:TAG."),
        ("x --kind docker --image=-v/x", "Pool x: image: '-v/x' names none."),
    ],
)
def test_what_is_no_pool_is_refused_by_its_field(pools: PoolStore, words: str, message: str) -> None:
    exit_code, code, said = refusal("pools", "create", *words.split())

    assert (exit_code, code, message in said) == (2, "invalid_input", True), said
    assert [pool.name for pool in pools.list_pools()] == ["default"]


def test_the_name_of_a_pool_is_no_option(pools: PoolStore) -> None:
    refused = orchestra("pools", "create", "--", "-a")

    assert (refused.exit_code, refused.stderr) == (
        2,
        "'-a' is no name of a pool: it may not begin with -, nor have commas, nor blanks around it.\n",
    )


def test_a_job_is_shown_as_it_would_be_submitted_without_the_address_of_the_store(pools: PoolStore) -> None:
    env = "env.ORCHESTRA_STORE_URL=postgresql://me:secret@db/x"
    printed("pools", "create", "cloud", "--kind", "kubernetes", "--image", "a/b:1", "--job-variable", env)
    made = orchestra("pools", "create", "boxes", "--kind", "docker", "--job-variable", "image=", *_variable("env.N=1"))
    both = ("--job-variable", "env.M=2", "--job-variable", "image=c:1")
    printed("deploy", "pipeline.py:load", "--name", "load", "-p", "region", "EU", "--pool", "boxes", *both)

    manifest = document("pools", "preview", "cloud")["manifest"]
    unseen = refusal("pools", "preview", "boxes", "--deployment", "load")
    here = Path.cwd()
    printed("pools", "update", "boxes", *_variable(f'volumes=["{here}:{here}"]'))
    shown = orchestra("pools", "preview", "boxes", "--deployment", "load")
    command = shown.stdout

    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "ORCHESTRA_STORE_URL", "value": "…"}]
    assert "secret" not in printed("pools", "preview", "cloud")
    assert command.startswith("ORCHESTRA_STORE_URL='…' N=1 M=2 docker run --init --rm --name orchestra-")
    assert shown.stderr == "The image is that of the deployment load: the pool names none.\n"
    without = "Pool boxes: image: each deployment names its own. Say of which one: "
    assert refusal("pools", "preview", "boxes") == (
        2,
        "invalid_input",
        f"{without}`orchestra pools preview boxes --deployment D`.",
    )
    why = f"volumes: a container does not see the store, the file {here / 'orchestra.db'} of this machine. Give it a"
    assert (made.exit_code, why in made.stderr, unseen[0], why in unseen[2]) == (0, True, 2, True)
    assert refusal("pools", "preview", "default")[:2] == (2, "invalid_input")


def _variable(text: str) -> tuple[str, str]:
    return "--job-variable", text


def test_pools_stand_in_files_before_the_deployments_that_name_them(pools: PoolStore) -> None:
    write_notebook(Path("load.ipynb"), "1")
    Path("orchestra.yaml").write_text(
        "pools:\n- {name: slurm, kind: dask, cluster: no_such.Cluster, maximum: 4, idle: 1m}\n"
        "deployments:\n- {name: load, notebook: load.ipynb, pool: slurm}\n"
    )
    planned = printed("apply", "--dry-run")
    printed("apply", "--yes")

    assert "+ pool slurm  create: dask" in planned
    written = printed("export")
    Path("orchestra.yaml").write_text(written)
    steps = document("apply")["steps"]
    assert [(step["kind"], step["name"], step["action"]) for step in steps] == [
        ("pool", "slurm", "unchanged"),
        ("deployment", "load", "unchanged"),
    ]
    Path("orchestra.yaml").write_text(written.replace("pool: slurm", "pool: slarm").replace("kind: dask", "kind: task"))
    said = json.loads(orchestra("apply", "--json").stdout)["error"]["message"]
    assert "pools[0]: kind: 'task' is none of local, dask, docker, kubernetes." in said
    assert "deployments[0].pool: There is no pool 'slarm'; there is default, slurm." in said
    Path("orchestra.yaml").write_text("pools: []\ndeployments: []\n")
    printed("apply", "--yes", "--prune")
    assert [pool.name for pool in pools.list_pools()] == ["default"]
