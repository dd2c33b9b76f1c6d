"""A stable hash of a value's content: equal in every process, kernel and machine, whatever its hash seed.

Two values have one fingerprint when they have the same types and the same content all the way down; whether they share
objects does not count, nor does the order of a dict or a set. The walk goes by structure and never by pickle, whose
bytes depend on order and identity.

What is hashed: plain values and containers; numpy, pandas and pyarrow (``data_encodings``); functions, classes and
modules of the user with all that they use (``code_encodings``); any other object by its class and the state that it
gives to pickle. An object may stand for another value: its method ``__orchestra_fingerprint__()`` returns that.

Cycles. A value without one is walked as a tree, and each object is hashed once. When an object is met inside itself,
the walk starts again as pickle would: objects are counted as they are met, and met again they are their number. Which
of the two happens depends on the value alone.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import logging
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import xxhash

from orchestra_nb.errors import ValueNotHashable
from orchestra_nb.model import code_encodings, data_encodings
from orchestra_nb.model.code_encodings import Apart
from orchestra_nb.model.encodings import SCALARS, NotEncodable, digest, of_buffer, of_text

#: Part of every fingerprint: a change of the encodings must change it.
_FORMAT = b"1:"

_HOOK = "__orchestra_fingerprint__"

_CodeNode = types.FunctionType | type | types.ModuleType
_Handler = Callable[["_Walk", Any], bytes]


def fingerprint(value: object, *, name: str = "value", functions: list[types.FunctionType] | None = None) -> str:
    """Return the fingerprint of a value, 32 hexadecimal digits. O(size of the value).

    Functions and classes of the user keep their fingerprint within one minor version of Python, all else across them.

    Parameters
    ----------
    name
        What messages call the value.
    functions
        Gets the user's functions whose code counts, so that the caller can look at what they import.

    Raises
    ------
    ValueNotHashable
        Something in it has no content: a lock, a connection, a generator. The message names the way to it.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": {2, 3}}) == fingerprint({"b": {3, 2}, "a": 1})
    True
    >>> fingerprint(1) == fingerprint(1.0)
    False
    """
    return _fingerprint(value, name, None, functions)


def fingerprint_apart(value: object, apart: Apart, *, name: str = "value") -> str:
    """Return the fingerprint of a value alone: of what its functions use of a notebook only the names count.

    The order of a dict counts here.

    What was met goes into ``apart``. Together with the fingerprints of these names, and of those that they use in their
    turn, it says as much as :func:`fingerprint`; but it stays the same when one of them is bound anew.

    Raises
    ------
    ValueNotHashable
        As :func:`fingerprint`.
    """
    return _fingerprint(value, name, apart)


def _fingerprint(
    value: object, name: str, apart: Apart | None, functions: list[types.FunctionType] | None = None
) -> str:
    try:
        try:
            encoding = _Walk(apart=apart, functions=functions).encode(value)
        except _CycleFound:
            encoding = _Walk(counts_objects=True, apart=apart, functions=functions).encode(value)
    except NotEncodable as error:
        raise ValueNotHashable(
            f"{error.path(name)} (type {error.type_name}) has no fingerprint: {error.reason.rstrip('.')}. "
            "Leave it out of the cache key, or make it where it is used."
        ) from error.__cause__
    except RecursionError:
        raise ValueNotHashable(
            f"{name} (type {type(value).__name__}) has no fingerprint: it is nested too deeply. Flatten it."
        ) from None
    return xxhash.xxh3_128_hexdigest(_FORMAT + encoding)


class _CycleFound(BaseException):
    """An object is inside itself; no Exception, for code of the user may run in between."""


class _Walk:
    """One walk over a value. Not for several threads.

    Parameters
    ----------
    counts_objects
        Whether objects are counted and may be met again; else :class:`_CycleFound` is raised when one is inside itself.
    """

    def __init__(
        self,
        *,
        counts_objects: bool = False,
        apart: Apart | None = None,
        functions: list[types.FunctionType] | None = None,
    ) -> None:
        self._apart = apart
        self._functions = functions
        self._is_in_table = False
        self._handlers: dict[type, _Handler] = {}
        self._cached_names: dict[type, frozenset[str]] = {}
        self._memo: dict[int, tuple[bytes, object]] = {}
        self._kept: list[object] = []  # so that no id is used twice
        self._open: set[int] = set()
        self._numbers: dict[int, int] | None = {} if counts_objects else None
        # functions, classes and modules that the outermost one of them uses, in the order in which they are met
        self._code_nodes: list[_CodeNode] | None = None
        self._code_numbers: dict[int, int] = {}
        self._code_met = 0
        self._is_unordered = False

    def encode(self, value: object) -> bytes:
        """Return the encoding of any value."""
        kind = type(value)
        scalar = SCALARS.get(kind)
        if scalar is not None:
            return scalar(value)
        handler = self._handlers.get(kind)
        if handler is None:
            handler = self._handlers[kind] = _handler_for(kind)
        if handler in _LEAVES:
            return handler(self, value)
        return self._visit(value, handler)

    def _visit(self, value: object, handler: _Handler) -> bytes:
        key = id(value)
        known = self._memo.get(key)
        if known is not None:
            return known[0]
        if self._numbers is not None:
            if type(value) is tuple:
                return handler(self, value)  # whether two tuples are one object is Python's choice, not the user's
            if key in self._numbers:
                return b"@%d;" % self._numbers[key]
        if key in self._open:
            if self._numbers is None:
                raise _CycleFound
            raise NotEncodable(type(value).__name__, "it is in a set, or a key of a dict, that it refers back to")
        if self._numbers is not None:
            self._numbers[key] = len(self._numbers)
        self._open.add(key)
        self._kept.append(value)
        code_met = self._code_met
        was_in_table = self._is_in_table
        if self._apart is not None and not was_in_table:
            self._note_object(value, self._apart)
        try:
            encoding = handler(self, value)
        finally:
            self._open.discard(key)
            self._is_in_table = was_in_table
        if self._numbers is None and (self._code_nodes is None or self._code_met == code_met):
            self._memo[key] = encoding, value
        return encoding

    def _note_object(self, value: Any, apart: Apart) -> None:
        """Note an object by which two values may share what is changed; what is within a table is the table's own."""
        kind = type(value)
        if kind in _UNCHANGEABLE or kind.__module__ in _UNCHANGEABLE_MODULES or issubclass(kind, _UNCHANGEABLE_BASES):
            return
        package = kind.__module__.partition(".")[0]
        if package == "numpy" and not hasattr(value, "setflags"):
            return  # a scalar, a type
        apart.objects[id(value)] = value
        if package == "pandas":
            self._is_in_table = True
        elif package == "numpy":
            root = value
            while type(getattr(root, "base", None)) is kind:
                root = root.base
            apart.objects[id(root)] = root

    def code_node(self, node: _CodeNode) -> bytes:
        """Return the encoding of a function, class or module of the user.

        The outermost one is encoded with all that it uses, directly or not; inside, each is its number. So functions
        that call each other, and hundreds of them, cost one visit each.
        """
        self._code_met += 1
        key = id(node)
        if self._code_nodes is not None:
            if self._is_unordered:
                return code_encodings.outline(node)
            if key not in self._code_numbers:
                self._code_numbers[key] = len(self._code_nodes)
                self._code_nodes.append(node)
            return b"&%d;" % self._code_numbers[key]
        known = self._memo.get(key)
        if known is not None:
            return known[0]
        before = self._open, self._numbers, self._is_unordered
        self._open, self._is_unordered = set(), False
        self._numbers = None if self._numbers is None else {}
        self._code_nodes, self._code_numbers = [node], {key: 0}
        try:
            parts = []
            for met in self._code_nodes:  # grows meanwhile
                if self._functions is not None and isinstance(met, types.FunctionType):
                    self._functions.append(met)
                parts.append(code_encodings.of_code_node(self.encode, met, self._apart))
            encoding = digest(b"code", parts)
        finally:
            self._open, self._numbers, self._is_unordered = before
            self._code_nodes, self._code_numbers = None, {}
        self._memo[key] = encoding, node
        return encoding

    def unordered(self, values: Iterable[object], step: str) -> list[bytes]:
        """Return the encodings of what has no order, sorted: none of them depends on what was met before."""
        before = self._numbers, self._is_unordered
        self._is_unordered = True
        try:
            encodings = []
            for value in values:
                if self._numbers is not None:
                    self._numbers = {}
                encodings.append(self.at(step, value))
        finally:
            self._numbers, self._is_unordered = before
        encodings.sort()
        return encodings

    def at(self, step: str, value: object) -> bytes:
        """Return the encoding of a part, with the step to it in what is raised."""
        try:
            return self.encode(value)
        except NotEncodable as error:
            error.steps.append(step)
            raise

    def sequence(self, values: Iterable[object]) -> list[bytes]:
        """Return the encodings of what stands one after another."""
        encodings: list[bytes] = []
        try:
            for value in values:
                encodings.append(self.encode(value))
        except NotEncodable as error:
            error.steps.append(f"[{len(encodings)}]")
            raise
        return encodings

    def pairs(self, items: Iterable[tuple[object, object]]) -> list[bytes]:
        """Return the encodings of a mapping's keys and values, whatever its order."""
        keyed: list[tuple[bytes, object, object]] = []
        for key, value in items:
            [encoding] = [of_text(key)] if type(key) is str else self.unordered([key], " key")
            keyed.append((encoding, key, value))
        keyed.sort(key=_first)
        encodings: list[bytes] = []
        for encoding, key, value in keyed:
            encodings += (encoding, self.at(f"[{_short(key)}]", value))
        return encodings

    def of_dict(self, value: dict[object, object]) -> bytes:
        """Return the encoding of a dict; of one in a notebook the order counts, in which a later cell may show it."""
        pairs = self.pairs(value.items())
        if self._apart is not None:
            pairs += [of_text(key) if type(key) is str else self.unordered([key], " key")[0] for key in value]
        return digest(b"dict", pairs)

    def state(self, kind: type, state: object) -> bytes:
        """Return the encoding of an object's state, without what ``cached_property`` keeps there."""
        if not isinstance(state, Mapping):
            if (
                isinstance(state, tuple)
                and len(state) == 2
                and all(part is None or isinstance(part, dict) for part in state)
            ):
                return digest(b"state", [self.state(kind, part) for part in state])
            return self.encode(state)
        cached = self._cached_names.get(kind)
        if cached is None:
            cached = self._cached_names[kind] = frozenset(
                name
                for base in kind.__mro__
                for name, attribute in base.__dict__.items()
                if isinstance(attribute, functools.cached_property)
            )
        encodings: list[bytes] = []
        for name, value in sorted(state.items(), key=lambda item: str(item[0])):
            if name not in cached:
                encodings += (self.encode(name), self.at(f".{name}", value))
        return digest(b"attributes", encodings)


