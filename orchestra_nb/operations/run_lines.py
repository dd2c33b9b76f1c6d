"""A run in one line, as a notebook cell or a prompt shows it."""

from __future__ import annotations

from collections.abc import Iterable

from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import Run

_LINE_CHARACTERS = 200
_VALUE_CHARACTERS = 40


def run_line(run: Run, records: Iterable[RecordedValue]) -> str:
    """Return a run in one line, with what it returned or how it went wrong: ``"run calm-fox COMPLETED auc=0.93"``."""
    said = " ".join(run.message.split()) or ", ".join(f"{record.name}={record.summary}" for record in records)
    line = f"run {run.name} {run.state}" + (f" {said}" if said else "")
    return line if len(line) <= _LINE_CHARACTERS else f"{line[: _LINE_CHARACTERS - 1]}…"


def short_value(value: object) -> str:
    """Return a parameter's value in a few characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[: _VALUE_CHARACTERS - 1]}…"
