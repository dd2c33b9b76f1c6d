"""Notebooks as flows and as tasks of flows, in scripts, on the local cluster, and in other notebooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_scripts import FlowScripts, flow_scripts
from notebook_files import write_notebook
from patience import PATIENCE_SECONDS

from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State

TRAIN = """
    from orchestra_nb import record
    if alpha > 5:
        raise ValueError("alpha is too large")
    record(score=alpha * beta)
    """


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[FlowScripts]:
    write_notebook(tmp_path / "train.ipynb", TRAIN, parameters="alpha = 1\nbeta = 1")
    with flow_scripts(tmp_path) as found:
        yield found


def test_a_notebook_is_called_like_a_flow(scripts: FlowScripts) -> None:
    done = scripts.run(
        """
        import asyncio
        from orchestra_nb import notebook_flow, unmapped
        from orchestra_nb.errors import NotebookFailed

        train = notebook_flow("train.ipynb")
        state = train(alpha=2, beta=3, return_state=True)
        print(state.is_completed(), state.result().score, dict(state.result()))
        try:
            train.with_options(retries=1, name="again")(alpha=9)
        except NotebookFailed as error:
            print(error)
        print([row.values.score for row in train.map(alpha=[1, 2], beta=unmapped(5))])
        print(asyncio.run(train.with_options(returns="score").call_async(alpha=4)))
        """
    )

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == "True 6 {'score': 6}"
    assert lines[1].startswith("Notebook again FAILED: ValueError: alpha is too large (cell 2, line 3).")
    assert lines[2:] == ["[5, 10]", "4"]
    names = [(run.flow_name, run.kind, run.state) for run in scripts.store.list_runs()]
    assert names.count(("again", RunKind.NOTEBOOK, State.FAILED)) == 2  # the retry is a run of its own
    assert names.count(("train", RunKind.SWEEP, State.COMPLETED)) == 1


def test_results_of_runs_and_sweeps_are_short_in_a_cell_and_say_what_went_wrong(scripts: FlowScripts) -> None:
    done = scripts.run(
        """
        from orchestra_nb import notebook_flow
        from orchestra_nb.operations.run_notebook import run_notebook

        sweep = notebook_flow("train.ipynb").map(alpha=[2, 9], raise_on_failure=False)
        print(sweep)
        print(*sweep, sep="\\n")
        print([row.message for row in sweep])
        print(sweep._repr_html_())
        print(run_notebook("train.ipynb", parameters={"alpha": 3}))
        """
    )

    runs = scripts.store.list_runs()
    sweep = next(run for run in runs if run.kind is RunKind.SWEEP)
    good, bad = scripts.store.children(sweep.run_id)
    error = "ValueError: alpha is too large (cell 2, line 3)"
    if good.state is State.FAILED:
        good, bad = bad, good
    assert done.stdout.splitlines() == [
        f"<sweep {sweep.name} of train FAILED: 1 of 2 runs completed>",
        f"<alpha=2: run {good.name} COMPLETED score=2>",
        f"<alpha=9: run {bad.name} FAILED {error}>",
        f"['', '{error}']",
        f"<div>sweep {sweep.name} of train FAILED: 1 of 2 runs completed</div><table>"
        "<tr><th>run</th><th>alpha</th><th>state</th><th>score</th><th>message</th></tr>"
        f"<tr><td>{good.name}</td><td>2</td><td>COMPLETED</td><td>2</td><td></td></tr>"
        f"<tr><td>{bad.name}</td><td>9</td><td>FAILED</td><td></td><td>{error}</td></tr></table>",
        f"<run {runs[0].name} COMPLETED score=3>",
    ]


def test_notebooks_are_tasks_of_a_flow_whose_values_go_on(scripts: FlowScripts) -> None:
    done = scripts.run(
        """
        from orchestra_nb import flow, notebook_flow, notebook_task, task

        train = notebook_task("train.ipynb", returns="score", retries=1)

        @task
        def load(number):
            return number * 2

        @flow
        def pipeline():
            beta = load.submit(2)
            first = train.submit(alpha=1, beta=beta)
            second = train.submit(alpha=first)
            sub = notebook_flow("train.ipynb")(alpha=2)
            failing = train.submit(alpha=9)
            return first.result(), second.result(), sub.score, failing.state

        if __name__ == "__main__":
            print(pipeline(return_state=True).name)
        """
    )

    (flow_run,) = [run for run in scripts.store.list_runs() if run.kind is RunKind.FLOW]
    tasks = {task.name: task for task in scripts.store.task_runs(flow_run.run_id)}
    children = scripts.store.children(flow_run.run_id)
    assert done.returncode == 0, done.stderr
    assert {name: (task.state, task.attempt) for name, task in tasks.items()} == {
        "load-0": (State.COMPLETED, 1),
        "train-0": (State.COMPLETED, 1),
        "train-1": (State.COMPLETED, 1),
        "train-2": (State.FAILED, 2),
    }
    assert "ValueError: alpha is too large" in tasks["train-2"].message
    by_task = {child.parent_task_run_id: child for child in children}
    assert by_task[tasks["train-1"].task_run_id].parameters == {"alpha": 4}  # what the first one returned
    assert sum(child.parent_task_run_id is None for child in children) == 1  # the subflow
    assert sum(child.parent_task_run_id == tasks["train-2"].task_run_id for child in children) == 2
    assert {child.driver_id for child in children} == {flow_run.driver_id}
    assert tasks["train-0"].upstream == (tasks["load-0"].task_run_id,)


def test_more_notebooks_than_slots_whose_task_cells_need_the_same_cluster_all_end(scripts: FlowScripts) -> None:
    write_notebook(
        scripts.folder / "cells.ipynb",
        "%load_ext orchestra_nb",
        """
        %%task
        square = number * number
        """,
        "from orchestra_nb import record\nrecord(square=square)",
        parameters="number = 1",
    )
    scripts.environment["ORCHESTRA_TASK_RUNNER"] = "dask"

    done = scripts.run(
        """
        from orchestra_nb import flow, notebook_task, task

        @task
        def add(values):
            return sum(values)

        @flow
        def squares():
            found = notebook_task("cells.ipynb", returns="square").map(number=[1, 2, 3])
            return add.submit(found).result()

        if __name__ == "__main__":
            print(squares())
        """
    )

    assert done.stdout == "14\n", done.stderr


def test_a_flow_that_is_cancelled_stops_its_notebooks(scripts: FlowScripts) -> None:
    write_notebook(scripts.folder / "endless.ipynb", "import time\nwhile True: time.sleep(0.05)")
    source = """
        from orchestra_nb import flow, notebook_flow, notebook_task

        @flow
        def endless():
            notebook_task("endless.ipynb").submit()
            notebook_flow("endless.ipynb")()

        if __name__ == "__main__":
            endless()
        """
    with scripts.started(source) as script:

        def find() -> Run | None:
            for run in scripts.store.list_runs(kind=RunKind.FLOW):
                if [child.state for child in scripts.store.children(run.run_id)] == [State.RUNNING] * 2:
                    return run
            return None

        run = scripts.wait_for(find, "a flow with two running notebooks")
        assert scripts.orchestra("runs", "cancel", run.name).returncode == 0
        script.communicate(timeout=PATIENCE_SECONDS)

    assert scripts.store.get_run(run.run_id).state is State.CANCELLED
    assert [child.state for child in scripts.store.children(run.run_id)] == [State.CANCELLED] * 2


@pytest.mark.parametrize("runner", ["dask", "threads"])
def test_a_run_that_a_task_has_started_is_cancelled_alone(scripts: FlowScripts, runner: str) -> None:
    write_notebook(scripts.folder / "endless.ipynb", "import time\nwhile True: time.sleep(0.05)")
    scripts.environment["ORCHESTRA_TASK_RUNNER"] = runner
    source = """
        import os, time
        from orchestra_nb import flow, notebook_flow, task

        @flow
        def sleepy():
            while True: time.sleep(0.05)

        @task
        def inner(folder):
            first = notebook_flow(f"{folder}/endless.ipynb")(return_state=True)
            second = sleepy(return_state=True)
            return [first.name, second.name]

        @task
        def between(folder):
            return inner.submit(folder).result()

        @flow
        def outer():
            return between.submit(os.getcwd()).result()

        if __name__ == "__main__":
            print(outer())
        """
    with scripts.started(source) as script:
        for name in ("endless", "sleepy"):

            def find(name: str = name) -> Run | None:
                return next(
                    (run for run in scripts.store.list_runs(flow_name=name) if run.state is State.RUNNING), None
                )

            run = scripts.wait_for(find, f"a run of {name}")
            assert scripts.orchestra("runs", "cancel", run.name).returncode == 0
        output, errors = script.communicate(timeout=PATIENCE_SECONDS)

    assert output.strip() == "['Cancelled', 'Cancelled']", errors
    ends = {run.flow_name: run.state for run in scripts.store.list_runs()}
    assert ends == {"outer": State.COMPLETED, "endless": State.CANCELLED, "sleepy": State.CANCELLED}


def test_what_a_task_had_started_ends_with_its_worker(scripts: FlowScripts) -> None:
    write_notebook(
        scripts.folder / "slow.ipynb",
        """
        import time
        from pathlib import Path
        while not Path("go on").exists(): time.sleep(0.05)
        """,
        "print('never reached on the first worker')",
    )
    scripts.environment["ORCHESTRA_TASK_RUNNER"] = "dask"

    done = scripts.run(
        """
        import os, signal, time
        from pathlib import Path
        from orchestra_nb import flow, notebook_flow, task
        from orchestra_nb.operations.opening import open_store
        from orchestra_nb.settings import load_settings

        @flow
        def middle(folder):
            return notebook_flow(f"{folder}/slow.ipynb")(return_state=True).name

        @task
        def inner(folder):
            with open(f"{folder}/workers", "a") as workers:
                print(os.getpid(), file=workers)
            return middle(folder)

        def runs_a_cell(store):
            cells = [cell for run in store.list_runs(flow_name="slow") for cell in store.cell_runs(run.run_id)]
            return any(cell.state == "RUNNING" for cell in cells)

        @flow
        def outer():
            future = inner.submit(os.getcwd())
            store = open_store(load_settings())
            while not runs_a_cell(store): time.sleep(0.05)
            os.kill(int(Path("workers").read_text()), signal.SIGKILL)
            while len(store.list_runs(flow_name="slow")) < 2: time.sleep(0.05)
            print(*sorted((run.flow_name, run.state.value, run.message) for run in store.list_runs() if run.ended_at))
            Path("go on").touch()
            return future.result()

        if __name__ == "__main__":
            print(outer())
        """
    )

    why = "The task 'inner-0' that ran it was lost: killed by SIGKILL."
    crashed = [run for run in scripts.store.list_runs(flow_name="slow") if run.state is State.CRASHED]
    assert done.stdout.splitlines() == [
        f"('middle', 'CRASHED', {why!r}) ('slow', 'CRASHED', {why!r})",
        "Completed",
    ], done.stderr
    assert [cell.state for cell in scripts.store.cell_runs(crashed[0].run_id)] == [State.CRASHED, State.CANCELLED]


def test_a_notebook_that_runs_too_long_is_timed_out_and_its_outputs_are_kept(scripts: FlowScripts) -> None:
    write_notebook(scripts.folder / "endless.ipynb", "print('begun')", "import time\nwhile True: time.sleep(0.05)")

    done = scripts.run(
        """
        from orchestra_nb import notebook_flow
        from orchestra_nb.errors import TaskTimedOut
        try:
            notebook_flow("endless.ipynb", timeout_seconds=3, output_path="out.ipynb")()
        except TaskTimedOut as error:
            print(error)
        """
    )

    executed = json.loads((scripts.folder / "out.ipynb").read_text())
    assert "Ran longer than 3 s in cell 2" in done.stdout, done.stderr
    assert executed["metadata"]["orchestra"]["state"] == "TIMED_OUT"
    assert executed["cells"][0]["outputs"][0]["text"]
    assert [run.state for run in scripts.store.list_runs()] == [State.TIMED_OUT]


def test_a_notebook_runs_other_notebooks_as_its_children(scripts: FlowScripts) -> None:
    write_notebook(
        scripts.folder / "outer.ipynb",
        """
        from orchestra_nb import notebook_flow, record
        train = notebook_flow("train.ipynb")
        record(one=train(alpha=2).score, best=max(v.score for v in train.sweep(alpha=[1, 3]).values))
        """,
    )

    done = scripts.orchestra("run", "outer.ipynb")

    assert done.returncode == 0, done.stderr
    outer = next(run for run in scripts.store.list_runs() if run.flow_name == "outer")
    children = {child.kind: child for child in scripts.store.children(outer.run_id)}
    values = json.loads(scripts.orchestra("runs", "results", outer.name, "--json").stdout)["values"]
    assert values == {"one": 2, "best": 3}
    assert set(children) == {RunKind.NOTEBOOK, RunKind.SWEEP}
    assert {child.state for child in children.values()} == {State.COMPLETED}
    assert len(scripts.store.children(children[RunKind.SWEEP].run_id)) == 2
    assert len(scripts.store.cell_runs(children[RunKind.NOTEBOOK].run_id)) == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("notebook_flow('train.ipynb')(gamma=1)", "no parameter 'gamma'"),
        ("notebook_flow('missing.ipynb')()", "missing.ipynb"),
        ("notebook_flow('train.ipynb', retriess=1)", "Did you mean retries?"),
        ("notebook_task('train.ipynb', cache_policy=None)", "no option 'cache_policy'"),
        ("notebook_flow('train.ipynb').map(alpha=1)", "no parameter can be iterated"),
        ("notebook_flow('train.ipynb').map(alpha=[1, 2], beta=[1])", "different lengths (alpha: 2, beta: 1)"),
        ("notebook_flow('train.ipynb', timeout_seconds=0)", "above 0"),
    ],
)
def test_a_call_that_cannot_be_met_says_why(
    code: str, words: str, scripts: FlowScripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestra_nb import notebook_flow, notebook_task
    from orchestra_nb.errors import OrchestraError
    from orchestra_nb.operations.temporary_store import temporary_store

    monkeypatch.chdir(scripts.folder)
    with temporary_store(), pytest.raises(OrchestraError) as refused:
        eval(code, {"notebook_flow": notebook_flow, "notebook_task": notebook_task})

    assert words in str(refused.value)
