"""Cells that need each other: one reads a name that only later cells bind, and those need the first one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orchestra_nb.notebooks import mutations
from orchestra_nb.notebooks.dataflow import analyse_notebook
from orchestra_nb.notebooks.document import INJECTED_TAG, cell_title, language, tags_of
from orchestra_nb.notebooks.notebook_analysis import NotebookAnalysis


class Circle(NamedTuple):
    """Two cells that need each other: ``reader`` reads ``name``, which ``binder`` binds, and needs of ``reader``."""

    name: str
    reader: int
    binder: int


def find_circle(notebook: NotebookAnalysis) -> Circle | None:
    """Return the first two cells that need each other; O(cells x edges).

    Only what is certain counts: the name is read on every way through the cell, no cell before and no builtin binds
    it, no barrier and no end of the notebook comes before, and every cell that binds it needs the reader for its names.
    """
    binders: dict[str, list[int]] = {}
    for cell in notebook.cells:
        for name in cell.defines:
            binders.setdefault(name, []).append(cell.index)
    for cell in notebook.cells:
        for name in cell.unbound:
            later = binders.get(name, [])
            # a name that notebooks give to modules may come from a start-up file
            if not later or name in mutations.CONVENTIONAL_MODULES or any(index <= cell.index for index in later):
                continue
            if all(_needs(notebook, index, cell.index) for index in later):
                return Circle(name, cell.index, later[0])
    return None


def _needs(notebook: NotebookAnalysis, index: int, other: int) -> bool:
    """Tell whether a cell needs another one for what it binds or changes; barriers do not count."""
    seen: set[int] = set()
    pending = [index]
    while pending:
        cell = notebook.cells[pending.pop()]
        if cell.barrier:
            continue
        for needed in cell.causes:
            if needed == other:
                return True
            if needed not in seen:
                seen.add(needed)
                pending.append(needed)
    return False


def circle_in_words(notebook: Mapping[str, Any]) -> str | None:
    """Return why the cells of a notebook can run in no order, None where nothing says so.

    Code cells are counted from 1, without one that was put in for parameters.
    """
    if language(notebook) not in ("", "python"):
        return None
    cells = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    circle = find_circle(analyse_notebook(notebook))
    if circle is None or "raises-exception" in tags_of(cells[circle.reader]):
        return None
    reader, binder = (_named(cells, index) for index in (circle.reader, circle.binder))
    return (
        f"Two cells need each other: {reader} reads {circle.name!r}, which only {binder} binds, and that one needs "
        f"what the first one makes. Bind {circle.name!r} in a cell above."
    )


def _named(cells: list[Mapping[str, Any]], index: int) -> str:
    given = sum(INJECTED_TAG in tags_of(cell) for cell in cells[:index])
    return f"cell {index - given + 1} ({cell_title(str(cells[index].get('source', '')))})"
