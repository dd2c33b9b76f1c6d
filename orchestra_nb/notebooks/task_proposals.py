"""Which cells of a notebook are worth being tasks, and why the others stay as they are.

A task cell gets copies, in another process, and may run beside the next one. So a cell is proposed only when everything
that it needs and gives are variables that travel: whatever it shares with other cells in another way (settings,
generators of random numbers, files, one object under two names) keeps it where it is.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_nb.errors import InvalidNotebook
from orchestra_nb.notebooks.cell_reasons import CellReasons, listed
from orchestra_nb.notebooks.document import cell_title, language
from orchestra_nb.notebooks.notebook_code import CodeCell
from orchestra_nb.notebooks.source_text import words_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is proposed for one code cell.

    Parameters
    ----------
    cell
        Counts code cells from 1, as people do.
    task
        The name of the task that it becomes, None where it stays.
    why
        The reason, to stand after "cell 3 stays: " or "cell 3 becomes a task: ".
    merged_into
        The cell that takes up its code.
    is_task_already
        It has a ``%%task`` line of its own.
    """

    cell: int
    cell_id: str
    title: str
    task: str | None
    why: str
    merged_into: int | None = None
    is_task_already: bool = False


def propose_tasks(
    notebook: Mapping[str, Any],
    *,
    seconds: Mapping[str, float] | None = None,
    is_merging: bool = False,
    parameters_cell_id: str | None = None,
) -> list[Verdict]:
    """Return a verdict for each code cell of a notebook (as :func:`read_notebook` gives it), in order.

    Parameters
    ----------
    seconds
        Cell id to how long the cell took when the notebook last ran.
    is_merging
        Propose one task for neighbours below one heading that only feed each other.
    parameters_cell_id
        A cell that becomes the parameters cell.

    Raises
    ------
    InvalidNotebook
        It is written in another language, or its cells need each other.
    """
    if language(notebook) != "python":
        raise InvalidNotebook(f"The notebook is written in {language(notebook)}, and %%task cells are Python.")
    return _Proposer(notebook, seconds or {}, is_merging, parameters_cell_id).verdicts()


