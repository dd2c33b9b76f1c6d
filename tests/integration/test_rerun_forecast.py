"""What a shell is told before a run is run again: what runs once more beside, and code that is not that of today."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_scripts import FlowScripts, flow_scripts
from notebook_files import write_notebook

from orchestra_nb.model.runs import RunKind
from orchestra_nb.operations.rerun_forecast import RepeatedTask, RerunForecast, foresee_rerun
from orchestra_nb.operations.server_reruns import look_ahead
from tests.services.deployed import Deployed

REMEDY = "persist_result=True, of @task or @flow, or a cache_policy keeps results."


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlowScripts]:
    with flow_scripts(tmp_path) as found:
        monkeypatch.setenv("JUPYTER_DATA_DIR", found.environment["JUPYTER_DATA_DIR"])  # where notebooks are kept
        yield found


FAILS = """
    from orchestra_nb import flow, task

    @task
    def load():
        return [1, 2]

    @task
    def looked_up():
        return 2

    @task(persist_result=True, task_run_name="clean {row}")
    def clean_row(row):
        return row

    @task
    def tell(row):
        return looked_up()

    @task
    def last(rows, loaded):
        raise ValueError("not yet")

    @flow
    def report():
        return last.submit(tell.map(clean_row.map([1, 2])), load.submit())

    if __name__ == "__main__":
        report()
