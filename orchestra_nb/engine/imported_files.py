"""Which files of the user's own modules a cell imports, also where they are loaded and nobody opens them any more.

A name that holds a module or a function of one counts by content. But an import gives what the file says, in another
process too: one in the cell itself, and one within a function that the cell comes to.
"""

from __future__ import annotations

import ast
import contextlib
import os
import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import CellType, FunctionType, ModuleType
from typing import Any, Final

from orchestra_nb.engine.import_names import codes_of, imported_by_function, imported_in
from orchestra_nb.model.code_encodings import is_users
from orchestra_nb.notebooks.ipython_syntax import parse_cell

_Stamp = tuple[int, int]
#: Of a file that is not what was imported, whatever it is.
_EDITED: Final = (-1, -1)


class ImportedFiles:
    """The user's modules that this process has loaded, and their files as they were then.

    Of a module that was loaded before this object was made, the bytecode beside its source tells whether that was
    edited since. Not thread-safe. Cost: a look at each module that is new, and at the functions that a cell comes to.
    """

    def __init__(self) -> None:
        #: module name to what an import made of it: another object where it was loaded anew
        self._specs: dict[str, object] = {}
        #: module name to its file, and what that was like when it was imported; None for one that cannot be looked at
        self._files: dict[str, tuple[str, _Stamp | None]] = {}
        self.note()
        for name, (file, stamp) in self._files.items():
            if stamp is not None and _was_edited(stamp, getattr(sys.modules.get(name), "__cached__", None)):
                self._files[name] = file, _EDITED

    def note(self) -> set[str]:
        """Return the files of modules that are new or were loaded anew since the last time."""
        fresh: set[str] = set()
        for name, module in list(sys.modules.items()):
            spec = getattr(module, "__spec__", None)
            if name in self._specs and (self._specs[name] is spec or name not in self._files):
                continue
            self._specs[name] = spec
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and name not in ("__main__", "__mp_main__") and is_users(name):
                self._files[name] = file, _stamp(file)
                fresh.add(file)
        return fresh

    def of_cell(self, source: str, namespace: Mapping[str, Any]) -> set[str]:
        """Return the files that a cell imports of modules that are loaded.

        Parameters
        ----------
        namespace
            The names of the notebook after the cell, with their values.
        """
        if not self._files:
            return set()
        try:
            tree: ast.AST = parse_cell(source)
        except (SyntaxError, ValueError):
            return set()
        walk = _Walk(self._files.keys())
        walk.imports(imported_in(tree))
        walk.values(namespace.get(node.id) for node in ast.walk(tree) if isinstance(node, ast.Name))
        return {self._files[name][0] for name in walk.found}

    def edited(self, files: Collection[str]) -> str:
        """Return one of these that is not as it was when its module was imported; "" if all are."""
        return next(
            (file for file, stamp in self._files.values() if file in files and _stamp(file) != stamp),
            "",
        )


class _Walk:
    """Comes from values to the functions that they lead to, and to what these import."""

    def __init__(self, modules: Collection[str]) -> None:
        self._modules = modules
        self.found: set[str] = set()
        self._met: set[int] = set()

    def imports(self, names: Iterable[str]) -> None:
        """Take modules that are imported, and those that they have."""
        for name in names:
            if name not in self._modules or name in self.found or name not in sys.modules:
                continue
            self.found.add(name)
            inside = list(vars(sys.modules[name]).values())
            self.imports(value.__name__ if type(value) is ModuleType else _home(value) for value in inside)
            self.values(inside)

    def values(self, values: Iterable[object]) -> None:
        """Take values that are looked up: functions, classes, their instances and modules."""
        pending = list(values)
        while pending:
            value = pending.pop()
            if id(value) in self._met:
                continue
            self._met.add(id(value))
            if type(value) is FunctionType:
                if is_users(value.__module__):
                    pending += self._of_function(value)
            elif type(value) is ModuleType:
                if value.__name__ in self._modules:
                    pending += [item for item in vars(value).values() if _home(item) == value.__name__]
            else:
                kind = value if isinstance(value, type) else type(value)
                if kind.__flags__ & _HEAP_TYPE and is_users(kind.__module__):
                    pending += [*kind.__bases__, *(_function_in(item) for item in vars(kind).values())]

    def _of_function(self, function: FunctionType) -> Iterator[object]:
        yield getattr(function, "__wrapped__", None)
        yield from (cell.cell_contents for cell in function.__closure__ or () if _is_set(cell))
        self.imports(imported_by_function(function))
        for code in codes_of(function.__code__):
            yield from (function.__globals__.get(name) for name in code.co_names)


#: ``Py_TPFLAGS_HEAPTYPE``: a class made by a ``class`` statement.
_HEAP_TYPE = 1 << 9


def _home(value: object) -> str:
    """Return the module that a function or class is of; "" for other values."""
    return str(value.__module__) if isinstance(value, FunctionType | type) else ""


def _is_set(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _function_in(item: Any) -> object:
    return getattr(item, "__func__", getattr(item, "fget", item))


def _was_edited(stamp: _Stamp, cached: object) -> bool:
    """Tell whether bytecode was made from another state of its source than this one; False where nobody can tell."""
    if isinstance(cached, str):
        with contextlib.suppress(OSError, struct.error), open(cached, "rb") as file:
            flags, seconds, size = struct.unpack("<III", file.read(16)[4:])  # PEP 552
            now = stamp[0] // 1_000_000_000 & 0xFFFFFFFF, stamp[1] & 0xFFFFFFFF
            return not flags and (seconds, size) != now
    return False


def _stamp(path: str) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
