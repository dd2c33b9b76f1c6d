"""Cells that cannot run because they are no Python: found before the first one runs, not after an hour of work.

Only what is certain counts. What IPython's own transformer makes Python of is Python: magics, shell lines, cell magics
of other languages, ``await`` at the top. A cell that may fail or is skipped is left out, and so is a line that may be
a magic without its ``%``.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from orchestra_nb.notebooks.document import INJECTED_TAG, tags_of
from orchestra_nb.notebooks.ipython_syntax import parse_cell

#: Tags of cells that do not run, or may fail.
_EXCUSED = frozenset({"skip-execution", "raises-exception"})
#: Cell magics whose body is Python of this kernel, compiled when the cell runs.
_PYTHON_BODY = re.compile(r"\s*%%(?:time|task)\b[^\n]*\n")
#: Where one of these stands in a cell, the ones below it may never be reached, or be of another syntax.
_MAY_CHANGE_ALL = re.compile(r"\b(?:exit|quit|_exit|SystemExit|input_transformer\w*)\b")
_WORD = re.compile(r"\s*([^\W\d]\w*)(?:\s(?!\s*=)|$)")


class BrokenCell(NamedTuple):
    """A code cell that is no Python.

    Parameters
    ----------
    number
        Code cells are counted from 1, without one that was put in for parameters.
    """

    number: int
    line: int
    message: str
    source_line: str

    def __str__(self) -> str:
        text = f": {self.source_line}" if self.source_line else ""
        return f"cell {self.number} is no Python: {self.message} (line {self.line}{text})"


def first_broken_cell(notebook: Mapping[str, Any]) -> BrokenCell | None:
    """Return the first cell of a Python notebook that would fail as it is compiled; None where all can run."""
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        tags = tags_of(cell)
        number += INJECTED_TAG not in tags
        source = cell["source"]
        if _EXCUSED.isdisjoint(tags) and (error := _error_in(source)) is not None:
            line = error.lineno or 1
            lines = source.splitlines()
            text = lines[line - 1].strip() if line <= len(lines) else ""
            return BrokenCell(number, line, error.msg, text)
        if _MAY_CHANGE_ALL.search(source) or (_EXCUSED.isdisjoint(tags) and _is_to_fail(source)):
            return None
    return None


def _is_to_fail(source: str) -> bool:
    """Whether a cell ends the notebook with an error of its own, so that what comes below is never reached."""
    try:
        statements = parse_cell(source).body
    except (SyntaxError, RecursionError):
        return False
    return any(
        isinstance(each, ast.Raise)
        or (isinstance(each, ast.Assert) and isinstance(each.test, ast.Constant) and not each.test.value)
        for each in statements
    )


def _error_in(source: str) -> SyntaxError | None:
    head = _PYTHON_BODY.match(source)
    body = source[head.end() :] if head else source
    try:
        tree = parse_cell(body)
    except RecursionError:
        return None
    except SyntaxError as error:
        found: SyntaxError | None = None if _may_be_magic(body) else error
    else:
        found = next(_misplaced(tree.body), None)
    if found is not None and head is not None and found.lineno is not None:
        found.lineno += head[0].count("\n")
    return found


def _may_be_magic(source: str) -> bool:
    """Whether a cell of one line may be a magic, or an alias of the shell, without ``%``: ``pip install x``."""
    lines = source.strip().splitlines()
    word = _WORD.match(lines[0]) if len(lines) == 1 else None
    return word is not None and not hasattr(builtins, word[1])


def _misplaced(statements: list[ast.stmt], is_in_loop: bool = False) -> Iterator[SyntaxError]:
    """Yield what parses and does not compile: ``return`` outside of a function, ``break`` outside of a loop."""
    for statement in statements:
        match statement:
            case ast.Return():
                yield _error("'return' outside function", statement)
            case ast.Break() if not is_in_loop:
                yield _error("'break' outside loop", statement)
            case ast.Continue() if not is_in_loop:
                yield _error("'continue' not properly in loop", statement)
            case ast.For() | ast.AsyncFor() | ast.While():
                yield from _misplaced(statement.body, True)
                yield from _misplaced(statement.orelse, is_in_loop)
            case ast.If():
                yield from _misplaced([*statement.body, *statement.orelse], is_in_loop)
            case ast.With() | ast.AsyncWith():
                yield from _misplaced(statement.body, is_in_loop)
            case ast.Try() | ast.TryStar():
                blocks = [*statement.body, *statement.orelse, *statement.finalbody]
                handled = [each for handler in statement.handlers for each in handler.body]
                yield from _misplaced([*blocks, *handled], is_in_loop)
            case ast.Match():
                yield from _misplaced([each for case in statement.cases for each in case.body], is_in_loop)


def _error(message: str, node: ast.stmt) -> SyntaxError:
    return SyntaxError(message, ("<cell>", node.lineno, node.col_offset + 1, None))
