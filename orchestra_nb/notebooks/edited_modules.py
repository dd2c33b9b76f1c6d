"""Modules of the user's own that are no longer as this process imported them: they are imported anew.

A worker outlives many cells, and many drivers. A module beside the notebook, edited and reloaded in the kernel, would
go on as it was in each worker that had imported it, and the same cell would give one value on one worker and another on
the next. So would a module of another folder with the same name, and one that has looked at the environment.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import sys
from typing import Final

from orchestra_nb.model.environment_variables import environment_that_counts

#: The standard library and what is installed: not looked at, it is not edited.
_INSTALLED: Final = tuple(
    {os.path.realpath(folder) + os.sep for folder in (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__))}
)

_Stamp = tuple[int, int]


class EditedModules:
    """The user's modules in this process.

    What was imported before this object was made is the process's own and stays. Not thread-safe: one cell at a time.
    Cost: a look at each module that is new, and one ``stat`` for each of the user's.
    """

    def __init__(self) -> None:
        self._seen = set(sys.modules)
        #: module name to its file, and the file's (time in ns, size) when it was noted
        self._noted: dict[str, tuple[str, _Stamp]] = {}
        self._place: tuple[object, ...] | None = None

    def note(self) -> None:
        """Note the modules that were imported since the last time."""
        for name in sys.modules.keys() - self._seen:
            self._seen.add(name)
            path = getattr(sys.modules[name], "__file__", None)
            if not isinstance(path, str) or not path.endswith(".py") or name.partition(".")[0] == "orchestra_nb":
                continue
            stamp = _stamp(path)
            if stamp is not None and not os.path.realpath(path).startswith(_INSTALLED):
                self._noted[name] = path, stamp

    def forget_edited(self) -> None:
        """Forget all of the user's modules if one was edited, since they may hold objects of each other."""
        if any(_stamp(path) != stamp for path, stamp in self._noted.values()):
            self._forget_all()

    def take_place(self) -> None:
        """Forget the user's modules if they were imported elsewhere: from another folder or path, or environment."""
        place = _place_of_process()
        if place != self._place and self._place is not None:
            self.note()
            self._forget_all()
        self._place = place

    def _forget_all(self) -> None:
        for name in self._noted:
            sys.modules.pop(name, None)
            self._seen.discard(name)
        self._noted.clear()
        importlib.invalidate_caches()


_of_process: EditedModules | None = None


def modules_of_process() -> EditedModules:
    """Return what keeps the modules of this process, made when first asked for."""
    global _of_process
    if _of_process is None:
        _of_process = EditedModules()
    return _of_process


def _place_of_process() -> tuple[object, ...]:
    """Return what decides which module a name means, and what its code finds; of the environment only a digest."""
    try:
        folder = os.getcwd()
    except FileNotFoundError:
        folder = ""
    path = dict.fromkeys(os.path.join(folder, entry) if entry else folder for entry in sys.path)
    environment = pickle.dumps(environment_that_counts(os.environ.copy()))
    return folder, tuple(path), hashlib.blake2b(environment).digest()


def _stamp(path: str) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
