"""Why a cell stays as it is: what binds it to the kernel's process, what copies would change, and what is too small."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from orchestra_nb.notebooks.abstract_values import WILDCARD
from orchestra_nb.notebooks.cell_size import is_cheap, is_trivial, only_sets_up, only_shows
from orchestra_nb.notebooks.dataflow import analyse_notebook
from orchestra_nb.notebooks.file_patterns import may_be_same
from orchestra_nb.notebooks.module_level import import_names
from orchestra_nb.notebooks.names import analyse_cell
from orchestra_nb.notebooks.notebook_analysis import CellAnalysis
from orchestra_nb.notebooks.notebook_code import CodeCell, read_code
from orchestra_nb.notebooks.parameters import PARAMETERS_TAG
from orchestra_nb.notebooks.script_statements import Figures
from orchestra_nb.notebooks.script_steps import has_await
from orchestra_nb.notebooks.shell_lines import only_prints, shell_commands, started_process, without_shell
from orchestra_nb.notebooks.source_text import free_names, lasting_scopes

#: A cell that takes less than this is not worth a task.
WORTH_SECONDS: Final = 0.1
_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
#: Functions whose results stay in the process that called them.
_STAYS: Final = frozenset(
    "open connect create_engine socket Lock RLock Condition Event Thread ThreadPoolExecutor ProcessPoolExecutor Pool "
    "Client LocalCluster urlopen Popen iter TemporaryDirectory NamedTemporaryFile SparkSession Session "
    "SummaryWriter".split()
)
_KERNEL_NAMES: Final = frozenset({"get_ipython", "input", "getpass", "In", "Out", "exit", "quit"})
#: Magics that say how long code takes, or how much memory, in the process that runs it.
_MEASURING: Final = re.compile(
    r"^\s*(\w+\s*=\s*)?%(timeit|prun|memit|mprun|lprun|snakeviz|pyinstrument)\b", re.MULTILINE
)
#: Packages whose objects are shown by one kernel and answer there.
_WIDGETS: Final = frozenset({"ipywidgets", "anywidget", "ipyleaflet", "ipympl", "panel"})
#: Hidden state that a worker does not share with the kernel, by the first words of its name.
_RANDOM: Final = "random state"
_FILE: Final = "file "


def _pattern(resource: str) -> str:
    """Return the pattern of a file's name in words."""
    return resource.removeprefix(_FILE).replace("…", WILDCARD)


