"""Which cells of a notebook are worth running ahead of their turn, on workers, while earlier ones run in the kernel.

Only what pays goes ahead: a cell that takes long enough, whose inputs are known before its turn, and beside which
another long cell runs meanwhile. The plan simulates the run with the times of earlier runs (or guesses from the
source), and says what it gains. It may be wrong about a dependence without harm: each cell is checked at its turn
(:mod:`orchestra_nb.engine.cells_ahead`).
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from orchestra_nb.model.ahead_plans import AheadCell, AheadPlan
from orchestra_nb.model.environment_variables import belongs_to_process
from orchestra_nb.model.numbers_in_file import cell_name, number_in_file
from orchestra_nb.notebooks.cell_options import cell_options
from orchestra_nb.notebooks.environment_reads import environment_reads
from orchestra_nb.notebooks.ipython_syntax import parse_cell
from orchestra_nb.notebooks.notebook_analysis import CellAnalysis, NotebookAnalysis
from orchestra_nb.notebooks.run_time_guess import HEAVY_SECONDS, defined_functions, guess_seconds

#: A cell that takes less stays in the kernel: sending it and taking it back costs a good part of that.
SHORTEST_SECONDS: Final = 0.2
#: What sending a cell and taking it back costs.
TRANSFER_SECONDS: Final = 0.05
#: How long a cluster takes that is not running yet.
CLUSTER_START_SECONDS: Final = 3.0
#: A smaller gain is not worth it: in seconds, and of the run's time.
LEAST_GAIN_SECONDS: Final = 0.3
LEAST_GAIN_SHARE: Final = 0.05

#: Resources that a cell may change on its worker: their state travels with it.
_TRAVELLING = re.compile(
    r"^(random state of |current figure|plot settings$|how plots are shown$|print options of NumPy$)"
)
_FILE = re.compile(r"^file")
#: Names under which IPython keeps what earlier cells gave.
_HISTORY = re.compile(r"^(_{1,3}|_\d+|Out|_oh|In|_ih|_i{1,3}|_i\d+)$")
#: Ways to what no analysis of names sees.
_ROUNDABOUT: Final = frozenset(
    "globals locals vars dir eval exec get_ipython __main__ user_ns user_global_ns f_globals f_locals f_back _getframe "
    "currentframe stack get_objects get_referrers getstate get_state get_rng_state input getpass breakpoint".split()
)
_MAGIC = re.compile(r"^\s*(%(?!%?time\b|%capture\b)|!|%%(?!time\b|capture\b))", re.MULTILINE)


def plan_cells_ahead(
    analysis: NotebookAnalysis,
    sources: Sequence[str],
    seconds: Mapping[int, float],
    *,
    workers: int,
    cluster_start_seconds: float = 0.0,
    runs: Sequence[bool] | None = None,
    has_environment: bool = True,
    injected_at: int | None = None,
) -> AheadPlan:
    """Return which cells go ahead, and what that gains. O(cells² + edges).

    Parameters
    ----------
    sources
        The sources of the code cells.
    seconds
        Cell to the time that it took in earlier runs, where there were any.
    workers
        How many cells run at one time beside the kernel.
    cluster_start_seconds
        How long it takes until the workers are there.
    runs
        For each cell whether it runs at all (it is not empty, and its tags do not exclude it); None: all do.
    has_environment
        Whether cells find the kernel's environment on workers.
    injected_at
        The cell that was put in for parameters; None where there is none.
    """
    numbers = [number_in_file(index, injected_at) for index in range(len(sources))]
    drafts = _Drafts(analysis, sources, seconds, runs or [True] * len(sources), has_environment, numbers)
    cells = drafts.cells
    total = sum(drafts.seconds)
    if (why := drafts.why_in_order) or workers < 1:
        return AheadPlan(cells=_with_ahead(cells, ()), why=why or "the cluster has no worker", seconds=total)
    ahead = {cell.index for cell in cells if cell.goes_ahead and drafts.heavy_beside(cell)}
    if not ahead:
        return AheadPlan(cells=_with_ahead(cells, ()), why="no two long cells are independent", seconds=total)
    simulated = _Simulation(cells, drafts.seconds, workers, cluster_start_seconds)
    used = simulated.run(ahead)
    gain = total - simulated.end
    if not used or gain < max(LEAST_GAIN_SECONDS, LEAST_GAIN_SHARE * total):
        why = f"the gain that is expected ({max(gain, 0):.1f} of {total:.1f} s) does not pay for the transfer"
        if cluster_start_seconds:
            why = f"the gain that is expected ({max(gain, 0):.1f} of {total:.1f} s) does not pay for starting a cluster"
        return AheadPlan(cells=_with_ahead(cells, ()), why=why, seconds=total)
    return AheadPlan(cells=_with_ahead(cells, used), gain_seconds=gain, seconds=total)


def _with_ahead(cells: Sequence[AheadCell], ahead: set[int] | tuple[int, ...]) -> tuple[AheadCell, ...]:
    return tuple(msgspec.structs.replace(cell, goes_ahead=cell.index in ahead) for cell in cells)


class _Drafts:
    """The cells, with all that one may tell of each alone: which could go ahead, which are heavy."""

    def __init__(
        self,
        analysis: NotebookAnalysis,
        sources: Sequence[str],
        seconds: Mapping[int, float],
        runs: Sequence[bool],
        has_environment: bool,
        numbers: Sequence[int],
    ) -> None:
        functions = defined_functions(sources)
        imported = _imported_names(sources)
        self.why_in_order = ""
        self.seconds: list[float] = []
        found: list[AheadCell] = []
        closures: list[frozenset[int]] = []
        for cell, source, is_run in zip(analysis.cells, sources, runs, strict=True):
            closures.append(frozenset(cell.depends_on).union(*(closures[other] for other in cell.depends_on)))
            form = _form_of(source, imported, has_environment)
            if form.reads_history and is_run:
                self.why_in_order = f"{cell_name(numbers[cell.index])} reads what the last lines of earlier cells gave"
            time = seconds.get(cell.index, guess_seconds(source, functions)) if is_run else 0.0
            self.seconds.append(time)
            # the order of random numbers, and whatever else travels, is an edge of the analysis as well
            touches = {name for name in (*cell.resources_read, *cell.resources_written) if _TRAVELLING.match(name)}
            may_travel = is_run and not cell.barrier and not form.why_here and _stays_within(cell)
            may_travel = may_travel and not cell.is_configuration
            found.append(
                AheadCell(
                    index=cell.index,
                    source=source,
                    number=numbers[cell.index],
                    needs=tuple(sorted(closures[-1])),
                    gives=tuple(sorted({*cell.defines, *cell.mutates, *cell.deletes})),
                    depends_on=cell.depends_on,
                    goes_ahead=may_travel and time >= SHORTEST_SECONDS,
                    goes_along=may_travel and time < SHORTEST_SECONDS and not touches,
                    is_configuration=is_run
                    and cell.is_configuration
                    and not form.runs_programs
                    and time < HEAVY_SECONDS,
                    is_heavy=is_run and time >= SHORTEST_SECONDS,
                    touches=tuple(sorted(touches)),
                )
            )
        self.cells = tuple(found)

    def heavy_beside(self, cell: AheadCell) -> bool:
        """Tell whether an earlier heavy cell does not have to wait for this one, nor this one for it."""
        return any(other.is_heavy and other.index not in cell.needs for other in self.cells[: cell.index])


def _stays_within(cell: CellAnalysis) -> bool:
    """Tell whether what a cell changes travels back with it: a file that it writes would be there too early."""
    return all(_TRAVELLING.match(name) for name in cell.resources_written)


class _Simulation:
    """The run as the kernel makes it: cells in order, those ahead as soon as what they need has begun to be there."""

    def __init__(
        self, cells: Sequence[AheadCell], seconds: Sequence[float], workers: int, cluster_start_seconds: float
    ) -> None:
        self._cells = cells
        self._seconds = seconds
        self._free = [cluster_start_seconds] * workers
        self.end = 0.0

    def run(self, ahead: set[int]) -> set[int]:
        """Simulate; return the cells that a worker began before their turn."""
        now, ends, used = 0.0, dict[int, tuple[float, float]](), set[int]()
        for cell in self._cells:
            for other in self._cells[cell.index :]:
                if (
                    other.index in ahead
                    and other.index not in ends
                    and may_go_now(other, cell.index, self._cells, ends)
                ):
                    upstream = [ends[need][1] for need in other.needs if need in ends and need >= cell.index]
                    first = min(range(len(self._free)), key=self._free.__getitem__)
                    start = max([now, self._free[first], *upstream])
                    if self._begins_in_time(other, cell.index, start - now):
                        ends[other.index] = start, start + self._seconds[other.index] + TRANSFER_SECONDS
                        self._free[first] = ends[other.index][1]
            if cell.index in ends and ends[cell.index][0] <= now:
                now = max(now, ends[cell.index][1])
                used.add(cell.index)
            else:
                now += self._seconds[cell.index]
        self.end = now
        return used

    def _begins_in_time(self, cell: AheadCell, index: int, wait: float) -> bool:
        """Tell whether a worker begins with a cell before the kernel would, at the soonest that it can come to it."""
        return wait < sum(self._seconds[index : cell.index])


def may_go_now(cell: AheadCell, index: int, cells: Sequence[AheadCell], sent: Mapping[int, object]) -> bool:
    """Tell whether a cell can be sent when the cell at ``index`` is the next in order.

    A long cell is the next; all that it needs has run, or was sent itself; and a long cell that it does not need runs
    meanwhile.
    """
    # before a short cell, it can wait for what the kernel will have in a moment
    if cell.index <= index or not cells[index].is_heavy:
        return False
    between = cells[index : cell.index]
    if cells_along(cell, index, cells, sent) is None:
        return False
    # what travels beside names is taken as it is in the kernel, so cells that share it come one after the other
    if any(other.index in cell.needs and set(other.touches) & set(cell.touches) for other in between):
        return False
    return any(other.is_heavy and other.index not in cell.needs for other in between)


def cells_along(
    cell: AheadCell, index: int, cells: Sequence[AheadCell], sent: Mapping[int, object]
) -> tuple[int, ...] | None:
    """Return the short cells that have to run on the worker before a cell; None where a long one is missing, too.

    They are those that it needs and that the kernel has not come to, but for what cells that were sent need.
    """
    found: set[int] = set()
    pending = [number for number in cell.depends_on if number >= index]
    while pending:
        number = pending.pop()
        if number in sent or number in found:
            continue
        if not cells[number].goes_along:
            return None
        found.add(number)
        pending += [other for other in cells[number].depends_on if other >= index]
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class _Form:
    """What the form of a cell says: why it has to run in the kernel (empty: nothing), and what it reaches."""

    why_here: str
    reads_history: bool
    runs_programs: bool


def _imported_names(sources: Sequence[str]) -> frozenset[str]:
    """Return the names that cells bind to modules, or to what is in them."""
    found: set[str] = set()
    for source in sources:
        with contextlib.suppress(SyntaxError):
            for node in ast.walk(parse_cell(source)):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    found.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    return frozenset(found)


def _patched(tree: ast.Module, imported: frozenset[str]) -> str:
    """Return the imported name in which a cell sets an attribute; empty where it does not."""
    for node in ast.walk(tree):
        target: ast.AST | None = None
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            target = node
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("setattr", "delattr") and node.args:
            target = node.args[0]
        while isinstance(target, ast.Attribute):
            target = target.value
        if isinstance(target, ast.Name) and target.id in imported:
            return target.id
    return ""


def _why_environment(tree: ast.Module, has_environment: bool) -> str:
    """Return why a cell has to run where the kernel's own environment is; empty where it does not."""
    reads = environment_reads(tree)
    if reads.is_whole:
        return "it looks at the environment as a whole"
    there = {name for name in reads.names if has_environment and not belongs_to_process(name)}
    return f"it looks up the environment variable {min(reads.names - there)}" if reads.names - there else ""


