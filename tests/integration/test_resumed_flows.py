"""Runs of flows in Python that are resumed from a task: it runs, and what depends on it; the others are replayed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flow_scripts import FlowScripts, flow_scripts

from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.flow_views import show_flow
from tests.services.deployed import Deployed


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[FlowScripts]:
    with flow_scripts(tmp_path) as found:
        yield found


def newest_tasks(scripts: FlowScripts, run: Run) -> tuple[set[str], set[str]]:
    """Return the tasks of the newest epoch that ran, and those that were replayed."""
    epoch = scripts.store.get_run(run.run_id).epoch
    tasks = [task for task in scripts.store.task_runs(run.run_id) if task.epoch == epoch]
    return {task.name for task in tasks if not task.is_cached}, {task.name for task in tasks if task.is_cached}


SUBMITTED = """
    from orchestra_nb import flow, task

    @task
    def load():
        return [1, 2, 3]

    @task
    def rate():
        return 2

    @task
    def scaled(row, rate):
        return row * rate

    @task
    def total(rows):
        return sum(rows)

    @task
    def told(word):
        return word

    @flow(persist_result=True)
    def report():
        rows, by = load.submit(), rate.submit()
        whole = total.submit(scaled.map(rows, by))
        told.submit("begun")
        return told.submit("done", wait_for=[whole])

    report()
"""
ALL = {"load-0", "rate-0", "scaled-0", "scaled-1", "scaled-2", "total-0", "told-0", "told-1"}


@pytest.mark.parametrize(
    ("start", "ran"),
    [
        pytest.param("load", ALL - {"rate-0", "told-0"}, id="the first one"),
        pytest.param("rate-0", ALL - {"load-0", "told-0"}, id="one whose value each mapped call gets whole"),
        pytest.param("scaled", ALL - {"load-0", "rate-0", "told-0"}, id="a mapped task as a whole"),
        pytest.param("scaled-1", {"scaled-1", "total-0", "told-1"}, id="one run of a mapped task"),
        pytest.param("total", {"total-0", "told-1"}, id="one that another one waits for"),
        pytest.param("told-0", {"told-0"}, id="one that nothing depends on"),
    ],
)
def test_the_task_runs_and_what_depends_on_it_and_the_others_are_replayed(
    scripts: FlowScripts, start: str, ran: set[str]
) -> None:
    scripts.run(SUBMITTED)
    run = scripts.store.list_runs()[0]

    resumed = scripts.orchestra("runs", "retry", run.name, "--from", start, "--note", "new rows")

    assert resumed.returncode == 0, resumed.stderr
    assert newest_tasks(scripts, run) == (ran, ALL - ran)
    again = scripts.store.get_run(run.run_id)
    assert (again.state, again.epoch, again.fresh_from_task) == (State.COMPLETED, 2, start)
    (reopened,) = [change for change in scripts.store.state_changes(run.run_id) if change.to_state is State.SCHEDULED]
    assert reopened.message == f"resumed from task {start} by {reopened.actor}: new rows"


CALLED = """
    import asyncio
    from orchestra_nb import flow, task

    @task(persist_result=True)
    def first():
        return 1

    @task(persist_result=True)
    def second():
        return 2

    @task(persist_result=True)
    async def late(value):
        return value

    @task(persist_result=True)
    def last(value):
        return value

    @flow
    async def steps():
        one = first()
        two = second.submit()
        three = await late(one)
        if two.result() > three:
            last(5)

    asyncio.run(steps())
"""


@pytest.mark.parametrize(
    ("start", "ran"),
    [
        pytest.param("first", {"first-0", "second-0", "late-0", "last-0"}, id="a value that the body has"),
        pytest.param("second", {"second-0", "last-0"}, id="a value that the body takes later"),
        pytest.param("late", {"late-0", "last-0"}, id="a coroutine"),
        pytest.param("last", {"last-0"}, id="the last one"),
    ],
)
def test_whatever_is_called_after_the_body_took_a_value_depends_on_it(
    scripts: FlowScripts, start: str, ran: set[str]
) -> None:
    scripts.run(CALLED)
    run = scripts.store.list_runs()[0]

    resumed = scripts.orchestra("runs", "retry", run.name, "--from", start)

    assert resumed.returncode == 0, resumed.stderr
    assert newest_tasks(scripts, run) == (ran, {"first-0", "second-0", "late-0", "last-0"} - ran)


NESTED = """
    from orchestra_nb import flow, task
    from orchestra_nb.cache_policies import INPUTS, TASK_SOURCE

    @task(cache_policy=INPUTS + TASK_SOURCE)
    def inner(number):
        return number

    @task(persist_result=True)
    def outer(number):
        return inner(number)

    @flow
    def part(number):
        return inner.submit(number + 10).result()

    @flow
    def whole():
        part(7)
        one = outer.submit(1)
        return part(one), outer.submit(2).result()

    whole()
