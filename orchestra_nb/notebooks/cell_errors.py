"""Reads what a kernel says of an error, and says it as a record that points at the user's own line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestra_nb.model.runs import ErrorInfo

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: IPython's name for a line of a cell in a trace, by the cell's execution count.
_CELL_LINE = re.compile(r"Cell In\[(\d+)\], line (\d+)")
#: What Python adds to the message of a syntax error: the name that ipykernel gave the cell's code, and the line.
_CELL_FILE = re.compile(r" \((?:\d+\.py|<ipython-input-[^>]*>), line (\d+)\)$")
_MAX_MESSAGE = 2_000
_MAX_TRACE = 20_000

_SYNTAX_ERRORS = frozenset({"SyntaxError", "IndentationError", "TabError"})
#: What ``sys.exit()``, ``sys.exit(0)`` and ``sys.exit(None)`` leave as an error's value.
_GOOD_EXITS = frozenset({"", "0", "None"})


def read_error(content: Mapping[str, Any], *, cell: str, source: str, execution_count: int | None) -> ErrorInfo:
    """Return the error of an ``execute_reply`` or of an error output.

    Parameters
    ----------
    cell
        The cell in people's words.
    source
        The cell's text, to quote the line from.
    execution_count
        The number by which the trace calls the cell.
    """
    trace = storable_text(_COLOURS.sub("", "\n".join(content.get("traceback") or ())))
    line = _last_line_in_cell(trace, execution_count)
    lines = source.splitlines()
    value = storable_text(_COLOURS.sub("", str(content.get("evalue", ""))))
    name = str(content.get("ename", ""))
    if name in _SYNTAX_ERRORS and (file := _CELL_FILE.search(value)) is not None:
        value, line = value[: file.start()], line or int(file[1])
    if not name:  # kernels of shells tell an exit code only
        name, value = "Error", f"exited with {value}" if value.isdigit() else value
    return ErrorInfo(
        type=name,
        message=value[:_MAX_MESSAGE],
        cell=cell,
        line=line,
        source_line=lines[line - 1].strip() if line is not None and line <= len(lines) else None,
        traceback=trace[-_MAX_TRACE:] or None,
    )


def is_good_exit(content: Mapping[str, Any]) -> bool:
    """Whether a reply tells of ``sys.exit(0)`` or its like: the notebook ends here, and well, as in papermill."""
    return content.get("ename") == "SystemExit" and content.get("evalue") in _GOOD_EXITS


def asks_to_end(content: Mapping[str, Any]) -> bool:
    """Whether a reply tells of ``exit`` or ``quit``: the kernel is about to end by itself."""
    payloads: Sequence[Mapping[str, Any]] = content.get("payload") or ()
    return any(payload.get("source") == "ask_exit" and not payload.get("keepkernel") for payload in payloads)


def describe_error(error: ErrorInfo) -> str:
    """Return one line for people: ``"ValueError: no number (cell 4, line 3)"``."""
    where = ", line ".join(str(part) for part in (error.cell, error.line) if part is not None)
    first_line = error.message.strip().partition("\n")[0]
    what = f"{error.type}: {first_line}" if first_line else error.type
    return f"{what} ({where})" if where else what


def storable_text(text: str) -> str:
    """Return the text with lone surrogates written out, which come from undecodable bytes and pass no encoder."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _last_line_in_cell(trace: str, execution_count: int | None) -> int | None:
    """Return the deepest line of this cell that the trace goes through."""
    numbers = [int(line) for count, line in _CELL_LINE.findall(trace) if count == str(execution_count)]
    return numbers[-1] if numbers else None
