"""What runs leave for people: artifacts with their versions, assets with their lineage, users' events."""

from __future__ import annotations

import threading

import msgspec
import pytest
from stored_examples import NOON, later

from orchestra_nb.errors import ArtifactNotFound, AssetNotFound, InvalidInput
from orchestra_nb.model.artifacts import StoredArtifact, check_artifact_key
from orchestra_nb.model.assets import Asset, AssetProperties, AssetState, Lineage, Materialization, keys_of
from orchestra_nb.model.custom_events import CustomEvent, resource_of
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.asset_store import AssetStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.database import Database


def artifact(artifact_id: str, **fields: object) -> StoredArtifact:
    defaults: dict[str, object] = {"type": "markdown", "data": "# x", "created_at": NOON, "updated_at": NOON}
    return StoredArtifact(artifact_id=artifact_id, **{**defaults, **fields})  # type: ignore[arg-type]


def made(key: str, *upstream: str, seconds: float = 0, **fields: object) -> Materialization:
    return Materialization(asset_key=key, upstream=upstream, at=later(seconds), **fields)  # type: ignore[arg-type]


def test_an_artifact_comes_back_as_it_was_made(database: Database) -> None:
    store = ArtifactStore(database)
    full = artifact(
        "1",
        type="table",
        data={"a": [1, float("inf"), None]},
        key="sales",
        description="Sales",
        run_id="run",
        task_run_id="task",
    )

    assert store.create(full) == full == store.get("1") == store.get("sales")


def test_each_artifact_of_a_key_is_a_new_version(database: Database) -> None:
    store = ArtifactStore(database)

    versions = [store.create(artifact(f"{number}", key="sales")).version for number in range(3)]
    other = store.create(artifact("x", key="other"))
    without = [store.create(artifact(name)).version for name in ("y", "z")]

    assert (versions, other.version, without) == ([1, 2, 3], 1, [1, 1])
    assert store.get("sales").artifact_id == "2"
    assert store.get("sales", 1).artifact_id == "0"
    assert [found.version for found in store.versions("sales")] == [3, 2, 1]


def test_versions_are_counted_once_each_when_many_are_made_at_once(database: Database) -> None:
    store = ArtifactStore(database)
    makers = [
        threading.Thread(target=lambda number=number: store.create(artifact(f"{number}", key="k")))
        for number in range(8)
    ]

    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert [found.version for found in store.versions("k")] == list(range(8, 0, -1))


def test_an_artifact_is_changed_in_place(database: Database) -> None:
    store = ArtifactStore(database)
    store.create(artifact("1", type="progress", data=0.0, description="Loading"))

    changed = store.update("1", later(1), data=50.0, only_type="progress")

    assert changed == artifact("1", type="progress", data=50.0, description="Loading", updated_at=later(1))
    assert store.update("1", later(2), description="Done").data == 50.0
    with pytest.raises(InvalidInput, match="The artifact 1 is of type 'progress', not 'table'"):
        store.update("1", later(3), data=1, only_type="table")
    with pytest.raises(ArtifactNotFound, match="No artifact 2"):
        store.update("2", later(3), data=1)


def test_artifacts_are_listed_newest_first_by_run_and_task(database: Database) -> None:
    store = ArtifactStore(database)
    for artifact_id, run_id, task_run_id in (("1", "r", "t"), ("2", "r", None), ("3", "s", None)):
        store.create(artifact(artifact_id, run_id=run_id, task_run_id=task_run_id))

    assert [found.artifact_id for found in store.list_artifacts()] == ["3", "2", "1"]
    assert [found.artifact_id for found in store.list_artifacts(limit=1)] == ["3"]
    assert [found.artifact_id for found in store.list_artifacts(run_id="r")] == ["2", "1"]
    assert [found.artifact_id for found in store.list_artifacts(task_run_id="t")] == ["1"]


@pytest.mark.parametrize("key", ["a", "sales-2026", "0"])
def test_good_artifact_keys_are_taken(key: str) -> None:
    assert check_artifact_key(key) == key


@pytest.mark.parametrize("key", ["", "Sales_EU", "a--b", "-a", "ä"])
def test_other_artifact_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="is no artifact key"):
        check_artifact_key(key)


def test_a_refused_artifact_key_is_told_what_would_do() -> None:
    with pytest.raises(InvalidInput, match="Write 'sales-eu'"):
        check_artifact_key("Sales_EU!")


