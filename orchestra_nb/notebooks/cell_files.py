"""Which cell the code of a temporary file is: a kernel compiles each cell under the name of a file that there is not.

Traces of functions that were defined in cells name these files; people know the cell.
"""

from __future__ import annotations

import re
import sys
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.notebooks.cell_numbers import CELL_ID, CELL_NUMBER

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_FRAME: Final = re.compile(r'^(  File )"([^"\n]+)", line (\d+)', re.MULTILINE)
_EXECUTION: Final = re.compile(r"In\[(\d+)\]")

#: Number of an execution to what people call its cell, where that is not this number.
_labels: dict[int, str] = {}


def present_cell(shell: InteractiveShell) -> tuple[str, str | None]:
    """Return what people call the cell that is being executed, and its id if the front end told it."""
    kernel = getattr(shell, "kernel", None)
    parent = kernel.get_parent("shell") if kernel is not None else {}
    metadata = parent.get("metadata", {}) if isinstance(parent, dict) else {}
    cell_id = metadata.get(CELL_ID) or metadata.get("cell_id")
    number = metadata.get(CELL_NUMBER)  # in a run; who works in a notebook sees the number of the execution
    label = f"cell [{shell.displayhook.prompt_count}]" if number is None else f"cell {number}"
    return label, str(cell_id) if cell_id else None


def note_cell() -> None:
    """Note what people call the cell that is being executed, if one is, for errors of functions that it defines."""
    # no cell begins in another thread, where a kernel does not know which one is executed
    if threading.current_thread() is threading.main_thread() and (shell := _shell()) is not None:
        _labels[shell.displayhook.prompt_count] = present_cell(shell)[0]


def cell_of_file(file_name: str) -> str | None:
    """Return the cell whose code has this name in this kernel, in people's words; None for any other file."""
    if (shell := _shell()) is None:
        return None
    named = shell.compile.format_code_name(file_name)
    number = None if named is None else _EXECUTION.fullmatch(named[1])
    if number is None:
        return None
    return _labels.get(int(number[1]), f"cell [{number[1]}]")


def _shell() -> InteractiveShell | None:
    """Return the IPython of this process, which is not imported for this."""
    python = sys.modules.get("IPython")
    return None if python is None else python.get_ipython()


def in_cells(error: ErrorInfo) -> ErrorInfo:
    """Return an error whose places are cells where they are of files that stand for cells of this kernel."""
    if error.traceback is None:
        return error
    cell = error.cell

    def as_cell(frame: re.Match[str]) -> str:
        nonlocal cell
        label = cell_of_file(frame[2])
        if label is None:
            return frame[0]
        if int(frame[3]) == error.line:
            cell = label
        return f'{frame[1]}"<{label}>", line {frame[3]}'

    trace = _FRAME.sub(as_cell, error.traceback)
    return msgspec.structs.replace(error, cell=cell, traceback=trace) if trace != error.traceback else error
