"""What the objects in a notebook's namespace tell the analysis: their kinds, and the functions within them.

Nothing of the user's is called: types, code objects and plain containers are looked at, attributes only through
``__dict__``.
"""

from __future__ import annotations

import ast
import builtins
import dis
import functools
import linecache
import types
from collections.abc import Iterator, Mapping
from typing import Final, TypeGuard, TypeVar
from weakref import WeakKeyDictionary

from orchestra_nb.notebooks import mutations
from orchestra_nb.notebooks.known_values import NEW, Effects, Home, Routine, Value

_BUILTIN_NAMES: Final = frozenset(dir(builtins))
_IMMUTABLE_TYPES: Final = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    range,
    type(Ellipsis),
    type(NotImplemented),
)
#: Dotted paths of immutable types of libraries, looked up along the method resolution order.
_IMMUTABLE_PATHS: Final = frozenset(
    """
    numpy.generic numpy.dtype pandas._libs.tslibs.timestamps.Timestamp pandas._libs.tslibs.timedeltas.Timedelta
    pandas._libs.tslibs.period.Period datetime.date datetime.time datetime.timedelta datetime.tzinfo decimal.Decimal
    fractions.Fraction uuid.UUID pathlib.PurePath pathlib._local.PurePath enum.Enum re.Pattern re.Match
    """.split()
)
#: ``Py_TPFLAGS_IMMUTABLETYPE``: a type written in C.
_STATIC_TYPE: Final = 1 << 8
#: How many objects are looked at in search of functions within one value.
_SEARCH_LIMIT: Final = 200
_SEARCH_DEPTH: Final = 3

_T = TypeVar("_T")
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_nodes: WeakKeyDictionary[types.CodeType, _FunctionNode | None] = WeakKeyDictionary()


class UnknownNotebook:
    """The surroundings of a cell of which only the source is known: builtins, and modules by their usual names."""

    def outer_value(self, name: str) -> Value:
        """Return what is known of a name."""
        if name in mutations.CONVENTIONAL_MODULES:
            return Value(path=mutations.CONVENTIONAL_MODULES[name])
        if name in _BUILTIN_NAMES:
            return Value(path=f"builtins.{name}")
        return Value(roots=frozenset((name,)))


