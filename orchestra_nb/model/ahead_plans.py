"""What ``--parallel`` does with the cells of a notebook."""

from __future__ import annotations

import msgspec

from orchestra_nb.model.numbers_in_file import cell_name


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
    number
        As :class:`~orchestra_nb.model.runs.CellRun` has it.
    """

    index: int
    source: str
    number: int | None = None
    needs: tuple[int, ...] = ()
    gives: tuple[str, ...] = ()
    goes_ahead: bool = False
    is_configuration: bool = False
    depends_on: tuple[int, ...] = ()
    goes_along: bool = False
    is_heavy: bool = False
    touches: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The cell in people's words."""
        return cell_name(self.index + 1 if self.number is None else self.number)


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
        listed = ", ".join(cell.name.removeprefix("cell ") for cell in self.cells if cell.goes_ahead)
        return f"--parallel: cells {listed} run ahead, {self.gain_seconds:.1f} of {self.seconds:.1f} s less expected"
