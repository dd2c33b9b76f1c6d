"""Work pools by the REST API: described for forms, replaced only as they are known, and shown with what uses them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from example_runs import run_of
from jsonschema import Draft202012Validator
from patience import PATIENCE_SECONDS
from test_rest_api import API, call

from orchestra_nb.model.automations import Automation, EventMatch, Happens, PausePool
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.work_pools import POOL_KINDS, DaskPlace, WorkPool
from orchestra_nb.operations.pool_form import PoolForm, pool_form, read_pool
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore

NOW = datetime.now(UTC)
CLUSTER = {"name": "slurm", "kind": "dask", "cluster": "dask.distributed.LocalCluster", "maximum": 4, "idle": "10m"}
JOB = {"name": "cloud", "kind": "kubernetes", "job": {"image": "a/b:1", "resources": {"limits": {"memory": "2Gi"}}}}
BOXES = {"name": "boxes", "kind": "docker", "concurrency": 2, "job": {"image": "", "volumes": ["/:/"], "cpus": 1.5}}


@pytest.fixture
def pools(jp_serverapp, store) -> PoolStore:
    return PoolStore(store.database)


async def refused(jp_fetch, method: str, path: str, body: object) -> tuple[int, dict[str, str]]:
    """Return how a call is refused, and what is said of which field."""
    answer = await jp_fetch(f"{API}{path}", method=method, body=json.dumps(body), raise_error=False)
    said = json.loads(answer.body)
    return answer.code, {one["pointer"]: one["detail"] for one in said.get("errors", ())}


async def test_a_form_knows_of_each_kind_what_may_be_said(jp_fetch, pools: PoolStore) -> None:
    schemas = {one["kind"]: one["schema"] for one in (await call(jp_fetch, "GET", "/pool-kinds"))["kinds"]}

    assert tuple(schemas) == POOL_KINDS
    for pool in ({"name": "here"}, CLUSTER, JOB, BOXES):
        kind = pool.get("kind", "local")
        Draft202012Validator.check_schema(schemas[kind])
        Draft202012Validator(schemas[kind]).validate(pool)
        made = await call(jp_fetch, "POST", "/pools", pool)
        Draft202012Validator(schemas[kind]).validate(made["form"])
    for schema in schemas.values():
        fields = schema["properties"]
        for field in [*fields.values(), *fields.get("job", {}).get("properties", {}).values()]:
            assert field["description"].endswith(".")
    assert set(schemas["local"]["properties"]) == {"name", "kind", "description", "concurrency", "paused"}
    assert not Draft202012Validator(schemas["local"]).is_valid({"name": "x", "cluster": "tcp://h:1"})


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"name": "-x"}, {"#/name"}),
        ({"name": "x", "kind": "slurm"}, {"#/kind"}),
        ({"name": "x", "concurrency": 0, "cluster": "tcp://h:1"}, {"#/concurrency", "#/cluster"}),
        ({**CLUSTER, "cluster": ""}, {"#/cluster"}),
        ({**CLUSTER, "minimum": 5}, {"#/maximum"}),
        ({**CLUSTER, "minimum": -1}, {"#/minimum"}),
        ({**CLUSTER, "idle": "soon"}, {"#/idle"}),
        ({**CLUSTER, "arguments": {"n_worker": 2}}, {"#/arguments"}),
        ({**CLUSTER, "cluster": "tcp://h:1", "idle": None}, {"#/maximum"}),
        ({"name": "x", "kind": "docker"}, {"#/job/image"}),
        ({**BOXES, "job": {"image": "a", "mem_limit": "much"}}, {"#/job/mem_limit"}),
        ({**BOXES, "job": {"image": "a", "memory": "2g"}}, {"#/job/memory"}),
        ({**BOXES, "job": {"image": "a", "cpus": "two"}}, {"#/job/cpus"}),
        ({**JOB, "job": {"image": "a", "resources": {"limits": {"memory": "2GB"}}}}, {"#/job/resources"}),
        ({**JOB, "job": {"image": "a", "volumes": [{"path": "/x"}]}}, {"#/job/volumes"}),
        ({**JOB, "job": {"image": "a", "namespace": "A B"}}, {"#/job/namespace"}),
    ],
)
async def test_what_is_wrong_with_a_pool_is_said_at_its_field(
    jp_fetch, pools: PoolStore, body: dict, places: set[str]
) -> None:
    made = await refused(jp_fetch, "POST", "/pools", body)
    pools.save(read_pool(PoolForm(name="x")), NOW)
    replaced = await refused(jp_fetch, "PUT", "/pools/x", {**body, "name": "x"})

    assert (made[0], set(made[1])) == (422, places)
    assert replaced[0] == (200 if places == {"#/name"} else 422)
    assert set(replaced[1]) == places - {"#/name"}


async def test_a_changed_field_of_another_type_is_said_where_it_is(jp_fetch, pools: PoolStore) -> None:
    answers = [
        await refused(jp_fetch, "PATCH", "/pools/default", body) for body in ({"concurrency": "two"}, {"colour": "red"})
    ]

    assert answers[0] == (422, {"#/concurrency": "Expected `int | null`, got `str`"})
    assert answers[1][0] == 422


async def test_a_pool_is_replaced_as_a_whole_and_stays_paused(jp_fetch, pools: PoolStore) -> None:
    await call(jp_fetch, "POST", "/pools", BOXES)
    await call(jp_fetch, "POST", "/pools/boxes/pause")

    said = {"kind": "docker", "description": "cards", "job": {"image": "a:1", "env": {"TZ": None}}}
    replaced = await call(jp_fetch, "PUT", "/pools/boxes", said)
    resumed = await call(jp_fetch, "PUT", "/pools/boxes", {**said, "paused": False})
    made = await call(jp_fetch, "PUT", "/pools/new", {"kind": "local", "name": "new"})
    other = await refused(jp_fetch, "PUT", "/pools/new", {"name": "old"})

    assert replaced["form"] == {"name": "boxes", **said, "paused": True}
    assert resumed["form"] == {"name": "boxes", **said}
    assert (made["form"], other) == ({"name": "new", "kind": "local"}, (422, {"#/name": "It is 'new' in the path."}))
    assert pool_form(pools.get("boxes")) == resumed["form"]


async def test_a_pool_is_replaced_and_deleted_only_while_it_is_as_it_is_known(jp_fetch, pools: PoolStore) -> None:
    async def send(method: str, match: str, body: object = None) -> int:
        sent = None if body is None else json.dumps(body)
        answer = await jp_fetch(
            f"{API}/pools/gpu", method=method, body=sent, headers={"If-Match": match}, raise_error=False
        )
        return answer.code

    await call(jp_fetch, "POST", "/pools", {"name": "gpu"})
    old = (await jp_fetch(f"{API}/pools/gpu")).headers["Etag"]

    codes = [await send("PUT", old, {"concurrency": 2}), await send("PUT", old, {"concurrency": 3})]
    codes += [await send("PATCH", old, {"concurrency": 4}), await send("DELETE", old)]

    assert (codes, pools.get("gpu").concurrency) == ([200, 412, 412, 412], 2)
    assert await send("DELETE", "*") == 200


async def test_a_pool_is_shown_with_what_names_it(jp_fetch, store, pools: PoolStore) -> None:
    await call(jp_fetch, "POST", "/pools", {"name": "gpu"})
    spec = DeploymentSpec(
        name="train", flow_name="train", target=FlowTarget(entrypoint="m:f", working_folder="/"), pool="gpu"
    )
    DeploymentStore(store.database).save(spec, notebook=None, actor="test", at=NOW)
    trigger = Happens(matches=(EventMatch(names=("full",)),))
    for name, pool in (("rest", "gpu"), ("other", "default")):
        automation = Automation(name=name, trigger=trigger, actions=(PausePool(pool=pool),))
        AutomationStore(store.database).save(automation, NOW, may_replace=False)

    shown = await call(jp_fetch, "GET", "/pools/gpu")
    refusal = await jp_fetch(f"{API}/pools/gpu", method="DELETE", raise_error=False)
    forced = await call(jp_fetch, "DELETE", "/pools/gpu", force="true")

    assert (shown["deployments"], shown["automations"]) == (["train"], ["rest"])
    assert (refusal.code, forced) == (409, {"deleted": "gpu"})


async def test_what_would_be_submitted_is_shown_without_the_address_of_the_store(jp_fetch, pools: PoolStore) -> None:
    await call(jp_fetch, "POST", "/pools", {**BOXES, "job": {"image": "a:1", "volumes": ["/:/"]}})
    address = {"ORCHESTRA_STORE_URL": "postgresql://me:sesame@db/x"}
    await call(jp_fetch, "POST", "/pools", {**JOB, "job": {"image": "a:1", "env": address}})

    container = await call(jp_fetch, "GET", "/pools/boxes/job")
    job = await call(jp_fetch, "GET", "/pools/cloud/job")
    local = await jp_fetch(f"{API}/pools/default/job", raise_error=False)

    assert container["command"][:4] == ["docker", "run", "--init", "--rm"]
    assert (container["environment"], container["manifest"]) == ({"ORCHESTRA_STORE_URL": "…"}, None)
    assert job["manifest"]["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "ORCHESTRA_STORE_URL", "value": "…"}
    ]
    assert "sesame" not in json.dumps(job)
    assert (local.code, "Nothing is submitted for runs of the pool default" in local.body.decode()) == (422, True)


SLOW_CLASS = """
from concurrent.futures import ThreadPoolExecutor
import others

