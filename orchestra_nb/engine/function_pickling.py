"""Pickling of a user's function for a worker: by value where it cannot be imported, with its lines for tracebacks."""

from __future__ import annotations

import importlib
import io
import linecache
import os
import pickle
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from orchestra_nb.errors import ValueNotPortable

#: A function that drags along more than this is warned of.
LARGE_BYTES = 1_000_000


class LargeClosureWarning(UserWarning):
    """A function takes much data along to each worker."""


def place_of(value: object, function: object) -> tuple[str, str] | None:
    """Return (module, qualified name) by which a worker can import this object; None where only its value can travel.

    Parameters
    ----------
    function
        Tells the names: the function itself, or the one that ``value`` was made of by a decorator.
    """
    module_name, path = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module_name, str) or not isinstance(path, str) or module_name == "__main__":
        return None
    module = sys.modules.get(module_name)
    if module is None or getattr(module, "__spec__", None) is None or _is_pickled_by_value(module_name):
        return None
    found: object = module
    for name in path.split("."):
        found = vars(found).get(name) if isinstance(found, type | types.ModuleType) else None
    return (module_name, path) if found is value else None


def import_place(module_name: str, path: str) -> Any:
    """Return the object at a place."""
    found: Any = importlib.import_module(module_name)
    for name in path.split("."):
        found = vars(found)[name]
    return found


def import_function(module_name: str, path: str) -> Any:
    """Return the function of the task or flow at a place."""
    return import_place(module_name, path).fn


def _place_of_decorated(function: types.FunctionType) -> tuple[str, str] | None:
    """Return the place of the task or flow that stands under the name of a function, and was made of it."""
    module = sys.modules.get(function.__module__ or "")
    found: object = module
    for name in function.__qualname__.split("."):
        found = vars(found).get(name) if isinstance(found, type | types.ModuleType) else None
    if found is None or found is function or getattr(found, "fn", None) is not function:
        return None
    return place_of(found, function)


def _is_pickled_by_value(module_name: str) -> bool:
    import cloudpickle

    registered = cloudpickle.list_registry_pickle_by_value()
    parts = module_name.split(".")
    return any(".".join(parts[:count]) in registered for count in range(1, len(parts) + 1))


def pickle_function(value: object, name: str, *, most_bytes: int | None = None) -> bytes:
    """Return a pickle of a function and what belongs to it; code keeps its file name and, in a notebook, its lines.

    Parameters
    ----------
    name
        The task's name, for messages.
    most_bytes
        How large it may become; None for any size, with a warning of much data that travels to workers.

    Raises
    ------
    ValueNotPortable
        It cannot be pickled; the message names the variable that it uses.
    """
    file = io.BytesIO() if most_bytes is None else _BoundedBytes(most_bytes)
    try:
        _pickler_class()(file, protocol=5).dump(value)
    except _TooLarge:
        raise ValueNotPortable(f"{name} takes more than {most_bytes:,} bytes of data along.") from None
    except Exception as error:  # pickling runs code of any class
        culprit = _first_unpicklable(value)
        what = f"`{culprit}`, which task {name!r} uses," if culprit else f"Task {name!r}"
        raise ValueNotPortable(
            f"{what} cannot be sent to a worker: {type(error).__name__}: {error}. "
            "Make it inside the task, or pass what it is made of."
        ) from None
    data = file.getvalue()
    if most_bytes is None and len(data) > LARGE_BYTES:
        _warn_of_size(value, name, len(data))
    return data


class _TooLarge(Exception):
    pass


