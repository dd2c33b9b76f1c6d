"""The executed notebook of one attempt: what each cell showed and what became of it, on disk while it runs.

The metadata is papermill's (``metadata.papermill`` of the notebook and of each cell), with one difference: it is true.
A cell that a dead kernel left behind is ``failed``, those after it stay ``pending``, a cell that its tag excluded is
``skipped``; papermill calls them all ``completed``. What the run itself ended in stands in ``metadata.orchestra``.

The file is complete at any moment (:mod:`orchestra_nb.notebooks.notebook_journal`). A cell is encoded again only when
it has changed, and what has ended and is written down is not kept in memory: it can be read from the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_encoding import decode_outputs, encode_cell, encode_json
from orchestra_nb.notebooks.document import INJECTED_TAG, read_notebook, tags_of
from orchestra_nb.notebooks.notebook_journal import NotebookJournal, file_marks

#: State of a cell to papermill's word for it (``skipped`` is ours).
_STATUS = {
    State.PENDING: "pending",
    State.RUNNING: "running",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CRASHED: "failed",
    State.CANCELLED: "failed",
    State.TIMED_OUT: "failed",
    State.SKIPPED: "skipped",
}
_ENDED = frozenset({"completed", "failed", "skipped"})
#: Stands for what nobody knows any more.
_LOST = {
    "output_type": "stream",
    "name": "stderr",
    "text": "[somebody else wrote into this file while the notebook ran: what this cell had shown is lost]\n",
}
#: Cells that papermill adds to a failed notebook; they say what was true of an earlier run.
_ERROR_MARKER = "papermill-error-cell-tag"
_LOST_AT_THE_END = {
    "output_type": "stream",
    "name": "stderr",
    "text": ["[the process that ran the notebook was killed: what this cell had shown is lost]\n"],
}
#: What stands between two cells of a file.
_NO_VALUE = re.compile(r"[\s,]*")
#: The version of papermill whose metadata this is.
PAPERMILL_VERSION = "2.7.0"


class OutputNotebook:
    """Keeps the executed notebook and writes it. Not thread-safe.

    Parameters
    ----------
    notebook
        As :mod:`orchestra_nb.notebooks.document` reads it; it becomes the executed one, in place.
    outputs_of
        Returns what the cell at a position has shown.
    on_written
        Called with the position of a cell that has ended when the file has all of it: :meth:`read_outputs` gives it
        back.
    """

    def __init__(
        self,
        notebook: dict[str, Any],
        path: Path,
        outputs_of: Callable[[int], list[dict[str, Any]]],
        on_written: Callable[[int], None] = lambda position: None,
    ) -> None:
        self._notebook = notebook
        self._path = path
        self._outputs_of = outputs_of
        self._on_written = on_written
        self._journal = NotebookJournal(path)
        notebook["cells"] = [cell for cell in notebook["cells"] if _ERROR_MARKER not in tags_of(cell)]
        self.cells: list[dict[str, Any]] = notebook["cells"]
        self._changed: set[int] = set()
        #: while the file is not ours any more: what it says that each cell, by its id, has shown
        self._taken_back: dict[str, list[dict[str, Any]]] | None = None

    def begin(
        self,
        at: datetime,
        *,
        parameters: object,
        input_path: str,
        run: Mapping[str, object],
        papermill: Mapping[str, object] | None = None,
    ) -> None:
        """Clear what an earlier run left: all cells are pending.

        Parameters
        ----------
        run
            What ``metadata.orchestra`` says of the run.
        papermill
            What ``metadata.papermill`` says beside the run where papermill itself wrote it.
        """
        metadata = self._notebook.setdefault("metadata", {})
        metadata.pop("widgets", None)
        metadata["papermill"] = {
            "default_parameters": {},
            "parameters": parameters,
            "environment_variables": {},
            "version": PAPERMILL_VERSION,
            "input_path": input_path,
            "output_path": str(self._path),
            "start_time": at.isoformat(),
            "end_time": None,
            "duration": None,
            "exception": None,
            **(papermill or {}),
        }
        metadata["orchestra"] = dict(run)
        for cell in self.cells:
            cell.setdefault("metadata", {})["papermill"] = _new_record(State.PENDING)
            if cell["cell_type"] == "code":
                cell["execution_count"] = None
                cell["outputs"] = []
                cell["metadata"].pop("execution", None)
        self._changed = set(range(len(self.cells)))
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
                if cell["cell_type"] == "code":
                    cell["metadata"]["execution"] = _timing(record["start_time"], ended_at)
        if record["status"] == "failed":
            record["exception"] = True
        if execution_count is not None:
            cell["execution_count"] = execution_count
        self.cell_shows(position)

    def cell_shows(self, position: int) -> None:
        """Note that what the cell shows has changed."""
        self._changed.add(position)

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

    def save(self, *, is_last: bool = False) -> bool:
        """Bring the file up to date; False when that was put off, so that not too much is written again and again.

        Parameters
        ----------
        is_last
            Write in any case, wait until the disk has it, and let go of the file.
        """
        if self._journal.is_overwritten():
            self._take_back()
        changed = {
            position: encode_cell(self.cells[position], self._outputs_of(position)) for position in self._changed
        }
        rest = encode_json({key: value for key, value in self._notebook.items() if key != "cells"})[2:] + b"\n"
        cells = [changed.get(position) for position in range(len(self.cells))]
        statuses = [cell["metadata"]["papermill"]["status"] for cell in self.cells]
        ended = next((number for number, status in enumerate(statuses) if status not in _ENDED), len(statuses))
        if not self._journal.write(cells, rest, ended=ended, is_last=is_last):
            return False
        self._changed.clear()
        self._taken_back = None
        for position in changed:
            if statuses[position] in _ENDED:
                self._on_written(position)
        if is_last:
            self._journal.close()
        return True

    def read_outputs(self, position: int) -> list[dict[str, Any]]:
        """Return what the cell had shown when it was written last."""
        if self._journal.is_overwritten():
            self._take_back()
        if self._taken_back is not None:
            return self._taken_back.get(self.cells[position].get("id", ""), [_LOST])
        return decode_outputs(self._journal.read_cell(position))

    def _take_back(self) -> None:
        """Somebody has written into the file: write all of it again, what is not in memory from what stands there."""
        try:
            found = {cell["id"]: cell.get("outputs", []) for cell in read_notebook(self._path)["cells"]}
        except OrchestraError:
            found = {}
        self._taken_back = found
        self._journal.forget()
        self._changed = set(range(len(self.cells)))


def close_abandoned(
    path: Path,
    at: datetime,
    state: State,
    message: str,
    source: Mapping[str, Any] | None = None,
    *,
    may_have_ended: bool = False,
) -> None:
    """Say the truth in a file whose writer was killed: the cell that ran has failed, and the run ended so.

    A file that is missing or cannot be read is left as it is, and so is one that somebody writes meanwhile: its writer
    lives.

    Parameters
    ----------
    source
        The notebook as it was given to the writer: a file that it was killed in the middle of changing ends within the
        cell that ran, and what comes after that is taken from here.
    may_have_ended
        Whether a file that tells its end already is left as it is.
    """
    try:
        before = file_marks(path.stat())
        content = path.read_bytes()
        notebook = _load(content, source)
        cells = notebook["cells"]
        metadata = notebook["metadata"]
        if may_have_ended and metadata["papermill"].get("end_time") is not None:
            return
        metadata["papermill"].update(end_time=at.isoformat(), exception=True)
        metadata["orchestra"].update(state=state.value, message=message)
        for cell in cells:
            record = cell["metadata"]["papermill"]
            if record["status"] == _STATUS[State.RUNNING]:
                record.update(status=_STATUS[State.CRASHED], exception=True, end_time=at.isoformat())
    except (OSError, ValueError, KeyError, TypeError):
        return
    _write_whole(path, encode_json(notebook) + b"\n", before)


def _load(content: bytes, source: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the notebook of a file that may be broken off."""
    try:
        found: dict[str, Any] = json.loads(content)
    except ValueError:
        if source is None:
            raise
        return _mended(content.decode("utf-8", "replace"), source)
    return found


