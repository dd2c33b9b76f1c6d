"""The options of an ordinary cell in a headless run: ``#: --retries 3 --timeout 60`` in its first lines.

A task cell has the same lines with the options of tasks (:mod:`orchestra_nb.notebooks.task_line`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.notebooks.document import tags_of
from orchestra_nb.notebooks.task_line import CacheOption, parse_task_line, read_directives
from orchestra_nb.notebooks.task_options import OPTIONS, Option

#: All options of an ordinary cell.
CELL_OPTIONS: Final[dict[str, Option]] = {
    **{name: OPTIONS[name] for name in ("--retries", "--retry-delay", "--timeout", "--cache")},
    "--no-cache": Option(None),
}
_TASK: Final = re.compile(r"^%%task(?![^\s])", re.MULTILINE)
#: A cell that is a task, where ``%%task`` is ours: ``line`` is what stands behind it, ``body`` what stands below.
TASK_CELL: Final = re.compile(r"\s*%%task(?P<line>(?:[^\S\n][^\n]*)?)(?:\n(?P<body>.*))?\Z", re.DOTALL)
_LOADING: Final = re.compile(r"^\s*%(?:re)?load_ext\s+orchestra_nb\b", re.MULTILINE)
_MAY_FAIL: Final = frozenset({"raises-exception", "skip-execution"})


class CellOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the ``#:`` lines of a cell ask for.

    Parameters
    ----------
    timeout_seconds
        After so long an attempt is interrupted, and its kernel killed if that does not help; None for never.
    cache
        The cell is kept also where it asks something that no record can see, such as the network.
    is_never_kept
        The cell runs each time.
    """

    retry: RetryPolicy = RetryPolicy()
    timeout_seconds: float | None = None
    cache: CacheOption | None = None
    is_never_kept: bool = False


def cell_options(source: str) -> CellOptions:
    r"""Return the options of a cell; those of a task cell are the task's, and none of the cell.

    Raises
    ------
    InvalidTaskLine
        The message names the line and the word at fault, and the remedy.

    Examples
    --------
    >>> cell_options("#: --retries 3 --timeout 1m\\nfetch()").timeout_seconds
    60.0
    """
    if "#:" not in source or is_task_cell(source):
        return CellOptions()
    given = read_directives(source, CELL_OPTIONS)
    if "--retry-delay" in given and not given.get("--retries"):
        raise InvalidTaskLine("--retry-delay has no effect without --retries. Add --retries N, or remove it.")
    if "--cache" in given and "--no-cache" in given:
        raise InvalidTaskLine("--cache and --no-cache contradict each other. Remove one of them.")
    delays, exponential = given.get("--retry-delay", ((), None))
    return CellOptions(
        retry=RetryPolicy(retries=given.get("--retries", 0), delays_seconds=delays, exponential=exponential),
        timeout_seconds=given.get("--timeout"),
        cache=CacheOption(ttl_seconds=given["--cache"]) if "--cache" in given else None,
        is_never_kept="--no-cache" in given,
    )


def is_task_cell(source: str) -> bool:
    """Tell whether a cell's first line of code is ``%%task``."""
    for line in source.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            return _TASK.match(line) is not None
    return False


def check_options(notebook: Mapping[str, Any]) -> None:
    """Refuse a notebook of which a cell has options that cannot be understood, its own or those of a task.

    Raises
    ------
    InvalidTaskLine
        The message names the cell.
    """
    codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    has_tasks = any(_LOADING.search(cell["source"]) for cell in codes)
    for number, cell in enumerate(codes, start=1):
        try:
            cell_options(cell["source"])
            if has_tasks and not _MAY_FAIL & {*tags_of(cell)} and (task := TASK_CELL.match(cell["source"])):
                parse_task_line(task["line"], task["body"] or "")
        except InvalidTaskLine as error:
            raise InvalidTaskLine(f"Cell {number}: {error}") from None
