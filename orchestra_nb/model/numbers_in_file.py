"""How cells are called wherever people read of them: "cell 3" is the third code cell of the user's own file.

Text cells do not count, nor does the cell that a run puts in for its parameters: the user's file has no such cell.
"""

from __future__ import annotations


def number_in_file(index: int, injected_at: int | None) -> int:
    """Return the number of a code cell in the user's own file; 0 for one that only the run has.

    Parameters
    ----------
    index
        Counts code cells of the notebook that is run from 0.
    injected_at
        The index of the cell that was put in for parameters; None where there is none.

    Examples
    --------
    >>> [number_in_file(index, 1) for index in range(4)], number_in_file(2, None)
    ([1, 0, 2, 3], 3)
    """
    if injected_at is None or index < injected_at:
        return index + 1
    return 0 if index == injected_at else index


def cell_name(number: int) -> str:
    """Return what a cell of this number is called."""
    return f"cell {number}" if number else "the cell of the parameters"
