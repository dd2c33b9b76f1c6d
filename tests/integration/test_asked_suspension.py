"""Flows that are suspended from outside, in processes of their own, and are resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_scripts import FlowScripts, flow_scripts
from patience import PATIENCE_SECONDS

from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[FlowScripts]:
    with flow_scripts(tmp_path) as found:
        yield found


#: a flow whose subflow calls tasks until it is suspended, and in its second epoch until its end
NESTED = """
    import time
    from pathlib import Path
    from orchestra_nb import flow, task

    def note(words):
        with open("log", "a") as log:
            log.write(words + "\\n")

    @task(persist_result=True)
    def step(n):
        note(f"step {n}")
        return n

    @task
    def slow():
        while not Path("asked").exists():
            time.sleep(0.05)
        note("slow")

    @task
    def tick():
        time.sleep(0.05)

    @flow
    def inner():
        slow.submit()
        for _ in range(100_000):
            tick()
            if Path("resumed").exists():
                return

    @flow
    def outer(n):
        step(n)
        inner()
        note("end")

    if __name__ == "__main__":
        outer(2)
"""


def outer_run(scripts: FlowScripts) -> Run:
    """Wait until the subflow calls its tasks."""

    def find() -> Run | None:
        found = {run.flow_name: run for run in scripts.store.list_runs()}
        is_ticking = "inner" in found and bool(scripts.store.task_runs(found["inner"].run_id))
        return found["outer"] if is_ticking else None

    return scripts.wait_for(find, "a subflow that has tasks")


def test_a_flow_is_left_between_tasks_when_those_that_go_on_have_ended_and_is_resumed(scripts: FlowScripts) -> None:
    with scripts.started(NESTED) as process:
        run = outer_run(scripts)
        (inner,) = (found for found in scripts.store.list_runs() if found.flow_name == "inner")
        of_subflow = scripts.orchestra("runs", "suspend", inner.name)
        asked = scripts.orchestra("runs", "suspend", run.name)
        again = scripts.orchestra("runs", "suspend", run.name, "--json")
        (scripts.folder / "asked").touch()
        _, said = process.communicate(timeout=PATIENCE_SECONDS)

    left = scripts.store.get_run(run.run_id)
    subflow = scripts.store.get_run(inner.run_id)
    suspended = scripts.orchestra("runs", "suspend", run.name)
    (scripts.folder / "resumed").touch()
    resumed = scripts.call("-m", "orchestra_nb", "runs", "resume", run.name)

    assert f"`orchestra runs suspend {run.name}`" in of_subflow.stderr
    assert "was asked to suspend itself" in asked.stdout
    assert json.loads(again.stdout) == {"suspended": run.run_id}
    assert process.returncode == 1
    assert f"PausedRun: Flow run {run.name} is suspended: " in said
    assert (left.state, left.driver_id) == (State.PAUSED, None)
    assert left.message.startswith("command line of ")
    assert left.message.endswith(f" has suspended it: orchestra runs resume {run.name}")
    assert (subflow.state, subflow.message) == (State.CANCELLED, "its flow was suspended")
    assert "is suspended already" in suspended.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert (scripts.folder / "log").read_text() == "step 2\nslow\nslow\nend\n"
    assert scripts.states(run.run_id) == [
        (1, "PENDING"),
        (1, "RUNNING"),
        (1, "PAUSED"),
        (2, "SCHEDULED"),
        (2, "PENDING"),
        (2, "RUNNING"),
        (2, "COMPLETED"),
    ]


def test_a_flow_that_waits_for_people_lets_its_process_go_and_finds_its_answer_when_it_is_resumed(
    scripts: FlowScripts,
) -> None:
    source = """
        import asyncio
        from pathlib import Path
        from orchestra_nb import flow, pause_flow_run

        @flow
        async def ask():
            answer = await pause_flow_run(wait_for_input=int, poll_interval=0.05)
            Path("out").write_text(str(answer + 1))

        if __name__ == "__main__":
            asyncio.run(ask())
    """
    with scripts.started(source) as process:
        run = scripts.wait_for_run(State.PAUSED)
        asked = scripts.orchestra("runs", "suspend", run.name)
        process.communicate(timeout=PATIENCE_SECONDS)
    left = scripts.store.get_run(run.run_id)

    unanswered = scripts.call("-m", "orchestra_nb", "runs", "resume", run.name)
    answered = scripts.call("-m", "orchestra_nb", "runs", "resume", run.name, "--input", "6")

    assert asked.returncode == 0, asked.stderr
    assert (left.state, left.driver_id) == (State.PAUSED, None)
    assert unanswered.returncode != 0
    assert answered.returncode == 0, answered.stderr
    assert (scripts.folder / "out").read_text() == "7"


def test_a_flow_that_is_cancelled_while_its_last_tasks_end_is_not_suspended(scripts: FlowScripts) -> None:
    source = """
        import time
        from pathlib import Path
        from orchestra_nb import flow, task

        @task
        def endless():
            while True:
                time.sleep(0.05)

        @task
        def tick():
            time.sleep(0.05)

        @flow
        def busy():
            endless.submit()
            try:
                while True:
                    tick()
            except BaseException:
                Path("left").touch()
                raise

        if __name__ == "__main__":
            busy()
    """
    with scripts.started(source) as process:
        run = scripts.wait_for_run(State.RUNNING)
        scripts.orchestra("runs", "suspend", run.name)
        scripts.wait_for(lambda: run if (scripts.folder / "left").exists() else None, "a body that was left")
        scripts.orchestra("runs", "cancel", run.name)
        process.communicate(timeout=PATIENCE_SECONDS)

    assert scripts.store.get_run(run.run_id).state is State.CANCELLED
