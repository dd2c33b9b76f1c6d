"""Which statements of a notebook may stand at the head of a module: imports, functions, classes, constants.

A statement may move when nobody can tell: its name is bound once, what it needs is there as early, and running it
earlier changes nothing. An import moves only past code that does not touch what imports look at.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from orchestra_nb.notebooks.source_text import Chunk, free_names

#: What decides where an import finds a module, and how the module sets itself up.
_TOUCHES_IMPORTS: Final = re.compile(
    r"\bsys\.(?:path|modules|argv|stdout|stderr)|\bos\.(?:environ|putenv|chdir|system)|\bimportlib\b|\bsubprocess\b|\.use\("
    r"|\bwarnings\.|\bsite\.|\blogging\.|set_start_method|\bopen\(|write_text|\bexec\(|\b__import__\b|NotImplementedError"
    r"|capture_output"
)
#: Functions that give a new value from constants, and do nothing else.
_PURE_CALLS: Final = frozenset(
    """
    Path PurePath pathlib.Path re.compile timedelta datetime date datetime.timedelta datetime.datetime datetime.date
    frozenset set dict list tuple range str int float bool complex bytes len sum min max sorted abs round os.path.join
    namedtuple collections.namedtuple TypeVar NewType typing.TypeVar math.sqrt math.log math.exp Fraction Decimal
    np.array np.linspace np.arange np.zeros np.ones np.log np.sqrt np.exp numpy.array
    """.split()
)
#: Methods that change their object also where something is done with what they give.
_CHANGING_METHODS: Final = frozenset("append add update setdefault pop fit extend".split())
_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(eq=False)
class ModuleLevel:
    """What stands at the head of the module; each list in the order of the notebook.

    Parameters
    ----------
    futures
        ``from __future__ import …`` lines.
    preamble
        Imports, and between them what must run before the ones that follow.
    definitions
        Functions, classes and constants.
    names
        All names that these bind.
    """

    futures: list[Chunk] = field(default_factory=list)
    preamble: list[Chunk] = field(default_factory=list)
    definitions: list[Chunk] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    @property
    def chunks(self) -> set[Chunk]:
        """All that moves."""
        return {*self.futures, *self.preamble, *self.definitions}


def module_level(chunks: list[Chunk], parameters: Collection[str]) -> ModuleLevel:
    """Return what may stand at the head of a module; ``parameters`` are names that the flow gets as arguments."""
    return _Mover(chunks, parameters).move()


def import_names(chunk: Chunk) -> dict[str, str] | None:
    """Return name to import of a chunk of nothing but imports (a star import binds ``*``); else None."""
    found: dict[str, str] = {}
    for statement in chunk.statements:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                name = alias.asname or alias.name.partition(".")[0]
                # `import a.b` and `import a.c` both bind `a`, to one module
                found[name] = f"import {alias.name if alias.asname else name}"
        elif isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            found |= {alias.asname or alias.name: f"from {module} import {alias.name}" for alias in statement.names}
        else:
            return None
    return found or None


def is_future(chunk: Chunk) -> bool:
    """Whether it is ``from __future__ import …``."""
    return any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in chunk.statements)


def is_star(chunk: Chunk) -> bool:
    """Whether it is ``from … import *``."""
    return "*" in (import_names(chunk) or ())


class _Mover:
    def __init__(self, chunks: list[Chunk], parameters: Collection[str]) -> None:
        self._chunks = [chunk for chunk in chunks if chunk.statements]
        self._parameters = frozenset(parameters)
        self._result = ModuleLevel()
        self._binds = Counter(name for chunk in self._chunks for name in _bound_names(chunk))
        self._imports: dict[str, set[str]] = {}
        for chunk in self._chunks:
            for name, source in (_guarded_imports(chunk) or {}).items():
                self._imports.setdefault(name, set()).add(source)
                self._binds[name] -= 1
        declared_global = {
            name
            for chunk in self._chunks
            for statement in chunk.statements
            for node in ast.walk(statement)
            if isinstance(node, ast.Global)
            for name in node.names
        }
        deleted = {name for chunk in self._chunks for name in chunk.names.deletes}
        self._fixed = declared_global | deleted | self._parameters
        self._mutated = {name for chunk in self._chunks for name in _changed_names(chunk)}

    def move(self) -> ModuleLevel:
        self._move_imports()
        before = -1
        while len(self._result.definitions) != before:
            before = len(self._result.definitions)
            needed = self._needed_by_functions()
            moved = self._result.chunks
            for chunk in self._chunks:
                if chunk not in moved and self._is_definition(chunk, needed):
                    self._result.definitions.append(chunk)
                    self._result.names |= _bound_names(chunk)
        order = {chunk: number for number, chunk in enumerate(self._chunks)}
        self._result.definitions.sort(key=order.__getitem__)
        return self._result

    # Imports

    def _move_imports(self) -> None:
        """Move imports up, as far as nothing before them touches what they look at."""
        result = self._result
        is_safe, is_start = True, True
        for chunk in self._chunks:
            imports = _guarded_imports(chunk)
            if is_future(chunk):
                result.futures.append(chunk)
            elif imports is not None and self._may_move(chunk, imports, is_safe) and (is_start or "*" not in imports):
                result.preamble.append(chunk)
                result.names |= set(imports) - {"*"}
            elif is_start and self._is_set_up(chunk):
                result.preamble.append(chunk)
            else:
                code = "\n".join(map(ast.unparse, chunk.statements))
                is_local_code = isinstance(chunk.statement, _DEFINITION)
                is_safe = is_safe and (not _TOUCHES_IMPORTS.search(code) or is_local_code)
                is_start = is_start and (is_local_code or self._is_constant(chunk))
        while result.preamble and _guarded_imports(result.preamble[-1]) is None:
            result.preamble.pop()  # it comes before no import: it may as well run in its place

    def _may_move(self, chunk: Chunk, imports: dict[str, str], is_safe: bool) -> bool:
        if any(
            self._binds[name] or len(self._imports[name]) > 1 or name in self._fixed for name in imports if name != "*"
        ):
            return False
        return is_safe or all(_is_standard(source) for source in imports.values())

    def _is_set_up(self, chunk: Chunk) -> bool:
        """Whether it is a statement such as ``warnings.filterwarnings("ignore")``, which imports must not pass."""
        if not isinstance(chunk.statement, ast.Expr | ast.Assign) or not _TOUCHES_IMPORTS.search(chunk.text):
            return False
        if isinstance(chunk.statement, ast.Assign) and not isinstance(chunk.statement.targets[0], ast.Subscript):
            return False
        return all(name in self._result.names or hasattr(builtins, name) for name in chunk.names.reads)

    # Definitions

    def _needed_by_functions(self) -> set[str]:
        needed: set[str] = set()
        for chunk in self._result.definitions:
            if isinstance(chunk.statement, _DEFINITION):
                needed.update(*free_names(chunk.statement))
        return needed

    def _is_once(self, name: str) -> bool:
        return self._binds[name] == 1 and name not in self._fixed and name not in self._imports

    def _is_there(self, name: str) -> bool:
        return name in self._result.names or (hasattr(builtins, name) and not self._binds[name])

    def _is_definition(self, chunk: Chunk, needed: set[str]) -> bool:
        statement = chunk.statement
        if isinstance(statement, _DEFINITION):
            now, _ = free_names(statement)
            is_plain = not isinstance(statement, ast.ClassDef) or all(map(_is_plain, statement.body))
            return self._is_once(statement.name) and is_plain and all(map(self._is_there, now))
        names = _bound_names(chunk)
        if len(names) != 1 or not self._is_constant(chunk):
            return False
        [name] = names
        is_wanted = name in needed or (name.isupper() and len(name) > 1)
        return is_wanted and self._is_once(name) and name not in self._mutated

    def _is_constant(self, chunk: Chunk) -> bool:
        """Whether it binds names to values that are made of constants."""
        statement = chunk.statement
        if isinstance(statement, ast.Assign):
            if not all(isinstance(target, ast.Name) for target in statement.targets):
                return False
            value: ast.expr | None = statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            value = statement.value
        else:
            return False
        return value is not None and self._is_pure(value)

    def _is_pure(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            is_known = name in _PURE_CALLS and self._is_there(name.partition(".")[0])
            return is_known and all(map(self._is_pure, [*node.args, *(keyword.value for keyword in node.keywords)]))
        if isinstance(node, ast.Name):
            return self._is_there(node.id)
        if isinstance(node, ast.Attribute):
            return isinstance(node.value, ast.Name) and self._is_there(node.value.id)
        if isinstance(node, ast.Lambda):
            return False
        allowed = (
            ast.Constant
            | ast.Tuple
            | ast.List
            | ast.Dict
            | ast.Set
            | ast.UnaryOp
            | ast.BinOp
            | ast.JoinedStr
            | ast.FormattedValue
            | ast.Subscript
            | ast.Slice
            | ast.BoolOp
            | ast.Compare
            | ast.IfExp
            | ast.Starred
        )
        parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        return isinstance(node, allowed) and all(map(self._is_pure, parts))


def _bound_names(chunk: Chunk) -> set[str]:
    return {*chunk.names.defines}


def _guarded_imports(chunk: Chunk) -> dict[str, str] | None:
    """Return what :func:`import_names` does, also for imports in a ``try`` with other imports as their replacement."""
    if isinstance(chunk.statement, ast.Try) and not chunk.statement.finalbody:
        found: dict[str, str] = {}
        handlers = [statement for handler in chunk.statement.handlers for statement in handler.body]
        for statement in [*chunk.statement.body, *handlers, *chunk.statement.orelse]:
            imports = import_names(Chunk(chunk.cell, "", 0, [statement]))
            if imports is not None:
                found |= imports
            elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
                found |= {target.id: "" for target in statement.targets if isinstance(target, ast.Name)}
            elif not isinstance(statement, ast.Pass):
                return None
        # one text for all: the same block may stand in two cells, another import of the name may not
        return {name: ast.unparse(chunk.statement) for name in found} if "*" not in found else None
    return import_names(chunk)


def _is_standard(source: str) -> bool:
    module = re.match(r"(?:from|import)\s+(\w+)", source)
    return module is not None and module[1] in sys.stdlib_module_names and module[1] not in ("this", "antigravity")


def _is_plain(statement: ast.stmt) -> bool:
    """Whether a statement of a class body does nothing but define."""
    if isinstance(statement, _DEFINITION | ast.Pass | ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Assign | ast.AnnAssign)


def _changed_names(chunk: Chunk) -> Iterator[str]:
    """Yield the names whose objects a chunk changes in place, also in the functions that it defines."""
    yield from chunk.names.mutates
    for statement in chunk.statements:
        for node in ast.walk(statement):
            yield from surely_changed(node)


def surely_changed(node: ast.AST) -> Iterator[str]:
    """Yield the names that one node of a tree plainly changes in place: ``x[0] = 1``, ``x.append(1)``, ``x += …``."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = [part for target in node.targets for part in ast.walk(target) if isinstance(part, ast.expr)]
    elif isinstance(node, ast.Delete):
        targets = [*node.targets]
    elif isinstance(node, ast.AugAssign):
        targets = [node.target]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        targets = [node.value.func]
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr in _CHANGING_METHODS or any(keyword.arg == "inplace" for keyword in node.keywords))
    ):
        targets = [node.func]
    for target in targets:
        inner: ast.expr = target
        while isinstance(inner, ast.Attribute | ast.Subscript):
            inner = inner.value
        if inner is not target and isinstance(inner, ast.Name):
            yield inner.id
