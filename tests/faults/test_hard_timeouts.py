"""F41: a task that holds the interpreter and never gives way runs into its timeout."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from orchestra_nb import flow, task
from orchestra_nb.errors import TaskTimedOut
from orchestra_nb.model.states import State
from tests.engine.conftest import FlowWorld
from tests.faults.dask_cluster import wait_for_workers
from tests.faults.invariants import nothing_is_left


@pytest.mark.parametrize("is_mapped", [False, True], ids=["submit", "map"])
def test_a_task_that_holds_the_interpreter_is_ended_at_its_timeout(
    world: FlowWorld, tmp_path: Path, is_mapped: bool
) -> None:
    noted = tmp_path / "pids"

    @task(timeout_seconds=1)
    def match(text: str) -> bool:
        if len(text) > 20:
            with noted.open("a") as file:
                file.write(f"{os.getpid()}\n")
        return re.match(r"(a+)+$", text) is not None

    @flow
    def matching() -> list[object]:
        texts = ["a", "aab", "a" * 60 + "b", "aa", "b", "aaa"]
        futures = match.map(texts) if is_mapped else [match.submit(text) for text in texts]
        return [future.result(raise_on_failure=False) for future in futures]

    results = matching()

    timeout = results.pop(2)
    assert isinstance(timeout, TaskTimedOut)
    assert results == [True, False, True, False, True]
    records = world.tasks("matching")
    assert [record.state for record in records if record.name != "match-2"] == [State.COMPLETED] * 5
    assert (records[2].state, records[2].attempt) == (State.TIMED_OUT, 1)
    assert records[2].message.startswith("ran longer than 1 s")
    (pid,) = noted.read_text().split()
    nothing_is_left([int(pid)])
    wait_for_workers(2)
