"""Drivers and their leases."""

from __future__ import annotations

import pytest
from stored_examples import created, driver_of, later, run_of, task_of

from orchestra_nb.model.events import CellRunChanged, DriverEnded, DriverStarted
from orchestra_nb.model.runs import CellRun
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.run_store import RunStore


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


def test_a_driver_comes_back_as_it_was_written(store: RunStore, leases: Leases) -> None:
    driver = driver_of("driver", process_started_at=1_767_225_600.123456)

    assert store.apply([DriverStarted(driver=driver), DriverStarted(driver=driver)]) == [True, False]
    assert leases.find_driver("driver") == driver
    assert leases.find_driver("other") is None
    assert leases.drivers_without_end() == [driver]


def test_a_heartbeat_renews_the_lease(store: RunStore, leases: Leases) -> None:
    store.apply([DriverStarted(driver=driver_of("driver"))])

    assert leases.heartbeat("driver", later(10), later(25))

    driver = leases.find_driver("driver")
    assert driver is not None
    assert (driver.heartbeat_at, driver.lease_until) == (later(10), later(25))


def test_a_driver_that_has_ended_gets_no_lease_any_more(store: RunStore, leases: Leases) -> None:
    store.apply([DriverStarted(driver=driver_of("driver"))])
    end = DriverEnded(driver_id="driver", at=later(1))

    assert store.apply([end, end]) == [True, False]
    assert leases.drivers_without_end() == []
    assert not leases.heartbeat("driver", later(10), later(25))
    assert not leases.heartbeat("unknown", later(10), later(25))


def test_runs_are_unfinished_while_anything_of_them_is(store: RunStore, leases: Leases) -> None:
    done = State.COMPLETED
    cell = CellRun(run_id="cell", index=0, cell_id="c", state=State.RUNNING)
    store.apply(created(run_of("running"), run_of("foreign", driver_id="other"), run_of("nobody's", driver_id=None)))
    store.apply(created(task_of("t", "task"), run_of("task", state=done), run_of("cell", state=done)))
    store.apply([CellRunChanged(cell=cell), *created(run_of("done", state=done), task_of("d", "done", state=done))])

    assert [run.run_id for run in leases.unfinished_runs_of("driver")] == ["cell", "running", "task"]


def test_drivers_that_ended_before_their_runs_are_found(store: RunStore, leases: Leases) -> None:
    for driver_id, state in (("early", State.RUNNING), ("orderly", State.COMPLETED)):
        store.apply([DriverStarted(driver=driver_of(driver_id))])
        store.apply(created(run_of(f"run of {driver_id}", driver_id=driver_id, state=state)))
        store.apply([DriverEnded(driver_id=driver_id, at=later(1))])

    assert [driver.driver_id for driver in leases.ended_drivers_with_unfinished_runs()] == ["early"]
