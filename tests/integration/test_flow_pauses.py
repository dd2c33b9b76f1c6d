"""Flows that wait for people: paused in one process, answered from another."""

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
from orchestra_nb.operations.run_questions import list_inputs


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[FlowScripts]:
    with flow_scripts(tmp_path) as found:
        yield found


ASKING = """
    from orchestra_nb import flow
    from orchestra_nb.flow_runs import pause_flow_run

    @flow
    def review():
        return pause_flow_run(wait_for_input={asked}, timeout={timeout}, poll_interval=0.05)

    if __name__ == "__main__":
        print("answer:", repr(review()))
"""


@pytest.mark.parametrize(
    ("asked", "words", "answer"),
    [
        pytest.param("None", (), "None", id="nothing"),
        pytest.param("int", ("--input", "3"), "3", id="a type"),
        pytest.param("int", ("--input", '{"value": 3}'), "3", id="a type as Prefect's form has it"),
        pytest.param("str", ("--input", "go ahead"), "'go ahead'", id="text without quotes"),
        pytest.param("list[str]", ("--input", '["a", "b"]'), "['a', 'b']", id="a container"),
        pytest.param('{"type": "boolean"}', ("--input", "true"), "True", id="a JSON Schema"),
    ],
)
def test_a_paused_flow_goes_on_with_what_the_shell_answered(
    scripts: FlowScripts, asked: str, words: tuple[str, ...], answer: str
) -> None:
    with scripts.started(ASKING.format(asked=asked, timeout=PATIENCE_SECONDS)) as script:
        run = scripts.wait_for_run(State.PAUSED)
        resumed = scripts.orchestra("runs", "resume", run.name, *words)
        output, errors = script.communicate(timeout=PATIENCE_SECONDS)

    assert resumed.returncode == 0, resumed.stderr
    assert output == f"answer: {answer}\n"
    assert f"orchestra runs resume {run.name}" in errors
    assert f"orchestra runs resume {run.name}" in run.message
    assert scripts.states(run.run_id) == [
        (1, "PENDING"),
        (1, "RUNNING"),
        (1, "PAUSED"),
        (1, "RUNNING"),
        (1, "COMPLETED"),
    ]


def test_whoever_sees_a_question_sees_a_run_that_has_begun(scripts: FlowScripts) -> None:
    source = f"""
        import time

        from orchestra_nb import flow, pause_flow_run
        from orchestra_nb.store.run_input_store import RunInputStore
        from orchestra_nb.store.run_store import RunStore

        apply, ask = RunStore.apply, RunInputStore.ask

        def apply_late(self, events):
            time.sleep(0.5)  # a busy machine
            return apply(self, events)

        def ask_and_look(self, asked):
            print(RunStore(self._database).get_run(asked.run_id).state.value, flush=True)
            return ask(self, asked)

        RunStore.apply, RunInputStore.ask = apply_late, ask_and_look

        @flow
        def review():
            return pause_flow_run(timeout={PATIENCE_SECONDS}, poll_interval=0.05)

        review()
    """
    with scripts.started(source) as script:
        run = scripts.wait_for_run(State.PAUSED)
        scripts.orchestra("runs", "resume", run.name)
        output, errors = script.communicate(timeout=PATIENCE_SECONDS)

    assert script.returncode == 0, errors
    assert output.splitlines()[0] == "RUNNING"


def test_a_model_comes_back_as_a_model_with_its_first_values_and_its_words(scripts: FlowScripts) -> None:
    source = f"""
        import asyncio
        from orchestra_nb import flow
        from orchestra_nb.flow_runs import pause_flow_run
        from orchestra_nb.input import RunInput

        class Review(RunInput):
            rows: int
            comment: str = ""

        @flow
        async def review():
            asked = Review.with_initial_data(description="Is it right?", comment="fine")
            return await pause_flow_run(wait_for_input=asked, timeout={PATIENCE_SECONDS}, poll_interval=0.05)

        found = asyncio.run(review())
        print(type(found).__name__, found.rows, found.comment)
    """
    with scripts.started(source) as script:
        run = scripts.wait_for_run(State.PAUSED)
        wrong = scripts.orchestra("runs", "resume", run.name, "--input", '{"rows": "many"}')
        scripts.orchestra("runs", "resume", run.name, "--input", '{"rows": 3}')
        output, _ = script.communicate(timeout=PATIENCE_SECONDS)

    assert wrong.returncode == 2
    assert "$.rows" in wrong.stderr
    assert output == "Review 3 fine\n"
    assert [question.description for question in list_inputs(scripts.store, run.run_id)] == ["Is it right?"]


