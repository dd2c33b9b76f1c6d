"""What is open of runs, and how it is ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestra_nb.model.events import (
    CellRunChanged,
    Event,
    RunCreated,
    RunStateChanged,
    RunSuspended,
    TaskRunCreated,
    TaskRunStateChanged,
)
from orchestra_nb.model.open_runs import OpenRuns
from orchestra_nb.model.runs import CellRun, Run, RunKind, TaskRun
from orchestra_nb.model.states import State

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def run(run_id: str) -> RunCreated:
    return RunCreated(
        run=Run(
            run_id=run_id,
            name=run_id,
            flow_name="f",
            kind=RunKind.FLOW,
            state=State.PENDING,
            created_at=NOW,
        )
    )


def run_is(run_id: str, state: State) -> RunStateChanged:
    return RunStateChanged(run_id=run_id, state=state, at=NOW)


def task(task_run_id: str) -> TaskRunCreated:
    return TaskRunCreated(
        task_run=TaskRun(task_run_id=task_run_id, run_id="a", name=task_run_id, state=State.PENDING, created_at=NOW)
    )


def task_is(task_run_id: str, state: State) -> TaskRunStateChanged:
    return TaskRunStateChanged(run_id="a", task_run_id=task_run_id, state=state, at=NOW, attempt=1)


def cell(index: int, state: State) -> CellRunChanged:
    return CellRunChanged(cell=CellRun(run_id="a", index=index, cell_id=f"c{index}", state=state))


def noted(*events: Event) -> OpenRuns:
    found = OpenRuns()
    for event in events:
        found.note(event)
    return found


def ends(found: OpenRuns, state: State = State.CRASHED) -> list[tuple[str, State, str]]:
    """Return (what, state, message) of what is ended, in order."""
    said: list[tuple[str, State, str]] = []
    for event in found.end(state, "gone", NOW):
        match event:
            case RunStateChanged():
                said.append((event.run_id, event.state, event.message))
            case TaskRunStateChanged():
                said.append((event.task_run_id, event.state, event.message))
            case CellRunChanged(cell=ended):
                said.append((ended.cell_id, ended.state, "" if ended.error is None else ended.error.message))
    return said


def test_what_ran_is_ended_as_asked_and_what_waited_is_cancelled_before_the_runs_around() -> None:
    found = noted(
        *(run("a"), run_is("a", State.RUNNING), run("b")),
        *(task("t0"), task("t1"), task_is("t1", State.RUNNING), task("t2"), task_is("t2", State.RUNNING)),
        task_is("t2", State.RETRYING),
        *(cell(0, State.COMPLETED), cell(1, State.RUNNING), cell(2, State.PENDING)),
    )

    assert ends(found, State.TIMED_OUT) == [
        ("t0", State.CANCELLED, "gone"),
        ("t1", State.CRASHED, "gone"),
        ("t2", State.CANCELLED, "gone"),
        ("c1", State.TIMED_OUT, "gone"),
        ("c2", State.CANCELLED, ""),
        ("b", State.TIMED_OUT, "gone"),
        ("a", State.TIMED_OUT, "gone"),
    ]
    assert not found
    assert ends(found) == []


@pytest.mark.parametrize(
    "events",
    [
        pytest.param((run("a"), run_is("a", State.COMPLETED)), id="a run"),
        pytest.param((task("t"), task_is("t", State.FAILED)), id="a task"),
        pytest.param((cell(0, State.RUNNING), cell(0, State.FAILED)), id="a cell"),
        pytest.param((run("a"), cell(0, State.PENDING), run_is("a", State.FAILED)), id="a cell that was not reached"),
        pytest.param((run("a"), RunSuspended(run_id="a", at=NOW)), id="a run that nobody is to drive"),
        pytest.param((run_is("a", State.RUNNING), task_is("t", State.RUNNING)), id="what is of others"),
    ],
)
def test_nothing_is_open_of(events: tuple[Event, ...]) -> None:
    found = noted(*events)

    assert not found
    assert ends(found) == []
