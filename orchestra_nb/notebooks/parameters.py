"""Parameters of a notebook: what its ``parameters`` cell declares, and which values may be given.

The convention is papermill's: the first code cell with the tag ``parameters`` holds the defaults, and papermill injects
a cell with the given values after it. papermill runs parameter *names* as code and gives any value to any parameter; so
names and values are checked here, before anything starts.
"""

from __future__ import annotations

import ast
import difflib
import json
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.notebooks import document

#: The tag of the cell that declares parameters.
PARAMETERS_TAG: Final = "parameters"
_LIMIT_BYTES: Final = 1 << 20
_LIMIT_DEPTH: Final = 100
#: Annotation to the types of values that agree with it.
_TYPES_OF_ANNOTATIONS: Final[dict[str, tuple[type, ...]]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}
_OTHER_NAMES: Final = {
    "List": "list",
    "Dict": "dict",
    "Sequence": "list",
    "Mapping": "dict",
    "tuple": "list",
    "Tuple": "list",
}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter that a notebook declares.

    Parameters
    ----------
    annotation
        The text of its annotation (``"float | None"``), or of its type comment.
    default_source
        The text of its default.
    default
        The value of the default, where it is a literal.
    has_literal_default
        Whether ``default`` says anything.
    help
        The comment at the end of its line.
    """

    name: str
    annotation: str | None = None
    default_source: str = ""
    default: object = None
    has_literal_default: bool = False
    help: str = ""


def read_parameters(notebook: Mapping[str, Any]) -> list[Parameter] | None:
    """Return the parameters that a notebook declares, in order; None when no cell has the tag.

    Of a cell in another language than Python nothing can be told: the list is empty.
    """
    cell = parameters_cell(notebook)
    if cell is None:
        return None
    return parameters_in(cell["source"]) if document.language(notebook) == "python" else []


def parameters_cell(notebook: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first code cell with the tag ``parameters``."""
    for cell in notebook["cells"]:
        tags = cell.get("metadata", {}).get("tags", ())
        if cell["cell_type"] == "code" and isinstance(tags, Sequence) and PARAMETERS_TAG in tags:
            return cast("Mapping[str, Any]", cell)
    return None


def parameters_in(source: str) -> list[Parameter]:
    """Return what the source of a parameters cell declares at its top level; a name that is there twice counts last."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    lines = source.splitlines()
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, annotation = statement.targets, None
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, annotation = [statement.target], ast.get_source_segment(source, statement.annotation)
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and statement.value is not None:
                found.pop(target.id, None)
                found[target.id] = _parameter(target.id, annotation, statement.value, source, lines)
    return list(found.values())


def _parameter(name: str, annotation: str | None, value: ast.expr, source: str, lines: Sequence[str]) -> Parameter:
    text = ast.get_source_segment(source, value) or ""
    line = lines[(value.end_lineno or value.lineno) - 1]
    rest = line.encode()[value.end_col_offset or 0 :].decode()
    comment = rest.partition("#")[2].strip()
    type_comment = re.match(r"type:\s*([^#]+?)\s*(?:#\s*(.*))?$", comment)
    if type_comment and annotation is None:
        annotation, comment = type_comment.group(1), type_comment.group(2) or ""
    try:
        default, is_literal = ast.literal_eval(value), True
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        default, is_literal = None, False
    return Parameter(
        name=name,
        annotation=annotation,
        default_source=text,
        default=default,
        has_literal_default=is_literal,
        help=comment,
    )


def check_parameters(
    parameters: Sequence[Parameter] | None,
    values: Mapping[str, object],
    *,
    strict: bool = True,
    language: str = "python",
) -> None:
    """See that the values may be given to a notebook.

    Parameters
    ----------
    parameters
        What :func:`read_parameters` found; None for a notebook without a parameters cell.
    strict
        Refuse names that the notebook does not declare.
    language
        Of other languages than Python nothing is known of what a cell declares: then only names and values are checked.

    Raises
    ------
    InvalidParameters
        A name is no identifier or not declared, or a value would not arrive as it is; the message names it and the
        remedy.
    """
    for name in values:
        _check_name(name)
    if language == "python" and strict and values:
        _check_declared(parameters, values)
    annotations = {parameter.name: parameter.annotation for parameter in parameters or ()}
    for name, value in values.items():
        _check_value(name, value)
        if language == "python":
            _check_annotation(name, value, annotations.get(name))


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        shown = repr(name) if len(repr(name)) <= 80 else repr(name)[:79] + "…"
        raise InvalidParameters(f"{shown} cannot be the name of a parameter. Write letters, digits and _ only.")
    if keyword.iskeyword(name):
        raise InvalidParameters(f"{name!r} cannot be the name of a parameter: it is a keyword of Python.")
    if name.startswith("__"):
        raise InvalidParameters(f"{name!r} cannot be the name of a parameter: such names belong to Python itself.")


def _check_declared(parameters: Sequence[Parameter] | None, values: Mapping[str, object]) -> None:
    given = ", ".join(values)
    if parameters is None:
        raise InvalidParameters(
            f"The notebook takes no parameters, and was given {given}. Put the defaults into a cell and add the tag "
            f"{PARAMETERS_TAG!r} to it (in JupyterLab: the property inspector at the right, Cell Tags)."
        )
    known = [parameter.name for parameter in parameters]
    for name in values:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = f"Its parameters are: {', '.join(known)}." if known else "Its parameters cell declares none."
        raise InvalidParameters(f"The notebook has no parameter {name!r}.{hint} {listed}")


def _check_value(name: str, value: object) -> None:
    culprit = _foreign_part(value, name, _LIMIT_DEPTH)
    if culprit is not None:
        raise InvalidParameters(
            f"Parameter {culprit} cannot be passed to a notebook. Values are None, True, False, numbers, texts, lists "
            "and dicts of these with texts as keys."
        )
    try:
        size = len(json.dumps(value, ensure_ascii=False).encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidParameters(f"Parameter {name!r} holds a character that is no Unicode text.") from None
    except ValueError as error:  # an integer with more than 4,300 digits
        raise InvalidParameters(f"Parameter {name!r} cannot be written down: {error}.") from None
    if size > _LIMIT_BYTES:
        raise InvalidParameters(
            f"Parameter {name!r} takes {size / (1 << 20):.1f} MB, and the limit is 1 MB. "
            "Write it to a file and pass the path."
        )


def _foreign_part(value: object, path: str, depth: int) -> str | None:
    """Return a description of the first part that papermill would turn into something else."""
    if depth == 0:
        return f"{path.split('[', 1)[0]!r}: nested more than {_LIMIT_DEPTH} deep, which"
    if value is None or type(value) in (bool, int, float, str):
        return None
    if type(value) is list:
        parts: Iterable[tuple[str, object]] = ((f"{path}[{index}]", item) for index, item in enumerate(value))
    elif type(value) is dict:
        wrong = [key for key in value if type(key) is not str]
        if wrong:
            return f"{path!r}: its key {wrong[0]!r} is no text, so it"
        parts = ((f"{path}[{key!r}]", item) for key, item in value.items())
    else:
        return f"{path!r}: a value of type {type(value).__name__}"
    return next((found for where, item in parts if (found := _foreign_part(item, where, depth - 1)) is not None), None)


def _check_annotation(name: str, value: object, annotation: str | None) -> None:
    """Refuse what plainly contradicts an annotation; one that is not understood allows everything."""
    allowed = _allowed_types(annotation) if annotation else None
    if allowed is None:
        return
    is_number_for_bool = isinstance(value, bool) and bool not in allowed
    if not isinstance(value, allowed) or is_number_for_bool:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:59] + "…"
        raise InvalidParameters(
            f"Parameter {name!r} is declared as {annotation}, and was given {shown} ({type(value).__name__})."
        )


def _allowed_types(annotation: str) -> tuple[type, ...] | None:
    try:
        node = ast.parse(annotation.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return _types_of(node)


def _types_of(node: ast.expr) -> tuple[type, ...] | None:
    """Return the types that an annotation allows, None where it is not understood."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return _allowed_types(node.value)
        return (type(None),) if node.value is None else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _together([node.left, node.right])
    if isinstance(node, ast.Attribute):
        return _TYPES_OF_ANNOTATIONS.get(_OTHER_NAMES.get(node.attr, ""))
    if isinstance(node, ast.Name):
        return _TYPES_OF_ANNOTATIONS.get(_OTHER_NAMES.get(node.id, node.id))
    if isinstance(node, ast.Subscript):
        name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Optional":
            allowed = _together(inside)
            return None if allowed is None else (*allowed, type(None))
        if name == "Union":
            return _together(inside)
        return _types_of(node.value)
    return None


