"""Who asks for a file or a module, and for which: the import of modules, a library, or code of the user's."""

from __future__ import annotations

import importlib.util
import os
from types import FrameType
from typing import Any, Final

from orchestra_nb.engine.python_folders import is_of_packages

#: Modules whose functions look or ask on behalf of who calls them.
_THROUGH: Final = frozenset(
    {
        *("os", "posixpath", "ntpath", "genericpath", "collections.abc", "_collections_abc", "pathlib", "subprocess"),
        *("importlib", "importlib.util"),
    }
)
_IMPORT_FILES: Final = ("<frozen importlib", "<frozen zipimport")
#: Modules that look for packages in all folders of the module path.
_PACKAGE_FINDERS: Final = ("importlib.metadata", "importlib_metadata", "pkg_resources")
#: Tells nobody, as ``os.stat`` does while code is watched.
real_status: Final = os.stat


def absolute(path: Any, dir_fd: int | None = None) -> str:
    """Return the absolute path that is meant; "" where nobody can tell."""
    try:
        if isinstance(path, int):
            found = os.readlink(f"/proc/self/fd/{path}")
            return found if found.startswith(os.sep) else ""
        name = os.fsdecode(path)
        if not name or "\0" in name:
            return ""
        if dir_fd is not None and dir_fd >= 0 and not os.path.isabs(name):
            name = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), name)
        return os.path.abspath(name)
    except (OSError, TypeError, ValueError):  # a working folder that has gone
        return ""


def is_there(path: str) -> bool:
    """Tell whether there is a file or folder, unseen."""
    try:
        real_status(path)
    except (OSError, ValueError):
        return False
    return True


def source_of(path: str) -> str:
    """Return the source that a file of bytecode was made from; of any other file the file."""
    try:
        return importlib.util.source_from_cache(path)
    except (ValueError, NotImplementedError):
        return path


def is_import(caller: FrameType) -> bool:
    """Tell whether it is the import of modules that asks, or what looks for their packages."""
    if caller.f_code.co_filename.startswith(_IMPORT_FILES):
        return True
    return str(caller.f_globals.get("__name__")).startswith(_PACKAGE_FINDERS)


def is_of_user(caller: FrameType) -> bool:
    """Tell whether code of the notebook, or of a module of the user's, is what asks, itself or through ``os``."""
    frame: FrameType | None = caller
    while frame is not None and (
        frame.f_globals.get("__name__") in _THROUGH or frame.f_code.co_filename.startswith(_IMPORT_FILES)
    ):
        frame = frame.f_back
    if frame is None:
        return False
    file = frame.f_code.co_filename
    return not file.startswith("<frozen") if file.startswith("<") else not is_of_packages(file)
