"""Flow runs that are run again in the same run: by hand, by their dead letter, and after a suspension."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from flow_scripts import FlowScripts, flow_scripts
from notebook_files import write_notebook
from patience import PATIENCE_SECONDS

from orchestra_nb.model.dead_letters import LetterState
from orchestra_nb.model.events import ValueRecorded
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import REOPENABLE_STATES, State, may_follow
from orchestra_nb.operations.dead_letter_decisions import list_dead_letters
from orchestra_nb.operations.run_questions import answer_input
from orchestra_nb.store.recorded_value_store import RecordedValueStore


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[FlowScripts]:
    with flow_scripts(tmp_path) as found:
        yield found


def assert_history_is_a_path(scripts: FlowScripts, run_id: str) -> None:
    """Each step is an edge of the state graph, or opens the next epoch from where that is allowed."""
    changes = [change for change in scripts.store.state_changes(run_id) if change.task_run_id is None]
    for before, after in pairwise(changes):
        assert after.from_state is before.to_state
        if after.epoch == before.epoch:
            assert may_follow(before.to_state, after.to_state)
        else:
            assert after.epoch == before.epoch + 1
            assert after.to_state is State.SCHEDULED
            assert before.to_state in REOPENABLE_STATES | {State.PAUSED}
            assert after.actor.startswith("command line of")


MENDED = """
    from pathlib import Path
    from orchestra_nb import flow, task

    @task
    def step(word):
        return word.upper()

    @flow
    def mended(words, times: int = 2):
        found = step.map(words).result() * times
        if not Path("mended").exists():
            raise ValueError("not yet")
        Path("out").write_text(repr(found))
    {call}
