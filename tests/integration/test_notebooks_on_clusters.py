"""Sweeps, and tasks of flows, whose notebooks run on the workers of a Dask cluster that somebody else runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from flow_scripts import FlowScripts, flow_scripts
from notebook_files import write_notebook
from patience import PATIENCE_SECONDS, eventually

from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from tests.faults.invariants import nothing_is_left
from tests.foreign_cluster import ForeignCluster, foreign_cluster

TRAIN = """
    import os
    from orchestra_nb import record

    print("trained with", alpha)
    record(square=alpha * alpha, where=os.environ["WHERE"], model={alpha, 1000}, text="x" * 100_000 + str(alpha))
    """
#: Tells its kernel's process, and goes on for ever where it is asked to.
ENDLESS = """
    import os, time
    from pathlib import Path

    Path(f"socket-{number}").write_text(os.environ["ORCHESTRA_RUN_SOCKET"])
    Path(f"kernel-{number}").write_text(str(os.getpid()))
    print("begun", flush=True)
    while is_endless and not Path("go").exists():
        time.sleep(0.05)
    """


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignCluster]:
    with foreign_cluster(tmp_path_factory.mktemp("foreign")) as found:
        yield found


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[FlowScripts]:
    write_notebook(tmp_path / "train.ipynb", TRAIN, parameters="alpha = 1")
    write_notebook(tmp_path / "endless.ipynb", ENDLESS, parameters="number = 0\nis_endless = True")
    with flow_scripts(tmp_path) as found:
        yield found


def the_sweep(scripts: FlowScripts) -> Run:
    (sweep,) = scripts.store.list_runs(kind=RunKind.SWEEP)
    return sweep


def children_of(scripts: FlowScripts) -> list[Run]:
    return sorted(scripts.store.children(the_sweep(scripts).run_id), key=lambda run: int(run.tags["sweep-combination"]))


def wait_for_kernels(scripts: FlowScripts, *numbers: int) -> list[int]:
    """Wait until these runs of the endless notebook have begun; return their kernels' processes."""

    def find() -> Run | None:
        files = [scripts.folder / f"kernel-{number}" for number in numbers]
        return scripts.store.list_runs()[0] if all(file.exists() and file.read_text() for file in files) else None

    scripts.wait_for(find, f"the kernels {numbers}")
    return [int((scripts.folder / f"kernel-{number}").read_text()) for number in numbers]


def most_at_once(runs: list[Run]) -> int:
    return max(sum(one.started_at <= other.started_at < one.ended_at for one in runs) for other in runs)  # type: ignore[operator]


def test_a_sweep_runs_on_the_workers_of_its_cluster_one_on_each_slot(
    scripts: FlowScripts, cluster: ForeignCluster
) -> None:
    done = scripts.orchestra("run", "train.ipynb", "--sweep", "alpha=1:5:1", "--cluster", cluster.address, "--json")

    document = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert [row["values"]["square"] for row in document["runs"]] == [1, 4, 9, 16, 25]
    assert {row["values"]["where"] for row in document["runs"]} == {"on a worker"}
    sweep, children = the_sweep(scripts), children_of(scripts)
    assert {child.driver_id for child in children} == {sweep.driver_id}  # one process wrote them all
    assert most_at_once(children) <= 2
    folder = scripts.folder / f"train.{sweep.name}"
    executed = json.loads((folder / "3_alpha=3.ipynb").read_text())
    assert executed["cells"][-1]["outputs"][0]["text"] == ["trained with 3\n"]
    assert executed["metadata"]["orchestra"]["state"] == "COMPLETED"
    assert executed["metadata"]["papermill"]["output_path"].startswith(str(scripts.folder / "data"))
    # a large value came along
    assert scripts.orchestra("runs", "results", children[2].name, "text").stdout.strip().endswith("x3")


def test_a_mapped_notebook_flow_gives_its_values_from_the_cluster(
    scripts: FlowScripts, cluster: ForeignCluster
) -> None:
    done = scripts.run(
        f"""
        from orchestra_nb import notebook_flow

        if __name__ == "__main__":
            sweep = notebook_flow("train.ipynb", cluster={cluster.address!r}).map(alpha=[2, 3])
            print([(values.where, sorted(values.model), len(values.text)) for values in sweep.values])
        """
    )

    # the sets are pickles, signed with the key of who asked for them
    assert done.stdout == "[('on a worker', [2, 1000], 100001), ('on a worker', [3, 1000], 100001)]\n", done.stderr