def _together(nodes: Iterable[ast.expr]) -> tuple[type, ...] | None:
    allowed: list[type] = []
    for node in nodes:
        types = _types_of(node)
        if types is None:
            return None
        allowed.extend(types)
    return tuple(allowed)


def collect_parameters(
    *,
    files: Iterable[str | Path] = (),
    yaml_texts: Iterable[str] = (),
    typed: Iterable[tuple[str, str]] = (),
    raw: Iterable[tuple[str, str]] = (),
) -> dict[str, object]:
    """Return the values of the flags ``-f``, ``-y``, ``-p`` and ``-r``.

    As in papermill, a kind wins over those before it in this order, whatever the order on the command line, and
    within a kind the later one wins.

    Raises
    ------
    InvalidParameters
        A file cannot be read, or is no YAML mapping; the message has the file and the line.
    """
    values: dict[str, object] = {}
    for file in files:
        values.update(_read_file(Path(file)))
    for text in yaml_texts:
        values.update(_read_yaml(text, "-y"))
    values.update((name, resolve_type(text)) for name, text in typed)
    values.update(raw)
    return values


def resolve_type(text: str) -> object:
    """Return the value that ``-p NAME text`` means: ``True``, ``False``, ``None``, an int, a float, else the text.

    Examples
    --------
    >>> resolve_type("3"), resolve_type("1e3"), resolve_type("true"), resolve_type("None")
    (3, 1000.0, 'true', None)
    """
    constants = {"True": True, "False": False, "None": None}
    if text in constants:
        return constants[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _read_file(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidParameters(f"There is no parameter file {path}.") from None
    except UnicodeDecodeError:
        raise InvalidParameters(f"{path} is not UTF-8 text, so it is no parameter file.") from None
    except OSError as error:
        raise InvalidParameters(f"The parameter file {path} cannot be read: {error.strerror}.") from None
    return _read_yaml(text, str(path))


def _read_yaml(text: str, where: str) -> dict[str, object]:
    """Return a YAML mapping (JSON is YAML); dates stay texts, as in papermill."""
    import yaml  # only where a flag asks for it  # type: ignore[import-untyped]

    try:
        content = yaml.load(text, Loader=_loader_without_dates())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise InvalidParameters(f"{where}{line}: not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidParameters(f"{where}: not YAML: {str(error).splitlines()[0]}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InvalidParameters(f"{where}: not a mapping of names to values. Write NAME: VALUE, one a line.")
    return cast("dict[str, object]", content)


def _loader_without_dates() -> Any:
    import yaml

    class LoaderWithoutDates(yaml.SafeLoader):
        """Reads plain values only, and dates as texts."""

    LoaderWithoutDates.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return LoaderWithoutDates
