"""Small pandas tables and columns as JSON that people and their scripts read: with their index, and floats as they are.

pandas is not imported here. Whoever has a table of its has loaded it, so it is in ``sys.modules``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

#: Turns what a cell holds into JSON.
ReadCell = Callable[[object], object]


def is_pandas(value: object) -> bool:
    """Return whether a value is a table or a column of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series)


def readable_pandas(value: Any, read: ReadCell) -> object:
    """Return a table as a list of rows, and a column as its name, index and data.

    The levels of an index are columns of each row, under their names; one without a name is ``index``. What counts the
    rows from 0 is left out. What is missing is None.

    Raises
    ------
    ValueError
        Two columns have the same name.
    """
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.Series):
        name = None if value.name is None else _cell(value.name, read)
        return {"name": name, "index": _cells(value.index, read), "data": _cells(value, read)}
    names = [str(column) for column in value.columns]
    columns = [_cells(value.iloc[:, place], read) for place in range(len(names))]
    if not _only_counts(value.index):
        levels = [value.index.get_level_values(level) for level in range(value.index.nlevels)]
        names = [*_level_names(value.index, names), *names]
        columns = [*(_cells(level, read) for level in levels), *columns]
    if len(set(names)) < len(names):
        raise ValueError("two columns have the same name")
    rows = zip(*columns, strict=True) if columns else (() for _ in range(len(value)))
    return [dict(zip(names, row, strict=True)) for row in rows]


def _only_counts(index: Any) -> bool:
    """Return whether an index says no more than which row a row is."""
    pandas = sys.modules["pandas"]
    return isinstance(index, pandas.RangeIndex) and index.name is None and (index.start, index.step) == (0, 1)


def _level_names(index: Any, columns: list[str]) -> list[str]:
    """Return what the levels of an index are called beside the columns, as pandas' ``reset_index`` would."""
    fallbacks = (
        ["index"] if index.nlevels == 1 and "index" not in columns else [f"level_{n}" for n in range(index.nlevels)]
    )
    return [
        fallback if name is None or str(name) in columns else str(name)
        for name, fallback in zip(index.names, fallbacks, strict=True)
    ]


def _cells(column: Any, read: ReadCell) -> list[object]:
    return [_cell(value, read) for value in column]


def _cell(value: object, read: ReadCell) -> object:
    pandas = sys.modules["pandas"]
    if isinstance(value, tuple):
        return [_cell(part, read) for part in value]
    if pandas.api.types.is_scalar(value) and pandas.isna(value):
        return None
    if isinstance(value, pandas.Timedelta):
        return value.isoformat()
    if isinstance(value, pandas.Period | pandas.Interval):
        return str(value)
    return read(value)