class CellReasons:
    """What is known of each cell of a notebook, and why it is no task.

    Parameters
    ----------
    seconds
        Cell id to how long the cell took when the notebook last ran.
    parameters_cell_id
        A cell that becomes the parameters cell.
    """

    def __init__(
        self, notebook: Mapping[str, Any], seconds: Mapping[str, float], parameters_cell_id: str | None
    ) -> None:
        self._seconds = seconds
        self._parameters_cell_id = parameters_cell_id
        code = read_code(notebook)
        self.cells: dict[str, CodeCell] = {cell.id: cell for cell in code.cells}
        analysis = analyse_notebook(notebook)
        self.analysis: dict[str, CellAnalysis] = {cell.id: cell for cell in analysis.cells}
        #: ids, in the order of the notebook
        self.order = [cell.id for cell in analysis.cells if cell.id in self.cells]
        self.trees = {cell.id: ast.parse(cell.translation.source) for cell in code.cells}
        self._widget_names = {name for tree in self.trees.values() for name in _names_from(tree, _WIDGETS)}
        self._mentions_exit_code = any("_exit_code" in cell.source for cell in code.cells)
        self._figures = Figures([chunk for cell in code.cells for chunk in cell.chunks])

    def why_not(self, cell_id: str) -> str:
        """Return why a cell stays as it is, empty where it may be a task."""
        cell, analysis, tree = self.cells[cell_id], self.analysis[cell_id], self.trees[cell_id]
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
        if shell := self._needs_shell(cell, tree):
            return shell
        if analysis.is_configuration:
            return (
                f"it sets up {listed(analysis.resources_written)}"
                if analysis.resources_written
                else ("it only sets up the notebook")
            )
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if used & self._widget_names:
            return "it makes widgets, which answer in the kernel that shows them"
        if used & _KERNEL_NAMES:
            return f"it needs the kernel itself ({listed(sorted(used & _KERNEL_NAMES))})"
        if analysis.deletes:
            return f"it deletes {listed(analysis.deletes)}"
        for name in (*analysis.resources_read, *analysis.resources_written):
            if name.startswith(_RANDOM):
                return f"it uses the {name}, which all cells share"
        written = [name for name in analysis.resources_written if self._is_wanted(cell, name)]
        if written:
            return f"it changes {listed(written)}, which other cells use"
        files = [name for name in analysis.resources_written if name.startswith(_FILE)]
        if files:
            return f"it writes {listed([name.replace('file …', 'files') for name in files])}"
        read = [name for name in analysis.resources_read if self._is_made(cell, name)]
        if read:
            return f"it needs {listed(read)}, which another cell {'writes' if read[0].startswith(_FILE) else 'sets'}"
        if has_await(tree):
            return "it awaits something in the kernel's own loop"
        return _kept_in_process(tree)

    def _needs_shell(self, cell: CodeCell, tree: ast.Module) -> str:
        """Say which of its commands a worker would not run with the same meaning."""
        commands = shell_commands(cell.source)
        bound = [command for command in commands if not only_prints(command)]
        if bound:
            return f"it runs a shell command where the kernel is (`{_short(bound[0])}`)"
        if commands:
            if self._mentions_exit_code:
                return "it runs a shell command, and `_exit_code` is that of the kernel's last one"
            rest = without_shell(cell.source)
            if is_trivial(rest) or all(map(is_cheap, ast.walk(rest))):
                return "it only runs shell commands"
        elif process := started_process(tree):
            return f"it starts a process where the kernel is ({process})"
        if _MEASURING.search(cell.source):
            return "it measures code in the kernel"
        return ""

    def _is_wanted(self, cell: CodeCell, resource: str) -> bool:
        return any(
            resource in other.resources_read or resource in other.resources_written
            for other in self.analysis.values()
            if other.id != cell.id
        )

    def _is_made(self, cell: CodeCell, resource: str) -> bool:
        """Tell whether another cell may write what this one reads."""
        written = {name for other in self.analysis.values() if other.id != cell.id for name in other.resources_written}
        if not resource.startswith(_FILE):
            return resource in written
        return any(name.startswith(_FILE) and may_be_same(_pattern(name), _pattern(resource)) for name in written)

    def _is_entangled(self, cell: CodeCell, analysis: CellAnalysis) -> str:
        """Say what would be another thing when it works on copies."""
        own = analyse_cell(cell.translation.source)
        mentioned = {node.id for node in ast.walk(self.trees[cell.id]) if isinstance(node, ast.Name)}
        for name in analysis.mutates:
            others = [other for other in analysis.mutates if other != name and other in mentioned]
            if name not in mentioned and others:
                return f"it changes {others[0]}, which {name} stands for, too"
        changed = [name for name in analysis.mutates if name not in own.mutates]
        if changed:
            return f"a function that it calls changes {listed(changed)}"
        if len(analysis.mutates) > 1 and self._are_one(analysis):
            return f"{listed(analysis.mutates)} may be one object, which it changes"
        tied = self._is_tying(analysis)
        if tied:
            return tied
        bound = [name for name in analysis.defines if name not in own.defines]
        if bound:
            return f"a function that it calls binds {listed(bound)}"
        needed = self.needed_later(cell)
        scopes = list(lasting_scopes(self.trees[cell.id]))
        for scope in scopes:
            name = getattr(scope, "name", "")
            if name and name in needed:
                return f"it defines {name}, which later cells use with the names of the notebook"
        kept = {name for scope in scopes for name in free_names(scope)[1]} & set(analysis.defines)
        assigned = _assigned_scopes(self.trees[cell.id])
        if kept & needed and assigned & needed:
            return f"{listed(sorted(assigned & needed))} looks up names of the notebook when it is called"
        return ""

    def _is_tying(self, analysis: CellAnalysis) -> str:
        """Say whether a cell gives a name to what another name stands for, too, and what some cell then changes.

        The result of a task is an object of its own: a change of the one would no longer be seen in the other.
        """
        for changer in self.analysis.values():
            group = set(changer.mutates)
            own = group & set(analysis.defines)
            others = (group & {*analysis.reads, *analysis.mutates}) - own
            mentioned = {node.id for node in ast.walk(self.trees[changer.id]) if isinstance(node, ast.Name)}
            if len(own) > 1 and group - mentioned:
                others = own
            if own and others:
                both = listed(sorted(own | others))
                return f"{both} may be one object, which cell {changer.index + 1} changes"
        return ""

    def _are_one(self, analysis: CellAnalysis) -> bool:
        """Whether some cell before gives two of the changed names to one object."""
        for cell_id in self.order[: self.order.index(analysis.id)]:
            for node in ast.walk(self.trees[cell_id]):
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
        needed = self.needed_later(cell)
        draws = self._figures.are_drawn_by(tree)
        if draws and not (needed & set(analysis.names_out)):
            return "it only draws"
        if draws:
            return f"it draws, and later cells go on with {listed(sorted(needed & set(analysis.names_out)))}"
        if not (needed & set(analysis.names_out)) and not analysis.mutates and only_shows(tree):
            return "it only shows values"
        if only_sets_up(tree):
            return "it only sets up names and options"
        if took is not None:
            return ""
        if is_trivial(tree):
            return "it is too short"
        if all(map(is_cheap, ast.walk(tree))):
            return "it only assigns values"
        if not (needed & set(analysis.names_out)) and all(isinstance(node, ast.Expr) for node in tree.body):
            return "it only shows values"
        return ""

    def needed_later(self, cell: CodeCell) -> set[str]:
        """Return the names that cells below read before they bind them."""
        position = self.order.index(cell.id)
        names = set(self.analysis[cell.id].names_out)
        needed: set[str] = set()
        for cell_id in self.order[position + 1 :]:
            later = self.analysis[cell_id]
            scopes = {name for scope in lasting_scopes(self.trees[cell_id]) for name in free_names(scope)[1]}
            needed |= names & ({*later.reads, *later.mutates} | scopes)
            names -= set(later.defines) - set(later.conditional)
        return needed

    def could_go_along(self, cell_id: str) -> bool:
        """Whether nothing but its size keeps a cell from being a task."""
        cell, analysis, tree = self.cells[cell_id], self.analysis[cell_id], self.trees[cell_id]
        ties = (
            self._is_taken(cell)
            or self._is_no_work(cell, tree)
            or self._is_tied(cell, analysis, tree)
            or self._is_entangled(cell, analysis)
        )
        return not ties and not self._figures.are_drawn_by(tree)


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


def _names_from(tree: ast.Module, packages: Collection[str]) -> Iterator[str]:
    """Yield the names that a cell binds to what it imports from packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (
                (alias.asname or alias.name).partition(".")[0]
                for alias in node.names
                if alias.name.partition(".")[0] in packages
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in packages:
            yield from (alias.asname or alias.name for alias in node.names)


def _short(command: str) -> str:
    line = command.strip().split("\n", 1)[0]
    return line if len(line) <= 30 else f"{line[:29]}…"


def _assigned_scopes(tree: ast.Module) -> set[str]:
    """Return the names to which a cell assigns lambdas."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(inner, ast.Lambda) for inner in ast.walk(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def listed(names: Collection[str]) -> str:
    """Return names in words, a few of them where there are many."""
    words = list(names)
    if len(words) > 4:
        words = [*words[:3], f"{len(words) - 3} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
