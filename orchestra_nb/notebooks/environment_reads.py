"""Which environment variables a cell's own code looks up: told by its form, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Ways to the environment.
_MAPPINGS = frozenset({"environ", "environb"})
_FUNCTIONS = frozenset({"getenv", "getenvb", "expandvars"})
_OF_ONE = frozenset({"get", "setdefault", "pop"})
_IN_TEXT = re.compile(r"\$(\w+|\{[^}]*\})")


@dataclass(frozen=True, slots=True)
class EnvironmentReads:
    """What a cell looks up in the environment.

    Parameters
    ----------
    names
        Variables whose names stand in its code.
    is_whole
        Whether it looks up more than these: all of it, or names that are made while it runs.
    """

    names: frozenset[str]
    is_whole: bool


def environment_reads(tree: ast.AST) -> EnvironmentReads:
    """Return what code looks up in the environment; code that it calls is not looked into.

    Examples
    --------
    >>> reads = environment_reads(ast.parse("url = os.environ['URL'] if 'X' in os.environ else os.getenv('OLD_URL')"))
    >>> sorted(reads.names), reads.is_whole
    (['OLD_URL', 'URL', 'X'], False)
    >>> environment_reads(ast.parse("subprocess.run(['make'], env={**os.environ, 'X': '1'})")).is_whole
    True
    """
    names: set[str] = set()
    named: set[ast.AST] = set()
    for way, node in _by_name(tree):
        found = _names_in(way, node)
        if found is not None:
            names |= found
            named.add(way)
    is_whole = any(_is_way(node) and node not in named for node in ast.walk(tree))
    return EnvironmentReads(frozenset(names), is_whole)


def _by_name(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield (way to the environment, what names a variable beside it)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            yield node.value, node.slice
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn):
            yield node.comparators[0], node.left
        elif isinstance(node, ast.Call) and node.args:
            is_method = isinstance(node.func, ast.Attribute) and node.func.attr in _OF_ONE
            yield (node.func.value if is_method else node.func), node.args[0]  # type: ignore[attr-defined]


def _names_in(way: ast.AST, node: ast.AST) -> set[str] | None:
    """Return the names of variables in what stands beside a way; None where they are not to be read there."""
    if not _is_way(way) or not isinstance(node, ast.Constant):
        return None
    text = node.value.decode(errors="replace") if isinstance(node.value, bytes) else node.value
    if not isinstance(text, str):
        return None
    if _name_of(way) == "expandvars":
        return {name.strip("{}") for name in _IN_TEXT.findall(text)}
    return {text}


def _is_way(node: ast.AST) -> bool:
    if isinstance(node, ast.alias):
        return node.asname is not None and node.name in _MAPPINGS | _FUNCTIONS
    return _name_of(node) in _MAPPINGS | _FUNCTIONS


def _name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
