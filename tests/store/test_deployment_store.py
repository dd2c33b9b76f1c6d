"""Deployments and their schedules in the store: versions, marks, and one run for each occurrence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from orchestra_nb.errors import DeploymentNotFound, PreconditionFailed
from orchestra_nb.model.deployments import FlowTarget
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.schedules import IntervalSchedule, RecurrenceSchedule
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.schedule_store import ScheduleStep, ScheduleStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import hourly, occurrence_run, spec_of
from tests.store.stored_examples import NOON, later


@pytest.fixture
def deployments(database: Database) -> DeploymentStore:
    return DeploymentStore(database)


@pytest.fixture
def schedules(database: Database) -> ScheduleStore:
    return ScheduleStore(database)


FULL = spec_of(
    target=FlowTarget(entrypoint="reports:daily", working_folder="/home/ana", import_folder="/home/ana"),
    description="Each morning ☀",
    parameters={"region": "north", "limit": None, "token": {"$secret": "api"}},
    schedules=(
        hourly(parameters={"region": "south"}),
        hourly(is_active=False),
    ),
    cluster="tcp://10.0.0.1:8786",
    pool="gpu",
    priority=3,
    concurrency=2,
    on_conflict="cancel-running",
    retry=RetryPolicy(retries=2, delays_seconds=(1.5, 60.0), infrastructure_retries=0),
    timeout_seconds=3600.0,
    tags={"team": "blå"},
)


def test_a_deployment_comes_back_as_it_was_saved(deployments: DeploymentStore) -> None:
    saved = deployments.save(FULL, notebook=None, actor="ana", at=NOON, note="first")

    assert deployments.get("daily") == saved
    assert (saved.spec, saved.version, saved.is_paused, saved.created_at) == (FULL, 1, False, NOON)
    version = deployments.version("daily", 1)
    assert (version.spec, version.created_by, version.note, version.notebook) == (FULL, "ana", "first", None)


def test_saving_the_same_again_makes_no_version(deployments: DeploymentStore) -> None:
    deployments.save(spec_of(), notebook="{}", actor="ana", at=NOON)

    again = deployments.save(spec_of(), notebook="{}", actor="ben", at=later(9))

    assert (again.version, again.updated_at, len(deployments.versions("daily"))) == (1, NOON, 1)


@pytest.mark.parametrize(("spec", "notebook"), [(spec_of(priority=1), "{}"), (spec_of(), '{"cells":[]}')])
def test_each_change_is_a_version(deployments: DeploymentStore, spec: object, notebook: str) -> None:
    deployments.save(spec_of(), notebook="{}", actor="ana", at=NOON)

    changed = deployments.save(spec, notebook=notebook, actor="ben", at=later(9))  # type: ignore[arg-type]

    assert (changed.version, changed.created_at, changed.updated_at) == (2, NOON, later(9))
    assert [(one.version, one.notebook) for one in deployments.versions("daily")] == [(2, notebook), (1, "{}")]


def test_going_back_says_what_an_earlier_version_said_and_the_next_change_is_a_new_one(
    deployments: DeploymentStore,
) -> None:
    for priority in (1, 2):
        deployments.save(spec_of(priority=priority), notebook=None, actor="ana", at=NOON)

    back = deployments.go_back("daily", 1, later(5))
    next_ = deployments.save(spec_of(priority=3), notebook=None, actor="ana", at=later(6))

    assert (back.version, back.spec.priority) == (1, 1)
    assert next_.version == 3


def test_a_version_takes_the_place_of_the_one_that_is_expected_and_of_no_other(deployments: DeploymentStore) -> None:
    plain = {"notebook": None, "actor": "ana", "at": NOON}
    first = deployments.save(spec_of(), **plain)  # type: ignore[arg-type]

    with pytest.raises(DeploymentNotFound, match="other"):
        deployments.save(spec_of("other"), expected_version=1, **plain)  # type: ignore[arg-type]
    with pytest.raises(PreconditionFailed, match="'daily' has version 1 by now, not 2"):
        deployments.save(FULL, expected_version=2, **plain)  # type: ignore[arg-type]
    assert deployments.list_deployments() == [first]
    assert deployments.save(FULL, expected_version=1, **plain).version == 2  # type: ignore[arg-type]


def test_what_is_not_there_is_named(deployments: DeploymentStore) -> None:
    with pytest.raises(DeploymentNotFound, match="No deployment 'weekly'"):
        deployments.get("weekly")
    deployments.save(spec_of(), notebook=None, actor="ana", at=NOON)
    with pytest.raises(DeploymentNotFound, match="'daily' has no version 7"):
        deployments.go_back("daily", 7, NOON)


def test_a_schedule_that_stays_goes_on_where_it_stood(deployments: DeploymentStore, schedules: ScheduleStore) -> None:
    deployments.save(spec_of(schedules=(hourly(),)), notebook=None, actor="ana", at=NOON)
    (stored,) = schedules.of_deployment("daily")
    schedules.advance([ScheduleStep(schedule=stored, runs=(), done_until=later(60), next_at=later(3600))])

    other = hourly(parameters={"region": "south"})
    deployments.save(spec_of(schedules=(other, hourly())), notebook=None, actor="ana", at=later(100))

    assert [(one.number, one.done_until, one.next_at) for one in schedules.of_deployment("daily")] == [
        (1, later(100), later(100)),
        (2, later(60), later(60)),
    ]


def test_paused_schedules_rest_and_go_on_from_when_they_are_resumed(
    deployments: DeploymentStore, schedules: ScheduleStore
) -> None:
    deployments.save(spec_of(schedules=(hourly(),)), notebook=None, actor="ana", at=NOON)

    assert deployments.set_paused("daily", True, later(10)).is_paused
    assert (schedules.next_look(), schedules.due(later(99_999), 10)) == (None, [])
    deployments.save(spec_of(schedules=(hourly(),), priority=1), notebook=None, actor="ana", at=later(20))
    assert schedules.next_look() is None

    assert not deployments.set_paused("daily", False, later(30)).is_paused
    (resumed,) = schedules.due(later(30), 10)
    assert (resumed.done_until, resumed.version, resumed.spec.priority) == (later(30), 2, 1)


@pytest.mark.parametrize(
    "schedule",
    [
        IntervalSchedule(every_seconds=60, start_at=NOON, excluded_days=(NOON.date(),), max_late_seconds=30.0),
        RecurrenceSchedule(rule="FREQ=DAILY;BYHOUR=9", timezone="Europe/Berlin", catchup="all", jitter_seconds=5.0),
    ],
)
def test_each_kind_of_schedule_comes_back(
    deployments: DeploymentStore, schedules: ScheduleStore, schedule: IntervalSchedule | RecurrenceSchedule
) -> None:
    wanted = msgspec.structs.replace(hourly(), schedule=schedule)
    deployments.save(spec_of(schedules=(wanted,)), notebook=None, actor="ana", at=NOON)

    assert [one.schedule for one in schedules.due(NOON, 10)] == [wanted]


def test_an_inactive_schedule_is_never_due(deployments: DeploymentStore, schedules: ScheduleStore) -> None:
    deployments.save(spec_of(schedules=(hourly(is_active=False),)), notebook=None, actor="ana", at=NOON)

    assert schedules.due(later(99_999), 10) == []


def test_a_step_makes_its_runs_once(store: RunStore, deployments: DeploymentStore, schedules: ScheduleStore) -> None:
    deployments.save(spec_of(schedules=(hourly(),), pool="gpu", priority=2), notebook=None, actor="ana", at=NOON)
    (stored,) = schedules.due(NOON, 10)
    missed = occurrence_run("1", later(3600), state=State.MISSED, message="late")
    runs = (missed, occurrence_run("2", later(7200)))
    step = ScheduleStep(schedule=stored, runs=runs, done_until=later(7200), next_at=later(10_800))

    assert schedules.advance([step]) == list(runs)
    assert schedules.advance([step]) == []  # another service had read the schedule before

    assert [store.get_run(run.run_id) for run in runs] == list(runs)
    (queued,) = WorkQueue(store.database).waiting()
    assert (queued.run_id, queued.pool, queued.priority, queued.due_at) == ("2", "gpu", 2, later(7200))
    (now_stored,) = schedules.of_deployment("daily")
    assert (now_stored.done_until, now_stored.next_at) == (later(7200), later(10_800))


def test_an_occurrence_that_has_its_run_gets_no_other(deployments: DeploymentStore, schedules: ScheduleStore) -> None:
    deployments.save(spec_of(schedules=(hourly(), hourly(is_active=False))), notebook=None, actor="ana", at=NOON)
    first, second = schedules.of_deployment("daily")

    made = schedules.advance(
        [
            ScheduleStep(schedule=first, runs=(occurrence_run("1", NOON),), done_until=NOON, next_at=None),
            ScheduleStep(schedule=second, runs=(occurrence_run("2", NOON),), done_until=later(1), next_at=None),
        ]
    )

    assert [run.run_id for run in made] == ["1"]
    assert [one.done_until for one in schedules.of_deployment("daily")] == [NOON, later(1)]


def test_a_step_of_a_deployment_that_was_changed_or_deleted_does_nothing(
    deployments: DeploymentStore, schedules: ScheduleStore
) -> None:
    for name in ("daily", "weekly"):
        deployments.save(spec_of(name, schedules=(hourly(),)), notebook=None, actor="ana", at=NOON)
    steps = [
        ScheduleStep(schedule=one, runs=(occurrence_run(one.deployment, NOON),), done_until=NOON, next_at=None)
        for one in schedules.due(NOON, 10)
    ]
    deployments.save(spec_of(schedules=(hourly(),), priority=1), notebook=None, actor="ana", at=NOON)
    deployments.delete("weekly")

    assert schedules.advance(steps) == []
    assert [one.deployment for one in schedules.due(NOON, 10)] == ["daily"]


def test_of_many_services_that_advance_at_once_one_makes_the_runs(
    any_store_url: str, database: Database, deployments: DeploymentStore, schedules: ScheduleStore
) -> None:
    names = [f"d{number}" for number in range(30)]
    for name in names:
        deployments.save(spec_of(name, schedules=(hourly(),)), notebook=None, actor="ana", at=NOON)

    def advance(service: int) -> int:
        own = open_database(any_store_url)
        try:
            store = ScheduleStore(own)
            steps = [
                ScheduleStep(
                    schedule=one,
                    runs=(occurrence_run(f"{service}-{one.deployment}", NOON, deployment=one.deployment),),
                    done_until=later(1),
                    next_at=None,
                )
                for one in store.due(NOON, 100)
            ]
            return sum(len(store.advance([step])) for step in steps)
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(advance, range(4)))

    assert sum(made) == len(names)
    assert sorted(str(run.deployment) for run in WorkQueue(database).waiting()) == sorted(names)


def test_a_deployment_may_begin_paused(deployments: DeploymentStore, schedules: ScheduleStore) -> None:
    first = deployments.save(spec_of(schedules=(hourly(),)), notebook=None, actor="ana", at=NOON, is_paused=True)
    again = deployments.save(spec_of(schedules=(hourly(),), priority=1), notebook=None, actor="ana", at=NOON)

    assert (first.is_paused, again.is_paused, schedules.due(later(9), 10)) == (True, True, [])


def test_a_deployment_that_was_deleted_and_is_made_again_keeps_its_versions(deployments: DeploymentStore) -> None:
    for priority in (1, 2):
        deployments.save(spec_of(priority=priority), notebook=None, actor="ana", at=NOON)
    deployments.delete("daily")

    again = deployments.save(spec_of(priority=3), notebook=None, actor="ana", at=NOON)

    assert again.version == 3
    assert [one.spec.priority for one in deployments.versions("daily")] == [3, 2, 1]
