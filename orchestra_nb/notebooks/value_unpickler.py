"""The receiving half of :mod:`orchestra_nb.notebooks.value_pickler`: what rebuilds values for one namespace.

A pickle of ours names the functions below; they build for the namespace that :func:`receiving` set for this thread.
"""

from __future__ import annotations

import functools
import io
import linecache
import pickle
import sys
import threading
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NewType
from weakref import WeakKeyDictionary

from orchestra_nb.errors import ValueNotPortable

#: Where a namespace keeps the notebook classes it knows: id to :class:`ClassRecord`.
CLASSES_KEY = "__orchestra_classes__"
#: Guards the class records, of all namespaces.
class_lock = threading.RLock()

_class_ids: WeakKeyDictionary[type, str] = WeakKeyDictionary()


@dataclass(slots=True)
class ClassRecord:
    """A notebook class as one namespace knows it.

    Parameters
    ----------
    stamp
        Counts the changes since the class was made.
    changed
        The attributes that they touched.
    seen
        The class's dictionary when it was last sent or received, to notice the next change by identity.
    awaits
        The attributes that its content, which follows in the pickle, is to set: None for no, True for all.
    """

    cls: type
    stamp: int = 0
    changed: tuple[str, ...] = ()
    seen: dict[str, object] = field(default_factory=dict)
    awaits: tuple[str, ...] | bool | None = None

    def notice_changes(self) -> None:
        """Count a change if an attribute was set, replaced or deleted."""
        now = dict(self.cls.__dict__)
        names = {name for name in now.keys() | self.seen.keys() if now.get(name) is not self.seen.get(name)}
        if names and self.seen:
            self.stamp += 1
            self.changed = tuple(sorted({*self.changed, *names}))
        self.seen = now


class _Receiver(threading.local):
    """What the values of this thread are being rebuilt for."""

    namespace: dict[str, Any] | None = None
    used_names: Collection[str] | None = None


_receiver = _Receiver()


@contextmanager
def receiving(namespace: dict[str, Any], used_names: Collection[str] | None = None) -> Iterator[None]:
    """Rebuild what is unpickled in this thread for ``namespace``.

    ``used_names`` are the identifiers in the code that will use the values: they tell which submodules it needs.
    """
    before = _receiver.namespace, _receiver.used_names
    _receiver.namespace, _receiver.used_names = namespace, used_names
    try:
        with class_lock:
            yield
    finally:
        _receiver.namespace, _receiver.used_names = before
        records = known_classes(namespace)
        for class_id in [class_id for class_id, record in records.items() if record.awaits]:
            del records[class_id]  # half built when something failed


def load_value(data: Any, buffers: Iterable[Any] = ()) -> Any:
    """Return what :class:`ValuePickler` wrote, rebuilt for the namespace of :func:`receiving`.

    Raises
    ------
    ValueNotPortable
        This process lacks a module, or a module lacks a name; the message says which.
    """
    return _ValueUnpickler(_as_stream(data), buffers=iter(buffers)).load()


class _ValueUnpickler(pickle.Unpickler):
    """Finds names of ``__main__`` in the receiving namespace, and says what is missing."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "__main__" and "." not in name and name in namespace_in_use():
            return namespace_in_use()[name]
        try:
            return super().find_class(module, name)
        except ModuleNotFoundError as error:
            raise ValueNotPortable(
                f"it needs the module {error.name!r} (for {module}.{name}), which is not installed here"
            ) from error
        except (AttributeError, ImportError) as error:
            raise ValueNotPortable(f"it needs {module}.{name}, which is not there: {error}") from error


def _as_stream(data: Any) -> io.BytesIO:
    return io.BytesIO(data)  # shares the memory of bytes, copies other buffers


def known_classes(namespace: dict[str, Any]) -> dict[str, ClassRecord]:
    """Return the notebook classes that a namespace knows."""
    records: dict[str, ClassRecord] = namespace.setdefault(CLASSES_KEY, {})
    return records


def class_id_of(cls: type, new_id: Callable[[], str]) -> str:
    """Return the id that names a notebook class in every process."""
    class_id = _class_ids.get(cls)
    if class_id is None:
        class_id = _class_ids[cls] = new_id()
    return class_id


def remember_source(file_name: str, source: str) -> None:
    """Let tracebacks, warnings and ``inspect`` show the lines of code that was never a file."""
    # without a time of modification the entry is kept by linecache.checkcache
    linecache.cache[file_name] = (len(source), None, source.splitlines(keepends=True), file_name)


def namespace_in_use() -> dict[str, Any]:
    """Return the namespace that values of this thread are being rebuilt for."""
    if _receiver.namespace is None:
        raise ValueNotPortable("values of a notebook can only be unpacked by unpack_values()")
    return _receiver.namespace


# What a pickle names. Signatures are part of what travels between processes of one version.


def rebuild_function(
    code: types.CodeType,
    closure: tuple[types.CellType, ...] | None,
    source: tuple[str, str] | None,
    modules: tuple[str, ...],
) -> types.FunctionType:
    """Return a function without its attributes, whose globals are the receiving namespace."""
    if source is not None:
        remember_source(*source)  # also over an older text of the same cell
    _import_each(modules)
    return types.FunctionType(code, namespace_in_use(), code.co_name, None, closure)


def rebuild_code(file_name: str, make: Callable[..., types.CodeType], arguments: tuple[object, ...]) -> types.CodeType:
    """Return code with the file name that it had where it was written."""
    return make(*arguments).replace(co_filename=file_name)


def restore_function(function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Set the attributes of a function."""
    attributes, dictionary = state
    for name, value in attributes.items():
        setattr(function, name, value)
    function.__dict__.update(dictionary)