def _handler_for(kind: type) -> _Handler:
    if kind in _EXACT:
        return _EXACT[kind]
    if issubclass(kind, type):
        return _of_class
    if hasattr(kind, _HOOK):
        return lambda walk, value: digest(b"stands for", [walk.encode(getattr(value, _HOOK)())])
    data = data_encodings.find_encoder(kind)
    if data is not None:
        return lambda walk, value: data(walk.encode, value)
    return next((handler for base, handler in _BY_BASE if issubclass(kind, base)), _of_object)


def _of_object(walk: _Walk, value: Any) -> bytes:
    """Encode an object by what pickle would make it from."""
    kind = type(value)
    try:
        # of exceptions tblib, which Dask loads, registers a way that takes the traceback along
        reducer = None if isinstance(value, BaseException) else copyreg.dispatch_table.get(kind)
        reduced: Any = value.__reduce_ex__(4) if reducer is None else reducer(value)
    except RecursionError:
        raise
    except Exception as error:  # code of any class runs here
        raise NotEncodable(kind.__name__, " ".join(str(error).split())[:200] or type(error).__name__) from error
    if isinstance(reduced, str):
        return _of_name(walk, getattr(value, "__module__", None) or kind.__module__, reduced)
    function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    if function is getattr(copyreg, "__newobj__", None):
        head = [walk.encode(arguments[0]), *walk.sequence(arguments[1:])]
    else:
        head = [walk.encode(function), *walk.sequence(arguments)]
    parts = [digest(b"made", head)]
    if state is not None:
        parts.append(walk.state(kind, state))
    if items is not None:
        parts.append(digest(b"items", walk.sequence(items)))
    if pairs is not None:
        pairs = list(pairs)
        parts.append(digest(b"pairs", walk.pairs(pairs)))
        if isinstance(value, OrderedDict):  # its order is part of what it is
            parts.append(digest(b"order", walk.sequence(key for key, _ in pairs)))
    return digest(b"object", parts)


