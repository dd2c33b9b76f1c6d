"""The imports of a script: in two groups, each import once."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable

from orchestra_nb.notebooks.module_level import import_names
from orchestra_nb.notebooks.source_text import Chunk


def is_standard(chunk: Chunk) -> bool:
    """Whether it imports from the standard library alone."""
    modules: set[str] = set()
    for statement in chunk.statements:
        if isinstance(statement, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            modules.add("." if statement.level else (statement.module or "").partition(".")[0])
    return bool(modules) and all(module in sys.stdlib_module_names for module in modules)


def imports_block(chunks: Iterable[Chunk], seen: set[str]) -> str:
    """Return imports those of the standard library first, each of them once; other statements as they are."""
    groups: dict[bool, list[str]] = {True: [], False: []}
    for chunk in chunks:
        if import_names(chunk) is None:
            if chunk.text not in seen:
                groups[False].append(chunk.text)
            seen.add(chunk.text)
            continue
        new = [line for line in _single_imports(chunk) if line not in seen]
        if not new:
            continue
        is_partly_seen = len(new) < len(_single_imports(chunk))
        seen.update(new)
        groups[is_standard(chunk)].append("\n".join(new) if is_partly_seen else chunk.text)
    return "\n\n".join("\n".join(lines) for lines in groups.values() if lines)


def _single_imports(chunk: Chunk) -> list[str]:
    lines: list[str] = []
    for statement in chunk.statements:
        assert isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names:
            one = (
                ast.Import([alias])
                if isinstance(statement, ast.Import)
                else ast.ImportFrom(statement.module, [alias], statement.level)
            )
            lines.append(ast.unparse(ast.fix_missing_locations(one)))
    return lines