"""


@pytest.mark.parametrize(
    "call",
    [
        pytest.param('mended(["a", "b"])', id="an unguarded script"),
        pytest.param('if __name__ == "__main__": mended(["a", "b"])', id="a guarded script"),
        pytest.param('mended(("a", "b"))', id="parameters that JSON would change"),
        pytest.param('mended.with_options(name="other")(["a", "b"])', id="a flow under no name"),
    ],
)
def test_a_failed_run_is_retried_in_place_with_its_parameters(scripts: FlowScripts, call: str) -> None:
    script = scripts.run(MENDED.format(call=call))
    run = scripts.store.list_runs()[0]
    (scripts.folder / "mended").touch()
    elsewhere = scripts.folder / "elsewhere"
    elsewhere.mkdir()

    retried = subprocess.run(
        [sys.executable, "-m", "orchestra_nb", "runs", "retry", run.name, "--note", "mended it"],
        cwd=elsewhere,
        env=scripts.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert (script.returncode, retried.returncode) == (1, 0), retried.stderr
    assert (scripts.folder / "out").read_text() == "['A', 'B', 'A', 'B']"
    assert [found.run_id for found in scripts.store.list_runs()] == [run.run_id]
    again = scripts.store.get_run(run.run_id)
    assert (again.state, again.epoch, again.message) == (State.COMPLETED, 2, "")
    assert scripts.states(run.run_id) == [
        (1, "PENDING"),
        (1, "RUNNING"),
        (1, "FAILED"),
        (2, "SCHEDULED"),
        (2, "PENDING"),
        (2, "RUNNING"),
        (2, "COMPLETED"),
    ]
    (reopened,) = [change for change in scripts.store.state_changes(run.run_id) if change.to_state is State.SCHEDULED]
    assert reopened.message.endswith(": mended it")
    assert sorted(task.epoch for task in scripts.store.task_runs(run.run_id)) == [1, 1, 2, 2]
    assert_history_is_a_path(scripts, run.run_id)


def test_a_flow_of_a_module_is_imported_again(scripts: FlowScripts) -> None:
    scripts.write(
        "flows_of_mine.py",
        """
        from pathlib import Path
        from orchestra_nb import flow

        @flow
        async def late(n):
            if not Path("mended").exists():
                raise ValueError("not yet")
            Path("out").write_text(str(n))
        """,
    )
    scripts.run("import asyncio, flows_of_mine; asyncio.run(flows_of_mine.late(3))")
    run = scripts.store.list_runs()[0]
    (scripts.folder / "mended").touch()

    retried = scripts.orchestra("runs", "retry", run.run_id, "--json")

    assert json.loads(retried.stdout) == {
        "run_id": run.run_id,
        "name": run.name,
        "state": "COMPLETED",
        "epoch": 2,
    }, retried.stderr
    assert (scripts.folder / "out").read_text() == "3"


def test_a_flow_of_an_interactive_session_is_kept_signed(scripts: FlowScripts) -> None:
    source = """
        from pathlib import Path
        from orchestra_nb import flow, task
        factor = 3
        @task
        def times(n):
            return n * factor

        @flow
        def typed(n):
            if not Path("mended").exists():
                raise ValueError("not yet")
            Path("out").write_text(str(times.submit(n).result()))

        typed(2)
    """
    subprocess.run(
        [sys.executable, "-i", "-q"],
        input="\n".join(line[8:] for line in source.splitlines()),
        cwd=scripts.folder,
        env=scripts.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    run = scripts.store.list_runs()[0]
    (scripts.folder / "mended").touch()
    (pickle_file,) = scripts.folder.glob("data/**/*.pickle")
    content = pickle_file.read_bytes()

    pickle_file.write_bytes(content[:-1] + b"!")
    altered = scripts.orchestra("runs", "retry", run.name)
    pickle_file.write_bytes(content)
    retried = scripts.orchestra("runs", "retry", run.name)

    assert altered.returncode == 1
    assert "was altered or replaced" in altered.stderr
    assert retried.returncode == 0, retried.stderr
    assert (scripts.folder / "out").read_text() == "6"
    assert scripts.store.get_run(run.run_id).epoch == 2


def test_what_is_missing_is_said_and_the_run_stays_as_it_is(scripts: FlowScripts) -> None:
    scripts.run(MENDED.format(call='mended(["a"])'))
    run = scripts.store.list_runs()[0]
    (scripts.folder / "script.py").write_text("renamed = 1")
    renamed = scripts.orchestra("runs", "retry", run.name)
    (scripts.folder / "script.py").unlink()
    gone = scripts.refused("runs", "retry", run.name)

    assert (renamed.returncode, gone.returncode) == (3, 3)
    assert "script.py has no flow 'mended'" in renamed.stderr
    assert "script.py is not there any more" in gone.stderr
    assert scripts.store.get_run(run.run_id).state is State.FAILED
    assert scripts.store.get_run(run.run_id).epoch == 1


def test_parameters_that_cannot_be_kept_keep_a_run_from_being_retried(scripts: FlowScripts) -> None:
    source = """
        import threading
        from orchestra_nb import flow

        @flow
        def locked(lock):
            raise ValueError("bad")

        locked(threading.Lock())
    """
    scripts.run(source)
    run = scripts.store.list_runs()[0]

    retried = scripts.refused("runs", "retry", run.name)

    assert run.state is State.FAILED
    assert retried.returncode == 3
    assert "its parameters could not be kept when it began" in retried.stderr
    assert "lock" in retried.stderr


def test_what_ended_well_is_not_retried(scripts: FlowScripts) -> None:
    scripts.run(
        """
        from orchestra_nb import flow

        @flow
        def one():
            return 1

        one()
        """
    )
    retried = scripts.refused("runs", "retry", scripts.store.list_runs()[0].name)

    assert retried.returncode == 1
    assert "is COMPLETED: there is nothing to retry" in retried.stderr


KEPT = """
    from pathlib import Path
    from orchestra_nb import flow, task
    from orchestra_nb.cache_policies import INPUTS

    RATE = 2

    @task
    def priced(row):
        return row * RATE

    @flow
    def total(rows):
        return sum(priced(row) for row in rows)

    def clean(rows):
        return sorted(rows)

    def count(name):
        with Path(f"{name}-calls").open("a") as calls:
            calls.write("x")

    @task(persist_result=True)
    def calls_a_task(rows):
        count("task")
        return [priced(row) for row in rows]

    @task(persist_result=True)
    def calls_a_flow(rows):
        count("flow")
        return total(rows)

    @task(persist_result=True)
    def calls_a_function(rows):
        count("function")
        return clean(rows)

    @task(cache_policy=INPUTS)
    def by_inputs(rows):
        count("inputs")
        return priced(rows)

    @flow
    def report():
        rows = [2, 1]
        for step in (calls_a_task, calls_a_flow, calls_a_function, by_inputs):
            step(rows)
        if not Path("mended").exists():
            raise ValueError("not yet")

    if __name__ == "__main__":
        report()
