"""The executed notebook of a run as data: what each cell is, what became of it, and what it showed.

What cells showed may be hostile, so it is told as texts and pictures: whoever draws it needs no HTML, and nothing of it
can run. Only where a result has a table its HTML is told, too, for whoever takes the text of the table's cells out of
it. The file is whole at any moment (:mod:`orchestra_nb.notebooks.notebook_journal`), also in a run that
goes on.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.errors import InvalidNotebook, NotebookNotFound
from orchestra_nb.model.numbers_in_file import number_in_file
from orchestra_nb.model.runs import INJECTED_CELL_ID, Run, RunKind
from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.recorded_outputs import OUTPUTS_MIME
from orchestra_nb.notebooks.stream_text import as_left_by_terminal
from orchestra_nb.operations.json_encoding import encode_json
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.recent_answers import RecentAnswers
from orchestra_nb.operations.runs import find_run

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Only files up to this size are read: in memory they are five times as large.
_LARGEST_FILE_BYTES: Final = 50_000_000
#: So much of a text is told: of a stream its begin and its end.
_LONGEST_TEXT: Final = 20_000
#: So large a picture is told, as base64.
_LARGEST_PICTURE: Final = 2_000_000
#: So much HTML of a result with a table is told.
_LARGEST_TABLE: Final = 1_000_000
#: So much is told of a notebook: code first; what its last cells showed, or the last cells, are left out then.
_LARGEST_ANSWER: Final = 12_000_000
#: So much a cell or an output counts beside its text.
_COST: Final = 300
#: What browsers draw from the data alone, the best first.
_PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
#: Colours and moves of a terminal, and what else no reader wants to see.
_CONTROLS: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")
_TEXTS: Final = ("text/plain", "text/latex", "application/json")
_TABLE: Final = re.compile(r"<table\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _FileRead:
    """What a file says: whose it is, and its cells."""

    run_id: object
    epoch: object
    cells: tuple[ExecutedCell, ...]


#: Path, time of the last change and size of a file to what it says: a page that is open asks every other second.
_READ: Final[RecentAnswers[tuple[Path, int, int], _FileRead]] = RecentAnswers(seconds=600.0, most=4)


class CellOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a cell showed.

    Parameters
    ----------
    kind
        ``"stdout"`` or ``"stderr"``, ``"result"`` or ``"error"``: ``text`` has it, without colours; ``"markdown"``:
        ``text`` is Markdown; ``"picture"``: ``data`` is base64 of the type ``mime``; ``"omitted"``: ``text`` says why.
    html
        Of a result with a table; empty for any other. Not to be put into a page: it may be hostile.
    """

    kind: str
    text: str = ""
    mime: str = ""
    data: str = ""
    html: str = ""


class ExecutedCell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell of an executed notebook.

    Parameters
    ----------
    index
        Its place among the code cells, from 0, as the run's cells are counted; None for any other cell.
    number
        Which code cell of the user's own file it is, from 1, and 0 for one that only the run has; None for any other
        cell.
    type
        ``"code"``, ``"markdown"`` or ``"raw"``.
    status
        ``"pending"``, ``"running"``, ``"completed"``, ``"failed"`` or ``"skipped"``; empty where the file does not say.
    """

    index: int | None
    number: int | None
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
        Somebody else has written into the file, or it is too large to be told.
    """
    run = find_run(store, id_or_name)
    files = executed_files(run)
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
        cells=None if version == known else _read(path).cells,
    )


def executed_files(run: Run) -> dict[int, Path]:
    """Return attempt to the file of its executed notebook, of those that are on this machine.

    Raises
    ------
    InvalidNotebook
        As :func:`executed_notebook`, where no other file is there.
    """
    found: dict[int, Path] = {}
    if run.kind is not RunKind.NOTEBOOK:
        return found
    name = re.compile(rf"{run.run_id}\.(\d+)\.ipynb")
    with contextlib.suppress(OSError):
        for path in attempts_folder().glob(f"{run.run_id}.*.ipynb"):
            if (number := name.fullmatch(path.name)) is not None:
                found[int(number[1])] = path
    if run.epoch not in found and run.output_path is not None and os.path.isfile(run.output_path):
        path = Path(run.output_path)
        try:
            copy = _read(path)
        except InvalidNotebook:
            if not found:
                raise
        else:  # of an attempt before, or somebody else's by now
            epoch = 1 if run.epoch == 1 else copy.epoch
            if copy.run_id == run.run_id and isinstance(epoch, int):
                found.setdefault(epoch, path)
    return found


