"""Which tasks of a script may run beside others: those that touch nothing but what they take and give."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Final

from orchestra_nb.notebooks.notebook_analysis import CellAnalysis, NotebookAnalysis
from orchestra_nb.notebooks.script_statements import Figures
from orchestra_nb.notebooks.script_steps import ScriptPlan, Step
from orchestra_nb.notebooks.source_text import free_names

#: What code shares with other code beside its names: files, generators of random numbers, settings of the process.
_HIDDEN_STATE: Final = re.compile(
    r"\bopen\(|\bsubprocess\b|\bos\.|\bsys\.|\brandom\.|\bseed\(|set_option|options\.|rcParams|to_(?:csv|parquet|json|excel|pickle"
    r"|sql|feather|hdf)\b|read_(?:csv|parquet|json|excel|pickle|sql|feather|hdf)\b|\.save|\bdump\(|\bload\(|write|\binput\("
    r"|warnings\.|logging|\bnp\.random\b|requests\.|urlopen|connect\("
)


def submitted_steps(plan: ScriptPlan, figures: Figures, analysis: NotebookAnalysis) -> frozenset[Step]:
    """Return the steps that are sent off in place of being called.

    A task that prints, draws or shows a value is called, so that what it shows comes in its turn; a ``%%task`` cell is
    sent off wherever its inputs are its own.
    """
    shared_users = _users_of(plan)
    cells = {cell.id: cell for cell in analysis.cells}
    chosen: set[Step] = set()
    steps = plan.steps
    for position in range(len(steps) - 1, -1, -1):
        step = steps[position]
        if step.why_inline or step.is_async or step.binds_global or not _is_alone(step, plan, figures, shared_users):
            continue
        if _is_tied(step, cells):
            continue
        following = steps[position + 1] if position + 1 < len(steps) else None
        needs_it = following is not None and bool(set(step.gives) & (following.names.reads | set(following.takes)))
        if following is not None and (not needs_it or following in chosen):
            chosen.add(step)
    return frozenset(chosen)


def _is_tied(step: Step, cells: Mapping[str, CellAnalysis]) -> bool:
    """Whether a step changes what it takes, or gives what some cell then changes under another name, too.

    A task that is sent off works on copies, and gives new objects.
    """
    own = [cells[part.cell.id] for part in step.parts if part.cell.id in cells]
    mutates = {name for cell in own for name in cell.mutates}
    defines = {name for cell in own for name in cell.defines}
    reads = {name for cell in own for name in cell.reads} | mutates
    if mutates & {*step.takes} or any(cell.resources_read or cell.resources_written or cell.barrier for cell in own):
        return True
    last = max((cell.index for cell in own), default=0)
    if any(cell.index > last and {*cell.mutates} & {*step.takes} for cell in cells.values()):
        return True  # in a thread it would see a later change
    groups = [set(changer.mutates) for changer in cells.values()]
    return any(group & defines and (group & reads) - defines for group in groups)


def _is_alone(step: Step, plan: ScriptPlan, figures: Figures, shared_users: set[str]) -> bool:
    if step.names.reads & (set(plan.shared) | shared_users):
        return False
    if step.names.mutates & {*step.takes, *plan.module.names}:
        return False
    if step.task is not None:
        return True
    is_showing = any(part.shown is not None or figures.are_drawn_by(part.tree) for part in step.parts)
    return not is_showing and "print(" not in step.source and not _HIDDEN_STATE.search(step.source)


def _users_of(plan: ScriptPlan) -> set[str]:
    """Return the functions that touch more than their arguments: shared names, files, or what is printed."""
    functions = {
        node.name: node
        for chunk in plan.module.definitions
        for node in chunk.statements
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    found: set[str] = set()
    before = -1
    while before != len(found):
        before = len(found)
        for name, node in functions.items():
            code = ast.unparse(node)
            names = free_names(node)[1]
            if names & (set(plan.shared) | found) or "print(" in code or _HIDDEN_STATE.search(code):
                found.add(name)
    return found