"""


@pytest.mark.parametrize("name", ["script.py", "daily-report.py", "trace.py"])
def test_a_retry_replays_what_was_kept_whatever_it_calls_until_that_is_changed(scripts: FlowScripts, name: str) -> None:
    def calls() -> dict[str, str]:
        return {kind: (scripts.folder / f"{kind}-calls").read_text() for kind in ("task", "flow", "function", "inputs")}

    scripts.run(KEPT, name)
    run = next(run for run in scripts.store.list_runs() if run.flow_name == "report")
    once = {"task": "x", "flow": "x", "function": "x", "inputs": "x"}
    assert calls() == once

    failed = scripts.orchestra("runs", "retry", run.name)
    assert "ValueError: not yet" in failed.stdout + failed.stderr
    assert calls() == once
    # what they use is changed, and with it the two whose code counts
    scripts.write(name, KEPT.replace("RATE = 2", "RATE = 3"))
    (scripts.folder / "mended").touch()
    mended = scripts.orchestra("runs", "retry", run.name)
    assert mended.returncode == 0, mended.stderr
    assert calls() == {**once, "task": "xx", "flow": "xx"}


def test_a_run_whose_process_died_is_retried_and_a_cancel_reaches_the_new_process(scripts: FlowScripts) -> None:
    source = """
        import time
        from orchestra_nb import flow

        @flow
        def endless():
            while True:
                time.sleep(0.05)

        endless()
    """
    with scripts.started(source) as script:
        run = scripts.wait_for_run(State.RUNNING)
        script.send_signal(signal.SIGKILL)
        script.wait()
    scripts.orchestra("runs", "ls")  # whoever opens the store looks for lost runs
    scripts.wait_for_run(State.CRASHED)

    for epoch in (2, 3):
        with scripts.orchestra_started("runs", "retry", run.name) as retrying:
            scripts.wait_for_run(State.RUNNING, epoch)
            running = scripts.refused("runs", "retry", run.name)
            scripts.orchestra("runs", "cancel", run.name)
            _, errors = retrying.communicate(timeout=PATIENCE_SECONDS)
        assert running.returncode == 1
        assert "it can be retried when it has ended" in running.stderr
        assert retrying.returncode == 1, errors
        assert scripts.store.get_run(run.run_id).state is State.CANCELLED
    assert_history_is_a_path(scripts, run.run_id)


def test_a_retry_whose_process_dies_is_crashed_in_its_own_epoch(scripts: FlowScripts) -> None:
    source = """
        import time
        from pathlib import Path
        from orchestra_nb import flow

        @flow
        def second_is_endless():
            if not Path("second").exists():
                Path("second").touch()
                raise ValueError("first")
            while True:
                time.sleep(0.05)

        second_is_endless()
    """
    scripts.run(source)
    run = scripts.store.list_runs()[0]
    with scripts.orchestra_started("runs", "retry", run.name) as retrying:
        scripts.wait_for_run(State.RUNNING, 2)
        os.kill(retrying.pid, signal.SIGKILL)
        retrying.wait()
    scripts.orchestra("runs", "ls")
    crashed = scripts.wait_for_run(State.CRASHED, 2)

    assert "The shell command" in crashed.message
    assert scripts.states(run.run_id)[-2:] == [(2, "RUNNING"), (2, "CRASHED")]


def test_of_two_who_retry_at_once_one_runs_it(scripts: FlowScripts) -> None:
    source = """
        from pathlib import Path
        from orchestra_nb import flow

        @flow
        def once():
            with open("log", "a") as log:
                log.write("ran\\n")
            raise ValueError("always")

        once()
    """
    scripts.run(source)
    run = scripts.store.list_runs()[0]
    (scripts.folder / "log").unlink()
    letter = list_dead_letters(scripts.store)[0].letter_id
    with (
        scripts.orchestra_started("dead-letters", "retry", letter) as first,
        scripts.orchestra_started("dead-letters", "retry", letter) as second,
    ):
        ends = [process.communicate(timeout=PATIENCE_SECONDS)[1] for process in (first, second)]

    assert (scripts.folder / "log").read_text() == "ran\n", ends
    assert scripts.store.get_run(run.run_id).epoch == 2


def test_a_flow_that_failed_for_good_is_a_dead_letter_that_is_retried_once(scripts: FlowScripts) -> None:
    scripts.run(MENDED.format(call='mended(["a"])').replace("@flow", "@flow(retries=1)"))
    run = scripts.store.list_runs()[0]
    (letter,) = list_dead_letters(scripts.store)
    failed = scripts.orchestra("dead-letters", "retry", letter.letter_id)
    (scripts.folder / "mended").touch()
    newer = list_dead_letters(scripts.store)
    old = scripts.orchestra("dead-letters", "retry", letter.letter_id)
    mended = scripts.orchestra("dead-letters", "retry", run.run_id)
    listed = scripts.orchestra("dead-letters", "ls", "--all", "--json")

    assert (letter.name, letter.flow_name, letter.attempts, letter.ended_as) == (run.name, "mended", 2, State.FAILED)
    assert letter.error is not None
    assert letter.error.type == "ValueError"
    assert letter.code == f"{scripts.folder}/script.py:mended"
    assert failed.returncode == 1
    assert [found.epoch for found in newer] == [2]
    assert old.returncode == 1
    assert "Each is decided about once" in old.stderr
    assert mended.returncode == 0, mended.stderr
    assert [found["state"] for found in json.loads(listed.stdout)["dead_letters"]] == ["RETRIED", "RETRIED"]


FAILING_TASKS = """
    from pathlib import Path
    from orchestra_nb import flow, task

    @task(retries=1)
    def fit(n, *, name="x"):
        with open("log", "a") as log:
            log.write(f"{name}{n}\\n")
        if not Path("mended").exists():
            raise ValueError(n)
        return n

    @task
    def load():
        return 4

    @flow
    def tolerant():
        (fit.submit(CALL)).wait()

    tolerant()