"""


def test_tasks_whose_results_are_not_kept_are_named_before_they_run_again(scripts: FlowScripts) -> None:
    scripts.run(FAILS)
    run = scripts.store.list_runs()[0]

    retried = scripts.orchestra("runs", "retry", run.name, "--json")
    resumed = scripts.orchestra("runs", "retry", run.name, "--from", "tell")

    # what a task calls is a part of it
    said = f"3 task runs that completed run again, since their results are not kept: tell ×2, load. {REMEDY}\n"
    assert (retried.returncode, json.loads(retried.stdout)["epoch"]) == (1, 2)
    assert said in retried.stderr
    assert retried.stderr.index(said) < retried.stderr.index("Beginning flow run")
    assert f"1 task run that completed runs again, since its result is not kept: load. {REMEDY}\n" in resumed.stderr
    # the log has it, also of a resumption that fails
    logged = [line.message for _, line in scripts.store.log_lines(run.run_id)]
    assert any(text.startswith("Nothing is kept of these tasks, so they ran again") for text in logged)
    ran = [task.name for task in scripts.store.task_runs(run.run_id) if task.epoch == 2 and not task.is_cached]
    assert {name.partition("-")[0] for name in ran} == {"last", "load", "looked_up", "tell"}


def test_where_all_is_kept_and_the_code_is_imported_nothing_is_said(scripts: FlowScripts) -> None:
    scripts.run(FAILS.replace("@flow", "@flow(persist_result=True)"))
    run = scripts.store.list_runs()[0]

    retried = scripts.orchestra("runs", "retry", run.name)

    assert retried.returncode == 1
    assert "not kept" not in retried.stderr
    assert "as it was" not in retried.stderr


def test_a_mapped_task_whose_runs_have_names_of_their_own_is_resumed_as_a_whole(scripts: FlowScripts) -> None:
    kept = FAILS.replace("@flow", "@flow(persist_result=True)").replace('raise ValueError("not yet")', "return 1")
    scripts.run(kept)
    run = scripts.store.list_runs()[0]

    unknown = scripts.refused("runs", "retry", run.name, "--from", "clean")
    resumed = scripts.orchestra("runs", "retry", run.name, "--from", "clean_row")

    assert "has no task 'clean'. Its tasks: clean_row, tell, load, last" in unknown.stderr
    assert "One run of a task is named by its own name, such as clean 1." in unknown.stderr
    assert resumed.returncode == 0, resumed.stderr
    again = [task for task in scripts.store.task_runs(run.run_id) if task.epoch == 2]
    assert [task.name for task in again if task.is_cached] == ["load-0"]
    assert sorted(task.name for task in again if task.task_name == "clean_row") == ["clean 1", "clean 2"]


NOTEBOOK = ("rows = 3", "assert open('mended')")


def test_a_notebook_that_was_changed_runs_as_it_was_and_that_is_said(scripts: FlowScripts) -> None:
    path = write_notebook(scripts.folder / "sales.ipynb", *NOTEBOOK)
    scripts.orchestra("run", "sales.ipynb", "-p", "year", "2026", "--no-strict")
    run = scripts.store.list_runs()[0]

    same = scripts.orchestra("runs", "retry", run.name)
    write_notebook(path, "rows = 4", NOTEBOOK[1])
    changed = scripts.orchestra("runs", "retry", run.name)
    path.unlink()
    gone = foresee_rerun(scripts.store, run.run_id)

    repeated = "1 cell that completed runs again: it ran without --cache, which keeps what they give.\n"
    said = f"{path} has changed since: it runs as it was when the run began."
    assert (repeated in same.stderr, said in same.stderr) == (True, False), same.stderr
    assert f"{said} As it is now: `orchestra run {path} -p year 2026`.\n" in changed.stderr
    assert repeated in changed.stderr
    assert gone.code == "current"  # there is nothing else to run


def test_a_notebook_that_ran_with_a_cache_repeats_no_cell_for_want_of_it(scripts: FlowScripts) -> None:
    path = write_notebook(scripts.folder / "sales.ipynb", *NOTEBOOK)
    scripts.orchestra("run", "sales.ipynb", "--cache")
    run = scripts.store.list_runs()[0]
    write_notebook(path, "rows = 4", NOTEBOOK[1])

    forecasts = [foresee_rerun(scripts.store, run.run_id, step) for step in (None, "2")]

    expected = RerunForecast(code="notebook", command=f"orchestra run {path} --cache", notebook_path=str(path))
    assert forecasts == [expected, expected]


def test_a_flow_of_a_notebook_runs_as_it_was_and_that_is_said(scripts: FlowScripts) -> None:
    path = write_notebook(
        scripts.folder / "sales.ipynb",
        "from orchestra_nb import flow\n@flow\ndef part():\n    open('mended')",
        "part()",
    )
    scripts.orchestra("run", "sales.ipynb")
    part = next(run for run in scripts.store.list_runs() if run.flow_name == "part")
    (scripts.folder / "mended").touch()

    retried = scripts.orchestra("runs", "retry", part.run_id)

    assert retried.returncode == 0, retried.stderr
    said = "The flow runs as it was when the run began, whatever was changed since."
    assert f"{said} As it is now: `orchestra run {path}`.\n" in retried.stderr


def test_a_deployed_notebook_runs_as_it_was_deployed_and_that_is_known(tmp_path: Path) -> None:
    deployed = Deployed(tmp_path, f"sqlite:///{tmp_path / 'store.db'}")
    try:
        deployment = deployed.deploy_notebook("nightly", *NOTEBOOK)
        run_id = deployed.ask(deployment)
        deployed.serve()
        deployed.wait(run_id)
        path = tmp_path / "nightly.ipynb"

        same = foresee_rerun(deployed.store, run_id)
        write_notebook(path, "rows = 4", NOTEBOOK[1])
        changed = foresee_rerun(deployed.store, run_id)
        deployed.deploy_notebook("nightly", "rows = 5", NOTEBOOK[1])
        anew = foresee_rerun(deployed.store, run_id)

        cells = RerunForecast(cells=1, cells_because="no_cache")
        assert same == cells
        assert (changed.code, changed.notebook_path, changed.command) == ("undeployed", str(path), "")
        assert (anew.code, anew.command) == ("deployed", "orchestra deployments run nightly")
    finally:
        deployed.close()


def test_a_task_that_came_only_before_an_earlier_retry_is_counted(scripts: FlowScripts) -> None:
    script = FAILS.replace(
        "return last.submit",
        "if __import__('os').path.exists('early'): raise ValueError('early')\n        return last.submit",
    )
    scripts.run(script)
    run = scripts.store.list_runs()[0]
    (scripts.folder / "early").touch()
    scripts.orchestra("runs", "retry", run.name)

    forecast = foresee_rerun(scripts.store, run.run_id)

    assert forecast.tasks == (RepeatedTask(name="tell", runs=2), RepeatedTask(name="load", runs=1))


@pytest.mark.parametrize("options", [(), ("--cache",)], ids=["nothing kept", "kept"])
def test_a_run_of_a_sweep_leads_to_the_command_that_resumes_it(scripts: FlowScripts, options: tuple[str, ...]) -> None:
    write_notebook(scripts.folder / "sales.ipynb", "rows + 1", "rows + 2", parameters="rows = 1")
    scripts.orchestra("run", "sales.ipynb", "--sweep", "rows=1,2", *options)
    sweep = next(run for run in scripts.store.list_runs() if run.kind is RunKind.SWEEP)
    child = scripts.store.children(sweep.run_id)[0]

    outlook = look_ahead(scripts.store, child.run_id, "3")
    resumed = scripts.orchestra(*outlook.command.split()[1:])

    expected = ("c0", "--from 1") if not options else (None, "--from 3")
    assert (outlook.instead_cell, outlook.command) == (expected[0], f"orchestra runs retry {child.name} {expected[1]}")
    assert outlook.problem != ""
    assert resumed.returncode == 0, resumed.stderr
    assert scripts.store.get_run(child.run_id).epoch == 2
