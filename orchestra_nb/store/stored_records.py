"""Records of :mod:`orchestra_nb.model` as rows of the store, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from orchestra_nb.model.jsonable import to_stored
from orchestra_nb.model.runs import CellRun, Driver, ErrorInfo, LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.states import State

#: Why something is in its state, at most.
MAX_MESSAGE_CHARACTERS = 2_000


def run_to_row(run: Run) -> dict[str, object]:
    """Return the row of a run."""
    return msgspec.structs.asdict(run) | {
        "kind": run.kind.value,
        "state": run.state.value,
        "message": short_message(run.message),
        "parameters": to_stored(run.parameters),
    }


def run_of_row(row: RowMapping | Mapping[str, Any]) -> Run:
    """Return the run of a row; non-finite floats in its parameters stay tagged, since a run is sent as JSON."""
    return Run(**{**row, "kind": RunKind(row["kind"]), "state": State(row["state"])})


def task_run_to_row(task_run: TaskRun) -> dict[str, object]:
    """Return the row of a task run."""
    return msgspec.structs.asdict(task_run) | {
        "state": task_run.state.value,
        "message": short_message(task_run.message),
        "error": error_to_value(task_run.error),
    }


def task_run_of_row(row: RowMapping) -> TaskRun:
    """Return the task run of a row."""
    fields = {
        **row,
        "state": State(row["state"]),
        "error": error_of_value(row["error"]),
        "upstream": tuple(row["upstream"]),
    }
    del fields["number"]
    return TaskRun(**fields)


def cell_run_to_row(cell: CellRun) -> dict[str, object]:
    """Return the row of a cell."""
    fields = msgspec.structs.asdict(cell)
    fields["cell_index"] = fields.pop("index")
    del fields["number"]  # follows from the cells before it
    return fields | {
        "state": cell.state.value,
        "error": error_to_value(cell.error),
        "message": short_message(cell.message),
    }


def cell_run_of_row(row: RowMapping) -> CellRun:
    """Return the cell of a row."""
    fields = {**row, "state": State(row["state"]), "error": error_of_value(row["error"])}
    fields["index"] = fields.pop("cell_index")
    return CellRun(**fields)


def log_line_of_row(row: RowMapping) -> tuple[int, LogLine]:
    """Return the sequence number and the line of a row."""
    fields = dict(row)
    sequence = fields.pop("sequence")
    return sequence, LogLine(**fields)


def driver_of_row(row: RowMapping) -> Driver:
    """Return the driver of a row."""
    return Driver(**row)


def error_to_value(error: ErrorInfo | None) -> object:
    """Return an error as a value of JSON types."""
    return None if error is None else msgspec.structs.asdict(error)


def error_of_value(value: object) -> ErrorInfo | None:
    """Return the error of a value of JSON types."""
    return None if value is None else msgspec.convert(value, ErrorInfo)


def short_message(message: str) -> str:
    """Return a message, cut where it is longer than a record may hold."""
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    return message[: MAX_MESSAGE_CHARACTERS - 1] + "…"
