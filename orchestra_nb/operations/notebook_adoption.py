"""Proposes task cells for a notebook file, with what earlier runs of it tell, and writes a copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.model.runs import RunKind
from orchestra_nb.notebooks.adopted_notebook import AdoptedNotebook, adopt_notebook
from orchestra_nb.notebooks.document import notebook_text, read_notebook
from orchestra_nb.operations.notebook_conversion import write_new_file

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

_NEWEST_RUNS = 20


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
    place = str(path.resolve())
    runs = store.list_runs(limit=_NEWEST_RUNS, kind=RunKind.NOTEBOOK, flow_name=path.stem)
    for run in runs:
        if run.notebook_path is None or str(Path(run.notebook_path).resolve()) != place:
            continue
        seconds = {
            cell.cell_id: (cell.ended_at - cell.started_at).total_seconds()
            for cell in store.cell_runs(run.run_id)
            if cell.started_at is not None and cell.ended_at is not None and cell.error is None
        }
        if seconds:
            return seconds, run.name
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
