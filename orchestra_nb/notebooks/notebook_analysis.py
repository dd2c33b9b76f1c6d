"""Records of what is known of a notebook's cells without running it: names, hidden state, dependences, barriers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec


class CellAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """What running one code cell needs and does. Names are sorted; builtins are no names of the notebook.

    Parameters
    ----------
    index
        Counts the code cells from 0.
    defines
        Names that the cell may leave bound to a new object.
    conditional
        Those of ``defines`` that some way through the cell leaves as they were.
    reads
        Names whose value from before the cell may be needed, also within the functions that it calls.
    mutates
        Names whose object from before the cell may be changed in place, under whatever name; a subset of what the
        notebook has bound before.
    deletes
        Names that may be gone when the cell ends.
    depends_on
        Cells that the cell needs: those that bound a name that it reads or changes, and those that changed its object
        since. Direct ones: what those cells need themselves is in their own ``depends_on``. Order that only a
        shared namespace needs is in ``follows``.
    follows
        Cells before that read or bind what this one binds anew, changes or deletes: in one namespace they must have
        ended before it starts. Where each cell gets its inputs by value there is no such need.
    barrier
        The cell depends on all before, and all after depend on it.
    why
        The reason of a barrier; else what each dependence is for, cells counted from 0 as in ``index``.
    resources_read, resources_written
        Hidden state by its name in words: ``"random state of numpy"``, ``"file data/raw.csv"``.
    is_configuration
        The cell only sets up the process (imports, styles, options): it can be replayed wherever cells run.
    causes
        Cell that this one depends on to names and resources that are the reason.
    unbound
        Names that the cell reads for certain when it runs, and that no cell before has bound.
    last_barrier
        The last barrier before the cell; -1 for none.
    """

    index: int
    id: str
    defines: tuple[str, ...] = ()
    conditional: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    mutates: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    depends_on: tuple[int, ...] = ()
    follows: tuple[int, ...] = ()
    barrier: bool = False
    why: str = ""
    resources_read: tuple[str, ...] = ()
    resources_written: tuple[str, ...] = ()
    is_configuration: bool = False
    causes: dict[int, tuple[str, ...]] = {}
    unbound: tuple[str, ...] = ()
    last_barrier: int = -1

    @property
    def why_for_people(self) -> str:
        """What :attr:`why` says, cells counted from 1."""
        return self.why if self.barrier else needs_in_words(self.causes, self.last_barrier, first=1)

    @property
    def names_out(self) -> tuple[str, ...]:
        """Names whose value may be another one after the cell: what has to be kept to leave the cell out."""
        return tuple(sorted({*self.defines, *self.mutates}))


class NotebookAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a notebook.

    Parameters
    ----------
    cells
        One for each code cell, in order.
    """

    path: str
    cells: tuple[CellAnalysis, ...]

    def upstream(self, index: int) -> frozenset[int]:
        """Return all cells that a cell needs, also through others; O(edges)."""
        found: set[int] = set()
        pending = [*self.cells[index].depends_on]
        while pending:
            cell = pending.pop()
            if cell not in found:
                found.add(cell)
                pending.extend(self.cells[cell].depends_on)
        return frozenset(found)


def needs_in_words(causes: Mapping[int, Collection[str]], barrier: int, first: int = 0) -> str:
    """Return what a cell needs of which cells.

    Parameters
    ----------
    barrier
        The last barrier before the cell; -1 for none.
    first
        The number that the first cell is called by.
    """
    parts = [f"{', '.join(sorted(names))} of cell {cell + first}" for cell, names in sorted(causes.items())]
    if barrier >= 0 and barrier not in causes:
        parts.append(f"cell {barrier + first} is a barrier")
    return "needs " + "; ".join(parts) if parts else ""
