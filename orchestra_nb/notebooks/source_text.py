"""Python source as text that can be moved: statements with their comments, indentation, literals, free names.

``ast.unparse`` loses comments and layout; so what people wrote is cut at the borders of its statements and kept.
"""

from __future__ import annotations

import ast
import io
import re
import symtable
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from orchestra_nb.notebooks.names import CellNames, analyse_cell

#: Methods and functions that call what they are given at once, and do not keep it.
_CALL_AT_ONCE: Final = frozenset(
    "apply applymap map assign transform agg aggregate pipe filter sort_values sort where mask rename sorted max min "
    "any all sum list set dict tuple join reduce resample groupby".split()
)


@dataclass(eq=False)
class Chunk:
    """Statements of one cell that stand on lines of their own, with the comments directly above them.

    Parameters
    ----------
    cell
        Index of its code cell, from 0.
    text
        Its lines, without blank ones around them.
    blank_lines
        How many blank lines stand above it.
    statements
        Empty for a chunk of comments.
    """

    cell: int
    text: str
    blank_lines: int = 0
    statements: list[ast.stmt] = field(default_factory=list)

    @cached_property
    def names(self) -> CellNames:
        """What running it does to names."""
        return analyse_cell(self.text)

    @property
    def statement(self) -> ast.stmt | None:
        """Its statement, where it has exactly one."""
        return self.statements[0] if len(self.statements) == 1 else None


def split_chunks(source: str, cell: int) -> list[Chunk]:
    """Return the statements of a cell in order, with their comments; they make up the whole of the source.

    Raises
    ------
    SyntaxError
        The source is no Python.
    """
    lines = source.split("\n")
    spans: list[tuple[int, int, list[ast.stmt]]] = []
    for statement in ast.parse(source).body:
        decorators = getattr(statement, "decorator_list", [])
        start = min([statement.lineno, *(decorator.lineno for decorator in decorators)]) - 1
        end = statement.end_lineno or statement.lineno
        if spans and start < spans[-1][1]:  # `a = 1; b = 2`
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]), [*spans[-1][2], statement])
        else:
            spans.append((start, end, [statement]))
    chunks: list[Chunk] = []
    position = 0
    for start, end, statements in spans:
        first = start
        while first > position and lines[first - 1].strip().startswith("#"):
            first -= 1
        _add_comments(chunks, cell, lines[position:first])
        blank = _blank_lines_at_end(lines[position:first])
        chunks.append(Chunk(cell, "\n".join(lines[first:end]), blank, statements))
        position = end
    _add_comments(chunks, cell, lines[position:])
    return chunks


def _add_comments(chunks: list[Chunk], cell: int, lines: list[str]) -> None:
    text = "\n".join(lines)
    if text.strip():
        before = len(text) - len(text.lstrip("\n"))
        chunks.append(Chunk(cell, text.strip("\n").rstrip(), before))


def _blank_lines_at_end(lines: list[str]) -> int:
    count = 0
    while count < len(lines) and not lines[-1 - count].strip():
        count += 1
    return count


def join_chunks(chunks: list[Chunk]) -> str:
    """Return the text of chunks one below the other, with at most one blank line between two."""
    text = ""
    for chunk in chunks:
        text += ("\n\n" if chunk.blank_lines else "\n") * bool(text) + chunk.text
    return text


def indent(text: str, prefix: str = "    ") -> str:
    """Return source with each line moved to the right, but for those that begin within a string."""
    inside: set[int] = set()
    for token in _tokens(text):
        if token.type == tokenize.STRING or tokenize.tok_name[token.type] in ("FSTRING_MIDDLE", "TSTRING_MIDDLE"):
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
    lines = text.split("\n")
    return "\n".join(
        line if number in inside or not line.strip() else prefix + line for number, line in enumerate(lines, 1)
    )


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    try:
        yield from tokenize.generate_tokens(io.StringIO(text).readline)
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return


def replace_span(source: str, node: ast.stmt | ast.expr, text: str) -> str:
    """Return source with the text of a node replaced; the nodes before it keep their positions."""
    lines = source.split("\n")
    start, end = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    head = lines[start].encode()[: node.col_offset].decode()
    tail = lines[end].encode()[node.end_col_offset or 0 :].decode()
    return "\n".join([*lines[:start], head + text + tail, *lines[end + 1 :]])