def test_who_answered_what_and_when_is_told_afterwards_without_secrets(scripts: FlowScripts) -> None:
    source = f"""
        from pydantic import BaseModel, SecretStr
        from orchestra_nb import flow, pause_flow_run

        class Login(BaseModel):
            user: str
            password: SecretStr

        @flow
        def login():
            options = dict(timeout={PATIENCE_SECONDS}, poll_interval=0.05)
            found = pause_flow_run(Login, key="login", **options)
            pause_flow_run(key="go", **options)
            return found.password.get_secret_value() == "s3cr" + "et"

        print(login())
    """
    with scripts.started(source) as script:
        run = scripts.wait_for_run(State.PAUSED)
        scripts.orchestra("runs", "resume", run.name, "--input", '{"user": "anä", "password": "s3cret"}')
        scripts.wait_for(
            lambda: run if len(list_inputs(scripts.store, run.run_id)) == 2 else None, "the second question"
        )
        waiting = scripts.orchestra("runs", "show", run.name)
        scripts.orchestra("runs", "resume", run.name, "--key", "go")
        output, errors = script.communicate(timeout=PATIENCE_SECONDS)

    assert output == "True\n", errors
    assert [line.split()[:3] for line in waiting.stdout.splitlines() if line.startswith("go ")] == [
        ["go", "-", "waits"]
    ]
    shown = scripts.orchestra("runs", "show", run.name)
    document = scripts.orchestra("runs", "show", run.name, "--json")
    found = {question["key"]: question for question in json.loads(document.stdout)["inputs"]}
    by = found["login"]["answered_by"]
    assert found["login"]["value"] == {"user": "anä", "password": "••••"}
    assert by.startswith("command line")
    assert found["login"]["asked_at"] <= found["login"]["answered_at"] <= found["go"]["answered_at"]
    rows = {line.split()[0]: line for line in shown.stdout.splitlines() if line.startswith(("login ", "go "))}
    assert '{"user": "anä", "password": "••••"}' in rows["login"]
    assert by in rows["login"]
    assert "go on" in rows["go"]
    assert "s3cret" not in shown.stdout + document.stdout + scripts.orchestra("runs", "input", run.name).stdout


def test_each_pause_of_a_flow_is_a_question_of_its_own_and_code_may_answer(scripts: FlowScripts) -> None:
    source = f"""
        from orchestra_nb import flow
        from orchestra_nb.flow_runs import pause_flow_run

        @flow
        def two():
            options = dict(timeout={PATIENCE_SECONDS}, poll_interval=0.05)
            return pause_flow_run(int, **options), pause_flow_run(int, key="second", **options)

        print(two())
    """
    answering = """
        import sys
        from orchestra_nb.flow_runs import resume_flow_run

        resume_flow_run({run_id!r}, {value})
    """
    with scripts.started(source) as script:
        run = scripts.wait_for_run(State.PAUSED)
        first = scripts.run(answering.format(run_id=run.run_id, value=1), "answer.py")
        scripts.wait_for(
            lambda: run if len(list_inputs(scripts.store, run.run_id)) == 2 else None, "the second question"
        )
        second = scripts.run(answering.format(run_id=run.run_id, value=2), "answer.py")
        output, _ = script.communicate(timeout=PATIENCE_SECONDS)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert output == "(1, 2)\n"
    assert [question.key for question in list_inputs(scripts.store, run.run_id)] == ["pause-1", "second"]


def test_a_flow_that_nobody_resumes_fails_and_says_so(scripts: FlowScripts) -> None:
    script = scripts.run(ASKING.format(asked="int", timeout=0.3))

    run = scripts.store.list_runs()[0]
    assert script.returncode == 1
    assert "FlowPauseTimedOut" in script.stderr
    assert run.state is State.FAILED
    assert "nobody resumed it within 0.3 s" in run.message
    late = scripts.orchestra("runs", "resume", run.name, "--input", "3")
    assert late.returncode == 1
    assert f"Run {run.name} has ended: it is FAILED" in late.stderr


