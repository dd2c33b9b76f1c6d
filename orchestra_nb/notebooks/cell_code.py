"""What the source of a cell tells the cache: its fingerprint, its names, and whether its code has to run each time."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.model.fingerprints import fingerprint
from orchestra_nb.notebooks.cell_options import CellOptions, cell_options, is_task_cell
from orchestra_nb.notebooks.ipython_syntax import parse_cell
from orchestra_nb.notebooks.names import CellNames, analyse_cell
from orchestra_nb.notebooks.task_cell_names import names_of_any_cell

#: Magics that only run the code behind them.
_RUNNING_MAGICS: Final = frozenset({"time", "timeit", "capture", "prun", "memit"})
#: Ways to the namespace around the names in a cell.
_ROUNDABOUT: Final = frozenset("user_ns user_global_ns f_globals f_locals f_back get_objects get_referrers".split())
#: Functions of ``warnings`` and ``logging`` whose effect on later cells is no value.
_SETTING_UP: Final = frozenset("filterwarnings simplefilter resetwarnings basicConfig captureWarnings".split())
_HISTORY: Final = re.compile(r"^(_{1,3}|_\d+|Out|_oh|In|_ih|_i{1,3}|_i\d+)$")


@dataclass(frozen=True, slots=True)
class CellCode:
    """A cell as the cache sees it.

    Parameters
    ----------
    code
        The fingerprint of its source, whatever its comments and layout, and of the Python that runs it.
    names
        What its source says of names; empty where it is no Python.
    must_run
        Why its code has to run each time; None where a record may stand for it.
    is_barrier
        Whether it may read and change any name.
    imports
        Its import statements at the top level, and what filters warnings and sets up logging there, one a line: they
        are run again where its values are taken from a record.
    packages
        The top-level packages that these name.
    seeds
        The dotted names of what it calls before all else that may seed a generator: what that was before does not
        matter.
    reads_history
        Whether it reads ``_``, ``Out`` or ``In``: what the last lines of earlier cells gave.
    """

    code: str
    names: CellNames
    options: CellOptions
    must_run: str | None = None
    is_barrier: bool = False
    imports: str = ""
    packages: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()
    reads_history: bool = False


@lru_cache(maxsize=4096)
def cell_code(source: str) -> CellCode:
    """Return what a cell's source tells. O(length of the source); memoised."""
    try:
        options = cell_options(source)
    except InvalidTaskLine:
        options = CellOptions()
    first_line = source.lstrip().partition("\n")[0]
    is_task = is_task_cell(source)
    if is_task or (first_line.startswith("%%") and not first_line.startswith(("%%time", "%%capture", "%%prun"))):
        name = "%%task" if is_task else source.lstrip().split(None, 1)[0]
        names = _names_of(source)
        return CellCode(
            fingerprint(source), names, options, f"a cell under {name} runs each time", names.opaque is not None
        )
    try:
        tree = parse_cell(source)
        names = analyse_cell(source)
    except SyntaxError as error:
        return CellCode(fingerprint(source), CellNames(), options, f"it is no Python: {error.msg}", is_barrier=True)
    opaque = names.opaque or _roundabout_way(tree)
    history = sorted(
        {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and _HISTORY.match(node.id)} & names.reads
    )
    imports = [statement for statement in tree.body if isinstance(statement, ast.Import | ast.ImportFrom)]
    return CellCode(
        code=fingerprint((ast.dump(tree), source.rstrip().endswith(";"), sys.version_info[:2])),
        names=names,
        options=options,
        must_run=_must_run(tree, options, opaque, history),
        is_barrier=opaque is not None,
        imports="\n".join(ast.unparse(statement) for statement in tree.body if _sets_up(statement)),
        packages=tuple(sorted(_packages(imports))),
        seeds=tuple(_seeds_first(tree)),
        reads_history=bool(history),
    )


def _names_of(source: str) -> CellNames:
    try:
        return names_of_any_cell(source)
    except SyntaxError:
        return CellNames(opaque="it is no Python")


def _must_run(tree: ast.Module, options: CellOptions, opaque: str | None, history: list[str]) -> str | None:
    if options.is_never_kept:
        return "forced: `#: --no-cache`"
    if opaque is not None:
        return f"barrier: {opaque}"
    if history:
        return f"it reads `{history[0]}`, what the last line of an earlier cell gave"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("run_"):
            first = node.args[0] if node.args else None
            if node.func.attr in ("run_line_magic", "run_cell_magic") and isinstance(first, ast.Constant):
                if first.value in _RUNNING_MAGICS:
                    continue
                return f"configuration: %{first.value!s} runs each time"
        if isinstance(node, ast.Name) and node.id == "get_ipython" and not _is_of_running_magic(tree):
            return "configuration: it speaks with IPython"
    return None


def _is_of_running_magic(tree: ast.Module) -> bool:
    """Tell whether each ``get_ipython()`` belongs to a magic that only runs code."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("run_line_magic", "run_cell_magic")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value in _RUNNING_MAGICS
    ]
    shells = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "get_ipython"]
    return len(calls) == len(shells)


def _roundabout_way(tree: ast.Module) -> str | None:
    """Return how a cell comes to names that its source does not name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _ROUNDABOUT:
            return f"`.{node.attr}` leads to any name"
        match node:
            case ast.Call(func=ast.Name(id="dir" | "vars" | "locals" as name), args=[]):
                return f"`{name}()` tells all names"
        if isinstance(node, ast.Constant) and node.value == "__main__":
            return "the module `__main__` leads to any name"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if "__main__" in names:
                return "the module `__main__` leads to any name"
    return None


def _sets_up(statement: ast.stmt) -> bool:
    """Tell whether a statement imports, filters warnings or sets up logging."""
    match statement:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(), attr=name))):
            return name in _SETTING_UP
    return False


def _packages(imports: list[ast.Import | ast.ImportFrom]) -> set[str]:
    found: set[str] = set()
    for statement in imports:
        if isinstance(statement, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in statement.names)
        elif statement.module and not statement.level:
            found.add(statement.module.partition(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names}


def _seeds_first(tree: ast.Module) -> Iterator[str]:
    """Yield what is called as ``seed`` before all but imports and plain values."""
    for statement in tree.body:
        match statement:
            case ast.Import() | ast.ImportFrom():
                continue
            case ast.Assign(value=ast.Constant()) | ast.Expr(value=ast.Constant()):
                continue
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="seed" | "manual_seed") as function) as call):
                given = [*call.args, *(keyword.value for keyword in call.keywords)]
                if given and not any(isinstance(value, ast.Constant) and value.value is None for value in given):
                    yield ast.unparse(function)
                    continue
        return
