"""Files by the paths that Jupyter's front ends know them by: relative to the server's root folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jupyter_core.paths import is_hidden
from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError

from orchestra_nb.errors import Conflict, InvalidInput, NotebookNotFound

_LONGEST_SHOWN: Final = 300


def notebook_at(manager: ContentsManager, path: str) -> Path:
    """Return the file of a notebook.

    Parameters
    ----------
    path
        With slashes, relative to the root folder: ``"reports/sales.ipynb"``.

    Raises
    ------
    InvalidInput
        The path is no relative one.
    NotebookNotFound
        There is no such file, or none that Jupyter would show; a link that leads out of the root folder is none.
    Conflict
        This server's files are in no folder of this machine.
    """
    if not isinstance(manager, FileManagerMixin):
        raise Conflict(
            f"The files of this server are in no folder of its machine ({type(manager).__name__} keeps them), so a "
            "notebook of it cannot be run as a flow here. Put it on the machine, and use `orchestra run` there."
        )
    if path.startswith("/") or not path.strip():
        raise _not_relative(path, "/path")
    root = Path(manager.root_dir).resolve()
    try:
        found = _os_path(manager, path)
        is_inside = found.resolve().is_relative_to(root)
        is_shown = manager.allow_hidden or not is_hidden(str(found), manager.root_dir)
        is_there = found.is_file()
    except (HTTPError, OSError, ValueError):  # a name that no file can have, as one that is too long
        raise _not_found(path) from None
    if ".." in Path(path).parts or not is_inside or not is_shown or not is_there:
        raise _not_found(path)
    return found


def place_at(manager: ContentsManager, path: str) -> Path:
    """Return where a notebook is or was: it need not be there any more.

    Parameters
    ----------
    path
        With slashes, relative to the root folder: ``"reports/sales.ipynb"``.

    Raises
    ------
    InvalidInput
        The path is no relative one.
    NotebookNotFound
        No file below the root folder can have this path.
    Conflict
        This server's files are in no folder of this machine.
    """
    if not isinstance(manager, FileManagerMixin):
        raise Conflict(
            f"The files of this server are in no folder of its machine ({type(manager).__name__} keeps them), so "
            f"{_shown(path)} names no notebook here. Give its absolute path, which its runs have as `notebook_path`."
        )
    if path.startswith("/") or not path.strip():
        raise _not_relative(path, "/notebook")
    if ".." in Path(path).parts:
        raise _not_found(path)
    try:
        return _os_path(manager, path)
    except (HTTPError, OSError, ValueError):  # a name that no file can have
        raise _not_found(path) from None


def _os_path(manager: FileManagerMixin, path: str) -> Path:
    return Path(manager._get_os_path(path))  # type: ignore[no-untyped-call]


def _not_relative(path: str, pointer: str) -> InvalidInput:
    return InvalidInput(f"{path!r} is no path relative to the server's root folder.", {pointer: "No relative path."})


def _not_found(path: str) -> NotebookNotFound:
    return NotebookNotFound(f"There is no notebook {_shown(path)} below the server's root folder.")


def _shown(path: str) -> str:
    return repr(path if len(path) <= _LONGEST_SHOWN else f"{path[: _LONGEST_SHOWN - 1]}…")
