"""The records of a script that is planned: cells that are left, steps of the flow, and the plan itself."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from orchestra_nb.notebooks.module_level import ModuleLevel
from orchestra_nb.notebooks.names import CellNames
from orchestra_nb.notebooks.notebook_code import CodeCell, DeclaredParameter, NotebookCode
from orchestra_nb.notebooks.source_text import Chunk
from orchestra_nb.notebooks.task_line import TaskLine


@dataclass(eq=False)
class Part:
    """What is left of one cell when its definitions have moved: its code, and the text above it."""

    cell: CodeCell
    chunks: list[Chunk]
    source: str
    tree: ast.Module
    text: str

    @property
    def shown(self) -> ast.Expr | None:
        """The expression whose value the notebook shows below the cell."""
        chunk = next((chunk for chunk in reversed(self.chunks) if chunk.statements), None)
        last = self.tree.body[-1] if self.tree.body else None
        is_silent = chunk is None or re.search(r";\s*(#.*)?$", chunk.text) is not None
        return None if is_silent or not isinstance(last, ast.Expr) else last


@dataclass(eq=False)
class Step:
    """One piece of the flow's body: a call of a task, or statements in their place.

    Parameters
    ----------
    name
        Of the task; empty for statements in their place.
    heading
        What its docstring begins with.
    why_inline
        Why it is no task, in words for people.
    takes, gives
        Names in the order in which the code has them.
    binds_global
        Global names that it binds.
    """

    parts: list[Part]
    names: CellNames
    name: str = ""
    title: str = ""
    heading: str = ""
    why_inline: str = ""
    task: TaskLine | None = None
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    binds_global: tuple[str, ...] = ()
    bound_before: frozenset[str] = frozenset()

    @property
    def is_async(self) -> bool:
        """Whether its code awaits something."""
        return any(map(has_await, (part.tree for part in self.parts)))

    @property
    def source(self) -> str:
        """All its code."""
        return "\n".join(part.source for part in self.parts)


@dataclass(eq=False)
class ScriptPlan:
    """A notebook as a flow.

    Parameters
    ----------
    parameters
        Of the flow, in their order.
    shared
        Names that are global because functions read them, or because code reaches names by their text.
    builtins_first
        Names of built-in functions that the notebook binds anew after it has used them.
    notes
        What differs from the notebook, for people.
    is_one_body
        Whether code reaches names by their text, so that all of it stays in the flow's body.
    reads_shown, reads_all_shown
        Whether it reads the last shown value as ``_``, and any of them as ``Out[cell]``.
    """

    code: NotebookCode
    module: ModuleLevel
    parameters: list[DeclaredParameter]
    steps: list[Step]
    shared: tuple[str, ...]
    builtins_first: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    is_one_body: bool = False
    reads_shown: bool = False
    reads_all_shown: bool = False


def has_await(tree: ast.AST) -> bool:
    """Whether code awaits outside of its own functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        if has_await(node):
            return True
    return False
