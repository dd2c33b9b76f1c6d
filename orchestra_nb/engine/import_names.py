"""The names of the modules that code imports, anywhere in it: of code that is read, and of functions that are there.

Also names that may be no module are given: in ``from package import name`` that is the module's own affair.
"""

from __future__ import annotations

import ast
import dis
import importlib.util
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from types import CodeType, FunctionType

from orchestra_nb.notebooks.ipython_syntax import is_shell_call, shell_call_effect


def imported_in(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Yield what a tree imports, also in the Python of its magics, with the packages around.

    Parameters
    ----------
    package
        What relative imports start from; "" where there are none.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = _resolved("." * node.level + (node.module or ""), package)
            if module:
                yield from _with_parents(module)
                yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and is_shell_call(node):
            with suppress(SyntaxError):
                for code in shell_call_effect(node).code:
                    yield from imported_in(code, package)


def imported_by_function(function: FunctionType) -> Iterator[str]:
    """Yield what a function imports when it runs, and the functions within it, with the packages around."""
    package = str(function.__globals__.get("__package__") or "")
    for code in codes_of(function.__code__):
        yield from _imported_by(code, package)


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """Yield code, and the code of the functions and classes within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


@lru_cache(maxsize=4096)
def _imported_by(code: CodeType, package: str) -> tuple[str, ...]:
    """Return the modules that code imports where it runs, with those that may be meant by ``from … import``."""
    return tuple(_imports_of(code, package))


def _imports_of(code: CodeType, package: str) -> Iterator[str]:
    module, level = "", 0
    for instruction in dis.get_instructions(code):
        match instruction.opname:
            case "LOAD_CONST" | "LOAD_SMALL_INT" if isinstance(instruction.argval, int):
                level = instruction.argval
            case "IMPORT_NAME":
                module = _resolved("." * level + str(instruction.argval), package)
                yield from _with_parents(module)
            case "IMPORT_FROM" if module:
                yield f"{module}.{instruction.argval}"


def _resolved(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError:  # no package, or one that is not so deep
        return ""


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]
