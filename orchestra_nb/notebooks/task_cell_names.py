"""What running a cell does to the names of the notebook, also where it is a task cell: by the code of the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.notebooks.cell_options import is_task_cell
from orchestra_nb.notebooks.names import CellNames, analyse_cell
from orchestra_nb.notebooks.task_line import TaskLine, parse_task_line

_MAGIC = "%%task"


def names_of_any_cell(source: str, namespace: Mapping[str, object] | None = None) -> CellNames:
    r"""Return the names of a cell; of a task cell those that its task takes from the notebook and gives it.

    Raises
    ------
    SyntaxError
        The cell is no Python, or its line is none of a task.

    Examples
    --------
    >>> names = names_of_any_cell("%%task load --out y\nx = y = z")
    >>> sorted(names.defines), sorted(names.reads)
    (['y'], ['z'])
    """
    if not is_task_cell(source):
        return analyse_cell(source, namespace)
    line = _task_line(source)
    names = analyse_cell(line.body, namespace)
    if line.local:
        return names
    if line.inputs is not None:
        names = replace(names, reads=frozenset(line.inputs))
    if line.outputs is not None:
        none = frozenset[str]()
        names = replace(names, defines=frozenset(line.outputs), conditional=none, mutates=none, deletes=none)
    if line.inputs is not None and line.outputs is not None:
        names = replace(names, opaque=None)
    return names


def _task_line(source: str) -> TaskLine:
    """Read a task cell, whose line may stand below comments."""
    lines = source.splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if line.startswith(_MAGIC))
    line = lines.pop(place).strip().removeprefix(_MAGIC)
    try:
        return parse_task_line(line, "".join(lines))
    except InvalidTaskLine as error:
        raise SyntaxError(str(error)) from None
