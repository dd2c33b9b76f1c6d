"""The dependences between the cells of a notebook, found without running it."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

from orchestra_nb.notebooks.names import CellNames, analyse_cell
from orchestra_nb.notebooks.notebook_analysis import CellAnalysis, NotebookAnalysis


def analyse_notebook(notebook: Mapping[str, Any], path: str = "") -> NotebookAnalysis:
    """Return what is known of each code cell of a notebook (as :func:`read_notebook` gives it)."""
    cells = [cell for cell in notebook.get("cells", ()) if cell.get("cell_type") == "code"]
    return NotebookAnalysis(
        path=path, cells=analyse_sources([(str(cell.get("id", "")), str(cell.get("source", ""))) for cell in cells])
    )


def analyse_sources(cells: Sequence[tuple[str, str]]) -> tuple[CellAnalysis, ...]:
    """Return what is known of code cells, given as (id, source) in the order in which they run."""
    found: list[CellAnalysis] = []
    writers: dict[str, set[int]] = {}
    readers: dict[str, set[int]] = {}
    barrier = -1
    for index, (cell_id, source) in enumerate(cells):
        try:
            names, why = analyse_cell(source), ""
        except SyntaxError as error:
            names, why = CellNames(), f"it is no Python: {error.msg} (line {error.lineno})"
        why = why or names.opaque or ""
        reads = {name for name in names.reads if name in writers or not hasattr(builtins, name)}
        causes: dict[int, set[str]] = {}
        for name in sorted(reads):
            for writer in writers.get(name, ()):
                causes.setdefault(writer, set()).add(name)
        follows = set[int]().union(*(readers.get(name, ()) for name in (names.defines | names.mutates)))
        depends_on = set(range(index)) if why else set(causes) | ({barrier} if barrier >= 0 else set())
        found.append(
            CellAnalysis(
                index=index,
                id=cell_id,
                defines=tuple(sorted(names.defines)),
                conditional=tuple(sorted(names.conditional)),
                reads=tuple(sorted(reads)),
                mutates=tuple(sorted(names.mutates)),
                deletes=tuple(sorted(names.deletes)),
                depends_on=tuple(sorted(depends_on)),
                follows=tuple(sorted(follows - {index})),
                barrier=bool(why),
                why=why,
                causes={cell: tuple(sorted(names)) for cell, names in causes.items()},
            )
        )
        for name in names.defines:
            writers[name] = {index} if name not in names.conditional else {*writers.get(name, ()), index}
        for name in names.mutates:
            writers.setdefault(name, set()).add(index)
        for name in reads:
            readers.setdefault(name, set()).add(index)
        if why:
            barrier = index
    return tuple(found)
