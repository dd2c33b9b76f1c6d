"""``@materialize`` and ``asset_deps``: what tasks make, from what, kept when they have completed."""

from __future__ import annotations

import asyncio
import pickle
import sys
from typing import Any

import cloudpickle
import pytest

from orchestra_nb import flow, materialize, task
from orchestra_nb.assets import Asset, AssetProperties, MaterializingTask, add_asset_metadata
from orchestra_nb.engine.task_settings import InvalidOption
from orchestra_nb.errors import InvalidInput
from orchestra_nb.states import Failed
from orchestra_nb.store.asset_store import AssetStore
from tests.engine.conftest import FlowWorld


def made(world: FlowWorld, key: str) -> Any:
    """Return the newest materialization of an asset; None where there is none."""
    found = {asset.key: asset for asset in AssetStore(world.store.database).list_assets()}
    return found[key].last if key in found else None


@materialize("mem://raw", asset_deps=["mem://source"])
def load(rows: int = 3) -> list[int]:
    add_asset_metadata("mem://raw", {"rows": rows})
    return list(range(rows))


@task
def clean(table: list[int]) -> list[int]:
    return [row + 1 for row in table]


@materialize(Asset("mem://report", AssetProperties(name="Report")), by="pandas")
def report(table: list[int]) -> str:
    return f"{len(table)} rows"


def test_a_task_that_completed_has_made_its_assets(world: FlowWorld) -> None:
    @flow(name="one-asset")
    def body() -> list[int]:
        return load(2)

    assert body() == [0, 1]

    last = made(world, "mem://raw")
    assert (last.upstream, last.metadata, last.by) == (("mem://source",), {"rows": 2}, None)
    assert last.run_id == world.run("one-asset").run_id
    assert last.task_run_id == world.tasks("one-asset")[0].task_run_id


@pytest.mark.parametrize("is_submitted", [False, True], ids=["called", "submitted"])
def test_lineage_goes_through_the_tasks_between(world: FlowWorld, is_submitted: bool) -> None:
    @flow
    def body() -> Any:
        if is_submitted:
            return report.submit(clean.submit(load.submit())).result()
        return report(clean(load()))

    assert body() == "3 rows"
    assert (made(world, "mem://report").upstream, made(world, "mem://report").by) == (("mem://raw",), "pandas")


def test_asset_deps_of_a_plain_task_reach_what_is_made_from_its_result(world: FlowWorld) -> None:
    @task(asset_deps=["mem://a", Asset("mem://b")])
    def read() -> list[int]:
        return [1]

    @materialize("mem://of-two")
    def write(tables: list[Any]) -> None:
        assert tables[0] == [1]

    flow(lambda: write.submit([read.submit()], wait_for=[load.submit()]).result(), name="of-two")()

    assert made(world, "mem://of-two").upstream == ("mem://a", "mem://b", "mem://raw")


def test_a_task_that_did_not_complete_made_nothing(world: FlowWorld) -> None:
    @materialize("mem://never")
    def raise_error() -> None:
        raise ValueError("no")

    @materialize("mem://never")
    def return_failure() -> Any:
        return Failed(message="no")

    assert raise_error(return_state=True).is_failed()
    assert return_failure(return_state=True).is_failed()
    assert made(world, "mem://never") is None


def test_a_coroutine_makes_assets_too(world: FlowWorld) -> None:
    @materialize("mem://async")
    async def write() -> int:
        add_asset_metadata("mem://async", {"rows": 1})
        return 1

    assert asyncio.run(write()) == 1
    assert made(world, "mem://async").metadata == {"rows": 1}


def test_workers_tell_what_they_made(cluster_world: FlowWorld) -> None:
    flow(lambda: report.submit(clean.submit(load.submit())).result(), name="there")()

    last = made(cluster_world, "mem://report")
    assert (last.upstream, last.by, last.run_id) == (("mem://raw",), "pandas", cluster_world.run("there").run_id)
    assert made(cluster_world, "mem://raw").metadata == {"rows": 3}


def test_options_of_a_variant_keep_the_assets() -> None:
    variant = load.with_options(retries=2)

    assert isinstance(variant, MaterializingTask)
    assert (variant.retries, [asset.key for asset in variant.assets]) == (2, ["mem://raw"])


def test_it_travels_to_other_processes() -> None:
    @materialize("mem://x", by="dbt")
    def double(x: int) -> int:
        return 2 * x

    copy = pickle.loads(cloudpickle.dumps(double))

    assert (copy.fn(2), copy.assets, copy.materialized_by) == (4, double.assets, "dbt")


def test_what_cannot_be_made_is_refused_by_name() -> None:
    with pytest.raises(InvalidOption, match="'nothing'.*names no asset"):

        @materialize()
        def nothing() -> None: ...

    with pytest.raises(InvalidInput, match="'table.csv' is no asset key"):

        @materialize("table.csv")
        def table() -> None: ...

    with pytest.raises(InvalidOption, match="asset_deps is 'mem://a'. Write a list"):

        @task(asset_deps="mem://a")
        def read() -> None: ...

    with pytest.raises(InvalidOption, match=r"@materialize\("):
        materialize(lambda: None)  # type: ignore[arg-type]


cloudpickle.register_pickle_by_value(sys.modules[__name__])