def test_a_notebook_task_goes_where_the_other_tasks_of_its_flow_go(
    scripts: FlowScripts, cluster: ForeignCluster
) -> None:
    done = scripts.run(
        f"""
        import os
        from orchestra_nb import flow, notebook_flow, notebook_task, task
        from orchestra_nb.task_runners import DaskTaskRunner

        train = notebook_task("train.ipynb", returns=["square", "where"])
        here = notebook_task("train.ipynb", returns="where", cluster="local")

        @task
        def place(found):
            return found, os.environ["WHERE"]

        @flow(task_runner=DaskTaskRunner(address={cluster.address!r}))
        def pipeline():
            squares = train.map(alpha=[2, 3, 4])
            places = [place.submit(square).result() for square in squares]
            swept = notebook_flow("train.ipynb").map(alpha=[5, 6])
            return places, [values.where for values in swept.values], here.submit(alpha=1).result()

        if __name__ == "__main__":
            os.environ["WHERE"] = "here"
            print(pipeline())
        """
    )

    far = "on a worker"
    expected = ([((square, far), far) for square in (4, 9, 16)], [far, far], "here")
    assert done.stdout == f"{expected}\n", done.stderr
    (flow_run,) = scripts.store.list_runs(kind=RunKind.FLOW)
    tasks = scripts.store.task_runs(flow_run.run_id)
    children = scripts.store.children(flow_run.run_id)
    assert {child.driver_id for child in children} == {flow_run.driver_id}
    notebooks = {child.parent_task_run_id: child for child in children if child.kind is RunKind.NOTEBOOK}
    clusters = {task.name: notebooks[task.task_run_id].cluster for task in tasks if task.task_run_id in notebooks}
    assert clusters == {**{f"train-{n}": cluster.address for n in range(3)}, "train-3": "local"}


def test_a_flow_that_is_cancelled_ends_its_notebooks_on_the_cluster(
    scripts: FlowScripts, cluster: ForeignCluster
) -> None:
    source = f"""
        from orchestra_nb import flow, notebook_task
        from orchestra_nb.task_runners import DaskTaskRunner

        @flow(task_runner=DaskTaskRunner(address={cluster.address!r}))
        def pipeline():
            return notebook_task("endless.ipynb").map(number=[0, 1])

        if __name__ == "__main__":
            pipeline()
        """
    with scripts.started(source) as script:
        kernels = wait_for_kernels(scripts, 0, 1)
        (flow_run,) = scripts.store.list_runs(kind=RunKind.FLOW)
        assert scripts.orchestra("runs", "cancel", flow_run.name).returncode == 0
        script.communicate(timeout=PATIENCE_SECONDS)

    assert scripts.store.get_run(flow_run.run_id).state is State.CANCELLED
    assert {child.state for child in scripts.store.children(flow_run.run_id)} == {State.CANCELLED}
    nothing_is_left(kernels)


def test_more_notebooks_than_slots_whose_task_cells_need_the_same_slots_all_end(
    scripts: FlowScripts, cluster: ForeignCluster
) -> None:
    write_notebook(
        scripts.folder / "cells.ipynb",
        "%load_ext orchestra_nb",
        """
        %%task
        import os
        square = number * number, os.environ["WHERE"]
        """,
        "from orchestra_nb import record\nrecord(square=square)",
        parameters="number = 1",
    )

    done = scripts.orchestra(
        *("run", "cells.ipynb", "--sweep", "number=1:4:1", "--limit", "4", "--cluster", cluster.address, "--json")
    )

    document = json.loads(done.stdout)
    assert [row["values"]["square"] for row in document["runs"]] == [[n * n, "on a worker"] for n in (1, 2, 3, 4)]
    tasks = [task for child in children_of(scripts) for task in scripts.store.task_runs(child.run_id)]
    assert [task.state for task in tasks] == [State.COMPLETED] * 4


@pytest.mark.parametrize("how", ["cancel", "ctrl-c"])
def test_a_sweep_on_a_cluster_that_is_stopped_leaves_nothing_behind(
    scripts: FlowScripts, cluster: ForeignCluster, how: str
) -> None:
    words = ("run", "endless.ipynb", "--sweep", "number=0:4:1", "--cluster", cluster.address)
    with scripts.orchestra_started(*words) as command:
        kernels = wait_for_kernels(scripts, 0, 1)
        if how == "cancel":
            assert scripts.orchestra("runs", "cancel", the_sweep(scripts).name).returncode == 0
        else:
            command.send_signal(signal.SIGINT)
        output, _ = command.communicate(timeout=PATIENCE_SECONDS)

    assert command.returncode == (1 if how == "cancel" else 130)
    assert "Not started" in output
    assert the_sweep(scripts).state is State.CANCELLED
    assert [child.state for child in children_of(scripts)] == [State.CANCELLED] * 2
    executed = Path(str(children_of(scripts)[0].output_path))
    assert "begun" in executed.read_text()  # what it had shown came back
    nothing_is_left(kernels)


