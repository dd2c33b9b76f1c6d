"""Paths as they are recorded: absolute, and one for each place."""

from __future__ import annotations

import os
from pathlib import Path

from orchestra_nb.errors import InvalidInput


def absolute_path(path: str | os.PathLike[str]) -> Path:
    """Return a path as an absolute one without ``.`` and ``..``; links stay, but where ``..`` follows one.

    Examples
    --------
    >>> str(absolute_path("/data/sales/../report.ipynb"))
    '/data/report.ipynb'
    """
    given = Path(path).absolute()
    plain = Path(os.path.abspath(given))
    try:
        is_same = given == plain or given.parent.samefile(plain.parent)
    except (OSError, ValueError):  # NUL, too
        is_same = True  # it is told by either path that it is not there
    return plain if is_same else given.parent.resolve() / given.name


def working_folder(folder: Path) -> Path:
    """Return a folder where a run can work.

    Raises
    ------
    InvalidInput
        It is not there.
    """
    if not os.path.isdir(folder):  # Path.is_dir raises for a name that is too long
        raise InvalidInput(f"The working folder {folder} does not exist. Make it, or choose another one (cwd).")
    return folder