"""


def test_a_task_that_failed_for_good_is_run_again_alone(scripts: FlowScripts) -> None:
    scripts.run(FAILING_TASKS.replace("CALL", "3, name='y'"))
    run = scripts.store.list_runs()[0]
    (letter,) = list_dead_letters(scripts.store)
    (scripts.folder / "mended").touch()
    (scripts.folder / "log").unlink()
    retried = scripts.orchestra("dead-letters", "retry", letter.letter_id, "--json")
    again = scripts.orchestra("dead-letters", "retry", letter.letter_id)
    shown = scripts.orchestra("dead-letters", "show", letter.letter_id)

    assert run.state is State.COMPLETED
    assert (letter.name, letter.flow_name, letter.attempts) == ("fit-0", "tolerant", 2)
    assert retried.returncode == 0, retried.stderr
    assert (scripts.folder / "log").read_text() == "y3\n"
    assert json.loads(retried.stdout)["run_id"] != run.run_id
    assert again.returncode == 1
    assert "Each is decided about once" in again.stderr
    assert "retried by" in shown.stdout
    assert scripts.store.get_run(run.run_id).epoch == 1


def test_a_task_that_fails_again_is_a_new_dead_letter(scripts: FlowScripts) -> None:
    scripts.run(FAILING_TASKS.replace("CALL", "3"))
    (letter,) = list_dead_letters(scripts.store)
    retried = scripts.orchestra("dead-letters", "retry", letter.letter_id)
    (newer,) = list_dead_letters(scripts.store)

    assert retried.returncode == 1
    assert (newer.name, newer.attempts, newer.letter_id != letter.letter_id) == ("fit-0", 2, True)


def test_of_two_who_retry_a_task_at_once_one_runs_it(scripts: FlowScripts) -> None:
    scripts.run(FAILING_TASKS.replace("CALL", "3"))
    (letter,) = list_dead_letters(scripts.store)
    (scripts.folder / "mended").touch()
    (scripts.folder / "log").unlink()
    with (
        scripts.orchestra_started("dead-letters", "retry", letter.letter_id) as first,
        scripts.orchestra_started("dead-letters", "retry", letter.letter_id) as second,
    ):
        ends = [process.communicate(timeout=PATIENCE_SECONDS)[1] for process in (first, second)]

    assert (scripts.folder / "log").read_text() == "x3\n", ends
    assert sorted(process.returncode for process in (first, second)) == [0, 1]


def test_a_task_that_took_values_of_others_is_run_again_with_its_run(scripts: FlowScripts) -> None:
    scripts.run(FAILING_TASKS.replace("CALL", "load.submit()"))
    run = scripts.store.list_runs()[0]
    (letter,) = list_dead_letters(scripts.store)
    refused = scripts.orchestra("dead-letters", "retry", letter.letter_id)

    assert refused.returncode == 3
    assert "it took values of other tasks, which were not kept" in refused.stderr
    assert f"orchestra runs retry {run.name}" in refused.stderr
    assert [found.state for found in list_dead_letters(scripts.store, state=None)] == [LetterState.OPEN]


@pytest.mark.parametrize("task_runner", ["threads", "dask"])
def test_arguments_that_are_no_json_are_kept_signed(scripts: FlowScripts, task_runner: str) -> None:
    scripts.environment["ORCHESTRA_TASK_RUNNER"] = task_runner
    scripts.run(FAILING_TASKS.replace("CALL", "{1, 2}, name=('a', 'b')"))
    (letter,) = list_dead_letters(scripts.store)
    (scripts.folder / "mended").touch()
    (scripts.folder / "log").unlink()
    retried = scripts.orchestra("dead-letters", "retry", letter.letter_id)

    assert retried.returncode == 0, retried.stderr
    assert (scripts.folder / "log").read_text() == "('a', 'b'){1, 2}\n"


CALLED_TASKS = """
    from pathlib import Path
    from orchestra_nb import flow, task

    @task(retries=1)
    def fit(n, *, name="x"):
        with open("log", "a") as log:
            log.write(f"{name}{n}\\n")
        if not Path("mended").exists():
            raise ValueError(n)
        return n

    @task
    def train(n):
        return fit(n)

    @flow
    def tolerant():
        try:
            CALL
        except ValueError:
            pass

    tolerant()
