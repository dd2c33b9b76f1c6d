"""What the cells of a notebook need of each other, by the notebook's path."""

from __future__ import annotations

from pathlib import Path

from orchestra_nb.notebooks.dataflow import analyse_notebook
from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.notebook_analysis import NotebookAnalysis


def analyse(path: str) -> NotebookAnalysis:
    """Return what is known of a notebook's cells; nothing of it is run.

    Raises
    ------
    NotebookNotFound
        There is no such file.
    InvalidNotebook
        The file is no notebook.
    """
    return analyse_notebook(read_notebook(Path(path)), path)
