"""What ``--parallel`` does with the cells of a notebook."""

from __future__ import annotations

import msgspec


class AheadCell(msgspec.Struct, frozen=True, kw_only=True):
    """One code cell as the kernel is told of it.

    Parameters
    ----------
    needs
        All cells that it depends on, also through others.
    gives
        Names that it may bind, change or delete.
    goes_ahead
        Whether it may run before its turn.
    is_configuration
        Whether it is run on workers, too, before what comes after it.
    depends_on
        Those of ``needs`` that it depends on itself.
    goes_along
        Whether it is short, and may be run on a worker, too, before a cell that needs it.
    is_heavy
        Whether another cell is worth running beside it.
    touches
        Random states and the like that it reads or changes.
    """

    index: int
    source: str
    needs: tuple[int, ...] = ()
    gives: tuple[str, ...] = ()
    goes_ahead: bool = False
    is_configuration: bool = False
    depends_on: tuple[int, ...] = ()
    goes_along: bool = False
    is_heavy: bool = False
    touches: tuple[str, ...] = ()


class AheadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--parallel`` does with a notebook.

    Parameters
    ----------
    why
        Why the run stays in order; empty where cells go ahead.
    gain_seconds
        The time that it is expected to save.
    seconds
        The time that the cells are expected to take, one after the other.
    """

    cells: tuple[AheadCell, ...]
    why: str = ""
    gain_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def ahead(self) -> tuple[int, ...]:
        """The cells that may go ahead."""
        return tuple(cell.index for cell in self.cells if cell.goes_ahead)

    def describe(self) -> str:
        """Return the plan in one line."""
        if self.why:
            return f"--parallel: in order: {self.why}"
        listed = ", ".join(str(index + 1) for index in self.ahead)
        return f"--parallel: cells {listed} run ahead, {self.gain_seconds:.1f} of {self.seconds:.1f} s less expected"
