"""``%flow keep``, ``stale``, ``plan``, ``run`` and ``deploy``: the notebook of an open kernel as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE
from orchestra_nb.engine.session_cells import SessionCell, SessionCells, Staleness, cells_of
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.counted import counted
from orchestra_nb.model.durations import format_duration
from orchestra_nb.notebooks.document import cell_title, read_notebook
from orchestra_nb.notebooks.flow_line import FlowLine

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_KEPT = "What each cell gives is kept from now on. %flow stale tells which results no longer match."
_ICONS = {"run": "▶", "loaded": "✓", "failed": "✕"}


class NotebookSession:
    """What ``%flow`` with a word does. For the kernel's main thread.

    Parameters
    ----------
    cell_id
        Returns the id of the cell that runs; None where the front end does not tell it.
    """

    def __init__(self, shell: InteractiveShell, cell_id: Callable[[], str | None]) -> None:
        self._shell = shell
        self._cells = SessionCells(shell)
        self._cell_id = cell_id

    def perform(self, line: FlowLine) -> None:
        """Perform a verb.

        Raises
        ------
        InvalidInput
            The notebook is not known, or has no cells.
        NotebookNotFound
            There is none at that path.
        """
        match line.verb:
            case "keep":
                self._cells.keep(line.is_on, self._cell_id)
                print(_KEPT if line.is_on else "Nothing is kept any more.")
            case "stale":
                self._show_stale(self._read(line))
            case "plan":
                self._show_plan(self._read(line))
            case "run":
                self._run(self._read(line), line.is_stale_only)
            case "deploy":
                self._deploy(line)

    def _read(self, line: FlowLine) -> list[SessionCell]:
        own = os.environ.get("JPY_SESSION_NAME")
        name = line.notebook or own
        if not name:
            raise InvalidInput(
                f"The front end does not tell this notebook's name. Add it: %flow {line.verb} NOTEBOOK.ipynb"
            )
        is_own = line.notebook is None or (own is not None and Path(own).name == Path(name).name)
        return cells_of(read_notebook(Path(name)), self._cell_id() if is_own or own is None else None, cell_title)

    def _deploy(self, line: FlowLine) -> None:
        """Deploy the notebook as it is on disk, by the command, which checks and tells everything."""
        if RUN_ID_VARIABLE in os.environ:  # the deployed notebook itself has this line
            print("This is a run: nothing is deployed.")
            return
        path = Path(line.notebook) if line.notebook else self._own_path()
        if path is None:
            raise InvalidInput(
                "The front end does not tell this notebook's path. Add it: %flow deploy NOTEBOOK.ipynb --name NAME …"
            )
        command = [sys.executable, "-m", "orchestra_nb", "deploy", str(path), *line.options]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise InvalidInput(done.stderr.rpartition("Error: ")[2].strip() or f"It ended with {done.returncode}.")
        saved = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        print(
            f"{done.stdout}\nDeployed as it was saved at {saved:%H:%M:%S on %Y-%m-%d}. {done.stderr.strip()}".rstrip()
        )

    def _own_path(self) -> Path | None:
        told = os.environ.get("JPY_SESSION_NAME") or str(self._shell.user_ns.get("__vsc_ipynb_file__", ""))
        # some servers tell it as from their own folder, and the kernel works in the notebook's
        paths = (Path(told), Path(Path(told).name)) if told.endswith(".ipynb") else ()
        return next((path for path in paths if path.is_file()), None)

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