def test_a_paused_flow_can_be_cancelled(scripts: FlowScripts) -> None:
    with scripts.started(ASKING.format(asked="int", timeout=PATIENCE_SECONDS)) as script:
        run = scripts.wait_for_run(State.PAUSED)
        scripts.orchestra("runs", "cancel", run.name)
        script.communicate(timeout=PATIENCE_SECONDS)

    assert [state for _, state in scripts.states(run.run_id)][-3:] == ["PAUSED", "CANCELLING", "CANCELLED"]


def test_a_repeated_attempt_finds_the_answer_that_was_given_before(scripts: FlowScripts) -> None:
    source = f"""
        from orchestra_nb import flow, runtime
        from orchestra_nb.flow_runs import pause_flow_run

        @flow(retries=1)
        def flaky():
            answer = pause_flow_run(int, timeout={PATIENCE_SECONDS}, poll_interval=0.05)
            if runtime.flow_run.run_count == 1:
                raise ValueError("first")
            return answer

        print(flaky())
    """
    with scripts.started(source) as script:
        run = scripts.wait_for_run(State.PAUSED)
        scripts.orchestra("runs", "resume", run.name, "--input", "7")
        output, _ = script.communicate(timeout=PATIENCE_SECONDS)

    assert output == "7\n"


def test_a_notebook_run_whose_cell_calls_a_flow_that_pauses_says_who_waits_for_what(scripts: FlowScripts) -> None:
    asking = f"""
        from orchestra_nb import flow
        from orchestra_nb.flow_runs import pause_flow_run

        @flow
        def ask():
            return pause_flow_run(int, timeout={PATIENCE_SECONDS}, poll_interval=0.05)
    """
    write_notebook(scripts.folder / "report.ipynb", asking, "print('answer:', ask())")

    def find_question() -> Run | None:
        return next((run for run in scripts.store.list_runs(kind=RunKind.FLOW) if run.state is State.PAUSED), None)

    with scripts.orchestra_started("run", "report.ipynb") as command:
        run = scripts.wait_for(find_question, "a flow that waits")
        words = f"waits for integer (pause-1): orchestra runs resume {run.name} --input JSON"
        shown = scripts.orchestra("runs", "show", str(run.parent_run_id))
        resumed = scripts.orchestra("runs", "resume", run.name, "--input", "3")
        _, errors = command.communicate(timeout=PATIENCE_SECONDS)

    assert (resumed.returncode, command.returncode) == (0, 0), errors
    assert f"⏸ cell 2 {words}\n" in errors
    assert f"\nwaits for run {run.name}, which {words}\n" in shown.stdout
    after = scripts.orchestra("runs", "show", str(run.parent_run_id))
    assert "which waits for" not in after.stdout


def test_a_pause_outside_of_flows_names_the_line_that_does_it(scripts: FlowScripts) -> None:
    refused = scripts.run("from orchestra_nb import flow, pause_flow_run\npause_flow_run(int)\n")

    assert "not a notebook's or a script's own run" in refused.stderr
    remedy = refused.stderr.rstrip().rpartition("in one line: ")[2]
    assert remedy == "flow(name='ask')(lambda: pause_flow_run(int))()"
    with scripts.started(f"from orchestra_nb import flow, pause_flow_run\nprint({remedy})\n") as script:
        run = scripts.wait_for_run(State.PAUSED)
        scripts.orchestra("runs", "resume", run.name, "--input", "7")
        output, errors = script.communicate(timeout=PATIENCE_SECONDS)
    assert (run.flow_name, output) == ("ask", "7\n"), errors


def test_a_task_cannot_pause(scripts: FlowScripts) -> None:
    source = """
        from orchestra_nb import flow, task
        from orchestra_nb.flow_runs import pause_flow_run

        @task
        def asking():
            pause_flow_run()

        @flow
        def around():
            asking()

        around()
    """
    script = scripts.run(source)

    assert "A task cannot pause, only the flow that it belongs to" in script.stderr