class LiveNotebook:
    """The surroundings of a cell whose namespace is at hand.

    Parameters
    ----------
    namespace
        The globals of the notebook's functions, the very dictionary.
    """

    def __init__(self, namespace: Mapping[str, object]) -> None:
        self._namespace = namespace
        self._values: dict[str, Value] = {}
        self._routines: dict[int, Routine] = {}
        #: ids of wrappers that are being looked into, or hold nothing: they may hold each other
        self._looked_into: set[int] = set()
        #: the scope of the cell, to which the free names of all functions of the notebook belong
        self.home: Home = self

    def outer_value(self, name: str) -> Value:
        """Return what is known of a name."""
        value = self._values.get(name)
        if value is None:
            if name in self._namespace:
                value = self._describe(name, self._namespace[name])
            else:
                value = UnknownNotebook().outer_value(name)
                if value.path is not None and not value.path.startswith("builtins."):
                    value = Value(roots=frozenset((name,)))
            self._values[name] = value
        return value

    def _describe(self, name: str, thing: object) -> Value:
        if is_immutable(thing):
            return NEW
        if _is(thing, types.ModuleType):
            return Value(path=thing.__name__)
        routine = self._routine(thing)
        if routine is not None:
            return Value(routines=(routine,))
        if _is(thing, functools.partial):
            return Value(routines=tuple(self._routines_within(thing)), path=_path_of(thing.func))
        if _is(thing, type) or _is_library_function(thing):
            return Value(path=_path_of(thing))
        roots = frozenset((name,))
        kind = type(thing)
        if (kind.__module__ or "").startswith("orchestra_nb."):
            # stands for a value that is not here yet: nothing is known of it but what its task's code says
            said = getattr(thing, "_kind", None)
            return Value(roots=roots, kind=said if isinstance(said, str) else None)
        instance_of = self._routine(kind)
        if instance_of is not None:
            routines = tuple(self._routines_within(thing))
            return Value(roots=roots, instance_of=instance_of, routines=routines, kind="__main__")
        package = (kind.__module__ or "").partition(".")[0]
        return Value(roots=roots, routines=tuple(self._routines_within(thing)), package=package, kind=package)

    def _routine(self, thing: object) -> Routine | None:
        """Return a function, method or class of the notebook as a routine."""
        if _is(thing, types.FunctionType):
            if thing.__globals__ is self._namespace:
                return self._function(thing)
            wrapped = thing.__dict__.get("__wrapped__")
            if _is(wrapped, types.FunctionType) or thing.__closure__:
                return self._wrapper(thing)
            return None
        if _is(thing, types.MethodType):
            routine = self._routine(thing.__func__)
            return None if routine is None else self._union(thing, thing.__func__, thing.__self__)
        if _is(thing, type):
            return self._class(thing)
        wrapped = getattr(thing, "__wrapped__", None) if type(thing).__module__ == "functools" else None
        return self._routine(wrapped) if wrapped is not None else None  # functools.lru_cache

    def _function(self, function: types.FunctionType) -> Routine:
        known = self._routines.get(id(function))
        if known is not None:
            return known
        node = find_definition(function.__code__)
        routine = Routine(function.__name__, node, self.home)
        self._routines[id(function)] = routine
        if node is None:
            routine.effects = effects_of_code(function.__code__)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
        routine.closure = {name: Value(routines=tuple(self._in_cell(cell))) for name, cell in cells}
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        routine.bases = tuple(found for default in defaults for found in self._routines_within(default))
        return routine

    def _in_cell(self, cell: types.CellType) -> Iterator[Routine]:
        try:
            content = cell.cell_contents
        except ValueError:  # not yet bound
            return
        yield from self._routines_within(content)

    def _wrapper(self, function: types.FunctionType) -> Routine | None:
        """Return a library's wrapper around functions of the notebook as a routine: it may call them."""
        inside = [function.__dict__.get("__wrapped__"), *_cell_contents(function)]
        return self._union(function, *inside)

    def _union(self, key: object, *things: object) -> Routine | None:
        """Return a routine that may call all functions of the notebook within the things."""
        known = self._routines.get(id(key))
        if known is not None:
            return known
        if id(key) in self._looked_into:
            return None
        self._looked_into.add(id(key))
        found = tuple(routine for thing in things for routine in self._routines_within(thing))
        if not found:
            return None
        changes = any(routine.effects is None or routine.effects.changes_arguments for routine in found)
        effects = Effects(changes_arguments=changes)
        routine = Routine("<wrapper>", None, self.home, bases=found, is_exact=False, effects=effects)
        self._routines[id(key)] = routine
        return routine

    def _class(self, kind: type) -> Routine | None:
        known = self._routines.get(id(kind))
        if known is not None:
            return known
        if kind.__module__ in ("builtins", "numpy", "pandas") or kind.__flags__ & _STATIC_TYPE:
            return None
        functions = {
            name: function
            for base in reversed(kind.__mro__)
            for name, member in vars(base).items()
            if (function := _plain_function(member)) is not None and function.__globals__ is self._namespace
        }
        is_of_notebook = bool(functions) or kind.__module__ == self._namespace.get("__name__")
        if not is_of_notebook:
            return None
        routine = Routine(kind.__name__, None, self.home, is_class=True)
        self._routines[id(kind)] = routine
        routine.methods = {name: self._function(function) for name, function in functions.items()}
        return routine

    def _routines_within(self, thing: object) -> list[Routine]:
        """Return the functions and classes of the notebook that a value is or holds."""
        found: list[Routine] = []
        seen: set[int] = set()
        pending: list[tuple[object, int]] = [(thing, 0)]
        while pending and len(seen) < _SEARCH_LIMIT:
            item, depth = pending.pop()
            if id(item) in seen or is_immutable(item) or _is(item, types.ModuleType):
                continue
            seen.add(id(item))
            routine = self._routine(item)
            if routine is None and not _is_code(item):
                routine = self._class(type(item))
            if routine is not None:
                found.append(routine)
            if depth < _SEARCH_DEPTH and not _is_code(item):
                pending.extend((part, depth + 1) for part in _parts(item))
        return found


def is_immutable(thing: object) -> bool:
    """Tell whether nothing can change this object in place."""
    kind = type(thing)
    if kind in _IMMUTABLE_TYPES:
        return True
    if kind in (tuple, frozenset):
        items = thing
        return len(items) <= 100 and all(is_immutable(item) for item in items)  # type: ignore[arg-type, attr-defined]
    return any(f"{base.__module__}.{base.__qualname__}" in _IMMUTABLE_PATHS for base in kind.__mro__)


