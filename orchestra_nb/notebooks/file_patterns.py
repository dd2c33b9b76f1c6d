"""Names of files as far as they are known: may two of them be the same file, or one lie in the other's folder?

A pattern is a path with gaps (``WILDCARD``) where it depends on what only a run knows.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import Final

from orchestra_nb.notebooks.abstract_values import WILDCARD

#: Nothing is known of the name.
ANY_FILE: Final = WILDCARD


@lru_cache(maxsize=1024)
def normal(pattern: str) -> str:
    """Return a pattern in its shortest form; relative paths start without ``./``.

    Examples
    --------
    >>> normal("./data//raw/../a.csv")
    'data/a.csv'
    """
    text = pattern.replace("\\", "/").removeprefix("file://")
    while WILDCARD * 2 in text:
        text = text.replace(WILDCARD * 2, WILDCARD)
    return posixpath.normpath(text) if text else WILDCARD


def is_remote(pattern: str) -> bool:
    """Tell whether this names no file of this machine: a URL, or SQLite's database in memory."""
    return bool(re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://", pattern)) or pattern == ":memory:"


@lru_cache(maxsize=4096)
def may_be_same(first: str, second: str) -> bool:
    r"""Tell whether two patterns may name the same file, or one a folder with the other in it.

    Examples
    --------
    >>> may_be_same("data/a.csv", "./data/a.csv"), may_be_same("data", "data/a.csv")
    (True, True)
    >>> may_be_same("a.csv", "b.csv"), may_be_same("out/\0.png", "out/\0.csv"), may_be_same("x\0", "x1.csv")
    (False, False, True)
    """
    one, two = normal(first), normal(second)
    if WILDCARD not in one and WILDCARD not in two:
        if one == two or "." in (one, two) or one.startswith(two + "/") or two.startswith(one + "/"):
            return True
        # one is absolute, the other relative to a folder that only the run knows
        return one.startswith("/") != two.startswith("/") and (one.endswith("/" + two) or two.endswith("/" + one))
    if not _begins_alike(one, two):
        return False
    return _ends_alike(one, two) or _is_folder(one) or _is_folder(two)


def _begins_alike(one: str, two: str) -> bool:
    head, other = one.partition(WILDCARD)[0], two.partition(WILDCARD)[0]
    if head.startswith("/") != other.startswith("/") and head and other:
        return True
    if WILDCARD in one and WILDCARD in two:
        return head.startswith(other) or other.startswith(head)
    exact, begun = (two, head) if WILDCARD in one else (one, other)
    return exact.startswith(begun) or begun.startswith(exact + "/")


def _ends_alike(one: str, two: str) -> bool:
    tail, other = one.rpartition(WILDCARD)[2], two.rpartition(WILDCARD)[2]
    return tail.endswith(other) or other.endswith(tail)


def _is_folder(pattern: str) -> bool:
    """Tell whether a pattern may name a folder: its last part has no suffix."""
    return WILDCARD not in pattern and "." not in posixpath.basename(pattern)
