"""Runs, tasks and requests for the tests of the server: the same for the same number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from orchestra_nb.model.runs import Run, RunKind, TaskRun
from orchestra_nb.model.states import State

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)

#: What makes a request one for a websocket (RFC 6455, section 1.2).
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def run_of(number: int, **fields: object) -> Run:
    """Return the run with this number: a later number was created later."""
    defaults: dict[str, object] = {
        "run_id": f"{number:032x}",
        "name": f"calm-fox-{number}",
        "flow_name": "report",
        "kind": RunKind.NOTEBOOK,
        "state": State.PENDING,
        "created_at": NOON + timedelta(minutes=number),
    }
    return Run(**{**defaults, **fields})  # type: ignore[arg-type]


def task_of(run: Run, name: str, **fields: object) -> TaskRun:
    """Return a task run of a run, with its name in its id."""
    defaults: dict[str, object] = {
        "task_run_id": f"{run.run_id[:24]}{name.encode().hex()[:8]:>08}",
        "run_id": run.run_id,
        "name": name,
        "state": State.PENDING,
        "created_at": run.created_at,
    }
    return TaskRun(**{**defaults, **fields})  # type: ignore[arg-type]
