"""How flows, deployments and tasks have done, on both kinds of database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from click.testing import CliRunner

from orchestra_nb.cli.main import main
from orchestra_nb.errors import RunNotFound
from orchestra_nb.model.deployments import BACKFILL_TAG
from orchestra_nb.model.events import RunCreated, TaskRunCreated
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.run_statistics import Percentiles, Tally
from orchestra_nb.model.runs import Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_statistics import Statistics, run_statistics
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

NOW = datetime.now(UTC)


@pytest.fixture
def store(any_store_url: str) -> Iterator[RunStore]:
    database = open_database(any_store_url)
    yield RunStore(database)
    database.close()


def run_of(number: int, state: State, *, days_ago: float = 1, took: float | None = None, **fields: object) -> Run:
    made = NOW - timedelta(days=days_ago) + timedelta(seconds=number)
    started = None if took is None else made + timedelta(seconds=number)
    defaults: dict[str, object] = {
        "name": f"run-{number}",
        "flow_name": "train",
        "kind": RunKind.FLOW,
        "due_at": made,
        "started_at": started,
        "ended_at": None if started is None or took is None else started + timedelta(seconds=took),
    }
    run_id = new_id(made, number)
    return Run(run_id=run_id, state=state, created_at=made, **{**defaults, **fields})  # type: ignore[arg-type]


def add(store: RunStore, *runs: Run) -> None:
    store.apply([RunCreated(run=run) for run in runs])


def counts(one: Statistics) -> tuple[object, ...]:
    return one.name, one.flow_name, one.runs, one.completed, one.failed, one.missed, one.open, one.success_rate


def test_a_flow_and_its_deployment_are_counted(store: RunStore) -> None:
    add(
        store,
        run_of(1, State.COMPLETED, took=10, deployment="daily"),
        run_of(2, State.COMPLETED, took=20, deployment="daily"),
        run_of(3, State.FAILED, took=500, deployment="daily", message="no rows"),
        run_of(4, State.COMPLETED, took=30),
        run_of(5, State.CANCELLED, took=1, due_at=None),
        run_of(6, State.MISSED, due_at=None),
        run_of(7, State.RUNNING, due_at=None),
        run_of(8, State.COMPLETED, took=1, flow_name="sweep", kind=RunKind.SWEEP),
    )

    report = run_statistics(store, now=NOW)

    (flow,), (deployment,) = report.flows, report.deployments
    assert counts(flow) == ("train", "train", 7, 3, 1, 1, 1, 0.75)
    assert (flow.duration, flow.lateness) == (Percentiles(p50=20, p95=30), Percentiles(p50=2, p95=4))
    assert counts(deployment) == ("daily", "train", 3, 2, 1, 0, 0, 2 / 3)
    assert (deployment.duration, deployment.lateness) == (Percentiles(p50=10, p95=20), Percentiles(p50=2, p95=3))
    assert flow.last_run is not None
    assert (flow.last_run.name, flow.last_run.state) == ("run-7", State.RUNNING)
    assert flow.last_failure is not None
    assert (flow.last_failure.name, flow.last_failure.message) == ("run-3", "no rows")
    assert report.tasks == ()


def test_what_was_retried_says_nothing_about_how_late_it_began_and_how_long_it_takes(store: RunStore) -> None:
    add(store, run_of(1, State.COMPLETED, took=1, epoch=2))

    (flow,) = run_statistics(store, now=NOW).flows

    assert (flow.duration, flow.lateness) == (None, None)


def test_a_backfill_is_not_late(store: RunStore) -> None:
    add(
        store,
        run_of(1, State.COMPLETED, took=1, tags={BACKFILL_TAG: "", "team": "a"}),
        run_of(2, State.COMPLETED, took=1),
    )

    (flow,) = run_statistics(store, now=NOW).flows

    assert (flow.completed, flow.lateness) == (2, Percentiles(p50=2, p95=2))


def test_tasks_are_counted_without_the_time_of_those_that_were_cached(store: RunStore) -> None:
    run = run_of(1, State.FAILED, took=5)
    add(store, run)
    tasks = [
        TaskRun(
            task_run_id=f"task-{number}",
            run_id=run.run_id,
            name=name,
            state=state,
            created_at=run.created_at,
            started_at=NOW,
            ended_at=NOW + timedelta(seconds=number),
            is_cached=is_cached,
        )
        for number, (name, state, is_cached) in enumerate(
            [
                ("fit", State.COMPLETED, False),
                ("fit", State.COMPLETED, False),
                ("fit", State.COMPLETED, True),
                ("load", State.FAILED, False),
            ],
            1,
        )
    ]
    writer = msgspec.structs.replace(run, state=State.RUNNING, run_id=new_id(NOW, 9))
    add(store, writer)
    store.apply([TaskRunCreated(task_run=msgspec.structs.replace(task, run_id=writer.run_id)) for task in tasks])

    fit, load = run_statistics(store, now=NOW, has_tasks=True).tasks

    assert (fit.name, fit.runs, fit.success_rate, fit.duration) == ("fit", 3, 1.0, Percentiles(p50=1, p95=2))
    assert (load.name, load.failed, load.duration, load.lateness) == ("load", 1, None, None)
    assert load.last_failure is not None
    assert load.last_failure.run_id == writer.run_id


def test_only_runs_since_a_time_and_of_a_name_are_counted(store: RunStore) -> None:
    add(
        store,
        run_of(1, State.FAILED, days_ago=40),
        run_of(2, State.COMPLETED, took=1),
        run_of(3, State.COMPLETED, took=1, flow_name="load", deployment="nightly"),
    )

    of_month = run_statistics(store, now=NOW, since=NOW - timedelta(days=30))
    of_deployment = run_statistics(store, "nightly", now=NOW)

    assert [(one.name, one.runs) for one in of_month.flows] == [("load", 1), ("train", 1)]
    assert (of_deployment.flows, [one.name for one in of_deployment.deployments]) == ((), ["nightly"])
    with pytest.raises(RunNotFound, match="'other'"):
        run_statistics(store, "other", now=NOW)


def test_a_retry_and_a_cell_that_runs_in_an_open_notebook_are_no_runs_of_the_whole(store: RunStore) -> None:
    retried = run_of(2, State.COMPLETED, took=1, epoch=2)
    cell = run_of(3, State.FAILED, took=2, kind=RunKind.INTERACTIVE)
    add(store, run_of(1, State.COMPLETED, took=60), retried, cell)
    add(store, run_of(4, State.COMPLETED, took=1, kind=RunKind.INTERACTIVE, flow_name="draft"))
    task = TaskRun(task_run_id="c" * 32, run_id=cell.run_id, name="clean", state=State.FAILED, created_at=NOW)
    store.apply([TaskRunCreated(task_run=task)])

    report = run_statistics(store, now=NOW, has_tasks=True)

    draft, train = report.flows
    assert counts(train) == ("train", "train", 2, 2, 0, 0, 0, 1.0)
    assert (train.duration, train.last_failure) == (Percentiles(p50=60, p95=60), None)
    assert counts(draft) == ("draft", "draft", 0, 0, 0, 0, 0, None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), None), ((3.0,), (3, 3)), ((4, 1, 3, 2), (2, 4)), (range(1, 201), (100, 190))],
    ids=["none", "one", "four", "many"],
)
def test_percentiles_are_values_that_there_were(
    values: tuple[float, ...], expected: tuple[float, float] | None
) -> None:
    found = Percentiles.of(values)

    assert (None if found is None else (found.p50, found.p95)) == expected


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    tally = Tally()
    tally.add("run", State.COMPLETED, -3.0, -2.0)

    assert tally.figures().duration == tally.figures().lateness == Percentiles(p50=0, p95=0)


def test_the_command_prints_tables_and_a_document(
    store: RunStore, any_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", any_store_url)
    empty = CliRunner().invoke(main, ["stats"])
    add(store, run_of(1, State.COMPLETED, took=75, deployment="daily"), run_of(2, State.FAILED, took=1))

    printed = CliRunner().invoke(main, ["stats"]).output
    document = json.loads(CliRunner().invoke(main, ["stats", "train", "--json"]).output)
    unknown = CliRunner().invoke(main, ["stats", "other"])

    assert empty.output.startswith("No runs since ")
    lines = [line.split() for line in printed.splitlines()]
    assert lines[0][:4] == ["FLOW", "RUNS", "SUCCESS", "TOOK"]
    assert lines[1][:11] == ["train", "2", "50.0%", *("1 min 15 s".split() * 2)]
    assert lines[4][:3] == ["daily", "1", "100.0%"]
    assert [(one["name"], one["success_rate"], one["duration"]) for one in document["flows"]] == [
        ("train", 0.5, {"p50": 75.0, "p95": 75.0})
    ]
    assert document["flows"][0]["last_failure"]["name"] == "run-2"
    assert unknown.exit_code == 3
