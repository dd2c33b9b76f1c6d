"""Which cell of a notebook plainly holds its parameters, although none is tagged."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from orchestra_nb.notebooks.module_level import import_names, is_future
from orchestra_nb.notebooks.notebook_code import read_code


def constants_cell(notebook: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """Return the cell at the top that plainly holds a notebook's parameters, (id, names); None where there is none.

    It assigns constants and nothing else, and only imports and settings stand above it.
    """
    code = read_code(notebook)
    if code.parameters_cell is not None:
        return None
    for cell in code.cells:
        statements = [chunk for chunk in cell.chunks if chunk.statements]
        if not statements or all(import_names(chunk) or is_future(chunk) for chunk in statements):
            continue
        names: list[str] = []
        for chunk in statements:
            for node in chunk.statements:
                if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                    names.append(node.targets[0].id)
                elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                    names.append(node.target.id)
                else:
                    return None
                assert node.value is not None
                try:
                    ast.literal_eval(node.value)
                except (ValueError, TypeError, SyntaxError):
                    return None
        return (cell.id, tuple(names)) if cell.source == cell.translation.source else None
    return None
