"""Flows on a store of their own, for tests: what they leave is not seen outside, and the process goes on as before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestra_nb import flow, task
from orchestra_nb.engine.drivers import current_driver, set_driver
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.settings import load_settings
from orchestra_nb.testing.utilities import prefect_test_harness, temporary_store
from orchestra_nb.variables import Variable


@task
def add(x: int) -> int:
    return x + 1


@flow
def adding(x: int) -> int:
    return add.submit(x).result()


@pytest.fixture(autouse=True)
def outer_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The store that the tests must not touch."""
    monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{tmp_path / 'outer.db'}")
    monkeypatch.setenv("ORCHESTRA_TASK_RUNNER", "threads")
    set_driver(None)
    yield
    driver = current_driver()
    set_driver(None)
    driver.close()  # type: ignore[attr-defined]
    close_store(open_store())


def recorded() -> list[str]:
    """Return the names of the flows that the store of now has runs of."""
    return [run.flow_name for run in open_store().list_runs()]


def test_what_runs_inside_is_recorded_in_a_store_of_its_own_that_is_deleted() -> None:
    with temporary_store(task_runner="threads"):
        path = Path(load_settings().resolved_store_url.removeprefix("sqlite:///"))

        assert adding(1) == 2
        assert recorded() == ["adding"]

    assert not path.parent.exists()
    assert recorded() == []


def test_the_process_goes_on_as_before() -> None:
    adding(1)
    before = (dict(os.environ), current_driver())
    Variable.set("region", "outer")

    with temporary_store():
        Variable.set("region", "inner")
        with pytest.raises(ZeroDivisionError), temporary_store():
            assert Variable.get("region") is None
            adding(1 / 0)  # type: ignore[arg-type]
        assert Variable.get("region") == "inner"
        adding(2)

    assert (dict(os.environ), current_driver()) == before
    assert Variable.get("region") == "outer"
    adding(3)
    assert recorded() == ["adding", "adding"]


def test_the_name_that_prefects_tests_use_is_the_same() -> None:
    assert prefect_test_harness is temporary_store
