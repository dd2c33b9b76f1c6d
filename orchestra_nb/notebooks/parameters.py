"""Parameters of a notebook: what its ``parameters`` cell declares.

The convention is papermill's: the first code cell with the tag ``parameters`` holds the defaults. Of a Python cell all
is read that its text tells, with what the cells above define; nothing of it runs. Of other languages papermill's own
inference tells what it can.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from orchestra_nb.notebooks import document
from orchestra_nb.notebooks.annotation_reading import read_annotation, read_annotation_text
from orchestra_nb.notebooks.converted_values import Misfit
from orchestra_nb.notebooks.notebook_scope import Scope, flat, readable_source, scope_above
from orchestra_nb.notebooks.parameter_conversion import Converter
from orchestra_nb.notebooks.parameter_scalars import kind_of
from orchestra_nb.notebooks.parameter_types import (
    UNKNOWN,
    AnyType,
    ConstrainedType,
    DictType,
    ForeignType,
    Kind,
    ListType,
    Parameter,
    ParameterType,
    ScalarType,
    with_none,
)
from orchestra_nb.notebooks.static_values import Instance, Member, static_value

#: The tag of the cell that declares parameters.
PARAMETERS_TAG: Final = "parameters"
_SHOWN_SECRET: Final = "••••"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a notebook's parameters cell says.

    Parameters
    ----------
    scope
        What names stand for after that cell.
    is_complete
        Whether the cell was read as a whole: of other languages nobody knows which names they declare.
    problem
        Why nothing could be read, with the line.
    """

    parameters: tuple[Parameter, ...]
    scope: Scope = field(default_factory=Scope)
    is_complete: bool = True
    problem: str = ""


def read_declaration(
    notebook: Mapping[str, Any], *, language: str | None = None, kernel_name: str | None = None
) -> Declaration | None:
    """Return what a notebook declares; None when no cell has the tag.

    Parameters
    ----------
    language, kernel_name
        Of the kernel that is to run it; None for what the notebook says.
    """
    cell = parameters_cell(notebook)
    if cell is None:
        return None
    language = language or document.language(notebook)
    if language == "python":
        return declaration_in(cell["source"], scope_above(notebook, cell))
    from orchestra_nb.notebooks.parameter_languages import inferred_parameters

    inferred = inferred_parameters(cell["source"], kernel_name or document.kernel_name(notebook), language)
    return Declaration(tuple(inferred), is_complete=False)


