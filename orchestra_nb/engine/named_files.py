"""Which files a cell names, in its source or by what its inputs hold: native code may read them unseen."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterable, Iterator

_LONGEST_PATH = 1_000
_PATH_MAKERS = frozenset({"Path", "PurePath", "joinpath", "abspath", "expanduser"})


def files_named(source: str, values: Iterable[object]) -> set[str]:
    """Return the absolute paths of existing files that text in a cell's source or among its inputs names.

    A cell that only makes paths reads none: it gives them to others.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    else:
        if not any(isinstance(node, ast.Call) and not _makes_path(node) for node in ast.walk(tree)):
            return set()
    texts: list[object] = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return set(_existing(texts)) | set(_existing(values))


def _makes_path(call: ast.Call) -> bool:
    """Tell whether a call is ``Path(…)`` or ``os.path.join(…)``."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _PATH_MAKERS or (name == "join" and isinstance(call.func, ast.Attribute))
    return False


def _existing(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if not isinstance(value, str | os.PathLike):
            continue
        try:
            path = os.fspath(value)
            if not isinstance(path, str) or not path or len(path) > _LONGEST_PATH or "\n" in path or "\0" in path:
                continue
            if stat.S_ISREG(os.stat(path).st_mode):
                yield os.path.abspath(path)
        except (OSError, ValueError):
            continue