"""


@pytest.mark.parametrize(
    ("call", "tasks", "logged"),
    [("fit(3, name='y')", ["fit-0"], "y3\n"), ("train(4)", ["fit-0", "train-0"], "x4\n")],
    ids=["in a flow", "in a task of a flow"],
)
def test_a_task_that_was_called_and_failed_for_good_is_run_again_alone(
    scripts: FlowScripts, call: str, tasks: list[str], logged: str
) -> None:
    scripts.run(CALLED_TASKS.replace("CALL", call))
    run = scripts.store.list_runs()[0]
    letters = sorted(list_dead_letters(scripts.store), key=lambda letter: letter.name)
    (scripts.folder / "mended").touch()
    (scripts.folder / "log").unlink()
    shown = scripts.orchestra("dead-letters", "show", letters[0].letter_id)
    retried = scripts.orchestra("dead-letters", "retry", letters[0].letter_id, "--json")

    assert run.state is State.COMPLETED
    assert [letter.name for letter in letters] == tasks
    assert (letters[0].flow_name, letters[0].attempts, letters[0].ended_as) == ("tolerant", 2, State.FAILED)
    assert f"args[0]: {logged.strip()[-1]}" in shown.stdout
    assert retried.returncode == 0, retried.stderr
    assert (scripts.folder / "log").read_text() == logged
    assert json.loads(retried.stdout)["run_id"] != run.run_id


@pytest.mark.parametrize("call", ["fit(3)", "fit.submit(3).wait()"], ids=["called", "submitted"])
def test_the_dead_letter_of_a_task_outside_of_flows_is_retried_in_the_same_run(scripts: FlowScripts, call: str) -> None:
    scripts.run(FAILING_TASKS.replace("\n    tolerant()", f"\n    {call}").replace("CALL", "3"))
    run = scripts.store.list_runs()[0]
    (letter,) = list_dead_letters(scripts.store)
    (scripts.folder / "mended").touch()
    (scripts.folder / "log").unlink()
    retried = scripts.orchestra("dead-letters", "retry", letter.letter_id)

    assert (letter.name, letter.flow_name, letter.attempts) == ("fit-0", "fit", 2)
    assert retried.returncode == 0, retried.stderr
    assert (scripts.folder / "log").read_text() == "x3\n"
    assert [(found.run_id, found.epoch, found.state) for found in scripts.store.list_runs()] == [
        (run.run_id, 2, State.COMPLETED)
    ]


# --- runs of other kinds


@pytest.mark.parametrize(
    ("call", "logged"),
    [
        ("fit(1, name='d')", ["d1"]),
        ("fit.submit(2).wait()", ["x2"]),
        ("fit.map([3, 4]).wait()", ["x3", "x4"]),
        ("import asyncio; asyncio.run(late(5))", ["late5"]),
    ],
    ids=["called", "submitted", "mapped", "a coroutine"],
)
def test_a_task_outside_of_flows_is_run_again_in_the_same_run(
    scripts: FlowScripts, call: str, logged: list[str]
) -> None:
    source = """
        from pathlib import Path
        from orchestra_nb import task

        def note(word):
            with open("log", "a") as log:
                log.write(f"{word}\\n")
            if not Path("mended").exists():
                raise ValueError(word)

        @task
        def fit(n, *, name="x"):
            note(f"{name}{n}")

        @task
        async def late(n):
            note(f"late{n}")

        CALL
    """
    scripts.run(source.replace("CALL", call))
    run = scripts.store.list_runs()[0]
    (scripts.folder / "mended").touch()
    (scripts.folder / "log").unlink()

    retried = scripts.orchestra("runs", "retry", run.name)

    assert retried.returncode == 0, retried.stderr
    assert sorted((scripts.folder / "log").read_text().split()) == logged
    assert scripts.states(run.run_id) == [
        (1, "PENDING"),
        (1, "RUNNING"),
        (1, "FAILED"),
        (2, "SCHEDULED"),
        (2, "PENDING"),
        (2, "RUNNING"),
        (2, "COMPLETED"),
    ]
    assert [found.run_id for found in scripts.store.list_runs()] == [run.run_id]


def test_a_subflow_is_run_again_alone(scripts: FlowScripts) -> None:
    source = """
        from pathlib import Path
        from orchestra_nb import flow

        @flow
        def inner(n):
            with open("log", "a") as log:
                log.write(f"inner {n}\\n")
            if not Path("mended").exists():
                raise ValueError("not yet")

        @flow
        def outer():
            try:
                inner(3)
            except ValueError:
                pass

        outer()
    """
    scripts.run(source)
    inner = next(run for run in scripts.store.list_runs() if run.flow_name == "inner")
    (scripts.folder / "mended").touch()

    retried = scripts.orchestra("runs", "retry", inner.run_id)

    assert retried.returncode == 0, retried.stderr
    assert (scripts.folder / "log").read_text() == "inner 3\ninner 3\n"
    again = scripts.store.get_run(inner.run_id)
    assert (again.state, again.epoch, again.parent_run_id) == (State.COMPLETED, 2, inner.parent_run_id)


def test_a_run_whose_process_died_is_a_dead_letter(scripts: FlowScripts) -> None:
    source = """
        import time
        from pathlib import Path
        from orchestra_nb import flow

        @flow
        def waiting(n):
            while not Path("mended").exists():
                time.sleep(0.05)

        waiting(2)
    """
    with scripts.started(source) as script:
        scripts.wait_for_run(State.RUNNING)
        script.send_signal(signal.SIGKILL)
        script.wait()
    scripts.orchestra("runs", "ls")  # whoever opens the store looks for lost runs
    run = scripts.wait_for_run(State.CRASHED)
    (letter,) = list_dead_letters(scripts.store)
    (scripts.folder / "mended").touch()
    retried = scripts.orchestra("dead-letters", "retry", letter.letter_id)

    assert (letter.run_id, letter.name, letter.ended_as, list(letter.inputs)) == (
        run.run_id,
        run.name,
        State.CRASHED,
        ["n"],
    )
    assert letter.code == f"{scripts.folder}/script.py:waiting"
    assert retried.returncode == 0, retried.stderr
    assert scripts.store.get_run(run.run_id).state is State.COMPLETED


def test_a_retry_by_hand_closes_the_dead_letter_of_its_run(scripts: FlowScripts) -> None:
    scripts.run(MENDED.format(call='mended(["a"])'))
    run = scripts.store.list_runs()[0]
    (scripts.folder / "mended").touch()

    scripts.orchestra("runs", "retry", run.name)

    assert [(found.state, found.note) for found in list_dead_letters(scripts.store, state=None)] == [
        (LetterState.RETRIED, "its run was retried")
    ]


@pytest.mark.parametrize("has_gone", [False, True], ids=["kernel lives", "kernel gone"])
def test_cells_of_a_notebook_are_not_run_again_elsewhere(scripts: FlowScripts, has_gone: bool) -> None:
    from integration.notebook_kernel import NotebookKernel

    with NotebookKernel(scripts.folder, scripts.environment) as kernel:
        kernel.run("%%task bad --wait --local\nraise ValueError('no')")
        run = scripts.wait_for_run(State.FAILED)
        if not has_gone:
            refused = scripts.refused("runs", "retry", run.name)
    if has_gone:
        refused = scripts.refused("runs", "retry", run.name)

    assert refused.returncode == 3
    words = "in a kernel that has gone" if has_gone else "lives: run the cells again there"
    assert words in refused.stderr
    assert "work.ipynb" in refused.stderr


NOTEBOOK_CODE = """
from pathlib import Path
from orchestra_nb import flow, task