def find_definition(code: types.CodeType) -> _FunctionNode | None:
    """Return the definition that a code object was compiled from, where its source is known and unambiguous."""
    if code in _nodes:
        return _nodes[code]
    lines = linecache.getlines(code.co_filename)
    node = None
    if lines:
        candidates = _definitions("".join(lines)).get((code.co_name, code.co_firstlineno), [])
        node = candidates[0] if len(candidates) == 1 else None
    _nodes[code] = node
    return node


@functools.lru_cache(maxsize=256)
def _definitions(source: str) -> dict[tuple[str, int], list[_FunctionNode]]:
    """Return (name, first line with decorators) to the functions of a source."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    found: dict[tuple[str, int], list[_FunctionNode]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            found.setdefault(("<lambda>", node.lineno), []).append(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.setdefault((node.name, first), []).append(node)
    return found


def effects_of_code(code: types.CodeType) -> Effects:
    """Return what a function without a source does, from its instructions: all that it touches it may change."""
    reads: set[str] = set()
    binds: set[str] = set()
    deletes: set[str] = set()
    pending = [code]
    while pending:
        current = pending.pop()
        for instruction in dis.get_instructions(current):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                reads.add(str(instruction.argval))
            elif instruction.opname == "STORE_GLOBAL":
                binds.add(str(instruction.argval))
            elif instruction.opname == "DELETE_GLOBAL":
                deletes.add(str(instruction.argval))
        pending.extend(constant for constant in current.co_consts if isinstance(constant, types.CodeType))
    namespace_functions = reads & {"exec", "eval", "globals"}
    reason = f"a function calls `{min(namespace_functions)}(…)`" if namespace_functions else None
    return Effects(
        reads=frozenset(reads),
        binds=frozenset(binds),
        deletes=frozenset(deletes),
        mutates=frozenset(reads),
        changes_arguments=True,
        opaque=reason,
    )


def _is(thing: object, kind: type[_T]) -> TypeGuard[_T]:
    """``isinstance`` that asks the type alone, never the object's own ``__class__``."""
    return issubclass(type(thing), kind)


def _is_code(thing: object) -> bool:
    return _is(thing, type) or _is(thing, types.FunctionType)


def _path_of(thing: object) -> str:
    """Return the dotted path of a function or class."""
    module = getattr(thing, "__module__", None) or type(thing).__module__
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or type(thing).__qualname__
    return f"{module}.{name}"


def _is_library_function(thing: object) -> bool:
    kinds = (types.FunctionType, types.MethodDescriptorType, types.MethodWrapperType)
    if _is(thing, types.BuiltinFunctionType):
        return isinstance(thing.__self__, types.ModuleType | type(None))  # else a bound method: [].append
    kind = type(thing)
    return issubclass(kind, kinds) or (
        kind.__module__ == "numpy" and kind.__name__ in ("ufunc", "_ArrayFunctionDispatcher")
    )


def _plain_function(member: object) -> types.FunctionType | None:
    """Return the function under ``staticmethod``, ``classmethod``, ``property`` and the like."""
    if _is(member, staticmethod) or _is(member, classmethod):
        member = member.__func__
    elif _is(member, property):
        member = member.fget
    elif _is(member, functools.cached_property):
        member = member.func
    return member if _is(member, types.FunctionType) else None


def _cell_contents(function: types.FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet bound
            continue


def _parts(thing: object) -> list[object]:
    """Return what a plain container or an object holds, without calling anything of it."""
    if _is(thing, functools.partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if _is(thing, types.MethodType):
        return [thing.__self__]
    kind = type(thing)
    if kind in (list, tuple, set, frozenset):
        return list(thing)[:_SEARCH_LIMIT]  # type: ignore[call-overload, no-any-return]
    if kind is dict:
        return list(thing.values())[:_SEARCH_LIMIT]  # type: ignore[attr-defined]
    if kind.__module__ in ("pandas.core.frame", "pandas.core.series", "pandas", "numpy", "threading"):
        return []
    try:
        attributes = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return []
    return list(attributes.values())[:_SEARCH_LIMIT] if type(attributes) is dict else []