def _form_of(source: str, imported: frozenset[str], has_environment: bool) -> _Form:
    """Return what the form of a cell says: whether it has to run in the kernel."""
    if not source.strip():
        return _Form("it is empty", reads_history=False, runs_programs=False)
    runs_programs = re.search(r"^\s*(!|%(pip|conda|sx|system)\b)", source, re.MULTILINE) is not None
    try:
        tree = parse_cell(source)
    except SyntaxError:
        return _Form("it is no Python", reads_history=False, runs_programs=runs_programs)
    loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    words = loaded | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    words |= {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == "__main__"}
    history = any(_HISTORY.match(name) for name in loaded - stored)
    if cell_options(source).timeout_seconds is not None:
        return _Form("its time limit is kept in the kernel", history, runs_programs)
    if _MAGIC.search(source):
        return _Form("its magics belong to the kernel", history, runs_programs)
    if patched := _patched(tree, imported):
        return _Form(f"it sets an attribute in `{patched}`", history, runs_programs)
    if words & _ROUNDABOUT:
        return _Form(f"it uses `{min(words & _ROUNDABOUT)}`", history, runs_programs)
    if why := _why_environment(tree, has_environment):
        return _Form(why, history, runs_programs)
    if any(isinstance(node, ast.AsyncFor | ast.AsyncWith | ast.Await) for node in ast.walk(tree)):
        return _Form("it awaits, and the kernel's loop may have its tasks", history, runs_programs)
    return _Form("", history, runs_programs)
