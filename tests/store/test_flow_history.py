"""The history of a flow is read alike from each database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from orchestra_nb.model.events import RunCreated, TaskRunCreated
from orchestra_nb.model.runs import Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.flow_history import FlowHistory, TaskTally
from orchestra_nb.store.run_store import RunStore

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def run_of(number: int, state: State = State.RUNNING, kind: RunKind = RunKind.FLOW) -> Run:
    run_id = f"{number:032x}"
    return Run(run_id=run_id, name=f"fox-{number}", flow_name="etl", kind=kind, state=state, created_at=NOON)


def task_of(number: int, name: str, seconds: int) -> TaskRun:
    return TaskRun(
        task_run_id=f"{number:032x}",
        run_id=run_of(1).run_id,
        name=name,
        state=State.COMPLETED,
        created_at=NOON,
        started_at=NOON + timedelta(seconds=number),
        ended_at=NOON + timedelta(seconds=number + seconds),
    )


def test_runs_of_one_task_are_counted_without_their_numbers(any_store_url: str) -> None:
    database = open_database(any_store_url)
    try:
        tasks = [task_of(1, "load", 5), task_of(2, "fit-0", 1), task_of(3, "fit-10", 1), task_of(4, "-1", 1)]
        RunStore(database).apply([RunCreated(run=run_of(1)), *(TaskRunCreated(task_run=task) for task in tasks)])

        found = FlowHistory(database).tasks([run_of(1).run_id])

        def tally(name: str, number: int, last: int, seconds: int) -> TaskTally:
            begin, end = NOON + timedelta(seconds=number), NOON + timedelta(seconds=last + seconds)
            return TaskTally(run_of(1).run_id, name, State.COMPLETED, False, last - number + 1, number, begin, end)

        assert sorted(found, key=lambda one: one.first_number) == [
            tally("load", 1, 1, 5),
            tally("fit", 2, 3, 1),
            tally("-1", 4, 4, 1),
        ]
    finally:
        database.close()


def test_the_newest_runs_leave_out_what_waits_sweeps_themselves_and_cells_of_open_notebooks(any_store_url: str) -> None:
    database = open_database(any_store_url)
    try:
        waits, sweep, cells = (
            run_of(4, State.SCHEDULED),
            run_of(5, kind=RunKind.SWEEP),
            run_of(6, kind=RunKind.INTERACTIVE),
        )
        whole = (run_of(1), run_of(2), run_of(3))
        RunStore(database).apply([RunCreated(run=run) for run in (*whole, waits, sweep, cells)])

        found = FlowHistory(database).newest(["etl", "none"], 2)

        assert {flow: [run.name for run in runs] for flow, runs in found.items()} == {
            "etl": ["fox-3", "fox-2"],
            "none": [],
        }
    finally:
        database.close()


def test_the_runs_of_a_flow_are_told_apart_by_their_notebooks(any_store_url: str) -> None:
    database = open_database(any_store_url)
    try:
        paths = ["/a/etl.ipynb", "/b/etl.ipynb", "/a/etl.ipynb", None]
        runs = [msgspec.structs.replace(run_of(number), notebook_path=path) for number, path in enumerate(paths, 1)]
        RunStore(database).apply([RunCreated(run=run) for run in runs])
        history = FlowHistory(database)

        every = history.newest(["etl"], 10)["etl"]
        of_a = history.newest(["etl"], 10, notebook_paths=["/a/etl.ipynb", "/link/etl.ipynb"])["etl"]

        assert [run.notebook_path for run in every] == [None, "/a/etl.ipynb", "/b/etl.ipynb", "/a/etl.ipynb"]
        assert [run.run_id for run in of_a] == [runs[2].run_id, runs[0].run_id]
        assert history.notebook_paths("etl", 10) == ["/a/etl.ipynb", "/b/etl.ipynb"]
        assert history.notebook_paths("etl", 1) == []
        assert history.all_notebook_paths(10) == ["/a/etl.ipynb", "/b/etl.ipynb"]
        assert history.all_notebook_paths(1) == ["/a/etl.ipynb"]
    finally:
        database.close()
