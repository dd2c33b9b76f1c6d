"""Records that the tests of the store put into it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestra_nb.model.events import RunCreated, RunReopened, RunStateChanged, TaskRunCreated, TaskRunStateChanged
from orchestra_nb.model.runs import Driver, ErrorInfo, LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.states import State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """Return a time after noon."""
    return NOON + timedelta(seconds=seconds)


def run_of(run_id: str, **fields: object) -> Run:
    """Return a run."""
    defaults: dict[str, object] = {
        "name": f"name-{run_id}",
        "flow_name": "train",
        "kind": RunKind.NOTEBOOK,
        "state": State.PENDING,
        "created_at": NOON,
        "driver_id": "driver",
    }
    return Run(run_id=run_id, **{**defaults, **fields})  # type: ignore[arg-type]


def full_run(run_id: str) -> Run:
    """Return a run with a value in every field."""
    return run_of(
        run_id,
        epoch=1,
        message="waits",
        started_at=later(1),
        ended_at=later(2),
        notebook_path="/home/ana/Wärme ☀.ipynb",
        output_path="/tmp/out.ipynb",
        parameters={"rate": 0.1, "names": ["a", None], "big": 2**70, "nested": {"on": True}},
        cluster="tcp://10.0.0.1:8786",
        tags={"team": "blå"},
        parent_run_id="parent",
        parent_task_run_id="task",
        deployment="daily",
        deployment_version=3,
        occurrence="2026-03-01T12:00:00Z",
        due_at=later(0.5),
    )


def task_of(task_run_id: str, run_id: str = "run", **fields: object) -> TaskRun:
    """Return a task run."""
    defaults: dict[str, object] = {"name": "fit", "state": State.PENDING, "created_at": NOON}
    return TaskRun(task_run_id=task_run_id, run_id=run_id, **{**defaults, **fields})  # type: ignore[arg-type]


def full_task(task_run_id: str, run_id: str = "run") -> TaskRun:
    """Return a task run with a value in every field."""
    return task_of(
        task_run_id,
        run_id,
        attempt=2,
        max_attempts=3,
        message="waits",
        error=ErrorInfo(type="ValueError", message="no", cell="fit", line=3, source_line="1/0", traceback="…"),
        started_at=later(1),
        ended_at=later(2),
        worker="w-1",
        upstream=("t0", "t00"),
        cell_id="cell-1",
        tags={"k": "v"},
    )


def run_became(state: State, run_id: str = "run", seconds: float = 1, **fields: object) -> RunStateChanged:
    """Return the event that a run entered a state."""
    return RunStateChanged(run_id=run_id, state=state, at=later(seconds), **fields)  # type: ignore[arg-type]


def reopened(run_id: str, epoch: int, **fields: object) -> RunReopened:
    """Return the event that a run is opened again in this epoch."""
    defaults: dict[str, object] = {"driver_id": "driver-2", "actor": "ana", "message": "again"}
    return RunReopened(run_id=run_id, at=later(2), epoch=epoch, **{**defaults, **fields})  # type: ignore[arg-type]


def task_became(
    state: State, task_run_id: str = "task", seconds: float = 1, run_id: str = "run", **fields: object
) -> TaskRunStateChanged:
    """Return the event that a task run entered a state."""
    return TaskRunStateChanged(
        run_id=run_id,
        task_run_id=task_run_id,
        state=state,
        at=later(seconds),
        **fields,  # type: ignore[arg-type]
    )


def line_of(message: str, run_id: str = "run", task_run_id: str | None = None) -> LogLine:
    """Return a log line."""
    return LogLine(run_id=run_id, task_run_id=task_run_id, at=NOON, message=message, logger="user")


def driver_of(driver_id: str, **fields: object) -> Driver:
    """Return a driver of another machine, whose lease runs out 15 s after noon."""
    defaults: dict[str, object] = {
        "kind": "kernel",
        "host": "elsewhere",
        "boot_id": "boot",
        "pid": 1234,
        "process_started_at": 10.25,
        "heartbeat_at": NOON,
        "lease_until": later(15),
    }
    return Driver(driver_id=driver_id, **{**defaults, **fields})  # type: ignore[arg-type]


def created(*records: Run | TaskRun) -> list[RunCreated | TaskRunCreated]:
    """Return the events that create these."""
    return [
        RunCreated(run=record) if isinstance(record, Run) else TaskRunCreated(task_run=record) for record in records
    ]