def test_a_run_that_takes_too_long_on_a_cluster_is_timed_out(scripts: FlowScripts, cluster: ForeignCluster) -> None:
    done = scripts.run(
        f"""
        from orchestra_nb import notebook_flow

        if __name__ == "__main__":
            endless = notebook_flow("endless.ipynb", cluster={cluster.address!r}, timeout_seconds=5)
            sweep = endless.map(is_endless=[True, False], number=[0, 1], raise_on_failure=False)
            print([(row.run.state.value, row.run.message) for row in sweep.rows])
        """
    )

    assert done.stdout == "[('TIMED_OUT', 'Ran longer than 5 s in cell 2'), ('COMPLETED', '')]\n", done.stderr
    nothing_is_left(wait_for_kernels(scripts, 0, 1))


def test_a_runner_that_is_killed_on_a_cluster_takes_its_run_along_and_no_other(
    scripts: FlowScripts, cluster: ForeignCluster
) -> None:
    words = ("run", "endless.ipynb", "--sweep-file", "list.yaml", "--cluster", cluster.address, "--json")
    (scripts.folder / "list.yaml").write_text("- {number: 0}\n- {number: 1, is_endless: false}\n")
    with scripts.orchestra_started(*words) as command:
        kernels = wait_for_kernels(scripts, 0, 1)
        # it is seen while it runs, also when nothing happens any more
        executed = scripts.folder / f"endless.{the_sweep(scripts).name}" / "1_number=0.ipynb"
        eventually(lambda: True if executed.exists() and "begun" in executed.read_text() else None)
        runner_of(scripts, 0).kill()
        output, _ = command.communicate(timeout=PATIENCE_SECONDS)

    rows = json.loads(output)["runs"]
    assert [row["state"] for row in rows] == ["CRASHED", "COMPLETED"]
    assert "The process that ran the notebook ended (killed by SIGKILL)" in rows[0]["message"]
    executed = json.loads(Path(rows[0]["output"]).read_text())
    assert executed["metadata"]["orchestra"]["state"] == "CRASHED"
    nothing_is_left(kernels)


def test_a_command_that_is_killed_leaves_nothing_on_the_cluster(scripts: FlowScripts, cluster: ForeignCluster) -> None:
    words = ("run", "endless.ipynb", "--sweep", "number=0,1", "--cluster", cluster.address)
    with scripts.orchestra_started(*words) as command:
        kernels = wait_for_kernels(scripts, 0, 1)
        command.kill()
        command.communicate(timeout=PATIENCE_SECONDS)

    nothing_is_left(kernels)

    def has_ended() -> bool:
        # by whoever opens the store, or by the command's watcher where a runner still writes its file: it waits for that
        scripts.orchestra("runs", "ls")
        return the_sweep(scripts).state.is_terminal

    eventually(has_ended)
    assert the_sweep(scripts).state is State.CRASHED
    assert [child.state for child in children_of(scripts)] == [State.CRASHED] * 2
    before = set(cluster.worker_pids())
    again = scripts.orchestra("run", "train.ipynb", "--sweep", "alpha=1", "--cluster", cluster.address)
    assert again.returncode == 0, again.stderr
    assert set(cluster.worker_pids()) == before  # no worker had to be ended for it


def test_a_worker_that_dies_takes_its_run_along_and_no_other(scripts: FlowScripts, cluster: ForeignCluster) -> None:
    words = ("run", "endless.ipynb", "--sweep-file", "list.yaml", "--cluster", cluster.address, "--json")
    (scripts.folder / "list.yaml").write_text("- {number: 0}\n- {number: 1}\n- {number: 2, is_endless: false}\n")
    with scripts.orchestra_started(*words) as command:
        kernels = wait_for_kernels(scripts, 0, 1)
        executed = scripts.folder / f"endless.{the_sweep(scripts).name}" / "1_number=0.ipynb"
        # it is seen while it runs
        eventually(lambda: True if executed.exists() and "begun" in executed.read_text() else None)
        worker, other = (worker_of(kernel, cluster) for kernel in kernels)
        worker.kill()
        eventually(lambda: True if children_of(scripts)[0].state.is_terminal else None)
        (scripts.folder / "go").touch()
        output, _ = command.communicate(timeout=PATIENCE_SECONDS)

    rows = json.loads(output)["runs"]
    # Dask may have put both on one worker, since their hosts leave its slot to their task cells
    beside = "COMPLETED" if other.pid != worker.pid else "CRASHED"
    assert [row["state"] for row in rows] == ["CRASHED", beside, "COMPLETED"]
    assert "The process that ran the notebook ended" in rows[0]["message"]
    assert json.loads(executed.read_text())["metadata"]["orchestra"]["state"] == "CRASHED"
    assert "begun" in executed.read_text()
    nothing_is_left(kernels)


