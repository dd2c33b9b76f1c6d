"""``%flow keep``, ``%flow stale``, ``%flow plan`` and ``%flow run``: the notebook of an open kernel as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.engine.session_cells import SessionCell, SessionCells, Staleness, cells_of
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.counted import counted
from orchestra_nb.model.durations import format_duration
from orchestra_nb.notebooks.document import cell_title, read_notebook

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

FLOW_HELP = """\
%flow                       show the graph of this notebook's tasks, live
%flow return NAME[=EXPRESSION]  return a value from this notebook; several with commas
%flow keep [on|off]         keep what each cell gives that you run from now on
%flow stale [NOTEBOOK]      which cells above this one have results that no longer match, and why
%flow plan [NOTEBOOK]       what %flow run --stale would do with each cell
%flow run --stale [NOTEBOOK]  run the stale cells above this one; take what was kept, also by orchestra run --cache
%flow run [NOTEBOOK]        run all cells above this one, and keep what they give

The notebook is read as it was saved: save it first. NOTEBOOK is needed only where its name is not known."""

_ICONS = {"run": "▶", "loaded": "✓", "failed": "✕"}


class NotebookSession:
    """What ``%flow`` with a word does. For the kernel's main thread.

    Parameters
    ----------
    cell_id
        Returns the id of the cell that runs; None where the front end does not tell it.
    """

    def __init__(self, shell: InteractiveShell, cell_id: Callable[[], str | None]) -> None:
        self._cells = SessionCells(shell)
        self._cell_id = cell_id

    def perform(self, words: list[str]) -> None:
        """Perform a verb.

        Raises
        ------
        InvalidInput
            There is no such verb, or the notebook is not known.
        """
        match words:
            case ["keep"] | ["keep", "on"]:
                self._cells.keep(True, self._cell_id)
                print("What each cell gives is kept from now on. %flow stale tells which results no longer match.")
            case ["keep", "off"]:
                self._cells.keep(False, self._cell_id)
                print("Nothing is kept any more.")
            case ["stale", *rest] if len(rest) <= 1:
                self._show_stale(self._read(rest))
            case ["plan", *rest] if len(rest) <= 1:
                self._show_plan(self._read(rest))
            case ["run", *rest] if len([word for word in rest if word != "--stale"]) <= 1:
                self._run(self._read([word for word in rest if word != "--stale"]), "--stale" in rest)
            case _:
                raise InvalidInput(f"%flow knows no {' '.join(words)!r}. It takes:\n{FLOW_HELP}")

    def _read(self, words: list[str]) -> list[SessionCell]:
        name = words[0] if words else os.environ.get("JPY_SESSION_NAME")
        if not name:
            raise InvalidInput("The front end does not tell this notebook's name. Add it: %flow stale NOTEBOOK.ipynb")
        own = os.environ.get("JPY_SESSION_NAME")
        is_own = not words or (own is not None and Path(own).name == Path(name).name)
        return cells_of(read_notebook(Path(name)), self._cell_id() if is_own or own is None else None, cell_title)

    def _show_stale(self, cells: list[SessionCell]) -> None:
        found = self._cells.staleness(cells)
        stale = [one for one in found if one.why]
        for one in stale:
            print(_line(one))
        count = len(stale)
        print(
            f"{count} of {counted(len(found), 'cell')} {'is' if count == 1 else 'are'} stale."
            if count
            else "No cell is stale."
        )

    def _show_plan(self, cells: list[SessionCell]) -> None:
        for one in self._cells.staleness(cells):
            print(_line(one))

    def _run(self, cells: list[SessionCell], is_stale_only: bool) -> None:
        done = 0
        for one in self._cells.run(cells, is_stale_only=is_stale_only):
            done += 1
            time = f"{format_duration(one.seconds)} saved" if one.how == "loaded" else format_duration(one.seconds)
            why = f"   {one.why}" if one.why else ""
            print(f"{_ICONS[one.how]} cell {one.cell.number}  {one.cell.title}   {one.how}   {time}{why}")
        if not done:
            print("No cell is stale.")


def _line(one: Staleness) -> str:
    time = "" if one.seconds is None else f"   {format_duration(one.seconds)}"
    mark, words = ("✓", "fresh") if not one.why else ("●", f"stale: {one.why}")
    return f"{mark} cell {one.cell.number}  {one.cell.title}{time}   {words}"