class _BoundedBytes(io.BytesIO):
    """Bytes that refuse to become too many, before they are in memory."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._left = most_bytes

    def write(self, data: Any) -> int:
        self._left -= memoryview(data).nbytes
        if self._left < 0:
            raise _TooLarge
        return super().write(data)


def pickle_value(value: object) -> bytes:
    """Pickle data, by value what cannot be imported; an open file is refused, of which cloudpickle sends a copy."""
    file = io.BytesIO()
    _value_pickler_class()(file, protocol=5).dump(value)
    return file.getvalue()


def _value_pickler_class() -> type[Any]:
    global _value_pickler
    if _value_pickler is None:
        import cloudpickle

        reduce_file = cloudpickle.Pickler.dispatch_table[io.TextIOWrapper]

        def reduce_standard_stream(file: io.TextIOWrapper) -> Any:
            if file is sys.stdout or file is sys.stderr:
                return reduce_file(file)
            raise TypeError("cannot pickle an open file")

        class ValuePickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
            dispatch_table = cloudpickle.Pickler.dispatch_table.new_child({io.TextIOWrapper: reduce_standard_stream})

        _value_pickler = ValuePickler
    return _value_pickler


_value_pickler: type[Any] | None = None


def _pickler_class() -> type[Any]:
    global _pickler
    if _pickler is None:
        import cloudpickle

        class FunctionPickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
            def reducer_override(self, obj: Any) -> Any:
                if type(obj) is types.CodeType:
                    make, arguments = self.dispatch_table[types.CodeType](obj)
                    return _rebuild_code, (obj.co_filename, _lines_of(obj.co_filename), make, arguments)
                if type(obj) is types.FunctionType and (place := _place_of_decorated(obj)) is not None:
                    return import_function, place
                return super().reducer_override(obj)

        _pickler = FunctionPickler
    return _pickler


_pickler: type[Any] | None = None


def _rebuild_code(file_name: str, lines: list[str] | None, make: Any, arguments: tuple[object, ...]) -> types.CodeType:
    if lines is not None:
        linecache.cache[file_name] = (sum(map(len, lines)), None, lines, file_name)
    code: types.CodeType = make(*arguments).replace(co_filename=file_name)
    return code


def _lines_of(file_name: str) -> list[str] | None:
    """Return the lines of a notebook's cell, which only this process knows; None for a file."""
    entry = linecache.cache.get(file_name)
    if entry is None or len(entry) != 4 or entry[1] is not None or os.path.exists(file_name):
        return None
    return entry[2]


def _variables_of(function: object) -> Iterator[tuple[str, object]]:
    """Yield the variables outside of it that a function uses, and theirs in turn."""
    waiting, seen = [function], set[int]()
    while waiting:
        value = waiting.pop()
        value = getattr(value, "__wrapped__", value)
        if not isinstance(value, types.FunctionType) or id(value) in seen:
            continue
        seen.add(id(value))
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:  # never assigned
                continue
            yield name, content
            waiting.append(content)
        for name in value.__code__.co_names:
            if name in value.__globals__:
                content = value.__globals__[name]
                if not isinstance(content, types.ModuleType):
                    yield name, content
                    waiting.append(content)


def _functions_in(value: object) -> Iterator[object]:
    """Yield the functions that this one is, or holds: in its attributes, or in slots."""
    if isinstance(value, types.FunctionType):
        yield value
    slots = [getattr(value, name, None) for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    for item in (*getattr(value, "__dict__", {}).values(), *slots):
        if isinstance(item, types.FunctionType | types.MethodType):
            yield getattr(item, "__func__", item)


def _first_unpicklable(value: object) -> str | None:
    for function in _functions_in(value):
        for name, content in _variables_of(function):
            try:
                _pickler_class()(io.BytesIO(), protocol=5).dump(content)
            except Exception:  # pickling runs code of any class
                return name
    return None


def _warn_of_size(value: object, name: str, size: int) -> None:
    largest = ("", 0)
    for function in _functions_in(value):
        for variable, content in _variables_of(function):
            try:
                size_of_content = len(pickle.dumps(content, protocol=5))
            except Exception:  # by value only, such as a class of the notebook: not what is large
                continue
            largest = max(largest, (variable, size_of_content), key=lambda pair: pair[1])
    variable = f"mostly the variable `{largest[0]}` ({largest[1] / 1e6:.1f} MB)" if largest[0] else "with all it uses"
    warnings.warn(
        f"The code of task {name!r} takes {size / 1e6:.1f} MB along to the workers, {variable}. "
        "Pass large data as an argument, or load it inside the task.",
        LargeClosureWarning,
        stacklevel=4,
    )