def parameters_cell(notebook: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first code cell with the tag ``parameters``."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and PARAMETERS_TAG in document.tags_of(cell):
            return cast("Mapping[str, Any]", cell)
    return None


def declaration_in(source: str, scope: Scope | None = None) -> Declaration:
    """Return what the source of a parameters cell declares at its top level; a name that is there twice counts last.

    Parameters
    ----------
    scope
        What names stand for where the cell begins.
    """
    scope = (scope or Scope()).copy()
    try:
        text = readable_source(source)
        tree = ast.parse(text)
    except SyntaxError as error:
        line = f"line {error.lineno}: " if error.lineno else ""
        return Declaration((), scope, problem=f"{line}{error.msg}")
    comments, segment = _comments(text), _segments(text)
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        for parameter in _parameters_of(statement, segment, comments, scope):
            before = found.pop(parameter.name, None)
            found[parameter.name] = parameter if before is None else _merged(before, parameter)
        for each in flat([statement]):
            scope.add(each)
    return Declaration(tuple(found.values()), scope)


def _parameters_of(
    statement: ast.stmt, segment: Callable[[ast.expr], str], comments: Mapping[int, str], scope: Scope
) -> Iterator[Parameter]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            kind = read_annotation(annotation, scope)
            _, comment = _split_comment(statement, comments)
            written = segment(annotation)
            yield _parameter(name, written, kind, value, segment, comment, scope)
        case ast.Assign(targets=targets, value=value):
            comment_type, comment = _split_comment(statement, comments)
            if _names_a_type(value, scope):
                return
            for name, part in _assigned(targets, value):
                kind = AnyType() if comment_type is None else read_annotation_text(comment_type, scope)
                yield _parameter(name, comment_type, kind, part, segment, comment, scope)


def _names_a_type(value: ast.expr, scope: Scope) -> bool:
    """Whether an assignment makes a type, such as ``Region = Literal["EU", "US"]``, which is no parameter."""
    function = value.value if isinstance(value, ast.Subscript) else value.func if isinstance(value, ast.Call) else None
    dotted = "" if function is None else scope.dotted(function) or ""
    return dotted.startswith(("typing.", "enum.")) or dotted == "collections.namedtuple"


def _assigned(targets: Sequence[ast.expr], value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that an assignment gives values, each with its part of them."""
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id, value
        elif _is_pairwise(target, value):
            for each, part in zip(target.elts, value.elts, strict=True):  # type: ignore[attr-defined]  # both are tuples
                yield from _assigned([each], part)


def _is_pairwise(target: ast.expr, value: ast.expr) -> bool:
    """Whether an assignment is one of so many names to so many values."""
    sequence = ast.Tuple | ast.List
    return isinstance(target, sequence) and isinstance(value, sequence) and len(target.elts) == len(value.elts)


def _parameter(
    name: str,
    annotation: str | None,
    kind: ParameterType,
    value: ast.expr | None,
    segment: Callable[[ast.expr], str],
    comment: str,
    scope: Scope,
) -> Parameter:
    if not comment and isinstance(kind, ConstrainedType):
        comment = kind.constraints.description
    if value is None:
        return Parameter(name=name, annotation=annotation, type=kind, is_required=True, help=comment)
    static = static_value(value, scope)
    if isinstance(kind, ForeignType) and isinstance(value, ast.Attribute) and ast.unparse(value.value) == kind.spelled:
        kind, static = replace(kind, is_enum=True), value.attr
    if static is None:
        kind = with_none(kind)
    if isinstance(kind, AnyType) and annotation is None:
        kind = AnyType(_type_of_default(static, value, scope))
    parameter = Parameter(
        name=name,
        annotation=annotation,
        type=kind,
        default_source=segment(value),
        default=_recorded_default(kind, static, scope),
        help=comment,
    )
    # the notebook's author may have written it there, but nobody else is to spread it
    return replace(parameter, default=UNKNOWN, default_source=_SHOWN_SECRET) if parameter.is_secret else parameter


def _merged(before: Parameter, after: Parameter) -> Parameter:
    """Return a parameter that has two statements, such as ``x: int`` and then ``x = 5``."""
    if after.annotation is None and before.annotation is not None:
        after = replace(after, annotation=before.annotation, type=before.type)
    if after.is_required and not before.is_required:
        after = replace(after, is_required=False, default=before.default, default_source=before.default_source)
    return after if after.help else replace(after, help=before.help)


def _recorded_default(kind: ParameterType, static: object, scope: Scope) -> object:
    if static is UNKNOWN:
        return UNKNOWN
    for each in (kind, AnyType()):  # a default may break its own annotation: x: int = None
        try:
            return Converter(scope).convert(each, static).recorded
        except Misfit:
            continue
    return UNKNOWN


def _type_of_default(static: object, node: ast.expr, scope: Scope) -> ParameterType | None:
    """Return the type that a default lets expect; None where it tells nothing."""
    if static is UNKNOWN or static is None:
        return None
    if isinstance(static, Member | Instance):
        return read_annotation(ast.Name(static.owner, ast.Load()), scope)
    if (kind := kind_of(static)) is not None:
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Attribute) and function.attr == "fromisoformat":
            function = function.value
        spelled = ast.unparse(function) if function is not None and not kind.is_plain else ""
        return ScalarType(kind, spelled, "path" if kind is Kind.PATH else "")
    if isinstance(static, list | tuple | set | frozenset):
        kinds = {kind_of(item) for item in static}
        only = kinds.pop() if len(kinds) == 1 else None
        item = ScalarType(only) if only is not None and only.is_plain and only is not Kind.NONE else AnyType()
        return ListType(item, type(static).__name__)
    return DictType() if isinstance(static, dict) else None


def _segments(text: str) -> Callable[[ast.expr], str]:
    """Return what gives the text of an expression; ``ast.get_source_segment`` reads the whole cell for each."""
    lines = [line.encode() for line in text.split("\n")]

    def segment(node: ast.expr) -> str:
        first, last, end = node.lineno - 1, (node.end_lineno or node.lineno) - 1, node.end_col_offset
        if first == last:
            return lines[first][node.col_offset : end].decode()
        return b"\n".join([lines[first][node.col_offset :], *lines[first + 1 : last], lines[last][:end]]).decode()

    return segment


def _comments(text: str) -> dict[int, str]:
    """Return the comment of each line that has one."""
    found: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.string.lstrip("#").strip()
    except (tokenize.TokenError, SyntaxError):  # it is Python, so what was found is right
        pass
    return found


def _split_comment(statement: ast.stmt, comments: Mapping[int, str]) -> tuple[str | None, str]:
    """Return the type and the help of a statement's comment: that of its last line, or else of its first."""
    comment = comments.get(statement.end_lineno or statement.lineno) or comments.get(statement.lineno, "")
    found = re.match(r"type:(?!\s*ignore\b)\s*(.+)", comment)
    if found is None:
        return None, re.sub(r"^type:\s*ignore(\[[^]]*\])?\s*#?\s*|\s*#\s*(noqa|type:\s*ignore)\b.*$", "", comment)
    written, mark, rest = found[1].partition("#")
    if mark and _is_type(written):
        return written.strip(), rest.strip()
    words = found[1].split(" ")
    for count in range(len(words), 0, -1):
        written = " ".join(words[:count])
        if _is_type(written):
            return written.strip(), " ".join(words[count:]).strip()
    return None, comment


def _is_type(text: str) -> bool:
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return False
    allowed = (
        ast.Name,
        ast.Attribute,
        ast.Subscript,
        ast.BinOp,
        ast.BitOr,
        ast.Constant,
        ast.Tuple,
        ast.List,
        ast.Load,
    )
    return all(isinstance(part, allowed) for part in ast.walk(node))
