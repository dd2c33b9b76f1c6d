"""Turns the file of a notebook into that of a script."""

from __future__ import annotations

from pathlib import Path

from orchestra_nb.errors import InvalidInput, NameTaken
from orchestra_nb.notebooks.document import read_notebook
from orchestra_nb.notebooks.notebook_script import NotebookScript, notebook_script


def convert_notebook(path: str | Path, *, is_submitting: bool = False) -> NotebookScript:
    """Return the script that does what a notebook does; nothing is written.

    Raises
    ------
    NotebookNotFound, InvalidNotebook
        There is no such notebook, or it cannot be turned into a script.
    """
    return notebook_script(read_notebook(Path(path)), Path(path).stem, is_submitting=is_submitting)


def write_new_file(path: Path, text: str, *, source: Path, is_forced: bool) -> None:
    """Write what was made of a notebook to a file that is not there yet, or replace it where that is asked for.

    Raises
    ------
    NameTaken
        There is such a file.
    InvalidInput
        It cannot be written, or it is the notebook itself.
    """
    if path.exists() and path.samefile(source):
        raise InvalidInput(f"{path} is the notebook itself, which stays as it is. Give another name.")
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder. Name a file in it.")
    if not path.parent.is_dir():
        raise InvalidInput(f"The folder {path.parent} does not exist. Make it first.")
    try:
        with path.open("w" if is_forced else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise NameTaken(f"{path} is there already. Give another name, or --force to replace it.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None
