"""F41: a task that holds the interpreter and never gives way runs into its timeout."""

from __future__ import annotations

import os
import re
from pathlib import Path

from orchestra_nb import flow, task
from orchestra_nb.errors import TaskTimedOut
from orchestra_nb.model.states import State
from tests.engine.conftest import FlowWorld
from tests.faults.dask_cluster import wait_for_workers
from tests.faults.invariants import nothing_is_left


def test_a_task_that_holds_the_interpreter_is_ended_at_its_timeout(world: FlowWorld, tmp_path: Path) -> None:
    noted = tmp_path / "pids"

    @task(timeout_seconds=3)  # the others need less on any machine
    def match(text: str) -> bool:
        if len(text) > 20:
            with noted.open("a") as file:
                file.write(f"{os.getpid()}\n")
        return re.match(r"(a+)+$", text) is not None

    @flow
    def matching() -> list[object]:
        held = "a" * 60 + "b"
        futures = [match.submit(held), *match.map(["a", "aab", held, "aa", "b", "aaa"])]
        return [future.result(raise_on_failure=False) for future in futures]

    results = matching()

    assert (type(results.pop(3)), type(results.pop(0))) == (TaskTimedOut, TaskTimedOut)
    assert results == [True, False, True, False, True]
    records = world.tasks("matching")
    for record in (records.pop(3), records.pop(0)):
        assert (record.state, record.attempt) == (State.TIMED_OUT, 1)
        assert record.message.startswith("ran longer than 3 s")
    assert {(record.state, record.attempt) for record in records} == {(State.COMPLETED, 1)}
    pids = [int(pid) for pid in noted.read_text().split()]
    assert len(pids) == 2
    nothing_is_left(pids)
    wait_for_workers(2)
