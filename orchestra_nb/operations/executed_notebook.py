"""The executed notebook of a run as data: what each cell is, what became of it, and what it showed.

What cells showed may be hostile, so it is told as texts and pictures only: whoever draws it needs no HTML, and nothing
of it can run. The file is whole at any moment (:mod:`orchestra_nb.notebooks.notebook_journal`), also in a run that
goes on.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.errors import NotebookNotFound
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.stream_text import as_left_by_terminal
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: So much of a text is told: of a stream its begin and its end.
_LONGEST_TEXT: Final = 20_000
#: So large a picture is told, as base64.
_LARGEST_PICTURE: Final = 2_000_000
#: So much is told of a notebook; what its last cells showed is left out then.
_LARGEST_ANSWER: Final = 12_000_000
#: What browsers draw from the data alone, the best first.
_PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
#: Colours and moves of a terminal, and what else no reader wants to see.
_CONTROLS: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")
_TEXTS: Final = ("text/plain", "text/markdown", "text/latex", "application/json")


class CellOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a cell showed.

    Parameters
    ----------
    kind
        ``"stdout"`` or ``"stderr"``, ``"result"`` or ``"error"``: ``text`` has it, without colours; ``"picture"``:
        ``data`` is base64 of the type ``mime``; ``"omitted"``: ``text`` says why.
    """

    kind: str
    text: str = ""
    mime: str = ""
    data: str = ""


class ExecutedCell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell of an executed notebook.

    Parameters
    ----------
    index
        Its place among the code cells, from 0, as the run's cells are counted; None for any other cell.
    type
        ``"code"``, ``"markdown"`` or ``"raw"``.
    status
        ``"pending"``, ``"running"``, ``"completed"``, ``"failed"`` or ``"skipped"``; empty where the file does not say.
    """

    index: int | None
    cell_id: str
    type: str
    source: str
    status: str
    execution_count: int | None
    seconds: float | None
    outputs: tuple[CellOutput, ...]


class ExecutedNotebook(msgspec.Struct, frozen=True, kw_only=True):
    """The executed notebook of one attempt of a run.

    Parameters
    ----------
    attempts
        Those whose file is there, in order.
    version
        Another one after each change of the file.
    cells
        None where the file is as whoever asks knows it.
    """

    attempt: int
    attempts: tuple[int, ...]
    path: str
    version: str
    cells: tuple[ExecutedCell, ...] | None


def executed_notebook(
    store: RunStore, id_or_name: str, *, attempt: int | None = None, known: str | None = None
) -> ExecutedNotebook:
    """Return what the executed notebook of a run holds, as far as it has come.

    Parameters
    ----------
    attempt
        The run's epoch; None for the newest whose file is there.
    known
        The version that is known: nothing is read again where it still holds.

    Raises
    ------
    RunNotFound
        There is no such run.
    NotebookNotFound
        It has none, or its file is not on this machine any more; the message says which.
    InvalidNotebook
        Somebody else has written into the file.
    """
    run = find_run(store, id_or_name)
    files = _files(run)
    if not files:
        raise NotebookNotFound(_why_none(run))
    wanted = max(files) if attempt is None else attempt
    if wanted not in files:
        there = ", ".join(map(str, sorted(files)))
        raise NotebookNotFound(
            f"The executed notebook of attempt {wanted} of run {run.name} is not here. There are: {there}."
        )
    path = files[wanted]
    mark = path.stat()
    version = f"{wanted}-{mark.st_mtime_ns}-{mark.st_size}"
    return ExecutedNotebook(
        attempt=wanted,
        attempts=tuple(sorted(files)),
        path=str(path),
        version=version,
        cells=None if version == known else tuple(_cells(read_notebook(path))),
    )


def _files(run: Run) -> dict[int, Path]:
    """Return attempt to its file, of those that are on this machine."""
    found: dict[int, Path] = {}
    if run.kind is not RunKind.NOTEBOOK:
        return found
    if run.output_path is not None and os.path.isfile(run.output_path):
        found[run.epoch] = Path(run.output_path)
    name = re.compile(rf"{run.run_id}\.(\d+)\.ipynb")
    with contextlib.suppress(OSError):
        for path in attempts_folder().glob(f"{run.run_id}.*.ipynb"):
            if (number := name.fullmatch(path.name)) is not None:
                found[int(number[1])] = path  # the attempt's own file: a copy may be somebody else's by now
    return found


def _why_none(run: Run) -> str:
    if run.kind is not RunKind.NOTEBOOK:
        of_cells = " Its tasks are cells of an open notebook." if run.kind is RunKind.INTERACTIVE else ""
        return f"Run {run.name} executed no whole notebook.{of_cells}"
    if not run.state.is_terminal:
        return f"The executed notebook of run {run.name} is not here yet: it is {run.state}."
    return (
        f"The executed notebook of run {run.name} is not on this machine: it ran elsewhere, did not begin, or its file "
        "was cleaned up."
    )


def _cells(notebook: dict[str, Any]) -> list[ExecutedCell]:
    found: list[ExecutedCell] = []
    room, index = _LARGEST_ANSWER, 0
    for cell in notebook["cells"]:
        is_code = cell["cell_type"] == "code"
        record = cell["metadata"].get("papermill")
        record = record if isinstance(record, dict) else {}
        outputs = tuple(_output(one) for one in cell.get("outputs", ()) if isinstance(one, dict)) if is_code else ()
        size = sum(len(one.text) + len(one.data) for one in outputs)
        if size > room:
            outputs = (CellOutput(kind="omitted", text="Left out, because the notebook is too large: open it."),)
        else:
            room -= size
        seconds = record.get("duration")
        count = cell.get("execution_count")
        found.append(
            ExecutedCell(
                index=index if is_code else None,
                cell_id=str(cell.get("id", "")),
                type=cell["cell_type"],
                source=_shortened(cell["source"]),
                status=str(record.get("status") or ""),
                execution_count=count if isinstance(count, int) else None,
                seconds=seconds if isinstance(seconds, int | float) else None,
                outputs=outputs,
            )
        )
        index += is_code
    return found


def _output(output: dict[str, Any]) -> CellOutput:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return CellOutput(kind=name, text=_shortened(_plain(_joined(output.get("text")))))
    if kind == "error":
        trace = _joined("\n".join(map(str, output.get("traceback") or ())))
        return CellOutput(kind="error", text=_shortened(_plain(trace or str(output.get("evalue", "")))))
    data = output.get("data")
    return _displayed(data if isinstance(data, dict) else {})


def _displayed(data: dict[str, Any]) -> CellOutput:
    for mime in _PICTURES:
        picture = "".join(_joined(data.get(mime)).split())
        if picture and len(picture) <= _LARGEST_PICTURE:
            return CellOutput(kind="picture", mime=mime, data=picture, text=_shortened(_joined(data.get("text/plain"))))
    for mime in _TEXTS:
        if mime in data:
            value = data[mime]
            text = _joined(value) if isinstance(value, str | list) else msgspec.json.encode(value).decode()
            return CellOutput(kind="result", text=_shortened(_plain(text)))
    types = ", ".join(sorted(map(str, data))) or "nothing"
    return CellOutput(kind="omitted", text=f"Shown only in the notebook: {types}")


def _plain(text: str) -> str:
    """Return a text as a terminal would leave it, without colours."""
    return _CONTROLS.sub("", as_left_by_terminal(text))


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")


def _shortened(text: str) -> str:
    half = _LONGEST_TEXT // 2
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters are left out …\n{text[-half:]}"
