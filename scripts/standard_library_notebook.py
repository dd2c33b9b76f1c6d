"""Write a notebook of the examples in the standard library's docstrings: 200 cells that nobody wrote for this project.

``python scripts/standard_library_notebook.py OUT.ipynb`` takes the doctest examples of a few modules in their order,
one cell for each example, and stops at 200 cells. A docstring is taken only when all its examples give what it says in
a namespace that holds the module's public names alone, so the notebook runs from top to bottom without an error.
"""

from __future__ import annotations

import doctest
import importlib
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

#: Modules whose examples need no files, no network and no terminal.
MODULES = ("statistics", "collections", "difflib", "decimal", "fractions", "heapq", "bisect", "string", "textwrap")
CELLS = 200


def examples() -> Iterator[tuple[str, str, str]]:
    """Yield (module, where in it, source) of each example."""
    finder = doctest.DocTestFinder()
    for name in MODULES:
        for found in finder.find(importlib.import_module(name), name):
            if _holds(found, name):
                for example in found.examples:
                    yield name, found.name, example.source.rstrip("\n")


def _holds(found: doctest.DocTest, module: str) -> bool:
    """Say whether the examples of one docstring run, and give what it says, beside the module's public names."""
    if any(example.exc_msg for example in found.examples):
        return False
    names: dict[str, object] = {}
    exec(_imports(module), names)
    found.globs = names
    return doctest.DocTestRunner(verbose=False).run(found, out=lambda text: None).failed == 0


def _imports(module: str) -> str:
    return f"from {module} import *\nimport {module}\n"


def notebook() -> dict[str, object]:
    """Return the notebook as nbformat 4.5 JSON: the examples of one docstring follow a cell that imports its module."""
    cells: list[dict[str, object]] = []
    seen = ""
    for module, where, source in itertools.islice(examples(), CELLS):
        if where != seen:
            cells.append(_cell(len(cells), "markdown", f"## `{where}`"))
            source = _imports(module) + source
            seen = where
        cells.append(_cell(len(cells), "code", source))
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}


def _cell(index: int, kind: str, source: str) -> dict[str, object]:
    cell: dict[str, object] = {
        "cell_type": kind,
        "id": f"example-{index}",
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