@task
def fit(n):
    Path("log").open("a").write(f"fit {n}\\n")
    if not Path("mended").exists():
        raise ValueError(n)

@flow
def inner():
    fit.submit(1).wait()
    if not Path("mended").exists():
        raise ValueError("inner")

fit.submit(2).wait()
inner(return_state=True)
raise ValueError("at the end")
"""


def test_tasks_and_flows_of_a_notebook_run_are_run_again_alone(scripts: FlowScripts) -> None:
    import nbformat

    parameters = nbformat.v4.new_code_cell("n = 1", metadata={"tags": ["parameters"]})
    codes = [nbformat.v4.new_code_cell(code) for code in ("%load_ext orchestra_nb", NOTEBOOK_CODE)]
    notebook = nbformat.v4.new_notebook(cells=[parameters, *codes])
    nbformat.write(notebook, scripts.folder / "train.ipynb")
    ran = scripts.orchestra("run", "train.ipynb", "out.ipynb", "-p", "n", "3")
    assert ran.returncode == 1, ran.stderr
    whole = next(run for run in scripts.store.list_runs() if run.kind is RunKind.NOTEBOOK)
    child = next(run for run in scripts.store.list_runs() if run.kind is RunKind.FLOW)
    letters = {letter.run_id: letter for letter in list_dead_letters(scripts.store)}
    (scripts.folder / "mended").touch()
    (scripts.folder / "log").unlink()

    task_alone = scripts.orchestra("dead-letters", "retry", letters[whole.run_id].letter_id)
    flow_alone = scripts.orchestra("runs", "retry", child.run_id)

    assert set(letters) == {whole.run_id, child.run_id}
    assert (letters[whole.run_id].name, letters[whole.run_id].flow_name) == ("fit-0", "notebook")
    assert task_alone.returncode == 0, task_alone.stderr
    assert flow_alone.returncode == 0, flow_alone.stderr
    assert (scripts.folder / "log").read_text() == "fit 2\nfit 1\n"


# --- suspension

SUSPENDED = """
    from orchestra_nb import flow, task
    from orchestra_nb.flow_runs import PausedRun, suspend_flow_run

    @task
    def step(n):
        with open("log", "a") as log:
            log.write(f"step {{n}}\\n")

    {async_}@flow
    {async_def} review(n):
        step.submit(n).wait()
        answer = {await_}suspend_flow_run(wait_for_input=int, timeout={timeout})
        with open("log", "a") as log:
            log.write(f"answer {{answer}}\\n")

    if __name__ == "__main__":
        import asyncio
        try:
            found = review(2)
            if asyncio.iscoroutine(found):
                asyncio.run(found)
        except PausedRun as paused:
            print(paused, "after", paused.__context__)
