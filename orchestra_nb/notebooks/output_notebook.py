"""The executed notebook of one attempt: what each cell showed and what became of it, on disk while it runs.

The metadata is papermill's (``metadata.papermill`` of the notebook and of each cell), with one difference: it is true.
A cell that a dead kernel left behind is ``failed``, those after it stay ``pending``, a cell that its tag excluded is
``skipped``; papermill calls them all ``completed``. What the run itself ended in stands in ``metadata.orchestra``.

Each file that is seen at the path is complete (written beside it and renamed). A cell is encoded again only when it has
changed, so that writing a notebook of n cells n times is not n² of work.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State

#: State of a cell to papermill's word for it (``skipped`` is ours).
_STATUS = {
    State.PENDING: "pending",
    State.RUNNING: "running",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CRASHED: "failed",
    State.CANCELLED: "failed",
    State.SKIPPED: "skipped",
}
#: Cells that papermill adds to a failed notebook; they say what was true of an earlier run.
_ERROR_MARKER = "papermill-error-cell-tag"
#: The version of papermill whose metadata this is.
_PAPERMILL_VERSION = "2.7.0"


class OutputNotebook:
    """Keeps the executed notebook and writes it. Not thread-safe.

    Parameters
    ----------
    notebook
        As :mod:`orchestra_nb.notebooks.document` reads it; it becomes the executed one, in place.
    outputs_of
        Returns what the cell at a position has shown.
    """

    def __init__(self, notebook: dict[str, Any], path: Path, outputs_of: Callable[[int], list[dict[str, Any]]]) -> None:
        self._notebook = notebook
        self._path = path
        self._outputs_of = outputs_of
        notebook["cells"] = [cell for cell in notebook["cells"] if _ERROR_MARKER not in tags_of(cell)]
        self.cells: list[dict[str, Any]] = notebook["cells"]
        self._encoded: list[bytes | None] = []

    def begin(
        self,
        at: datetime,
        *,
        parameters: object,
        input_path: str,
        run: Mapping[str, object],
    ) -> None:
        """Clear what an earlier run left: all cells are pending.

        Parameters
        ----------
        run
            What ``metadata.orchestra`` says of the run.
        """
        metadata = self._notebook.setdefault("metadata", {})
        metadata.pop("widgets", None)
        metadata["papermill"] = {
            "default_parameters": {},
            "parameters": parameters,
            "environment_variables": {},
            "version": _PAPERMILL_VERSION,
            "input_path": input_path,
            "output_path": str(self._path),
            "start_time": at.isoformat(),
            "end_time": None,
            "duration": None,
            "exception": None,
        }
        metadata["orchestra"] = dict(run)
        for cell in self.cells:
            cell.setdefault("metadata", {})["papermill"] = {
                "exception": None,
                "start_time": None,
                "end_time": None,
                "duration": None,
                "status": _STATUS[State.PENDING],
            }
            if cell["cell_type"] == "code":
                cell["execution_count"] = None
                cell["outputs"] = []
                cell["metadata"].pop("execution", None)
        self._encoded = [None] * len(self.cells)
        self._started_at = at

    def set_metadata(self, key: str, value: object) -> None:
        """Set one entry of the notebook's metadata."""
        self._notebook["metadata"][key] = value

    def change_cell(
        self,
        position: int,
        state: State,
        *,
        started_at: datetime | None = None,
        ended_at: datetime | None = None,
        execution_count: int | None = None,
    ) -> None:
        """Note what became of the cell at a position; None leaves what is there."""
        cell = self.cells[position]
        record = cell["metadata"]["papermill"]
        record["status"] = _STATUS[state]
        if started_at is not None:
            record["start_time"] = started_at.isoformat()
            record["exception"] = False
        if ended_at is not None:
            record["end_time"] = ended_at.isoformat()
            if record["start_time"] is not None:
                record["duration"] = (ended_at - datetime.fromisoformat(record["start_time"])).total_seconds()
        if record["status"] == "failed":
            record["exception"] = True
        if execution_count is not None:
            cell["execution_count"] = execution_count
        self.cell_shows(position)

    def cell_shows(self, position: int) -> None:
        """Note that what the cell shows has changed."""
        self._encoded[position] = None

    def finish(self, at: datetime, state: State, message: str, error: ErrorInfo | None) -> None:
        """Note how the run ended."""
        metadata = self._notebook["metadata"]
        metadata["papermill"].update(
            end_time=at.isoformat(),
            duration=(at - self._started_at).total_seconds(),
            exception=True if state is not State.COMPLETED else None,
        )
        metadata["orchestra"].update(state=state.value, message=message)
        if error is not None and error.cell is not None:
            metadata["orchestra"]["failed"] = error.cell

    def save(self, *, durable: bool = False) -> None:
        """Write the file, complete or not at all.

        Parameters
        ----------
        durable
            Wait until the disk has it.
        """
        _write_whole(self._path, self._chunks(), durable=durable)

    def _chunks(self) -> list[bytes]:
        """Return the file in pieces, laid out as nbformat does it."""
        for position, encoded in enumerate(self._encoded):
            if encoded is None:
                self._encoded[position] = self._encode_cell(position)
        rest = {key: value for key, value in self._notebook.items() if key != "cells"}
        cells = b",\n".join(encoded for encoded in self._encoded if encoded is not None)
        head = b'{\n "cells": [\n' + cells + b"\n ],\n" if cells else b'{\n "cells": [],\n'
        return [head, _dump(rest)[2:], b"\n"]

    def _encode_cell(self, position: int) -> bytes:
        cell = dict(self.cells[position])
        cell["source"] = cell["source"].splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"] = [_with_split_lines(output) for output in self._outputs_of(position)]
        return b"  " + _dump(cell).replace(b"\n", b"\n  ")


def close_abandoned(path: Path, at: datetime, state: State, message: str) -> None:
    """Say the truth in a file whose writer was killed: the cell that ran has failed, and the run ended so.

    A file that is missing or cannot be read is left as it is.
    """
    try:
        notebook = json.loads(path.read_bytes())
        records = [cell["metadata"]["papermill"] for cell in notebook["cells"]]
        metadata = notebook["metadata"]
        metadata["papermill"].update(end_time=at.isoformat(), exception=True)
        metadata["orchestra"].update(state=state.value, message=message)
    except (OSError, ValueError, KeyError, TypeError):
        return
    for record in records:
        if record["status"] == _STATUS[State.RUNNING]:
            record.update(status=_STATUS[State.CRASHED], exception=True, end_time=at.isoformat())
    _write_whole(path, [_dump(notebook), b"\n"], durable=True)


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """Return a cell's tags."""
    tags = cell.get("metadata", {}).get("tags", [])
    return tags if isinstance(tags, list) else []


def _write_whole(path: Path, chunks: Iterable[bytes], *, durable: bool) -> None:
    """Write a file beside its place, then put it there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(chunks)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _with_split_lines(output: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output with its texts as lists of lines, as nbformat stores them."""
    split = dict(output)
    if output["output_type"] == "stream":
        split["text"] = output["text"].splitlines(keepends=True)
    elif "data" in output:
        split["data"] = {
            kind: value.splitlines(keepends=True) if _is_text(kind) and isinstance(value, str) else value
            for kind, value in output["data"].items()
        }
    return split


def _is_text(mime_type: str) -> bool:
    return mime_type.startswith("text/") or mime_type in ("application/javascript", "image/svg+xml")


def _dump(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, separators=(",", ": "))
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes its JSON escape