def test_an_asset_is_known_with_its_last_materialization(database: Database) -> None:
    store = AssetStore(database)
    properties = AssetProperties(name="Sales", owners=("ana",))
    first = made("s3://b/sales", "s3://b/raw", run_id="r1", task_run_id="t1", metadata={"rows": 10}, by="dbt")
    second = made("s3://b/sales", "s3://b/raw", seconds=5, run_id="r2")

    store.record(first, properties)
    store.record(second)

    assert store.get("s3://b/sales") == AssetState(key="s3://b/sales", properties=properties, last=second)
    assert store.list_assets() == [AssetState(key="s3://b/raw"), store.get("s3://b/sales")]
    assert store.materializations("s3://b/sales") == [second, first]
    assert store.materialized_by("r1") == [first]


def test_lineage_goes_up_and_down_and_near_ones_come_first(database: Database) -> None:
    store = AssetStore(database)
    for key, *upstream in (("b://1", "a://1", "a://2"), ("c://1", "b://1"), ("d://1", "c://1", "a://2"), ("e://1",)):
        store.record(made(key, *upstream))

    lineage = store.lineage("b://1")

    assert (lineage.upstream, lineage.downstream) == (("a://1", "a://2"), ("c://1", "d://1"))
    assert set(lineage.edges) == {("b://1", "a://1"), ("b://1", "a://2"), ("c://1", "b://1"), ("d://1", "c://1")}
    assert store.lineage("d://1").upstream == ("a://2", "c://1", "b://1", "a://1")
    assert store.lineage("d://1", depth=1).upstream == ("a://2", "c://1")
    assert store.lineage("e://1") == Lineage(key="e://1")


def test_lineage_is_that_of_the_last_time(database: Database) -> None:
    store = AssetStore(database)

    store.record(made("b://1", "a://old"))
    store.record(made("b://1", "a://new"))

    assert store.lineage("b://1").upstream == ("a://new",)
    assert store.lineage("a://old").downstream == ()


def test_assets_that_are_made_from_each_other_have_a_lineage(database: Database) -> None:
    store = AssetStore(database)
    store.record(made("a://1", "b://1"))
    store.record(made("b://1", "a://1"))

    assert store.lineage("a://1") == Lineage(
        key="a://1", upstream=("b://1",), downstream=("b://1",), edges=(("a://1", "b://1"), ("b://1", "a://1"))
    )


def test_an_unknown_asset_is_not_found(database: Database) -> None:
    with pytest.raises(AssetNotFound, match="No asset 'a://1'. `orchestra assets ls` lists them"):
        AssetStore(database).lineage("a://1")


@pytest.mark.parametrize("key", ["", "table", "/data/x.csv", "s3://", "s3://a b", "S3://x", "s3://" + "x" * 600])
def test_an_asset_key_is_a_uri(key: str) -> None:
    with pytest.raises(InvalidInput, match="is no asset key: it is a URI"):
        Asset(key)


def test_assets_are_taken_as_keys_too_and_each_once() -> None:
    assert keys_of(["a://1", Asset("b://1"), Asset(key="a://1")]) == ("a://1", "b://1")


def test_an_event_is_kept_once_in_order(database: Database) -> None:
    store = CustomEventStore(database)
    first = CustomEvent(
        event_id="1",
        event="orders.imported",
        resource={"id": "orders.eu"},
        occurred_at=NOON,
        related=({"id": "x", "role": "source"},),
        payload={"rows": [1, float("inf")]},
        run_id="run",
        task_run_id="task",
    )
    second = msgspec.structs.replace(first, event_id="2", event="orders.sent", follows="1", run_id="other")

    assert [store.add(first), store.add(second), store.add(first)] == [True, True, False]

    assert [event for _, event in store.list_events()] == [first, second]
    (number, _), _ = store.list_events()
    assert [event for _, event in store.list_events(after=number)] == [second]
    assert [event for _, event in store.list_events(event="orders.imported")] == [first]
    assert [event for _, event in store.list_events(run_id="other")] == [second]


@pytest.mark.parametrize("labels", [{}, {"name": "x"}, {"id": ""}, {"id": 3}, "orders"], ids=repr)
def test_a_resource_has_an_id_and_labels_of_text(labels: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        resource_of(labels)
