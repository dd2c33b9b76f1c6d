"""One cell of a notebook, run abstractly: what it needs of the cells before, and what it leaves for those after."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from orchestra_nb.notebooks import hidden_state, mutations
from orchestra_nb.notebooks.abstract_expressions import TooLong
from orchestra_nb.notebooks.abstract_methods import Arguments
from orchestra_nb.notebooks.abstract_resources import Resources
from orchestra_nb.notebooks.abstract_state import BOUND, DELETED, INCOMING, Frame
from orchestra_nb.notebooks.abstract_statements import AbstractStatements
from orchestra_nb.notebooks.abstract_values import NOTHING, Thing, Value, any_of, either, reachable, thing_value
from orchestra_nb.notebooks.ipython_syntax import parse_cell
from orchestra_nb.notebooks.names import SHELL_NAMES

_BUILTIN_NAMES: Final = frozenset(dir(builtins))
_SHELL_FUNCTIONS: Final = frozenset({"get_ipython", "display", "exit", "quit"})
_RESULT_NAMES: Final = frozenset({"_", "__", "___"})


@dataclass(slots=True)
class Binding:
    """A name of the notebook: its value, and the cells that may have bound it."""

    value: Value
    cells: tuple[int, ...]


@dataclass(slots=True)
class NotebookState:
    """What is known after some cells of a notebook."""

    shares_frames: bool
    names: dict[str, Binding] = field(default_factory=dict)
    #: names that no cell has bound, to what stands for them
    unknown: dict[str, Value] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    #: objects that a library hands out to everybody: ``logging.getLogger("a")``
    shared: dict[str, Thing] = field(default_factory=dict)
    #: number of the execution to (cell, value) for each cell that may have shown a result
    results: dict[int, tuple[int, Value]] = field(default_factory=dict)
    #: names read since they were bound, to the cells
    readers: dict[str, list[int]] = field(default_factory=dict)
    executions: int = 0
    #: the last barrier, -1 for none
    barrier: int = -1
    #: a barrier ran code that is not known, which can have defined functions over the notebook's names
    ran_unknown_code: bool = False
    #: the notebook may have ended before: code that exits or raises has run
    may_have_ended: bool = False
    #: keeps trees alive, by whose identity places are told apart
    trees: list[ast.Module] = field(default_factory=list)


class CellRun(AbstractStatements):
    """One cell.

    After :meth:`execute`, ``causes`` has each cell that this one needs, with the names and resources that are the
    reason.
    """

    def __init__(self, cell: int, notebook: NotebookState) -> None:
        super().__init__(cell, notebook.shares_frames, notebook.resources, Frame(frozenset(), None, cell))
        self.notebook = notebook
        self.causes: dict[int, set[str]] = {}
        self._shown_value: Value | None = None
        self._called_unknown: str | None = None

    # Names

    def incoming(self, name: str) -> Value:
        """Return the value of a name of the notebook from before the cell."""
        binding = self.notebook.names.get(name)
        if binding is not None:
            return binding.value
        if name in _BUILTIN_NAMES or name in _SHELL_FUNCTIONS:
            return Value(paths=(f"builtins.{name}",))
        result = self._result_named(name)
        if result is not None:
            return result[1]
        known = self.notebook.unknown.get(name)
        if known is None:
            if name in mutations.CONVENTIONAL_MODULES:
                known = Value(paths=(mutations.CONVENTIONAL_MODULES[name],))
            else:
                known = thing_value(Thing("unknown", -1))
            self.notebook.unknown[name] = known
        return known

    def note_read(self, name: str, value: Value) -> None:
        """A name from before the cell is read: the cells that made it what it is are needed."""
        if name in self.reads:
            return
        self.reads.add(name)
        binding = self.notebook.names.get(name)
        if binding is None:
            self._read_result(name)
        for cell in binding.cells if binding is not None else ():
            self._needs(cell, name)
        for thing in reachable(value.things):
            for cell in thing.changed_in:
                self._needs(cell, name)

    def _needs(self, cell: int, cause: str) -> None:
        if cell != self.cell:
            self.causes.setdefault(cell, set()).add(cause)

    def _read_result(self, name: str) -> None:
        """Read ``_``, ``_3`` or ``Out``: results of cells."""
        results = self.notebook.results
        if name in ("Out", "_oh"):
            for number in results:
                self._needs_result(number, name)
        for number, shown in results.items():
            if shown is self._result_named(name):
                self._needs_result(number, name)

    def _result_named(self, name: str) -> tuple[int, Value] | None:
        """Return the cell and value of ``_``, ``__`` or ``_3``, None for every other name."""
        results = self.notebook.results
        if name in _RESULT_NAMES:
            shown = sorted(results)
            return results[shown[-len(name)]] if len(shown) >= len(name) else None
        if name[:1] == "_" and name[1:].isdigit():
            return results.get(int(name[1:]))
        return None

    def _needs_result(self, number: int, cause: str) -> None:
        cell, value = self.notebook.results[number]
        self._needs(cell, cause)
        for thing in reachable(value.things):
            for changed in thing.changed_in:
                self._needs(changed, cause)

    def known_names(self) -> set[str]:
        """Return the names that the notebook has now."""
        return {*self.notebook.names, *self.names}

    def result_of_cell(self, key: Value | None) -> Value:
        """Return ``Out[n]``, or any result where the number is not known."""
        if key is not None and isinstance(key.const, int):
            if key.const in self.notebook.results:
                self._needs_result(key.const, "Out")
                return self.notebook.results[key.const][1]
            return NOTHING
        for number in self.notebook.results:
            self._needs_result(number, "Out")
        return any_of([value for _, value in self.notebook.results.values()])

    def item_of_results(self, node: ast.Subscript) -> Value | None:
        """Return ``Out[n]``; None for every other item."""
        if not isinstance(node.value, ast.Name) or node.value.id not in ("Out", "_oh"):
            return None
        if node.value.id in self.notebook.names or self.frame.parent is not None:
            return None
        self.reads.add(node.value.id)
        return self.result_of_cell(self.evaluate(node.slice))

    def shared_thing(self, path: str, arguments: Arguments) -> Thing:
        """Return the one object that a library hands out to everybody."""
        name = arguments.positional[0].exact_text() if arguments.positional else ""
        key = f"{path} {name}"
        known = self.notebook.shared.get(key)
        if known is None:
            known = Thing(path.partition(".")[0], -1)
            self.notebook.shared[key] = known
        for cell in known.changed_in:
            self._needs(cell, path)
        return known

    def calls_unknown(self, thing: Thing) -> None:
        """A function of which nothing is known can belong to code that ran unseen, and change any name."""
        if thing.kind == "unknown" and self.notebook.ran_unknown_code:
            self.say_opaque("a function that unseen code defined can change any name")

    # Results

    def result_shown(self, node: ast.Expr, value: Value) -> None:
        """A statement at the top of the cell is an expression: the last one's value is the cell's result."""
        is_last = node is self._last
        if is_last or self.is_written(hidden_state.CELL_DISPLAY):
            self.shown(value)
            self.run_operators(value, node, ("__repr__", "_repr_html_", "_repr_mimebundle_", "_ipython_display_"))
        if is_last:
            self._shown_value = value

    # The cell

    def execute(self, source: str) -> str | None:
        """Run the cell; returns why nothing can be proven of it, or None."""
        try:
            tree = parse_cell(source)
        except SyntaxError as error:
            return f"it is no Python: {error.msg} (line {error.lineno})"
        except (RecursionError, MemoryError):
            return "it is nested too deeply to be read"
        self.notebook.trees.append(tree)
        last = tree.body[-1] if tree.body else None
        self._last = last if not source.rstrip().endswith(";") else None
        try:
            self.run(tree.body)
            return self.opaque
        except TooLong:
            return self._abandon("it is too long to be followed")
        except RecursionError:
            return self._abandon("it is nested too deeply to be followed")
        except SyntaxError as error:
            return self._abandon(f"a magic in it holds no Python: {error.msg}")
        except Exception as error:  # whatever a notebook holds, it must be possible to run it
            return self._abandon(f"it could not be followed ({type(error).__name__})")

    def _abandon(self, reason: str) -> str:
        """End in the middle of the cell."""
        self.frame, self.local = self.home_frame, None
        return reason

    _last: ast.stmt | None = None

    def finish(self) -> dict[str, tuple[int, Value]]:
        """Return name to (what it may be, value) for the names that the cell has touched."""
        ends = self._join([self._ways(), *self.frame.outcomes])
        names = ends.notebook if ends is not None else self.names
        return {name: (slot.mask, slot.value) for name, slot in names.items()}

    def result(self) -> Value | None:
        """Return what the cell shows as its result, None for nothing."""
        return self._shown_value

    def aliases_of_changed(self) -> set[str]:
        """Return the names from before the cell whose object it may change."""
        changed = {thing for thing in self.mutated if thing.born != self.cell}
        if not changed:
            return set()
        found: set[str] = set()
        unbound = {name: value for name, value in self.notebook.unknown.items() if name not in self.notebook.names}
        bound = {name: binding.value for name, binding in self.notebook.names.items()}
        for name, value in (unbound | bound).items():
            things = value.things
            if things and (
                not changed.isdisjoint(things) or not changed.isdisjoint(reachable(things, with_classes=False))
            ):
                found.add(name)
        return found


def settle(run: CellRun, ended: Mapping[str, tuple[int, Value]], *, is_barrier: bool) -> None:
    """Make the end of a cell the beginning of the next one."""
    state = run.notebook
    for thing in run.mutated:
        if thing.born != run.cell:
            thing.changed_in.append(run.cell)
    for name, (mask, value) in ended.items():
        before = state.names.get(name)
        cells: tuple[int, ...] = (run.cell,)
        if mask & INCOMING and before is not None:
            cells = (*before.cells, run.cell) if mask & (BOUND | DELETED) else before.cells
        if mask & (BOUND | DELETED):
            state.names[name] = Binding(value, cells)
            if not mask & INCOMING:
                state.readers.pop(name, None)
        elif before is not None and value is not before.value:
            before.value = either(before.value, value)
    if is_barrier:
        state.barrier = run.cell
    _settle_resources(run)


def _settle_resources(run: CellRun) -> None:
    resources = run.notebook.resources
    for resource in run.resource_reads:
        resources.readers.setdefault(resource, []).append(run.cell)
    for resource in run.resource_writes:
        if resource in run.resources_set:
            resources.writers[resource] = [run.cell]
            resources.readers.pop(resource, None)
        else:
            resources.writers.setdefault(resource, []).append(run.cell)
    if run.file_writes:
        resources.files = [
            (pattern, cell) for pattern, cell in resources.files if pattern not in run.files_replaced
        ] + [(pattern, run.cell) for pattern in run.file_writes]
    for module in run.imported:
        resources.imports.setdefault(module, []).append(run.cell)


__all__ = ["BOUND", "DELETED", "INCOMING", "SHELL_NAMES", "Binding", "CellRun", "NotebookState", "settle"]
