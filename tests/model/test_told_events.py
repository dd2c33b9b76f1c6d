"""What a remote worker may tell: the table of its events, and what becomes of each."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import (
    CellRunChanged,
    DeadLetterAdded,
    DriverEnded,
    Event,
    LogsWritten,
    RunClaimed,
    RunCodeRecorded,
    RunCreated,
    RunOutputWritten,
    RunReopened,
    RunStateChanged,
    RunSuspended,
    TaskRunCreated,
    TaskRunStateChanged,
    ValueRecorded,
)
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import CellRun, LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.model.told_events import KnownRun, admit, runs_told_of

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MINE, THEIRS, CHILD = "1" * 32, "2" * 32, "3" * 32
RUNS = {MINE: KnownRun("worker", 2), THEIRS: KnownRun("other", 1)}
TASKS = {"my-task": MINE, "their-task": THEIRS}


def log(run_id: str) -> LogLine:
    return LogLine(run_id=run_id, task_run_id=None, at=NOW, level=20, logger="print", message="text")


def child(**changes: object) -> Run:
    run = Run(
        run_id=CHILD,
        name="child",
        flow_name="inner",
        kind=RunKind.FLOW,
        state=State.PENDING,
        created_at=NOW,
        parent_run_id=MINE,
    )
    return msgspec.structs.replace(run, **changes)


def task(run_id: str, task_run_id: str = "new-task", epoch: int = 2) -> TaskRunCreated:
    return TaskRunCreated(
        task_run=TaskRun(
            task_run_id=task_run_id, run_id=run_id, name="load", state=State.PENDING, created_at=NOW, epoch=epoch
        )
    )


def state(run_id: str, epoch: int) -> RunStateChanged:
    return RunStateChanged(run_id=run_id, state=State.RUNNING, at=NOW, epoch=epoch)


def task_state(run_id: str, task_run_id: str) -> TaskRunStateChanged:
    return TaskRunStateChanged(run_id=run_id, task_run_id=task_run_id, state=State.RUNNING, at=NOW, epoch=2)


def cell(run_id: str, epoch: int) -> CellRunChanged:
    return CellRunChanged(
        cell=CellRun(run_id=run_id, index=0, cell_id="a", state=State.RUNNING, title="x = 1", epoch=epoch)
    )


def value(run_id: str, epoch: int = 2) -> ValueRecorded:
    return ValueRecorded(value=RecordedValue(run_id=run_id, name="n", type="int", recorded_at=NOW), epoch=epoch)


def letter(run_id: str, epoch: int = 2) -> DeadLetterAdded:
    return DeadLetterAdded(
        letter=DeadLetter(
            run_id=run_id,
            epoch=epoch,
            name="load",
            flow_name="etl",
            ended_as=State.FAILED,
            attempts=1,
            message="it failed",
            created_at=NOW,
        )
    )


@pytest.mark.parametrize(
    "event", [state(MINE, 2), task(MINE), task_state(MINE, "my-task"), cell(MINE, 2), value(MINE), letter(MINE)]
)
def test_what_is_of_its_own_runs_is_written_as_it_was_told(event: Event) -> None:
    admitted = admit([event], "worker", RUNS, TASKS)

    assert (admitted.events, admitted.lost) == ((event,), ())


@pytest.mark.parametrize(
    ("event", "lost"),
    [
        (state(THEIRS, 1), (THEIRS, 1)),
        (state(MINE, 1), (MINE, 1)),
        (state("unknown", 1), ("unknown", 1)),
        (task(THEIRS, epoch=1), (THEIRS, 1)),
        (cell(MINE, 1), (MINE, 1)),
        (value(THEIRS), (THEIRS, 2)),
        (letter(THEIRS), (THEIRS, 2)),
        (LogsWritten(lines=(log(THEIRS),)), None),
        (task_state(MINE, "their-task"), None),
        (task_state(MINE, "unknown"), None),
        (task(MINE, "their-task"), None),
        (RunCreated(run=child(parent_run_id=THEIRS)), None),
        (RunCreated(run=child(parent_run_id=None)), None),
        (RunCreated(run=child(run_id=THEIRS)), None),
        (RunCreated(run=child(run_id="../../x")), None),
        (RunClaimed(run_id=THEIRS, at=NOW, driver_id="worker"), None),
        (RunReopened(run_id=MINE, at=NOW, epoch=3, driver_id="worker", actor="x", message=""), None),
        (RunOutputWritten(run_id=MINE, output_path="/etc/passwd", epoch=2), None),
        (RunCodeRecorded(code=RunCode(run_id=MINE, entrypoint="m:f", parameters_json="{}", pickle=None)), None),
        (DriverEnded(driver_id="other", at=NOW), None),
    ],
)
def test_nothing_else_is_written(event: Event, lost: tuple[str, int] | None) -> None:
    admitted = admit([event], "worker", RUNS, TASKS)

    assert (admitted.events, admitted.lost) == ((), () if lost is None else (lost,))


def test_what_a_run_starts_is_its_workers_too_and_belongs_to_no_deployment() -> None:
    told = [
        RunCreated(run=child(deployment="nightly", occurrence="2026", output_path="/etc/passwd", driver_id="x")),
        task(CHILD, epoch=1),
        TaskRunStateChanged(run_id=CHILD, task_run_id="new-task", state=State.RUNNING, at=NOW),
    ]

    admitted = admit(told, "worker", RUNS, TASKS)

    assert admitted.events == (RunCreated(run=child(driver_id="worker")), *told[1:])
    assert runs_told_of(told) == ({MINE, CHILD}, {"new-task"})


def test_lines_of_other_runs_are_left_out_of_a_batch() -> None:
    admitted = admit([LogsWritten(lines=(log(MINE), log(THEIRS)))], "worker", RUNS, TASKS)

    assert admitted.events == (LogsWritten(lines=(log(MINE),)),)


def test_a_flow_that_would_leave_its_worker_fails() -> None:
    [event] = admit([RunSuspended(run_id=MINE, at=NOW, epoch=2)], "worker", RUNS, TASKS).events

    assert isinstance(event, RunStateChanged)
    assert (event.state, event.epoch) == (State.FAILED, 2)
    assert "pause_flow_run" in event.message
