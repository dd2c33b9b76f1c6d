"""The files that a cell imports are found wherever the import stands, and no others."""

from __future__ import annotations

import importlib
import linecache
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestra_nb.engine.imported_files import ImportedFiles

_SOURCES = {
    "imported_top.py": "import functools\nfrom imported_deep import number\n\n\ndef plain():\n    return number()\n",
    "imported_deep.py": "def number():\n    return 1\n",
    "imported_lazy.py": "def late():\n    import imported_deep\n    return imported_deep.number()\n",
    "imported_box/__init__.py": "",
    "imported_box/one.py": "def late():\n    from . import two\n    return two.N\n",
    "imported_box/two.py": "N = 2\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules that are all loaded."""
    for name, source in _SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ["imported_top", "imported_lazy", "imported_box.one", "imported_box.two"]
    for name in names:
        importlib.import_module(name)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("imported_")]:
        del sys.modules[name]


_TOP, _DEEP, _LAZY = "imported_top.py", "imported_deep.py", "imported_lazy.py"
_BOX, _ONE, _TWO = "imported_box/__init__.py", "imported_box/one.py", "imported_box/two.py"
#: What a notebook has run, the cell, and the files that the cell imports.
CELLS: dict[str, tuple[str, str, set[str]]] = {
    "an import, with what the module imports": ("", "import imported_top", {_TOP, _DEEP}),
    "an import of a name": ("", "from imported_deep import number", {_DEEP}),
    "an import of a module of a package": ("", "from imported_box import two", {_BOX, _ONE, _TWO}),
    "an import of nobody's": ("", "import json", set()),
    "a name that holds a module": ("import imported_top", "imported_top.plain()", set()),
    "a function that imports": ("def f():\n    import imported_deep", "f()", {_DEEP}),
    "a function that calls one": ("def f():\n    import imported_deep\ndef g():\n    f()", "g()", {_DEEP}),
    "a function within a function": ("def f():\n    def g():\n        import imported_deep\n    g()", "f()", {_DEEP}),
    "a function that is defined": ("", "def f():\n    import imported_deep", {_DEEP}),
    "a method": ("class C:\n    def f(self):\n        import imported_deep\nc = C()", "c.f()", {_DEEP}),
    "an inherited method": (
        "class B:\n    def f(self):\n        import imported_deep\nclass C(B): pass\nc = C()",
        "c.f()",
        {_DEEP},
    ),
    "a closure": (
        "def wrap(f):\n    return lambda: f()\n@wrap\ndef g():\n    import imported_deep",
        "g()",
        {_DEEP},
    ),
    "a function of a module": ("import imported_lazy", "imported_lazy.late()", {_DEEP}),
    "an import of what is beside the module": ("from imported_box import one", "one.late()", {_BOX, _ONE, _TWO}),
    "another function": ("def f():\n    import imported_deep\ndef g(): pass", "g()", set()),
}


@pytest.mark.parametrize("case", CELLS, ids=str)
def test_the_files_that_a_cell_imports(folder: Path, case: str) -> None:
    before, cell, expected = CELLS[case]
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(before, namespace)
    exec(cell, namespace)

    found = ImportedFiles().of_cell(cell, namespace)

    assert {os.path.relpath(path, folder) for path in found} == expected


def test_a_file_that_was_edited_is_told_until_its_module_is_loaded_anew(folder: Path) -> None:
    imported = ImportedFiles()
    path = str(folder / _DEEP)
    before = imported.edited([path])
    Path(path).write_text("def number():\n    return 222\n")

    after, another = imported.edited([path]), imported.edited([str(folder / _TOP)])
    linecache.getlines(path)  # a warning shows a line of it
    still, loaded_later = (imported.note(), imported.edited([path])), ImportedFiles().edited([path])
    importlib.reload(sys.modules["imported_deep"])
    fresh = imported.note()

    assert (before, after, another, still, loaded_later) == ("", path, "", (set(), path), path)
    assert (fresh, imported.edited([path])) == ({path}, "")