"""


def suspended(timeout: float | None = 3600, is_async: bool = False) -> str:
    return SUSPENDED.format(
        async_="", async_def="async def" if is_async else "def", await_="await " if is_async else "", timeout=timeout
    )


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "coroutine"])
def test_a_suspended_flow_lets_its_process_go_and_is_run_again_with_the_answer(
    scripts: FlowScripts, is_async: bool
) -> None:
    script = scripts.run(suspended(is_async=is_async))
    run = scripts.store.list_runs()[0]
    scripts.orchestra("runs", "ls")  # looks for lost runs: this one is not
    waiting = scripts.store.get_run(run.run_id)

    retried = scripts.refused("runs", "retry", run.name)
    resumed = scripts.orchestra("runs", "resume", run.name, "--input", "5")

    assert script.returncode == 0, script.stderr
    assert f"Flow run {run.name} is suspended" in script.stdout
    assert script.stdout.endswith("after None\n")  # a traceback of it shows nothing of ours
    assert (waiting.state, waiting.driver_id) == (State.PAUSED, None)
    assert f"orchestra runs resume {run.name} --input JSON" in waiting.message
    assert "is suspended. Let it go on with" in retried.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert (scripts.folder / "log").read_text() == "step 2\nstep 2\nanswer 5\n"
    assert scripts.states(run.run_id) == [
        (1, "PENDING"),
        (1, "RUNNING"),
        (1, "PAUSED"),
        (2, "SCHEDULED"),
        (2, "PENDING"),
        (2, "RUNNING"),
        (2, "COMPLETED"),
    ]
    assert_history_is_a_path(scripts, run.run_id)


def test_an_answer_from_code_is_kept_until_the_suspended_run_is_started(scripts: FlowScripts) -> None:
    from datetime import UTC, datetime

    scripts.run(suspended())
    run = scripts.store.list_runs()[0]
    answer_input(scripts.store, run.run_id, 8, actor="code", now=datetime.now(UTC))

    resumed = scripts.orchestra("runs", "resume", run.name)

    assert resumed.returncode == 0, resumed.stderr
    assert (scripts.folder / "log").read_text().endswith("answer 8\n")


def test_a_suspended_run_that_nobody_resumes_fails(scripts: FlowScripts) -> None:
    scripts.run(suspended(timeout=0.05))
    run = scripts.store.list_runs()[0]

    scripts.orchestra("runs", "ls")  # whoever opens the store looks

    failed = scripts.wait_for_run(State.FAILED)
    assert failed.run_id == run.run_id
    assert "nobody resumed it in time" in failed.message


def test_a_suspended_run_without_a_limit_is_never_overdue(scripts: FlowScripts) -> None:
    from datetime import UTC, datetime

    from orchestra_nb.store.run_code_store import RunCodeStore

    script = scripts.run(suspended(timeout=None))

    assert script.returncode == 0, script.stderr
    assert scripts.store.list_runs()[0].state is State.PAUSED
    assert RunCodeStore(scripts.store.database).overdue_suspensions(datetime(9999, 1, 1, tzinfo=UTC)) == []


def test_a_suspended_run_can_be_cancelled(scripts: FlowScripts) -> None:
    scripts.run(suspended())
    run = scripts.store.list_runs()[0]

    cancelled = scripts.orchestra("runs", "cancel", run.name)

    assert cancelled.returncode == 0, cancelled.stderr
    assert scripts.store.get_run(run.run_id).state is State.CANCELLED


def test_a_flow_that_could_not_be_started_again_says_so_instead_of_suspending(scripts: FlowScripts) -> None:
    source = """
        import threading
        from orchestra_nb import flow, suspend_flow_run

        @flow
        def locked(lock):
            suspend_flow_run()

        @flow
        def outer():
            inner()

        @flow
        def inner():
            suspend_flow_run()

        for call in (lambda: locked(threading.Lock()), outer):
            try:
                call()
            except Exception as error:
                print(type(error).__name__, error)
    """
    script = scripts.run(source)

    first, second = script.stdout.splitlines()
    assert first.startswith("CodeNotFound")
    assert "cannot be suspended, since it could not be started again: its parameters" in first
    assert second.startswith("MissingContext A subflow cannot be suspended")


def test_a_retried_notebook_returns_the_values_of_its_last_attempt_whatever_the_one_before_still_says(
    scripts: FlowScripts,
) -> None:
    write_notebook(
        scripts.folder / "train.ipynb",
        """
        from pathlib import Path
        from orchestra_nb import record
        has_failed = Path("failed").exists()
        record(score=2 if has_failed else 1)
        """,
        """
        Path("failed").touch()
        assert has_failed
        """,
    )
    scripts.orchestra("run", "train.ipynb", "out.ipynb")
    run = scripts.store.list_runs()[0]
    values = RecordedValueStore(scripts.store.database)
    [first] = values.of_run(run.run_id)
    retried = scripts.orchestra("runs", "retry", run.name)

    late = msgspec.structs.replace(first, recorded_at=datetime.now(UTC))
    applied = scripts.store.apply([ValueRecorded(value=late)])

    assert retried.returncode == 0, retried.stderr
    assert applied == [False]
    assert [(value.name, value.data) for value in values.of_run(run.run_id)] == [("score", "2")]


def test_a_retry_of_a_printed_notebook_leaves_the_file_of_its_first_attempt(scripts: FlowScripts) -> None:
    write_notebook(scripts.folder / "report.ipynb", "open('mended')")
    scripts.orchestra("run", "report.ipynb", "-", "--report-mode")
    run = scripts.store.list_runs()[0]
    first = scripts.folder / "data" / "orchestra" / "outputs" / f"{run.run_id}.1.ipynb"
    before = first.read_bytes()
    (scripts.folder / "mended").touch()

    retried = scripts.orchestra("runs", "retry", run.name)

    assert retried.returncode == 0, retried.stderr
    assert first.read_bytes() == before
    second = scripts.store.get_run(run.run_id).output_path
    assert second == str(first.with_name(f"{run.run_id}.2.ipynb"))
    [cell] = json.loads(Path(second).read_bytes())["cells"]
    assert cell["metadata"]["jupyter"] == {"source_hidden": True}
