"""Pickling of a notebook's values so that they mean the same where they arrive.

What differs from plain cloudpickle:

- Code keeps its file name, by which a traceback finds its lines.
- A function defined in the notebook never takes its globals along: it is rebuilt with the *receiving* namespace as its
  globals, so it sees what the receiving side binds and sets. Closures keep the cells that they share.
- A class defined in the notebook is one class for each namespace, whenever and however often it arrives; a class that
  was changed after it had been sent brings its changes.
- pandas objects and notebook classes are *islands*: pickled on their own, so that what they share inside (an index, a
  method, copy-on-write memory) does not look like an alias between two values.
- numpy views of one array stay views of one array where the caller asks for it.
- A submodule that was imported below a package (``concurrent.futures``) is imported again with it.
"""

from __future__ import annotations

import functools
import io
import linecache
import os
import pickle
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterator
from typing import Any
from uuid import uuid4

import cloudpickle

from orchestra_nb.notebooks import value_unpickler as receiver

#: Buffers below this size travel inside the pickle: a frame of their own costs more than copying them.
OUT_OF_BAND_BYTES = 32 * 1024

_FUNCTION_ATTRIBUTES = (
    "__name__",
    "__qualname__",
    "__module__",
    "__doc__",
    "__defaults__",
    "__kwdefaults__",
    "__annotations__",
    "__type_params__",
)
_FILE_TYPES = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)

#: What a reducer answers the pickle module: a tuple, or NotImplemented for "as you would".
Reduced = Any
BufferCallback = Callable[[pickle.PickleBuffer], object]


class ValuePickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """Writes values of one notebook namespace.

    Parameters
    ----------
    used_names
        Identifiers in the code that will use the values; None for unknown. Decides which submodules are worth naming.
    shared_roots
        Ids of the arrays whose views are to stay views.
    is_island
        Whether what is written stands alone: no arrays are noted, and nothing in it is an island again.

    Attributes
    ----------
    views
        (array, the array that owns its memory) for each numpy array written outside an island.
    functions
        Ids of the functions that were written by value.
    """

    def __init__(
        self,
        file: io.BytesIO,
        namespace: dict[str, Any],
        *,
        buffer_callback: BufferCallback | None = None,
        used_names: Collection[str] | None = None,
        shared_roots: Collection[int] = frozenset(),
        is_island: bool = False,
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._namespace = namespace
        self._used_names = used_names
        self._shared_roots = shared_roots
        self._is_island = is_island
        # functions, no bound methods: the pickler must not hold itself, or all it met would live until the next gc
        self._handlers: dict[type, Callable[[ValuePickler, Any], Reduced] | None] = {}
        self.views: list[tuple[Any, Any]] = []
        self.functions: set[int] = set()

    def reducer_override(self, obj: Any) -> Reduced:
        """Say how an object that is no plain built-in value is written; called by the pickle module."""
        kind = type(obj)
        try:
            handler = self._handlers[kind]
        except KeyError:
            handler = self._handlers[kind] = self._handler_for(kind)
        return super().reducer_override(obj) if handler is None else handler(self, obj)

    def _handler_for(self, kind: type) -> Callable[[ValuePickler, Any], Reduced] | None:
        if issubclass(kind, type):
            return ValuePickler._reduce_class
        if kind in _HANDLERS:
            return _HANDLERS[kind]
        if issubclass(kind, _FILE_TYPES) or kind in (type(sys.stdout), type(sys.stderr)):
            return _reduce_file
        if not self._is_island:
            numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
            if numpy is not None and kind is getattr(numpy, "ndarray", None):
                return ValuePickler._reduce_array
            if pandas is not None and issubclass(kind, _pandas_types(pandas)):
                return ValuePickler._reduce_island
        return None

    def _reduce_function(self, function: types.FunctionType) -> Reduced:
        if function.__globals__ is not self._namespace:
            reduced = super().reducer_override(function)
            if isinstance(reduced, tuple):
                self.functions.add(id(function))
            return reduced
        self.functions.add(id(function))
        attributes = {name: getattr(function, name) for name in _FUNCTION_ATTRIBUTES if hasattr(function, name)}
        modules = tuple(self._submodules_used_by(function))
        arguments = (function.__code__, function.__closure__, _source_of(function.__code__), modules)
        state = (attributes, function.__dict__)
        return receiver.rebuild_function, arguments, state, None, None, receiver.restore_function

    def _reduce_code(self, code: types.CodeType) -> Reduced:
        # cloudpickle from 3.1.3 on leaves the file name out: a traceback would not find the notebook's lines
        make, arguments = self.dispatch_table[types.CodeType](code)
        return receiver.rebuild_code, (code.co_filename, make, arguments)

    def _submodules_used_by(self, function: types.FunctionType) -> Iterator[str]:
        names = set(_names_in(function.__code__))
        for name in sorted(names):
            value = self._namespace.get(name)
            if isinstance(value, types.ModuleType):
                yield from _loaded_below(value.__name__, names)

    def _reduce_module(self, module: types.ModuleType) -> Reduced:
        if sys.modules.get(module.__name__) is not module or module.__name__ == "__main__":
            return super().reducer_override(module)
        below = tuple(_loaded_below(module.__name__, self._used_names))
        return receiver.rebuild_module, (module.__name__, below, self._used_names is not None)

    def _reduce_class(self, cls: type) -> Reduced:
        reduced = super().reducer_override(cls)
        if not (isinstance(reduced, tuple) and len(reduced) == 6):
            return reduced  # by reference
        if not self._is_island:
            return self._reduce_island(cls)
        make, arguments, (attributes, slots), _, _, set_state = reduced
        with receiver.class_lock:
            class_id = receiver.class_id_of(cls, lambda: uuid4().hex)
            record = receiver.known_classes(self._namespace).setdefault(class_id, receiver.ClassRecord(cls))
            record.notice_changes()
            stamp, changed = record.stamp, record.changed
        # cloudpickle's own class tracker (the id before last) is left out: it knows one class a process
        head = (class_id, stamp, changed, make, (*arguments[:-2], None, arguments[-1]))
        return receiver.open_class, head, (attributes, slots, set_state), None, None, receiver.fill_class

    def _reduce_island(self, obj: object) -> Reduced:
        file, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
        pickler = ValuePickler(
            file, self._namespace, buffer_callback=keep_large(buffers), used_names=self._used_names, is_island=True
        )
        pickler.dump(obj)
        return receiver.load_island, (pickle.PickleBuffer(file.getvalue()), *buffers)

    def _reduce_array(self, array: Any) -> Reduced:
        root = array
        while type(root.base) is type(array):
            root = root.base
        # what was rebuilt from a pickle lies in a buffer, which only this array and its views have
        if root.base is None or isinstance(root.base, memoryview):
            self.views.append((array, root))
            if root is not array and id(root) in self._shared_roots:
                start = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
                return receiver.rebuild_view, (
                    root,
                    array.dtype,
                    array.shape,
                    array.strides,
                    start,
                    array.flags.writeable,
                )
        return NotImplemented


def keep_large(buffers: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """Return a ``buffer_callback`` that keeps large buffers out of the pickle, in this list."""

    def keep(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < OUT_OF_BAND_BYTES:
            return True
        buffers.append(buffer)
        return False

    return keep


def _source_of(code: types.CodeType) -> tuple[str, str] | None:
    """Return (file name, source) of code that lives in linecache alone."""
    entry = linecache.cache.get(code.co_filename)
    if entry is None or len(entry) != 4 or entry[1] is not None or os.path.exists(code.co_filename):
        return None
    return code.co_filename, "".join(entry[2])


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _loaded_below(package: str, used_names: Collection[str] | None) -> Iterator[str]:
    """Yield the loaded submodules of a package whose names are all among the used ones (all for None)."""
    prefix = package + "."
    for name in sorted(name for name in list(sys.modules) if name.startswith(prefix)):
        if sys.modules.get(name) is not None and (
            used_names is None or all(part in used_names for part in name[len(prefix) :].split("."))
        ):
            yield name


def _pandas_types(pandas: types.ModuleType) -> tuple[type, ...]:
    try:
        return (pandas.DataFrame, pandas.Series, pandas.Index)
    except AttributeError:  # being imported by another thread
        return ()


def _reduce_cell(_: ValuePickler, cell: types.CellType) -> Reduced:
    try:
        content = cell.cell_contents
    except ValueError:  # never assigned
        return receiver.new_cell, ()
    # the content is set afterwards, so that a function may contain itself
    return receiver.new_cell, (), (content,), None, None, receiver.fill_cell


def _reduce_method(_: ValuePickler, method: types.MethodType) -> Reduced:
    owner, name = method.__self__, getattr(method.__func__, "__name__", "")
    try:
        is_plain = getattr(owner, name) == method
    except Exception:  # an attribute of the user's class may raise anything
        is_plain = False
    return (getattr, (owner, name)) if is_plain else (types.MethodType, (method.__func__, owner))


def _reduce_cached(_: ValuePickler, function: Any) -> Reduced:
    inner = function.__wrapped__
    if getattr(inner, "__module__", None) != "__main__":
        return NotImplemented
    attributes = {name: value for name, value in function.__dict__.items() if name != "__wrapped__"}
    return receiver.rebuild_cached, (inner, function.cache_parameters()), attributes or None


def _reduce_new_type(_: ValuePickler, new_type: Any) -> Reduced:
    if new_type.__module__ != "__main__":
        return NotImplemented
    return receiver.rebuild_new_type, (new_type.__name__, new_type.__supertype__, new_type.__module__)


def _reduce_file(_: ValuePickler, file: Any) -> Reduced:
    for name in ("stdout", "stderr", "stdin"):
        if file is getattr(sys, name) or file is getattr(sys, f"__{name}__"):
            return getattr, (sys, name)
    if isinstance(file, _FILE_TYPES):
        raise pickle.PicklingError(f"cannot pickle the open file {getattr(file, 'name', '')!r}")
    return NotImplemented


_HANDLERS: dict[type, Callable[[ValuePickler, Any], Reduced]] = {
    types.FunctionType: ValuePickler._reduce_function,
    types.CodeType: ValuePickler._reduce_code,
    types.ModuleType: ValuePickler._reduce_module,
    types.CellType: _reduce_cell,
    types.MethodType: _reduce_method,
    functools._lru_cache_wrapper: _reduce_cached,
    typing.NewType: _reduce_new_type,
}