with ThreadPoolExecutor(1) as threads:
    threads.submit(others.write).result(others.patience)

class Cluster:
    def __init__(self, cores):
        pass
"""


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/pools", {"name": "new", "kind": "dask", "cluster": "slow_class.Cluster"}, id="made"),
        pytest.param("PUT", "/pools/slow", {"kind": "dask", "cluster": "slow_class.Cluster"}, id="replaced"),
        pytest.param("PATCH", "/pools/slow", {"concurrency": 3}, id="changed"),
        pytest.param("POST", "/pools/slow/pause", None, id="paused"),
    ],
)
async def test_nobody_who_writes_waits_for_the_import_of_a_class(
    jp_fetch, store, pools: PoolStore, tmp_path: Path, monkeypatch, method: str, path: str, body: dict | None
) -> None:
    (tmp_path / "slow_class.py").write_text(SLOW_CLASS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_class", raising=False)
    others = SimpleNamespace(write=lambda: store.apply([RunCreated(run=run_of(1))]), patience=PATIENCE_SECONDS)
    monkeypatch.setitem(sys.modules, "others", others)
    pools.save(WorkPool(name="slow", place=DaskPlace(cluster="slow_class.Cluster")), NOW)

    shown = await call(jp_fetch, method, path, body)

    assert shown["form"]["cluster"] == "slow_class.Cluster"
    # whoever pauses a pool does not say its class anew: nothing is imported
    assert ("slow_class" in sys.modules, len(store.list_runs())) == ((False, 0) if body is None else (True, 1))


async def test_a_change_of_a_pool_is_made_to_what_it_has_become_while_its_class_was_imported(
    jp_fetch, pools: PoolStore, tmp_path: Path, monkeypatch
) -> None:
    slow = WorkPool(name="slow", place=DaskPlace(cluster="slow_class.Cluster"))
    (tmp_path / "slow_class.py").write_text(SLOW_CLASS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_class", raising=False)
    described = WorkPool(name="slow", place=slow.place, description="cards")
    monkeypatch.setitem(
        sys.modules, "others", SimpleNamespace(write=lambda: pools.save(described, NOW), patience=PATIENCE_SECONDS)
    )
    pools.save(slow, NOW)

    await call(jp_fetch, "PATCH", "/pools/slow", {"concurrency": 3})

    assert (pools.get("slow").concurrency, pools.get("slow").description) == (3, "cards")


async def test_a_class_whose_module_raises_is_refused_with_what_it_raised(
    jp_fetch, pools: PoolStore, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "torn_class.py").write_text("raise RuntimeError('no licence')")
    (tmp_path / "ending_class.py").write_text("import sys; sys.exit(3)")
    monkeypatch.syspath_prepend(tmp_path)

    torn = await refused(jp_fetch, "POST", "/pools", {**CLUSTER, "cluster": "torn_class.Cluster"})
    ending = await refused(jp_fetch, "POST", "/pools", {**CLUSTER, "cluster": "ending_class.Cluster"})

    assert [torn[0], ending[0]] == [422, 422]
    assert torn[1]["#/cluster"].endswith(
        "torn_class.Cluster cannot be imported: its module raised RuntimeError: no licence."
    )
    assert ending[1]["#/cluster"].endswith("ending_class.Cluster cannot be imported: its module raised SystemExit: 3.")
