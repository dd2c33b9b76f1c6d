"""Flows in scripts: real processes, unguarded, with what they print, how they exit, and what the store keeps."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from tests.faults.invariants import assert_invariants
from tests.patience import PATIENCE_SECONDS


@dataclass
class Scripts:
    """A folder of scripts with a store of its own."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        url = f"sqlite:///{self.folder / 'runs.db'}"
        root = str(Path(__file__).resolve().parents[2])
        return {**os.environ, "ORCHESTRA_STORE_URL": url, "PYTHONPATH": root, "ORCHESTRA_CLUSTER_IDLE_SECONDS": "30"}

    def write(self, name: str, source: str) -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(source))
        return path

    def start(self, source: str, task_runner: str = "threads") -> subprocess.Popen[str]:
        path = self.write("script.py", source)
        return subprocess.Popen(
            [sys.executable, path.name],
            cwd=self.folder,
            env={**self.environ, "ORCHESTRA_TASK_RUNNER": task_runner},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source: str, task_runner: str = "threads") -> tuple[int, str, str]:
        """Run a script to its end; return its exit code and what it wrote."""
        process = self.start(source, task_runner)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out, err

    def runs(self) -> list[tuple[Run, list[tuple[str, State]]]]:
        """Return all runs with the names and ends of their tasks, the oldest first; the invariants hold for each."""
        database = open_database(f"sqlite:///{self.folder / 'runs.db'}")
        try:
            store = RunStore(database)
            found = []
            for run in reversed(store.list_runs(limit=100)):
                assert_invariants(store, run.run_id)
                found.append((run, [(task.name, task.state) for task in store.task_runs(run.run_id)]))
            return found
        finally:
            database.close()

    def wait_for(self, name: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (self.folder / name).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


HELLO = """
    from orchestra_nb import flow, task

    @task
    def hello(name):
        return f"hello {name}"

    @task
    def shout(words):
        print("shouting")
        return [word.upper() for word in words]

    @flow(log_prints=True)
    def greet(count: int = 2):
        print("greeting")
        first = hello("you")
        return first, shout.submit(hello.map([str(n) for n in range(count)])).result()

    print(greet())
"""


@pytest.mark.parametrize("task_runner", ["threads", "dask"])
def test_an_unguarded_script_runs_its_flow_once(scripts: Scripts, task_runner: str) -> None:
    code, out, err = scripts.run(HELLO, task_runner)

    assert (code, out) == (0, "('hello you', ['HELLO 0', 'HELLO 1'])\n")
    assert [line.partition(" | INFO    | ")[2].partition("'")[0] for line in err.splitlines()] == [
        "Flow run ",
        "Flow run ",
        "Task run ",
        "Flow run ",
    ]
    ((run, tasks),) = scripts.runs()
    assert (run.flow_name, run.state, run.parameters) == ("greet", State.COMPLETED, {"count": 2})
    assert sorted(tasks) == [
        ("hello-0", State.COMPLETED),
        ("hello-1", State.COMPLETED),
        ("hello-2", State.COMPLETED),
        ("shout-0", State.COMPLETED),
    ]


def test_an_unguarded_script_may_have_a_dask_cluster_of_its_own(scripts: Scripts) -> None:
    source = """
    from orchestra_nb import flow, task
    from orchestra_nb.task_runners import DaskTaskRunner

    print("begins")
    OFFSET = 10

    @task
    def add(x):
        return x + OFFSET

    @flow(task_runner=DaskTaskRunner(cluster_kwargs={"n_workers": 1, "dashboard_address": ":0"}))
    def own():
        return add.map(range(3)).result()

    print(own())
    """

    code, out, err = scripts.run(source)

    assert (code, out.splitlines()) == (0, ["begins", "[10, 11, 12]"])
    assert "Traceback" not in err


def test_a_failing_flow_ends_its_script_with_a_short_traceback(scripts: Scripts) -> None:
    code, out, err = scripts.run(
        """
        from orchestra_nb import flow, task

        @task
        def divide(x):
            return 1 / x

        @flow
        def ratio():
            return divide.submit(0).result()

        ratio()
        print("not reached")
        """
    )

    assert (code, out) == (1, "")
    said, _, raised = err.rpartition("Finished in state Failed")  # the log on the console, and what Python says
    assert "Failed: ZeroDivisionError: division by zero\nTraceback" in said
    lines = [line.strip() for line in raised.splitlines()[1:] if line.strip(" ^~")]
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ZeroDivisionError: division by zero"
    users = [line.rpartition(", in ")[2] for line in lines if line.startswith("File") and "script.py" in line]
    ours = [line for line in lines if line.startswith("File") and "orchestra_nb" in line]
    assert (users, len(ours)) == (["<module>", "ratio", "divide"], 0)
    ((run, tasks),) = scripts.runs()
    assert (run.state, run.message) == (State.FAILED, "ZeroDivisionError: division by zero")
    assert tasks == [("divide-0", State.FAILED)]


def test_modules_beside_the_script_are_found_by_workers_also_after_an_edit(scripts: Scripts) -> None:
    source = """
        from helpers_beside import describe
        from orchestra_nb import flow

        @flow
        def describing():
            return describe.submit().result()

        print(*describing())
    """
    helper = """
        import os
        from orchestra_nb import task

        class Thing:
            pass

        thing = Thing()

        @task
        def describe():
            with open("beside.txt") as file:
                text = file.read()
            return VERSION, type(thing) is Thing, os.getcwd(), text

        VERSION = "first"
    """
    scripts.write("beside.txt", "relative")
    scripts.write("helpers_beside.py", helper)
    first = scripts.run(source, "dask")
    scripts.write("helpers_beside.py", helper.replace('"first"', '"second version"'))
    second = scripts.run(source, "dask")

    here = os.path.realpath(scripts.folder)
    assert first[:2] == (0, f"first True {here} relative\n"), first[2]
    assert second[:2] == (0, f"second version True {here} relative\n"), second[2]


def test_a_module_of_the_same_name_in_another_folder_is_another_module(tmp_path: Path) -> None:
    source = """
        from helpers_twice import word
        from orchestra_nb import flow

        @flow
        def saying():
            return word.map(range(4)).result()

        print(*saying())
    """
    answers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        scripts = Scripts(tmp_path / name)
        scripts.write(
            "helpers_twice.py", f"from orchestra_nb import task\n@task\ndef word(number):\n    return {name!r}\n"
        )
        answers.append(scripts.run(source, "dask")[1])

    assert answers == ["one one one one\n", "two two two two\n"]


def test_ctrl_c_cancels_the_flow_and_ends_the_script_as_python_does(scripts: Scripts) -> None:
    process = scripts.start(
        """
        import pathlib, time
        from orchestra_nb import flow, task

        @task
        def hold():
            while True:
                time.sleep(0.01)

        @flow
        def holding():
            future = hold.submit()
            while future.state.name != "Running":
                time.sleep(0.01)
            pathlib.Path("begun").touch()
            time.sleep(600)

        holding()
        """
    )
    scripts.wait_for("begun")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode in (130, -signal.SIGINT)
    assert err.rstrip().endswith("KeyboardInterrupt")
    ((run, tasks),) = scripts.runs()
    assert (run.state, run.message, tasks) == (State.CANCELLED, "interrupted", [("hold-0", State.CANCELLED)])


def test_ctrl_c_while_a_cluster_is_being_connected_to_is_quiet(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("ORCHESTRA_CLUSTER", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        process = scripts.start(
            """
            from orchestra_nb import flow, task

            @task
            def work(): ...

            @flow
            def waiting():
                work.submit().result()

            waiting()
            """,
            "dask",
        )
        connection, _ = silent.accept()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
        connection.close()

    assert process.returncode in (130, -signal.SIGINT)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "Warning" not in err


def test_a_flow_cancelled_from_another_shell_ends_while_its_body_sleeps(scripts: Scripts) -> None:
    process = scripts.start(
        """
        import pathlib, time
        from orchestra_nb import flow

        @flow(flow_run_name="calm-fox")
        def sleeping():
            pathlib.Path("begun").touch()
            time.sleep(600)

        sleeping()
        """
    )
    scripts.wait_for("begun")
    cancel = [sys.executable, "-m", "orchestra_nb", "runs", "cancel", "calm-fox"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:  # the driver claims its run with the first events that it stores
        asked = subprocess.run(cancel, env=scripts.environ, capture_output=True, text=True, check=False)
        if asked.returncode == 0 or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert asked.returncode == 0, asked.stderr
    assert process.returncode == 1
    assert "TaskWasCancelled: cancelled by" in err.splitlines()[-1]
    ((run, _),) = scripts.runs()
    assert run.state is State.CANCELLED


def test_tasks_that_a_script_leaves_behind_are_waited_for_or_cancelled_at_its_end(scripts: Scripts) -> None:
    code, out, _ = scripts.run(
        """
        import time
        from orchestra_nb import flow, task

        @task
        def hold():
            while True:
                time.sleep(0.01)

        @task
        def quick():
            return 1

        @flow
        def finishing():
            quick.submit()
            return "value"

        print(finishing())
        hold.submit()
        """
    )

    assert (code, out) == (0, "value\n")
    (finished, left) = scripts.runs()
    assert (finished[0].state, finished[1]) == (State.COMPLETED, [("quick-0", State.COMPLETED)])
    assert (left[0].state, left[1]) == (State.CANCELLED, [("hold-0", State.CANCELLED)])


def test_sys_exit_in_a_task_is_its_failure(scripts: Scripts) -> None:
    code, out, _ = scripts.run(
        """
        import sys
        from orchestra_nb import flow, task

        @task
        def leave():
            sys.exit(3)

        @flow
        def leaving():
            state = leave.submit(return_state=True)
            return state.message

        print(leaving())
        """,
        "dask",
    )

    assert (code, out) == (0, "SystemExit: task called sys.exit(3)\n")
