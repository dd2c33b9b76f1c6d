"""What the files of the user's modules say that code imports, and those that they import: none of them is imported.

A module counts by its name and its code, without comments and layout, wherever its folder is. Packages that are
installed and Python's own modules are taken as they are, and so are modules that cannot be found.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import PurePath

from orchestra_nb.engine.import_names import imported_in
from orchestra_nb.model.fingerprints import fingerprint

_OWN_PACKAGE = __name__.partition(".")[0]
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def module_sources(names: Iterable[str]) -> dict[str, str]:
    """Return the user's modules among these, and those that they import anywhere, each with a digest of its code.

    They are looked for as an import would in this process, at this moment: by ``sys.path`` and the working folder.
    Cost: a look at the path for each module, and one read of each file; a file is parsed once for each content.

    Parameters
    ----------
    names
        Full names, packages before what is in them or not. One that is no module is passed over.
    """
    importlib.invalidate_caches()  # a file may have come within the resolution of its folder's time
    found: dict[str, str] = {}
    search = _Search()
    pending = list(names)
    met: set[str] = set()
    while pending:
        name = pending.pop()
        if name in met:
            continue
        met.add(name)
        file = search.find(name)[0]
        if not file:
            continue
        try:
            with open(file, "rb") as source:
                content = source.read()
        except OSError:
            continue
        package = name if PurePath(file).stem == "__init__" else name.rpartition(".")[0]
        found[name], imported = _read(content, package)
        pending += imported
    return found


class _Search:
    """Where modules are; each is looked for once. Their packages are not imported, which would run their code."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, tuple[str, ...]]] = {}

    def find(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Return a module's file, "" where it has none of the user's, and the folders of the modules within it."""
        if name not in self._found:
            self._found[name] = self._look_for(name)
        return self._found[name]

    def _look_for(self, name: str) -> tuple[str, tuple[str, ...]]:
        package, _, last = name.rpartition(".")
        if not package and (name in sys.stdlib_module_names or name in (_OWN_PACKAGE, "__main__", "__mp_main__")):
            return "", ()
        folders = self.find(package)[1] if package else None
        if package and not folders:
            return "", ()
        for finder in sys.meta_path:
            try:
                spec = finder.find_spec(name, folders, None)
                if spec is None:
                    continue
                inside = tuple(path for path in spec.submodule_search_locations or () if not _is_installed(path))
            except Exception:  # a package without __init__.py in another asks for that one to be imported
                continue
            file = spec.origin if spec.has_location and spec.origin else ""
            return ("", ()) if _is_installed(file) else (file, inside)
        inner = [os.path.join(folder, last) for folder in folders or ()]
        return "", tuple(folder for folder in inner if os.path.isdir(folder))


def _is_installed(path: str) -> bool:
    return not _INSTALLED.isdisjoint(PurePath(path).parts)


@lru_cache(maxsize=256)
def _read(content: bytes, package: str) -> tuple[str, tuple[str, ...]]:
    """Return a digest of a file's code, and what it imports; of one that is not Python its content counts."""
    try:
        tree = ast.parse(content)
        code = ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two where it is nested too deeply
        return fingerprint(content), ()
    return fingerprint(code), tuple(dict.fromkeys(imported_in(tree, package)))