def literal(text: str) -> str:
    r"""Return a text as a Python string, in double quotes where that needs no backslash.

    Examples
    --------
    >>> print(literal("it's"), literal('"'), literal("a\n"))
    "it's" '"' "a\n"
    """
    shown = repr(text)
    if shown.startswith("'") and '"' not in text:
        return '"' + shown[1:-1].replace("\\'", "'") + '"'
    return shown


def block_literal(text: str) -> str:
    """Return a text of several lines as a Python string that shows it line by line."""
    quotes = next((quotes for quotes in ('"""', "'''") if quotes not in text and not text.endswith(quotes[0])), None)
    if quotes is None or "\r" in text or "\0" in text:
        return literal(text)
    if "\\" in text:
        return f"r{quotes}{text}{quotes}" if not text.endswith("\\") else literal(text)
    return f"{quotes}\\\n{text}{quotes}"


def docstring(text: str, prefix: str = "") -> str:
    """Return a text as a docstring, whose lines but the first begin with ``prefix``."""
    text = "\n".join(line.rstrip() for line in text.strip().split("\n"))
    text = text.replace("\n", f"\n{prefix}").replace(f"\n{prefix}\n", "\n\n")
    while prefix and f"\n{prefix}\n" in text:
        text = text.replace(f"\n{prefix}\n", "\n\n")
    if text.endswith(('"', "\\")):
        text += " "
    text = text.replace('"""', "'''")
    mark = "r" if "\\" in text else ""
    return f'{mark}"""{text}\n{prefix}"""' if "\n" in text else f'{mark}"""{text}"""'


def comment(text: str) -> str:
    """Return a text as comment lines."""
    return "\n".join(f"# {line}".rstrip() for line in text.strip().split("\n"))


def free_names(node: ast.stmt | ast.expr) -> tuple[frozenset[str], frozenset[str]]:
    """Return the outer names of a function, class or lambda: (needed where it stands, needed when it runs)."""
    own = getattr(node, "name", None)
    table = symtable.symtable(ast.unparse(node), "<cell>", "exec")
    now = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()} - {own}
    later: set[str] = set()
    pending = [(child, isinstance(node, ast.ClassDef)) for child in table.get_children()]
    while pending:
        scope, runs_now = pending.pop()
        is_class = scope.get_type() == "class"
        for symbol in scope.get_symbols():
            if symbol.is_referenced() and symbol.is_global():
                (now if runs_now and is_class else later).add(symbol.get_name())
            elif symbol.is_declared_global():
                later.add(symbol.get_name())
        pending.extend((child, runs_now and is_class and child.get_type() == "class") for child in scope.get_children())
    return frozenset(now), frozenset(later - {own} if own is None else later)


def lasting_scopes(tree: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    """Yield the outermost functions, classes, lambdas and generators in a tree: what may run later than it stands."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.GeneratorExp):
            yield node
        else:
            yield from lasting_scopes(node)


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Yield every name that source uses as a variable, a function, a class, a parameter or an import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.Global):
            yield from node.names


def words_of(text: str, limit: int = 5) -> str:
    """Return a text as a name in Python (``"load_the_data"`` for ``"1. Load the *data*!"``), or an empty one."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<[^>]+>|\$[^$]*\$|['’]", "", text)
    words = [word for word in re.findall(r"[^\W_]+", text.lower()) if word.isascii() or word.isidentifier()]
    while words and (
        words[0].isdigit() or (words[0] in ("step", "part", "section") and words[1:2] and words[1].isdigit())
    ):
        words = words[1:]
    name = "_".join(words[:limit])[:48].rstrip("_")
    return name if name.isidentifier() else ""


def kept_scopes(tree: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    """Yield functions and their like that may be called after the cell has ended."""
    at_once: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _CALL_AT_ONCE:
                at_once.update(node.args)
                at_once.update(keyword.value for keyword in node.keywords)
    yield from (scope for scope in lasting_scopes(tree) if scope not in at_once)


def names_in_order(tree: ast.AST, names: Collection[str]) -> list[str]:
    """Return names in the order in which code mentions them."""
    places: dict[str, tuple[int, int]] = {}
    for node in ast.walk(tree):
        name: str = node.id if isinstance(node, ast.Name) else getattr(node, "name", None) or ""
        if isinstance(node, ast.expr | ast.stmt | ast.ExceptHandler) and name in names:
            place = (node.lineno, node.col_offset)
            places[name] = min(places.get(name, place), place)
    return [*sorted(places, key=places.__getitem__), *sorted(set(names) - set(places))]
