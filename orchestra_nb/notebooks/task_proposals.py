"""Which cells of a notebook are worth being tasks, and why the others stay as they are.

A task cell gets copies, in another process, and may run beside the next one. So a cell is proposed only when everything
that it needs and gives are variables that travel: whatever it shares with other cells in another way (settings, generators
of random numbers, files, one object under two names) keeps it where it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestra_nb.errors import InvalidNotebook
from orchestra_nb.notebooks.dataflow import analyse_notebook
from orchestra_nb.notebooks.document import cell_title, language
from orchestra_nb.notebooks.module_level import import_names, is_future
from orchestra_nb.notebooks.names import analyse_cell
from orchestra_nb.notebooks.notebook_analysis import CellAnalysis
from orchestra_nb.notebooks.notebook_code import CodeCell, NotebookCode, read_code
from orchestra_nb.notebooks.parameters import PARAMETERS_TAG
from orchestra_nb.notebooks.script_plan import has_await, is_trivial
from orchestra_nb.notebooks.script_statements import Figures
from orchestra_nb.notebooks.source_text import free_names, lasting_scopes, words_of

#: A cell that takes less than this is not worth a task.
WORTH_SECONDS: Final = 0.1
_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
#: Functions whose results stay in the process that called them.
_STAYS: Final = frozenset(
    "open connect create_engine socket Lock RLock Condition Event Thread ThreadPoolExecutor ProcessPoolExecutor Pool Client "
    "LocalCluster urlopen Popen iter TemporaryDirectory NamedTemporaryFile SparkSession Session SummaryWriter".split()
)
_KERNEL_NAMES: Final = frozenset({"get_ipython", "input", "getpass", "In", "Out", "exit", "quit"})
_CHEAP: Final = frozenset("print len range str int float bool list dict tuple set type isinstance repr display".split())
#: Hidden state that a worker does not share with the kernel, by the first words of its name.
_RANDOM: Final = "random state"
_FILE: Final = "file "


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
        self._parameters_cell_id = parameters_cell_id
        self._code: NotebookCode = read_code(notebook)
        self._cells = {cell.id: cell for cell in self._code.cells}
        analysis = analyse_notebook(notebook)
        self._analysis = {cell.id: cell for cell in analysis.cells}
        self._order = [cell.id for cell in analysis.cells if cell.id in self._cells]
        self._adjacent = _adjacent_cells(notebook)
        self._figures = Figures([chunk for cell in self._code.cells for chunk in cell.chunks])
        self._trees = {cell.id: ast.parse(cell.translation.source) for cell in self._code.cells}

    def verdicts(self) -> list[Verdict]:
        reasons = {cell_id: self._why_not(cell_id) for cell_id in self._order}
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

    # Why a cell stays

    def _why_not(self, cell_id: str) -> str:
        cell, analysis, tree = self._cells[cell_id], self._analysis[cell_id], self._trees[cell_id]
        return (
            self._is_taken(cell)
            or self._is_no_work(cell, tree)
            or self._is_tied(cell, analysis, tree)
            or self._is_entangled(cell, analysis)
            or self._is_small(cell, analysis, tree)
        )

    def _is_taken(self, cell: CodeCell) -> str:
        if cell.translation.task is not None:
            return "it is a task already"
        if PARAMETERS_TAG in cell.tags or cell.id == self._parameters_cell_id:
            return "it holds the parameters"
        if cell.source.lstrip().startswith("%%"):
            return f"it begins with {cell.source.split()[0]}, and a cell can have one such line"
        if cell.may_fail:
            return "the notebook goes on when it fails"
        return ""

    def _is_no_work(self, cell: CodeCell, tree: ast.Module) -> str:
        if not tree.body:
            return "it has no code" if not cell.source.strip() else "it only sets up the notebook"
        if all(import_names(chunk) for chunk in cell.chunks if chunk.statements):
            return "it only imports"
        if any(isinstance(node, _DEFINITION) for node in tree.body) and all(map(_is_definition, tree.body)):
            return "it only defines: functions and classes travel along with the tasks that use them"
        return ""

    def _is_tied(self, cell: CodeCell, analysis: CellAnalysis, tree: ast.Module) -> str:
        """Say what binds a cell to the kernel's process."""
        if analysis.barrier:
            return analysis.why
        if analysis.is_configuration:
            return (
                f"it sets up {_listed(analysis.resources_written)}"
                if analysis.resources_written
                else ("it only sets up the notebook")
            )
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if used & _KERNEL_NAMES:
            return f"it needs the kernel itself ({_listed(sorted(used & _KERNEL_NAMES))})"
        if analysis.deletes:
            return f"it deletes {_listed(analysis.deletes)}"
        for name in (*analysis.resources_read, *analysis.resources_written):
            if name.startswith(_RANDOM):
                return f"it uses the {name}, which all cells share"
        written = [name for name in analysis.resources_written if self._is_wanted(cell, name)]
        if written:
            return f"it changes {_listed(written)}, which other cells use"
        files = [name for name in analysis.resources_written if name.startswith(_FILE)]
        if files:
            return f"it writes {_listed([name.replace('file …', 'files') for name in files])}"
        read = [name for name in analysis.resources_read if self._is_made(cell, name)]
        if read:
            return f"it needs {_listed(read)}, which another cell {'writes' if read[0].startswith(_FILE) else 'sets'}"
        if has_await(tree):
            return "it awaits something in the kernel's own loop"
        return _kept_in_process(tree)

    def _is_wanted(self, cell: CodeCell, resource: str) -> bool:
        return any(
            resource in other.resources_read or resource in other.resources_written
            for other in self._analysis.values()
            if other.id != cell.id
        )

    def _is_made(self, cell: CodeCell, resource: str) -> bool:
        return any(resource in other.resources_written for other in self._analysis.values() if other.id != cell.id) or (
            resource.startswith(_FILE)
            and any(
                name.startswith(_FILE)
                for other in self._analysis.values()
                if other.id != cell.id
                for name in other.resources_written
            )
        )

    def _is_entangled(self, cell: CodeCell, analysis: CellAnalysis) -> str:
        """Say what would be another thing when it works on copies."""
        own = analyse_cell(cell.translation.source)
        mentioned = {node.id for node in ast.walk(self._trees[cell.id]) if isinstance(node, ast.Name)}
        for name in analysis.mutates:
            others = [other for other in analysis.mutates if other != name and other in mentioned]
            if name not in mentioned and others:
                return f"it changes {others[0]}, which {name} stands for, too"
        changed = [name for name in analysis.mutates if name not in own.mutates]
        if changed:
            return f"a function that it calls changes {_listed(changed)}"
        if len(analysis.mutates) > 1 and self._are_one(analysis):
            return f"{_listed(analysis.mutates)} may be one object, which it changes"
        bound = [name for name in analysis.defines if name not in own.defines]
        if bound:
            return f"a function that it calls binds {_listed(bound)}"
        needed = self._needed_later(cell)
        scopes = list(lasting_scopes(self._trees[cell.id]))
        for scope in scopes:
            name = getattr(scope, "name", "")
            if name and name in needed:
                return f"it defines {name}, which later cells use with the names of the notebook"
        kept = {name for scope in scopes for name in free_names(scope)[1]} & set(analysis.defines)
        assigned = _assigned_scopes(self._trees[cell.id])
        if kept & needed and assigned & needed:
            return f"{_listed(sorted(assigned & needed))} looks up names of the notebook when it is called"
        return ""

    def _are_one(self, analysis: CellAnalysis) -> bool:
        """Whether some cell before gives two of the changed names to one object."""
        for cell_id in self._order[: self._order.index(analysis.id)]:
            for node in ast.walk(self._trees[cell_id]):
                if (
                    isinstance(node, ast.Assign)
                    and isinstance(node.value, ast.Name)
                    and node.value.id in analysis.mutates
                ):
                    return True
        return False

    def _is_small(self, cell: CodeCell, analysis: CellAnalysis, tree: ast.Module) -> str:
        took = self._seconds.get(cell.id)
        if took is not None and took < WORTH_SECONDS:
            return f"it took {took:.2g} s" if took >= 0.01 else "it took less than 0.01 s"
        needed = self._needed_later(cell)
        draws = self._figures.are_drawn_by(tree)
        if draws and not (needed & set(analysis.names_out)):
            return "it only draws"
        if draws:
            return f"it draws, and later cells go on with {_listed(sorted(needed & set(analysis.names_out)))}"
        if took is not None:
            return ""
        if is_trivial(tree):
            return "it is too short"
        if all(map(_is_cheap, ast.walk(tree))):
            return "it only assigns values"
        if not (needed & set(analysis.names_out)) and all(isinstance(node, ast.Expr) for node in tree.body):
            return "it only shows values"
        return ""

    def _needed_later(self, cell: CodeCell) -> set[str]:
        """Return the names that cells below read before they bind them."""
        position = self._order.index(cell.id)
        names = set(self._analysis[cell.id].names_out)
        needed: set[str] = set()
        for cell_id in self._order[position + 1 :]:
            later = self._analysis[cell_id]
            scopes = {name for scope in lasting_scopes(self._trees[cell_id]) for name in free_names(scope)[1]}
            needed |= names & ({*later.reads, *later.mutates} | scopes)
            names -= set(later.defines) - set(later.conditional)
        return needed

    # What it becomes

    def _why(self, members: list[str]) -> str:
        given = [name for member in members for name in self._analysis[member].names_out]
        needed = set().union(*(self._needed_later(self._cells[member]) for member in members))
        made = [name for name in dict.fromkeys(given) if name in needed]
        times = [self._seconds[member] for member in members if member in self._seconds]
        took = f"it took {sum(times):.3g} s, and " if times else ""
        return f"{took}it makes {_listed(made)}" if made else f"{took}nothing below waits for it"

    def _merged(self, chosen: list[str], reasons: Mapping[str, str]) -> dict[str, list[str]]:
        """Return the first cell of each task to all of its cells; cells too small for a task of their own go along."""
        small = {cell_id for cell_id in self._order if reasons[cell_id] and self._could_go_along(cell_id)}
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

    def _could_go_along(self, cell_id: str) -> bool:
        """Whether nothing but its size keeps a cell from being a task."""
        cell, analysis, tree = self._cells[cell_id], self._analysis[cell_id], self._trees[cell_id]
        ties = (
            self._is_taken(cell)
            or self._is_no_work(cell, tree)
            or self._is_tied(cell, analysis, tree)
            or self._is_entangled(cell, analysis)
        )
        return not ties and not self._figures.are_drawn_by(tree)

    def _feeds_only(self, group: list[str], cell_id: str) -> bool:
        last, cell = self._cells[group[-1]], self._cells[cell_id]
        if (group[-1], cell_id) not in self._adjacent or last.section != cell.section:
            return False
        tree = self._trees[group[-1]]
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not _is_print(tree.body[-1]):
            return False  # only the last expression of a cell is shown
        given = {name for member in group for name in self._needed_later(self._cells[member])}
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
        used = {cell.translation.task.name for cell in self._code.cells if cell.translation.task is not None}
        sections = [self._cells[head].section for head in heads]
        headings = {cell.section: cell.heading for cell in self._code.cells if cell.heading}
        found: dict[str, str] = {}
        for head in heads:
            cell, analysis = self._cells[head], self._analysis[head]
            heading = headings.get(cell.section, "") if sections.count(cell.section) == 1 else ""
            comment = cell_title(cell.source) if cell.source.lstrip().startswith("#") else ""
            needed = self._needed_later(cell)
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


