"""How a run tells its kernel which cell runs, so that what is said of a task names the cell as the run does."""

from __future__ import annotations

from typing import Final

#: Key in the metadata of an ``execute_request``: the cell's number, code cells of the user's own file counted from 1.
CELL_NUMBER: Final = "orchestra_cell_number"
#: Key there of the cell's id; JupyterLab's own.
CELL_ID: Final = "cellId"