def _of_set(walk: _Walk, value: Any) -> bytes:
    base = frozenset if isinstance(value, frozenset) else set
    parts = walk.unordered(base.__iter__(value), "{…}")
    if type(value) is not base:
        parts += (walk.encode(type(value)), walk.state(type(value), getattr(value, "__dict__", {})))
    return digest(base.__name__.encode(), parts)


def _of_function(walk: _Walk, value: types.FunctionType) -> bytes:
    if "<" not in value.__qualname__ and not code_encodings.is_users(value.__module__):
        return code_encodings.of_installed(value.__module__, value.__qualname__)
    return walk.code_node(value)


def _of_class(walk: _Walk, value: type) -> bytes:
    if not code_encodings.is_users(value.__module__):
        return code_encodings.of_installed(value.__module__, value.__qualname__)
    return walk.code_node(value)


def _of_module(walk: _Walk, value: types.ModuleType) -> bytes:
    if not code_encodings.is_users(value.__name__):
        return code_encodings.of_installed(value.__name__, "")
    return walk.code_node(value)


def _of_builtin(walk: _Walk, value: types.BuiltinFunctionType) -> bytes:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return code_encodings.of_installed(value.__module__ or "builtins", value.__qualname__)
    return digest(b"method", [of_text(value.__name__), walk.at(".__self__", owner)])


