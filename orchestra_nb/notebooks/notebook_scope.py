"""What the names of a notebook stand for at one place in it, from the text alone: imports, classes, aliases.

Only what stands at the top level of the cells above counts, and there also what stands under ``if``, ``try`` and
``with``. A name that is bound twice means what it was bound to last.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestra_nb.notebooks import document

#: Modules that hand on what another one defines.
_SAME: Final = (("typing_extensions.", "typing."), ("collections.abc.", "typing."))
_BUILTINS: Final = frozenset(dir(builtins))
#: Cell magics whose body is Python of the notebook.
_PYTHON_MAGICS: Final = frozenset({"time", "capture", "prun", "task"})
_MAGIC_LINE: Final = re.compile(r"^([ \t]*)(?:%|!|\?).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Imported:
    """What ``import`` bound: ``"datetime.date"``."""

    dotted: str


@dataclass(frozen=True, slots=True)
class Defined:
    """A class statement."""

    node: ast.ClassDef


@dataclass(frozen=True, slots=True)
class Aliased:
    """An expression that was given a name."""

    node: ast.expr


@dataclass(frozen=True, slots=True)
class Other:
    """A function, a loop's variable and whatever else."""


Binding = Imported | Defined | Aliased | Other


class Scope:
    """The names that are bound, and what each stands for. Not thread-safe."""

    def __init__(self) -> None:
        self._bindings: dict[str, Binding] = {}
        self._stars: list[str] = []

    def copy(self) -> Scope:
        """Return the scope as it is now."""
        same = Scope()
        same._bindings, same._stars = dict(self._bindings), list(self._stars)
        return same

    def find(self, name: str) -> Binding | None:
        """Return what a name stands for; None for one that nothing binds."""
        return self._bindings.get(name)

    def has(self, name: str) -> bool:
        """Whether something binds the name; a star import may bind any."""
        return name in self._bindings or bool(self._stars)

    def is_class(self, name: str) -> bool:
        """Whether the name may be that of a class."""
        binding = self._bindings.get(name)
        return bool(self._stars) if binding is None else not isinstance(binding, Other)

    def add(self, statement: ast.stmt) -> None:
        """Note what a statement binds."""
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    whole = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._bindings[alias.asname or whole] = Imported(whole)
            case ast.ImportFrom(names=names, module=module, level=level):
                origin = "." * level + (module or "")
                for alias in names:
                    if alias.name == "*":
                        self._stars.append(origin)
                    else:
                        self._bindings[alias.asname or alias.name] = Imported(f"{origin}.{alias.name}")
            case ast.ClassDef(name=name):
                self._bindings[name] = Defined(statement)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind(target, Aliased(value))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._bind(target, Aliased(value))
            case ast.AnnAssign():
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self._bindings[name] = Other()
            case _ if type(statement).__name__ == "TypeAlias":  # Python 3.12
                self._bind(statement.name, Aliased(statement.value))  # type: ignore[attr-defined]
            case _:
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        self._bindings[node.id] = Other()

    def dotted(self, node: ast.expr) -> str | None:
        """Return the full name of what an expression stands for (``"datetime.date"``); None where it has none.

        A name that nothing binds stands for itself: type comments need no imports.
        """
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return None if owner is None else _canonical(f"{owner}.{node.attr}")
        if not isinstance(node, ast.Name):
            return None
        binding = self._bindings.get(node.id)
        if isinstance(binding, Imported):
            return _canonical(binding.dotted)
        if binding is not None:
            return None
        return f"builtins.{node.id}" if node.id in _BUILTINS else node.id

    def candidates(self, name: str) -> Iterator[str]:
        """Yield the full names that a name may have that only a star import can have bound."""
        for origin in reversed(self._stars):
            yield _canonical(f"{origin}.{name}")

    def _bind(self, target: ast.expr, binding: Binding) -> None:
        if isinstance(target, ast.Name):
            self._bindings[target.id] = binding
        elif isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                self._bind(each, Other())
        elif isinstance(target, ast.Starred):
            self._bind(target.value, Other())


def _canonical(dotted: str) -> str:
    for prefix, same in _SAME:
        if dotted.startswith(prefix):
            return same + dotted[len(prefix) :]
    return dotted


def scope_above(notebook: Mapping[str, Any], cell: Mapping[str, Any]) -> Scope:
    """Return what the names stand for where a cell begins."""
    scope = Scope()
    for each in notebook["cells"]:
        if each is cell:
            break
        if each["cell_type"] == "code" and "skip-execution" not in document.tags_of(each):
            add_cell(scope, each["source"])
    return scope


def add_cell(scope: Scope, source: str) -> None:
    """Note what a cell binds; one that is no Python that can be read binds nothing."""
    try:
        tree = tree_of(source)
    except SyntaxError:
        return
    for statement in flat(tree.body):
        scope.add(statement)


def tree_of(source: str) -> ast.Module:
    """Return the tree of a cell, in which magic and shell lines do nothing.

    Raises
    ------
    SyntaxError
        It is no Python.
    """
    return ast.parse(readable_source(source))


def readable_source(source: str) -> str:
    """Return a cell that ``ast.parse`` reads: magic and shell lines do nothing, line numbers stay.

    Far lighter than :mod:`orchestra_nb.notebooks.ipython_syntax`, which asks IPython itself: what magics run is not
    needed here.

    Raises
    ------
    SyntaxError
        It is no Python.
    """
    for text in dict.fromkeys((source, _without_magics(source))):
        try:
            ast.parse(text)
        except RecursionError:
            problem = SyntaxError("nested too deeply")
        except ValueError as error:  # a NUL
            problem = SyntaxError(str(error))
        except SyntaxError as error:
            problem = error
        else:
            return text
    raise problem


def _without_magics(source: str) -> str:
    first = re.match(r"\s*%%(\w+)", source)
    if first is not None and first[1] not in _PYTHON_MAGICS:
        return ""
    return _MAGIC_LINE.sub(lambda line: f"{line[1]}pass", source)


def flat(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements with those under ``if``, ``try`` and ``with`` in the place of these."""
    for statement in statements:
        blocks: Sequence[Sequence[ast.stmt]] = ()
        match statement:
            case ast.If(body=body, orelse=other):
                blocks = (other, body)
            case ast.Try(body=body, handlers=handlers, orelse=other, finalbody=final):
                blocks = (*[handler.body for handler in handlers], body, other, final)
            case ast.With(body=body) | ast.AsyncWith(body=body):
                blocks = (body,)
            case _:
                yield statement
        for block in blocks:
            yield from flat(block)
