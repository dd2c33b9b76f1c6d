"""Modules of the user's own that were edited after this process had imported them: they are imported anew.

A worker outlives many cells. A module beside the notebook, edited and reloaded in the kernel, would go on as it was in
each worker that had imported it, and the same cell would give one value on one worker and another on the next.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final

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
        self._place: object = None

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

    def take_place(self, place: object) -> None:
        """Forget the user's modules if they were imported in another place: there may be others of the same names."""
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


def _stamp(path: str) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
