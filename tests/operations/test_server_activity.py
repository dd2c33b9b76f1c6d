"""Why a machine's Jupyter server is needed although nobody uses it. On both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import DriverEnded, DriverStarted, RunCreated, RunStateChanged
from orchestra_nb.model.runs import Driver, Run, RunKind
from orchestra_nb.model.schedules import IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.operations.server_activity import may_have_store, reasons_to_stay
from orchestra_nb.services.driver_guard import describe_this_process
from orchestra_nb.services.schedule_service import ScheduleService
from orchestra_nb.settings import Settings
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.schedule_store import ScheduleStore
from orchestra_nb.store.work_queue import WorkQueue

NOW = datetime.now(UTC).replace(microsecond=0)  # an interval's times are whole seconds


@pytest.fixture
def store(any_store_url: str) -> Iterator[RunStore]:
    database = open_database(any_store_url)
    yield RunStore(database)
    database.close()


def run_of(state: State = State.RUNNING, **fields: object) -> Run:
    defaults: dict[str, object] = {"run_id": f"{1:032x}", "name": "calm-fox", "flow_name": "train"}
    return Run(kind=RunKind.FLOW, state=state, created_at=NOW, **{**defaults, **fields})  # type: ignore[arg-type]


def start_driver(store: RunStore, kind: str, **fields: object) -> Driver:
    driver = msgspec.structs.replace(describe_this_process(kind, 15.0), **fields)
    store.apply([DriverStarted(driver=driver)])
    return driver


def deploy(store: RunStore, due_in: timedelta) -> None:
    """Deploy something that is due weekly, for the first time after this time."""
    schedule = IntervalSchedule(every_seconds=7 * 86_400, start_at=NOW + due_in)
    spec = DeploymentSpec(
        name="daily",
        flow_name="train",
        target=NotebookTarget(path="/x.ipynb"),
        schedules=(DeploymentSchedule(schedule=schedule),),
    )
    DeploymentStore(store.database).save(spec, notebook=None, actor="ana", at=NOW)
    ScheduleService(ScheduleStore(store.database), "local").step(NOW)  # finds out when it is due


def test_nothing_is_no_reason(store: RunStore) -> None:
    store.apply([RunCreated(run=run_of(State.COMPLETED))])

    assert reasons_to_stay(store, NOW) == ()


def test_a_run_that_goes_on_here_is_a_reason_until_it_ends(store: RunStore) -> None:
    run = run_of(driver_id=start_driver(store, "kernel").driver_id)
    store.apply([RunCreated(run=run)])

    during = reasons_to_stay(store, NOW)
    store.apply([RunStateChanged(run_id=run.run_id, state=State.COMPLETED, at=NOW)])

    assert (during, reasons_to_stay(store, NOW)) == (("run calm-fox goes on",), ())


def test_a_run_that_goes_on_elsewhere_is_none(store: RunStore) -> None:
    driver = start_driver(store, "kernel", host="elsewhere")
    store.apply([RunCreated(run=run_of(driver_id=driver.driver_id))])

    assert reasons_to_stay(store, NOW) == ()


def test_what_is_due_within_an_hour_is_a_reason_where_a_service_starts_it_here(store: RunStore) -> None:
    deploy(store, timedelta(minutes=50))
    unserved = reasons_to_stay(store, NOW)
    start_driver(store, "service", host="elsewhere", driver_id="other")
    served_elsewhere = reasons_to_stay(store, NOW)
    service = start_driver(store, "service")
    served_here = reasons_to_stay(store, NOW)
    earlier = reasons_to_stay(store, NOW - timedelta(minutes=11))
    store.apply([DriverEnded(driver_id=service.driver_id, at=NOW)])

    assert (unserved, served_elsewhere) == ((), ())
    assert served_here == (f"a run is due at {NOW + timedelta(minutes=50):%Y-%m-%d %H:%M} UTC",)
    assert (earlier, reasons_to_stay(store, NOW)) == ((), ())


def test_a_run_that_waits_is_a_reason_when_it_is_due_soon(store: RunStore) -> None:
    start_driver(store, "service")
    WorkQueue(store.database).add(run_of(State.SCHEDULED, due_at=NOW + timedelta(minutes=59)))

    assert len(reasons_to_stay(store, NOW)) == 1
    assert reasons_to_stay(store, NOW - timedelta(minutes=2)) == ()
    # nobody serves its pool: it may wait for ever
    assert reasons_to_stay(store, NOW + timedelta(hours=2)) == ()


def test_a_store_is_looked_for_without_being_made(tmp_path) -> None:
    path = tmp_path / "orchestra.db"
    settings = Settings(store_url=f"sqlite:///{path}")

    before = may_have_store(settings)
    path.touch()

    assert (before, may_have_store(settings)) == (False, True)
    assert may_have_store(Settings(store_url="postgresql://db.example.org/runs"))
