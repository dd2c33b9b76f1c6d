"""The parameters of a notebook as those of a flow, and as options of its script."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from orchestra_nb.notebooks.notebook_code import DeclaredParameter
from orchestra_nb.notebooks.source_text import literal

_LINE: Final = 100
_SCALARS: Final = ("int", "float", "str")
_CONTAINERS: Final = ("list", "dict", "tuple", "set", "List", "Dict", "Tuple", "Set", "Sequence", "Mapping")
#: Functions whose results nobody can change.
_FIXED_VALUES: Final = (
    "Path",
    "date",
    "datetime",
    "timedelta",
    "frozenset",
    "Decimal",
    "Fraction",
    "int",
    "float",
    "str",
)


@dataclass(frozen=True, slots=True)
class FlowParameter:
    """One parameter.

    Parameters
    ----------
    annotation
        None where nothing is known.
    default
        Its default in the signature.
    late_default
        What the body gives it where the caller gives nothing: a list, say, must be a new one in each call.
    help
        What it is for.
    is_exact
        Whether its default has the type that the annotation says.
    """

    name: str
    annotation: str | None
    default: str
    late_default: str | None
    help: str
    is_exact: bool

    @property
    def signature(self) -> str:
        """Its text in the signature."""
        return f"{self.name}: {self.annotation} = {self.default}" if self.annotation else f"{self.name}={self.default}"

    def option(self) -> str:
        """Return the call that adds its option to an argument parser."""
        names = [literal(f"--{self.name.replace('_', '-')}")] + (
            [literal(f"--{self.name}")] if "_" in self.name else []
        )
        words = [*names, *self._reading(), f"default={self.default}"]
        if self.help:
            words.append(f"help={literal(self.help.replace('%', '%%'))}")
        line = f"parser.add_argument({', '.join(words)})"
        if len(line) + 4 <= _LINE:
            return line
        return "parser.add_argument(\n    " + ",\n    ".join(words) + ",\n)"

    def _reading(self) -> list[str]:
        node = _without_none(self.annotation)
        name = getattr(node, "attr", getattr(node, "id", ""))
        if isinstance(node, ast.Subscript):
            name = getattr(node.value, "attr", getattr(node.value, "id", ""))
            if name == "Literal":
                return _choices(node)
        if name == "bool":
            return ["action=argparse.BooleanOptionalAction"]
        if name in _SCALARS:
            return [f"type={name}"]
        if name in ("date", "datetime"):
            assert node is not None
            return [f"type={ast.unparse(node)}.fromisoformat"]
        if name == "Path":
            assert node is not None
            return [f"type={ast.unparse(node)}"]
        if name in _CONTAINERS:
            return ["type=ast.literal_eval"]
        return []


def flow_parameters(parameters: list[DeclaredParameter], known: Collection[str]) -> list[FlowParameter]:
    """Return the parameters of a flow; ``known`` are the names at the head of its module."""
    return [_flow_parameter(parameter, known) for parameter in parameters]


def _flow_parameter(parameter: DeclaredParameter, known: Collection[str]) -> FlowParameter:
    annotation = parameter.annotation
    if annotation is not None and not _is_known(annotation, known):
        annotation = None
    if annotation is None and parameter.has_literal_default and parameter.default is not None:
        annotation = type(parameter.default).__name__
        annotation = None if annotation in ("NoneType", "ellipsis") else annotation
    if annotation is None and isinstance(ast.parse(parameter.default_source, mode="eval").body, ast.JoinedStr):
        annotation = "str"
    default, late = parameter.default_source, None
    if not _is_fixed(ast.parse(default, mode="eval").body, known):
        default, late = "None", parameter.default_source
        if annotation is not None and _without_none(annotation) is not None and "None" not in annotation:
            annotation = f"{annotation} | None" if "Optional" not in annotation else annotation
    is_exact = not (annotation or "").startswith("float") or not isinstance(parameter.default, int)
    return FlowParameter(parameter.name, annotation, default, late, parameter.help, is_exact)


def _is_known(annotation: str, known: Collection[str]) -> bool:
    try:
        tree = ast.parse(annotation, mode="eval")
    except SyntaxError:
        return False
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return all(name in known or hasattr(builtins, name) for name in names)


def _is_fixed(node: ast.expr, known: Collection[str]) -> bool:
    """Whether a default may stand in a signature: nobody can change its value, and it needs no other parameter."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return _is_fixed(node.operand, known)
    if isinstance(node, ast.BinOp):
        return _is_fixed(node.left, known) and _is_fixed(node.right, known)
    if isinstance(node, ast.Tuple):
        return all(_is_fixed(item, known) for item in node.elts)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        root = node.func
        while isinstance(root, ast.Attribute):
            root = root.value
        is_there = isinstance(root, ast.Name) and (root.id in known or hasattr(builtins, root.id))
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        return is_there and name in _FIXED_VALUES and all(_is_fixed(value, known) for value in values)
    return False


def _without_none(annotation: str | None) -> ast.expr | None:
    """Return an annotation without ``| None`` and ``Optional``."""
    if annotation is None:
        return None
    try:
        node = ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return None
    while isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant) and node.right.value is None:
        node = node.left
    if isinstance(node, ast.Subscript) and getattr(node.value, "attr", getattr(node.value, "id", "")) in (
        "Optional",
        "Annotated",
    ):
        inner = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
        return _without_none(ast.unparse(inner))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _without_none(node.value)
    return node


def _choices(node: ast.Subscript) -> list[str]:
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    values = [item.value for item in items if isinstance(item, ast.Constant)]
    kinds = {type(value).__name__ for value in values}
    shown = f"choices=[{', '.join(literal(value) if isinstance(value, str) else repr(value) for value in values)}]"
    kind = next(iter(kinds)) if len(kinds) == 1 else "str"
    return [f"type={kind}", shown] if kind in _SCALARS else [shown]