def _of_method(walk: _Walk, value: types.MethodType) -> bytes:
    return digest(b"method", [walk.encode(value.__func__), walk.at(".__self__", value.__self__)])


def _of_descriptor(walk: _Walk, value: Any) -> bytes:
    return digest(b"descriptor", [of_text(value.__name__), walk.encode(value.__objclass__)])


def _of_name(_: _Walk, module: str, name: str) -> bytes:
    return code_encodings.of_installed(module, name)


def _of_parts(tag: bytes, *attributes: str) -> _Handler:
    """Return what encodes an object by some of its attributes."""

    def encode(walk: _Walk, value: Any) -> bytes:
        return digest(tag, [walk.at(f".{name}", getattr(value, name)) for name in attributes])

    return encode


def _of_cached_function(walk: _Walk, value: Any) -> bytes:
    return digest(b"cached", [walk.encode(value.__wrapped__), walk.encode(value.cache_parameters())])


def _of_enum(walk: _Walk, value: enum.Enum) -> bytes:
    parts = [walk.encode(type(value)), of_text(str(value.name))]
    return digest(b"enum", [*parts, walk.at(".value", value.value)])


def _of_path(_: _Walk, value: PurePath) -> bytes:
    return digest(b"path", [of_text(value.as_posix())])


def _first(keyed: tuple[bytes, object, object]) -> bytes:
    return keyed[0]


def _short(key: object) -> str:
    text = repr(key)
    return text if len(text) <= 40 else text[:39] + "…"


#: Exact type to what encodes its values.
_EXACT: dict[type, _Handler] = {
    list: lambda walk, value: digest(b"list", walk.sequence(value)),
    tuple: lambda walk, value: digest(b"tuple", walk.sequence(value)),
    dict: lambda walk, value: walk.of_dict(value),
    set: _of_set,
    frozenset: _of_set,
    bytearray: lambda _, value: of_buffer(b"a", bytes(value)),
    range: _of_parts(b"range", "start", "stop", "step"),
    slice: _of_parts(b"slice", "start", "stop", "step"),
    types.MappingProxyType: lambda walk, value: digest(b"proxy", walk.pairs(value.items())),
    types.FunctionType: _of_function,
    types.ModuleType: _of_module,
    types.BuiltinFunctionType: _of_builtin,
    types.MethodType: _of_method,
    types.MethodDescriptorType: _of_descriptor,
    types.WrapperDescriptorType: _of_descriptor,
    types.ClassMethodDescriptorType: _of_descriptor,
    types.GetSetDescriptorType: _of_descriptor,
    types.MemberDescriptorType: _of_descriptor,
    functools.partial: _of_parts(b"partial", "func", "args", "keywords"),
    functools.cached_property: _of_parts(b"cached property", "func"),
    functools._lru_cache_wrapper: _of_cached_function,
    property: _of_parts(b"property", "fget", "fset", "fdel"),
    classmethod: _of_parts(b"class method", "__func__"),
    staticmethod: _of_parts(b"static method", "__func__"),
}

#: Types of which two values may share an object, and nobody can change it there.
_UNCHANGEABLE = frozenset(
    {
        tuple,
        frozenset,
        range,
        slice,
        types.BuiltinFunctionType,
        types.MethodType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        functools.partial,
        property,
        classmethod,
        staticmethod,
    }
)

_UNCHANGEABLE_MODULES = frozenset(
    {"datetime", "decimal", "fractions", "uuid", "re", "zoneinfo", "pathlib", "typing", "ipaddress", "numpy.dtypes"}
)
_UNCHANGEABLE_BASES = (enum.Enum, type, types.ModuleType, types.FunctionType, logging.Logger)

#: Handlers of what can hold no other value, or sees to that itself.
_LEAVES = frozenset({_of_function, _of_class, _of_module, _of_path})

_BY_BASE: tuple[tuple[type, _Handler], ...] = (
    (enum.Enum, _of_enum),
    (set, _of_set),
    (frozenset, _of_set),
    (PurePath, _of_path),
    (types.ModuleType, _of_module),
)