def test_a_notebook_of_a_sweep_that_is_retried_alone_goes_to_the_cluster_again(
    scripts: FlowScripts, cluster: ForeignCluster
) -> None:
    write_notebook(
        scripts.folder / "once.ipynb",
        """
        import os
        from pathlib import Path
        from orchestra_nb import record

        record(where=os.environ["WHERE"], folder=os.getcwd())
        Path("tried").touch(exist_ok=False)
        """,
        parameters="number = 1",
    )
    (scripts.folder / "tried").touch()
    scripts.environment["WHERE"] = "here"
    scripts.orchestra("run", "once.ipynb", "--sweep", "number=1", "--cluster", cluster.address)
    (child,) = children_of(scripts)
    assert child.state is State.FAILED
    (scripts.folder / "tried").unlink()

    again = scripts.orchestra("runs", "retry", child.name)

    assert again.returncode == 0, again.stderr
    assert scripts.store.get_run(child.run_id).state is State.COMPLETED
    results = scripts.orchestra("runs", "results", child.name, "where")
    assert results.stdout.strip().strip('"') == "on a worker", results.stderr


def test_a_sweep_waits_for_workers_takes_those_that_come_and_crashes_with_the_scheduler(
    scripts: FlowScripts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with foreign_cluster(tmp_path_factory.mktemp("changing"), 0) as changing:
        words = ("run", "endless.ipynb", "--cluster", changing.address, "--json", "--sweep")
        with scripts.orchestra_started(*words, "number=0") as given_up:
            line = eventually(lambda: first_logged(scripts))
            given_up.send_signal(signal.SIGINT)
            given_up.communicate(timeout=PATIENCE_SECONDS)
        with scripts.orchestra_started(*words, "number=0:5:1") as command:
            changing.add_worker()
            (first,) = wait_for_kernels(scripts, 0)
            assert not (scripts.folder / "kernel-1").exists()
            changing.add_worker()
            (second,) = wait_for_kernels(scripts, 1)
            changing.scheduler.kill()
            output, _ = command.communicate(timeout=PATIENCE_SECONDS)
        nothing_is_left([first, second])

    assert line == f"The notebook waits for a worker: the cluster {changing.address} has none"
    assert given_up.returncode == 130
    rows = json.loads(output)["runs"]
    assert [row["state"] for row in rows[:2]] == ["CRASHED"] * 2
    assert all("lost the Dask scheduler" in row["message"] for row in rows[:2])
    assert rows[5]["state"] is None  # what is left is not tried one by one
    assert [sweep.state for sweep in scripts.store.list_runs(kind=RunKind.SWEEP)] == [State.FAILED, State.CANCELLED]


def first_logged(scripts: FlowScripts) -> str | None:
    """Return the first line that a child run of the sweep logged; None while there is none."""
    if not scripts.store.list_runs():
        return None
    lines = (line.message for run in children_of(scripts) for _, line in scripts.store.log_lines(run.run_id))
    return next(lines, None)


def test_a_sweep_on_a_cluster_that_is_not_there_is_refused(scripts: FlowScripts) -> None:
    scripts.environment["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = "1s"
    done = scripts.orchestra("run", "train.ipynb", "--sweep", "alpha=1,2", "--cluster", "tcp://127.0.0.1:1")

    assert done.returncode != 0
    assert "No Dask scheduler answered at tcp://127.0.0.1:1" in done.stderr
    assert scripts.store.list_runs() == []


def runner_of(scripts: FlowScripts, number: int) -> psutil.Process:
    """Return the runner of a run of the endless notebook: who listens to its kernel."""
    path = (scripts.folder / f"socket-{number}").read_text()
    (found,) = {one.pid for one in psutil.net_connections("unix") if one.laddr == path and one.pid}
    return psutil.Process(found)


def worker_of(kernel: int, cluster: ForeignCluster) -> psutil.Process:
    """Return the worker's process that hosts the notebook of this kernel."""
    workers = set(cluster.worker_pids())
    return next(parent for parent in psutil.Process(kernel).parents() if parent.pid in workers)