def _read(path: Path) -> _FileRead:
    """Return what a file says, which is read again only after it has changed."""
    mark = path.stat()
    if mark.st_size > _LARGEST_FILE_BYTES:
        raise InvalidNotebook(
            f"{path} has {mark.st_size // 1_000_000:,} MB, and up to {_LARGEST_FILE_BYTES // 1_000_000} MB are shown "
            "here. Open it in JupyterLab."
        )
    return _READ.answer((path, mark.st_mtime_ns, mark.st_size), lambda: _read_now(path))


def _read_now(path: Path) -> _FileRead:
    notebook = read_notebook(path)
    ours = notebook["metadata"].get("orchestra")
    ours = ours if isinstance(ours, dict) else {}
    return _FileRead(ours.get("run_id"), ours.get("epoch"), _cells(notebook["cells"]))


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


def _cells(cells: list[dict[str, Any]]) -> tuple[ExecutedCell, ...]:
    room, index = _LARGEST_ANSWER, 0
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    injected_at = next((place for place, cell in enumerate(code) if cell.get("id") == INJECTED_CELL_ID), None)
    told: list[ExecutedCell] = []
    for cell in cells:
        is_code = cell["cell_type"] == "code"
        bare = _without_outputs(cell, index if is_code else None, injected_at)
        if _COST + len(bare.source) > room:
            told.append(_left_out(len(cells) - len(told)))
            break
        told.append(bare)
        room -= _COST + len(bare.source)
        index += is_code
    for place, bare in enumerate(told):
        if bare.index is not None:
            outputs, room = _outputs(cells[place].get("outputs", ()), room)
            told[place] = msgspec.structs.replace(bare, outputs=outputs)
    return tuple(told)


def _without_outputs(cell: dict[str, Any], index: int | None, injected_at: int | None) -> ExecutedCell:
    record = cell["metadata"].get("papermill")
    record = record if isinstance(record, dict) else {}
    seconds = record.get("duration")
    count = cell.get("execution_count")
    return ExecutedCell(
        index=index,
        number=None if index is None else number_in_file(index, injected_at),
        cell_id=str(cell.get("id", "")),
        type=cell["cell_type"],
        source=_shortened(cell["source"]),
        status=str(record.get("status") or ""),
        execution_count=count if isinstance(count, int) else None,
        seconds=seconds if isinstance(seconds, int | float) else None,
        outputs=(),
    )


def _left_out(number: int) -> ExecutedCell:
    """Return the cell that stands for so many that are not told."""
    return ExecutedCell(
        index=None,
        number=None,
        cell_id="",
        type="raw",
        source=f"{number:,} more cells are left out, because the notebook is too large: open it.",
        status="",
        execution_count=None,
        seconds=None,
        outputs=(),
    )


def _outputs(outputs: Iterable[object], room: int) -> tuple[tuple[CellOutput, ...], int]:
    """Return what a cell showed, as far as there is room, and how much is left."""
    told: list[CellOutput] = []
    for one in _each(outputs):
        output = _output(one) if room > _COST else None
        size = 0 if output is None else _COST + len(output.text) + len(output.data) + len(output.html)
        if output is None or size > room:
            told.append(CellOutput(kind="omitted", text="Left out, because the notebook is too large: open it."))
            break
        told.append(output)
        room -= size
    return tuple(told), room


def _each(outputs: Iterable[object]) -> Iterator[dict[str, Any]]:
    """Yield each output; what a task cell showed stands in one display, which holds all of it."""
    for output in outputs:
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        shown = data.get(OUTPUTS_MIME) if isinstance(data, dict) else None
        held = shown.get("outputs") if isinstance(shown, dict) else None
        if isinstance(held, list):
            yield from (one for one in held if isinstance(one, dict))
        else:
            yield output


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
    html = _joined(data.get("text/html"))
    html = html if _TABLE.search(html) and len(html) <= _LARGEST_TABLE else ""
    if "text/markdown" in data and not html:  # what stands beside it names a Python object
        return CellOutput(kind="markdown", text=_shortened(_plain(_joined(data["text/markdown"]))))
    for mime in _TEXTS:
        if mime in data:
            value = data[mime]
            text = _joined(value) if isinstance(value, str | list) else encode_json(value).decode()
            return CellOutput(kind="result", text=_shortened(_plain(text)), html=html)
    types = ", ".join(sorted(map(str, data))) or "nothing"
    return CellOutput(kind="omitted", text=f"Shown only in the notebook: {types}", html=html)


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
