"""The statements of a cell as they stand in a function: values shown, figures closed, names kept global."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from typing import Final

from orchestra_nb.notebooks.module_level import is_star
from orchestra_nb.notebooks.script_steps import Part
from orchestra_nb.notebooks.source_text import Chunk, comment, indent, literal, replace_span

#: Functions and methods that give nothing that a notebook would show.
_VOID: Final = frozenset(
    "print display clear_output append extend insert sort reverse clear show seed set_theme set_style set_context "
    "filterwarnings set_option reset_option basicConfig chdir makedirs mkdir sleep set_printoptions "
    "simplefilter".split()
)
#: What gives a table or a number: its text is the one that a notebook shows.
_TABLES: Final = frozenset(
    "head tail describe sample value_counts corr shape dtypes columns memory_usage nunique len sum_ info_".split()
)
_DRAWS: Final = frozenset("plot hist boxplot scatter bar imshow scatter_matrix from_estimator from_predictions".split())
_FIGURE_SETTINGS: Final = frozenset(
    "rcParams style rc set_theme set_style set_context set_palette set load_dataset color_palette rcdefaults cm "
    "colormaps use ion ioff close".split()
)


class Figures:
    """Which code draws with matplotlib, directly or through the notebook's functions."""

    def __init__(self, chunks: Collection[Chunk]) -> None:
        self.modules: dict[str, str] = {}
        functions: dict[str, ast.stmt] = {}
        for chunk in chunks:
            for statement in chunk.statements:
                for node in ast.walk(statement):
                    self._note_import(node)
                if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    functions[statement.name] = statement
        self.pyplot = next((name for name, module in self.modules.items() if module == "matplotlib.pyplot"), "plt")
        self.functions = frozenset(functions)
        #: those that give nothing
        self.silent = {name for name, node in functions.items() if _gives_nothing(node)}
        self._functions: set[str] = set()
        before = -1
        while self.modules and before != len(self._functions):
            before = len(self._functions)
            self._functions |= {name for name, node in functions.items() if self._are_drawn_by(node)}

    def _note_import(self, node: ast.AST) -> None:
        names: list[tuple[str, str]] = []
        if isinstance(node, ast.Import):
            names = [(alias.asname or alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
        for name, module in names:
            if module in ("matplotlib.pyplot", "seaborn", "pandas") or module.startswith(("matplotlib.py", "seaborn.")):
                self.modules[name] = module

    def _are_drawn_by(self, tree: ast.AST) -> bool:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                root = node.value
                if isinstance(root, ast.Name) and self.modules.get(root.id, "pandas") != "pandas":
                    if node.attr not in _FIGURE_SETTINGS:
                        return True
                elif node.attr in _DRAWS:
                    return True
            elif isinstance(node, ast.Name) and node.id in self._functions:
                return True
        return False

    def are_drawn_by(self, tree: ast.AST) -> bool:
        """Whether code may draw."""
        return bool(self.modules) and self._are_drawn_by(tree)


class StatementWriter:
    """Writes the statements of cells.

    Parameters
    ----------
    shared
        Names that are global.
    is_one_body
        Whether code reaches names by their text.
    show, show_figures
        What the script's functions are called that show a value, and the figures.
    keeps_shown
        Whether the notebook reads the last shown value as ``_``.
    keeps_all
        Whether it reads any of them as ``Out[cell]``.
    """

    def __init__(
        self,
        shared: Collection[str],
        figures: Figures,
        *,
        is_one_body: bool,
        show: str,
        show_figures: str,
        keeps_shown: bool,
        keeps_all: bool,
    ) -> None:
        self._shared = frozenset(shared)
        self._figures = figures
        self._is_one_body = is_one_body
        self._show = show
        self._keeps_shown = keeps_shown or keeps_all
        self._keeps_all = keeps_all
        self._show_figures = show_figures
        #: which of the script's functions are needed
        self.used: set[str] = set()

    def part(self, part: Part) -> str:
        """Return a cell's code."""
        text = ""
        last = next((chunk for chunk in reversed(part.chunks) if chunk.statements), None)
        draws = self._figures.are_drawn_by(part.tree)
        for chunk in part.chunks:
            if any(isinstance(statement, ast.Global) for statement in chunk.statements):
                continue
            is_shown = chunk is last and part.shown is not None
            code = self._chunk(chunk, is_shown=is_shown, draws=draws)
            text += ("\n\n" if chunk.blank_lines else "\n") * bool(text) + code
        if draws and not text.endswith(f"{self._show_figures}()"):
            text += f"\n{self._show_figures}()"
        if draws:
            self.used.add(self._show_figures)
        if part.cell.may_fail and text.strip():
            self.used.add("import traceback")
            text = f"try:\n{indent(text)}\nexcept Exception:\n    traceback.print_exc()"
        return text

    def _chunk(self, chunk: Chunk, *, is_shown: bool, draws: bool) -> str:
        if not chunk.statements:
            return chunk.text
        if is_star(chunk):
            return "\n".join(f"exec({literal(ast.unparse(node))}, globals())" for node in chunk.statements)
        text = chunk.text
        if is_shown:
            text = self._shown(text, chunk.cell + 1, draws=draws)
        elif text.rstrip().endswith(";") and "#" not in text.split("\n")[-1]:
            text = text.rstrip().rstrip(";")
        if self._shared:
            text = self._without_annotations(text)
        if self._is_one_body:
            text = _in_globals(text)
        return text

    def _shown(self, text: str, cell: int, *, draws: bool) -> str:
        statement = ast.parse(text).body[-1]
        assert isinstance(statement, ast.Expr)
        value = statement.value
        called = value.func if isinstance(value, ast.Call) else None
        name = getattr(called, "attr", getattr(called, "id", ""))
        if draws and ast.unparse(value) == f"{self._figures.pyplot}.show()":
            return replace_span(text, statement, f"{self._show_figures}()")
        is_own = isinstance(called, ast.Name) and name in self._figures.functions
        if (name in _VOID and not is_own) or (is_own and name in self._figures.silent):
            return text
        if ast.unparse(value).startswith("subprocess.run("):
            return text
        source = ast.get_source_segment(text, statement) or ""
        printed = _is_printed_alike(value) and not self._keeps_shown
        if not printed:
            self.used.add(self._show)
        if source.startswith("(") and source.endswith(")") and ast.get_source_segment(text, value) == source[1:-1]:
            source = source[1:-1]
        if isinstance(value, ast.Tuple) and not source.startswith("("):
            source = f"({source})"
        call = f"print({source})" if printed else f"{self._show}({source}{f', {cell}' if self._keeps_all else ''})"
        return replace_span(text, statement, call)

    def _without_annotations(self, text: str) -> str:
        """Drop the annotations of global names, which Python allows nowhere but at the module's own level."""
        nodes = [node for node in _own_nodes(ast.parse(text)) if isinstance(node, ast.AnnAssign)]
        for node in sorted(nodes, key=lambda node: node.lineno, reverse=True):
            if isinstance(node.target, ast.Name) and node.target.id in self._shared:
                value = "" if node.value is None else ast.get_source_segment(text, node.value) or ""
                text = replace_span(text, node, f"{node.target.id} = {value}" if value else "pass")
        return text


def _is_printed_alike(value: ast.expr) -> bool:
    """Whether ``print`` surely shows what a notebook shows."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, int | float | complex) and value.value is not None
    if isinstance(value, ast.List | ast.Tuple | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    if isinstance(value, ast.Call):
        name = getattr(value.func, "attr", getattr(value.func, "id", ""))
        return name in _TABLES
    return isinstance(value, ast.Attribute) and value.attr in ("shape", "dtypes")


def _gives_nothing(node: ast.stmt) -> bool:
    """Whether a function surely returns None."""
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return False
    own = list(_own_nodes(node))
    is_generator = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in own)
    return not is_generator and not any(isinstance(inner, ast.Return) and inner.value is not None for inner in own)


def _own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree that run in its own namespace."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _own_nodes(node)


def _in_globals(text: str) -> str:
    """Have ``exec``, ``eval``, ``locals`` and their like work on the module's names."""
    calls = [
        node for node in _own_nodes(ast.parse(text)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        assert isinstance(call.func, ast.Name)
        name, source = call.func.id, ast.get_source_segment(text, call) or ""
        if name in ("exec", "eval") and len(call.args) == 1 and not call.keywords:
            argument = ast.get_source_segment(text, call.args[0]) or ""
            text = replace_span(text, call, f"{name}({argument}, globals())")
        elif name in ("locals", "vars") and not call.args:
            text = replace_span(text, call, "globals()")
        elif name == "dir" and not call.args and source:
            text = replace_span(text, call, "sorted(globals())")
    return text


def markdown_comment(text: str) -> str:
    """Return markdown as comment lines, without pictures that are part of the notebook."""
    text = re.sub(r"!\[([^\]]*)\]\((?:attachment:|data:)[^)]*\)", r"\1", text).strip()
    return comment(text) if text else ""