def rebuild_cached(function: Any, parameters: Mapping[str, Any]) -> Any:
    """Return the function under ``functools.lru_cache``, with an empty cache."""
    return functools.lru_cache(**parameters)(function)


def rebuild_new_type(name: str, supertype: Any, module: str) -> Any:
    """Return a ``typing.NewType``."""
    new_type = NewType(name, supertype)  # type: ignore[misc]
    new_type.__module__ = module
    return new_type


def new_cell() -> types.CellType:
    """Return a closure's cell without content."""
    return types.CellType()


def fill_cell(cell: types.CellType, content: tuple[object]) -> None:
    """Set the content of a closure's cell."""
    (cell.cell_contents,) = content


def rebuild_module(name: str, below: tuple[str, ...], is_chosen: bool) -> types.ModuleType:
    """Import a module, and those of its submodules that are used (all, where the sender has chosen)."""
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        raise ValueNotPortable(f"it needs the module {error.name!r}, which is not installed here") from error
    used = _receiver.used_names
    if is_chosen or used is not None:
        start = len(name) + 1
        _import_each(full for full in below if is_chosen or set(full[start:].split(".")).issubset(used or ()))
    return sys.modules[name]


def _import_each(names: Iterable[str]) -> None:
    for name in names:
        try:
            __import__(name)
        except ImportError:
            continue  # the attribute error at its use says it better, and it may never be used


def open_class(
    class_id: str, stamp: int, changed: tuple[str, ...], make: Callable[..., type], arguments: tuple[Any, ...]
) -> type:
    """Return the class with this id of the receiving namespace, made without content if it was not known."""
    records = known_classes(namespace_in_use())
    record = records.get(class_id)
    if record is None:
        with _without_subclass_hooks(arguments, records):
            record = records[class_id] = ClassRecord(make(*arguments), stamp, changed, awaits=True)
        _class_ids[record.cls] = class_id
    elif stamp > record.stamp:
        record.stamp, record.changed, record.awaits = stamp, changed, changed
    return record.cls


def fill_class(cls: type, state: tuple[dict[str, Any], dict[str, Any], Callable[..., object]]) -> None:
    """Give a class its content, unless the receiving namespace has it already."""
    attributes, slots, set_state = state
    record = known_classes(namespace_in_use()).get(_class_ids[cls])
    if record is None or record.awaits is None:
        return
    if isinstance(record.awaits, tuple):
        for name in record.awaits:
            if name not in attributes and name in cls.__dict__ and not name.startswith("__"):
                delattr(cls, name)
        attributes = {name: value for name, value in attributes.items() if name in record.awaits}
    set_state(cls, (attributes, slots))
    record.awaits, record.seen = None, dict(cls.__dict__)


@contextmanager
def _without_subclass_hooks(arguments: tuple[Any, ...], records: Mapping[str, ClassRecord]) -> Iterator[None]:
    """Make a notebook class without calling ``__init_subclass__`` of its notebook bases.

    The hook ran where the class was defined; its effects are part of the content of the bases.
    """
    ours = {record.cls for record in records.values()}
    bases = [item for argument in arguments if isinstance(argument, tuple) for item in argument]
    hooked = {
        cls: cls.__dict__["__init_subclass__"]
        for base in bases
        if isinstance(base, type)
        for cls in base.__mro__
        if cls in ours and "__init_subclass__" in cls.__dict__
    }
    for cls in hooked:
        type.__setattr__(cls, "__init_subclass__", classmethod(lambda cls, **_: None))
    try:
        yield
    finally:
        for cls, hook in hooked.items():
            type.__setattr__(cls, "__init_subclass__", hook)


def load_island(data: Any, *buffers: Any) -> object:
    """Return a value that was pickled on its own."""
    return load_value(data, buffers)


def rebuild_view(
    root: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], start: int, is_writeable: bool
) -> Any:
    """Return a numpy view ``start`` bytes into the memory of ``root``."""
    import numpy  # loaded, or there would be no view

    memory = root if root.flags.c_contiguous else root.T
    view: Any = numpy.ndarray(shape, dtype, buffer=memory, offset=start, strides=strides)
    if not is_writeable:
        view.flags.writeable = False
    return view