"""


@pytest.mark.parametrize("place", ["threads", "dask"])
def test_what_a_task_calls_is_a_part_of_it_and_a_subflow_depends_on_what_it_is_given(
    scripts: FlowScripts, place: str
) -> None:
    scripts.environment["ORCHESTRA_TASK_RUNNER"] = place
    scripts.run(NESTED)
    run = next(run for run in scripts.store.list_runs() if run.flow_name == "whole")

    resumed = scripts.orchestra("runs", "retry", run.name, "--from", "outer-0")

    assert resumed.returncode == 0, resumed.stderr
    # the second outer is called when the body has what the subflow gave
    ran, replayed = newest_tasks(scripts, run)
    # workers that live on count on
    assert sorted(name.replace("2", "0").replace("3", "1") for name in ran) == [
        "inner-0",
        "inner-1",
        "outer-0",
        "outer-1",
    ]
    assert replayed == set()
    parts = [child for child in scripts.store.list_runs() if child.flow_name == "part"]
    newest = sorted(parts, key=lambda child: child.run_id)[-2:]
    assert [[task.is_cached for task in scripts.store.task_runs(child.run_id)] for child in newest] == [[True], [False]]


GOES_ON = """
    from pathlib import Path
    from orchestra_nb import flow, task

    @task(persist_result=True)
    def load():
        return 1

    @task(persist_result=True)
    def clean(rows):
        return rows

    @task(persist_result=True)
    def model(rows):
        if Path("broken").exists():
            raise ValueError("no memory")
        return rows

    @flow
    def report():
        return model.submit(clean.submit(load.submit()))

    report()
"""


def test_a_retry_of_a_resumed_run_that_failed_runs_what_has_not_run_since(scripts: FlowScripts) -> None:
    scripts.run(GOES_ON)
    run = scripts.store.list_runs()[0]
    (scripts.folder / "broken").touch()

    failed = scripts.orchestra("runs", "retry", run.name, "--from", "clean")
    ran_first = newest_tasks(scripts, run)
    (scripts.folder / "broken").unlink()
    mended = scripts.orchestra("runs", "retry", run.name)

    assert (failed.returncode, mended.returncode) == (1, 0), mended.stderr
    assert ran_first == ({"clean-0", "model-0"}, {"load-0"})
    # nothing that model read has changed, but what was kept of it is older than the resumption
    assert newest_tasks(scripts, run) == ({"model-0"}, {"load-0", "clean-0"})
    # it is one run all the same, and its last part says nothing of how long it takes
    (flow,) = json.loads(scripts.orchestra("stats", "report", "--json").stdout)["flows"]
    assert (flow["runs"], flow["success_rate"], flow["duration"]) == (1, 1.0, None)
    shown = show_flow(scripts.store, "report", datetime.now(UTC)).flow
    assert (shown.counted, shown.success_rate, shown.duration) == (1, 1.0, None)


def test_a_body_that_is_repeated_replays_what_has_run_since_it_was_resumed(scripts: FlowScripts) -> None:
    script = GOES_ON.replace("@flow\n", "@flow(retries=1)\n").replace(
        'raise ValueError("no memory")', 'Path("broken").unlink()\n            raise ValueError("no memory")'
    )
    scripts.run(script)
    run = scripts.store.list_runs()[0]
    (scripts.folder / "broken").touch()

    resumed = scripts.orchestra("runs", "retry", run.name, "--from", "clean")

    assert resumed.returncode == 0, resumed.stderr
    assert newest_tasks(scripts, run) == ({"clean-0", "model-0", "model-1"}, {"load-0", "load-1", "clean-1"})


UNKEPT = """
    from orchestra_nb import flow, task

    @task
    def load():
        return 1

    @task
    def inner():
        return 2

    @task(persist_result=True)
    def clean(rows):
        return inner()

    @flow
    def report():
        return clean.submit(load.submit())

    report()
