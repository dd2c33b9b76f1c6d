"""Schedules that are due: one run for each occurrence, whatever happened to those who look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.runs import Run
from orchestra_nb.model.schedules import AnySchedule, CronSchedule, IntervalSchedule
from orchestra_nb.model.states import State
from orchestra_nb.services.schedule_service import ScheduleService
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.schedule_store import ScheduleStep, ScheduleStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import spec_of

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


@pytest.fixture
def database(any_store_url: str) -> Iterator[Database]:
    database = open_database(any_store_url)
    yield database
    database.close()


@pytest.fixture
def service(database: Database) -> ScheduleService:
    return ScheduleService(ScheduleStore(database), "local")


def deploy(database: Database, name: str, *schedules: AnySchedule, **fields: object) -> None:
    wanted = tuple(DeploymentSchedule(schedule=schedule) for schedule in schedules)
    spec = spec_of(name, **{"schedules": wanted, **fields})
    DeploymentStore(database).save(spec, notebook="{}", actor="ana", at=NOON)


def runs_of(database: Database, name: str) -> list[Run]:
    return sorted(
        (run for run in RunStore(database).list_runs(limit=10_000) if run.deployment == name),
        key=lambda run: str(run.occurrence),
    )


def hourly(**fields: object) -> CronSchedule:
    return CronSchedule(expression="0 * * * *", **fields)  # type: ignore[arg-type]


def test_a_schedule_makes_a_run_when_it_is_due_and_says_when_it_is_next(
    database: Database, service: ScheduleService
) -> None:
    deploy(
        database,
        "daily",
        hourly(),
        parameters={"region": "north"},
        cluster="tcp://far:1",
        tags={"team": "a"},
        pool="gpu",
    )

    assert service.step(NOON) == at(1)
    assert runs_of(database, "daily") == []
    assert service.step(at(1)) == at(2)

    (run,) = runs_of(database, "daily")
    assert (run.state, run.occurrence, run.due_at, run.driver_id) == (
        State.SCHEDULED,
        "2026-03-28T13:00:00Z",
        at(1),
        None,
    )
    assert (run.parameters, run.cluster, run.tags, run.deployment_version) == (
        {"region": "north"},
        "tcp://far:1",
        {"team": "a"},
        1,
    )
    assert [queued.pool for queued in WorkQueue(database).waiting()] == ["gpu"]


def test_two_schedules_that_are_due_at_once_make_two_runs_where_they_ask_for_different_things(
    database: Database, service: ScheduleService
) -> None:
    schedules = tuple(
        DeploymentSchedule(schedule=hourly(), parameters={"region": region}) for region in ("north", "south", "north")
    )
    deploy(database, "daily", schedules=schedules, parameters={"region": "all", "limit": 3})

    service.step(at(1))

    assert sorted(str(run.parameters) for run in runs_of(database, "daily")) == [
        "{'region': 'north', 'limit': 3}",
        "{'region': 'south', 'limit': 3}",
    ]


@pytest.mark.parametrize(
    ("catchup", "expected"),
    [
        ("latest", [State.MISSED, State.MISSED, State.SCHEDULED]),
        ("skip", [State.MISSED, State.MISSED, State.MISSED]),
        ("all", [State.SCHEDULED, State.SCHEDULED, State.SCHEDULED]),
    ],
)
def test_what_passed_while_nobody_looked_is_recorded_and_treated_as_the_schedule_says(
    database: Database, service: ScheduleService, catchup: str, expected: list[State]
) -> None:
    deploy(database, "daily", hourly(catchup=catchup))

    assert service.step(at(3.5)) == at(4)

    runs = runs_of(database, "daily")
    assert [run.state for run in runs] == expected
    assert [run.due_at for run in runs] == [at(1), at(2), at(3)]
    assert all(run.message and run.ended_at for run in runs if run.state is State.MISSED)


def work_off(service: ScheduleService, now: datetime) -> int:
    """Have all that is due done; return in how many steps."""
    steps = 1
    while (look := service.step(now)) is not None and look <= now:
        steps += 1
    return steps


def test_a_long_absence_is_worked_off_without_a_gap(database: Database, service: ScheduleService) -> None:
    deploy(database, "often", IntervalSchedule(every_seconds=60, catchup="all"))

    work_off(service, at(24))

    occurrences = [run.occurrence for run in runs_of(database, "often")]
    assert occurrences == [f"{NOON + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ}" for n in range(1, 24 * 60 + 1)]


def test_after_a_long_absence_misses_share_rows_and_what_is_on_time_comes_first(
    database: Database, service: ScheduleService, caplog: pytest.LogCaptureFixture
) -> None:
    deploy(database, "often", IntervalSchedule(every_seconds=1))
    deploy(database, "minutely", CronSchedule(expression="* * * * *", catchup="skip"))
    now = at(3 * 24)
    deploy(database, "daily", CronSchedule(expression="0 12 * * *"))
    (daily,) = ScheduleStore(database).of_deployment("daily")
    ScheduleStore(database).advance([ScheduleStep(schedule=daily, runs=(), done_until=at(2 * 24), next_at=now)])

    service.step(now)

    assert [run.state for run in runs_of(database, "daily")] == [State.SCHEDULED]
    assert work_off(service, now) > 3  # between which it can be told to end
    often = runs_of(database, "often")
    missed = [run for run in often if run.state is State.MISSED]
    assert [run.due_at for run in often if run.state is State.SCHEDULED] == [
        now - timedelta(seconds=seconds) for seconds in range(60, -1, -1)
    ]
    assert len(missed) < 3 * 24 * 3600 / 50_000 + 500
    assert (missed[0].occurrence, missed[0].due_at, missed[0].message) == (
        "2026-03-28T12:00:01Z--2026-03-29T01:53:20Z",
        NOON + timedelta(seconds=1),
        "50,000 occurrences until 2026-03-29 01:53:20 UTC: the schedule catches up with the latest occurrence only",
    )
    counts = [int(run.message.split()[0].replace(",", "")) if "occurrences" in run.message else 1 for run in missed]
    assert sum(counts) + 61 == 3 * 24 * 3600
    assert all("skips what it missed" in run.message for run in runs_of(database, "minutely")[:-2])
    assert [line for line in caplog.messages if line.startswith("Deployment minutely missed its run")]


def test_a_schedule_that_cannot_be_worked_off_says_why_and_stops_no_other(
    database: Database, service: ScheduleService
) -> None:
    deploy(database, "broken", hourly(timezone="Mars/Olympus_Mons"))
    deploy(database, "daily", hourly())

    service.step(at(1))

    assert len(runs_of(database, "daily")) == 1
    (broken,) = ScheduleStore(database).of_deployment("broken")
    assert "Mars/Olympus_Mons" in broken.problem
    assert (broken.done_until, broken.next_at) == (NOON, at(1) + timedelta(minutes=5))


def test_a_schedule_that_has_ended_is_not_looked_at_any_more(database: Database, service: ScheduleService) -> None:
    deploy(database, "daily", hourly(end_at=at(2)))

    assert service.step(at(1)) == at(2)
    assert service.step(at(9)) is None
    assert len(runs_of(database, "daily")) == 2


def test_jitter_moves_the_start_and_not_the_occurrence(database: Database, service: ScheduleService) -> None:
    deploy(database, "daily", hourly(jitter_seconds=600))

    service.step(at(1))

    (run,) = runs_of(database, "daily")
    assert run.occurrence == "2026-03-28T13:00:00Z"
    assert run.due_at is not None
    assert at(1) < run.due_at <= at(1) + timedelta(minutes=10)


def test_the_clock_is_that_of_the_schedule(database: Database, service: ScheduleService) -> None:
    deploy(database, "berlin", CronSchedule(expression="30 2 * * *", timezone="Europe/Berlin"))

    for hours in range(48):
        service.step(at(hours))

    assert [run.occurrence for run in runs_of(database, "berlin")] == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]


def test_services_that_share_a_store_make_each_run_once(any_store_url: str, database: Database) -> None:
    for number in range(5):
        deploy(database, f"d{number}", IntervalSchedule(every_seconds=1, catchup="all"))

    def look(service: int) -> None:
        own = open_database(any_store_url)
        try:
            one = ScheduleService(ScheduleStore(own), "local")
            for second in range(1, 61):
                one.step(NOON + timedelta(seconds=second))
        finally:
            own.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(look, range(3)))

    counted = Counter((run.deployment, run.occurrence) for run in RunStore(database).list_runs(limit=10_000))
    assert set(counted.values()) == {1}
    assert len(counted) == 5 * 60
