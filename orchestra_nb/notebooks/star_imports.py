"""The names that ``from module import *`` binds, found in the source of the installed module without importing it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final

from orchestra_nb.notebooks import mutations

#: Modules whose ``__all__`` is computed, to the modules whose names they pass on.
_COMPUTED: Final = {"pylab": ("matplotlib.pylab",)}
#: Compiled modules without a source that are safe to look into: they are loaded in every interpreter of ours.
_COMPILED: Final = frozenset({"math", "cmath", "itertools", "time", "_operator", "errno", "_functools", "_collections"})
_DEEPEST: Final = 5


@lru_cache(maxsize=256)
def names_of_module(module: str) -> dict[str, str] | None:
    """Return name to dotted path; None where they cannot be known: no well-known library, or no source.

    Examples
    --------
    >>> names_of_module("math")["sqrt"]
    'math.sqrt'
    >>> names_of_module("my_project") is None
    True
    """
    package = module.partition(".")[0]
    if module.startswith(".") or not (mutations.is_trusted(module) or package == "pylab"):
        return None
    names = _exported(module, 0)
    if not names:
        return None
    return {name: f"{_home_of(module, name)}.{name}" for name in sorted(names)}


def _home_of(module: str, name: str) -> str:
    if module in ("pylab", "matplotlib.pylab"):
        pyplot = _exported("matplotlib.pyplot", 0) or set()
        return "matplotlib.pyplot" if name in pyplot else "numpy"
    return module


def _exported(module: str, depth: int) -> set[str] | None:
    if module in _COMPUTED:
        module = _COMPUTED[module][0]
    if module in _COMPILED and module in sys.modules:
        return {name for name in vars(sys.modules[module]) if not name.startswith("_")}
    if depth > _DEEPEST:
        return None
    source = _source_of(module)
    if source is None:
        return None
    path, text = source
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    listed = _listed(tree)
    if listed is not None:
        return listed
    return _bound(tree, module, path, depth)


def _source_of(module: str) -> tuple[Path, str] | None:
    """Return the file of a module; only its top-level package is looked up, so that nothing is imported."""
    package, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    if rest:
        base = path.parent.joinpath(*rest)
        path = base / "__init__.py" if (base / "__init__.py").is_file() else base.with_suffix(".py")
    try:
        return path, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _listed(tree: ast.Module) -> set[str] | None:
    """Return ``__all__`` where it is written out."""
    names: set[str] | None = None
    for statement in tree.body:
        target: ast.expr | None = None
        value: ast.expr | None = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
            target, value = statement.target, statement.value
        if not (isinstance(target, ast.Name) and target.id == "__all__"):
            continue
        if not isinstance(value, ast.List | ast.Tuple):
            return None
        if not all(isinstance(item, ast.Constant) for item in value.elts):
            return None
        names = (names or set()) | {str(item.value) for item in value.elts if isinstance(item, ast.Constant)}
    return names


def _bound(tree: ast.Module, module: str, path: Path, depth: int) -> set[str] | None:
    """Return the public names that a module binds at its top, also through ``import *``."""
    names: set[str] = set()
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Import):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            names.update(_imported(statement, module, path, depth))
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names.update(node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
        else:
            for field in ("body", "orelse", "finalbody"):
                pending.extend(getattr(statement, field, []))
            for handler in getattr(statement, "handlers", []):
                pending.extend(handler.body)
    return {name for name in names if not name.startswith("_")}


def _imported(statement: ast.ImportFrom, module: str, path: Path, depth: int) -> set[str]:
    names: set[str] = set()
    for alias in statement.names:
        if alias.name != "*":
            names.add(alias.asname or alias.name)
            continue
        source = statement.module or ""
        if statement.level:
            parts = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            parts = parts[: len(parts) - statement.level + 1]
            source = ".".join([*parts, *([source] if source else [])])
        names |= _exported(source, depth + 1) or set()
    return names
