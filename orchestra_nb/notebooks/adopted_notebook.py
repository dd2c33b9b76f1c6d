"""A copy of a notebook with the task cells that are proposed for it, and what has changed in each cell."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_nb.notebooks.document import Cell, Notebook, tags_of
from orchestra_nb.notebooks.parameters import PARAMETERS_TAG
from orchestra_nb.notebooks.parameters_proposal import constants_cell
from orchestra_nb.notebooks.source_text import literal
from orchestra_nb.notebooks.task_proposals import Verdict, propose_tasks

_EXTENSION = "%load_ext orchestra_nb"


@dataclass(frozen=True, kw_only=True, slots=True)
class CellChange:
    """One code cell before and after.

    Parameters
    ----------
    number
        Counts the code cells of the source from 1; None for a cell that is new.
    before, after
        Its source; None where there is no such cell.
    added_tag
        A tag that it gets.
    reasons
        Why it changes, or why it stays; one sentence each, without a full stop.
    """

    number: int | None
    cell_id: str
    title: str
    before: str | None
    after: str | None
    reasons: tuple[str, ...]
    added_tag: str | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the copy differs here."""
        return self.before != self.after or self.added_tag is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedNotebook:
    """A notebook's copy with task cells.

    Parameters
    ----------
    tasks
        Names of the tasks that are proposed, in order.
    parameters
        Names in the cell that gets the tag ``parameters``.
    """

    notebook: Notebook
    changes: tuple[CellChange, ...]
    verdicts: tuple[Verdict, ...]
    tasks: tuple[str, ...]
    parameters: tuple[str, ...]


def adopt_notebook(
    notebook: Mapping[str, Any],
    *,
    seconds: Mapping[str, float] | None = None,
    is_merging: bool = False,
    has_parameters: bool = True,
) -> AdoptedNotebook:
    """Return a copy of a notebook with its proposed task cells; the notebook itself is not changed.

    Parameters
    ----------
    seconds
        Cell id to how long the cell took when the notebook last ran.
    is_merging
        Make one task of neighbours below one heading that only feed each other.
    has_parameters
        Tag the cell that plainly holds the parameters, where none is tagged.

    Raises
    ------
    InvalidNotebook
        As :func:`propose_tasks`.
    """
    constants = constants_cell(notebook) if has_parameters else None
    parameters_id, names = constants if constants is not None else (None, ())
    verdicts = propose_tasks(notebook, seconds=seconds, is_merging=is_merging, parameters_cell_id=parameters_id)
    copied: Notebook = copy.deepcopy(dict(notebook))
    cells: list[Cell] = copied["cells"]
    by_id = {cell["id"]: cell for cell in cells if cell["cell_type"] == "code"}
    before = {cell_id: cell["source"] for cell_id, cell in by_id.items()}
    reasons: dict[str, list[str]] = {verdict.cell_id: [_reason(verdict)] for verdict in verdicts}
    ids = {verdict.cell: verdict.cell_id for verdict in verdicts}
    removed: set[str] = set()
    for verdict in verdicts:
        if verdict.task is not None:
            cell = by_id[verdict.cell_id]
            cell["source"] = f"%%task {_quoted(verdict.task)}\n{cell['source'].lstrip(chr(10))}"
        elif verdict.merged_into is not None:
            head = by_id[ids[verdict.merged_into]]
            head["source"] = f"{head['source'].rstrip()}\n\n{by_id[verdict.cell_id]['source'].strip(chr(10))}"
            reasons[head["id"]].append(f"takes up cell {verdict.cell}")
            removed.add(verdict.cell_id)
    if parameters_id is not None:
        _tag(by_id[parameters_id])
        reasons[parameters_id] = [f"becomes the parameters cell: it only assigns constants ({', '.join(names)})"]
    copied["cells"] = [cell for cell in cells if cell["id"] not in removed]
    tasks = tuple(verdict.task for verdict in verdicts if verdict.task is not None)
    new = _load_extension(copied, parameters_id, reasons) if tasks else None
    changes = [
        CellChange(
            number=verdict.cell,
            cell_id=verdict.cell_id,
            title=verdict.title,
            before=before[verdict.cell_id],
            after=None if verdict.cell_id in removed else by_id[verdict.cell_id]["source"],
            reasons=tuple(reasons[verdict.cell_id]),
            added_tag=PARAMETERS_TAG if verdict.cell_id == parameters_id else None,
        )
        for verdict in verdicts
    ]
    if new is not None:
        position, cell = new
        reason = ("is new: it makes %%task known",)
        changes.insert(
            position,
            CellChange(number=None, cell_id=cell["id"], title="", before=None, after=cell["source"], reasons=reason),
        )
    return AdoptedNotebook(
        notebook=copied, changes=tuple(changes), verdicts=tuple(verdicts), tasks=tasks, parameters=names
    )


def _reason(verdict: Verdict) -> str:
    if verdict.task is not None:
        return f"becomes the task {verdict.task}: {verdict.why}"
    if verdict.merged_into is not None:
        return f"goes into cell {verdict.merged_into}: {verdict.why}"
    return f"stays: {verdict.why}"


def _quoted(name: str) -> str:
    return literal(name) if " " in name else name


def _tag(cell: Cell) -> None:
    cell["metadata"]["tags"] = [*tags_of(cell), PARAMETERS_TAG]


def _load_extension(
    notebook: Notebook, parameters_id: str | None, reasons: dict[str, list[str]]
) -> tuple[int, Cell] | None:
    """Load the extension before the first task; return (position among the code cells, cell) where a cell is new.

    The parameters cell stays plain Python, so that its parameters can be read.
    """
    cells: list[Cell] = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell in code:
        if re.search(r"^\s*%(?:re)?load_ext\s+orchestra_nb\b", cell["source"], re.MULTILINE):
            return None
        if cell["source"].startswith("%%task"):
            break
    for cell in code:
        is_parameters = cell["id"] == parameters_id or PARAMETERS_TAG in tags_of(cell)
        if is_parameters:
            continue
        if cell["source"].lstrip().startswith("%%") or "from __future__" in cell["source"]:
            break
        cell["source"] = f"{_EXTENSION}\n{cell['source']}"
        told = [reason for reason in reasons[cell["id"]] if not reason.startswith("stays")]
        reasons[cell["id"]] = [*told, "loads the extension, which makes %%task known"]
        return None
    first = next(number for number, cell in enumerate(code) if cell["source"].startswith("%%task"))
    ids = {cell["id"] for cell in cells}
    name = "load-orchestra"
    while name in ids:
        name += "-"
    new: Cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": [],
        "source": _EXTENSION,
    }
    cells.insert(cells.index(code[first]), new)
    return first, new