def constants_cell(notebook: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """Return the cell at the top that plainly holds a notebook's parameters, (id, names); None where there is none.

    It assigns constants and nothing else, and only imports and settings stand above it.
    """
    code = read_code(notebook)
    if code.parameters_cell is not None:
        return None
    for cell in code.cells:
        statements = [chunk for chunk in cell.chunks if chunk.statements]
        if not statements or all(import_names(chunk) or is_future(chunk) for chunk in statements):
            continue
        names: list[str] = []
        for chunk in statements:
            for node in chunk.statements:
                if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                    names.append(node.targets[0].id)
                elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                    names.append(node.target.id)
                else:
                    return None
                assert node.value is not None
                try:
                    ast.literal_eval(node.value)
                except (ValueError, TypeError, SyntaxError):
                    return None
        return (cell.id, tuple(names)) if cell.source == cell.translation.source else None
    return None


def _kept_in_process(tree: ast.Module) -> str:
    """Say which of the values that a cell assigns cannot travel."""
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        name = target.id if isinstance(target, ast.Name) else "what it makes"
        if isinstance(node.value, ast.GeneratorExp):
            return f"{name} is a generator, which cannot travel"
        if isinstance(node.value, ast.Call):
            called = getattr(node.value.func, "attr", getattr(node.value.func, "id", ""))
            if called in _STAYS:
                return f"{name} is what {called}() gives, which cannot travel"
    return ""


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return not any(isinstance(inner, ast.Call) for inner in ast.walk(node))
    return isinstance(node, _DEFINITION | ast.Import | ast.ImportFrom)


def _is_cheap(node: ast.AST) -> bool:
    """Whether a node of a tree takes no time: no loop, and no call but of small built-in functions."""
    if isinstance(node, ast.For | ast.While | ast.With | ast.comprehension):
        return False
    return not isinstance(node, ast.Call) or (isinstance(node.func, ast.Name) and node.func.id in _CHEAP)


def _assigned_scopes(tree: ast.Module) -> set[str]:
    """Return the names to which a cell assigns lambdas."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(inner, ast.Lambda) for inner in ast.walk(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }


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
        for one, other in zip(cells, cells[1:], strict=False)
        if one["cell_type"] == other["cell_type"] == "code"
    }


def _listed(names: Collection[str]) -> str:
    words = list(names)
    if len(words) > 4:
        words = [*words[:3], f"{len(words) - 3} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
