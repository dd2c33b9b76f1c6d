"""Proposes task cells for a notebook file, with what earlier runs of it tell, and writes a copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.notebooks.adopted_notebook import AdoptedNotebook, adopt_notebook
from orchestra_nb.notebooks.document import notebook_text, read_notebook
from orchestra_nb.operations.cell_history import runs_of_notebook, seconds_of
from orchestra_nb.operations.notebook_conversion import write_new_file

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def propose_adoption(
    path: str | Path, store: RunStore | None, *, is_merging: bool = False, has_parameters: bool = True
) -> tuple[AdoptedNotebook, str | None]:
    """Return a copy of a notebook with the task cells that are proposed, and the run whose times counted.

    Nothing is written.

    Parameters
    ----------
    store
        Where runs of the notebook are looked for; None where there is no store yet.

    Raises
    ------
    NotebookNotFound, InvalidNotebook
        There is no such notebook, or it is none in Python.
    """
    notebook = read_notebook(Path(path))
    seconds, run_name = times_of_cells(Path(path), store) if store is not None else ({}, None)
    adopted = adopt_notebook(notebook, seconds=seconds, is_merging=is_merging, has_parameters=has_parameters)
    known = {cell.cell_id for cell in adopted.verdicts}
    return adopted, run_name if known & set(seconds) else None


def times_of_cells(path: Path, store: RunStore) -> tuple[dict[str, float], str | None]:
    """Return cell id to the seconds that it took in the newest run of a notebook that timed any, and the run's name."""
    for run, cells in runs_of_notebook(store, path):
        timed = {cell.cell_id: seconds for cell in cells if (seconds := seconds_of(cell)) is not None}
        if timed:
            return timed, run.name
    return {}, None


def write_adoption(adopted: AdoptedNotebook, source: str | Path, output: str | Path | None, *, is_forced: bool) -> Path:
    """Write the copy, by default as ``NAME-tasks.ipynb`` beside the source; return its path.

    Raises
    ------
    NameTaken
        There is such a file, and it may not be replaced.
    InvalidInput
        The copy would replace the notebook itself.
    """
    source = Path(source)
    target = Path(output) if output is not None else source.with_name(f"{source.stem}-tasks.ipynb")
    write_new_file(target, notebook_text(adopted.notebook), source=source, is_forced=is_forced)
    return target