def _mended(text: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells that a broken off file has, and those of the source that it has no more."""
    decoder = json.JSONDecoder()
    given = [cell for cell in source["cells"] if _ERROR_MARKER not in tags_of(cell)]
    cells: list[dict[str, Any]] = []
    place = text.index("[") + 1
    with contextlib.suppress(ValueError):
        while len(cells) < len(given):
            place = _NO_VALUE.match(text, place).end()  # type: ignore[union-attr]
            cell, place = decoder.raw_decode(text, place)
            if INJECTED_TAG in tags_of(cell) and INJECTED_TAG not in tags_of(given[len(cells)]):
                given.insert(len(cells), cell)  # the source is the notebook as it was before
            cells.append(cell)
    state, lost = State.RUNNING, [_LOST_AT_THE_END]
    if any(cell["metadata"]["papermill"]["status"] == _STATUS[state] for cell in cells):
        state, lost = State.PENDING, []
    for cell in given[len(cells) :]:
        begun = {**cell, "metadata": {**cell["metadata"], "papermill": _new_record(state)}}
        begun["source"] = cell["source"].splitlines(keepends=True)
        if cell["cell_type"] == "code":
            begun.update(execution_count=None, outputs=lost)
        cells.append(begun)
        state, lost = State.PENDING, []
    metadata = {**source["metadata"], "papermill": {"version": PAPERMILL_VERSION}, "orchestra": {}}
    return {**source, "cells": cells, "metadata": metadata}


def _timing(started_at: str, ended_at: datetime) -> dict[str, str]:
    """Return what JupyterLab and nbclient record of a cell's times."""
    end = ended_at.isoformat()
    return {
        "iopub.execute_input": started_at,
        "iopub.status.busy": started_at,
        "iopub.status.idle": end,
        "shell.execute_reply": end,
    }


def _new_record(state: State) -> dict[str, object]:
    """Return what papermill says of a cell that has not ended."""
    return {"exception": None, "start_time": None, "end_time": None, "duration": None, "status": _STATUS[state]}


def _write_whole(path: Path, content: bytes, before: tuple[int, ...]) -> None:
    """Write a file beside its place, wait until the disk has it, then put it in the place of the one of these marks."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if file_marks(path.stat()) == before:
            os.replace(temporary, path)
        else:
            temporary.unlink()
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
