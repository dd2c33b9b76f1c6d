"""A sweep as a table: parameters against states, durations and what was returned; as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click

from orchestra_nb.cli.run_results import readable_values
from orchestra_nb.cli.run_tables import Mark, one_line, print_table, took
from orchestra_nb.model.counted import counted
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.sweep_result import SweepResult, SweepRow

_NOT_STARTED = Mark("· Not started", "bright_black")
_DIGITS = 6


def print_sweep(sweep: SweepResult) -> None:
    """Print a line for each combination."""
    now = datetime.now(UTC)
    returned = returned_names(sweep.rows)
    has_messages = any(row.message for row in sweep.rows)
    headings = ["RUN", *sweep.swept, "STATE", "TOOK", *returned, *(["MESSAGE"] if has_messages else [])]
    rows: list[list[str | State]] = []
    for row in sweep.rows:
        values = {record.name: record for record in row.records}
        rows.append(
            [
                row.run.name if row.run is not None else "-",
                *(_text(row.parameters[name]) if name in row.parameters else "-" for name in sweep.swept),
                row.state or _NOT_STARTED,
                "-" if row.run is None else took(row.run.started_at, row.run.ended_at, now),
                *(_value_text(values[name]) if name in values else "-" for name in returned),
                *([row.message] if has_messages else []),
            ]
        )
    print_table(headings, rows)


def returned_names(rows: Iterable[SweepRow]) -> list[str]:
    """Return the names that any run returned, in the order in which they come up."""
    return list(dict.fromkeys(record.name for row in rows for record in row.records))


def sweep_document(sweep: SweepResult) -> dict[str, object]:
    """Return a sweep as ``--json`` prints it."""
    run = sweep.run
    return {
        "run_id": run.run_id,
        "name": run.name,
        "flow_name": run.flow_name,
        "state": run.state,
        "message": run.message,
        "output": run.output_path,
        "epoch": run.epoch,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "swept": list(sweep.swept),
        "runs": [_row_document(row) for row in sweep.rows],
    }


def _row_document(row: SweepRow) -> dict[str, object]:
    run = row.run
    seconds = (
        None
        if run is None or run.started_at is None or run.ended_at is None
        else (run.ended_at - run.started_at).total_seconds()
    )
    return {
        "parameters": to_readable(dict(row.parameters)),
        "run_id": None if run is None else run.run_id,
        "name": None if run is None else run.name,
        "state": row.state,
        "message": row.message,
        "seconds": seconds,
        "output": None if run is None else run.output_path,
        "values": readable_values(list(row.records)),
    }


def combination_text(row: SweepRow, swept: Iterable[str]) -> str:
    """Return the parameters that tell this run from the others: ``"alpha=0.1 beta=2"``."""
    return " ".join(f"{name}={_text(row.parameters[name])}" for name in swept if name in row.parameters)


def end_of_sweep(sweep: SweepResult) -> str:
    """Return the line under a sweep's table."""
    run = sweep.run
    done = sum(row.is_completed for row in sweep.rows)
    duration = took(run.started_at, run.ended_at, datetime.now(UTC))
    output = "" if run.output_path is None else f"   →  {one_line(run.output_path)}"
    again = "" if run.state is State.COMPLETED else f"; again those that did not: orchestra runs retry {typed_run(run)}"
    return (
        f"  {run.state}: {done} of {counted(len(sweep), 'run')} completed in {duration}{output}   "
        f"(orchestra runs show {typed_run(run)}{again})"
    )


def _value_text(record: RecordedValue) -> str:
    if record.serializer.startswith("json") and record.data is not None:
        value = to_readable(record.readable)
        if isinstance(value, bool | int | float | str):
            return _text(value)
    return record.summary


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    return one_line(value if isinstance(value, str) else str(to_readable(value)))


def echo_end(sweep: SweepResult) -> None:
    """Print the last line on stderr, and before it what else is in the sweep's folder."""
    if others := _others_in_folder(sweep):
        what = counted(others, "notebook that is", "notebooks that are")
        click.echo(f"  · {one_line(str(sweep.run.output_path))} holds {what} not of this sweep", err=True)
    click.echo(end_of_sweep(sweep), err=True)


def _others_in_folder(sweep: SweepResult) -> int:
    """Return how many notebooks are in a sweep's folder that it did not write."""
    if sweep.run.output_path is None:
        return 0
    written = {row.run.output_path for row in sweep.rows if row.run is not None}
    return sum(str(path) not in written for path in Path(sweep.run.output_path).glob("*.ipynb"))