class _Proposer:
    def __init__(
        self,
        notebook: Mapping[str, Any],
        seconds: Mapping[str, float],
        is_merging: bool,
        parameters_cell_id: str | None,
    ) -> None:
        self._seconds = seconds
        self._is_merging = is_merging
        self._reasons = CellReasons(notebook, seconds, parameters_cell_id)
        self._cells = self._reasons.cells
        self._analysis = self._reasons.analysis
        self._order = self._reasons.order
        self._adjacent = _adjacent_cells(notebook)

    def verdicts(self) -> list[Verdict]:
        reasons = {cell_id: self._reasons.why_not(cell_id) for cell_id in self._order}
        chosen = [cell_id for cell_id in self._order if not reasons[cell_id]]
        groups = self._merged(chosen, reasons) if self._is_merging else {cell_id: [cell_id] for cell_id in chosen}
        names = self._names(list(groups))
        found: list[Verdict] = []
        head_of = {member: head for head, members in groups.items() for member in members}
        for cell_id in self._order:
            cell = self._cells[cell_id]
            title = cell_title(cell.source)
            number = cell.index + 1
            head = head_of.get(cell_id)
            if head is None:
                is_task = cell.translation.task is not None
                found.append(
                    Verdict(
                        cell=number,
                        cell_id=cell_id,
                        title=title,
                        task=None,
                        why=reasons[cell_id],
                        is_task_already=is_task,
                    )
                )
            elif head != cell_id:
                into = self._cells[head].index + 1
                why = f"cell {into} is all that it feeds, or is fed by"
                found.append(Verdict(cell=number, cell_id=cell_id, title=title, task=None, why=why, merged_into=into))
            else:
                why = self._why(groups[cell_id])
                found.append(Verdict(cell=number, cell_id=cell_id, title=title, task=names[cell_id], why=why))
        return found

    # What it becomes

    def _why(self, members: list[str]) -> str:
        given = [name for member in members for name in self._analysis[member].names_out]
        needed = set().union(*(self._reasons.needed_later(self._cells[member]) for member in members))
        made = [name for name in dict.fromkeys(given) if name in needed]
        times = [self._seconds[member] for member in members if member in self._seconds]
        took = f"it took {sum(times):.3g} s, and " if times else ""
        return f"{took}it makes {listed(made)}" if made else f"{took}nothing below waits for it"

    def _merged(self, chosen: list[str], reasons: Mapping[str, str]) -> dict[str, list[str]]:
        """Return the first cell of each task to all of its cells; cells too small for a task of their own go along."""
        small = {cell_id for cell_id in self._order if reasons[cell_id] and self._reasons.could_go_along(cell_id)}
        groups: dict[str, list[str]] = {}
        head = ""
        for cell_id in self._order:
            if cell_id not in chosen and cell_id not in small:
                continue
            if head and self._feeds_only(groups[head], cell_id):
                groups[head].append(cell_id)
            else:
                head = cell_id
                groups[head] = [cell_id]
        return {head: group for head, group in groups.items() if set(group) & set(chosen)}

    def _feeds_only(self, group: list[str], cell_id: str) -> bool:
        last, cell = self._cells[group[-1]], self._cells[cell_id]
        if (group[-1], cell_id) not in self._adjacent or last.section != cell.section:
            return False
        tree = self._reasons.trees[group[-1]]
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not _is_print(tree.body[-1]):
            return False  # only the last expression of a cell is shown
        given = {name for member in group for name in self._reasons.needed_later(self._cells[member])}
        return (
            bool(given)
            and given <= {*self._analysis[cell_id].reads, *self._analysis[cell_id].mutates}
            and not (self._needed_after(group, cell_id) & given)
        )

    def _needed_after(self, group: list[str], cell_id: str) -> set[str]:
        position = self._order.index(cell_id)
        return {
            name
            for later in self._order[position + 1 :]
            for name in (*self._analysis[later].reads, *self._analysis[later].mutates)
        }

    def _names(self, heads: list[str]) -> dict[str, str]:
        used = {cell.translation.task.name for cell in self._cells.values() if cell.translation.task is not None}
        sections = [self._cells[head].section for head in heads]
        headings = {cell.section: cell.heading for cell in self._cells.values() if cell.heading}
        found: dict[str, str] = {}
        for head in heads:
            cell, analysis = self._cells[head], self._analysis[head]
            heading = headings.get(cell.section, "") if sections.count(cell.section) == 1 else ""
            comment = cell_title(cell.source) if cell.source.lstrip().startswith("#") else ""
            needed = self._reasons.needed_later(cell)
            last_first = [name for name in _by_mention(cell, analysis.defines) if not name.startswith("_")]
            made = next((name for name in last_first if name in needed), "")
            changed = next(iter(analysis.mutates), "")
            wanted = next(
                filter(
                    None,
                    [
                        words_of(heading, 4),
                        words_of(comment, 4),
                        made,
                        f"change_{changed}" if changed else "",
                        *last_first[:1],
                        words_of(headings.get(cell.section, ""), 4),
                        f"cell_{cell.index + 1}",
                    ],
                )
            )
            name, count = wanted, 2
            while name in used:
                name, count = f"{wanted}_{count}", count + 1
            used.add(name)
            found[head] = name
        return found


def _is_print(node: ast.Expr) -> bool:
    return isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") in ("print", "display")


def _by_mention(cell: CodeCell, names: Collection[str]) -> list[str]:
    """Return names in the order in which a cell assigns them, the last one first: what it works towards."""
    code = cell.translation.source
    return sorted(
        names,
        key=lambda name: -max((m.start() for m in re.finditer(rf"\b{re.escape(name)}\b\s*[=,]", code)), default=-1),
    )


def _adjacent_cells(notebook: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return pairs of code cells with nothing between them."""
    cells = notebook["cells"]
    return {
        (one["id"], other["id"])
        for one, other in itertools.pairwise(cells)
        if one["cell_type"] == other["cell_type"] == "code"
    }