"""


def test_what_was_not_kept_runs_again_and_the_log_says_so(scripts: FlowScripts) -> None:
    scripts.run(UNKEPT)
    run = scripts.store.list_runs()[0]

    resumed = scripts.orchestra("runs", "retry", run.name, "--from", "clean")
    inner = scripts.orchestra("runs", "retry", run.name, "--from", "inner")

    assert (resumed.returncode, inner.returncode) == (0, 1), inner.stderr
    said = "Nothing is kept of these tasks, so they ran again although they do not depend on clean: load."
    assert said in resumed.stderr
    assert any(line.message.startswith(said) for _, line in scripts.store.log_lines(run.run_id))


NAMED = """
    from pathlib import Path
    from orchestra_nb import flow, task

    @task(persist_result=True, task_run_name="report-{year}")
    def load_year(year):
        return year

    @task(persist_result=True)
    def total(years):
        return sum(years)

    @flow(retries=1)
    def whole():
        years = load_year.map([2024, 2025] if not Path("fewer").exists() else [2025])
        return total.submit(years)

    whole()
"""


def test_a_task_whose_runs_have_names_of_their_own_is_known_by_its_name_and_by_theirs(scripts: FlowScripts) -> None:
    scripts.run(NAMED)
    run = scripts.store.list_runs()[0]

    refused = scripts.refused("runs", "retry", run.name, "--from", "report")
    resumed = scripts.orchestra("runs", "retry", run.name, "--from", "report-2025")
    one = newest_tasks(scripts, run)
    whole = scripts.orchestra("runs", "retry", run.name, "--from", "load_year")

    assert refused.returncode == 2
    assert "has no task 'report'. Its tasks: load_year, total. One run of a task is named by its" in refused.stderr
    assert "such as report-2024." in refused.stderr
    assert (resumed.returncode, whole.returncode) == (0, 0), resumed.stderr + whole.stderr
    assert one == ({"report-2025", "total-0"}, {"report-2024"})
    assert newest_tasks(scripts, run) == ({"report-2024", "report-2025", "total-0"}, set())


def test_a_run_fails_that_never_called_the_task_from_which_it_was_resumed(scripts: FlowScripts) -> None:
    scripts.run(NAMED)
    run = scripts.store.list_runs()[0]
    (scripts.folder / "fewer").touch()

    missed = scripts.orchestra("runs", "retry", run.name, "--from", "report-2024")
    ended = scripts.store.get_run(run.run_id)
    again = scripts.orchestra("runs", "retry", run.name, "--from", "total")

    said = "Task report-2024, from which it was resumed, was not called this time."
    assert (missed.returncode, said in missed.stderr) == (1, True), missed.stderr
    assert (ended.state, ended.message.startswith(said)) == (State.FAILED, True)
    # once: to repeat the body would not help
    assert len([task for task in scripts.store.task_runs(run.run_id) if task.epoch == 2]) == 2
    assert again.returncode == 0, again.stderr
    assert scripts.store.get_run(run.run_id).state is State.COMPLETED
    assert newest_tasks(scripts, run) == ({"total-0"}, {"report-2025"})


def test_a_task_that_is_not_there_is_refused_with_those_that_are(scripts: FlowScripts) -> None:
    scripts.run(SUBMITTED)
    run = scripts.store.list_runs()[0]
    scripts.run("from orchestra_nb import flow\n@flow\ndef bare(): pass\nbare()", "bare.py")
    bare = scripts.store.list_runs()[0]

    unknown = scripts.refused("runs", "retry", run.name, "--from", "clean")
    far = scripts.refused("runs", "retry", run.name, "--from", "scaled-9")
    empty = scripts.refused("runs", "retry", bare.name, "--from", "clean")

    assert [one.returncode for one in (unknown, far, empty)] == [2, 2, 1]
    assert f"Run {run.name} has no task 'clean'. Its tasks: load, rate, scaled, total, told." in unknown.stderr
    assert "has no task 'scaled-9'" in far.stderr
    assert "cannot be resumed from a task: it never came to its tasks" in empty.stderr
    assert scripts.store.get_run(run.run_id).epoch == 1


def test_a_run_of_a_deployment_is_resumed_where_its_pool_is_served(tmp_path: Path) -> None:
    deployed = Deployed(tmp_path, f"sqlite:///{tmp_path / 'store.db'}")
    try:
        source = SUBMITTED.replace("\n    ", "\n").replace("\nreport()\n", "\n")
        run_id = deployed.ask(deployed.deploy_flow("report", source))
        deployed.serve()
        deployed.wait(run_id)

        code, shown, said = deployed.orchestra("runs", "retry", run_id, "--from", "scaled-2", "--wait", "--json")

        assert code == 0, said
        assert json.loads(shown)["epoch"] == 2
        tasks = [task for task in deployed.store.task_runs(run_id) if task.epoch == 2]
        assert {task.name for task in tasks if not task.is_cached} == {"scaled-2", "total-0", "told-1"}
        assert {task.name for task in tasks} == ALL
    finally:
        deployed.close()
