"""Which files a cell names, in its source or by what its inputs hold: native code may read them unseen."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterable, Iterator

_LONGEST_PATH = 1_000


def files_named(source: str, values: Iterable[object]) -> set[str]:
    """Return the absolute paths of existing files that text in a cell's source or among its inputs names."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    texts: list[object] = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return set(_existing(texts)) | set(_existing(values))


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
